"""A phone or emulator through adb: tap, swipe, text, key events, app start, screen capture, and the view hierarchy.

adb is called as a program with a list of arguments. What goes to the device's own shell is quoted for it. A device that
does not answer is an `EnvironmentFailure`; a command that the device refuses is a failed step. No device was at hand
when this was written: it is tested against a fake adb that answers as adb's documentation says.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.elements import Element, render_elements
from tracer1_agents.actions.space import (
    Click,
    Drag,
    LongPress,
    OpenApp,
    Point,
    PressButton,
    Scroll,
    Type,
    Wait,
    is_encodable,
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
    png_size,
    succeeded,
)
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.types import Execution, Observation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracer1_agents.actions.space import Action
    from tracer1_agents.blobs import BlobStore

_BUTTONS: Final = {
    "home": "KEYCODE_HOME",
    "back": "KEYCODE_BACK",
    "enter": "KEYCODE_ENTER",
    "menu": "KEYCODE_MENU",
    "recent": "KEYCODE_APP_SWITCH",
}
_PACKAGE: Final = re.compile(r"[A-Za-z][\w.]*(?:/[\w.$]+)?")
_SIZE: Final = re.compile(r"(?:Override|Physical) size: (\d+)x(\d+)")
_BOUNDS: Final = re.compile(r"\[(-?\d{1,6}),(-?\d{1,6})\]\[(-?\d{1,6}),(-?\d{1,6})\]")
_LOST: Final = re.compile(  # adb's own words; what the device's shell says of a program begins otherwise
    r"^(?:(?:adb|error): )+(?:failed to [^:\n]*: )?(?:device (?:'[^'\n]*' )?(?:not found|offline|unauthorized|still )"
    r"|no devices|closed|cannot connect to )",
    re.MULTILINE,
)
_AGAIN: Final = "reconnect it (`adb devices` lists what is there) and reset the environment"
_LONG_PRESS: Final = 1_000  # milliseconds
_SWIPE: Final = 400
_SCROLL_SHARE: Final = 0.4  # of the screen
_EDGE: Final = 0.1  # of the screen, where a finger that moves means home, back or the notifications
_LONGEST_ROLE, _LONGEST_NAME = 40, 200  # characters
_NOTHING_TOLD: Final = "(the device tells nothing of what is on its screen)"
_LARGEST_DUMP: Final = 5_000_000  # characters of a view hierarchy
_SHOT_TRIES: Final = 2


class AndroidEnvironment(Environment):
    """A device.

    Args:
        blobs: Where screenshots go.
        serial: Of the device; None: the only one.
        adb: The program.
        apps: Package (or package/activity) by the name that `open_app` takes; other names must be packages.
        elements: Whether observations list the view hierarchy.
        settle: Seconds between an action and the look at what it did.
        seconds: That one call of adb may take.

    Raises:
        ConfigurationError: There is no adb.
    """

    platform = "mobile"

    def __init__(
        self,
        blobs: BlobStore,
        *,
        serial: str | None = None,
        adb: str = "adb",
        apps: Mapping[str, str] | None = None,
        elements: bool = True,
        settle: float = 1.0,
        seconds: float = 20.0,
    ) -> None:
        program = shutil.which(adb)
        if program is None:
            msg = f"there is no {adb}; install Debian's package adb, or pass the path of one"
            raise ConfigurationError(msg)
        self.blobs, self.elements, self.settle, self.seconds = blobs, elements, settle, seconds
        self._command = [program, *(("-s", serial) if serial else ())]
        self._apps = dict(apps or {})
        self.size = Size(1, 1)

    def reset(self, seed: int | None = None) -> Observation:
        """Home screen; a device cannot be seeded."""
        del seed
        state = self._adb("get-state").decode(errors="replace").strip()
        if state != "device":
            raise gone(_AGAIN, "the device", f"its state is {state[:80]!r}")
        found = _SIZE.findall(self._adb("shell", "wm size").decode(errors="replace"))
        if not found:
            raise gone(_AGAIN, "the device", "it does not tell the size of its screen")
        self.size = Size(int(found[-1][0]), int(found[-1][1]))  # an override comes after the physical size
        self._shell("input", "keyevent", "KEYCODE_HOME")
        time.sleep(self.settle)
        return self._retried()

    def observe(self) -> Observation:
        """Screenshot and, where asked for, the view hierarchy."""
        return self._retried()

    def act(self, action: Action) -> Execution:
        """See `Environment.act`."""
        started = time.perf_counter()
        try:
            check_action(action, self.platform)
            self._perform(action)
            time.sleep(self.settle)
            seen = self._look()
        except ActionFailed as problem:
            seen = Observation() if problem.failure is Failure.EMPTY_SCREENSHOT else self._retried()
            return failed(problem, seen, time.perf_counter() - started)
        return succeeded(action, seen, time.perf_counter() - started)

    def close(self) -> None:
        """Nothing of ours runs: the adb server and the device stay."""

    def _perform(self, action: Action) -> None:
        match action:
            case Click():
                self._shell("input", "tap", *self._pixel(action.point))
            case LongPress():
                place = self._pixel(action.point)
                self._shell("input", "swipe", *place, *place, str(_LONG_PRESS))
            case Drag():
                self._shell("input", "swipe", *self._pixel(action.start), *self._pixel(action.end), str(_SWIPE))
            case Scroll():
                self._scroll(action)
            case Type():
                self._type(action.content)
            case PressButton():
                self._shell("input", "keyevent", _BUTTONS[action.button])
            case OpenApp():
                self._open(action.app_name)
            case Wait():
                time.sleep(self.settle)
            case _:
                raise ActionFailed(Failure.UNSUPPORTED, f"{action.kind} is nothing a phone can do")

    def _pixel(self, point: Point | None) -> tuple[str, str]:
        x, y = pixel_of(point or Point(0.5, 0.5), self.size)
        return str(x), str(y)

    def _scroll(self, action: Scroll) -> None:
        """The finger goes against the view: to see what is further down, it moves up."""
        centre = action.point or Point(0.5, 0.5)
        dx, dy = {"up": (0, 1), "down": (0, -1), "left": (1, 0), "right": (-1, 0)}[action.direction]
        half = _SCROLL_SHARE / 2
        ends = [Point(_inner(centre.x + way * dx * half), _inner(centre.y + way * dy * half)) for way in (-1, 1)]
        self._shell("input", "swipe", *self._pixel(ends[0]), *self._pixel(ends[1]), str(_SWIPE))

    def _type(self, text: str) -> None:
        """`input text` takes ASCII and writes "%s" for a blank; a line break is a key of its own."""
        if not text.isascii():
            problem = "this device types ASCII only (`adb shell input text`); choose another way to enter the text"
            raise ActionFailed(Failure.UNSUPPORTED, problem)
        for number, line in enumerate(text.split("\n")):
            if number:
                self._shell("input", "keyevent", "KEYCODE_ENTER")
            # a "%s" that is meant goes in two pieces, or it would become a blank
            for piece in re.split(r"(?<=%)(?=s)", line):
                if piece:
                    self._shell("input", "text", piece.replace(" ", "%s"))

    def _open(self, name: str) -> None:
        target = self._apps.get(name, name)
        if not _PACKAGE.fullmatch(target):
            known = ", ".join(sorted(self._apps)) or "none by name; give a package such as com.android.settings"
            raise ActionFailed(Failure.UNSUPPORTED, f'open_app: there is no "{name[:80]}" here; there are: {known}')
        if "/" in target:
            said = self._shell("am", "start", "-n", target)
        else:
            said = self._shell("monkey", "-p", target, "-c", "android.intent.category.LAUNCHER", "1")
        if "Error" in said or "No activities found" in said:
            raise ActionFailed(Failure.REFUSED, f"open_app: the device cannot start {target}: {said.strip()[-200:]}")

    def _retried(self) -> Observation:
        """A look; one empty screenshot is tried again, two say that the device is not well."""
        for last in range(_SHOT_TRIES):
            try:
                return self._look()
            except ActionFailed as problem:
                if last == _SHOT_TRIES - 1:
                    raise gone(_AGAIN, "the device's screen", problem.text) from None
        raise AssertionError

    def _look(self) -> Observation:
        png = self._adb("exec-out", "screencap", "-p")
        self.size = png_size(png)  # a device that was turned has another one
        text = self._elements_text() if self.elements else ""
        return Observation(text=text, image=keep_png(png, self.blobs))

    def _elements_text(self) -> str:
        try:
            said = self._adb("exec-out", "uiautomator", "dump", "/dev/tty").decode("utf-8", errors="replace")
        except ActionFailed:  # the device ended it, which it may do when it is short of memory; the picture is there
            return _NOTHING_TOLD
        start, end = said.find("<hierarchy"), said.rfind("</hierarchy>")
        if start < 0 or end < 0 or end > _LARGEST_DUMP:
            return _NOTHING_TOLD
        return render_elements(read_hierarchy(said[start : end + len("</hierarchy>")]))

    def _shell(self, *arguments: str) -> str:
        """A command in the device's shell, every argument quoted for it."""
        return self._adb("shell", shlex.join(arguments)).decode("utf-8", errors="replace")

    def _adb(self, *arguments: str) -> bytes:
        try:
            done = subprocess.run(  # noqa: S603  (a list of arguments, never a shell of this machine)
                [*self._command, *arguments], capture_output=True, timeout=self.seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise gone(_AGAIN, "the device", f"no answer within {self.seconds:g} s") from None
        except OSError as error:
            raise gone(_AGAIN, "adb", error) from error
        if done.returncode:
            said = (done.stderr or done.stdout).decode("utf-8", errors="replace").strip()
            if _LOST.search(said):
                raise gone(_AGAIN, "the device", said)
            raise ActionFailed(Failure.REFUSED, f"the device refused {' '.join(arguments)[:80]}: {said[-200:]}")
        return done.stdout


def _inner(share: float) -> float:
    return min(max(share, _EDGE), 1 - _EDGE)


def read_hierarchy(xml: str) -> tuple[Element, ...]:
    """What uiautomator dumps, as elements: what has words or can be used.

    Args:
        xml: From ``<hierarchy`` to its end; document types are not part of it and so never expanded.
    """
    try:
        root = ET.fromstring(xml)  # noqa: S314  (begins after any document type: there are no entities to expand)
    except ET.ParseError:
        return ()
    found: list[Element] = []
    for node in root.iter("node"):
        element = _element(str(len(found) + 1), node.attrib)
        if element is not None:
            found.append(element)
    return tuple(found)


def _element(number: str, given: Mapping[str, str]) -> Element | None:
    corners = _BOUNDS.fullmatch(given.get("bounds", ""))
    name = given.get("content-desc") or given.get("text") or ""
    usable = any(given.get(key) == "true" for key in ("clickable", "long-clickable", "checkable", "scrollable"))
    if corners is None or not (name or usable) or not is_encodable(name):
        return None
    left, top, right, bottom = map(int, corners.groups())
    hidden = given.get("password") == "true"
    role = re.sub(r"[^\w-]", "", given.get("class", "").rpartition(".")[2]).lower()[:_LONGEST_ROLE] or "view"
    states = tuple(word for word in ("checked", "focused", "selected") if given.get(word) == "true")
    text = given.get("text", "") if given.get("content-desc") else ""
    return Element(
        id=number,
        role="password" if hidden else role,
        name=(name if not hidden else given.get("content-desc", ""))[:_LONGEST_NAME],
        value="*" * len(given.get("text", "")) if hidden else text,
        box=(left, top, right, bottom),
        states=(*states, *(("disabled",) if given.get("enabled") == "false" else ())),
    )
