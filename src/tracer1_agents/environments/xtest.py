"""Pointer and keys of an X11 display through the XTest extension, in this process: a click costs microseconds.

Libraries of the system are called by `ctypes`. libX11 ends the whole process when its display goes away, unless it is
told not to (`XSetIOErrorExitHandler`, libX11 1.7 and newer); without that call nothing is opened.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import threading
from typing import Any, Final

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.environments.base import ActionFailed, Failure, gone
from tracer1_agents.errors import EnvironmentFailure

_INSTALL: Final = "install libX11 1.7 or newer with libXtst (Debian: libx11-6 libxtst6)"
_AGAIN: Final = "reset the environment to start a new one"
_HANDLER: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
_ERRORS: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
LEFT, MIDDLE, RIGHT = 1, 2, 3
WHEEL: Final = {"up": 4, "down": 5, "left": 6, "right": 7}


class Pointer:
    """A connection to one display.

    Args:
        display: Its name, such as ":77".

    Raises:
        EnvironmentFailure: The display does not answer, or the libraries are missing.
    """

    def __init__(self, display: str) -> None:
        self._x11, self._xtst = _libraries()
        self._lock = threading.Lock()
        self._display = self._x11.XOpenDisplay(display.encode())
        self._name = display
        self._broken = False
        if not self._display:
            raise gone(_AGAIN, f"the display {display}", "it does not answer")
        # kept: C holds nothing of them
        self._exit, self._error = _HANDLER(self._went), _ERRORS(lambda _: 0)
        self._x11.XSetIOErrorHandler(self._error)
        self._x11.XSetIOErrorExitHandler(self._display, self._exit, None)
        screen = self._x11.XDefaultScreen(self._display)
        width = self._x11.XDisplayWidth(self._display, screen)
        self.size = Size(width, self._x11.XDisplayHeight(self._display, screen))

    def _went(self, _display: int, _data: int) -> None:
        self._broken = True

    def move(self, x: int, y: int) -> None:
        """To a pixel of the screen."""
        with self._lock:
            self._check()
            self._xtst.XTestFakeMotionEvent(self._display, -1, x, y, 0)
            self._flush()

    def button(self, number: int, *, down: bool) -> None:
        """Press or let go of a button."""
        with self._lock:
            self._check()
            self._xtst.XTestFakeButtonEvent(self._display, number, int(down), 0)
            self._flush()

    def click(self, number: int, times: int = 1) -> None:
        """Press and let go, so often."""
        for _ in range(times):
            self.button(number, down=True)
            self.button(number, down=False)

    def press(self, names: tuple[str, ...]) -> None:
        """Keys together, by their X11 names.

        Raises:
            ActionFailed: UNSUPPORTED: the keyboard of this display lacks one.
        """
        with self._lock:
            self._check()
            codes = [self._code(name) for name in names]
            for code in codes:
                self._xtst.XTestFakeKeyEvent(self._display, code, 1, 0)
            for code in reversed(codes):
                self._xtst.XTestFakeKeyEvent(self._display, code, 0, 0)
            self._flush()

    def _code(self, name: str) -> int:
        symbol = self._x11.XStringToKeysym(name.encode())
        code = self._x11.XKeysymToKeycode(self._display, symbol) if symbol else 0
        if not code:
            raise ActionFailed(Failure.UNSUPPORTED, f'hotkey: this keyboard has no key "{name[:40]}"')
        return int(code)

    def _flush(self) -> None:
        self._x11.XSync(self._display, 0)
        self._check()

    def _check(self) -> None:
        if self._broken or not self._display:
            raise gone(_AGAIN, f"the display {self._name}", "the connection broke")

    def close(self) -> None:
        """Leave the display; one that broke cannot be left."""
        with self._lock:
            if self._display and not self._broken:
                self._x11.XCloseDisplay(self._display)
            self._display = None


def _libraries() -> tuple[Any, Any]:
    names = ctypes.util.find_library("X11"), ctypes.util.find_library("Xtst")
    if None in names:
        msg = f"a desktop needs X11's libraries; {_INSTALL}"
        raise EnvironmentFailure(msg)
    x11, xtst = ctypes.CDLL(names[0]), ctypes.CDLL(names[1])
    if not hasattr(x11, "XSetIOErrorExitHandler"):
        msg = f"this libX11 would end the program when a display goes away; {_INSTALL}"
        raise EnvironmentFailure(msg)
    pointer, number = ctypes.c_void_p, ctypes.c_int
    x11.XOpenDisplay.restype, x11.XOpenDisplay.argtypes = pointer, [ctypes.c_char_p]
    x11.XSetIOErrorExitHandler.argtypes = [pointer, _HANDLER, pointer]
    x11.XSetIOErrorHandler.argtypes = [_ERRORS]
    x11.XSetIOErrorHandler.restype = pointer
    for name in ("XDefaultScreen", "XCloseDisplay"):
        getattr(x11, name).argtypes = [pointer]
    for name in ("XDisplayWidth", "XDisplayHeight", "XSync"):
        getattr(x11, name).argtypes = [pointer, number]
    x11.XStringToKeysym.restype, x11.XStringToKeysym.argtypes = ctypes.c_ulong, [ctypes.c_char_p]
    x11.XKeysymToKeycode.restype, x11.XKeysymToKeycode.argtypes = ctypes.c_ubyte, [pointer, ctypes.c_ulong]
    xtst.XTestFakeMotionEvent.argtypes = [pointer, number, number, number, ctypes.c_ulong]
    xtst.XTestFakeButtonEvent.argtypes = [pointer, ctypes.c_uint, number, ctypes.c_ulong]
    xtst.XTestFakeKeyEvent.argtypes = [pointer, ctypes.c_uint, number, ctypes.c_ulong]
    return x11, xtst
