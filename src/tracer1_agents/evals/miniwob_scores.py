"""What MiniWoB++ episodes add up to: success per task with Wilson intervals, and the mean over tasks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from tracer1_agents.data.miniwob.named import TASKS
from tracer1_agents.metrics.intervals import mean_interval, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer1_agents.evals.results import TaskResult


@dataclass(frozen=True)
class TaskScore:
    """One task.

    Attributes:
        task: Its name.
        group: What it is mostly about; "composition" for pages with several.
        solved: Episodes with a raw reward above 0.
        episodes: All of them.
        raw: Mean raw reward, -1 to 1.
        discounted: Mean of the reward less its share of ten seconds, as published; wall time of this machine.
    """

    task: str
    group: str
    solved: int
    episodes: int
    raw: float
    discounted: float

    @property
    def rate(self) -> float:
        """Share of the episodes that were solved."""
        return self.solved / self.episodes

    @property
    def interval(self) -> tuple[float, float]:
        """Of the rate: 95%, Wilson."""
        return wilson_interval(self.solved, self.episodes)


def place(one: TaskResult) -> tuple[bool, int, str, int]:
    """Where a result stands: in the order of the named tasks, then of pages with several; by seed."""
    task, _, seed = one.task_id.rpartition("/")
    names = list(TASKS)
    return task not in TASKS, names.index(task) if task in TASKS else 0, task, int(seed)


def scores_by_task(results: Sequence[TaskResult]) -> list[TaskScore]:
    """A score for each task, in the order in which they come; an episode without a reward was not solved."""
    found: defaultdict[str, list[TaskResult]] = defaultdict(list)
    for one in results:
        found[one.family].append(one)
    return [
        TaskScore(
            task=task,
            group=TASKS[task].group if task in TASKS else "composition",
            solved=sum(one.correct is True for one in episodes),
            episodes=len(episodes),
            raw=fmean(one.raw_reward or 0.0 for one in episodes),
            discounted=fmean(one.discounted_reward or 0.0 for one in episodes),
        )
        for task, episodes in found.items()
    ]


def means(results: Sequence[TaskResult]) -> dict[str, dict[str, Any]]:
    """Metrics in the form of `tracer1 eval --json`; intervals by a bootstrap that draws whole tasks.

    Where all episodes end alike, the interval of success is Wilson's over episodes.
    """
    tasks = [one.family for one in results]
    measured = {
        "success": [float(one.correct is True) for one in results],
        "raw_reward": [one.raw_reward or 0.0 for one in results],
        "discounted_reward": [one.discounted_reward or 0.0 for one in results],
    }
    found = {}
    for name, values in measured.items():
        value, low, high = mean_interval(values, tasks)
        if name == "success" and value in {0.0, 1.0}:  # a bootstrap of equal marks knows no doubt
            low, high = wilson_interval(round(value * len(values)), len(values))
        found[name] = {"value": value, "low": low, "high": high, "n": len(values), "unit": "task"}
    return found


def as_json(
    results: Sequence[TaskResult], setup: Mapping[str, Any], failed: Sequence[TaskResult] = ()
) -> dict[str, Any]:
    """What `tracer1 eval miniwob --json` prints, and what stands beside a run for `tracer1 report`.

    Args:
        results: What is scored.
        setup: Of the run.
        failed: Episodes that model or browser cost; they are named, not scored.
    """
    steps = sum(len(one.trace.steps) for one in results if one.trace)
    tokens = sum(one.tokens for one in results)
    planning = {"tokens_per_step": {"value": tokens / steps, "low": None, "high": None, "n": steps}} if steps else {}
    return {
        "suite": "miniwob",
        "rule": "reward",
        "episodes": len(results),
        "steps": steps,
        "metrics": means(results),
        "planning": planning,
        "problems": {"failed outside the planner": [one.task_id for one in failed]} if failed else {},
        "tasks": {
            one.task: {
                "group": one.group,
                "solved": one.solved,
                "episodes": one.episodes,
                "low": one.interval[0],
                "high": one.interval[1],
                "raw_reward": one.raw,
                "discounted_reward": one.discounted,
            }
            for one in scores_by_task(results)
        },
        "ends": _ends(results),
        "setup": dict(setup),
    }


def as_text(results: Sequence[TaskResult]) -> str:
    """The same for people."""
    found = scores_by_task(results)
    lines = [f"miniwob   {len(results):,} episodes of {len(found)} tasks", ""]
    for one in found:
        low, high = one.interval
        rate = f"{one.solved:>3} / {one.episodes:<4}{one.rate:>5.0%} ({low:.0%} to {high:.0%})"
        lines.append(f"  {one.task:<30} {one.group:<12}{rate}   raw {one.raw:+.2f}   discounted {one.discounted:+.2f}")
    lines.append("")
    for name, score in means(results).items():
        lines.append(f"  {name:<20}{score['value']:.3f} ({score['low']:.3f} to {score['high']:.3f})")
    lines.append(f"  {'ends':<20}{', '.join(f'{name} {count}' for name, count in _ends(results).items())}")
    return "\n".join(lines)


def _ends(results: Sequence[TaskResult]) -> dict[str, int]:
    """How episodes ended, by status."""
    return {name: sum(one.status == name for one in results) for name in sorted({one.status for one in results})}
