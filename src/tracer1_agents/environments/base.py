"""One protocol for every place to act in: reset, observe, act, close; sync and async.

`act` carries out one placed action and returns what is seen afterwards, so that a step is one call. What an action or a
page does wrong is a failed `Execution` with a typed reason in its value; what the place itself does wrong (the browser
died, the display is gone) is an `EnvironmentFailure`, which the graph records as infrastructure. Nothing here decides
where an action belongs on the screen (`executor.py` asks a grounder first) and nothing here scores.
"""

from __future__ import annotations

import asyncio
import struct
from abc import ABC, abstractmethod
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from tracer1_agents.actions.coordinates import PIXELS, Size
from tracer1_agents.actions.space import GUI_KINDS, Action, Finish, actions_for, dump_action
from tracer1_agents.actions.targets import points_of
from tracer1_agents.errors import EnvironmentFailure
from tracer1_agents.types import Execution, ImageRef, Observation

if TYPE_CHECKING:
    from tracer1_agents.actions.space import Platform, Point
    from tracer1_agents.blobs import BlobStore

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_HEADER_BYTES: Final = 24  # signature, length and name of the first chunk, width, height
_KEY: Final = "failure"


class Failure(StrEnum):
    """Why an action was not carried out, or why what it led to cannot be used."""

    NO_PLACE = "no_place"  # a pointing action without a point, and nobody to find one
    OUTSIDE = "outside"  # a point that is not on the screen
    NO_TARGET = "no_target"  # nothing of the wanted sort is there, such as no list for `select`
    UNSUPPORTED = "unsupported"  # an action that this place does not have
    UNSETTLED = "unsettled"  # the page was still loading, or did not answer, when the time was up
    BLOCKED = "blocked"  # a page that is not on the allow-list
    CRASHED = "crashed"  # the page's process died; a new one was opened
    CLOSED = "closed"  # the last window closed itself; a new one was opened
    EMPTY_SCREENSHOT = "empty_screenshot"
    NOT_RECORDED = "not_recorded"  # a replay does not know what this would have shown
    ENDED = "ended"  # the episode is over
    REFUSED = "refused"  # the device or controller said no


_INFRASTRUCTURE: Final = frozenset({Failure.CRASHED, Failure.EMPTY_SCREENSHOT})


class ActionFailed(Exception):  # noqa: N818  (an outcome, caught by `Environment.act`)
    """Ends an action inside an environment; `act` turns it into an execution.

    Args:
        failure: The reason, for programs.
        text: The reason, for the planner.
    """

    def __init__(self, failure: Failure, text: str) -> None:
        super().__init__(text)
        self.failure, self.text = failure, text


def failure_of(execution: Execution) -> Failure | None:
    """The typed reason of a failed execution; None where it did not fail, or failed elsewhere."""
    reason = execution.value.get(_KEY) if isinstance(execution.value, dict) and not execution.ok else None
    return Failure(reason) if reason in set(Failure) else None


def succeeded(action: Action, seen: Observation, seconds: float = 0.0) -> Execution:
    """The execution of an action that was carried out; its value is the action as it ran."""
    return Execution(text=seen.text, value=dump_action(action), image=seen.image, seconds=seconds)


def failed(problem: ActionFailed, seen: Observation | None = None, seconds: float = 0.0) -> Execution:
    """The execution of an action that was not, with what is to be seen now, so that the planner can go on."""
    seen = seen or Observation()
    text = f"error: {problem.text}" + (f"\n{seen.text}" if seen.text else "")
    return Execution(
        ok=False,
        text=text,
        value={_KEY: problem.failure.value},
        image=seen.image,
        seconds=seconds,
        infrastructure=problem.failure in _INFRASTRUCTURE,
    )


class Environment(ABC):
    """A place to act in.

    Attributes:
        platform: Whose actions it takes.
        size: Of the screen in its own pixels, in which actions are placed.
    """

    platform: Platform = "computer"
    size: Size

    @abstractmethod
    def reset(self, seed: int | None = None) -> Observation:
        """Begin a new episode; the same seed gives the same one where the place can do that.

        Raises:
            EnvironmentFailure: The place is gone and could not be brought back.
        """

    @abstractmethod
    def observe(self) -> Observation:
        """What is to be seen now.

        Raises:
            EnvironmentFailure: The place is gone.
        """

    @abstractmethod
    def act(self, action: Action) -> Execution:
        """Carry out one placed action and look; never raises for what the action does.

        Raises:
            EnvironmentFailure: The place is gone.
        """

    @abstractmethod
    def close(self) -> None:
        """Leave nothing running; harmless when repeated."""

    async def areset(self, seed: int | None = None) -> Observation:
        """`reset`, awaitable."""
        return await asyncio.to_thread(self.reset, seed)

    async def aobserve(self) -> Observation:
        """`observe`, awaitable."""
        return await asyncio.to_thread(self.observe)

    async def aact(self, action: Action) -> Execution:
        """`act`, awaitable."""
        return await asyncio.to_thread(self.act, action)

    async def aclose(self) -> None:
        """`close`, awaitable."""
        await asyncio.to_thread(self.close)

    def __enter__(self) -> Self:
        """Itself; leaving the block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_action(action: Action, platform: Platform) -> None:
    """Refuse what no place of this platform can do, and points that are missing or off the screen.

    Raises:
        ActionFailed: UNSUPPORTED, NO_PLACE or OUTSIDE.
    """
    if isinstance(action, Finish):
        raise ActionFailed(Failure.UNSUPPORTED, "finish ends the episode; there is nothing to do on the screen")
    if action.kind not in GUI_KINDS or type(action) not in actions_for(platform):
        raise ActionFailed(Failure.UNSUPPORTED, f"{action.kind} is no action of a {platform} screen")
    if action.kind == "call_user":
        raise ActionFailed(Failure.UNSUPPORTED, "there is no user to call here; go on, or finish as infeasible")
    points = points_of(action)
    for point in points:
        # a model's point was checked when it was read; one that code built may not have been
        if point is not None and not (0 <= point.x <= 1 and 0 <= point.y <= 1):
            text = f"{action.kind}: the point ({point.x:g}, {point.y:g}) is not on the screen, which spans 0 to 1"
            raise ActionFailed(Failure.OUTSIDE, text)
    if None in points and action.kind in _NEED_PLACE:
        raise ActionFailed(Failure.NO_PLACE, f"{action.kind} needs a point, and nothing here can find one")


_NEED_PLACE: Final = frozenset(
    {"click", "left_double", "triple_click", "right_single", "middle_click", "hover", "long_press", "drag"}
)


def pixel_of(point: Point, size: Size) -> tuple[int, int]:
    """The pixel under a point; the right and bottom edge belong to the last pixel."""
    x, y = PIXELS.from_unit(point, size)
    return min(x, size.width - 1), min(y, size.height - 1)


def png_size(content: bytes) -> Size:
    """Width and height that a PNG states.

    Raises:
        ActionFailed: EMPTY_SCREENSHOT: it is no PNG, or has no pixels.
    """
    if len(content) < _HEADER_BYTES or not content.startswith(_PNG):
        raise ActionFailed(Failure.EMPTY_SCREENSHOT, f"the screenshot is empty ({len(content)} bytes)")
    width, height = struct.unpack(">II", content[16:_HEADER_BYTES])
    if not width or not height:
        raise ActionFailed(Failure.EMPTY_SCREENSHOT, f"the screenshot has {width} by {height} pixels")
    return Size(width, height)


def keep_png(content: bytes, blobs: BlobStore) -> ImageRef:
    """A screenshot by reference.

    Args:
        content: A PNG file.
        blobs: Where it goes.

    Raises:
        ActionFailed: It is empty.
    """
    width, height = png_size(content)
    return ImageRef(ref=blobs.put(content), width=width, height=height)


def gone(todo: str, what: str, error: BaseException | str) -> EnvironmentFailure:
    """The failure of a place that went away, in the words of all of them."""
    return EnvironmentFailure(f"{what} is gone ({str(error).splitlines()[0] if str(error) else error!r}); {todo}")


def as_json(environment: Environment) -> dict[str, Any]:
    """What a trace's metadata says about the place."""
    return {"environment": type(environment).__name__, "platform": environment.platform, "screen": [*environment.size]}
