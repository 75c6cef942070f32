"""AndroidControl, as UI-S1 published it (X-PLUG/MobileAgent, UI-S1): JSON lines with pixel coordinates.

One trajectory a line: ``goal, is_successful, episode_id?, steps[{action_content, screenshot, step_instruction?,
check_options?}]``. The files do not say how large a screen was. In order: the image where it is here; the ends of a
swipe, which the conversion puts symmetrically about the middle of the screen; the option `screen`; the smaller of
1080x2400 and 1440x3120 (the data set's phones) that holds every point. ``metadata["frame"]`` says which.

Swipes are movements of the finger, `Scroll` tells where the view goes: a finger that moves up scrolls down, and one
that moves left scrolls right. The ``direction`` of the published checks follows the view vertically and the finger
horizontally; it is used only where the finger's ends are missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tracer1_agents.actions.coordinates import PIXELS, Size
from tracer1_agents.data.readers.base import (
    Box,
    ReaderOptions,
    RecordError,
    build,
    clipped,
    complete,
    numbers,
    place,
    required,
    typed,
)
from tracer1_agents.data.readers.images import ImageFinder
from tracer1_agents.data.records import read_records, source_files
from tracer1_agents.errors import DataError
from tracer1_agents.types import NO_TARGET, ImageRef, Observation, ReferenceStep, ReferenceTrajectory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tracer1_agents.actions.space import Action

PHONES: Final = (Size(1080, 2400), Size(1440, 3120))
_FLIPPED: Final = {"left": "right", "right": "left", "up": "up", "down": "down"}
_BUTTONS: Final = {"back": "back", "home": "home", "enter": "enter", "menu": "menu", "recent": "recent"}
_POINTED: Final = frozenset({"click", "long_press"})
_TEXTS: Final = {"type": ("type", "content"), "open": ("open_app", "app_name")}
_STATUSES: Final = {"success": "success", "failure": "infeasible", "infeasible": "infeasible"}


@dataclass(frozen=True)
class AndroidControlReader:
    """See the module. `wait` steps that the conversion inserted repeat their neighbour's instruction, as published."""

    name: ClassVar[str] = "androidcontrol"
    options: ReaderOptions = field(default_factory=ReaderOptions)

    def read(self, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        """See `Reader`."""
        for file in source_files(path, (".jsonl", ".json"), ("steps",)):
            yield from self._file(file)

    def _file(self, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        finder = ImageFinder(path, self.options.images)
        for record in read_records(path):
            if isinstance(record, DataError):
                yield record
                continue
            try:
                yield self._trajectory(record.value, record.line, finder)
            except RecordError as error:
                yield DataError(str(error), path=path, line=record.line)
            yield from finder.problems()

    def _trajectory(self, record: dict[str, Any], line: int, finder: ImageFinder) -> ReferenceTrajectory:
        raw = [typed(step, dict, "a step") for step in required(record, "steps", list)]
        names = [required(step, "screenshot", str) if "screenshot" in step else None for step in raw]
        images = [finder.find(name, line) if name else None for name in names]
        size, known_from = self._frame(raw, images)
        steps = []
        for number, (step, image) in enumerate(zip(raw, images, strict=True), 1):
            try:
                steps.append(_step(step, image, size))
            except RecordError as error:
                msg = f"step {number}: {error}"
                raise RecordError(msg) from None
        trajectory = ReferenceTrajectory(
            id=str(record.get("episode_id", f"line-{line}")),
            source=self.name,
            instruction=required(record, "goal", str),
            steps=tuple(steps),
            metadata={"frame": {"width": size.width, "height": size.height, "known_from": known_from}},
        )
        return complete(trajectory, self.options, successful=record.get("is_successful") is not False)

    def _frame(self, steps: list[dict[str, Any]], images: list[ImageRef | None]) -> tuple[Size, str]:
        """Size of the screen and what it is known from."""
        for image in images:
            if image is not None:
                return Size(image.width, image.height), "image"
        ends = [_ends(step) for step in steps]
        swipes = [pair for pair in ends if len(pair) == 2]  # noqa: PLR2004  (a swipe has two ends)
        screens = [(Size(round(a[0] + b[0]), round(a[1] + b[1])), "swipe") for a, b in swipes[:1]]
        screens += [(self.options.screen, "option")] if self.options.screen else [(size, "assumed") for size in PHONES]
        for size, known_from in screens:
            if all(x <= size.width and y <= size.height for pair in ends for x, y in pair):
                return size, known_from
        msg = "its points lie outside every known phone screen; pass the folder of images or the screen's size"
        raise RecordError(msg)


def _ends(step: dict[str, Any]) -> list[list[float]]:
    """The points of a step's action in pixels: none, one, or the two ends of a swipe."""
    content = required(step, "action_content", dict)
    keys = ("coordinate", "coordinate2")
    return [numbers(content[key], 2, f'"{key}"') for key in keys if content.get(key) is not None]


def _step(step: dict[str, Any], image: ImageRef | None, size: Size) -> ReferenceStep:
    content, checks = step["action_content"], step.get("check_options") or {}
    if image is None and isinstance(step.get("screenshot"), str):
        image = ImageRef(ref=step["screenshot"], width=size.width, height=size.height)
    else:
        size = Size(image.width, image.height) if image else size
    action = _action(content, typed(checks, dict, '"check_options"'), _ends(step), size)
    boxes = _boxes(content, checks, size)
    untargeted = content["action"] in _POINTED and not boxes and not content.get("coordinate")
    return ReferenceStep(
        observation=Observation(image=image),
        action=action,
        instruction=typed(step.get("step_instruction") or "", str, '"step_instruction"'),
        boxes=boxes,
        flags=frozenset({NO_TARGET} if untargeted else ()),
    )


def _action(content: dict[str, Any], checks: dict[str, Any], ends: list[list[float]], size: Size) -> Action:
    name = required(content, "action", str)
    if name in _POINTED:
        return build(name, point=place(PIXELS, ends[0], size) if ends else None)
    if name == "swipe":
        return build("scroll", direction=_direction(checks, ends))
    if name in _TEXTS:
        kind, argument = _TEXTS[name]
        return build(kind, **{argument: required(content, "text", str)})
    if name == "system_button":
        return build("press_button", button=_looked_up(_BUTTONS, required(content, "button", str), "button"))
    if name == "wait":
        return build("wait")
    return _end(name, content)


def _end(name: str, content: dict[str, Any]) -> Action:
    if name == "terminate":
        return build("finish", status=_looked_up(_STATUSES, required(content, "status", str), "status"))
    if name == "answer":
        return build("finish", answer=required(content, "text", str))
    msg = f"unknown action {name!r}"
    raise RecordError(msg)


def _direction(checks: dict[str, Any], ends: list[list[float]]) -> str:
    """Where the view moves: against the finger."""
    if len(ends) < 2:  # noqa: PLR2004  (a swipe has two ends)
        return _looked_up(_FLIPPED, required(checks, "direction", str).lower(), "direction")
    (left, top), (right, bottom) = ends
    across, down = right - left, bottom - top
    if across == down == 0:
        msg = "a swipe that goes nowhere"
        raise RecordError(msg)
    if abs(across) > abs(down):
        return "left" if across > 0 else "right"
    return "up" if down > 0 else "down"


def _looked_up(table: dict[str, str], value: str, what: str) -> str:
    found = table.get(value.lower())
    if found is None:
        msg = f"unknown {what} {value!r}; known are {', '.join(table)}"
        raise RecordError(msg)
    return found


def _boxes(content: dict[str, Any], checks: dict[str, Any], size: Size) -> tuple[Box, ...]:
    """Candidate boxes, from either place where the conversions keep them."""
    raw = list(typed(checks.get("candidate_bbox") or [], list, '"candidate_bbox"'))
    if content.get("bbox") is not None:
        raw.append(content["bbox"])
    placed = (clipped(numbers(box, 4, "a box"), size) for box in raw)
    return tuple(box for box in placed if box)
