"""Grounding without a model: by the planner's own points, by the text on the screen, by a list of its elements.

They stand where a `GroundingModel` stands and answer in its form, so that a loop runs on a machine without weights,
and so that there is something plain to compare a model with. An instruction that fits nothing, or several things as
well, is a failed step that says so; nothing is guessed.
"""

from __future__ import annotations

import asyncio
import csv
import io
import math
import re
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.elements import Element, read_elements
from tracer1_agents.actions.space import Drag, Point
from tracer1_agents.actions.targets import clipped
from tracer1_agents.blobs import ImageFiles
from tracer1_agents.errors import DataError, ToolError, ToolUnavailableError
from tracer1_agents.tools.element_match import find_element, two_targets
from tracer1_agents.tools.executor import lost
from tracer1_agents.tools.grounding import done, needs_no_place
from tracer1_agents.tools.images import OCR_MARGIN, for_recognition, open_picture, run_tesseract
from tracer1_agents.types import Execution

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from tracer1_agents.actions.space import Action
    from tracer1_agents.blobs import ImageSource
    from tracer1_agents.types import Observation

_SPARSE: Final = ("--psm", "11", "tsv")  # text anywhere in no order: what a screen is
_DOUBLED_UP_TO: Final = 2_000  # pixels of width: letters on a screen are half as high as tesseract likes
_SURE: Final = 40.0  # tesseract's confidence in per cent; icons read as letters stay below
_WORD_ROW: Final = "5"
_PAST: Final = re.compile(r"\bpast\b", re.IGNORECASE)
_GAP: Final = 1.2  # of a line's height: words farther apart belong to different things on the screen


class OwnPoints:
    """Takes the points that the planner gave itself; a pointing action without one has failed."""

    version = "own-points"

    def execute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The action as it is, in `value`."""
        del observation
        if (known := needs_no_place(action, instruction, trust_points=True)) is not None:
            return known
        return Execution(ok=False, text=f"error: {action.kind} needs a point here; nobody else looks for the place")

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The same, awaitable."""
        return self.execute(action, instruction, observation)


class ElementGrounder:
    """Finds the element that an instruction names in the list that the observation's text holds.

    Args:
        elements: The list, where it does not come with the observation.
        screen: Size in pixels that boxes are counted in; None: that of the observation's screenshot.
        trust_points: Whether points that the planner gave itself stand.
    """

    version = "elements"

    def __init__(
        self, elements: Sequence[Element] | None = None, *, screen: Size | None = None, trust_points: bool = False
    ) -> None:
        self.elements, self.screen, self.trust_points = elements, screen, trust_points

    def execute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The action at the middle of the element, in `value`."""
        if (known := needs_no_place(action, instruction, trust_points=self.trust_points)) is not None:
            return known
        started = time.perf_counter()
        try:
            elements, size = self._seen(observation)
            placed = _placed(action, instruction, elements, size)
        except (DataError, ToolUnavailableError) as error:
            return lost(error, seconds=time.perf_counter() - started)
        except ToolError as error:
            return Execution(ok=False, text=f"error: {error}", seconds=time.perf_counter() - started)
        return done(placed, time.perf_counter() - started)

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """The same, awaitable."""
        return await asyncio.to_thread(self.execute, action, instruction, observation)

    def _seen(self, observation: Observation) -> tuple[Sequence[Element], Size]:
        """What is on the screen, and the size that its boxes are counted in."""
        image = observation.image
        size = self.screen or (Size(image.width, image.height) if image else None)
        if size is None:
            msg = "boxes of elements need the size of the screen: give the observation an image, or pass screen="
            raise DataError(msg, path="observation")
        return self.elements if self.elements is not None else read_elements(observation.text), size


class TextGrounder(ElementGrounder):
    """Finds the words that an instruction quotes or names on the screenshot, by tesseract.

    Args:
        images: Where screenshots are looked up; by default `ImageRef.ref` must be the path of a file.
    """

    version = "ocr"

    def __init__(self, images: ImageSource | None = None) -> None:
        super().__init__()
        self.images = images or ImageFiles()

    def _seen(self, observation: Observation) -> tuple[Sequence[Element], Size]:
        if observation.image is None:
            msg = "there is no screenshot to read; give the observation an image"
            raise DataError(msg, path="observation")
        ref = observation.image.ref
        with open_picture(self.images.get(ref), ref) as picture:
            return text_elements(picture), Size(*picture.size)


class _Read(NamedTuple):
    """A recognised word: its line, its text, its box in pixels."""

    line: tuple[str, ...]
    text: str
    box: tuple[int, int, int, int]


def text_elements(picture: Any) -> list[Element]:
    """The text on a picture, as elements with the role "text": words that stand together are one.

    Args:
        picture: A Pillow image.

    Raises:
        ToolUnavailableError: tesseract is not installed.
        ToolError: Recognition failed or took too long.
    """
    runs: list[list[_Read]] = []
    for word in _words(picture, _SPARSE):
        if runs and _continues(runs[-1][-1], word):
            runs[-1].append(word)
        else:
            runs.append([word])
    return [_joined(str(number), run) for number, run in enumerate(runs, 1)]


def text_lines(picture: Any) -> list[Element]:
    """The text on a picture line by line, as a page of one column or one block.

    Args:
        picture: A Pillow image.

    Raises:
        ToolUnavailableError: tesseract is not installed.
        ToolError: Recognition failed or took too long.
    """
    for layout in ("4", "6"):
        lines: dict[tuple[str, ...], list[_Read]] = {}
        for word in _words(picture, ("--psm", layout, "tsv")):
            lines.setdefault(word.line, []).append(word)
        if lines:
            return [_joined(str(number), words) for number, words in enumerate(lines.values(), 1)]
    return []


def _words(picture: Any, options: Sequence[str]) -> Iterator[_Read]:
    """The words that tesseract is sure of."""
    scale = 2 if picture.width <= _DOUBLED_UP_TO else 1
    table = io.StringIO(run_tesseract(for_recognition(picture, scale), *options))
    for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE):
        if row["level"] == _WORD_ROW and float(row["conf"]) >= _SURE and row["text"].strip():
            yield _read_word(row, scale)


def _read_word(row: dict[str, str], scale: int) -> _Read:
    left, top, width, height = (int(row[key]) for key in ("left", "top", "width", "height"))
    edges = (left, top, left + width, top + height)
    line = (row["block_num"], row["par_num"], row["line_num"])
    left, top, right, bottom = (round((edge - OCR_MARGIN) / scale) for edge in edges)
    return _Read(line, row["text"].strip(), (left, top, right, bottom))


def _continues(before: _Read, word: _Read) -> bool:
    height = before.box[3] - before.box[1]
    return before.line == word.line and word.box[0] - before.box[2] <= _GAP * height


def _joined(number: str, run: list[_Read]) -> Element:
    left, top, right, bottom = zip(*(word.box for word in run), strict=True)
    box = (min(left), min(top), max(right), max(bottom))
    return Element(id=number, role="text", name=" ".join(word.text for word in run), box=box)


def _placed(action: Action, instruction: str, elements: Sequence[Element], size: Size) -> Action:
    """The action at what its instruction names; both ends of a drag."""
    if isinstance(action, Drag):
        start, end = (_middle(words, elements, size) for words in two_targets(instruction))
        if _PAST.search(instruction):
            end = _beyond(start, find_element(two_targets(instruction)[1], elements), size)
        return action.model_copy(update={"start": start, "end": end})
    return action.model_copy(update={"point": _middle(instruction, elements, size)})


def _beyond(start: Point, element: Element, size: Size) -> Point:
    """A place in the far half of an element, seen from where a drag begins: what a list takes as its place."""
    left, top, right, bottom = clipped(element.box, size) or (0.0, 0.0, 0.0, 0.0)
    x, y = (left + right) / 2, (top + bottom) / 2
    if abs(y - start.y) * size.height >= abs(x - start.x) * size.width:
        return Point(x, y + math.copysign((bottom - top) / 4, y - start.y))
    return Point(x + math.copysign((right - left) / 4, x - start.x), y)


def _middle(words: str, elements: Sequence[Element], size: Size) -> Point:
    element = find_element(words, elements)
    point = element.centre(size)
    if point is None:
        msg = f'[{element.id}] {element.role} "{element.name}" lies outside the screen; scroll to it first'
        raise ToolError(msg)
    return point
