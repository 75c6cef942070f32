"""The reward on every window of the published AndroidControl sample at T = 10, and what attacks on it earn."""

from __future__ import annotations

from random import Random
from statistics import fmean

import pytest
from perturbations import PERTURBATIONS
from reward_helpers import forecast_of, gold, sample_windows

from tracer1_agents.actions.space import Click, Finish, Wait
from tracer1_agents.rewards.trajectory import RewardConfig, trajectory_reward
from tracer1_agents.types import Forecast

HORIZON = 10


@pytest.fixture(scope="module")
def windows():
    return sample_windows(HORIZON)


def mean_reward(windows, forecast_for, **config):
    return fmean(trajectory_reward(forecast_for(window), window, RewardConfig(**config)).total for window in windows)


def constant(action, instruction=""):
    forecast = forecast_of(*[(action, instruction)] * HORIZON)
    return lambda _: forecast


def test_the_reference_earns_everything(windows):
    assert len(windows) == 5933
    assert {trajectory_reward(gold(window), window).total for window in windows} == {1.0}
    assert {trajectory_reward(gold(window), window, RewardConfig(similarity="kind")).total for window in windows} == {
        1.0
    }


@pytest.mark.parametrize("perturb", PERTURBATIONS, ids=lambda perturb: perturb.__name__)
def test_no_perturbation_beats_the_reference(windows, perturb):
    random = Random(0)
    for window in windows:
        pairs = perturb(list(gold(window).pairs), random.randrange(len(window.steps)), random)
        assert -0.5 <= trajectory_reward(Forecast(pairs=tuple(pairs)), window).total <= 1.0


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        # sums over the kinds in the file alone: 0.62641 and 0.34608
        ({"similarity": "kind", "lambda_rep": 0.0}, 0.626),
        ({"similarity": "kind", "lambda_rep": 0.5, "repetition": "naive"}, 0.346),
    ],
)
def test_clicking_for_ever(windows, config, wanted):
    assert mean_reward(windows, constant(Click()), gamma=0.9, **config) == pytest.approx(wanted, abs=5e-4)


@pytest.mark.parametrize("action", [Click(), Wait(), Finish()], ids=lambda action: action.kind)
def test_doing_one_thing_for_ever_pays_less_than_one_right_step_in_three(windows, action):
    assert mean_reward(windows, constant(action)) < 1 / 3


def test_the_reference_without_repeats_is_no_better_off_under_the_default(windows):
    """The naive count takes from the reference itself, in about a quarter of the windows."""
    naive = RewardConfig(repetition="naive")
    punished = [trajectory_reward(gold(window), window, naive).total < 1 for window in windows]
    assert 0.15 < fmean(punished) < 0.35
