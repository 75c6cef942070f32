"""Confidence intervals."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_Item = TypeVar("_Item")

_Z95: Final = 1.959964


def wilson_interval(hits: int, total: int) -> tuple[float, float]:
    """95% interval of a rate (Wilson score).

    Args:
        hits: Successes.
        total: Trials.

    Returns:
        Lower and upper bound; (0.0, 1.0) for no trials.
    """
    if total == 0:
        return 0.0, 1.0
    rate, z2 = hits / total, _Z95**2
    centre = (rate + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 * math.sqrt(rate * (1 - rate) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    # exact at the ends, where rounding would leave the rate just outside
    return max(0.0, centre - half) if hits else 0.0, min(1.0, centre + half) if hits < total else 1.0


@dataclass(frozen=True)
class Difference:
    """A paired difference.

    Attributes:
        mean: Over seeds and items.
        low: Of the 95% interval.
        high: Of the 95% interval.
        by_seed: The mean of each seed.
        items: How many were paired.
    """

    mean: float
    low: float
    high: float
    by_seed: tuple[float, ...]
    items: int


def mean_interval(values: Sequence[float], groups: Sequence[str] | None = None) -> tuple[float, float, float]:
    """A mean with its 95% bootstrap interval (percentiles; whole groups are drawn, see `paired_difference`).

    Returns:
        Mean, lower and upper bound.

    Raises:
        ValueError: There are no values, or values and groups differ in number.
    """
    found = paired_difference([values], groups)
    return found.mean, found.low, found.high


def resampled(
    items: Sequence[_Item], statistic: Callable[[Sequence[_Item]], float | None], *, resamples: int = 500
) -> tuple[float, float]:
    """95% bootstrap interval of any statistic of some items (percentiles; the same draws for the same input).

    Args:
        items: Drawn anew, each as a whole.
        statistic: Of a draw; draws for which it is None are left out.
        resamples: Draws.

    Raises:
        ValueError: No draw gives a value.
    """
    rng = random.Random(0)  # noqa: S311  (no secret)
    values = [statistic(rng.choices(items, k=len(items))) for _ in range(resamples)] if items else []
    known = sorted(value for value in values if value is not None)
    if not known:
        msg = f"none of {len(values)} draws gives a value"
        raise ValueError(msg)
    low, high = (known[min(len(known) - 1, int(part * len(known)))] for part in (0.025, 0.975))
    return low, high


def paired_difference(
    by_seed: Sequence[Sequence[float]], groups: Sequence[str] | None = None, *, resamples: int = 2000
) -> Difference:
    """Mean of paired differences with a two-level bootstrap interval (percentiles; seeds and items drawn anew).

    Args:
        by_seed: For each seed, the difference on every item; items stand in the same order.
        groups: What each item belongs to; whole groups are drawn, as items of one group are not independent. None: each
            stands for itself.
        resamples: Draws; the same draws for the same input.

    Raises:
        ValueError: There are no seeds or no items, seeds have different items, or items and groups differ in number.
    """
    counts = {len(items) for items in by_seed}
    if len(counts) != 1 or 0 in counts:
        msg = f"every seed needs the same items, at least one; got {sorted(counts)} of {len(by_seed)} seeds"
        raise ValueError(msg)
    import numpy as np  # noqa: PLC0415  (comes with torch; nothing else here needs it)

    values = np.asarray(by_seed, dtype=float)
    seeds, items = values.shape
    _, member = np.unique(range(items) if groups is None else list(groups), return_inverse=True)
    if len(member) != items:
        msg = f"every item needs a group, got {len(member)} groups for {items} items"
        raise ValueError(msg)
    sizes = np.bincount(member).astype(float)
    sums = np.stack([np.bincount(member, weights=row) for row in values])  # by seed and group
    drawn, weights = _draws(len(sizes), seeds, resamples)
    by_draw = (drawn @ sums.T) / (drawn @ sizes)[:, None]
    low, high = np.quantile((by_draw * weights).sum(axis=1), [0.025, 0.975])
    per_seed = tuple(fmean(seed) for seed in by_seed)
    return Difference(fmean(per_seed), float(low), float(high), per_seed, items)


@lru_cache(maxsize=2)  # every metric of an evaluation has the same groups
def _draws(groups: int, seeds: int, resamples: int) -> tuple[Any, Any]:
    """How often each group is in each draw, and the weight of each seed (arrays: draws by groups, draws by seeds)."""
    import numpy as np  # noqa: PLC0415  (see `paired_difference`)

    rng = np.random.default_rng(0)
    drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=resamples)
    weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples) / seeds
    return drawn.astype(float), weights
