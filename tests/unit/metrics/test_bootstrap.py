"""The bootstrap interval: where it must be exact, and that groups are drawn whole."""

import random

import pytest

from tracer1_agents.metrics.intervals import bootstrap_interval


def test_values_that_do_not_differ_have_no_width():
    assert bootstrap_interval([0.25] * 8) == (0.25, 0.25)
    assert bootstrap_interval([0.0, 1.0], ["a", "a"]) == (0.5, 0.5)  # one group: every draw is the whole of it


def test_it_is_as_wide_as_the_normal_interval_on_many_values():
    rng = random.Random(3)
    values = [rng.gauss(1.0, 2.0) for _ in range(1600)]
    low, high = bootstrap_interval(values)
    mean = sum(values) / len(values)
    half = 1.96 * 2.0 / 40  # sigma / sqrt(n)
    assert low == pytest.approx(mean - half, abs=0.02)
    assert high == pytest.approx(mean + half, abs=0.02)


def test_groups_of_equal_values_widen_it():
    values = [float(at % 2) for at in range(40) for _ in range(10)]
    groups = [str(at) for at in range(40) for _ in range(10)]
    alone, together = bootstrap_interval(values), bootstrap_interval(values, groups)
    ratio = (together[1] - together[0]) / (alone[1] - alone[0])
    assert ratio == pytest.approx(10**0.5, rel=0.15)  # 40 independent values instead of 400


def test_it_refuses_what_has_no_mean():
    with pytest.raises(ValueError, match="no values"):
        bootstrap_interval([])
    with pytest.raises(ValueError, match="argument 2"):
        bootstrap_interval([1.0, 2.0], ["a"])
