"""A recording as an environment: recorded screens for recorded actions, nothing made up."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tracer1_agents.actions.space import Click, Finish, Point, Scroll, Type
from tracer1_agents.environments.base import Failure, failure_of
from tracer1_agents.environments.executor import EnvironmentExecutor
from tracer1_agents.environments.replay import ReplayEnvironment
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.graphs.build import create_tracer1_agent
from tracer1_agents.testing import ScriptedModel
from tracer1_agents.types import FAILED, ImageRef, Observation, ReferenceStep, ReferenceTrajectory

SHOTS = [Observation(image=ImageRef(ref=f"{name}.png", width=100, height=200)) for name in "abc"]
TAP, TYPED = Click(point=Point(0.5, 0.25)), Type(content="cats")


def trajectory(*steps):
    return ReferenceTrajectory(id="t", source="s", instruction="find cats", steps=steps)


def environment(**changes):
    first = ReferenceStep(observation=SHOTS[0], action=TAP, result="tapped", **changes)
    rest = (ReferenceStep(observation=SHOTS[1], action=TYPED), ReferenceStep(observation=SHOTS[2], action=Finish()))
    return ReplayEnvironment(trajectory(first, *rest))


def test_recorded_actions_lead_to_recorded_screens():
    replay = environment()
    assert replay.reset() == SHOTS[0]
    assert replay.size == (100, 200)
    execution = replay.act(Click(point=Point(0.51, 0.25)))  # near enough
    assert (execution.ok, execution.text, execution.image) == (True, "tapped", SHOTS[1].image)
    assert replay.act(TYPED).image == SHOTS[2].image
    assert replay.done
    assert failure_of(replay.act(TYPED)) is Failure.ENDED
    assert replay.reset() == SHOTS[0]
    assert not replay.done


def test_what_was_not_recorded_ends_the_episode():
    replay = environment()
    replay.reset()
    missed = replay.act(Scroll(direction="down"))
    assert failure_of(missed) is Failure.NOT_RECORDED
    assert missed.image is None  # nobody knows what it would have shown
    assert failure_of(replay.act(TAP)) is Failure.ENDED
    assert replay.missed


def test_alternatives_are_as_right_and_recorded_failures_stay_failures():
    replay = environment(alternatives=(Scroll(direction="up"),), flags=frozenset({FAILED}))
    replay.reset()
    execution = replay.act(Scroll(direction="up"))
    assert not execution.ok
    assert replay.hits == 1


def test_an_empty_recording_is_refused():
    with pytest.raises(ConfigurationError, match="no steps"):
        ReplayEnvironment(trajectory())


def test_the_graph_runs_through_a_recording():
    """A scripted planner, the compiled graph, the recording: three steps, the screens in the trace."""
    replay = environment()
    script = [
        'click(point=[0.5, 0.25]) # "Tap the field"\ntype(content="cats") # "Type cats"\nfinish() # "Done"',
        'type(content="cats") # "Type cats"',
        'finish(answer="there") # "Done"',
    ]
    agent = create_tracer1_agent(
        ScriptedModel(script=script), grounder=EnvironmentExecutor(replay), profile="compact", platform="computer"
    )
    result = agent.invoke({"instruction": "find cats", "observation": replay.reset().model_dump(mode="json")})
    assert (result["status"], result["answer"]) == ("finished", "there")
    assert [step["execution"]["image"]["ref"] for step in result["forecast_log"][:2]] == ["b.png", "c.png"]


def test_the_environment_is_awaitable():
    replay = environment()

    async def episode():
        await replay.areset()
        execution = await replay.aact(TAP)
        await replay.aclose()
        return execution, await replay.aobserve()

    execution, seen = asyncio.run(episode())
    assert execution.ok
    assert seen == SHOTS[1]


@pytest.mark.skipif("TRACER1_DATA" not in os.environ, reason="TRACER1_DATA names no folder with sample data")
def test_every_agentnet_sample_replays_to_its_end():
    from tracer1_agents.data.readers.agentnet import AgentNetReader  # noqa: PLC0415

    folder = Path(os.environ["TRACER1_DATA"]) / "agentnet"
    records = [item for item in AgentNetReader().read(folder) if isinstance(item, ReferenceTrajectory)]
    assert len(records) == 3
    for record in records:
        replay = ReplayEnvironment(record)
        assert replay.reset().image is not None
        for step in record.steps:
            if isinstance(step.action, Finish):
                break
            assert replay.act(step.action).value is not None
            assert not replay.missed, step.action
        assert replay.done
