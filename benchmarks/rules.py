"""How long scoring takes: AndroidControl's steps under all six rules, Mind2Web's under its own.

Run with TRACER1_DATA naming the folder of samples: ``python benchmarks/rules.py``. One core, processor time, the best
of five passes; references and predictions are in memory. What it printed stands in docs/benchmarks.md.
"""
# ruff: noqa: INP001, T201  (a program; what it prints is its result)

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final

from tracer1_agents.evals.markers import own_steps
from tracer1_agents.evals.predictions import read_predictions
from tracer1_agents.evals.scoring import References, evaluate, marks_of, oracle
from tracer1_agents.evals.suites import data_path, references, suite_named

if TYPE_CHECKING:
    from collections.abc import Callable

PASSES: Final = 5


def main() -> None:
    """Print the table."""
    if not os.environ.get("TRACER1_DATA"):
        sys.exit("set TRACER1_DATA to the folder of published samples")
    android = gather("androidcontrol-high")
    gold = oracle(android)
    steps = evaluate(android, gold, baselines=False).steps
    for rule in android.suite.rules:
        report(f"AndroidControl, {rule}", lambda rule=rule: marks_of(android, gold, rule), steps)
    report("AndroidControl, all six", lambda: [marks_of(android, gold, rule) for rule in android.suite.rules], steps)
    web = gather("mind2web")
    plans = read_predictions(
        data_path(web.suite, None).with_name("gpt-4o_cross_task_plan.jsonl"), "mind2web", "uground"
    )
    rows = sum(len(own_steps(one)) for one in web.trajectories)
    report("Mind2Web, official", lambda: marks_of(web, plans, "official"), rows)
    report("Mind2Web, with intervals", lambda: evaluate(web, plans, baselines=False), rows)


def gather(name: str) -> References:
    """The references of a suite's sample."""
    suite = suite_named(name)
    return References.gather(suite, references(suite, data_path(suite, None)))


def report(name: str, score: Callable[[], object], steps: int) -> None:
    """Print seconds per 1,000 steps."""
    times = []
    for _ in range(PASSES):
        start = time.process_time()
        score()
        times.append(time.process_time() - start)
    print(f"{name:28s} {steps:6,} steps   {1000 * min(times) / steps:.4f} s per 1,000 steps")


if __name__ == "__main__":
    main()
