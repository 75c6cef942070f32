"""Qwen tool calls: the cookbook's computer_use and mobile_use, tools, and what models make of them."""

from __future__ import annotations

import json

import pytest

from tracer1_agents.actions.codec import ParseOutcome
from tracer1_agents.actions.coordinates import PIXELS, Screen, Size
from tracer1_agents.actions.grammars.qwen import QwenGrammar
from tracer1_agents.actions.space import (
    CallUser,
    Click,
    Code,
    Drag,
    Finish,
    Hotkey,
    Hover,
    LeftDouble,
    LongPress,
    MiddleClick,
    OpenApp,
    Point,
    PressButton,
    Result,
    RightSingle,
    Scroll,
    ToolCall,
    TripleClick,
    Type,
    Wait,
)

GRAMMAR = QwenGrammar()
AT = Point(0.5, 0.25)
TO = Point(1, 0)


def call(name, **arguments):
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def computer(action, **arguments):
    return call("computer_use", action=action, **arguments)


def mobile(action, **arguments):
    return call("mobile_use", action=action, **arguments)


XY = [500, 250]

READS = [
    (computer("left_click", coordinate=XY), Click(point=AT)),
    (computer("left_click"), Click()),
    (computer("right_click", coordinate=XY), RightSingle(point=AT)),
    (computer("middle_click", coordinate=XY), MiddleClick(point=AT)),
    (computer("double_click", coordinate=XY), LeftDouble(point=AT)),
    (computer("triple_click", coordinate=XY), TripleClick(point=AT)),
    (computer("mouse_move", coordinate=XY), Hover(point=AT)),
    (computer("left_click_drag", coordinate=XY), Drag(end=AT)),
    (computer("left_click_drag", start_coordinate=XY, coordinate=[1000, 0]), Drag(start=AT, end=TO)),
    (computer("left_click_drag", coordinate=XY, coordinate2=[1000, 0]), Drag(start=AT, end=TO)),
    (computer("key", keys=["ctrl", "C"]), Hotkey(keys=("ctrl", "c"))),
    (computer("key", keys="ctrl+c"), Hotkey(keys=("ctrl", "c"))),
    (computer("type", text="it's </tool_call>"), Type(content="it's </tool_call>")),
    (computer("scroll", coordinate=XY, pixels=-300), Scroll(point=AT, direction="down")),
    (computer("scroll", pixels=300), Scroll(direction="up")),
    (computer("hscroll", pixels=300), Scroll(direction="right")),
    (computer("hscroll", pixels=-1), Scroll(direction="left")),
    (computer("scroll", direction="down"), Scroll(direction="down")),
    (computer("wait", time=2), Wait()),
    (computer("terminate", status="success"), Finish()),
    (computer("terminate", status="failure"), Finish(status="infeasible")),
    (computer("answer", text="42"), Finish(answer="42")),
    (mobile("click", coordinate=XY), Click(point=AT)),
    (mobile("long_press", coordinate=XY, time=2), LongPress(point=AT)),
    (mobile("swipe", coordinate=XY, coordinate2=[1000, 0]), Drag(start=AT, end=TO)),
    (mobile("type", text="a\nb"), Type(content="a\nb")),
    (mobile("system_button", button="Back"), PressButton(button="back")),
    (mobile("system_button", button="Home"), PressButton(button="home")),
    (mobile("system_button", button="Menu"), PressButton(button="menu")),
    (mobile("system_button", button="Enter"), PressButton(button="enter")),
    (mobile("open", text="Maps"), OpenApp(app_name="Maps")),
    (mobile("interact"), CallUser()),
    (mobile("terminate", status="success"), Finish()),
    (call("search", query="rain", k=3), ToolCall(name="search", arguments={"query": "rain", "k": 3})),
    (call("f", a={"$result": 2}), ToolCall(name="f", arguments={"a": Result(2)})),
    (call("f", a=["Result(step=2)"]), ToolCall(name="f", arguments={"a": [Result(2)]})),
    (call("f", a="twice Result(step=2)"), ToolCall(name="f", arguments={"a": "twice Result(step=2)"})),
    (call("open", path="x"), ToolCall(name="open", arguments={"path": "x"})),
    (call("code", source="print(1)"), Code(source="print(1)")),
    (call("final_answer", answer="42"), Finish(answer="42")),
    ('<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>', ToolCall(name="f", arguments={"a": 1})),
    ('<tool_call>{"name": "f", "arguments": {}}', ToolCall(name="f")),
    ('<tool_call>{"name": "f"}</tool_call>', ToolCall(name="f")),
    ("<tool_call>{'name': 'f', 'arguments': {'a': True,},}</tool_call>", ToolCall(name="f", arguments={"a": True})),
    ('{"name": "f", "arguments": {"a": 1}}', ToolCall(name="f", arguments={"a": 1})),
    ('```json\n{"name": "f", "arguments": {}}\n```', ToolCall(name="f")),
    ('<tool_call>{"type": "function", "function": {"name": "f", "arguments": "{}"}}', ToolCall(name="f")),
]

BREAKS = [
    ("", ParseOutcome.EMPTY),
    ("I would click there.", ParseOutcome.EMPTY),
    ("<tool_call>", ParseOutcome.TRUNCATED),
    ('<tool_call>{"name": "f", "argum', ParseOutcome.TRUNCATED),
    ('<tool_call>{"name": "f", "arguments": {"a": 1}', ParseOutcome.TRUNCATED),
    ("<tool_call>click</tool_call>", ParseOutcome.SYNTAX),
    ('<tool_call>{"arguments": {}}</tool_call>', ParseOutcome.SYNTAX),
    ("<tool_call>[1, 2]</tool_call>", ParseOutcome.SYNTAX),
    (computer("fly"), ParseOutcome.UNKNOWN_ACTION),
    (mobile("code", source="x"), ParseOutcome.UNKNOWN_ACTION),
    (call("computer_use", coordinate=[1, 2]), ParseOutcome.BAD_ARGUMENT),
    (computer("scroll", pixels=0), ParseOutcome.BAD_ARGUMENT),
    (computer("scroll", pixels="far"), ParseOutcome.BAD_ARGUMENT),
    (computer("left_click", coordinate=[1]), ParseOutcome.BAD_ARGUMENT),
    (computer("left_click", coordinate=[True, 2]), ParseOutcome.BAD_ARGUMENT),
    (computer("left_click", coordinate=XY, speed=1), ParseOutcome.BAD_ARGUMENT),
    (mobile("system_button", button="Volume"), ParseOutcome.BAD_ARGUMENT),
    ('<tool_call>{"name": "f", "arguments": [1]}</tool_call>', ParseOutcome.BAD_ARGUMENT),
    ('<tool_call>{"name": "f g", "arguments": {}}</tool_call>', ParseOutcome.BAD_ARGUMENT),
    (computer("left_click", coordinate=[1001, 0]), ParseOutcome.OUT_OF_RANGE),
    (computer("left_click", coordinate=[10**30, 0]), ParseOutcome.OUT_OF_RANGE),
    (computer("left_click", coordinate=[0, -1]), ParseOutcome.OUT_OF_RANGE),
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


def test_several_calls_with_prose_between_them():
    reply = GRAMMAR.parse(
        "Observation: a form\nThought: It is filled in.\n"
        f'Action: "Press Send."\n{computer("left_click", coordinate=XY)}\n'
        f"Then it is sent. I say so.\n{computer('answer', text='sent')}\n{computer('wait')}\nThat is all."
    )
    assert reply.summary == "a form"
    assert reply.thought == "It is filled in.\nThen it is sent. I say so.\nThat is all."
    assert [(pair.action.kind, pair.instruction) for pair in reply.pairs] == [
        ("click", "Press Send."),
        ("finish", "I say so."),
        ("wait", ""),
    ]


def test_a_break_ends_only_its_own_call():
    text = f'<tool_call>{{"name": f}}</tool_call>\n{computer("wait")}\n<tool_call>{{"name": "f'
    assert [pair.outcome.value for pair in GRAMMAR.parse(text).pairs] == ["syntax", "ok", "truncated"]


def test_pixels_of_the_screenshot():
    grammar = QwenGrammar(Screen(PIXELS, Size(640, 480)))
    assert grammar.parse(computer("left_click", coordinate=[320, 120])).pairs[0].action == Click(point=AT)


def test_rendering_by_hand():
    action = Drag(start=AT, end=TO)
    assert json.loads(GRAMMAR.render_action(action).split("\n")[1]) == {
        "name": "computer_use",
        "arguments": {"action": "left_click_drag", "start_coordinate": [500, 250], "coordinate": [1000, 0]},
    }
    assert json.loads(QwenGrammar(platform="mobile").render_action(action).split("\n")[1]) == {
        "name": "mobile_use",
        "arguments": {"action": "swipe", "coordinate": [500, 250], "coordinate2": [1000, 0]},
    }
