"""GUI-Odyssey (OpenGVLab/GUI-Odyssey, data hflqf88888/GUIOdyssey): cross-app episodes on phones and tablets.

One JSON file an episode in ``annotations/`` (or many in one array): ``episode_id, device_info{w, h, device_name},
task_info{category, app[], meta_task, task, instruction}, step_length, steps[{step, screenshot, action, info, context?,
low_level_instruction?, sam2_bbox?}]``. Points and boxes count thousandths of the screen. ``info`` is ``[[x, y]]``, a
key, the two ends of a swipe, or the text. ``context`` is the summary of a step, ``low_level_instruction`` its
instruction; the first release (OpenGVLab/GUI-Odyssey on the Hub) has neither, nor boxes.

SCROLL is a movement of the finger: the view goes the other way. COMPLETE and INCOMPLETE end an episode.

The folder is ``annotations/``, or the one that holds it; ``screenshots/`` beside it is looked in. The option `split`
is written "random_split/test": the file in ``splits/``, and the part of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tracer1_agents.actions.coordinates import THOUSAND, Size
from tracer1_agents.actions.targets import clipped
from tracer1_agents.data.readers.base import (
    AFTER_GAP,
    UNREADABLE,
    Box,
    ReaderOptions,
    RecordError,
    build,
    complete,
    numbers,
    place,
    problem_of,
    required,
    typed,
    view_direction,
)
from tracer1_agents.data.readers.images import ImageFinder
from tracer1_agents.data.readers.splits import members
from tracer1_agents.data.readers.streams import attempt, each_record
from tracer1_agents.data.records import Record, is_array, read_json
from tracer1_agents.errors import DataError
from tracer1_agents.types import ImageRef, Observation, ReferenceStep, ReferenceTrajectory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tracer1_agents.actions.space import Action

_POINTED: Final = {"CLICK": "click", "LONG_PRESS": "long_press"}
_KEYS: Final = {"KEY_HOME": "home", "KEY_BACK": "back", "KEY_APPSELECT": "recent"}
_ENDS: Final = {"COMPLETE": "success", "INCOMPLETE": "infeasible"}
_ABOUT: Final = ("category", "app", "meta_task")
_WHOLE: Final = Size(1000, 1000)


@dataclass(frozen=True)
class GuiOdysseyReader:
    """See the module."""

    name: ClassVar[str] = "gui_odyssey"
    options: ReaderOptions = field(default_factory=ReaderOptions)

    def read(self, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        """See `Reader`."""
        files = _files(path)
        home = files[0].parent.parent if files[0].parent.name == "annotations" else files[0].parent
        wanted = self._wanted(path, home)
        shots = home / "screenshots"
        finder = ImageFinder(path, self.options.images or (shots if shots.is_dir() else None))
        for file in files:
            finder.source = file  # one finder for all: the folder of screenshots is long
            if is_array(file):
                yield from each_record(file, partial(self._episode, finder, wanted), finder)
                continue
            if wanted is not None and file.stem not in wanted:
                continue
            try:
                record = Record(1, read_json(file))
            except DataError as error:
                yield error
                continue
            yield from attempt(file, None, partial(self._episode, finder, wanted, record))
            yield from finder.problems()

    def _wanted(self, path: Path, home: Path) -> frozenset[str] | None:
        if not self.options.split:
            return None
        file, slash, part = self.options.split.partition("/")
        if not slash:
            msg = f'a split is written like "random_split/test", got {self.options.split!r}'
            raise DataError(msg, path=path)
        return members(path, [home / "splits" / f"{file}.json"], part)

    def _episode(self, finder: ImageFinder, wanted: frozenset[str] | None, found: Record) -> ReferenceTrajectory | None:
        line, record = found
        identity = str(required(record, "episode_id", (str, int)))
        if wanted is not None and identity not in wanted:
            return None
        device = typed(record.get("device_info") or {}, dict, '"device_info"')
        task = required(record, "task_info", dict)
        raw = [typed(step, dict, "a step") for step in required(record, "steps", list)]
        trajectory = ReferenceTrajectory(
            id=identity,
            source=self.name,
            instruction=required(task, "instruction", str),
            steps=tuple(_steps(raw, partial(_seen, finder, device, line))),
            metadata={**{key: task[key] for key in _ABOUT if key in task}, "device": device},
        )
        return complete(trajectory, self.options, successful=True)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    folder = path / "annotations" if (path / "annotations").is_dir() else path
    files = sorted(folder.glob("*.json"))
    if not files:
        msg = "no *.json files in this folder; name the folder with the annotations, or one of them"
        raise DataError(msg, path=folder)
    return files


def _seen(finder: ImageFinder, device: dict[str, Any], line: int, step: dict[str, Any]) -> ImageRef | None:
    """The screenshot where it is here, else its name with the size of the device."""
    name = required(step, "screenshot", str)
    found = finder.find(name, line)
    if found or not device.get("w") or not device.get("h"):
        return found
    width, height = (required(device, side, int) for side in ("w", "h"))
    if min(width, height) < 1:
        msg = f"the device's screen must be larger than nothing, got {width}x{height}"
        raise RecordError(msg)
    return ImageRef(ref=name, width=width, height=height)


def _steps(raw: list[dict[str, Any]], seen: partial[ImageRef | None]) -> Iterator[ReferenceStep]:
    last: int | None = None
    for position, step in enumerate(raw):
        number = required(step, "step", int) if "step" in step else position
        gap = number != (0 if last is None else last + 1)
        last = number
        try:
            yield _step(step, seen(step), gap=gap)
        except UNREADABLE as error:
            msg = f"step {number}: {problem_of(error)}"
            raise RecordError(msg) from None


def _step(step: dict[str, Any], image: ImageRef | None, *, gap: bool) -> ReferenceStep:
    action = _action(required(step, "action", str), step.get("info"))
    return ReferenceStep(
        observation=Observation(image=image),
        action=action,
        instruction=typed(step.get("low_level_instruction") or "", str, '"low_level_instruction"'),
        summary=typed(step.get("context") or "", str, '"context"') or None,
        boxes=_boxes(step.get("sam2_bbox")) if getattr(action, "point", None) else (),
        flags=frozenset({AFTER_GAP} if gap else ()),
    )


def _action(name: str, info: Any) -> Action:
    if name in _POINTED and isinstance(info, str):
        if info in _KEYS:
            return build("press_button", button=_KEYS[info])
        msg = f"unknown key {info!r}; known are {', '.join(_KEYS)}"
        raise RecordError(msg)
    if name in _POINTED:
        [at] = _ends(info, 1)
        return build(_POINTED[name], point=place(THOUSAND, at, None))
    if name == "SCROLL":
        return build("scroll", direction=view_direction(*_ends(info, 2)))
    if name == "TEXT":
        return build("type", content=typed(info, str, '"info" of TEXT'))
    if name in _ENDS:
        return build("finish", status=_ENDS[name])
    msg = f"unknown action {name!r}"
    raise RecordError(msg)


def _ends(info: Any, count: int) -> list[list[float]]:
    points = typed(info, list, '"info"')
    if len(points) != count:
        msg = f'"info" must hold {count} points, got {info!r:.60}'
        raise RecordError(msg)
    return [numbers(point, 2, "a point") for point in points]


def _boxes(raw: Any) -> tuple[Box, ...]:
    if not raw:
        return ()
    box = clipped(numbers(raw, 4, '"sam2_bbox"'), _WHOLE)
    return (box,) if box else ()
