"""The trajectory reward: tables computed by hand. With gamma 1/2 the discounts are 1, 1/2, 1/4, 1/8."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from reward_helpers import forecast_of, gold, tool, window_of

from tracer1_agents.actions.codec import ParseOutcome
from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.actions.space import Click, Finish, Point, Result, Scroll, Type, Wait
from tracer1_agents.planner.forecast import read_forecast
from tracer1_agents.rewards.trajectory import RewardConfig, RewardParts, trajectory_reward
from tracer1_agents.types import Forecast, ReferenceStep, ReferenceWindow

A, B, C, D = (tool(name) for name in "abcd")
HALF = RewardConfig(gamma=0.5)
KINDS = RewardConfig(gamma=0.5, similarity="kind")


def total(forecast, window, config=HALF):
    return trajectory_reward(forecast, window, config).total


class TestTotals:
    @pytest.mark.parametrize(
        ("steps", "finished", "wanted"),
        [
            # reference a b c, norm 1 + 1/2 + 1/4 = 7/4
            ([A, B, C], False, 1.0),
            ([A, B, C], True, 1.0),
            ([A, B, D], False, (1 + 1 / 2) / (7 / 4)),  # 6/7
            ([D, B, C], False, (1 / 2 + 1 / 4) / (7 / 4)),  # 3/7
            ([D], False, 0.0),  # wrong for the first time: nothing, and not less
            ([A], False, 1 / (7 / 4)),  # missing steps score nothing
            ([A, B], True, (1 + 1 / 2) / (7 / 4)),
            ([A, A, A], False, (1 - 0.5 * (1 / 2 + 1 / 4)) / (7 / 4)),  # two repeats: 5/8 of 7/4
            ([D, D, D], False, (-0.5 * (1 / 2 + 1 / 4)) / (7 / 4)),  # -3/14
            ([A, B, A], False, (1 + 1 / 2 - 0.5 / 4) / (7 / 4)),
            ([A, B, C, D], False, 1.0),  # beyond the window, and the reference goes on unseen
            ([A, B, C, D], True, (7 / 4 - 0.5 / 8) / (7 / 4)),  # it has finished: 1/8 at lambda_rep
            ([A, B, C, C], True, (7 / 4 - 0.5 / 8) / (7 / 4)),  # a surplus repeat costs once
            ([A, B, C, A, B], True, (7 / 4 - 0.5 * (1 / 8 + 1 / 16)) / (7 / 4)),
        ],
    )
    def test_three_steps(self, steps, finished, wanted):
        assert total(forecast_of(*steps), window_of(A, B, C, finished=finished)) == pytest.approx(wanted)

    @pytest.mark.parametrize(
        ("steps", "wanted"),
        [
            # reference a a b: the second a is asked for
            ([A, A, B], 1.0),
            ([A, A, A], (1 + 1 / 2 - 0.5 / 4) / (7 / 4)),
            ([A, B, A], 1 / (7 / 4)),  # a twice, as the reference: misplaced, not repeated
        ],
    )
    def test_a_reference_that_repeats(self, steps, wanted):
        assert total(forecast_of(*steps), window_of(A, A, B)) == pytest.approx(wanted)

    def test_a_circle_costs_where_the_reference_makes_none(self):
        # a b a b against a a b b: as often as asked, but the fourth closes a circle; 1, 0, 0, 1 over 15/8
        assert total(forecast_of(A, B, A, B), window_of(A, A, B, B)) == pytest.approx((1 + 1 / 8 - 0.5 / 8) / (15 / 8))
        assert total(forecast_of(A, B, A, B), window_of(A, B, A, B)) == 1.0

    def test_arguments_are_half(self):
        window = window_of(tool(x=1, y=2), Scroll(direction="down"))
        # 3/4 for one of two arguments, 1/2 for the wrong direction; norm 3/2
        forecast = forecast_of(tool(x=1, y=3), Scroll(direction="up"))
        assert total(forecast, window) == pytest.approx((3 / 4 + 1 / 2 * 1 / 2) / (3 / 2))
        assert total(forecast, window, KINDS) == 1.0

    def test_only_the_first_point_counts(self):
        here, there = Click(point=Point(0.1, 0.1)), Click(point=Point(0.9, 0.9))
        window = window_of((here, "press ok"), (here, "press no"))
        # first: target 1, place 0, so 1/2 + 1/2 * 1/2; later points are the executor's business
        forecast = forecast_of((there, "press ok"), (there, "press no"))
        assert total(forecast, window) == pytest.approx((3 / 4 + 1 / 2) / (3 / 2))
        assert total(forecast_of((Click(), "press ok"), (Click(), "press no")), window) == 1.0

    @pytest.mark.parametrize(
        ("known_text", "second"),
        [
            ("make a chart of the sales", 1.0),  # the path could not be known yet
            ("make a chart of q3.csv", 0.75),  # it could: one of two arguments
        ],
    )
    def test_placeholders(self, known_text, second):
        window = window_of(tool("find"), tool("plot", path="q3.csv", colour="red"), known_text=known_text)
        forecast = forecast_of(tool("find"), tool("plot", path=Result(1), colour="red"))
        assert total(forecast, window) == pytest.approx((1 + second / 2) / (3 / 2))


class TestReplies:
    WINDOW = window_of(tool("a", x="1"), tool("b", x="2"))

    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("", -0.5),
            ("I do not know.", -0.5),
            ('a(x="1"', -0.5),
            ("a(x=Result(step=1))", -0.5),  # the pair to run now cannot wait
            ('a(x="1") # ""', 2 / 3),
            ('a(x="1") # ""\nb(x=', 2 / 3),  # a later broken pair: 0, and the end
            ('a(x="1") # ""\n???\nb(x="2") # ""', 2 / 3),
            ('a(x="1") # ""\nb(x="2") # ""', 1.0),
        ],
    )
    def test_from_text(self, text, wanted):
        forecast = read_forecast(text, grammar=CanonicalGrammar(), horizon=10, step=1)
        assert total(forecast, self.WINDOW) == pytest.approx(wanted)

    def test_a_broken_first_pair_is_broken_whatever_follows(self):
        broken = forecast_of(A, B, outcome=ParseOutcome.SYNTAX)
        assert trajectory_reward(broken, window_of(A, B)).parts == RewardParts(unparsable=-0.5)

    def test_a_placeholder_in_the_first_pair_is_not_excused_without_a_parser_either(self):
        assert total(forecast_of(tool(x=Result(3))), window_of(tool(x="unknown"))) == -0.5
        assert total(forecast_of(Finish(answer="Result(step=1)")), window_of(Finish(answer="4"))) == -0.5

    def test_text_that_reads_like_a_placeholder_may_be_typed_where_the_reference_types_it(self):
        typed = Type(content="Result(step=2)")
        assert total(forecast_of(typed), window_of(typed)) == 1.0
        assert total(forecast_of(typed, A), window_of(typed, A)) == 1.0
        assert total(forecast_of(typed, typed), window_of(A, typed)) == -0.5  # not where it does so later


class TestParts:
    def test_step_by_step(self):
        # a d d | a against a b c, finished: 1 right, 1 repeat, 1 surplus; discounts 1, 1/2, 1/4, 1/8 over 7/4
        reward = trajectory_reward(forecast_of(A, D, D, A), window_of(A, B, C, finished=True), HALF)
        assert reward.align == (1.0, 0.0, 0.0, 0.0)
        assert reward.rep == (0.0, 0.0, 1.0, 1.0)
        assert reward.weights == pytest.approx((4 / 7, 2 / 7, 1 / 7, 1 / 14))
        assert reward.parts.align == pytest.approx(4 / 7)
        assert reward.parts.repetition == pytest.approx(-1 / 14)
        assert reward.parts.overrun == pytest.approx(-1 / 28)
        assert reward.total == pytest.approx(4 / 7 - 1 / 14 - 1 / 28)

    def test_rambling_without_end_costs_no_more_than_silence(self):
        # gamma 1, one step, nine surplus pairs: 1 - 9/2 is held at -1/2
        config = RewardConfig(gamma=1)
        reward = trajectory_reward(forecast_of(*[A] * 10), window_of(A, finished=True), config)
        assert reward.total == -0.5
        assert reward.parts == RewardParts(align=1.0, overrun=-4.5, clipped=3.0)

    def test_unparsable(self):
        reward = trajectory_reward(Forecast(outcome=ParseOutcome.EMPTY), window_of(A, B), HALF)
        assert (reward.align, reward.rep, reward.total) == ((0.0, 0.0), (0.0, 0.0), -0.5)
        assert reward.weights == pytest.approx((2 / 3, 1 / 3))


class TestOptions:
    def test_gamma_0_leaves_the_first_step(self):
        config = RewardConfig(gamma=0)
        assert total(forecast_of(A, D, D), window_of(A, B, C, finished=True), config) == 1.0
        assert total(forecast_of(D, B, C), window_of(A, B, C), config) == 0.0

    def test_gamma_is_nine_tenths_unless_said(self):
        assert total(forecast_of(D, B), window_of(A, B), RewardConfig()) == pytest.approx(0.9 / 1.9)

    def test_gamma_1_counts_all_alike(self):
        assert total(forecast_of(A, D, C), window_of(A, B, C), RewardConfig(gamma=1)) == pytest.approx(2 / 3)

    def test_lambdas(self):
        config = RewardConfig(gamma=1, lambda_align=2, lambda_rep=0.25)
        assert total(forecast_of(A, A), window_of(A, B), config) == pytest.approx((2 - 0.25) / 2)
        assert total(gold(window_of(A, B)), window_of(A, B), config) == 2.0
        assert total(Forecast(), window_of(A, B), config) == -0.25
        assert total(forecast_of(A, A), window_of(A, B), RewardConfig(gamma=1, lambda_rep=0)) == 0.5

    def test_the_naive_count_punishes_the_reference(self):
        naive = RewardConfig(gamma=0.5, repetition="naive")
        # a a b against itself: all right, and a repeat at 1/2 over 7/4
        assert total(forecast_of(A, A, B), window_of(A, A, B), naive) == pytest.approx(1 - 0.25 / (7 / 4))

    def test_alternatives(self):
        step = ReferenceStep(action=A, alternatives=(B, C))
        window = ReferenceWindow(steps=(step, step))
        assert total(forecast_of(B, A), window) == pytest.approx((1 / 2) / (3 / 2))
        assert total(forecast_of(B, B), window) == pytest.approx(-0.25 / (3 / 2))  # nothing that is asked for, twice
        accepting = RewardConfig(gamma=0.5, alternatives=True)
        assert total(forecast_of(B, A), window, accepting) == 1.0
        assert total(forecast_of(B, B), window, accepting) == 1.0  # stands for "a a": no repetition
        assert total(forecast_of(D, D), window, accepting) == pytest.approx(-0.25 / (3 / 2))

    @pytest.mark.parametrize(
        "wrong", [{"gamma": 1.1}, {"gamma": -0.1}, {"lambda_rep": -1}, {"similarity": "x"}, {"gama": 1}]
    )
    def test_a_config_that_does_not_fit_is_refused(self, wrong):
        with pytest.raises(ValidationError):
            RewardConfig(**wrong)

    @pytest.mark.parametrize(
        ("forecast", "wanted"),
        [(forecast_of(A), 1.0), (forecast_of(D), 0.0), (forecast_of(Wait()), 0.0), (Forecast(), -0.5)],
    )
    @pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0])
    def test_one_step_is_the_step_reward(self, forecast, wanted, gamma):
        assert total(forecast, window_of(A), RewardConfig(gamma=gamma)) == wanted
