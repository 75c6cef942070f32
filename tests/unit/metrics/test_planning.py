"""Planning metrics, worked out by hand."""

from __future__ import annotations

import pytest

from tracer1_agents.actions.space import Scroll, ToolCall
from tracer1_agents.metrics.intervals import mean_interval
from tracer1_agents.metrics.planning import first_action_agreement, looped, pass_hat_k, per_success, plan_churn
from tracer1_agents.types import ForecastPair


def plan(letters):
    return tuple(ForecastPair(action=ToolCall(name=letter)) for letter in letters)


def test_first_action_agreement():
    assert first_action_agreement([plan("ab"), plan("b"), (), plan("c")], [plan("a"), plan("c"), (), ()]) == [
        True,
        False,
        True,
        False,
    ]
    with pytest.raises(ValueError, match="zip"):
        first_action_agreement([plan("a")], [])


def test_plan_churn():
    # abc then bc: kept; bc then xd: c became x, one of one; xd then nothing: no value
    assert plan_churn([plan("abc"), plan("bc"), plan("xd"), ()]) == [0.0, 1.0]
    # after a come b, c, d; planned anew: b, x, d: one of three
    assert plan_churn([plan("abcd"), plan("bxde")]) == [pytest.approx(1 / 3)]
    assert plan_churn([plan("a")]) == plan_churn([]) == plan_churn([plan("a"), plan("b")]) == []


def test_looped():
    assert not looped(plan("abc"))
    assert looped(plan("aba"))
    assert not looped(plan("aa"), seen=["one", "two"])  # something changed
    assert looped(plan("aa"), seen=["one", "one"])
    scrolls = tuple(ForecastPair(action=Scroll(direction="down")) for _ in range(5))
    assert not looped(scrolls[:4])  # the allowance of the run-time guard
    assert looped(scrolls)


def test_per_success():
    assert per_success([10, 20, 30], [True, False, True]) == 30.0
    assert per_success([10], [False]) is None
    with pytest.raises(ValueError, match="1 costs and 2 outcomes"):
        per_success([1], [True, False])


def test_pass_hat_k():
    runs = {"a": [True, True, True], "b": [True, False, True], "c": [False]}
    assert pass_hat_k(runs, 1) == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert pass_hat_k(runs, 2) == pytest.approx((1 + 1 / 3) / 2)  # C(2,2)/C(3,2); c has one run
    assert pass_hat_k(runs, 3) == 0.5
    assert pass_hat_k(runs, 4) is None
    with pytest.raises(ValueError, match="from 1"):
        pass_hat_k(runs, 0)


def test_a_mean_and_its_interval():
    mean, (low, high) = mean_interval([1.0] * 50 + [0.0] * 50)
    assert mean == 0.5
    assert 0.38 < low < 0.44  # 0.5 - 1.96 * 0.05 = 0.402
    assert 0.56 < high < 0.62
    assert mean_interval([1.0, 0.0], ["a", "a"]) == (0.5, (None, None))  # of one group nothing can be drawn
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([])
