"""Paired differences: the interval covers what varies, items and seeds."""

import math
import random
from statistics import fmean

import pytest

from tracer1_agents.metrics.intervals import (
    Difference,
    interval_text,
    mean_interval,
    mean_of_means_interval,
    paired_difference,
    resampled,
    seeds_for,
)


def test_a_difference_between_equal_arms_is_nothing():
    assert paired_difference([[0.0] * 20, [0.0] * 20]) == Difference(0.0, 0.0, 0.0, (0.0, 0.0), 20)


def test_the_interval_covers_items_and_seeds():
    """The same mean: seeds that disagree make it wider than items that all agree."""
    agreeing = paired_difference([[0.1] * 50, [0.1] * 50])
    assert (agreeing.low, agreeing.high) == (pytest.approx(0.1), pytest.approx(0.1))
    apart = paired_difference([[0.0] * 50, [0.2] * 50])
    assert apart.mean == pytest.approx(0.1)
    assert (apart.low, apart.high) == (0.0, pytest.approx(0.2))
    noisy = paired_difference([[(-1.0) ** at for at in range(400)]])
    assert -0.13 < noisy.low < -0.06  # 1.96 / sqrt(400) = 0.098
    assert 0.06 < noisy.high < 0.13


def test_seeds_need_the_same_items():
    for wrong in ([], [[]], [[1.0], [1.0, 2.0]]):
        with pytest.raises(ValueError, match="same items"):
            paired_difference(wrong)
    with pytest.raises(ValueError, match="every item needs a group, got 1 groups for 2 items"):
        paired_difference([[0.0, 1.0]], ["a"])


def test_items_of_one_group_are_drawn_together():
    gained, groups = [0.5, 0.0, 0.25], ["a", "a", "b"]
    found = paired_difference([gained], groups)
    assert (found.low, found.mean, found.high) == (0.25, 0.25, 0.25)  # both groups gain a quarter
    assert mean_interval(gained, groups) == (0.25, (0.25, 0.25))
    alone = paired_difference([gained])
    assert (alone.low, alone.high) == (0.0, 0.5)


def test_of_one_group_there_is_no_interval():
    assert paired_difference([[0.5, 0.0]], ["a", "a"]) == Difference(0.25, None, None, (0.25,), 2)
    assert resampled([0.5], lambda drawn: drawn[0]) == (None, None)
    assert interval_text((None, None), str) == "no interval: one alone"
    assert interval_text((0.25, 1.0), "{:.0%}".format) == "25% to 100%"


def test_a_draw_has_as_many_items_as_there_are():
    low, high = resampled([-1.0, 1.0] * 200, fmean)
    assert -0.13 < low < -0.06  # 1.96 / sqrt(400) = 0.098
    assert 0.06 < high < 0.13
    assert resampled([0.5] * 7, lambda drawn: float(len(drawn))) == (7.0, 7.0)
    assert resampled([0, 1], lambda drawn: 1.0 if sum(drawn) else None) == (1.0, 1.0)  # the others are left out
    with pytest.raises(ValueError, match="none of 0 draws"):
        resampled([], fmean)


def test_a_mean_over_strata_draws_within_each():
    """Two strata of very different sizes, all right: no draw can be anything else, and none is above 1."""
    groups = [f"a{at}" for at in range(18) for _ in range(30)] + [f"b{at}" for at in range(2) for _ in range(3)]
    strata = [group[0] for group in groups]
    assert mean_of_means_interval([1.0] * len(groups), groups, strata) == (1.0, (1.0, 1.0))
    mean, (low, high) = mean_of_means_interval([1.0, 0.0, 1.0, 1.0], ["a", "b", "c", "d"], ["x", "x", "y", "y"])
    assert (mean, low, high) == (0.75, 0.5, 1.0)  # x is 0, a half or 1, y is 1
    assert mean_of_means_interval([1.0, 0.0], ["a", "b"], ["x", "y"]) == (0.5, (None, None))
    assert mean_of_means_interval([1.0, 0.0, 1.0], ["a", "a", "b"], ["x", "x", "y"]) == (0.75, (None, None))
    assert mean_of_means_interval([1.0, 0.0, 1.0], ["a", "b", "c"], ["x", "y", "y"]) == (0.75, (0.5, 1.0))
    with pytest.raises(ValueError, match="a mean needs at least one value"):
        mean_of_means_interval([], [], [])
    with pytest.raises(ValueError, match="argument"):
        mean_of_means_interval([1.0, 0.0], ["a", "b"], ["x"])


def test_seeds_for_an_interval():
    rng = random.Random(1)
    of_seed = [rng.gauss(0, 0.05) for _ in range(30)]
    of_item = [rng.gauss(0, 0.1) for _ in range(400)]
    by_seed = [[seed + item + rng.gauss(0, 0.3) for item in of_item] for seed in of_seed]
    # the items alone leave 0.1 / sqrt(400) = 0.005; so 1.96 * sqrt(0.005**2 + (0.05**2 + 0.3**2 / 400) / seeds) = 0.02
    assert 25 <= seeds_for(by_seed, half_width=0.02) <= 50
    assert seeds_for(by_seed, half_width=1.0) == 1
    assert seeds_for(by_seed, half_width=0.005) is None  # takes more items
    assert seeds_for(by_seed[:1], half_width=0.02) is None


@pytest.mark.parametrize(
    ("by_seed", "spare", "seeds"),
    [
        # means of seeds 0.5 and 0.7 (variance 0.02), of items 0.1 and 1.1 (0.5, half of it over two items); no rest
        ([[0.0, 1.0], [0.2, 1.2]], 0.25 + 0.0055, 4),  # 0.02 / 0.0055
        # the same means, and a rest of 0.01: of the items' variance 0.5 - 0.01 / 2 is theirs
        ([[0.05, 0.95], [0.15, 1.25]], 0.2475 + 0.0055, 4),
        # no seed differs in its mean, and a rest of 0.04 is all there is: half of it over two items
        ([[0.1, 0.9], [-0.1, 1.1]], 0.24 + 0.0055, 4),
        # the same of items
        ([[0.1, -0.1], [-0.1, 0.1]], 0.0055, 4),
        ([[0.0, 1.0], [0.0, 1.0]], 0.25 + 0.0055, 1),  # seeds that agree
        ([[0.0, 1.0], [0.2, 1.2]], 0.25 - 0.0055, None),
        ([[0.0], [0.2]], 1.0, None),
    ],
)
def test_seeds_for_an_interval_by_hand(by_seed, spare, seeds):
    assert seeds_for(by_seed, half_width=1.959964 * math.sqrt(spare)) == seeds


def test_a_group_counts_as_one_item_by_its_mean():
    half_width = 1.959964 * math.sqrt(0.25 + 0.0055)
    assert seeds_for([[-0.1, 0.1, 1.0], [0.1, 0.3, 1.2]], ["a", "a", "b"], half_width=half_width) == 4
