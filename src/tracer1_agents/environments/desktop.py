"""An X11 desktop with real programs: input through XTest and xdotool, screenshots by mss.

Either an Xvfb of its own, whose programs start anew with every episode, or a display that exists and stays. A display
that went away is an `EnvironmentFailure`; the next reset brings one of our own back.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.space import (
    Click,
    Drag,
    Hotkey,
    Hover,
    LeftDouble,
    MiddleClick,
    OpenApp,
    Point,
    RightSingle,
    Scroll,
    TripleClick,
    Type,
    Wait,
)
from tracer1_agents.environments.base import (
    ActionFailed,
    Environment,
    Failure,
    check_action,
    failed,
    gone,
    keep_png,
    pixel_of,
    succeeded,
)
from tracer1_agents.environments.display import INSTALL, XvfbDisplay
from tracer1_agents.environments.pyautogui_calls import key_name
from tracer1_agents.environments.xtest import LEFT, MIDDLE, RIGHT, WHEEL, Pointer
from tracer1_agents.errors import ConfigurationError, MissingExtraError
from tracer1_agents.types import Execution, Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracer1_agents.actions.space import Action
    from tracer1_agents.blobs import BlobStore

_AGAIN: Final = "reset the environment to start a new one"
SCREEN_SIZE: Final = Size(1280, 800)
_SCROLL_CLICKS: Final = 5
_DRAG_MOVES: Final = 8
_WAIT_SECONDS: Final = 1.0
_TYPE_SECONDS: Final = 60.0
_CLICKS: Final[dict[type, tuple[int, int]]] = {
    Click: (LEFT, 1),
    LeftDouble: (LEFT, 2),
    TripleClick: (LEFT, 3),
    RightSingle: (RIGHT, 1),
    MiddleClick: (MIDDLE, 1),
}


class DesktopEnvironment(Environment):
    """A desktop.

    Args:
        blobs: Where screenshots go.
        size: Of the screen of an Xvfb of its own.
        programs: Commands that run on it when an episode begins.
        apps: What `open_app` may start, as command by name; names that are not here are refused.
        display: Name of a display that exists; nothing is started or ended there.
        settle: Seconds between an action and the look at what it did.
        start_seconds: Seconds that the programs are given to show their windows.

    Raises:
        ConfigurationError: Programs of the system are missing, or `programs` are given for a display that exists.
        MissingExtraError: mss is not installed.
    """

    platform = "computer"

    def __init__(
        self,
        blobs: BlobStore,
        *,
        size: Size = SCREEN_SIZE,
        programs: Sequence[Sequence[str]] = (),
        apps: dict[str, Sequence[str]] | None = None,
        display: str | None = None,
        settle: float = 0.2,
        start_seconds: float = 10.0,
    ) -> None:
        try:
            import mss  # noqa: F401, PLC0415  (an extra)
        except ImportError:
            feature = "screenshots of a desktop"
            raise MissingExtraError(feature, "browser") from None
        if shutil.which("xdotool") is None:
            msg = f"there is no xdotool; {INSTALL}"
            raise ConfigurationError(msg)
        if display is not None and programs:
            msg = "programs start on a display of our own; start them yourself on one that exists"
            raise ConfigurationError(msg)
        self.blobs, self.size, self.settle = blobs, size, settle
        self._programs, self._apps = [tuple(command) for command in programs], dict(apps or {})
        self._existing, self._start_seconds = display, start_seconds
        self._server: XvfbDisplay | None = None
        self._pointer: Pointer | None = None
        self._grabber: Any = None

    @property
    def display(self) -> str:
        """Name of the display in use, "" before the first reset."""
        return self._existing or (self._server.name if self._server else "")

    def reset(self, seed: int | None = None) -> Observation:
        """A fresh display with its programs; an existing one stays as it is. Nothing here is random."""
        del seed
        if self._existing is None:
            self.close()
            self._server = XvfbDisplay(self.size)
            for command in self._programs:
                self._server.run(*command)
            self._wait_for_windows(len(self._programs))
        self._connect()
        return self.observe()

    def observe(self) -> Observation:
        """A screenshot."""
        return Observation(image=keep_png(self.grab(), self.blobs))

    def grab(self) -> bytes:
        """The screen as PNG.

        Raises:
            EnvironmentFailure: The display is gone.
        """
        from mss.exception import ScreenShotError  # noqa: PLC0415  (an extra)
        from mss.tools import to_png  # noqa: PLC0415

        self._alive()
        try:
            shot = self._grabber.grab(self._grabber.monitors[0])
        except (ScreenShotError, OSError, ValueError) as error:
            raise gone(_AGAIN, f"the display {self.display}", error) from error
        png = to_png(shot.rgb, shot.size, level=1)
        return png or b""

    def input(self) -> tuple[Pointer, Callable[[str], None]]:
        """Pointer and keyboard, for a controller that speaks another language than the union's.

        Raises:
            EnvironmentFailure: The display is gone.
        """
        return self._alive(), self._type

    def act(self, action: Action) -> Execution:
        """See `Environment.act`."""
        started = time.perf_counter()
        try:
            check_action(action, self.platform)
            self._perform(self._alive(), action)
            time.sleep(self.settle)
            seen = self.observe()
        except ActionFailed as problem:
            seen = self.observe() if problem.failure is not Failure.EMPTY_SCREENSHOT else Observation()
            return failed(problem, seen, time.perf_counter() - started)
        return succeeded(action, seen, time.perf_counter() - started)

    def close(self) -> None:
        """Leave the display; one of our own ends with its programs."""
        if self._pointer is not None:
            self._pointer.close()
        if self._grabber is not None:
            self._grabber.close()
        if self._server is not None:
            self._server.close()
        self._pointer = self._grabber = self._server = None

    def _connect(self) -> None:
        import mss  # noqa: PLC0415  (an extra)
        from mss.exception import ScreenShotError  # noqa: PLC0415

        self._pointer = Pointer(self.display)
        self.size = self._pointer.size
        try:
            self._grabber = mss.MSS(display=self.display)
        except ScreenShotError as error:
            raise gone(_AGAIN, f"the display {self.display}", error) from error

    def _alive(self) -> Pointer:
        if self._pointer is None or (self._server is not None and not self._server.alive):
            raise gone(_AGAIN, f"the display {self.display}".rstrip(), "no episode was begun, or its server ended")
        return self._pointer

    def _perform(self, pointer: Pointer, action: Action) -> None:
        match action:
            case Click() | LeftDouble() | TripleClick() | RightSingle() | MiddleClick():
                pointer.move(*self._pixel(action.point))
                pointer.click(*_CLICKS[type(action)])
            case Hover():
                pointer.move(*self._pixel(action.point))
            case Drag():
                self._drag(pointer, self._pixel(action.start), self._pixel(action.end))
            case Scroll():
                pointer.move(*self._pixel(action.point))
                pointer.click(WHEEL[action.direction], _SCROLL_CLICKS)
            case Type():
                self._type(action.content)
            case Hotkey():
                pointer.press(tuple(key_name(name) for name in action.keys))
            case OpenApp():
                self._open(action.app_name)
            case Wait():
                time.sleep(_WAIT_SECONDS)
            case _:
                text = f"{action.kind}: a screen knows no lists; click the list, then its entry"
                raise ActionFailed(Failure.UNSUPPORTED, text)

    def _pixel(self, point: Point | None) -> tuple[int, int]:
        return pixel_of(point or Point(0.5, 0.5), self.size)

    def _drag(self, pointer: Pointer, start: tuple[int, int], end: tuple[int, int]) -> None:
        pointer.move(*start)
        pointer.button(LEFT, down=True)
        try:
            for step in range(1, _DRAG_MOVES + 1):
                part = step / _DRAG_MOVES
                pointer.move(round(start[0] + part * (end[0] - start[0])), round(start[1] + part * (end[1] - start[1])))
                time.sleep(0.01)
        finally:
            pointer.button(LEFT, down=False)

    def _type(self, text: str) -> None:
        """By xdotool, which brings characters that the keyboard lacks; the text goes over a pipe, never a shell."""
        self._tool("type", "--clearmodifiers", "--delay", "8", "--file", "-", text=text)

    def _tool(self, *arguments: str, text: str = "") -> str:
        environment = self._server.environment if self._server else {"DISPLAY": self.display, "PATH": "/usr/bin:/bin"}
        try:
            done = subprocess.run(  # noqa: S603  (arguments are ours)
                ["xdotool", *arguments],  # noqa: S607
                env=environment,
                input=text.encode(),
                capture_output=True,
                timeout=_TYPE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ActionFailed(Failure.REFUSED, f"typing took more than {_TYPE_SECONDS:g} s") from None
        if done.returncode and text:
            raise gone(_AGAIN, f"the display {self.display}", done.stderr.decode(errors="replace").strip())
        return done.stdout.decode(errors="replace")

    def _open(self, name: str) -> None:
        command = self._apps.get(name)
        if command is None or self._server is None:
            known = ", ".join(sorted(self._apps)) if self._server else "none on a display that is not ours"
            raise ActionFailed(Failure.UNSUPPORTED, f'open_app: there is no "{name[:80]}" here; there are: {known}')
        self._server.run(*command)
        time.sleep(_WAIT_SECONDS)

    def _wait_for_windows(self, count: int) -> None:
        """Until every program shows a window, or the time is up: the screenshot then says what is there."""
        until = time.monotonic() + self._start_seconds
        while count and time.monotonic() < until:
            found = self._tool("search", "--onlyvisible", "--class", ".+").split()
            if len(found) >= count:
                return
            time.sleep(0.1)
