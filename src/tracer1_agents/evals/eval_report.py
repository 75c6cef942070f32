"""An evaluation as text and as JSON; two of them as paired differences. No number is typed by hand."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.evals.marks import COUNTS, differences
from tracer1_agents.evals.predictions import counted
from tracer1_agents.metrics.intervals import interval_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer1_agents.evals.marks import Score
    from tracer1_agents.evals.scoring import Evaluation
    from tracer1_agents.metrics.intervals import Difference

_SHOWN: Final = 5  # examples of each kind of problem


def as_json(found: Evaluation) -> dict[str, Any]:
    """What `tracer1 eval --json` prints."""
    examples: defaultdict[str, list[str]] = defaultdict(list)
    for problem in found.problems:
        if len(examples[problem.kind]) < _SHOWN:
            examples[problem.kind].append(str(problem))
    return {
        "suite": found.suite,
        "rule": found.rule,
        "episodes": found.episodes,
        "steps": found.steps,
        "metrics": _metrics(found.scores),
        "planning": _metrics(found.planning),
        "baselines": {name: _metrics(scores) for name, scores in found.baselines.items()},
        "not_scored": found.not_scored,
        "missed": found.missed,
        "problems": {
            kind: {"count": count, "examples": examples[kind]} for kind, count in counted(found.problems).items()
        },
    }


def _metrics(scores: Sequence[Score]) -> dict[str, dict[str, Any]]:
    return {
        score.metric: {"value": score.value, "low": score.low, "high": score.high, "n": score.n, "unit": score.unit}
        for score in scores
    }


def as_text(found: Evaluation) -> str:
    """The same for people."""
    lines = [f"{found.suite}   rule {found.rule}   {found.episodes:,} episodes, {found.steps:,} steps", ""]
    lines += [_line(score) for score in found.scores] or ["nothing could be scored"]
    if found.planning:
        lines += ["", "planning (whatever the rule)", *map(_line, found.planning)]
    if found.baselines:
        lines += ["", "beside it"]
        lines += [f"  {name}: {_short(scores)}" for name, scores in found.baselines.items()]
    for title, counts in (("not scored", found.not_scored), ("below 1", found.missed)):
        if counts:
            first = found.marks[0].metric
            lines += ["", f"{title} ({first})", *(f"  {count:>6,}  {why}" for why, count in counts.items())]
    if found.problems:
        lines += ["", "problems", *_problem_lines(found)]
    return "\n".join(lines)


def _problem_lines(found: Evaluation) -> list[str]:
    lines = []
    for kind, count in counted(found.problems).items():
        shown = [problem for problem in found.problems if problem.kind == kind][:_SHOWN]
        lines += [f"  {count:>6,}  {kind}", *(f"          {problem}" for problem in shown)]
        if count > len(shown):
            lines.append(f"          and {count - len(shown):,} more")
    return lines


def figure(metric: str, value: float, *, signed: bool = False) -> str:
    """A value as a percentage, or as a number where it is no share."""
    sign = "+" if signed else ""
    return f"{value:{sign},.1f}" if metric in COUNTS else f"{100 * value:{sign}.2f}%"


def _line(score: Score) -> str:
    shown = partial(figure, score.metric)
    ends = interval_text((score.low, score.high), shown)
    return f"  {score.metric:<28}{shown(score.value):>9}   95%: {ends}   n = {score.n:,} {score.unit}"


def _short(scores: Sequence[Score]) -> str:
    return ", ".join(f"{score.metric} {figure(score.metric, score.value)}" for score in scores) or "no value"


def compare(first: Evaluation, second: Evaluation) -> dict[str, Difference]:
    """Second less first by metric, paired by step or episode."""
    return {**differences(first.marks, second.marks), **differences(first.planning_marks, second.planning_marks)}


def comparison_text(names: tuple[str, str], rule: str, found: Mapping[str, Difference]) -> str:
    """Differences for people."""
    lines = [f"{names[1]} less {names[0]}   rule {rule}   paired by step, whole episodes drawn", ""]
    for metric, one in found.items():
        shown = partial(figure, metric, signed=True)
        ends = interval_text((one.low, one.high), shown)
        lines.append(f"  {metric:<28}{shown(one.mean):>9}   95%: {ends}   pairs = {one.items:,}")
    return "\n".join(lines if found else [*lines, "the two have no step in common"])


def comparison_json(names: tuple[str, str], rule: str, found: Mapping[str, Difference]) -> dict[str, Any]:
    """Differences for programs."""
    return {
        "first": names[0],
        "second": names[1],
        "rule": rule,
        "differences": {metric: asdict(one) for metric, one in found.items()},
    }
