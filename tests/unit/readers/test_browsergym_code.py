"""BrowserGym action strings: each call of its action set, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.space import (
    Click,
    Drag,
    Finish,
    Hotkey,
    Hover,
    LeftDouble,
    MiddleClick,
    RightSingle,
    Scroll,
    Select,
    Type,
    Wait,
)
from tracer1_agents.data.readers.base import RecordError
from tracer1_agents.data.readers.browsergym_code import SIGNATURES, Call, actions_of, parse_calls

_SCREEN = Size(1000, 500)


def _read(text):
    return [action for call in parse_calls(text) for action in actions_of(call, _SCREEN)]


_TABLE = [
    ("noop()", [Wait()]),
    ("noop(500)", [Wait()]),
    ("click('a51')", [Click()]),
    ("click('b22', button=\"right\")", [RightSingle()]),
    ("click('48', 'middle', [])", [MiddleClick()]),
    ("dblclick('12')", [LeftDouble()]),
    ("hover('b8')", [Hover()]),
    ("focus('b4')", [Click()]),
    ("check('55')", [Click()]),
    ("uncheck('55')", [Click()]),
    ("fill('45', \"multi-line\\nexample\")", [Type(content="multi-line\nexample")]),
    ("fill(bid='a12', value='it\\'s')", [Type(content="it's")]),
    ("clear('9')", [Click(), Hotkey(keys=("ctrl", "a")), Hotkey(keys=("delete",))]),
    ("select_option('a48', 'blue')", [Select(option="blue")]),
    ("select_option('c48', ['red', 'green'])", [Select(option="red"), Select(option="green")]),
    ("press('88', 'Backspace')", [Hotkey(keys=("backspace",))]),
    ("press('a26', 'Control+a')", [Hotkey(keys=("ctrl", "a"))]),
    ("press('a26', 'ControlOrMeta+KeyA')", [Hotkey(keys=("ctrl", "a"))]),
    ("press('a61', 'Meta+Shift+t')", [Hotkey(keys=("meta", "shift", "t"))]),
    ("keyboard_press('ArrowDown')", [Hotkey(keys=("down",))]),
    ("keyboard_press('Control++')", [Hotkey(keys=("ctrl", "+"))]),
    ("keyboard_press('+')", [Hotkey(keys=("+",))]),
    ("keyboard_press('Digit1')", [Hotkey(keys=("1",))]),
    ("keyboard_press('Escape')", [Hotkey(keys=("esc",))]),
    ("keyboard_type('rye')", [Type(content="rye")]),
    ("keyboard_insert_text('rye')", [Type(content="rye")]),
    ("scroll(0, 200)", [Scroll(direction="down")]),
    ("scroll(-50.2, -100.5)", [Scroll(direction="up")]),
    ("scroll(300, -100)", [Scroll(direction="right")]),
    ("scroll(delta_x=-300, delta_y=0)", [Scroll(direction="left")]),
    ("drag_and_drop('56', '498')", [Drag()]),
    ("mouse_move(500, 125)", [Hover(point=(0.5, 0.25))]),
    ("mouse_click(500, 125)", [Click(point=(0.5, 0.25))]),
    ("mouse_click(500, 125, 'right')", [RightSingle(point=(0.5, 0.25))]),
    ("mouse_dblclick(500, 125)", [LeftDouble(point=(0.5, 0.25))]),
    ("mouse_drag_and_drop(500, 125, 1000, 0)", [Drag(start=(0.5, 0.25), end=(1.0, 0.0))]),
    ("goto('http://a.b')", [Hotkey(keys=("ctrl", "l")), Type(content="http://a.b\n")]),
    ("go_back()", [Hotkey(keys=("alt", "left"))]),
    ("go_forward()", [Hotkey(keys=("alt", "right"))]),
    ("new_tab()", [Hotkey(keys=("ctrl", "t"))]),
    ("tab_close()", [Hotkey(keys=("ctrl", "w"))]),
    ("tab_focus(2)", [Hotkey(keys=("ctrl", "3"))]),
    ("send_msg_to_user('It is 5.')", [Finish(answer="It is 5.")]),
    ("report_infeasible('no field')", [Finish(answer="no field", status="infeasible")]),
    ("click('1')\nfill('1', 'x')", [Click(), Type(content="x")]),
]


@pytest.mark.parametrize(("text", "actions"), _TABLE)
def test_calls_become_actions(text, actions):
    assert _read(text) == actions


def test_the_table_has_every_call():
    assert {call.name for text, _ in _TABLE for call in parse_calls(text)} == set(SIGNATURES)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no call in ''"),
        ("click('1'", "not an action: "),
        ("teleport('1')", "unknown action 'teleport'"),
        ("upload_file('1', 'a.txt')", "unknown action 'upload_file'"),
        ("page.click('1')", "only calls are read"),
        ("x = 1", "only calls are read"),
        ("click(bid)", "an argument of click must be a literal, got 'bid'"),
        ("click(__import__('os').name)", "must be a literal"),
        ("fill('1', *['x'])", "must be a literal"),
        ("click('1', 'left', [], 4)", "click takes at most 3 arguments, got 4"),
        ("fill('1', bid='2', value='x')", "each once, got bid"),
        ("fill('1', **{'value': 'x'})", "got \\*\\*"),
        ("fill('1', text='x')", "fill takes bid, value, each once, got text"),
        ("go_back(1)", "at most 0"),
        ("fill('1')", 'the key "value" is missing'),
        ("fill('1', 5)", '"value" must be str'),
        ("click('1', modifiers=['Shift'])", r"\['Shift'\] held has no place"),
        ("click('1', 'fourth')", "unknown button 'fourth'"),
        ("dblclick('1', 'right')", "a double click with another button"),
        ("scroll(0, 0)", "a scroll that goes nowhere"),
        ("scroll('down')", 'must be int or float|"delta_y" is missing'),
        ("tab_focus(8)", "no shortcut reaches tab 8"),
        ("tab_focus(-1)", "no shortcut reaches tab -1"),
        ("keyboard_press('')", "names no key"),
        ("mouse_click(1001, 5)", "lies outside"),
        ("select_option('1', [2])", "no select can be made of it"),
    ],
)
def test_what_is_refused(text, problem):
    with pytest.raises(RecordError, match=problem):
        _read(text)


def test_pixels_need_a_screen():
    with pytest.raises(RecordError, match="no screenshot to place it on"):
        actions_of(Call("mouse_click", {"x": 1, "y": 1}), None)


@given(st.text(max_size=40))
def test_typed_text_comes_back(text):
    assert _read(f"fill('1', {text!r})") == [Type(content=text)]


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        calls = parse_calls(text)
    except RecordError:
        return
    assert all(call.name in SIGNATURES for call in calls)
