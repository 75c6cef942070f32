"""UI-TARS replies: every form its releases write, and every one on which the upstream parser fails."""

from __future__ import annotations

import pytest

from tracer1_agents.actions.codec import ParseOutcome
from tracer1_agents.actions.coordinates import UI_TARS_15, Screen, Size
from tracer1_agents.actions.grammars.ui_tars import UiTarsGrammar
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
    Select,
    ToolCall,
    TripleClick,
    Type,
    Wait,
)

GRAMMAR = UiTarsGrammar()
HERE = Click(point=Point(0.51, 0.15))

READS = [
    # points, in every release's form
    ("Action: click(point='<point>510 150</point>')", HERE),
    ('Action: click(point="<point>510 150</point>")', HERE),
    ("Action: click(point=<point>510 150</point>)", HERE),
    ("Action: click(point='<point>510, 150</point>')", HERE),
    ("Action: click(start_box='(510,150)')", HERE),
    ("Action: click(start_box='(510, 150)')", HERE),
    ("Action: click(start_box=(510,150))", HERE),
    ("Action: click(start_box='<|box_start|>(510,150)<|box_end|>')", HERE),
    ("Action: click(start_box=<|box_start|>(510,150)<|box_end|>)", HERE),
    ("Action: click(start_box='[500,100,520,200]')", HERE),
    ("Action: click(start_box=[500, 100, 520, 200])", HERE),
    ("Action: click(point='<bbox>500 100 520 200</bbox>')", HERE),
    ("Action: click(start_box='<|box_start|>[[500,100],[520,200]]<|box_end|>')", HERE),
    ("Action: click(start_box='(510.0,150.00)')", HERE),
    ("Action: click(point='510 150')", HERE),
    ("Action: click('<point>510 150</point>')", HERE),
    ("Action: click(510, 150)", HERE),
    ("Action: click((510, 150))", HERE),
    ("Action: click(x=510, y=150)", HERE),
    ("Action: click(point={'x': 510, 'y': 150})", HERE),
    ("Action: click(point='<point>0 1000</point>')", Click(point=Point(0, 1))),
    ("Action: click(point='<point>510 150')", HERE),
    ("Action: click()", Click()),
    # the marker and what stands around it
    ("Action:click(point='<point>510 150</point>')", HERE),
    ("action: click(point='<point>510 150</point>')", HERE),
    ("**Action:** click(point='<point>510 150</point>')", HERE),
    ("Action\uff1a click(point='<point>510 150</point>')", HERE),
    ("Action: click (point = '<point>510 150</point>' )", HERE),
    ("click(point='<point>510 150</point>')", HERE),
    ("```\nAction: click(point='<point>510 150</point>')\n```", HERE),
    ("Action:\n```python\nclick(point='<point>510 150</point>')\n```", HERE),
    ("Action: 1. click(point='<point>510 150</point>')", HERE),
    ("Thought: x Action: click(point='<point>510 150</point>')", HERE),
    ("Thought: x\nclick(point='<point>510 150</point>')", HERE),
    ("I think so.\nAction: click(point='<point>510 150</point>')", HERE),
    ("Reflection: bad\nAction_Summary: I click.\nAction: click(point='<point>510 150</point>')", HERE),
    ("Action: click(\n    point='<point>510 150</point>',\n)", HERE),
    ("Action: click(point='<point>510 150</point>');", HERE),
    # computer
    ("Action: left_single(point='<point>510 150</point>')", HERE),
    ("Action: left_double(point='<point>510 150</point>')", LeftDouble(point=Point(0.51, 0.15))),
    ("Action: right_single(point='<point>510 150</point>')", RightSingle(point=Point(0.51, 0.15))),
    ("Action: middle_click(point='<point>510 150</point>')", MiddleClick(point=Point(0.51, 0.15))),
    ("Action: triple_click(point='<point>510 150</point>')", TripleClick(point=Point(0.51, 0.15))),
    ("Action: hover(point='<point>510 150</point>')", Hover(point=Point(0.51, 0.15))),
    (
        "Action: drag(start_point='<point>0 0</point>', end_point='<point>1000 500</point>')",
        Drag(start=Point(0, 0), end=Point(1, 0.5)),
    ),
    ("Action: drag(start_box='(0,0)', end_box='(1000,500)')", Drag(start=Point(0, 0), end=Point(1, 0.5))),
    ("Action: drag('<point>0 0</point>', '<point>1000 500</point>')", Drag(start=Point(0, 0), end=Point(1, 0.5))),
    ("Action: select(start_box='(0,0)', end_box='(1000,500)')", Drag(start=Point(0, 0), end=Point(1, 0.5))),
    ("Action: select(start_box='(510,150)', option='Two')", Select(point=Point(0.51, 0.15), option="Two")),
    ("Action: hotkey(key='ctrl c')", Hotkey(keys=("ctrl", "c"))),
    ("Action: hotkey(key='Ctrl+Shift+T')", Hotkey(keys=("ctrl", "shift", "t"))),
    ("Action: hotkey(key='ctrl + c')", Hotkey(keys=("ctrl", "c"))),
    ("Action: hotkey(key='ctrl++')", Hotkey(keys=("ctrl", "+"))),
    ("Action: hotkey(key='+')", Hotkey(keys=("+",))),
    ("Action: press(key='enter')", Hotkey(keys=("enter",))),
    (
        "Action: scroll(point='<point>510 150</point>', direction='down')",
        Scroll(point=Point(0.51, 0.15), direction="down"),
    ),
    ("Action: scroll(direction='Left')", Scroll(direction="left")),
    ("Action: scroll(direction=right, start_box='(510,150)')", Scroll(point=Point(0.51, 0.15), direction="right")),
    ("Action: scroll('up')", Scroll(direction="up")),
    ("Action: wait()", Wait()),
    ("Action: wait(5)", Wait()),
    ("Action: wait(time=2)", Wait()),
    ("Action: call_user()", CallUser()),
    # mobile
    ("Action: long_press(point='<point>510 150</point>')", LongPress(point=Point(0.51, 0.15))),
    (
        "Action: long_press(start_box='<|box_start|>(510,150)<|box_end|>', time='')",
        LongPress(point=Point(0.51, 0.15)),
    ),
    ("Action: long_press(start_box='(510,150)', time=2)", LongPress(point=Point(0.51, 0.15))),
    (
        "Action: scroll(start_box='<|box_start|>(0,0)<|box_end|>', end_box='<|box_start|>(1000,500)<|box_end|>')",
        Drag(start=Point(0, 0), end=Point(1, 0.5)),
    ),
    (
        "Action: scroll(start_point='<point>0 0</point>', end_point='<point>1000 500</point>')",
        Drag(start=Point(0, 0), end=Point(1, 0.5)),
    ),
    ("Action: open_app(app_name='Maps')", OpenApp(app_name="Maps")),
    ("Action: open_app('Maps')", OpenApp(app_name="Maps")),
    ("Action: press_home()", PressButton(button="home")),
    ("Action: press_back()", PressButton(button="back")),
    ("Action: press_enter()", PressButton(button="enter")),
    # text
    ("Action: type(content='hello')", Type(content="hello")),
    ('Action: type(content="hello")', Type(content="hello")),
    (r"Action: type(content='hello\n')", Type(content="hello\n")),
    (r"Action: type(content='it\'s \"so\"')", Type(content='it\'s "so"')),
    (r"Action: type(content='C:\\new')", Type(content=r"C:\new")),
    (r"Action: type(content='\d+\.')", Type(content=r"\d+\.")),
    ("Action: type(content='it's so')", Type(content="it's so")),
    ('Action: type(content="say "hi" now")', Type(content='say "hi" now')),
    ("Action: type(content='f('x') is it')", Type(content="f('x') is it")),
    ("Action: type(content='two\nlines')", Type(content="two\nlines")),
    ("Action: type(content='Action: click(point=1)')", Type(content="Action: click(point=1)")),
    ("Action: type(content='Thought: x\nAction: wait()')", Type(content="Thought: x\nAction: wait()")),
    ("Action: type(content='point=start_box=')", Type(content="point=start_box=")),
    ("Action: type(content='')", Type(content="")),
    ("Action: type(content=hello world)", Type(content="hello world")),
    ("Action: type('hello')", Type(content="hello")),
    ("Action: type(content='5')", Type(content="5")),
    ("Action: type(content=5)", Type(content="5")),
    ("Action: type(text='hello')", Type(content="hello")),
    # the end
    ("Action: finished()", Finish()),
    ("Action: finished(content='42')", Finish(answer="42")),
    ("Action: finished('42')", Finish(answer="42")),
    ("Action: finished(content='It's done, isn't it?')", Finish(answer="It's done, isn't it?")),
    ("Action: finished(content='', status='infeasible')", Finish(answer="", status="infeasible")),
    ("Action: terminate(status='failure')", Finish(status="infeasible")),
    ("Action: final_answer(answer=42)", Finish(answer="42")),
    # tools and code
    ("Action: search(query='rain', k=3)", ToolCall(name="search", arguments={"query": "rain", "k": 3})),
    ("Action: search(query='{\"a\": 1}')", ToolCall(name="search", arguments={"query": '{"a": 1}'})),
    ("Action: f(a={'k': [1, null]}, b=true)", ToolCall(name="f", arguments={"a": {"k": [1, None]}, "b": True})),
    ("Action: tool(name='f', arguments={'a': 1})", ToolCall(name="f", arguments={"a": 1})),
    ("Action: f(a=Result(step=2))", ToolCall(name="f", arguments={"a": Result(2)})),
    ("Action: f(a=[Result(step=2)])", ToolCall(name="f", arguments={"a": [Result(2)]})),
    (r"Action: code(source='print(\'x\')\nprint(2)')", Code(source="print('x')\nprint(2)")),
]

BREAKS = [
    ("", ParseOutcome.EMPTY),
    ("Thought: I wonder.", ParseOutcome.EMPTY),
    ("I would click (there).", ParseOutcome.EMPTY),
    ("Action:", ParseOutcome.TRUNCATED),
    ("Action: click(", ParseOutcome.TRUNCATED),
    ("Action: click(point=", ParseOutcome.TRUNCATED),
    ("Action: click(point='<point>51", ParseOutcome.TRUNCATED),
    ("Action: type(content='hello", ParseOutcome.TRUNCATED),
    ("Action: hotkey(key=['ctrl',", ParseOutcome.TRUNCATED),
    ("Action: click", ParseOutcome.TRUNCATED),
    ("Action: click the button", ParseOutcome.SYNTAX),
    ("Action: ???", ParseOutcome.SYNTAX),
    ("Action: f(a=)", ParseOutcome.SYNTAX),
    ("Action: f(a=1 b=2)", ParseOutcome.SYNTAX),
    ("Action: click(point='the button')", ParseOutcome.BAD_ARGUMENT),
    ("Action: click(point='<point>510</point>')", ParseOutcome.BAD_ARGUMENT),
    ("Action: click(point='<point>1 2 3</point>')", ParseOutcome.BAD_ARGUMENT),
    ("Action: click(point='')", ParseOutcome.BAD_ARGUMENT),
    ("Action: click(point='(1,2)', start_box='(1,2)')", ParseOutcome.BAD_ARGUMENT),
    ("Action: click(point='(1,2)', point='(1,2)')", ParseOutcome.BAD_ARGUMENT),
    ("Action: click(button='left')", ParseOutcome.BAD_ARGUMENT),
    ("Action: scroll(point='(1,2)')", ParseOutcome.BAD_ARGUMENT),
    ("Action: scroll(end_box='(1,2)')", ParseOutcome.BAD_ARGUMENT),
    ("Action: scroll(start_box='(1,2)', end_box='(3,4)', direction='up')", ParseOutcome.BAD_ARGUMENT),
    ("Action: scroll(direction='sideways')", ParseOutcome.BAD_ARGUMENT),
    ("Action: hotkey(key='')", ParseOutcome.BAD_ARGUMENT),
    ("Action: type()", ParseOutcome.BAD_ARGUMENT),
    ("Action: select(start_box='(1,2)')", ParseOutcome.BAD_ARGUMENT),
    ("Action: search('rain')", ParseOutcome.BAD_ARGUMENT),
    ("Action: open_app('a', 'b')", ParseOutcome.BAD_ARGUMENT),
    ("Action: finished(verdict='x')", ParseOutcome.BAD_ARGUMENT),
    ("Action: tool(a=1)", ParseOutcome.BAD_ARGUMENT),
    ("Action: tool(name='click', arguments={})", ParseOutcome.BAD_ARGUMENT),
    ("Action: click(point='<point>5000 5000</point>')", ParseOutcome.OUT_OF_RANGE),
    ("Action: click(point='<point>-5 10</point>')", ParseOutcome.OUT_OF_RANGE),
    ("Action: click(start_box='[0,0,2000,10]')", ParseOutcome.OUT_OF_RANGE),
    ("Action: drag(start_box='(0,0)', end_box='(0,1001)')", ParseOutcome.OUT_OF_RANGE),
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


@pytest.mark.parametrize("between", ["\n\n", "\n", "\nAction: ", "\n\nAction: ", " ", "; ", "\n- "])
def test_several_actions_however_they_are_separated(between):
    text = between.join(["Action: click(start_box='(510,150)')", "type(content='a\nb')", "finished(content='c')"])
    actions = [pair.action for pair in GRAMMAR.parse(text).pairs]
    assert actions == [HERE, Type(content="a\nb"), Finish(answer="c")]


def test_blocks_are_pairs_and_the_instruction_is_the_last_sentence_of_the_own_thought():
    reply = GRAMMAR.parse(
        "Observation: a list,\n  open\n"
        "Thought: The list is open. I pick the second.\n"
        "Action: click(start_box='(510,150)')\n\nwait()\n"
        "Thought: Then I type\nit in\nAction: type(content='x')\n"
        "Action: finished()"
    )
    assert reply.summary == "a list, open"
    assert reply.thought == "The list is open. I pick the second.\nThen I type\nit in"
    assert [(pair.action.kind, pair.instruction) for pair in reply.pairs] == [
        ("click", "I pick the second."),
        ("wait", ""),
        ("type", "it in"),
        ("finish", ""),
    ]


def test_finished_in_the_middle_wipes_nothing():
    kinds = [pair.action.kind for pair in GRAMMAR.parse("Action: wait()\nfinished()\nwait()").pairs]
    assert kinds == ["wait", "finish", "wait"]


def test_what_follows_a_broken_pair():
    read = [pair.outcome.value for pair in GRAMMAR.parse("Action: f(a=)\nAction: wait()\nto be sure\nwait()").pairs]
    assert read == ["syntax", "ok", "syntax", "ok"]
    cut = [pair.outcome.value for pair in GRAMMAR.parse("Action: wait()\ntype(content='a\nAction: wait()").pairs]
    assert cut == ["ok", "truncated"]


def test_resized_pixels():
    # 1920x1080 is seen as 1932x1092 (69 and 39 times 28)
    grammar = UiTarsGrammar(Screen(UI_TARS_15, Size(1920, 1080)))
    assert grammar.parse("Action: click(start_box='(966,273)')").pairs[0].action == Click(point=Point(0.5, 0.25))
    assert grammar.parse("Action: click(start_box='(1933,0)')").pairs[0].outcome is ParseOutcome.OUT_OF_RANGE
    assert grammar.render_action(Click(point=Point(0.5, 0.25))) == "click(point='<point>966 273</point>')"


def test_rendering_by_hand():
    pairs = [(Type(content="it's\n"), "Type it."), (ToolCall(name="f", arguments={"a": Result(1), "b": [1.5]}), "")]
    assert GRAMMAR.render(pairs, "a field") == (
        "Observation: a field\nThought: Type it.\nAction: type(content='it\\'s\\n')\n"
        "Action: f(a=Result(step=1), b=[1.5])"
    )
