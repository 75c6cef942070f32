"""Records of two arms to paired differences: the same items asked of both, seeds beside one another.

A difference is the mean over items and seeds of (first arm minus second); its interval resamples seeds and items
together (two-level bootstrap). An arm with one seed stands against every seed of the other.
"""

from __future__ import annotations

import json
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.evals.results import TaskResult
from tracer1_agents.metrics.forecasts import hit_rates
from tracer1_agents.metrics.intervals import paired_difference

if TYPE_CHECKING:
    from pathlib import Path

    from tracer1_agents.experiments.runner import Runner
    from tracer1_agents.metrics.intervals import Difference

_DISTANCES: Final = (1, 3)
MEASURES: Final = {
    "reward": ("windows", "trajectory reward"),
    "grounded": ("windows", "first action right when carried out"),
    "first_exact": ("windows", "first action exact"),
    "pairs_exact": ("windows", "pairs exact"),
    "plan_exact": ("windows", "every pair exact"),
    "kinds_right": ("windows", "right kinds"),
    "hit_1": ("tasks", "forecast came true, 1 step ahead"),
    "hit_3": ("tasks", "forecast came true, 3 steps ahead"),
    "correct": ("tasks", "tasks answered"),
    "loop": ("tasks", "ended in a loop"),
    "planner_calls": ("tasks", "planner calls"),
}


def read_records(folder: Path, kind: str) -> dict[str, dict[str, Any]]:
    """Records of one cell by the key of their item; empty where that was not measured."""
    path = folder / f"{kind}.jsonl"
    if not path.exists():
        return {}
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if kind == "windows":
        return {record["key"]: {**record, "pairs_exact": _share(record.get("exact"))} for record in records}
    return {record["task_id"]: {**record, "loop": record["status"] == "loop", **_hits(record)} for record in records}


def _share(flags: list[bool] | None) -> float | None:
    return fmean(flags) if flags else None


def _hits(record: dict[str, Any]) -> dict[str, float | None]:
    """Of one episode, the share of forecasts that came true at each distance; None where there was no chance."""
    steps = TaskResult.model_validate(record).trace
    rates = hit_rates([steps.steps if steps else ()], _DISTANCES)
    return {f"hit_{distance}": hits / chances if chances else None for distance, (hits, chances) in rates.items()}


def values(runner: Runner, arm: str, split: str, measure: str) -> list[dict[str, float]]:
    """One measure of an arm: for each seed, item -> value."""
    kind, _ = MEASURES[measure]
    found = [read_records(runner.results(cell, split), kind) for cell in runner.cells(arm)]
    return [
        {key: float(record[measure]) for key, record in records.items() if record[measure] is not None}
        for records in found
    ]


def difference(runner: Runner, first: str, second: str, split: str, measure: str) -> Difference | None:
    """First arm minus second, over the items that every seed of both has; None where there are none."""
    one, other = values(runner, first, split, measure), values(runner, second, split, measure)
    seeds = max(len(one), len(other))
    one, other = one * (seeds if len(one) == 1 else 1), other * (seeds if len(other) == 1 else 1)
    items = sorted(set.intersection(*(set(each) for each in (*one, *other))))
    if not items:
        return None
    pairs = zip(one, other, strict=True)
    return paired_difference([[mine[item] - theirs[item] for item in items] for mine, theirs in pairs])


def mean_of(runner: Runner, arm: str, split: str, measure: str) -> tuple[float, list[float]] | None:
    """Mean over seeds, and each seed's; None where it was not measured."""
    by_seed = [fmean(found.values()) for found in values(runner, arm, split, measure) if found]
    return (fmean(by_seed), by_seed) if by_seed else None
