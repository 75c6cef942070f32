"""Scripts of OSWorld's client are parsed, and what is no plain call is refused."""

from __future__ import annotations

import pytest

from tracer1_agents.actions.coordinates import Size
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
        ("pyautogui.scroll(-5)", [("click", 5, 5)]),
        ("pyautogui.hscroll(2)", [("click", 7, 2)]),
        ("pyautogui.hotkey('ctrl', 'a')", [("press", "Control_L", "a")]),
        ("pyautogui.hotkey(['ctrl', ';'])", [("press", "Control_L", "U003B")]),
        ("pyautogui.press(['enter', 'tab'], presses=2)", [("press", "Return"), ("press", "Tab")] * 2),
    ],
)
def test_calls_become_input(script, done):
    assert run(script) == (done, [])


def test_text_is_typed_as_it_is():
    hostile = "'); import os; os.system('id') #"
    assert run(f"pyautogui.write({hostile!r}, interval=0.1)") == ([], [hostile])


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
        "pyautogui.click(1)\n" * 300,
    ],
)
def test_everything_else_is_refused(script):
    with pytest.raises(ActionFailed):
        run(script)


def test_a_place_off_the_screen_says_so():
    with pytest.raises(ActionFailed) as raised:
        run("pyautogui.click(700, 20)")
    assert raised.value.failure is Failure.OUTSIDE
