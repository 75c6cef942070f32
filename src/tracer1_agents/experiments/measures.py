"""What is read off a result: one number an item, from the columns that a result file keeps.

An item without a value (no chance that a forecast came true, tools that were lost) is left out of that measure alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from tracer1_agents.evals.results import REDO, TaskResult
from tracer1_agents.metrics.forecasts import hit_rates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Kind = Literal["windows", "tasks"]
Item = dict[str, Any]

LONG_STEPS: Final = 12
"""A task is long when its reference has so many steps."""
DISTANCES: Final = tuple(range(1, 16))
WINDOW_COLUMNS: Final = ("key", "reward", "grounded", "first_exact", "plan_exact", "kinds_right", "exact", "tokens")
_DIGITS: Final = 4


@dataclass(frozen=True)
class Measure:
    """One number an item.

    Attributes:
        kind: Whether windows or tasks have it.
        label: For people.
        of: Reads it; None where the item has none.
        rate: Whether it is shown as a percentage.
    """

    kind: Kind
    label: str
    of: Callable[[Item], float | None]
    rate: bool = True


def _column(name: str) -> Callable[[Item], float | None]:
    def read(item: Item) -> float | None:
        value = item.get(name)
        return None if value is None else float(value)

    return read


def _exact_at(distance: int) -> Callable[[Item], float | None]:
    """Whether the pair so far ahead is exact; None where the window ends before."""
    return lambda item: float(item["exact"][distance]) if distance < len(item["exact"]) else None


def _hit(distance: int) -> Callable[[Item], float | None]:
    """Of one episode, the share of forecasts that came true so far ahead; None where there was no chance."""

    def read(item: Item) -> float | None:
        hits, chances = item["hits"][distance - 1] if distance <= len(item["hits"]) else (0, 0)
        return hits / chances if chances else None

    return read


MEASURES: Final[dict[str, Measure]] = {
    "reward": Measure("windows", "trajectory reward", _column("reward")),
    "grounded": Measure("windows", "first action right when carried out", _column("grounded")),
    "first_exact": Measure("windows", "first action exact", _column("first_exact")),
    "pairs_exact": Measure("windows", "pairs exact", lambda item: sum(map(int, item["exact"])) / len(item["exact"])),
    "plan_exact": Measure("windows", "every pair exact", _column("plan_exact")),
    "kinds_right": Measure("windows", "right kinds", _column("kinds_right")),
    **{f"exact_{k}": Measure("windows", f"pair exact, {k} ahead", _exact_at(k)) for k in DISTANCES},
    **{f"hit_{k}": Measure("tasks", f"forecast came true, {k} ahead", _hit(k)) for k in DISTANCES},
    "correct": Measure("tasks", "tasks solved", _column("correct")),
    "loop": Measure("tasks", "ended in a loop", lambda item: float(item["status"] == "loop")),
    "planner_calls": Measure("tasks", "planner calls", _column("planner_calls"), rate=False),
    "tokens": Measure("tasks", "planner tokens", _column("tokens"), rate=False),
}
SHOWN: Final = (
    "reward", "grounded", "first_exact", "pairs_exact", "kinds_right", "hit_1", "hit_3", "correct", "loop",
    "planner_calls",
)  # fmt: skip


def window_item(record: Mapping[str, Any]) -> Item:
    """A window's record as a result file keeps it; `exact` is a string of digits, one a pair."""
    item = {name: record[name] for name in WINDOW_COLUMNS}
    item["exact"] = "".join(str(int(flag)) for flag in record["exact"])
    return {name: _plain(value) for name, value in item.items()}


def task_item(record: Mapping[str, Any], steps: int) -> Item:
    """A task's record as a result file keeps it; `hits` holds [hits, chances] of its forecasts by distance.

    Args:
        record: Of the task.
        steps: Of its reference.
    """
    result = TaskResult.model_validate(record)
    rates = hit_rates([result.trace.steps if result.trace else ()], DISTANCES)
    hits = [list(rates[distance]) for distance in DISTANCES]
    while hits and hits[-1][1] == 0:
        hits.pop()
    item = {
        "key": result.task_id,
        "family": result.family,
        "trained": result.trained_family,
        "traits": list(result.traits),
        "steps": steps,
        "correct": None if result.status in REDO else result.correct,
        "state": result.state,
        "status": result.status,
        "planner_calls": result.planner_calls,
        "tokens": result.tokens,
        "seconds": result.seconds,
        "hits": hits,
    }
    return {name: _plain(value) for name, value in item.items()}


def is_among(item: Item, items: str) -> bool:
    """Whether an item counts as one of `all`, of the `long` tasks, or of those of `new` families."""
    if items == "long":
        return bool(item.get("steps", 0) >= LONG_STEPS)
    return items == "all" or not item.get("trained", True)


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return round(value, _DIGITS) if isinstance(value, float) else value
