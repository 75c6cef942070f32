"""Forecasts against what happened, and intervals: worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer1_agents.actions.space import Click, Finish, Result, ToolCall
from tracer1_agents.metrics.forecasts import came_true, hit_rates, survival
from tracer1_agents.metrics.intervals import wilson_interval
from tracer1_agents.types import Execution, ForecastPair, StepRecord


def act(name):
    """An action by one letter; "." is a placeholder call, "!" the end."""
    if name == "!":
        return Finish(answer="x")
    return ToolCall(name=name.lower(), arguments={"x": Result(1) if name.isupper() else 1})


def steps(*forecasts):
    """A trace whose k-th step forecast these letters and ran the first."""
    return [
        StepRecord(
            step=at,
            forecast=tuple(ForecastPair(action=act(name)) for name in forecast),
            executed=act(forecast[0]),
            execution=Execution(),
        )
        for at, forecast in enumerate(forecasts, 1)
    ]


class TestForecasts:
    def test_came_true(self):
        trace = steps("abc!", "bd!", "d!", "!")
        assert [came_true(trace, 0, ahead) for ahead in range(5)] == [True, True, False, True, None]
        assert [came_true(trace, 1, ahead) for ahead in range(4)] == [True, True, True, None]
        assert came_true(trace, 3, 0) is True
        assert came_true(trace, 2, 2) is None

    def test_placeholders_agree_with_any_value(self):
        assert came_true(steps("aB", "b"), 0, 1) is True

    def test_beyond_the_end_of_the_episode(self):
        assert came_true(steps("abc"), 0, 1) is None
        assert came_true(steps("ab", "b", "c"), 0, 2) is None  # nor what was not forecast

    def test_the_instruction_names_the_target(self):
        def clicked(said):
            pair = ForecastPair(action=Click(), instruction=said)
            return StepRecord(step=2, forecast=(pair,), executed=Click(), instruction=said, execution=Execution())

        first = steps("a")[0]
        pair = ForecastPair(action=Click(), instruction="Press OK")
        first = first.model_copy(update={"forecast": (*first.forecast, pair)})
        assert came_true([first, clicked("press ok")], 0, 1) is True
        assert came_true([first, clicked("press cancel")], 0, 1) is False

    def test_rates(self):
        one, other = steps("abc!", "bd!", "d!", "!"), steps("ab", "c")
        # one step ahead: a->b hit, b->d hit, d->! hit; a->b against c missed
        assert hit_rates([one, other], (1, 2, 3, 9)) == {1: (3, 4), 2: (1, 2), 3: (1, 1), 9: (0, 0)}

    def test_nothing(self):
        assert hit_rates([], (1,)) == {1: (0, 0)}
        assert survival([], (1,)) == {}

    def test_one_to_four_steps_ahead_unless_said(self):
        trace = steps(*["abcdef"] * 9)
        assert list(hit_rates([trace])) == list(survival([trace])) == [1, 2, 3, 4]

    def test_pairs_of_one_episode_are_no_independent_trials(self):
        # 20 episodes of 10 pairs each: in half of them all came true, in the others none
        right, wrong = steps(*["aa"] * 11), steps(*["ab"] * 11)
        found = survival([right, wrong] * 10, (1, 5))
        assert set(found) == {1}
        one = found[1]
        assert (one.hits, one.total, one.share) == (100, 200, 0.5)
        assert 0.0 < one.ends[0] < 0.5 < one.ends[1] < 1.0
        assert one.ends[1] - one.ends[0] > 2 * (wilson_interval(100, 200)[1] - wilson_interval(100, 200)[0])

    def test_one_episode_has_no_interval_and_sure_outcomes_have_the_width_of_their_episodes(self):
        assert survival([steps("ab", "bc", "d")], (1,))[1].ends == (None, None)
        assert survival([steps("ab", "b")] * 8, (1,))[1].ends == wilson_interval(8, 8)
        assert survival([steps("ab", "c")] * 8, (1,))[1].ends == wilson_interval(0, 8)


class TestWilson:
    @pytest.mark.parametrize(
        ("hits", "total", "low", "high"),
        [
            (0, 0, 0.0, 1.0),
            (0, 10, 0.0, 0.2775),
            (10, 10, 0.7225, 1.0),
            (5, 10, 0.2366, 0.7634),
            (81, 263, 0.2553, 0.3662),  # the worked example of Newcombe (1998), table I
            (15, 148, 0.0624, 0.1605),
        ],
    )
    def test_published_values(self, hits, total, low, high):
        assert wilson_interval(hits, total) == pytest.approx((low, high), abs=1e-4)

    @given(st.integers(1, 500).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
    def test_holds_the_rate(self, counts):
        hits, total = counts
        low, high = wilson_interval(hits, total)
        assert 0.0 <= low <= hits / total <= high <= 1.0
