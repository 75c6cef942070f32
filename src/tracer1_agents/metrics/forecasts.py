"""Which forecast pairs came true: step k of a forecast against what ran k steps later."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer1_agents.actions.match import similarity
from tracer1_agents.metrics.intervals import Ends, resampled, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.types import StepRecord


class Survival(NamedTuple):
    """How many forecast pairs of one distance came true.

    Attributes:
        hits: Pairs that came true.
        total: Pairs whose outcome is known; at least 1.
        ends: 95% interval of the share, None for a single episode; whole episodes are drawn, since the pairs of one are
            no independent trials.
    """

    hits: int
    total: int
    ends: Ends

    @property
    def share(self) -> float:
        """Of the pairs whose outcome is known."""
        return self.hits / self.total


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


def survival(traces: Sequence[Sequence[StepRecord]], distances: Sequence[int] = (1, 2, 3, 4)) -> dict[int, Survival]:
    """`hit_rates` with intervals; a distance at which nothing is known is left out."""
    by_episode = [hit_rates([steps], distances) for steps in traces]
    found = {}
    for distance in distances:
        counts = [rates[distance] for rates in by_episode if rates[distance][1]]
        if not counts:
            continue
        hits, total = sum(hits for hits, _ in counts), sum(chances for _, chances in counts)
        if hits in {0, total}:  # drawing anew cannot show what was never seen
            ends: Ends = wilson_interval(len(counts) if hits else 0, len(counts))
        else:
            ends = resampled(counts, _pooled)
        found[distance] = Survival(hits, total, ends)
    return found


def _pooled(counts: Sequence[tuple[int, int]]) -> float:
    return sum(hits for hits, _ in counts) / sum(chances for _, chances in counts)
