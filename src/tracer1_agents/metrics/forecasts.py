"""Which forecast pairs came true: step k of a forecast against what ran k steps later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer1_agents.actions.match import similarity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.types import StepRecord


def came_true(steps: Sequence[StepRecord], at: int, ahead: int) -> bool | None:
    """Whether pair `ahead` of the forecast made at step index `at` is what ran `ahead` steps later.

    Args:
        steps: Of one trace.
        at: Index of the step that made the forecast, from 0.
        ahead: Distance; 0 is the pair that ran at once.

    Returns:
        None when the forecast has no such pair, or the episode ended before.
    """
    forecast = steps[at].forecast
    if ahead >= len(forecast) or at + ahead >= len(steps):
        return None
    pair, happened = forecast[ahead], steps[at + ahead]
    agreement = similarity(
        pair.action, happened.executed, instruction=pair.instruction, reference_instruction=happened.instruction
    )
    return agreement == 1.0


def hit_rates(
    traces: Sequence[Sequence[StepRecord]], distances: Sequence[int] = (1, 2, 3, 4)
) -> dict[int, tuple[int, int]]:
    """Hits and chances of the forecasts of many traces, by distance; placeholders agree with any value."""
    rates = {}
    for distance in distances:
        outcomes = [came_true(steps, at, distance) for steps in traces for at in range(len(steps))]
        known = [outcome for outcome in outcomes if outcome is not None]
        rates[distance] = (sum(known), len(known))
    return rates
