"""How a planner plans, whatever it scores: forecasts over time, loops, cost, success over seeds. Pure functions, ours.

An episode is given as its forecasts, one a step, in order. What "the same action" means stands in `actions.match`.
Forecasts against what ran are in `metrics.forecasts`.
"""

from __future__ import annotations

from itertools import pairwise
from math import comb
from typing import TYPE_CHECKING

from tracer1_agents.actions.match import RUN_TIME_ALLOWANCE, operation, repetitions, same_operation
from tracer1_agents.metrics.texts import edit_similarity

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from tracer1_agents.types import ForecastPair

    Plan = Sequence[ForecastPair]


def first_action_agreement(one: Sequence[Plan], other: Sequence[Plan]) -> list[bool]:
    """Window by window, whether two policies would do the same now; a window that neither answers agrees.

    Args:
        one: Forecasts of one policy.
        other: Of the other, over the same windows.

    Raises:
        ValueError: They are not over the same number of windows.
    """
    return [
        same_operation(mine[0].action, theirs[0].action, mine[0].instruction, theirs[0].instruction)
        if mine and theirs
        else not mine and not theirs
        for mine, theirs in zip(one, other, strict=True)
    ]


def plan_churn(forecasts: Sequence[Plan]) -> list[float]:
    """How much of the plan changes between two steps, in [0, 1]; one value for each step but the first.

    What the earlier forecast says from its second pair on is compared with the later forecast, over the length that
    both have: edit distance of their operations over that length. Forecasts without such a part give no value.
    """
    changed = []
    for before, after in pairwise(forecasts):
        shared = min(len(before) - 1, len(after))
        if shared > 0:
            left, right = _operations(before[1 : shared + 1]), _operations(after[:shared])
            changed.append(1.0 - edit_similarity(left, right))
    return changed


def _operations(plan: Plan) -> list[tuple[str, str]]:
    return [operation(pair.action, pair.instruction) for pair in plan]


def looped(executed: Sequence[ForecastPair], seen: Sequence[Hashable] | None = None) -> bool:
    """Whether an episode repeats itself, by the function of the run-time loop guard.

    Args:
        executed: What ran, in order.
        seen: What was observed before each step, so that trying again after a change is no loop; None: the operation
            alone counts.
    """
    doings: list[tuple[Hashable, ...]] = [
        (*operation(pair.action, pair.instruction), seen[at] if seen is not None else "")
        for at, pair in enumerate(executed)
    ]
    return any(repetitions(doings, allowed=lambda doing: RUN_TIME_ALLOWANCE.get(str(_kind(doing)), 1)))


def _kind(doing: Hashable) -> Hashable:
    return doing[0] if isinstance(doing, tuple) else doing


def per_success(spent: Sequence[float], succeeded: Sequence[bool]) -> float | None:
    """What one success costs: everything that was spent, failures too, over the successes.

    Args:
        spent: Planner calls or tokens of each episode.
        succeeded: Of each episode.

    Returns:
        None without a success.

    Raises:
        ValueError: The two differ in length.
    """
    if len(spent) != len(succeeded):
        msg = f"every episode needs both a cost and an outcome, got {len(spent)} costs and {len(succeeded)} outcomes"
        raise ValueError(msg)
    return sum(spent) / sum(succeeded) if any(succeeded) else None


def pass_hat_k(outcomes: Mapping[str, Sequence[bool]], k: int) -> float | None:
    """pass^k: the chance that k runs of a task with different seeds *all* succeed, averaged over tasks.

    Unbiased from n >= k runs with c successes: C(c, k) / C(n, k) (tau-bench, arXiv 2406.12045, section 3).

    Args:
        outcomes: Task -> outcome of each of its runs.
        k: Runs that must all succeed, at least 1.

    Returns:
        None where no task has k runs; tasks with fewer are left out.

    Raises:
        ValueError: `k` is below 1.
    """
    if k < 1:
        msg = f"k counts runs from 1, got {k}"
        raise ValueError(msg)
    rates = [comb(sum(runs), k) / comb(len(runs), k) for runs in outcomes.values() if len(runs) >= k]
    return sum(rates) / len(rates) if rates else None
