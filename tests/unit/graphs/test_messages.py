"""An episode as a conversation, as evaluators that read messages want it."""

from __future__ import annotations

import pytest
from loop_helpers import FINISH, THREE, TWO, run

from tracer1_agents import messages_of, trace_of
from tracer1_agents.actions.space import Click, Finish, Point
from tracer1_agents.types import Execution, Status, StepRecord, Trace


def conversation():
    result, _, _ = run([THREE, TWO, FINISH], ["one", Execution(ok=False, text="error: two")])
    return messages_of(trace_of(result))


def test_calls_and_answers_alternate():
    messages = conversation()
    assert [message.type for message in messages] == ["human", "ai", "tool", "ai", "tool", "ai"]
    assert messages[0].content == "What is it?"
    assert messages[1].tool_calls[0]["name"] == "a"
    assert messages[1].tool_calls[0]["args"] == {"x": 1}
    assert messages[2].tool_call_id == messages[1].tool_calls[0]["id"]
    assert (messages[4].content, messages[4].status) == ("error: two", "error")
    assert messages[5].content == "42"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("finish()", "The task is done."),
        ('finish(answer="")', "The task is done."),
        ('finish(status="infeasible")', "The task cannot be done."),
    ],
)
def test_a_run_without_an_answer_ends_in_a_sentence(reply, said):
    result, _, _ = run([reply])
    assert (result["status"], [message.text for message in result["messages"]]) == ("finished", [said])


def test_clicks_are_calls_of_their_kind():
    clicked = StepRecord(step=1, forecast=(), executed=Click(point=Point(0.5, 0.25)), execution=Execution())
    ended = StepRecord(step=2, forecast=(), executed=Finish(status="infeasible"), execution=Execution())
    messages = messages_of(Trace(instruction="t", steps=(clicked, ended), status=Status.FINISHED))
    assert [message.type for message in messages] == ["human", "ai", "tool"]
    (call,) = messages[1].tool_calls
    assert (call["name"], call["args"]) == ("click", {"point": [0.5, 0.25]})


@pytest.mark.parametrize("mode", ["strict", "unordered", "subset", "superset"])
def test_agentevals_takes_them(mode):
    match = pytest.importorskip("agentevals.trajectory.match", reason="agentevals is not installed (extra dev)")
    evaluate = match.create_trajectory_match_evaluator(trajectory_match_mode=mode)
    messages = conversation()
    assert evaluate(outputs=messages, reference_outputs=messages)["score"] is True
    other = [message.model_copy(deep=True) for message in messages]
    other[1].tool_calls[0]["args"] = {"x": 2}
    assert evaluate(outputs=other, reference_outputs=messages)["score"] is False
