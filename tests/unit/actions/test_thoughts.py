from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer1_agents.actions.thoughts import split_thought

CASES = [
    ("f()", ("", "f()", True)),
    ("<think>a</think>f()", ("a", "f()", True)),
    ("\n <think>\na\n</think>\n\nf()", ("a", "\n\nf()", True)),
    ("<thinking>a</thinking>f()", ("a", "f()", True)),
    ("<think></think>f()", ("", "f()", True)),
    ("<think>a</think><think>b</think>f()", ("a\nb", "f()", True)),
    ("<think>so f() then", ("so f() then", "", False)),
    ("<think>a</think><think>b", ("a\nb", "", False)),
    ("a</think>f()", ("a", "f()", True)),
    ("Well. <think>a</think>f()", ("Well. a", "f()", True)),
    ('<think>a</think>type(content="</think>")', ("a", 'type(content="</think>")', True)),
    ('type(content="<think>")', ("", 'type(content="<think>")', True)),
    ("", ("", "", True)),
]


@pytest.mark.parametrize(("text", "parts"), CASES)
def test_shapes(text, parts):
    assert split_thought(text) == parts


@given(st.text(alphabet="<>/think ab\n") | st.lists(st.sampled_from(["<think>", "</think>", "x"])).map("".join))
def test_the_rest_is_always_an_end_of_the_text(text):
    thought, rest, closed = split_thought(text)
    assert text.endswith(rest)
    assert closed or (rest == "" and "<think>" in text)
    assert thought or rest or not text.replace("<think>", "").replace("</think>", "").strip()
