"""Scripts of OSWorld's client are parsed, and what is no plain call is refused."""

from __future__ import annotations

import pytest

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.interfaces.pyautogui import pyautogui_script
from tracer1_agents.actions.space import OpenApp, Point, Select, Type
from tracer1_agents.environments.base import ActionFailed, Failure
from tracer1_agents.environments.pyautogui_calls import carry_out, read_calls

PREFIX = "import pyautogui; import time; pyautogui.FAILSAFE = False; "


class Recorder:
    size = Size(640, 480)

    def __init__(self):
        self.done = []

    def move(self, x, y):
        self.done.append(("move", x, y))

    def click(self, number, times=1):
        self.done.append(("click", number, times))

    def button(self, number, *, down):
        self.done.append(("down" if down else "up", number))

    def press(self, names):
        self.done.append(("press", *names))

    def key(self, name, *, down):
        self.done.append(("key down" if down else "key up", name))


def run(script):
    pointer, typed = Recorder(), []
    carry_out(read_calls(PREFIX + script), pointer, typed.append)
    return pointer.done, typed


@pytest.mark.parametrize(
    ("script", "done"),
    [
        ("pyautogui.click(10, 20)", [("move", 10, 20), ("click", 1, 1)]),
        ("pyautogui.click(x=10, y=20, button='right', clicks=2)", [("move", 10, 20), ("click", 3, 2)]),
        ("pyautogui.doubleClick(1, 2)", [("move", 1, 2), ("click", 1, 2)]),
        ("pyautogui.moveTo(640, 480)", [("move", 639, 479)]),
        (
            "pyautogui.moveTo(1, 2); pyautogui.dragTo(30, 40)",
            [("move", 1, 2), ("down", 1), ("move", 30, 40), ("up", 1)],
        ),
        ("pyautogui.click((5, 6))", [("move", 5, 6), ("click", 1, 1)]),
        ("pyautogui.moveTo([7, 8], duration=0.5)", [("move", 7, 8)]),
        ("pyautogui.dragTo((30, 40), button='left')", [("down", 1), ("move", 30, 40), ("up", 1)]),
        ("pyautogui.scroll(3, (5, 6))", [("move", 5, 6), ("click", 4, 3)]),
        ("pyautogui.scroll(-5)", [("click", 5, 5)]),
        ("pyautogui.hscroll(2)", [("click", 7, 2)]),
        ("pyautogui.hotkey('ctrl', 'a')", [("press", "Control_L", "a")]),
        ("pyautogui.hotkey(['ctrl', ';'])", [("press", "Control_L", "U003B")]),
        ("pyautogui.press('printscreen'); pyautogui.press('apps')", [("press", "Print"), ("press", "Menu")]),
        ("pyautogui.write(['a', 'left', 'B'])", [("press", "a"), ("press", "Left"), ("press", "B")]),
        (
            "pyautogui.keyDown('shift'); pyautogui.click(1, 2); pyautogui.keyUp('shift')",
            [("key down", "Shift_L"), ("move", 1, 2), ("click", 1, 1), ("key up", "Shift_L")],
        ),
        ("pyautogui.press(['enter', 'tab'], presses=2)", [("press", "Return"), ("press", "Tab")] * 2),
    ],
)
def test_calls_become_input(script, done):
    assert run(script) == (done, [])


def test_text_is_typed_as_it_is():
    hostile = "'); import os; os.system('id') #"
    assert run(f"pyautogui.write({hostile!r}, interval=0.1)") == ([], [hostile])


@pytest.mark.parametrize(
    "action",
    [
        Type(content="naïve"), Type(content="naïve\n"), Type(content="'); import os #é"),
        Select(point=Point(0.5, 0.5), option="Zürich"), OpenApp(app_name="Übersicht"),
    ],
)  # fmt: skip
def test_what_our_own_agent_pastes_is_typed(monkeypatch, action):
    monkeypatch.setattr("time.sleep", lambda _: None)
    done, typed = run(pyautogui_script(action, Recorder.size))
    text = getattr(action, "content", None) or getattr(action, "option", None) or action.app_name
    assert typed == [text.removesuffix("\n")]
    assert ("press", "Control_L", "v") not in done
    assert (("press", "Return") in done) == (not isinstance(action, Type) or text.endswith("\n"))


@pytest.mark.parametrize(
    "script",
    [
        "import os",
        "os.system('id')",
        "pyautogui.click(open('/etc/passwd'))",
        "x = 5",
        "for i in range(3): pyautogui.click(1, 1)",
        "pyautogui.screenshot('/tmp/x')",
        "pyautogui.click(1, 2, shell='x')",
        "__import__('os')",
        "pyautogui.click(",
        "pyautogui.press('hyper')",
        "pyautogui.click('a', 'b')",
        "pyautogui.write()",
        "pyautogui.click(1, 1)\n" * 300,
        "pyautogui.scroll(1e999)",
        "pyautogui.press('a', presses=1e999)",
        f"pyautogui.moveTo(1{'0' * 400}, 5)",
        "pyautogui.click(5)",
        "pyautogui.moveTo(y=5)",
        "pyautogui.click((1, 2, 3))",
        "pyautogui.click((1, 2), 3)",
        "pyautogui.click(1, 2, x=3)",
        "x = 1" + "+1" * 900,
        "pyperclip.copy('é')",
        "pyperclip.copy('é'); pyautogui.press('a'); pyautogui.hotkey('ctrl', 'v')",
        "pyperclip.copy('é'); pyperclip.copy('è'); pyautogui.hotkey('ctrl', 'v')",
        "pyperclip.copy(open('/etc/passwd').read()); pyautogui.hotkey('ctrl', 'v')",
        "pyperclip.paste()",
    ],
)
def test_everything_else_is_refused(script):
    pointer = Recorder()
    with pytest.raises(ActionFailed):
        carry_out(read_calls(PREFIX + script), pointer, list)
    assert pointer.done == []


def test_a_place_off_the_screen_says_so():
    with pytest.raises(ActionFailed) as raised:
        run("pyautogui.click(700, 20)")
    assert raised.value.failure is Failure.OUTSIDE


def test_a_button_is_never_left_held():
    pointer = Recorder()
    with pytest.raises(ActionFailed) as raised:
        carry_out(read_calls("pyautogui.dragTo(9999, 5)"), pointer, list)
    assert (raised.value.failure, pointer.done) == (Failure.OUTSIDE, [])

    def move(x, y):
        raise ConnectionError

    pointer.move = move
    with pytest.raises(ConnectionError):
        carry_out(read_calls("pyautogui.dragTo(9, 5)"), pointer, list)
    assert pointer.done == [("down", 1), ("up", 1)]
