"""The JSON dialect: what hosted chat models answer, with and without structured output."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from tracer1_agents.actions.codec import ParseOutcome
from tracer1_agents.actions.grammars.generic import GenericGrammar, GenericReply
from tracer1_agents.actions.space import Click, Code, Drag, Finish, Hotkey, Point, Result, Scroll, ToolCall, Type, Wait

GRAMMAR = GenericGrammar()
F = ToolCall(name="f", arguments={"a": 1})
PLAN = '{"plan": [{"action": "f", "arguments": {"a": 1}, "instruction": "x"}]}'


def plan(action, **arguments):
    return json.dumps({"plan": [{"action": action, "arguments": arguments}]})


READS = [
    # around the JSON
    (PLAN, F),
    (f"```json\n{PLAN}\n```", F),
    (f"```\n{PLAN}\n```", F),
    (f"Here is my plan:\n{PLAN}\nThat should do [it].", F),
    (f"The [list] of {{things}} and [1] says:\n{PLAN}", F),
    ('{"plan": [{"action": "f", "arguments": {"a": 1,},},],}', F),
    ("{'plan': [{'action': 'f', 'arguments': {'a': 1}}]}", F),
    ('{"observation": null, "plan": [{"action": "f", "arguments": {"a": 1}}]}', F),
    ('{"plan": [{"action": "f", "arguments": {"a": 1}}], "note": "x"}', F),
    # other shapes of the reply
    ('[{"action": "f", "arguments": {"a": 1}}]', F),
    ('{"action": "f", "arguments": {"a": 1}}', F),
    ('{"observation": "seen", "action": "f", "a": 1}', F),
    ('{"actions": [{"tool": "f", "args": {"a": 1}}]}', F),
    ('{"steps": ["f(a=1)"]}', F),
    ('{"tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{\\"a\\": 1}"}}]}', F),
    # other spellings of a call
    ('{"tool": "f", "args": {"a": 1}}', F),
    ('{"name": "f", "arguments": {"a": 1}}', F),
    ('{"name": "f", "parameters": {"a": 1}}', F),
    ('{"tool_name": "f", "input": {"a": 1}}', F),
    ('{"action": "f", "action_input": {"a": 1}}', F),
    ('{"action": "f", "a": 1, "step": 3, "instruction": "x"}', F),
    ('{"action": {"name": "f", "arguments": {"a": 1}}}', F),
    ('{"action": "f(a=1)"}', F),
    ('{"kind": "tool", "name": "f", "arguments": {"a": 1}}', F),
    ('{"action": "tool", "arguments": {"name": "f", "arguments": {"a": 1}}}', F),
    ('{"action": "f", "arguments": null}', ToolCall(name="f")),
    ('{"action": "f", "arguments": ""}', ToolCall(name="f")),
    ('{"action": "f"}', ToolCall(name="f")),
    # results
    (plan("f", a={"$result": 3}), ToolCall(name="f", arguments={"a": Result(3)})),
    (plan("f", a="Result(step=3)"), ToolCall(name="f", arguments={"a": Result(3)})),
    (plan("f", a=["Result(3)"]), ToolCall(name="f", arguments={"a": [Result(3)]})),
    ('{"action": "f", "arguments": {"a": Result(step=3)}}', ToolCall(name="f", arguments={"a": Result(3)})),
    (plan("finish", answer="Result(step=3)"), Finish(answer="Result(step=3)")),
    (plan("finish", answer={"$result": 3}), Finish(answer='{"$result": 3}')),
    # actions of the union
    (plan("click", point=[500, 250]), Click(point=Point(0.5, 0.25))),
    (plan("click", coordinate=[500, 250]), Click(point=Point(0.5, 0.25))),
    (plan("click", point={"x": 500, "y": 250}), Click(point=Point(0.5, 0.25))),
    (plan("click", x=500, y=250), Click(point=Point(0.5, 0.25))),
    (plan("click", bbox=[400, 200, 600, 300]), Click(point=Point(0.5, 0.25))),
    (plan("click", point="500, 250"), Click(point=Point(0.5, 0.25))),
    (plan("click", point=None), Click()),
    (plan("left_click"), Click()),
    (plan("drag", start=[0, 0], end=[1000, 1000]), Drag(start=Point(0, 0), end=Point(1, 1))),
    (plan("scroll", direction="DOWN"), Scroll(direction="down")),
    (plan("type", text="a\nb"), Type(content="a\nb")),
    (plan("hotkey", keys="ctrl+c"), Hotkey(keys=("ctrl", "c"))),
    (plan("wait"), Wait()),
    (plan("code", source="print(1)"), Code(source="print(1)")),
    ('{"kind": "type", "content": "x"}', Type(content="x")),
    # the end
    (plan("finish", answer="42"), Finish(answer="42")),
    (plan("finish"), Finish()),
    (plan("finish", status="infeasible"), Finish(status="infeasible")),
    ('{"action": "Final Answer", "action_input": "42"}', Finish(answer="42")),
    ('{"action": "final_answer", "arguments": "42"}', Finish(answer="42")),
]

BREAKS = [
    ("", ParseOutcome.EMPTY),
    ("I would click there.", ParseOutcome.EMPTY),
    ('{"plan": []}', ParseOutcome.EMPTY),
    ("[]", ParseOutcome.EMPTY),
    ("{", ParseOutcome.TRUNCATED),
    ('{"plan"', ParseOutcome.TRUNCATED),
    ('{"plan": [{"action": "f", "arg', ParseOutcome.TRUNCATED),
    ('[{"action": "f", "arguments": {"a": 1}', ParseOutcome.TRUNCATED),
    ('{"action": "f", "arguments": {', ParseOutcome.TRUNCATED),
    ('{"plan": [{"action": "f", "arguments": {"a": b}}]}', ParseOutcome.SYNTAX),
    ('{"plan": [1]}', ParseOutcome.SYNTAX),
    ('{"plan": [{"instruction": "x"}]}', ParseOutcome.SYNTAX),
    ('{"plan": [{"action": ""}]}', ParseOutcome.SYNTAX),
    ('{"answer": 42}', ParseOutcome.SYNTAX),
    ('{"plan": ["f(a=1) and more"]}', ParseOutcome.SYNTAX),
    (plan("click", point=[1]), ParseOutcome.BAD_ARGUMENT),
    (plan("click", where="there"), ParseOutcome.BAD_ARGUMENT),
    (plan("scroll", direction="north"), ParseOutcome.BAD_ARGUMENT),
    (plan("f g"), ParseOutcome.BAD_ARGUMENT),
    ('{"action": "f", "arguments": [1]}', ParseOutcome.BAD_ARGUMENT),
    ('{"action": "f", "arguments": "a=1"}', ParseOutcome.BAD_ARGUMENT),
    ('{"action": "tool", "arguments": {"name": "click"}}', ParseOutcome.BAD_ARGUMENT),
    (plan("click", point=[500, 1001]), ParseOutcome.OUT_OF_RANGE),
    (plan("click", point=[-1, 0]), ParseOutcome.OUT_OF_RANGE),
]


@pytest.mark.parametrize(("text", "action"), READS)
def test_reads(text, action):
    (pair,) = GRAMMAR.parse(text).pairs
    assert (pair.outcome, pair.problem, pair.action) == (ParseOutcome.OK, "", action)


@pytest.mark.parametrize(("text", "outcome"), BREAKS)
def test_broken_pairs_have_an_outcome_and_a_problem(text, outcome):
    (pair,) = GRAMMAR.parse(text).pairs
    assert (pair.outcome, pair.action) == (outcome, None)
    assert pair.problem


def test_a_whole_reply():
    reply = GRAMMAR.parse(
        '{"thought": "two steps", "observation": "a page", "plan": ['
        '{"action": "f", "arguments": {"a": 1}, "instruction": "first"},'
        '{"action": "finish", "arguments": {"answer": "42"}, "instruction": "last"}]}'
    )
    assert (reply.summary, reply.thought) == ("a page", "two steps")
    assert [(pair.action, pair.instruction) for pair in reply.pairs] == [(F, "first"), (Finish(answer="42"), "last")]


@pytest.mark.parametrize(
    ("tail", "outcome"),
    [
        ("", ParseOutcome.TRUNCATED),
        (', {"action": "g", "argum', ParseOutcome.TRUNCATED),
        (', {"action": "g", "arguments": {"a": b}}]}', ParseOutcome.SYNTAX),
        (', {"action": "click", "arguments": {"point": [9999, 0]}}]}', ParseOutcome.OUT_OF_RANGE),
    ],
)
def test_a_break_in_mid_plan_keeps_what_came_before(tail, outcome):
    reply = GRAMMAR.parse('{"observation": "seen", "plan": [{"action": "f", "arguments": {"a": 1}}' + tail)
    assert [pair.outcome for pair in reply.pairs] == [ParseOutcome.OK, outcome]
    assert (reply.pairs[0].action, reply.summary) == (F, "seen")


def test_the_schema_has_what_the_reader_reads():
    assert set(GenericReply.model_json_schema()["properties"]) == {"observation", "plan"}
    with pytest.raises(ValidationError):
        GenericReply.model_validate({"plan": "f"})
    reply = GenericReply.model_validate_json(PLAN)
    assert GRAMMAR.parse(reply.model_dump_json()).pairs[0].instruction == "x"


def test_rendering_by_hand():
    assert json.loads(GRAMMAR.render([(Click(point=Point(0.5, 0.25)), "x"), (Finish(), "")], "seen")) == {
        "observation": "seen",
        "plan": [
            {"action": "click", "arguments": {"point": [500, 250]}, "instruction": "x"},
            {"action": "finish", "arguments": {}, "instruction": ""},
        ],
    }
