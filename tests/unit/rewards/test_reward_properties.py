"""What holds for every reference and every forecast: nothing beats the reference."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from perturbations import PERTURBATIONS
from reward_helpers import forecast_of, gold, tool, window_of

from tracer1_agents.actions.codec import ParseOutcome
from tracer1_agents.actions.match import operation
from tracer1_agents.actions.space import Click, Code, Finish, Point, PressButton, Result, Scroll, Type, Wait
from tracer1_agents.rewards.trajectory import RewardConfig, trajectory_reward
from tracer1_agents.types import Forecast

ROUNDING = 1e-9

WORDS = st.sampled_from(["", "ok", "press ok", "the menu", "q3.csv", "7"])
UNITS = st.sampled_from([0.0, 0.25, 0.3, 1.0])
ACTIONS = st.one_of(
    st.builds(tool, st.sampled_from("ab"), x=WORDS, y=WORDS | st.integers(0, 9) | st.lists(WORDS, max_size=2)),
    st.builds(tool, st.sampled_from("ab")),
    st.builds(Click, point=st.none() | st.builds(Point, UNITS, UNITS)),
    st.builds(Type, content=WORDS),
    st.builds(Scroll, direction=st.sampled_from(["up", "down"])),
    st.builds(PressButton, button=st.sampled_from(["back", "home"])),
    st.builds(Code, source=WORDS),
    st.just(Wait()),
    st.builds(Finish, answer=st.none() | WORDS),
)
PAIRS = st.tuples(ACTIONS, WORDS)
LATER = st.tuples(ACTIONS | st.builds(tool, st.sampled_from("ab"), x=st.builds(Result, st.integers(1, 3))), WORDS)
WINDOWS = st.builds(
    lambda pairs, finished, known: window_of(*pairs, finished=finished, known_text=known),
    st.lists(PAIRS, min_size=1, max_size=8),
    st.booleans(),
    st.text(alphabet="ok 7q3.csv", max_size=20),
)
FORECASTS = st.builds(lambda first, rest: forecast_of(first, *rest), PAIRS, st.lists(LATER, max_size=12))
CONFIGS = st.builds(
    RewardConfig,
    gamma=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    lambda_align=st.sampled_from([0.5, 1.0, 2.0]),
    lambda_rep=st.sampled_from([0.0, 0.5, 1.0]),
    similarity=st.sampled_from(["full", "kind"]),
    alternatives=st.booleans(),
)


@settings(deadline=None)
@given(WINDOWS, CONFIGS)
def test_the_reference_earns_everything(window, config):
    reward = trajectory_reward(gold(window), window, config)
    assert reward.total == config.lambda_align
    assert set(reward.align) == {1.0}
    assert set(reward.rep) == {0.0}


@pytest.mark.parametrize("perturb", PERTURBATIONS, ids=lambda perturb: perturb.__name__)
@settings(deadline=None)
@given(window=WINDOWS, config=CONFIGS, seed=st.integers(0, 1000))
def test_no_perturbation_beats_the_reference(perturb, window, config, seed):
    random = Random(seed)
    pairs = perturb(list(gold(window).pairs), random.randrange(len(window.steps)), random)
    reward = trajectory_reward(Forecast(pairs=tuple(pairs)), window, config)
    assert -config.lambda_rep <= reward.total <= config.lambda_align


@settings(deadline=None)
@given(FORECASTS, WINDOWS, CONFIGS)
def test_the_parts_make_the_total(forecast, window, config):
    reward = trajectory_reward(forecast, window, config)
    parts = reward.parts
    assert -config.lambda_rep <= reward.total <= config.lambda_align
    summed = parts.align + parts.repetition + parts.overrun + parts.unparsable + parts.clipped
    assert summed == pytest.approx(reward.total, abs=ROUNDING)
    assert len(reward.align) == len(reward.rep) == len(reward.weights)
    if not parts.unparsable:
        steps = zip(reward.weights, reward.align, reward.rep, strict=True)
        stepwise = sum(w * (config.lambda_align * right - config.lambda_rep * again) for w, right, again in steps)
        assert max(-config.lambda_rep, stepwise) == pytest.approx(reward.total, abs=ROUNDING)


@settings(deadline=None)
@given(FORECASTS, WINDOWS)
def test_gamma_0_is_the_reward_of_the_first_pair(forecast, window):
    whole = trajectory_reward(forecast, window, RewardConfig(gamma=0)).total
    one_step = trajectory_reward(
        Forecast(pairs=forecast.pairs[:1]), window.model_copy(update={"steps": window.steps[:1]})
    ).total
    assert whole == one_step


@settings(deadline=None)
@given(FORECASTS, WINDOWS, CONFIGS)
def test_a_step_seen_for_the_first_time_never_costs(forecast, window, config):
    assume(len(forecast.pairs) <= len(window.steps))
    done = [operation(pair.action, pair.instruction) for pair in forecast.pairs]
    reward = trajectory_reward(forecast, window, config)
    if len(set(done)) == len(done) and not reward.parts.unparsable:
        assert reward.parts.repetition == 0.0
        assert reward.total >= 0.0


@settings(deadline=None)
@given(FORECASTS, WINDOWS)
def test_stopping_early_never_gains_on_steps_that_agree(forecast, window):
    """Cutting a forecast before pairs that agree and do not repeat cannot pay."""
    reward = trajectory_reward(forecast, window)
    for length in range(1, len(forecast.pairs)):
        if any(reward.rep[length:]):
            continue
        shorter = trajectory_reward(Forecast(pairs=forecast.pairs[:length]), window).total
        assert shorter <= reward.total + ROUNDING


@settings(deadline=None)
@given(FORECASTS, WINDOWS)
def test_a_broken_tail_is_worth_what_stands_before_it(forecast, window):
    broken = forecast.model_copy(update={"tail_outcome": ParseOutcome.SYNTAX})
    assert trajectory_reward(broken, window) == trajectory_reward(forecast, window)
