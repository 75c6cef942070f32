"""Agreement of forecasts, worked out by hand: with a discount of 1/2 the pairs weigh 1, 1/2, 1/4."""

from __future__ import annotations

import pytest

from tracer1_agents.actions.codec import ParseOutcome
from tracer1_agents.actions.space import Click, Point, Result, ToolCall
from tracer1_agents.planner.agreement import agreement, most_agreed
from tracer1_agents.types import Forecast, ForecastPair

HERE, NEAR = Point(0.5, 0.5), Point(0.57, 0.5)  # half of the way to no agreement
BROKEN = Forecast(outcome=ParseOutcome.SYNTAX)


def call(value):
    return ToolCall(name="t", arguments={"x": value})


def forecast_of(*actions):
    """A forecast of actions, or of (action, instruction)."""
    pairs = (action if isinstance(action, tuple) else (action, "") for action in actions)
    return Forecast(pairs=tuple(ForecastPair(action=action, instruction=said) for action, said in pairs))


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ([call(1), call(1)], [call(1), call(1)], 1.0),
        ([call(1), call(1)], [call(1), call(2)], (1 + 0.5 / 2) / 1.5),  # another argument is half
        ([call(2), call(1)], [call(1), call(1)], (0.5 + 1 / 2) / 1.5),
        ([call(1)], [call(1), call(1), call(1)], 1 / 1.75),  # what only one of them says
        ([call(1), call(Result(1))], [call(1), call("u")], (1 + 0.5 / 2) / 1.5),  # a value is not agreed with
        ([(Click(point=HERE), "press ok")], [(Click(point=HERE), "press no")], 0.5 + 0.5 * (0.25 + 0.5)),
        ([(Click(point=HERE), "press ok")], [(Click(point=NEAR), "press ok")], 0.5 + 0.5 * (0.5 + 0.25)),
        ([], [], 0.0),
    ],
)
def test_agreement(one, other, wanted):
    assert agreement(forecast_of(*one), forecast_of(*other), 0.5) == pytest.approx(wanted)
    assert agreement(forecast_of(*other), forecast_of(*one), 0.5) == pytest.approx(wanted)


def test_without_a_discount_the_first_pair_is_all():
    assert agreement(forecast_of(call(1), call(1)), forecast_of(call(1), call(2), call(3)), 0.0) == 1.0


@pytest.mark.parametrize(
    ("forecasts", "chosen"),
    [
        ([forecast_of(call(1)), forecast_of(call(2)), forecast_of(call(2))], 1),  # the earliest of equals
        ([BROKEN, forecast_of(call(1)), BROKEN], 1),
        ([BROKEN, BROKEN, forecast_of(call(1)), forecast_of(call(2)), forecast_of(call(2))], 3),
        ([BROKEN, BROKEN], 0),
    ],
)
def test_most_agreed(forecasts, chosen):
    assert most_agreed(forecasts, 0.5) == chosen
