"""Records of two arms to paired differences: the same items asked of both, seeds beside one another.

A difference is the mean over items and seeds of (first arm minus second); its interval resamples seeds and items
together (two-level bootstrap). An arm with one seed stands against every seed of the other.
"""

from __future__ import annotations

import json
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.metrics.intervals import paired_difference

if TYPE_CHECKING:
    from pathlib import Path

    from tracer1_agents.experiments.runner import Runner
    from tracer1_agents.metrics.intervals import Difference

MEASURES: Final = {
    "reward": ("windows", "trajectory reward"),
    "first_exact": ("windows", "executed action exact"),
    "plan_exact": ("windows", "every pair exact"),
    "kinds_right": ("windows", "right kinds"),
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
        return {record["key"]: record for record in records}
    return {record["task_id"]: {**record, "loop": record["status"] == "loop"} for record in records}


def values(runner: Runner, arm: str, split: str, measure: str) -> list[dict[str, float]]:
    """One measure of an arm: for each seed, item -> value."""
    kind, _ = MEASURES[measure]
    found = [read_records(runner.results(cell, split), kind) for cell in runner.cells(arm)]
    return [{key: float(record[measure]) for key, record in records.items()} for records in found]


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
