"""What MiniWoB++ episodes add up to: success per task with Wilson intervals, and the mean over tasks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from tracer1_agents.data.miniwob.named import TASKS
from tracer1_agents.metrics.intervals import interval_text, mean_interval, wilson_interval

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
    return [_score(task, episodes) for task, episodes in found.items()]


def _score(task: str, episodes: Sequence[TaskResult]) -> TaskScore:
    return TaskScore(
        task=task,
        group=TASKS[task].group if task in TASKS else "composition",
        solved=sum(one.correct is True for one in episodes),
        episodes=len(episodes),
        raw=fmean(one.raw_reward or 0.0 for one in episodes),
        discounted=fmean(one.discounted_reward or 0.0 for one in episodes),
    )


def means(results: Sequence[TaskResult]) -> dict[str, dict[str, Any]]:
    """Metrics in the form of `tracer1 eval --json`: means over tasks of their means, however many episodes each has.

    Named tasks and pages with several are apart where there are both. Intervals are by a bootstrap that draws whole
    tasks; of one task it draws episodes. Where all episodes end alike, that of success is Wilson's over episodes.
    """
    named, pages = ([one for one in results if (one.family in TASKS) is known] for known in (True, False))
    if named and pages:
        return _means(named) | {f"{name}, several tasks": score for name, score in _means(pages).items()}
    return _means(results)


def _means(results: Sequence[TaskResult]) -> dict[str, dict[str, Any]]:
    by_task = scores_by_task(results)
    alone = len(by_task) == 1
    drawn = [_score(one.family, [one]) for one in results] if alone else by_task
    measured = {
        "success": [one.rate for one in drawn],
        "raw_reward": [one.raw for one in drawn],
        "discounted_reward": [one.discounted for one in drawn],
    }
    found = {}
    for name, values in measured.items():
        value, ends = mean_interval(values, None if alone else [one.task for one in by_task])
        if name == "success" and (alone or value in {0.0, 1.0}):  # a bootstrap of equal marks knows no doubt
            ends = wilson_interval(round(value * len(results)), len(results))
        low, high = ends
        found[name] = {"value": value, "low": low, "high": high, "n": len(results), "unit": "task"}
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
    lost = [one.task_id for one in failed]
    planning = {"tokens_per_step": {"value": tokens / steps, "low": None, "high": None, "n": steps}} if steps else {}
    return {
        "suite": "miniwob",
        "rule": "reward",
        "episodes": len(results),
        "steps": steps,
        "metrics": means(results),
        "planning": planning,
        "problems": {"failed outside the planner": {"count": len(failed), "examples": lost}} if lost else {},
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
        ends = interval_text((score["low"], score["high"]), "{:.3f}".format)
        lines.append(f"  {name:<20}{score['value']:.3f} ({ends})")
    lines.append(f"  {'ends':<20}{', '.join(f'{name} {count}' for name, count in _ends(results).items())}")
    return "\n".join(lines)


def _ends(results: Sequence[TaskResult]) -> dict[str, int]:
    """How episodes ended, by status."""
    return {name: sum(one.status == name for one in results) for name in sorted({one.status for one in results})}
