"""How long the references of the desk's families are.

python -m tracer1_agents.data.taskgen.desk.stats --tasks 1000
"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Final

from tracer1_agents.data.taskgen.desk.families import UNSEEN, WORLD1, make_world_task
from tracer1_agents.data.taskgen.desk.options import WorldOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

LONG_STEPS: Final = 12


def lengths(families: Sequence[str], count: int, options: WorldOptions) -> dict[str, list[int]]:
    """Reference steps of `count` tasks, dealt out to the families in turn, by family."""
    found: dict[str, list[int]] = {name: [] for name in families}
    for number in range(count):
        name = families[number % len(families)]
        found[name].append(len(make_world_task(name, f"stats/{number}", options).steps))
    return found


def share_long(found: dict[str, list[int]]) -> float:
    """Share of all tasks with 12 steps or more."""
    every = [length for of_family in found.values() for length in of_family]
    return sum(length >= LONG_STEPS for length in every) / len(every)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `python -m tracer1_agents.data.taskgen.desk.stats`."""
    parser = argparse.ArgumentParser(
        prog="python -m tracer1_agents.data.taskgen.desk.stats", description="Lengths of references, by family."
    )
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--predictable", type=float, default=0.8)
    arguments = parser.parse_args(argv)
    options = WorldOptions(predictable=arguments.predictable)
    for title, families in (("trained", WORLD1), ("never trained on", tuple(UNSEEN))):
        found = lengths(families, arguments.tasks, options)
        print(f"{title}: {share_long(found):.1%} of {arguments.tasks} tasks have {LONG_STEPS} steps or more")  # noqa: T201
        for name, of_family in found.items():
            counts = ", ".join(f"{steps}: {tasks}" for steps, tasks in sorted(Counter(of_family).items()))
            print(f"  {name}: {counts}")  # noqa: T201


if __name__ == "__main__":
    main()
