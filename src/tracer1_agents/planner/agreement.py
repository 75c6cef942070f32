"""Of several forecasts of one step, the one that the others agree with most.

A run-time foresight channel (ours): a sampled future that most samples share is more likely to be a sound one, and with
it the first action that leads there. With a discount of 0 only the first actions are compared, which is a vote among
actions and no foresight: the control for the rest.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from tracer1_agents.actions.match import similarity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.types import Forecast, ForecastPair


def most_agreed(forecasts: Sequence[Forecast], discount: float) -> int:
    """Index of the forecast with the highest mean agreement; the earliest of equals.

    Args:
        forecasts: Of one step; those whose first pair is broken are never chosen while another one is there.
        discount: Weight of each pair relative to the one before it, in [0, 1].
    """
    usable = [at for at, forecast in enumerate(forecasts) if forecast.ok] or [0]

    def support(at: int) -> float:
        return sum(agreement(forecasts[at], forecasts[other], discount) for other in usable if other != at)

    return max(usable, key=support)


def agreement(one: Forecast, other: Forecast, discount: float) -> float:
    """How far two forecasts say the same, in [0, 1]: the discounted mean of `actions.match.similarity`, pair by pair.

    A pair that only one of them has agrees with nothing, nor does a placeholder with a value: of the two directions of
    `similarity`, which excuses the placeholders of one side, the lower one counts.
    """
    weight, total, weights = 1.0, 0.0, 0.0
    for mine, theirs in zip_longest(one.pairs, other.pairs):
        total += weight * _same(mine, theirs)
        weights += weight
        weight *= discount
    return total / weights if weights else 0.0


def _same(one: ForecastPair | None, other: ForecastPair | None) -> float:
    if one is None or other is None:
        return 0.0
    return min(_agrees(one, other), _agrees(other, one))


def _agrees(one: ForecastPair, other: ForecastPair) -> float:
    return similarity(
        one.action, other.action, instruction=one.instruction, reference_instruction=other.instruction, first=True
    )
