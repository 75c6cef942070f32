"""Pointer and keys of one X11 display, as a program: libX11 may end or break its process when a display goes away.

Started with the display's name. It says "ready WIDTH HEIGHT", then answers each line with "ok", or with "no NAME" for a
key that the keyboard lacks: `move X Y`, `button NUMBER 0|1`, `click NUMBER TIMES`, `key NAME 0|1` (1 presses), and
`press NAME...`, which holds Shift for a symbol on the upper half of its key, such as "?"; a capital letter with Ctrl,
Alt or Win is the plain key, since a model that writes Ctrl+C means it. It needs the standard library only and imports
nothing of this package.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from typing import Any

SHIFT = "Shift_L"
MODIFIERS = {"Control_L", "Alt_L", "Super_L"}
LIBRARIES = "libX11 and libXtst are missing (Debian: libx11-6 libxtst6)"


class Display:
    """A connection.

    Args:
        name: Such as ":5".
    """

    def __init__(self, name: str) -> None:
        names = ctypes.util.find_library("X11"), ctypes.util.find_library("Xtst")
        if None in names:
            sys.exit(LIBRARIES)
        self.x11, self.xtst = ctypes.CDLL(names[0]), ctypes.CDLL(names[1])
        _declare(self.x11, self.xtst)
        self.handle = self.x11.XOpenDisplay(name.encode())
        if not self.handle:
            sys.exit("it does not answer")
        screen = self.x11.XDefaultScreen(self.handle)
        size = self.x11.XDisplayWidth(self.handle, screen), self.x11.XDisplayHeight(self.handle, screen)
        self.size: tuple[int, int] = size

    def do(self, name: str, given: list[str]) -> str:
        """One command; "" or the key that is not there."""
        if name == "press":
            return self.press(given)
        if name == "key":
            return self.key(given[0], int(given[1]))
        first, second = int(given[0]), int(given[1])
        if name == "move":
            self.xtst.XTestFakeMotionEvent(self.handle, -1, first, second, 0)
        elif name == "button":
            self.xtst.XTestFakeButtonEvent(self.handle, first, second, 0)
        else:
            for _ in range(second):
                self.xtst.XTestFakeButtonEvent(self.handle, first, 1, 0)
                self.xtst.XTestFakeButtonEvent(self.handle, first, 0, 0)
        self.x11.XSync(self.handle, 0)
        return ""

    def press(self, names: list[str]) -> str:
        """Keys together; "" or the first that is not there."""
        codes: list[int] = []
        shifted = False
        for name in names:
            symbol, code = self._key(name)
            if not code:
                return name
            codes.append(code)
            is_letter = len(name) == 1 and name.isalpha()
            if not (is_letter and MODIFIERS & set(names)):
                shifted = shifted or self._is_shifted(code, symbol)
        if shifted and SHIFT not in names:
            codes.insert(0, self._key(SHIFT)[1])
        for code in codes:
            self.xtst.XTestFakeKeyEvent(self.handle, code, 1, 0)
        for code in reversed(codes):
            self.xtst.XTestFakeKeyEvent(self.handle, code, 0, 0)
        self.x11.XSync(self.handle, 0)
        return ""

    def key(self, name: str, down: int) -> str:
        """Press one key, or let go of it; "" or its name where it is not there."""
        _, code = self._key(name)
        if not code:
            return name
        self.xtst.XTestFakeKeyEvent(self.handle, code, down, 0)
        self.x11.XSync(self.handle, 0)
        return ""

    def _key(self, name: str) -> tuple[int, int]:
        """A key's symbol, and where it is on the keyboard (0: nowhere)."""
        symbol = self.x11.XStringToKeysym(name.encode())
        return symbol, self.x11.XKeysymToKeycode(self.handle, symbol) if symbol else 0

    def _is_shifted(self, code: int, symbol: int) -> bool:
        """Whether a key gives this symbol with Shift and another without."""
        plain, upper = (self.x11.XkbKeycodeToKeysym(self.handle, code, 0, level) for level in (0, 1))
        return bool(plain != symbol and upper == symbol)


def _declare(x11: Any, xtst: Any) -> None:
    pointer, number = ctypes.c_void_p, ctypes.c_int
    x11.XOpenDisplay.restype, x11.XOpenDisplay.argtypes = pointer, [ctypes.c_char_p]
    x11.XDefaultScreen.argtypes = [pointer]
    for name in ("XDisplayWidth", "XDisplayHeight", "XSync"):
        getattr(x11, name).argtypes = [pointer, number]
    x11.XStringToKeysym.restype, x11.XStringToKeysym.argtypes = ctypes.c_ulong, [ctypes.c_char_p]
    x11.XKeysymToKeycode.restype, x11.XKeysymToKeycode.argtypes = ctypes.c_ubyte, [pointer, ctypes.c_ulong]
    x11.XkbKeycodeToKeysym.restype = ctypes.c_ulong
    x11.XkbKeycodeToKeysym.argtypes = [pointer, ctypes.c_uint, number, number]
    xtst.XTestFakeMotionEvent.argtypes = [pointer, number, number, number, ctypes.c_ulong]
    xtst.XTestFakeButtonEvent.argtypes = [pointer, ctypes.c_uint, number, ctypes.c_ulong]
    xtst.XTestFakeKeyEvent.argtypes = [pointer, ctypes.c_uint, number, ctypes.c_ulong]


def main() -> None:
    """Serve until the input ends."""
    display = Display(sys.argv[1])
    sys.stdout.write(f"ready {display.size[0]} {display.size[1]}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        name, *given = line.split()
        missing = display.do(name, given)
        sys.stdout.write(f"no {missing}\n" if missing else "ok\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
