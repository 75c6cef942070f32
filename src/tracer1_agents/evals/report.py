"""Results in numbers: how many tasks are right, how sure that is, what it cost, and which forecasts came true.

`summarise` gives plain data, `print_report` tables of it. A task without a known truth counts as run but not as
scored; a task that failed for any reason counts as wrong.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import MissingExtraError
from tracer1_agents.metrics.forecasts import Survival, survival
from tracer1_agents.metrics.intervals import wilson_interval
from tracer1_agents.types import Status
from tracer1_agents.viewer.plain import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from tracer1_agents.evals.results import TaskResult

DISTANCES: Final = (1, 2, 3, 4)
_COLUMNS: Final = ("", "tasks", "finished", "correct", "95%", "calls", "tokens", "s/task")
_FAMILY_COLUMNS: Final = ("task families", "tasks", "finished", "correct", "95%")


@dataclass(frozen=True)
class Group:
    """Some tasks of a run, added up.

    Attributes:
        name: What they have in common.
        tasks: How many were run.
        finished: How many the planner itself ended.
        scored: How many have a known truth.
        correct: How many of those are right.
        planner_calls: Re-asks included.
        tokens: Planner tokens, input plus output.
        seconds: Median wall time of a task; tasks run side by side, so a sum would say nothing.
    """

    name: str
    tasks: int
    finished: int
    scored: int
    correct: int
    planner_calls: int
    tokens: int
    seconds: float

    @property
    def accuracy(self) -> float | None:
        """Share of the scored tasks that is right; None where none is scored."""
        return self.correct / self.scored if self.scored else None

    @property
    def interval(self) -> tuple[float, float]:
        """95% Wilson interval of the accuracy."""
        return wilson_interval(self.correct, self.scored)


@dataclass(frozen=True)
class Report:
    """What a run amounts to.

    Attributes:
        levels: One group a level, in order; level 0 holds tasks without one.
        total: All tasks.
        families: Tasks of families that the shipped planner trained on, then of others; empty without families.
        survival: Distance -> how many forecast pairs came true; without distances at which nobody knows.
        endings: Status -> number of tasks, the commonest first.
    """

    levels: tuple[Group, ...]
    total: Group
    families: tuple[Group, ...]
    survival: Mapping[int, Survival]
    endings: Mapping[str, int]


def summarise(results: Sequence[TaskResult]) -> Report:
    """Add up the results of a run.

    Args:
        results: In any order; may be empty.
    """
    levels = sorted({result.level for result in results})
    with_family = [result for result in results if result.family]
    trained = [result for result in with_family if result.trained_family]
    untrained = [result for result in with_family if not result.trained_family]
    return Report(
        levels=tuple(
            _group(f"level {level}" if level else "no level", [item for item in results if item.level == level])
            for level in levels
        ),
        total=_group("total", results),
        families=((_group("trained on", trained), _group("never trained on", untrained)) if with_family else ()),
        survival=survival([result.trace.steps for result in results if result.trace], DISTANCES),
        endings=dict(Counter(result.status for result in results).most_common()),
    )


def _group(name: str, results: Sequence[TaskResult]) -> Group:
    return Group(
        name=name,
        tasks=len(results),
        finished=sum(result.status == Status.FINISHED for result in results),
        scored=sum(result.correct is not None for result in results),
        correct=sum(result.correct is True for result in results),
        planner_calls=sum(result.planner_calls for result in results),
        tokens=sum(result.tokens for result in results),
        seconds=statistics.median(result.seconds for result in results) if results else 0.0,
    )


def print_report(results: Sequence[TaskResult], *, console: Console | None = None) -> None:
    """Print a run's tables.

    Args:
        results: Of one run.
        console: Where to; None: standard output.

    Raises:
        MissingExtraError: rich is not installed.
    """
    try:
        from rich.console import Console  # noqa: PLC0415  (an extra)
    except ImportError:
        feature = "printing a report"
        raise MissingExtraError(feature, "agents") from None
    console = console or Console(highlight=False)
    report = summarise(results)
    console.print(_table(_COLUMNS, [*map(_row, report.levels), _row(report.total)]))
    if report.families:
        rows = [_row(group)[: len(_FAMILY_COLUMNS)] for group in report.families]
        console.print(_table(_FAMILY_COLUMNS, rows))
    if report.survival:
        rows = [_survival_row(distance, one) for distance, one in report.survival.items()]
        console.print(_table(("forecasts that came true", "pairs", "share", "95%"), rows))
    endings = ", ".join(f"{one_line(status, 30)} {count}" for status, count in report.endings.items())
    console.print(f"how the tasks ended: {endings or 'none was run'}", markup=False)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Any:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415  (an extra)
    from rich.table import Table  # noqa: PLC0415  (an extra)

    table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="left" if name == columns[0] else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _row(group: Group) -> tuple[str, ...]:
    counts, share, interval = _share(group.correct, group.scored)
    return (
        group.name,
        str(group.tasks),
        str(group.finished),
        f"{counts} = {share}" if group.scored else "-",
        interval,
        f"{group.planner_calls:,}",
        f"{group.tokens:,}",
        f"{group.seconds:.1f}",
    )


def _survival_row(distance: int, one: Survival) -> tuple[str, ...]:
    low, high = one.ends
    interval = "-" if low is None or high is None else f"{100 * low:.0f}-{100 * high:.0f}%"
    return f"{distance} ahead", f"{one.hits}/{one.total}", f"{one.share:.0%}", interval


def _share(hits: int, total: int) -> tuple[str, str, str]:
    """Counts, percentage and interval as text."""
    if total == 0:
        return "0/0", "-", "-"
    low, high = wilson_interval(hits, total)
    return f"{hits}/{total}", f"{hits / total:.0%}", f"{100 * low:.0f}-{100 * high:.0f}%"
