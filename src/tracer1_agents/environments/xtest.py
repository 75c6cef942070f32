"""Pointer and keys of an X11 display, in a small process of their own: `xtest_worker.py`.

A display that goes away then costs that process and not this one. A command is a line over a pipe.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.environments.base import ActionFailed, Failure, gone

_AGAIN: Final = "reset the environment to start a new one"
_WORKER: Final = Path(__file__).with_name("xtest_worker.py")
_END_SECONDS: Final = 5.0
LEFT, MIDDLE, RIGHT = 1, 2, 3
WHEEL: Final = {"up": 4, "down": 5, "left": 6, "right": 7}


class Pointer:
    """A connection to one display.

    Args:
        display: Its name, such as ":77".

    Attributes:
        size: Of its screen.

    Raises:
        EnvironmentFailure: The display does not answer, or X11's libraries are missing.
    """

    def __init__(self, display: str) -> None:
        self._name, self._lock = display, threading.Lock()
        self._process = subprocess.Popen(  # noqa: S603  (our own file)
            [sys.executable, "-I", "-S", str(_WORKER), display],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={},
        )
        ready = self._answer().split()
        self.size = Size(int(ready[1]), int(ready[2]))

    def move(self, x: int, y: int) -> None:
        """To a pixel of the screen."""
        self._say("move", str(x), str(y))

    def button(self, number: int, *, down: bool) -> None:
        """Press or let go of a button."""
        self._say("button", str(number), str(int(down)))

    def click(self, number: int, times: int = 1) -> None:
        """Press and let go, so often."""
        self._say("click", str(number), str(times))

    def press(self, names: tuple[str, ...]) -> None:
        """Keys together, by their X11 names.

        Raises:
            ActionFailed: UNSUPPORTED: the keyboard of this display lacks one.
        """
        self._say("press", *names)

    def key(self, name: str, *, down: bool) -> None:
        """Press or let go of one key.

        Raises:
            ActionFailed: UNSUPPORTED: the keyboard of this display lacks it.
        """
        self._say("key", name, str(int(down)))

    def _say(self, *words: str) -> None:
        with self._lock:
            if self._process.stdin is None or self._process.stdin.closed:
                raise gone(_AGAIN, f"the display {self._name}", "it was closed")
            try:
                self._process.stdin.write(" ".join(words) + "\n")
                self._process.stdin.flush()
            except OSError as error:
                raise gone(_AGAIN, f"the display {self._name}", error) from error
            answer = self._answer()
        if answer != "ok":
            raise ActionFailed(Failure.UNSUPPORTED, f"hotkey: this keyboard has no key {answer[3:43]}")

    def _answer(self) -> str:
        line = self._process.stdout.readline().strip() if self._process.stdout else ""
        if not line:
            said = self._process.stderr.read().strip().splitlines() if self._process.stderr else []
            raise gone(_AGAIN, f"the display {self._name}", said[-1] if said else "the connection broke")
        return line

    def close(self) -> None:
        """Leave the display; harmless when repeated."""
        with self._lock:
            self._process.kill()
            self._process.wait(_END_SECONDS)
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                if stream is not None:
                    try:
                        stream.close()
                    except OSError:  # what was not yet sent cannot be any more
                        continue
