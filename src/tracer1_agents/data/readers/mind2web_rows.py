"""The two layouts of a Multimodal-Mind2Web step, as one.

Blocks (OSU-NLP-Group/UGround), a JSON line: ``annotation_id, task, operation, value, bbox[[x, y, w, h]], step,
total_steps, previous_actions, blocks_path``. Rows as published (osunlp/Multimodal-Mind2Web), JSON lines or Parquet:
``annotation_id, confirmed_task, operation (JSON: original_op, value, op), pos_candidates (JSON: attributes (JSON:
bounding_box_rect "x,y,w,h")), target_action_index, action_reprs[], target_action_reprs, screenshot``.

Boxes are pixels of the whole page, 1280 wide. Its height is that of the screenshot where that is here. Otherwise the
frame is the page down to the end of the screenful (blocks of 1000 pixels, 800 apart) that holds the lowest box.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.data.readers.base import RecordError, decoded, numbers, required, typed
from tracer1_agents.types import ImageRef

if TYPE_CHECKING:
    from tracer1_agents.data.readers.images import ImageFinder
    from tracer1_agents.data.records import Record

_WIDTH: Final = 1280
_BLOCK: Final = 1000
_STRIDE: Final = 800
_ABOUT: Final = ("website", "domain", "subdomain", "split")


@dataclass(frozen=True)
class Row:
    """One step.

    Attributes:
        task: What is to be done.
        number: Of the step, from 0.
        total: Steps of the task.
        operation: CLICK, TYPE, SELECT, ...
        value: What is typed or chosen.
        boxes: Positive ones as x, y, width, height in pixels of the page.
        image: The page, with its size.
        told: What the row calls the steps of the task, from the first, as far as it goes.
        about: Website, domain and the like.
    """

    task: str
    number: int
    total: int
    operation: str
    value: Any
    boxes: list[list[float]]
    image: ImageRef
    told: list[str]
    about: dict[str, Any] = field(default_factory=dict)


def row_of(record: Record, finder: ImageFinder, screen: Size | None) -> Row:
    """The step of a line or row.

    Raises:
        RecordError: It follows neither layout.
    """
    return _block(record.value, screen) if "blocks_path" in record.value else _published(record, finder, screen)


def _block(value: dict[str, Any], screen: Size | None) -> Row:
    boxes = [numbers(box, 4, "a box (x, y, width, height)") for box in required(value, "bbox", list)]
    size = screen or _page(boxes)
    return Row(
        task=required(value, "task", str),
        number=required(value, "step", int),
        total=required(value, "total_steps", int),
        operation=required(value, "operation", str),
        value=value.get("value"),
        boxes=boxes,
        image=ImageRef(ref=required(value, "blocks_path", str), width=size.width, height=size.height),
        told=_texts(value.get("previous_actions")),
        about=_about(value),
    )


def _published(record: Record, finder: ImageFinder, screen: Size | None) -> Row:
    line, value = record
    boxes = _positive(value.get("pos_candidates"))
    operation = decoded(required(value, "operation", (str, dict)), dict, '"operation"')
    name = str(value.get("action_uid") or f"row-{line}")
    image = finder.picture(value.get("screenshot"), name, line)
    size = screen or _page(boxes)
    told = _texts(required(value, "action_reprs", list))
    return Row(
        task=required(value, "confirmed_task", str),
        number=_index(required(value, "target_action_index", (int, str))),
        total=len(told),
        operation=required(operation, "op", str),
        value=operation.get("value"),
        boxes=boxes,
        image=image or ImageRef(ref=name, width=size.width, height=size.height),
        told=told,
        about=_about(value),
    )


def _positive(raw: Any) -> list[list[float]]:
    """Boxes of the candidates that have one."""
    boxes = []
    for item in decoded(raw or [], list, '"pos_candidates"'):
        candidate = decoded(item, dict, "a candidate")
        attributes = decoded(candidate.get("attributes") or {}, dict, '"attributes"')
        if rect := attributes.get("bounding_box_rect"):
            boxes.append(_rectangle(typed(rect, str, '"bounding_box_rect"')))
    return boxes


def _rectangle(text: str) -> list[float]:
    try:
        sides = [float(side) for side in text.split(",")]
    except ValueError:
        sides = []
    if len(sides) != 4 or not all(map(math.isfinite, sides)):  # noqa: PLR2004  (x, y, width, height)
        msg = f'"bounding_box_rect" must be "x,y,width,height", got {text!r:.60}'
        raise RecordError(msg)
    return sides


def _index(value: int | str) -> int:
    if isinstance(value, str) and not value.strip().isdecimal():
        msg = f'"target_action_index" must be a number, got {value!r:.40}'
        raise RecordError(msg)
    return int(value)


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _about(value: dict[str, Any]) -> dict[str, Any]:
    return {key: value[key] for key in _ABOUT if key in value}


def _page(boxes: list[list[float]]) -> Size:
    """The part of the page that the boxes tell of."""
    lowest = max((top + height for _, top, _, height in boxes), default=0.0)
    rightmost = max((left + width for left, _, width, _ in boxes), default=0.0)
    blocks = math.ceil(max(lowest - _BLOCK, 0) / _STRIDE)
    return Size(max(_WIDTH, math.ceil(rightmost)), _BLOCK + blocks * _STRIDE)
