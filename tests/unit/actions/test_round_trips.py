"""What a dialect writes it reads back, and whatever it is given it never raises."""

from __future__ import annotations

import time

import pytest
from action_strategies import LINES, TEXTS, TOOL_NAMES, VALUES, actions
from hypothesis import given
from hypothesis import strategies as st

from tracer1_agents.actions.codec import ParseOutcome
from tracer1_agents.actions.coordinates import PIXELS, Screen, Size
from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.actions.grammars.generic import GenericGrammar, GenericReply
from tracer1_agents.actions.grammars.prose import last_sentence, read_prose
from tracer1_agents.actions.grammars.qwen import QwenGrammar
from tracer1_agents.actions.grammars.scanner import RESULT
from tracer1_agents.actions.grammars.spelling import is_spelling
from tracer1_agents.actions.grammars.ui_tars import UiTarsGrammar
from tracer1_agents.actions.space import Click, Hotkey, Point, ToolCall

GUI_TOOLS = {"computer_use", "mobile_use"}
NAMES = TOOL_NAMES.filter(lambda name: not is_spelling(name) and name not in GUI_TOOLS)
KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


def is_json_safe(value):
    """JSON has no way to tell the text "Result(step=3)" from the placeholder."""
    if isinstance(value, str):
        return RESULT.fullmatch(value) is None
    if isinstance(value, dict):
        return all(map(is_json_safe, value.values()))
    return not isinstance(value, list) or all(map(is_json_safe, value))


ACTIONS = actions(tool_names=NAMES, keys=KEYS, values=VALUES.filter(is_json_safe))
SENTENCES = LINES.map(lambda text: " ".join(text.split())).filter(lambda text: last_sentence(text) == text)
INSTRUCTIONS = LINES.map(lambda text: " ".join(text.split())).filter(
    lambda text: read_prose(f"Action: {text}").instruction == text and "<tool_call>" not in text
)

GRAMMARS = [CanonicalGrammar(), UiTarsGrammar(), QwenGrammar(), QwenGrammar(platform="mobile"), GenericGrammar()]
IDS = ["canonical", "ui-tars", "qwen-computer", "qwen-mobile", "generic"]
DIALECTS = pytest.mark.parametrize("grammar", GRAMMARS, ids=IDS)


def read_back(grammar, pairs, summary):
    reply = grammar.parse(grammar.render(pairs, summary))
    assert [(pair.outcome, pair.problem) for pair in reply.pairs] == [(ParseOutcome.OK, "")] * len(pairs)
    assert [(pair.action, pair.instruction) for pair in reply.pairs] == pairs
    assert reply.summary == summary


@given(st.lists(st.tuples(ACTIONS, st.just("") | SENTENCES), min_size=1, max_size=3), st.none() | SENTENCES)
def test_ui_tars(pairs, summary):
    read_back(UiTarsGrammar(), pairs, summary)


@given(
    st.lists(st.tuples(ACTIONS, INSTRUCTIONS), min_size=1, max_size=3),
    st.none() | SENTENCES,
    st.sampled_from(["computer", "mobile"]),
)
def test_qwen(pairs, summary, platform):
    read_back(QwenGrammar(platform=platform), pairs, summary)


@given(st.lists(st.tuples(ACTIONS, TEXTS), min_size=1, max_size=3), st.none() | TEXTS)
def test_generic(pairs, summary):
    read_back(GenericGrammar(), pairs, summary)
    assert GenericReply.model_validate_json(GenericGrammar().render(pairs, summary)).observation == summary


@given(ACTIONS)
def test_structured_output_is_read_like_text(action):
    grammar = GenericGrammar()
    reply = GenericReply.model_validate_json(grammar.render([(action, "x")]))
    assert grammar.parse(reply.model_dump_json()).pairs[0].action == action


@pytest.mark.parametrize("keys", [("+",), ("ctrl", "+"), ("ctrl", "+", "c"), ("page down", "a")])
@DIALECTS
def test_keys_that_look_like_separators(grammar, keys):
    action = Hotkey(keys=keys)
    assert grammar.parse(grammar.render_action(action)).pairs[0].action == action


@DIALECTS
def test_a_deep_but_legal_argument(grammar):
    value = 1
    for _ in range(40):
        value = [value]
    action = ToolCall(name="f", arguments={"a": value})
    assert grammar.parse(grammar.render_action(action)).pairs[0].action == action


@DIALECTS
@given(text=st.text(max_size=200) | st.text(alphabet="{}[]()<>'\"\\:=,# \naeltf0.-", max_size=80))
def test_never_raises_on_any_text(grammar, text):
    reply = grammar.parse(text)
    assert reply.pairs
    assert all((pair.action is not None) == (pair.outcome is ParseOutcome.OK) for pair in reply.pairs)
    assert all(pair.problem for pair in reply.pairs if pair.action is None)


PIECES = [
    "Thought: ", "Action: ", "Observation: ", "click(", "point='<point>1 2</point>'", "start_box=",
    "<|box_start|>(1,2)", "<|box_end|>", ")", "\n", "\n\n", "type(content='", "'", '"', ", ", "f(a=", "[1, ", "]",
    "{", "}", '"plan": [', '"action": "f"', '"arguments": {', "<tool_call>", "</tool_call>", "```json\n", "```",
    "Result(step=2)", "\\", "# ", "finish()", "1e999", "- ",
]  # fmt: skip


@DIALECTS
@given(text=st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_never_raises_on_almost_right_text(grammar, text):
    assert grammar.parse(text).pairs


HOSTILE = [
    "[" * 100_000,
    "{" * 100_000,
    '{"a":' * 20_000,
    '{"plan":[' * 10_000,
    "'" * 100_000,
    '"' * 100_000,
    "\\" * 100_000,
    " " * 100_000,
    "Thought:" + " " * 100_000 + "x" + " " * 100_000,
    "\n" * 100_000,
    "Thought: a\n" * 10_000,
    "Thought: a. " * 10_000,
    "Action: " * 12_000,
    "Action: a('\n" * 8_000,
    "f(a='x', 'x', " + "'x', " * 20_000,
    "f('a'$" * 16_000,
    "f('a') x\n" * 10_000,
    'f(a="x\n' * 12_000,
    "f(a=['x" * 12_000,
    "f(a=" + "9" * 100_000 + ")",
    "click(point='" + "<point>" * 15_000 + "')",
    "click(point='" + "1 " * 50_000 + "')",
    "click(point=" + "(" * 50_000,
    "a" * 100_000 + "(",
    ("a" * 50 + " ") * 2_000,
    "hotkey(key='" + "+ " * 50_000 + "')",
    "<tool_call>" * 9_000,
    '<tool_call>{"name": ' * 5_000,
    '\n{"name": "f", ' * 6_000,
    "[x" * 50_000,
    "```json\n" * 12_000,
    "<point>" * 15_000,
    "- " * 50_000,
    "#" * 100_000,
    "1. " * 33_000,
    '[{"action": "f", "arguments": {"a": "' + "\\" * 99_999,
]


@DIALECTS
def test_time_is_bounded_on_hostile_text(grammar):
    # a quadratic reader takes minutes for one of these; the slowest linear one a fifth of a second
    for text in HOSTILE:
        begin = time.process_time()
        assert grammar.parse(text).pairs
        assert time.process_time() - begin < 5, text[:40]


def test_pixel_frames_read_and_write_on_their_screen():
    screen = Screen(PIXELS, Size(640, 480))
    action = Click(point=Point(0.5, 0.25))
    for grammar in (UiTarsGrammar(screen), QwenGrammar(screen), GenericGrammar(screen)):
        text = grammar.render_action(action)
        assert "320" in text
        assert grammar.parse(text).pairs[0].action == action
