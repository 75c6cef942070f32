"""The conversion of GUI-R1 (ritzz-ai/GUI-R1): one step a row, in Parquet or as JSON lines.

A row: ``image, history, instruction, gt_action, gt_bbox, gt_input_text, task_type?, id?``. ``gt_bbox`` is a point or a
box, in fractions (no number above 1) or in pixels of the image; ``gt_input_text`` is the text, the app, the entry, or
where the view goes. Low-level rows (``task_type`` "low") have the step instruction in the place of the task.

Rows do not say to which episode they belong. Each is a trajectory of one step, flagged "after_gap" where its history
tells of earlier ones, and no end is appended. The history is in ``metadata["history"]``, as published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.coordinates import PIXELS, UNIT, Size
from tracer1_agents.actions.space import POINTING_KINDS
from tracer1_agents.actions.targets import clipped
from tracer1_agents.data.readers.androidcontrol.episode import Episode
from tracer1_agents.data.readers.base import (
    AFTER_GAP,
    ReaderOptions,
    RecordError,
    build,
    looked_up,
    numbers,
    place,
    required,
    typed,
)
from tracer1_agents.types import NO_TARGET, Observation, ReferenceStep

if TYPE_CHECKING:
    from tracer1_agents.actions.space import Action
    from tracer1_agents.data.readers.base import Box
    from tracer1_agents.data.readers.images import ImageFinder
    from tracer1_agents.data.records import Record

_POINTED: Final = {
    "click": "click",
    "long_press": "long_press",
    "doubleclick": "left_double",
    "rightclick": "right_single",
    "moveto": "hover",
    "select": "select",
}
_BUTTONS: Final = {"press_back": "back", "press_home": "home", "press_recent": "recent", "enter": "enter"}
_TEXTS: Final = {"type": ("type", "content"), "open_app": ("open_app", "app_name")}
_ENDS: Final = {"complete": "success", "impossible": "infeasible"}
_DIRECTIONS: Final = {direction: direction for direction in ("up", "down", "left", "right")}
_NONE: Final = frozenset({"", "none", "null"})  # how an empty history is written


def episode(record: Record, finder: ImageFinder, options: ReaderOptions) -> Episode:
    """See the module.

    Raises:
        RecordError: The row does not follow the schema.
    """
    row = record.value
    image = finder.picture(row.get("image"), f"row-{record.line}", record.line)
    size = Size(image.width, image.height) if image else options.screen
    instruction = required(row, "instruction", str)
    history = typed(row.get("history") or "", str, '"history"')
    begins = history.strip().lower() in _NONE
    action, boxes = _action(row, size)
    untargeted = action.kind in POINTING_KINDS and getattr(action, "point", None) is None and action.kind != "scroll"
    step = ReferenceStep(
        observation=Observation(image=image),
        action=action,
        instruction=instruction if row.get("task_type") == "low" else "",
        boxes=boxes,
        flags=frozenset({NO_TARGET} if untargeted else ()) | frozenset(() if begins else {AFTER_GAP}),
    )
    return Episode(
        id=str(row["id"]) if row.get("id") is not None else None,
        goal=instruction,
        steps=(step,),
        successful=False,
        metadata={} if begins else {"history": history},
    )


def _action(row: dict[str, Any], size: Size | None) -> tuple[Action, tuple[Box, ...]]:
    name = required(row, "gt_action", str).strip().lower()
    text = typed(row.get("gt_input_text") or "", str, '"gt_input_text"')
    if name in _POINTED:
        point, boxes = _target(row, size)
        more = {"option": text} if name == "select" else {}
        return build(_POINTED[name], point=point, **more), boxes
    if name == "scroll":
        return build("scroll", direction=looked_up(_DIRECTIONS, text, "direction")), ()
    if name in _TEXTS:
        kind, argument = _TEXTS[name]
        return build(kind, **{argument: text}), ()
    if name in _BUTTONS:
        return build("press_button", button=_BUTTONS[name]), ()
    if name in _ENDS:
        return build("finish", status=_ENDS[name]), ()
    if name == "wait":
        return build("wait"), ()
    msg = f"unknown action {name!r}"
    raise RecordError(msg)


def _target(row: dict[str, Any], size: Size | None) -> tuple[Any, tuple[Box, ...]]:
    """The point and, where a whole box is given, that."""
    raw = row.get("gt_bbox")
    if raw is None:
        return None, ()
    count = 2 if isinstance(raw, list) and len(raw) == 2 else 4  # noqa: PLR2004  (a point or a box)
    corners = numbers(raw, count, '"gt_bbox"')
    pixels = max(corners) > 1
    if pixels and size is None:
        msg = '"gt_bbox" counts pixels and the image is not here; pass the folder of images or the screen\'s size'
        raise RecordError(msg)
    if len(corners) == 2:  # noqa: PLR2004
        return place(PIXELS if pixels else UNIT, corners, size), ()
    box = clipped(corners, size if pixels and size else Size(1, 1))
    if box is None:
        msg = f'"gt_bbox" shows nothing of the screen: {raw!r:.60}'
        raise RecordError(msg)
    return ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), (box,)
