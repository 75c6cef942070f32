"""A run that begins in the middle of an episode plans as the episode would have."""

import pytest

from tracer1_agents.graphs.build import create_tracer1_agent, trace_of
from tracer1_agents.graphs.settings import Tracer1Context
from tracer1_agents.testing import ScriptedModel
from tracer1_agents.types import Status

REPLIES = ['double(x=1) # "double it"\ndouble(x=2) # "again"', 'double(x=2) # "again"', 'finish(answer="4") # "done"']


def double(x: int) -> int:
    """Twice a number.

    Args:
        x: The number.
    """
    return 2 * x


def run(replies, start, **context):
    model = ScriptedModel(script=replies)
    agent = create_tracer1_agent(model, [double], profile="compact")
    result = agent.invoke({"instruction": "double 1 twice", **start}, context=Tracer1Context(**context))
    return model, trace_of(result)


def test_the_prompt_is_the_one_that_the_whole_episode_would_have_had():
    whole, _ = run(REPLIES, {})
    past = [
        {"step": 1, "action": "double(x=1)", "instruction": "double it", "summary": "2"},
        {"step": 2, "action": "double(x=2)", "instruction": "again", "summary": "4"},
    ]
    for begun in (1, 2):
        part, trace = run(REPLIES[begun:], {"past": past[:begun], "observation": {"text": str(2**begun)}})
        assert [message.text for prompt in part.prompts for message in prompt] == [
            message.text for prompt in whole.prompts[begun:] for message in prompt
        ]
        assert [step.step for step in trace.steps] == list(range(begun + 1, 4))
        assert trace.answer == "4"
        assert trace.observation.text == str(2**begun)


def test_past_steps_count_towards_the_limit():
    past = [{"step": 4, "action": "double(x=1)"}]
    _, trace = run(REPLIES[1:], {"past": past, "observation": {"text": "2"}}, max_steps=5)
    assert [step.step for step in trace.steps] == [5]
    assert trace.status is Status.STEP_LIMIT


@pytest.mark.parametrize(("asked", "reasks"), [(1, 0), (3, 2)])
def test_a_run_says_how_often_it_asks_again(asked, reasks):
    model, trace = run(["what?"] * 5, {}, max_reasks=reasks)
    assert len(model.prompts) == asked
    assert trace.status is Status.PARSE_ERROR
