"""Which matchers never fire: a rule that always says 0 teaches nothing, and looks like a hard task until it is counted.

Counts only what rewards say of themselves; what to do about a silent matcher is the trainer's decision.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer1_agents.rewards.grounded import GroundedReward

_ENOUGH: Final = 50  # comparisons without a single hit before a matcher is called silent; ours


@dataclass
class MatcherCounts:
    """Rewards of one matcher.

    Attributes:
        compared: Where it had something to compare.
        zeros: Of those, how many it scored 0.
        not_reached: Scored 0 before it was asked: another kind, a tool error, an unreadable reply.
        none: Rollouts that must not teach.
    """

    compared: int = 0
    zeros: int = 0
    not_reached: int = 0
    none: int = 0

    @property
    def zero_rate(self) -> float | None:
        """Share of comparisons that scored 0; None before the first."""
        return self.zeros / self.compared if self.compared else None


class ZeroRates:
    """Counts rewards by matcher.

    Attributes:
        counts: By name of the matcher, as `GroundedReward.matcher` has it.
    """

    def __init__(self) -> None:
        self.counts: defaultdict[str, MatcherCounts] = defaultdict(MatcherCounts)

    def add(self, rewards: Iterable[GroundedReward]) -> None:
        """Count some rewards."""
        for reward in rewards:
            counts = self.counts[reward.matcher]
            counts.none += reward.total is None
            counts.compared += reward.compared
            counts.zeros += reward.compared and reward.total == 0.0
            counts.not_reached += reward.total is not None and not reward.compared

    def silent(self, *, enough: int = _ENOUGH) -> tuple[str, ...]:
        """Matchers that compared at least `enough` times and never gave anything."""
        return tuple(
            name for name, one in sorted(self.counts.items()) if one.compared >= enough and one.zeros == one.compared
        )

    def metrics(self, prefix: str = "zero_rate/") -> dict[str, float]:
        """Zero rates as a trainer logs them: `prefix` and the matcher's name; matchers not yet asked are left out."""
        rates = {name: one.zero_rate for name, one in sorted(self.counts.items())}
        return {f"{prefix}{name}": rate for name, rate in rates.items() if rate is not None}
