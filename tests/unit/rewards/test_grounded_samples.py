"""The published samples, replayed: the reference earns 1.0 at every step that can be scored."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tracer1_agents.actions.space import Click, Finish, Point
from tracer1_agents.data.readers.registry import reader_named
from tracer1_agents.rewards.grounded import GroundedOutcome, Reason, grounded_reward
from tracer1_agents.rewards.zero_rates import ZeroRates
from tracer1_agents.tools.replay import Recordings
from tracer1_agents.types import ReferenceTrajectory

# steps by why they cannot be scored
UNSCORABLE = {
    "androidcontrol": {},
    "mind2web": {Reason.NO_TARGET: 81, Reason.NO_REFERENCE_POINT: 1},  # the one target lies outside the screenshot
    "agentnet": {},
    "mm_traj": {Reason.RECORDED_FAILURE: 4},
}


@pytest.fixture(scope="module")
def folder():
    named = os.environ.get("TRACER1_DATA")
    if not named or not Path(named).is_dir():
        pytest.skip("TRACER1_DATA does not name a folder with published sample data")
    return Path(named)


def trajectories_of(source, folder):
    items = reader_named(source).read(folder / source)
    return [item for item in items if isinstance(item, ReferenceTrajectory)]


@pytest.mark.parametrize("source", UNSCORABLE)
def test_gold_replayed(source, folder):
    trajectories = trajectories_of(source, folder)
    recordings = Recordings(trajectories)
    unscorable: Counter[Reason] = Counter()
    rates = ZeroRates()
    for trajectory in trajectories:
        for number, step in enumerate(trajectory.steps, 1):
            replay = recordings.executor(trajectory.id, number)
            execution = replay.execute(step.action, step.instruction, step.observation)
            reward = grounded_reward(GroundedOutcome(step.action, execution), step)
            rates.add([reward])
            assert replay.hits == 1
            assert reward.total in {1.0, None}
            unscorable[reward.reason] += reward.total is None
    assert {reason: count for reason, count in unscorable.items() if count} == UNSCORABLE[source]
    assert set(rates.metrics().values()) == {0.0}


@pytest.mark.parametrize(
    ("action", "most"), [(Click(point=Point(0.5, 0.5)), 0.1), (Finish(), 0.2)], ids=["click the centre", "finish"]
)
def test_doing_one_thing_for_ever_pays_little(action, most, folder):
    steps = [step for trajectory in trajectories_of("androidcontrol", folder) for step in trajectory.steps]
    totals = [grounded_reward(GroundedOutcome(action), step).total for step in steps]
    assert 0 < sum(totals) / len(totals) < most
