"""Actions as pyautogui scripts, JSON actions and BrowserGym strings: texts stay strings, and readers give them back."""

from __future__ import annotations

import ast

import pytest
from action_strategies import TEXTS, actions
from hypothesis import given
from hypothesis import strategies as st

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.elements import Element
from tracer1_agents.actions.interfaces.browsergym import action_string
from tracer1_agents.actions.interfaces.json_action import json_action, read_json_action
from tracer1_agents.actions.interfaces.pyautogui import pyautogui_script
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
    RightSingle,
    Scroll,
    Select,
    ToolCall,
    TripleClick,
    Type,
    Wait,
)
from tracer1_agents.data.readers.browsergym_code import actions_of, parse_calls
from tracer1_agents.data.readers.pyautogui_code import parse_script
from tracer1_agents.errors import ToolError

SCREEN = Size(1920, 1080)
AT = Point(0.5, 0.25)
THERE = Point(1.0, 1.0)
HOSTILE = [
    "'); import os; os.system('rm -rf /'); ('",
    '"""\nimport os\n"""',
    "\\'); exec('1",
    "{x} %s $y `z`",
    "\u2028\u2029\x00\x1b[31m",
    "pyautogui.press('enter')\nDONE",
]
ALLOWED_CALLS = {"pyautogui", "time", "pyperclip"}


def literals(script):
    """Every call's name and arguments; fails on anything but calls with literal arguments, and the one import."""
    found = []
    for statement in ast.parse(script).body:
        if isinstance(statement, ast.Import):
            assert [name.name for name in statement.names] == ["pyperclip"]
            continue
        assert isinstance(statement, ast.Expr)
        call = statement.value
        assert isinstance(call, ast.Call)
        assert isinstance(call.func, ast.Attribute)
        assert call.func.value.id in ALLOWED_CALLS
        named = {item.arg: ast.literal_eval(item.value) for item in call.keywords}
        found.append((call.func.attr, [ast.literal_eval(item) for item in call.args], named))
    return found


class TestPyautogui:
    @pytest.mark.parametrize(
        ("action", "script"),
        [
            (Click(point=AT), "pyautogui.click(960, 270)"),
            (Click(point=THERE), "pyautogui.click(1919, 1079)"),
            (LeftDouble(point=AT), "pyautogui.doubleClick(960, 270)"),
            (TripleClick(point=AT), "pyautogui.tripleClick(960, 270)"),
            (RightSingle(point=AT), "pyautogui.rightClick(960, 270)"),
            (MiddleClick(point=AT), "pyautogui.middleClick(960, 270)"),
            (Hover(point=AT), "pyautogui.moveTo(960, 270)"),
            (Scroll(direction="down"), "pyautogui.scroll(-5)"),
            (Scroll(direction="up", point=AT), "pyautogui.scroll(5, x=960, y=270)"),
            (Scroll(direction="left"), "pyautogui.hscroll(-5)"),
            (
                Drag(start=AT, end=THERE),
                "pyautogui.moveTo(960, 270)\npyautogui.dragTo(1919, 1079, duration=1.0, button='left')",
            ),
            (Hotkey(keys=("Control", "page_down")), "pyautogui.hotkey('ctrl', 'pagedown')"),
            (Hotkey(keys=("ctrl", "'")), "pyautogui.hotkey('ctrl', \"'\")"),
            (Type(content="it's\n"), 'pyautogui.write("it\'s\\n", interval=0.01)'),
            (
                Type(content="é\n"),
                "import pyperclip\npyperclip.copy('é')\npyautogui.hotkey('ctrl', 'v')\npyautogui.press('enter')",
            ),
            (Wait(), "time.sleep(1.0)"),
        ],
        ids=str,
    )
    def test_the_table(self, action, script):
        assert pyautogui_script(action, SCREEN) == script

    def test_lists_and_programs(self):
        chosen = [name for name, _, _ in literals(pyautogui_script(Select(point=AT, option="red"), SCREEN))]
        assert chosen == ["click", "sleep", "write", "press"]
        opened = literals(pyautogui_script(OpenApp(app_name="Files"), SCREEN))
        assert [name for name, _, _ in opened] == ["press", "sleep", "write", "sleep", "press"]
        assert opened[2][1] == ["Files"]

    @given(st.one_of(TEXTS, st.sampled_from(HOSTILE)))
    def test_typed_text_stays_a_string(self, text):
        calls = literals(pyautogui_script(Type(content=text), SCREEN))
        if calls[0][0] == "write":
            assert len(calls) == 1
            assert calls[0][1] == [text]
        else:
            pasted = calls[0][1][0] + ("\n" if calls[-1] == ("press", ["enter"], {}) else "")
            assert (calls[0][0], pasted) == ("copy", text)

    @given(actions(grid=False))
    def test_whatever_is_written_is_calls_with_literals(self, action):
        try:
            script = pyautogui_script(action, SCREEN)
        except ToolError:
            return
        assert literals(script)
        if "pyperclip" not in script and "sleep" not in script:
            assert parse_script(script)  # the reader of recorded scripts knows every call

    @pytest.mark.parametrize(
        "action",
        [
            Click(),
            Drag(start=AT),
            Select(option="x"),
            LongPress(point=AT),
            PressButton(button="back"),
            CallUser(),
            Finish(),
            ToolCall(name="a"),
            Code(source="1"),
            Hotkey(keys=("ctrl", "hyperspace")),
            Hotkey(keys=("'); x('",)),
            Hotkey(keys=("",)),
        ],
        ids=str,
    )
    def test_what_a_desktop_has_not(self, action):
        with pytest.raises(ToolError, match=f"no action {action.kind}|needs a point|has no key"):
            pyautogui_script(action, SCREEN)


PHONE = Size(1080, 2400)
GRID = st.builds(Point, *(st.integers(0, side - 1).map(lambda pixel, side=side: pixel / side) for side in PHONE))
TEXT_LINE = TEXTS.filter(lambda text: not text.endswith("\n"))
SAID = st.one_of(
    *(st.builds(cls, point=GRID) for cls in (Click, LongPress, LeftDouble)),
    st.builds(Type, content=TEXT_LINE),
    st.builds(Scroll, direction=st.sampled_from(["up", "down", "left", "right"])),
    st.builds(PressButton, button=st.sampled_from(["home", "back", "enter"])),
    st.builds(OpenApp, app_name=TEXTS),
    st.builds(Finish, status=st.sampled_from(["success", "infeasible"])),
    st.just(Wait()),
)
ELEMENTS = (
    Element(id="0", role="text", name="a", box=(0, 0, 108, 240)),
    Element(id="1", role="button", name="b", box=(540, 1200, 756, 1680)),
)


class TestJsonAction:
    @given(SAID)
    def test_both_ways(self, action):
        fields = json_action(action, PHONE, field=AT)
        assert read_json_action(fields, PHONE) == action

    @pytest.mark.parametrize(
        ("action", "fields"),
        [
            (Click(point=AT), {"action_type": "click", "x": 540, "y": 600}),
            (Click(point=THERE), {"action_type": "click", "x": 1079, "y": 2399}),
            (Type(content="hi\n"), {"action_type": "input_text", "text": "hi", "x": 270, "y": 600}),
            (Scroll(direction="down"), {"action_type": "scroll", "direction": "down"}),
            # env/actuation.py: "down" runs from the top to the bottom, "left" from the left edge to the right
            (Drag(start=Point(0.5, 0.2), end=Point(0.5, 0.8)), {"action_type": "swipe", "direction": "down"}),
            (Drag(start=Point(0.5, 0.8), end=Point(0.5, 0.2)), {"action_type": "swipe", "direction": "up"}),
            (Drag(start=Point(0.2, 0.5), end=Point(0.8, 0.5)), {"action_type": "swipe", "direction": "left"}),
            (Drag(start=Point(0.8, 0.5), end=Point(0.2, 0.5)), {"action_type": "swipe", "direction": "right"}),
            (Finish(status="infeasible"), {"action_type": "status", "goal_status": "infeasible"}),
        ],
        ids=str,
    )
    def test_the_table(self, action, fields):
        assert json_action(action, PHONE, field=Point(0.25, 0.25)) == fields

    @pytest.mark.parametrize("direction", ["up", "down", "left", "right"])
    def test_a_swipe_read_is_the_swipe_written(self, direction):
        fields = {"action_type": "swipe", "direction": direction}
        assert json_action(read_json_action(fields, PHONE), PHONE) == fields

    def test_an_index_counts_in_the_elements(self):
        fields = {"action_type": "click", "index": 1}
        assert read_json_action(fields, PHONE, ELEMENTS) == Click(point=Point(0.6, 0.6))
        assert read_json_action({"action_type": "answer", "text": "42"}, PHONE) == Finish(answer="42")

    @pytest.mark.parametrize(
        ("action", "problem"),
        [
            (Type(content="x"), "tap the field first"),
            (Click(), "needs a point"),
            (Drag(start=AT), "needs both its points"),
            (Drag(start=AT, end=AT), "goes nowhere"),
            (PressButton(button="menu"), "the button menu"),
            (Hotkey(keys=("a",)), "no action for hotkey"),
            (CallUser(), "no action for call_user"),
        ],
        ids=str,
    )
    def test_what_the_form_cannot_say(self, action, problem):
        with pytest.raises(ToolError, match=problem):
            json_action(action, PHONE)

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"action_type": "unknown"},
            {"action_type": "click"},
            {"action_type": "click", "x": 1},
            {"action_type": "click", "index": 1, "x": 1, "y": 1},
            {"action_type": "click", "index": 7},
            {"action_type": "click", "index": -1},
            {"action_type": "click", "x": 5000, "y": 1},
            {"action_type": "click", "x": "1", "y": 1},
            {"action_type": "click", "x": float("nan"), "y": 1},
            {"action_type": "scroll", "direction": "sideways"},
            {"action_type": "input_text", "text": 5},
            {"action_type": "open_app"},
        ],
        ids=str,
    )
    def test_fields_that_do_not_fit(self, fields):
        with pytest.raises(ToolError):
            read_json_action(fields, PHONE, ELEMENTS)


PAGE = (
    Element(id="a12", role="combobox", name="Colour", box=(100, 100, 300, 140)),
    Element(id="a1", role="main", name="", box=(0, 0, 1920, 1080)),
)


class TestBrowserGym:
    @pytest.mark.parametrize(
        "action",
        [
            Click(point=AT),
            RightSingle(point=AT),
            MiddleClick(point=AT),
            LeftDouble(point=AT),
            Hover(point=AT),
            Drag(start=AT, end=Point(0.25, 0.75)),
            Hotkey(keys=("ctrl", "shift", "a")),
            Hotkey(keys=("alt", "left")),
            Hotkey(keys=("pagedown",)),
            Scroll(direction="left"),
            Scroll(direction="up"),
            Wait(),
            Type(content="it's\n"),
            Finish(answer="42"),
            Finish(answer="no", status="infeasible"),
        ],
        ids=str,
    )
    def test_the_reader_gives_it_back(self, action):
        (call,) = parse_calls(action_string(action, SCREEN))
        assert actions_of(call, SCREEN) == [action]

    def test_a_choice_names_the_element_by_its_bid(self):
        action = Select(point=Point(0.1, 0.1), option="red")
        assert action_string(action, SCREEN, PAGE) == "select_option('a12', 'red')"

    @given(st.one_of(TEXTS, st.sampled_from(HOSTILE)))
    def test_texts_stay_strings(self, text):
        said = {Type(content=text): text, Finish(answer=text): text or "done"}
        said[Finish(answer=text, status="infeasible")] = text or "infeasible"
        for action, expected in said.items():
            (statement,) = ast.parse(action_string(action, SCREEN)).body
            (argument,) = statement.value.args
            assert ast.literal_eval(argument) == expected

    @given(actions(grid=False))
    def test_whatever_is_written_is_one_known_call(self, action):
        try:
            text = action_string(action, SCREEN, PAGE)
        except ToolError:
            return
        assert len(parse_calls(text)) == 1

    @pytest.mark.parametrize(
        "action",
        [
            Click(),
            TripleClick(point=AT),
            OpenApp(app_name="a"),
            Select(option="x"),
            Hotkey(keys=("hyper",)),
            CallUser(),
        ],
        ids=str,
    )
    def test_what_a_browser_has_not(self, action):
        with pytest.raises(ToolError):
            action_string(action, SCREEN, PAGE)

    def test_a_choice_beside_every_element(self):
        with pytest.raises(ToolError, match="no element of the page"):
            action_string(Select(point=AT, option="x"), SCREEN)
