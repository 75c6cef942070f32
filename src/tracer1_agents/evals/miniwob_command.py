"""`tracer1 eval miniwob`: from its arguments to episodes, scores beside them, and what a person is told meanwhile."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tracer1_agents.blobs import BlobStore
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.evals import miniwob, miniwob_scores
from tracer1_agents.evals.miniwob_baselines import BASELINES
from tracer1_agents.evals.results import REDO, ResultsFile, TaskResult, read_results
from tracer1_agents.evals.runs import policy_of
from tracer1_agents.viewer.plain import tell

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from tracer1_agents.evals.collect import Asking

_BASELINE_PROFILE: Final = "compact-screen"  # they read its prompt


def run_miniwob(parsed: argparse.Namespace, asking: Asking) -> int:
    """Play what has no result yet, and score the whole file.

    Args:
        parsed: Of `tracer1 eval`.
        asking: Of it, how the model is asked.

    Returns:
        The exit code; 1 where episodes failed outside the planner, which the next call plays again.

    Raises:
        ConfigurationError: Something is missing, or cannot be run.
    """
    out: Path | None = parsed.out
    if out is None:
        msg = "say with --out F.jsonl where the episodes go; calling again goes on from there"
        raise ConfigurationError(msg)
    baseline = BASELINES.get(parsed.model)
    asking = replace(asking, profile=_BASELINE_PROFILE) if baseline else asking
    course = miniwob.Course(
        miniwob.tasks_named(parsed.tasks), parsed.seeds, asking, parsed.max_steps, parsed.commitment, parsed.best_of
    )
    blobs = BlobStore(out.with_suffix(".blobs"))
    policy = baseline() if baseline else policy_of(asking, parsed.base_url, images=blobs)
    done = {one.task_id for one in read_results(out)[0] if one.status not in REDO} if out.is_file() else set()
    told = _Told(len(set(course.episodes) - done))
    try:
        asyncio.run(miniwob.run(course, policy, ResultsFile(out), blobs, told))
    except KeyboardInterrupt:
        tell(f"interrupted; {told.count} more episodes are in {out}, and the same command goes on from there")
        raise
    results = sorted(read_results(out)[0], key=miniwob_scores.place)
    failed = [one for one in results if one.status in REDO]
    if played := [one for one in results if one.status not in REDO]:
        scores = miniwob_scores.as_json(played, course.setup(), failed)
        out.with_suffix(".scores.json").write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
        print(json.dumps(scores, indent=2) if parsed.json else miniwob_scores.as_text(played))  # noqa: T201
    if failed:
        first = f"{failed[0].task_id}: {failed[0].detail}"
        tell(f"{len(failed)} episodes failed outside the planner and are not scored; call again. The first: {first}")
    return 1 if failed else 0


class _Told:
    """A line for each episode that is over."""

    def __init__(self, most: int) -> None:
        self.count, self._most = 0, most

    def __call__(self, result: TaskResult) -> None:
        self.count += 1
        mark = "solved" if result.correct else "not solved"
        tell(f"{result.task_id}  {mark} ({result.status}, {result.seconds:.1f} s)   {self.count} of {self._most}")
