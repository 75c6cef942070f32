"""Confidence intervals.

A bootstrap draws whole groups (episodes, tasks) anew. Of one group nothing can be drawn: its ends are None, since a
width of zero would pass for certainty.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_Item = TypeVar("_Item")
Ends: TypeAlias = tuple[float | None, float | None]
"""Of an interval; None where none is known."""

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
        low: Of the 95% interval; None where there is but one group.
        high: Likewise.
        by_seed: The mean of each seed.
        items: How many were paired.
    """

    mean: float
    low: float | None
    high: float | None
    by_seed: tuple[float, ...]
    items: int


def interval_text(ends: Ends, shown: Callable[[float], str]) -> str:
    """Both ends for people, or that there are none.

    Args:
        ends: Of the interval.
        shown: How a value is written.
    """
    low, high = ends
    return "no interval: one alone" if low is None or high is None else f"{shown(low)} to {shown(high)}"


def mean_interval(values: Sequence[float], groups: Sequence[str] | None = None) -> tuple[float, Ends]:
    """A mean with its 95% bootstrap interval (percentiles; whole groups are drawn, see `paired_difference`).

    Raises:
        ValueError: There are no values, or values and groups differ in number.
    """
    found = paired_difference([values], groups)
    return found.mean, (found.low, found.high)


def mean_of_means_interval(
    values: Sequence[float], groups: Sequence[str], strata: Sequence[str], *, resamples: int = 2000
) -> tuple[float, Ends]:
    """The mean over strata of their means, with a 95% bootstrap interval that draws groups within each stratum.

    Args:
        values: Of the items.
        groups: What each item belongs to.
        strata: What each group belongs to, item by item. A stratum of one group is the same in every draw; the ends are
            None where all are such.
        resamples: Draws; the same draws for the same input.

    Raises:
        ValueError: There are no values, or the three differ in number.
    """
    import numpy as np  # noqa: PLC0415  (see `paired_difference`)

    if not values:
        msg = "a mean needs at least one value"
        raise ValueError(msg)
    parts: dict[str, tuple[list[float], list[str]]] = {}
    for value, group, stratum in zip(values, groups, strata, strict=True):
        part = parts.setdefault(stratum, ([], []))
        part[0].append(value)
        part[1].append(group)
    by_draw = np.zeros(resamples)
    for number, (some, members) in enumerate(parts.values()):
        sizes, sums = _by_group([some], members)
        drawn, _ = _draws(len(sizes), 1, resamples, number)
        by_draw += (drawn @ sums[0]) / (drawn @ sizes) / len(parts)
    mean = fmean(fmean(some) for some, _ in parts.values())
    if all(len(set(members)) == 1 for _, members in parts.values()):
        return mean, (None, None)
    low, high = np.quantile(by_draw, [0.025, 0.975])
    return mean, (float(low), float(high))


def resampled(
    items: Sequence[_Item], statistic: Callable[[Sequence[_Item]], float | None], *, resamples: int = 500
) -> Ends:
    """95% bootstrap interval of any statistic of some items (percentiles; the same draws for the same input).

    Args:
        items: Drawn anew, each as a whole.
        statistic: Of a draw; draws for which it is None are left out.
        resamples: Draws.

    Returns:
        The ends, None for a single item.

    Raises:
        ValueError: No draw gives a value.
    """
    rng = random.Random(0)  # noqa: S311  (no secret)
    values = [statistic(rng.choices(items, k=len(items))) for _ in range(resamples)] if items else []
    known = sorted(value for value in values if value is not None)
    if not known:
        msg = f"none of {len(values)} draws gives a value"
        raise ValueError(msg)
    if len(items) == 1:
        return None, None
    low, high = (known[int(part * len(known))] for part in (0.025, 0.975))
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

    (items,), per_seed = counts, tuple(fmean(seed) for seed in by_seed)
    sizes, sums = _by_group(by_seed, groups)
    if len(sizes) == 1:
        return Difference(fmean(per_seed), None, None, per_seed, items)
    drawn, weights = _draws(len(sizes), len(by_seed), resamples)
    by_draw = (drawn @ sums.T) / (drawn @ sizes)[:, None]
    low, high = np.quantile((by_draw * weights).sum(axis=1), [0.025, 0.975])
    return Difference(fmean(per_seed), float(low), float(high), per_seed, items)


def seeds_for(
    by_seed: Sequence[Sequence[float]], groups: Sequence[str] | None = None, *, half_width: float
) -> int | None:
    """How many seeds of the same items would narrow a paired difference's 95% interval to so much on either side.

    By the variance components of seeds, of items, and of what is left (two-way analysis of variance, one value a cell),
    as a normal interval would have it. Of few seeds this is a rough guess.

    Args:
        by_seed: As in `paired_difference`.
        groups: Likewise; the mean of each group counts as one item.
        half_width: Aimed at, above 0.

    Returns:
        At least 1; None where more items are needed, however many seeds there are, and of one seed or one item.
    """
    sizes, sums = _by_group(by_seed, groups)
    values = sums / sizes
    seeds, items = values.shape
    if min(seeds, items) == 1:
        return None
    by_item = values.mean(axis=0)
    left = values - values.mean(axis=1, keepdims=True) - by_item + values.mean()
    rest = float((left**2).sum()) / ((seeds - 1) * (items - 1))
    of_seeds = max(0.0, float(values.mean(axis=1).var(ddof=1)) - rest / items)
    of_items = max(0.0, float(by_item.var(ddof=1)) - rest / seeds)
    spare = (half_width / _Z95) ** 2 - of_items / items
    if spare <= 0:
        return None
    return max(1, math.ceil(float((of_seeds + rest / items) / spare)))


def _by_group(by_seed: Sequence[Sequence[float]], groups: Sequence[str] | None) -> tuple[Any, Any]:
    """Items of each group, and their sums (arrays: groups, seeds by groups)."""
    import numpy as np  # noqa: PLC0415  (see `paired_difference`)

    values = np.asarray(by_seed, dtype=float)
    items = values.shape[1]
    _, member = np.unique(range(items) if groups is None else list(groups), return_inverse=True)
    if len(member) != items:
        msg = f"every item needs a group, got {len(member)} groups for {items} items"
        raise ValueError(msg)
    return np.bincount(member).astype(float), np.stack([np.bincount(member, weights=row) for row in values])


@lru_cache(maxsize=2)  # every metric of an evaluation has the same groups
def _draws(groups: int, seeds: int, resamples: int, number: int = 0) -> tuple[Any, Any]:
    """How often each group is in each draw, and the weight of each seed (arrays: draws by groups, draws by seeds).

    Args:
        groups: How many.
        seeds: How many.
        resamples: Draws.
        number: Of these draws among independent ones.
    """
    import numpy as np  # noqa: PLC0415  (see `paired_difference`)

    rng = np.random.default_rng(number)
    drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=resamples)
    weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples) / seeds
    return drawn.astype(float), weights
