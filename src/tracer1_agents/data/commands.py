"""What `tracer1 data` does: count a source and its problems, write it in our own form, describe it.

Sources are streamed; only counts and problems are kept. Steps are those that the source has, appended ends are none.
Nothing is judged here: whether steps can be scored, and what the reference scores, is asked in `evals.validation`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tracer1_agents.actions.space import POINTING_KINDS
from tracer1_agents.data.readers.base import read_items
from tracer1_agents.data.store import write_trajectories
from tracer1_agents.errors import ConfigurationError, DataError
from tracer1_agents.types import SYNTHETIC

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tracer1_agents.data.readers.base import Reader
    from tracer1_agents.types import ReferenceStep, ReferenceTrajectory


@dataclass
class Tally:
    """Counts of one source.

    Attributes:
        trajectories: That could be read.
        steps: That the source has, appended ends left out.
        kinds: Steps by the kind of their action.
        without_box: Pointing steps without a candidate box, by kind.
        flags: Steps by what the source says of them.
        lengths: Trajectories by their number of steps.
        instructed: Steps with a step instruction.
        pictured: Steps that name a screenshot.
        alternatives: Other right actions, over all steps.
        problems: In the order in which they were met.
    """

    trajectories: int = 0
    steps: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    without_box: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    instructed: int = 0
    pictured: int = 0
    alternatives: int = 0
    problems: list[DataError] = field(default_factory=list)

    def add(self, trajectory: ReferenceTrajectory) -> None:
        """Count one trajectory."""
        self.trajectories += 1
        own = [step for step in trajectory.steps if SYNTHETIC not in step.flags]
        self.lengths[len(own)] += 1
        for step in own:
            self._add_step(step)

    def _add_step(self, step: ReferenceStep) -> None:
        self.steps += 1
        self.kinds[step.action.kind] += 1
        self.flags.update(step.flags)
        self.instructed += bool(step.instruction)
        self.pictured += step.observation.image is not None
        self.alternatives += len(step.alternatives)
        if step.action.kind in POINTING_KINDS and step.action.kind != "scroll" and not step.boxes:
            self.without_box[step.action.kind] += 1


def tallied(reader: Reader, path: Path, counts: Tally) -> Iterator[ReferenceTrajectory]:
    """The trajectories of a source, counted on their way; problems go into the counts.

    Raises:
        DataError: There is nothing at `path`.
    """
    for item in read_items(reader, path):
        if isinstance(item, DataError):
            counts.problems.append(item)
        else:
            counts.add(item)
            yield item


def tally(reader: Reader, path: Path) -> Tally:
    """Read a source to its end and count.

    Raises:
        DataError: There is nothing at `path`.
    """
    counts = Tally()
    for _ in tallied(reader, path, counts):
        pass
    return counts


def stats_text(counts: Tally) -> str:
    """What `tracer1 data stats` prints: lengths, instructions, pictures, boxes, flags."""
    lengths = sorted(counts.lengths.elements())
    middle = lengths[len(lengths) // 2] if lengths else 0
    spread = f"{lengths[0]} to {lengths[-1]}, middle {middle}" if lengths else "none"
    rows = [
        ("trajectories", str(counts.trajectories)),
        ("steps", f"{counts.steps} ({spread} a trajectory)"),
        ("kinds", listed(counts.kinds)),
        ("without a box", listed(counts.without_box)),
        ("with a step instruction", str(counts.instructed)),
        ("with a screenshot named", str(counts.pictured)),
        ("alternatives", str(counts.alternatives)),
        ("flags", listed(counts.flags)),
        ("problems", str(len(counts.problems))),
    ]
    return "\n".join(f"{name:<25}{value}" for name, value in rows)


def export(reader: Reader, path: Path, out: Path) -> tuple[int, list[DataError]]:
    """Write a source in our own form.

    Returns:
        How many trajectories were written, and what could not be read.

    Raises:
        DataError: There is nothing at `path`, or nothing in it could be read; what was at `out` stays.
        ConfigurationError: `out` is the source, or no file.
    """
    if path.exists() and out.exists() and out.samefile(path):
        msg = f"{out} is the source itself and would be overwritten; name another file with --out"
        raise ConfigurationError(msg)
    counts = Tally()

    def readable() -> Iterator[ReferenceTrajectory]:
        yield from tallied(reader, path, counts)
        if counts.problems and not counts.trajectories:
            msg = f"nothing in it could be read as {reader.name}, so nothing is written; the first problem: "
            raise DataError(msg + str(counts.problems[0]), path=path)

    return write_trajectories(out, readable()), counts.problems


def listed(counts: Counter[str]) -> str:
    """Names with their counts, the most frequent first."""
    return ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "none"
