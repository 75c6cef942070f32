"""The canonical dialect: hand-written tables, then the round trip over the whole union."""

from __future__ import annotations

import pytest
from action_strategies import TEXTS, actions
from hypothesis import given
from hypothesis import strategies as st

from tracer1_agents.actions.codec import ParseOutcome
from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.actions.space import (
    Click,
    Code,
    Drag,
    Finish,
    Hotkey,
    Point,
    Result,
    Scroll,
    ToolCall,
    Type,
    Wait,
)

GRAMMAR = CanonicalGrammar()

READS = [
    ('table_sum(column="qty") # "Add up qty"', ToolCall(name="table_sum", arguments={"column": "qty"}), "Add up qty"),
    ("f()", ToolCall(name="f"), ""),
    ("f(a=1, b=-2.5, c=true, d=null)", ToolCall(name="f", arguments={"a": 1, "b": -2.5, "c": True, "d": None}), ""),
    ("f(a=True, b=False, c=None)", ToolCall(name="f", arguments={"a": True, "b": False, "c": None}), ""),
    ('tool(name="f", arguments={"a": 1})', ToolCall(name="f", arguments={"a": 1}), ""),
    ("f(a=Result(step=2))", ToolCall(name="f", arguments={"a": Result(2)}), ""),
    ("f(a=Result(2))", ToolCall(name="f", arguments={"a": Result(2)}), ""),
    ('f(a={"$result": 2})', ToolCall(name="f", arguments={"a": Result(2)}), ""),
    ('f(a=[1, {"k": Result(step=3)}])', ToolCall(name="f", arguments={"a": [1, {"k": Result(3)}]}), ""),
    ("f(a=[1, 2,], b={'k': 1,},)", ToolCall(name="f", arguments={"a": [1, 2], "b": {"k": 1}}), ""),
    ("f(a='it\\'s \"so\"')", ToolCall(name="f", arguments={"a": 'it\'s "so"'}), ""),
    ('f("a b"=1)', ToolCall(name="f", arguments={"a b": 1}), ""),
    ("1. f() # do it", ToolCall(name="f"), "do it"),
    ("- f()", ToolCall(name="f"), ""),
    ("Action: f()", ToolCall(name="f"), ""),
    ("mcp.server-tool(x=1)", ToolCall(name="mcp.server-tool", arguments={"x": 1}), ""),
    ("click(point=[0.5, 0.25])", Click(point=Point(0.5, 0.25)), ""),
    ("click()", Click(), ""),
    ("drag(start=[0, 0], end=[1, 1])", Drag(start=Point(0, 0), end=Point(1, 1)), ""),
    ('scroll(direction="down")', Scroll(direction="down"), ""),
    ('type(content="a\\nb")', Type(content="a\nb"), ""),
    ("type(content=Result(step=4))", Type(content="Result(step=4)"), ""),
    ('hotkey(keys=["ctrl", "c"])', Hotkey(keys=("ctrl", "c")), ""),
    ('code(source="print(1)")', Code(source="print(1)"), ""),
    ("wait()", Wait(), ""),
    ('finish(answer="42")', Finish(answer="42"), ""),
    ("finish()", Finish(), ""),
    ("final_answer(answer=42)", Finish(answer="42"), ""),
    ('answer(text="x")', Finish(answer="x"), ""),
    ('finished(content="done")', Finish(answer="done"), ""),
    ('terminate(status="failure")', Finish(status="infeasible"), ""),
    ("finish(answer=Result(step=2))", Finish(answer="Result(step=2)"), ""),
    ('finish(answer=["a", 1])', Finish(answer="a, 1"), ""),
]  # fmt: skip

BREAKS = [
    ("", ParseOutcome.EMPTY),
    ('# "only a summary"', ParseOutcome.EMPTY),
    ("f(", ParseOutcome.TRUNCATED),
    ("f(a", ParseOutcome.TRUNCATED),
    ("f(a=", ParseOutcome.TRUNCATED),
    ('f(a="b', ParseOutcome.TRUNCATED),
    ("f(a='b", ParseOutcome.TRUNCATED),
    ("f(a=[1,", ParseOutcome.TRUNCATED),
    ('f() # "half', ParseOutcome.TRUNCATED),
    ("I would click there", ParseOutcome.SYNTAX),
    ("f(a=b)", ParseOutcome.SYNTAX),
    ("f(1)", ParseOutcome.SYNTAX),
    ("f(a=1 b=2)", ParseOutcome.SYNTAX),
    ("f(a=Truely)", ParseOutcome.SYNTAX),
    ("f() g()", ParseOutcome.SYNTAX),
    ('f() # "a" g()', ParseOutcome.SYNTAX),
    ("f(a={1: 2})", ParseOutcome.SYNTAX),
    ("f(a=" + "9" * 5000 + ")", ParseOutcome.SYNTAX),
    ("f(a=1, a=2)", ParseOutcome.BAD_ARGUMENT),
    ("f(a=NaN)", ParseOutcome.BAD_ARGUMENT),
    ("f(a=1e999)", ParseOutcome.BAD_ARGUMENT),
    ('f(a="\\ud800")', ParseOutcome.BAD_ARGUMENT),
    ("f(a=" + "[" * 60 + "]" * 60 + ")", ParseOutcome.BAD_ARGUMENT),
    ("click(where=[0, 0])", ParseOutcome.BAD_ARGUMENT),
    ('scroll(direction="north")', ParseOutcome.BAD_ARGUMENT),
    ('tool(name="finish")', ParseOutcome.BAD_ARGUMENT),
    ("type()", ParseOutcome.BAD_ARGUMENT),
    ("finish(verdict=1)", ParseOutcome.BAD_ARGUMENT),
    ("click(point=[2, 0.5])", ParseOutcome.OUT_OF_RANGE),
    ("click(point=[-0.1, 0.5])", ParseOutcome.OUT_OF_RANGE),
]


@pytest.mark.parametrize(("text", "action", "instruction"), READS)
def test_reads(text, action, instruction):
    (pair,) = GRAMMAR.parse(text).pairs
    assert (pair.outcome, pair.action, pair.instruction) == (ParseOutcome.OK, action, instruction)


@pytest.mark.parametrize(("text", "outcome"), BREAKS, ids=lambda value: str(value)[:30])
def test_broken_pairs_have_an_outcome_and_a_problem(text, outcome):
    (pair,) = GRAMMAR.parse(text).pairs
    assert (pair.outcome, pair.action) == (outcome, None)
    assert pair.problem


def test_a_whole_reply():
    reply = GRAMMAR.parse('```\n# "two columns"\n\nf() # "a"\n# a remark\nfinish() # "b"\n```')
    assert reply.summary == "two columns"
    assert [(pair.action, pair.instruction) for pair in reply.pairs] == [(ToolCall(name="f"), "a"), (Finish(), "b")]


def test_pairs_after_a_broken_one_are_still_read():
    outcomes = [pair.outcome for pair in GRAMMAR.parse("f()\nf(\nf()").pairs]
    assert outcomes == [ParseOutcome.OK, ParseOutcome.TRUNCATED, ParseOutcome.OK]


@given(st.lists(st.tuples(actions(grid=False), TEXTS), min_size=1, max_size=4), st.none() | TEXTS)
def test_round_trip(pairs, summary):
    text = GRAMMAR.render(pairs, summary)
    reply = GRAMMAR.parse(text)
    assert [(pair.action, pair.instruction) for pair in reply.pairs] == pairs
    assert reply.summary == summary
    assert len(text.splitlines()) == len(pairs) + (summary is not None)
