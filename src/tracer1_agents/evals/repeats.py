"""Runs of the same tasks that differ in their seeds alone: how often all of k runs succeed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.evals.results import read_results, read_setup
from tracer1_agents.evals.run_summary import RunSummary, Value
from tracer1_agents.metrics.intervals import resampled, wilson_interval
from tracer1_agents.metrics.planning import pass_hat_k

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def repeated(paths: Sequence[Path], k: int) -> RunSummary:
    """pass^1 to pass^k over runs of whole tasks, with 95% bootstrap intervals that draw tasks.

    Args:
        paths: Their results files; every run has the same setup but for its seed.
        k: Runs that must all succeed, from 1 to the number of files.

    Returns:
        Its problems name the tasks that were left out, because fewer than `k` runs scored them, and unreadable lines.

    Raises:
        ConfigurationError: There are fewer than `k` runs, they are no repeats of one another, or no task was scored in
            `k` of them.
    """
    if not 1 <= k <= len(paths):
        msg = f"--pass-k {k} needs between 1 and as many runs as there are, got {len(paths)}; give one file a seed"
        raise ConfigurationError(msg)
    setup = _common_setup(paths)
    outcomes: dict[str, list[bool]] = {}
    broken = 0
    for path in paths:
        results, problems = read_results(path)
        broken += len(problems)
        for task, correct in {result.task_id: result.correct for result in results}.items():  # one a run
            outcomes.setdefault(task, [])
            if correct is not None:
                outcomes[task].append(correct)
    enough = {task: runs for task, runs in outcomes.items() if len(runs) >= k}
    if not enough:
        msg = f"no task was scored in {k} of the {len(paths)} runs; their files hold {len(outcomes)} tasks in all"
        raise ConfigurationError(msg)
    left_out = len(outcomes) - len(enough)
    counts = {f"tasks scored in fewer than {k} runs": left_out, "malformed": broken}
    return RunSummary(
        name=f"{len(paths)} runs",
        suite="tasks",
        rule="official",
        setup=setup,
        metrics={f"pass^{count}": _pass(enough, count) for count in range(1, k + 1)},
        problems={kind: count for kind, count in counts.items() if count},
    )


def _pass(outcomes: dict[str, list[bool]], k: int) -> Value:
    def statistic(drawn: Sequence[list[bool]]) -> float | None:
        return pass_hat_k({str(at): runs for at, runs in enumerate(drawn)}, k)

    runs = list(outcomes.values())
    value = statistic(runs) or 0.0
    if value in {0.0, 1.0}:  # drawing anew cannot show what was never seen
        return Value(value, *wilson_interval(round(value * len(runs)), len(runs)), len(runs))
    return Value(value, *resampled(runs, statistic), len(runs))


def _common_setup(paths: Sequence[Path]) -> dict[str, Any]:
    """What the runs have in common, which is all but the seed."""
    said = [read_setup(path) for path in paths]
    for at, (path, setup) in enumerate(zip(paths, said, strict=True)):
        if not setup:
            msg = f"{path} has no file beside it that says how the run was made, so it cannot be told for a repeat"
            raise ConfigurationError(msg)
        twin = next((other for other in range(at) if _is_one_run(paths, said, at, other)), None)
        if twin is not None:
            msg = f"{path} and {paths[twin]} are one run, or have one seed; pass^k is of runs with seeds of their own"
            raise ConfigurationError(msg)
    setups = [
        {key: value for key, value in setup.items() if key != "seed" and not key.startswith("info_")} for setup in said
    ]
    for path, setup in zip(paths, setups, strict=True):
        different = sorted(key for key in {*setup, *setups[0]} if setup.get(key) != setups[0].get(key))
        if different:
            told = ", ".join(f"{key} is {setup.get(key)!r}, was {setups[0].get(key)!r}" for key in different)
            msg = f"{path} is no repeat of {paths[0]} ({told}); pass^k is of runs that differ in their seeds alone"
            raise ConfigurationError(msg)
    return setups[0]


def _is_one_run(paths: Sequence[Path], setups: Sequence[dict[str, Any]], one: int, other: int) -> bool:
    seeds = [setups[at].get("seed") for at in (one, other)]
    return paths[one].resolve() == paths[other].resolve() or (seeds[0] is not None and seeds[0] == seeds[1])
