"""Demonstrations of MiniWoB++ (`tracer1 data miniwob`) as a text planner learns them: without places.

The step instruction names the element as the profile `compact-screen` shows it, `Click button Submit [3]`, and the
action has a point only where the middle of that element is not the place (a part of a date field, the end of a slider).
So the planner says what, and a frozen grounder finds where. Quotes are left out of instructions; typed text and chosen
entries stand in the action alone, and are not said twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from tracer1_agents.actions.coordinates import PIXELS, Size
from tracer1_agents.actions.elements import called, element_at, read_elements
from tracer1_agents.actions.space import POINTING_KINDS, Drag, Select, Type
from tracer1_agents.data.readers.base import ReaderOptions
from tracer1_agents.data.store import StoreReader
from tracer1_agents.planner.history import WENT_WELL
from tracer1_agents.types import ReferenceTrajectory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tracer1_agents.actions.elements import Element
    from tracer1_agents.actions.space import Action, Point
    from tracer1_agents.errors import DataError
    from tracer1_agents.types import ReferenceStep

PART: Final = Size(160, 210)  # CSS pixels of one task; several stand side by side
_NEAR: Final = 6.0  # CSS pixels: as good as the middle
_BEYOND: Final = 2.0  # CSS pixels from the middle: an entry of a list is dragged to its place
_ID: Final = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True)
class MiniWobReader:
    """Reads a store of demonstrations."""

    name: ClassVar[str] = "miniwob"
    options: ReaderOptions = field(default_factory=ReaderOptions)

    def read(self, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        """See `readers.base.Reader`."""
        for item in StoreReader(self.options).read(path):
            yield without_places(item) if isinstance(item, ReferenceTrajectory) else item


def without_places(trajectory: ReferenceTrajectory) -> ReferenceTrajectory:
    """A demonstration in the words of `elements.in_brief`."""
    tasks = str(trajectory.metadata.get("task", "")).count("+") + 1
    size = Size(PART.width * tasks, PART.height)
    return trajectory.model_copy(update={"steps": tuple(_unplaced_step(step, size) for step in trajectory.steps)})


def _unplaced_step(step: ReferenceStep, size: Size) -> ReferenceStep:
    elements = read_elements(step.observation.text)
    action, instruction = _unplaced(step, elements, size)
    return step.model_copy(update={"action": action, "instruction": instruction, "summary": WENT_WELL})


def _unplaced(step: ReferenceStep, elements: Sequence[Element], size: Size) -> tuple[Action, str]:
    """The action without the places that a grounder finds, and the instruction by which it finds them."""
    action = step.action
    named = _named(step.instruction, elements)
    if isinstance(action, Type):
        return action, "Type"
    if action.kind not in POINTING_KINDS or named is None:
        return action, step.instruction.replace('"', "")
    if isinstance(action, Drag):
        return _dragged(action, named, elements, size)
    verb = "Select in" if isinstance(action, Select) else step.instruction.split(f" {named.role}")[0]
    point = getattr(action, "point", None)
    bare = action.kind == "scroll" or _at_middle(point, named, size) or _in_target(step, named, size)
    return (action.model_copy(update={"point": None}) if bare else action), f"{verb} {called(named)}"


def _dragged(action: Drag, start: Element, elements: Sequence[Element], size: Size) -> tuple[Action, str]:
    """A drag to another element by both their names, `past` it where it ends beyond its middle; else its own points."""
    end = element_at(elements, *PIXELS.from_unit(action.end, size)) if action.end else None
    if end is None or end.id == start.id or not _at_middle(action.start, start, size):
        return action, f"Drag {called(start)}"
    middle = end.centre(size)
    off = abs(action.end.y - middle.y) * size.height if action.end and middle else 0.0
    way = "past" if off > _BEYOND else "to"
    return action.model_copy(update={"start": None, "end": None}), f"Drag {called(start)} {way} {called(end)}"


def _named(instruction: str, elements: Sequence[Element]) -> Element | None:
    found = _ID.findall(instruction)
    return next((element for element in elements if found and element.id == found[-1]), None)


def _at_middle(point: Point | None, element: Element, size: Size) -> bool:
    middle = element.centre(size)
    if point is None or middle is None:
        return False
    return abs(point.x - middle.x) * size.width <= _NEAR and abs(point.y - middle.y) * size.height <= _NEAR


def _in_target(step: ReferenceStep, element: Element, size: Size) -> bool:
    """Whether the oracle took the middle of what it meant, and the middle of what the screen lists is in that, too."""
    point, middle = getattr(step.action, "point", None), element.centre(size)
    if point is None or middle is None or not step.boxes:
        return False
    left, top, right, bottom = step.boxes[0]
    taken = abs(point.x - (left + right) / 2) * size.width <= 1 and abs(point.y - (top + bottom) / 2) * size.height <= 1
    return taken and left < middle.x < right and top < middle.y < bottom
