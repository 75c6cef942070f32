"""Stage 2's rollout: the one graph with a single step and a frozen executor, and the reward of what it did."""

from __future__ import annotations

import asyncio

import pytest
from loop_helpers import make_agent
from PIL import Image

from tracer1_agents.actions.space import Click, Point, ToolCall, Wait
from tracer1_agents.graphs.build import trace_of
from tracer1_agents.graphs.settings import Tracer1Context
from tracer1_agents.planner.retries import Retries
from tracer1_agents.rewards.grounded import GroundedOutcome, Reason, grounded_reward
from tracer1_agents.testing import ScriptedModel
from tracer1_agents.tools.cached import CachedExecutor, ExecutionCache
from tracer1_agents.tools.grounding import GroundingModel
from tracer1_agents.tools.limited import LimitedExecutor
from tracer1_agents.tools.replay import Recordings
from tracer1_agents.types import ImageRef, Observation, ReferenceStep, ReferenceTrajectory

QUICK = Retries(attempts=2, first_wait=0.001, longest_wait=0.002, timeout=5.0)


@pytest.fixture
def reference(tmp_path):
    Image.new("RGB", (100, 200)).save(tmp_path / "a.png")
    seen = Observation(image=ImageRef(ref=str(tmp_path / "a.png"), width=100, height=200))
    return ReferenceStep(observation=seen, action=Click(point=Point(0.5, 0.25)), instruction="Press OK")


def roll_out(reply, observation, **context):
    agent, _ = make_agent([reply], platform="mobile")
    start = {"instruction": "Confirm", "observation": observation.model_dump(mode="json")}
    result = asyncio.run(agent.ainvoke(start, context=Tracer1Context(max_steps=1, **context)))
    record = trace_of(result).steps[0]
    return GroundedOutcome(record.executed, record.execution)


def grounder(*replies):
    model = ScriptedModel(script=list(replies), model="UI-TARS-7B")
    frozen = GroundingModel(model, platform="mobile", retries=QUICK)
    limited = LimitedExecutor(frozen, slots=2, retries=QUICK)
    return CachedExecutor(limited, ExecutionCache(), version=frozen.version), model


@pytest.mark.parametrize(
    ("reply", "said", "total", "reason"),
    [
        ('click() # "Press OK"', "Action: click(start_box='(510,260)')", 1.0, Reason.NONE),
        ('click() # "Press OK"', "Action: click(start_box='(900,900)')", 0.0, Reason.DIFFERENT),
        ('click() # "Press OK"', "I do not see it.", 0.0, Reason.TOOL_ERROR),
        ('click() # "Press OK"', ConnectionError("refused"), None, Reason.INFRASTRUCTURE),
        ('wait() # "Wait"', "never asked", 0.0, Reason.KIND),
    ],
)
def test_a_screen_action_through_the_ground_node(reply, said, total, reason, reference):
    executor, _ = grounder(said)
    outcome = roll_out(reply, reference.observation, grounder=executor)
    reward = grounded_reward(outcome, reference)
    assert (reward.total, reward.reason) == (total, reason)


def test_a_group_asks_the_frozen_agent_once(reference):
    executor, model = grounder("Action: click(start_box='(500,250)')")
    for _ in range(4):
        roll_out('click() # "Press OK"', reference.observation, grounder=executor)
    assert len(model.prompts) == 1
    assert executor.cache.hit_rate == 0.75


def test_a_replayed_tool_call():
    call = ToolCall(name="calculator", arguments={"expression": "6 * 7"})
    step = ReferenceStep(action=call, instruction="Compute", result="42")
    recordings = Recordings([ReferenceTrajectory(id="t", source="s", instruction="?", steps=(step,))])
    for expression, total in (("6 * 7", 1.0), ("7 * 6", 0.0)):
        reply = f'calculator(expression="{expression}") # "Compute"'
        outcome = roll_out(reply, Observation(), toolbox=recordings.executor("t", 1))
        assert grounded_reward(outcome, step).total == total


def test_without_a_grounder_screen_actions_fail(reference):
    """The graph refuses them, as it does for an agent that has tools only: who trains must hand in an executor."""
    outcome = roll_out('click() # "Press OK"', reference.observation)
    assert grounded_reward(outcome, reference).reason is Reason.TOOL_ERROR
    assert grounded_reward(roll_out('wait() # "x"', Observation()), ReferenceStep(action=Wait())).total == 0.0
