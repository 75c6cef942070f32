"""What a run on disk amounts to, whichever kind it is: results of whole tasks, or the scores of predictions.

A results file (`examples/gaia_agent.py`) is summed up here; of predictions (`tracer1 eval --model ... --out F.jsonl`)
the file `F.scores.json` is read. Nothing is scored anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError

from tracer1_agents.errors import ConfigurationError, DataError
from tracer1_agents.evals.report import summarise
from tracer1_agents.evals.results import read_results, read_setup
from tracer1_agents.metrics.forecasts import survival
from tracer1_agents.metrics.intervals import wilson_interval
from tracer1_agents.metrics.planning import per_success, plan_churn
from tracer1_agents.types import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tracer1_agents.evals.results import TaskResult

AHEAD: Final = (1, 2, 3, 4, 5, 6, 8, 9)


@dataclass(frozen=True)
class Value:
    """A number with its interval; the ends are None where none is known."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


class _Count(BaseModel):
    count: int


class _Scores(BaseModel):
    """A scores file, as far as it is read."""

    suite: str
    rule: str
    metrics: dict[str, Value]
    planning: dict[str, Value]
    problems: dict[str, _Count]
    setup: dict[str, Any] = {}


@dataclass(frozen=True)
class RunSummary:
    """One run.

    Attributes:
        name: Of its file.
        suite: What was run.
        rule: By whose rule.
        setup: How it was made.
        metrics: Name -> value; the first is the one that figures show.
        survival: Steps ahead -> share of forecast pairs that came true.
        cost: Tokens an item (a step, or a task) took; None where unknown.
        problems: What was wrong with the input, by kind.
    """

    name: str
    suite: str
    rule: str
    setup: Mapping[str, Any]
    metrics: Mapping[str, Value]
    survival: Mapping[int, Value] = field(default_factory=dict)
    cost: float | None = None
    problems: Mapping[str, int] = field(default_factory=dict)

    @property
    def main(self) -> tuple[str, Value] | None:
        """Name and value of the first metric."""
        return next(iter(self.metrics.items()), None)

    @property
    def horizon(self) -> int | None:
        """T, where the setup says."""
        value = self.setup.get("horizon")
        return value if isinstance(value, int) else None


def read_run(path: Path) -> RunSummary:
    """Sum up a run.

    Args:
        path: A results file, a predictions file with its scores beside it, or such a scores file.

    Raises:
        ConfigurationError: It is none of these.
        DataError: Its scores are damaged.
    """
    scores = scores_beside(path)
    if scores.is_file() and path.exists():
        return _from_scores(scores)
    results, problems = read_results(path)
    if not results:
        msg = (
            f"{path} holds no results of tasks, and no {scores.name} stands beside it (tracer1 eval --model writes it)"
        )
        raise ConfigurationError(msg)
    return _from_results(path, results, len(problems))


def scores_beside(path: Path) -> Path:
    """Where the scores of a run stand: itself, or the file beside it."""
    return path if path.name.endswith(".scores.json") else path.parent / f"{path.stem}.scores.json"


def _from_scores(path: Path) -> RunSummary:
    try:
        found = _Scores.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        msg = (
            f"not the scores of a run ({f'{where}: ' if where else ''}{first['msg']}); score it anew with tracer1 eval"
        )
        raise DataError(msg, path=path) from None
    planning = found.planning
    survival = {
        int(name.removeprefix("hit_")): value
        for name, value in planning.items()
        if name.removeprefix("hit_").isdecimal()
    }
    tokens = planning.get("tokens_per_step")
    return RunSummary(
        name=path.name.removesuffix(".scores.json"),
        suite=found.suite,
        rule=found.rule,
        setup=found.setup,
        metrics={**found.metrics, **{name: value for name, value in planning.items() if not name.startswith("hit_")}},
        survival={ahead: value for ahead, value in survival.items() if ahead},
        cost=tokens.value if tokens else None,
        problems={kind: one.count for kind, one in found.problems.items()},
    )


def _from_results(path: Path, results: Sequence[TaskResult], broken: int) -> RunSummary:
    report = summarise(results)
    metrics = {}
    for group in (report.total, *report.levels):
        if group.accuracy is not None:
            name = "accuracy" if group is report.total else f"accuracy, {group.name}"
            metrics[name] = Value(group.accuracy, *group.interval, group.scored)
    scored = [one for one in results if one.correct is not None]
    right = [bool(one.correct) for one in scored]
    spent = {"planner_calls": [one.planner_calls for one in scored], "tokens": [one.tokens for one in scored]}
    for name, values in spent.items():
        if (each := per_success(values, right)) is not None:
            metrics[f"{name}_per_success"] = Value(each, n=len(scored))
    loops = sum(one.status == Status.LOOP for one in results)
    metrics["loop_rate"] = Value(loops / len(results), *wilson_interval(loops, len(results)), len(results))
    traces = [one.trace.steps for one in results if one.trace]
    problems = {"malformed": broken, "duplicate": len(results) - len({one.task_id for one in results})}
    changed = [value for steps in traces for value in plan_churn([step.forecast for step in steps])]
    if changed:
        metrics["plan_churn"] = Value(sum(changed) / len(changed), n=len(changed))
    return RunSummary(
        name=path.stem,
        suite="tasks",
        rule="official",
        setup=read_setup(path),
        metrics=metrics,
        survival={ahead: Value(one.share, *one.ends, one.total) for ahead, one in survival(traces, AHEAD).items()},
        cost=sum(one.tokens for one in results) / len(results),
        problems={kind: count for kind, count in problems.items() if count},
    )
