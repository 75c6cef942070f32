"""Which keys go down for a name, on a keyboard of six keys; no display is needed."""

from __future__ import annotations

import pytest

from tracer1_agents.environments.xtest_worker import Display

# code -> the symbols without and with Shift
KEYS = {
    38: ("a", "A"), 61: ("U002F", "U003F"), 21: ("U003D", "U002B"), 50: ("Shift_L", ""), 37: ("Control_L", ""),
    23: ("Tab", "ISO_Left_Tab"),
}  # fmt: skip
SYMBOLS = ["", *(name for pair in KEYS.values() for name in pair if name)]


class Library:
    """Both libraries; a symbol is its place in the list, 0 is none."""

    def __init__(self):
        self.events = []

    def XStringToKeysym(self, name):  # noqa: N802  (X11's)
        return SYMBOLS.index(name.decode()) if name.decode() in SYMBOLS else 0

    def XKeysymToKeycode(self, handle, symbol):  # noqa: N802
        return next((code for code, names in KEYS.items() if SYMBOLS[symbol] in names), 0)

    def XkbKeycodeToKeysym(self, handle, code, group, level):  # noqa: N802
        return SYMBOLS.index(KEYS[code][level])

    def XTestFakeKeyEvent(self, handle, code, down, delay):  # noqa: N802
        self.events.append(code if down else -code)

    def XSync(self, handle, discard):  # noqa: N802
        """Nothing waits to be sent."""


@pytest.mark.parametrize(
    ("names", "down"),
    [
        (["a"], [38]),
        (["A"], [50, 38]),
        (["U003F"], [50, 61]),
        (["U002B"], [50, 21]),
        (["U003D"], [21]),
        (["Tab"], [23]),
        (["Shift_L", "A"], [50, 38]),
        (["Shift_L", "U003F"], [50, 61]),
        (["Control_L", "a"], [37, 38]),
        (["Control_L", "A"], [37, 38]),
        (["Control_L", "Shift_L", "A"], [37, 50, 38]),
        (["Control_L", "U002B"], [50, 37, 21]),
    ],
)
def test_shift_is_held_where_the_symbol_needs_it(names, down):
    display = Display.__new__(Display)
    display.handle = None
    display.x11 = display.xtst = Library()
    assert display.press(names) == ""
    assert display.xtst.events == [*down, *(-code for code in reversed(down))]
