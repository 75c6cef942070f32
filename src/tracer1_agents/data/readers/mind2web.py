"""Multimodal-Mind2Web in its "blocks" conversion (OSU-NLP-Group/UGround): one step a line.

A line: ``annotation_id, action_uid, task, website, domain, subdomain, operation, value, bbox[[x, y, w, h]], step,
total_steps, previous_actions, blocks_path``. Boxes are pixels of the whole page, 1280 wide and of a height that the
lines do not tell. The frame of a step is therefore the page down to the end of the screenful (blocks of 1000 pixels,
800 apart) that holds its lowest box; ``observation.image`` declares it per step.

A reference point is the middle of the first positive box. Steps without a box keep no point and are flagged
"no_target", those whose boxes lie beside the page "target_outside": neither can be scored. The step instruction is
what the *next* line calls this action (it names HOVER where the operation says CLICK); a task's last step has none.
Files of planned actions hold the same lines and more; in a folder they are passed over.
The lines of a task need not stand together. A task whose lines are not all there keeps their numbers in
``metadata["missing_steps"]``, and a step after a hole is flagged "after_gap".
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.data.readers.base import (
    AFTER_GAP,
    TARGET_OUTSIDE,
    Box,
    ReaderOptions,
    RecordError,
    build,
    clipped,
    complete,
    numbers,
    required,
)
from tracer1_agents.data.records import Record, read_records, source_files
from tracer1_agents.errors import DataError
from tracer1_agents.types import NO_TARGET, ImageRef, Observation, ReferenceStep, ReferenceTrajectory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tracer1_agents.actions.space import Action, Point

_WIDTH: Final = 1280
_BLOCK: Final = 1000
_STRIDE: Final = 800
_ABOUT: Final = ("website", "domain", "subdomain", "split")


@dataclass(frozen=True)
class Mind2WebReader:
    """See the module. A line that cannot be read takes its whole task with it."""

    name: ClassVar[str] = "mind2web"
    options: ReaderOptions = field(default_factory=ReaderOptions)

    def read(self, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        """See `Reader`."""
        for file in source_files(path, (".jsonl",), ("blocks_path",), foreign="gpt_action"):
            yield from self._file(file)

    def _file(self, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        for group in _groups(path):
            if isinstance(group, DataError):
                yield group
                continue
            try:
                yield self._trajectory(group, path)
            except DataError as error:
                yield error

    def _trajectory(self, group: list[Record], path: Path) -> ReferenceTrajectory:
        """Raises `DataError` with the line that is at fault."""
        at = group[0]
        try:
            rows = []
            for at in group:
                rows.append((required(at.value, "step", int), at.value, _step(at.value, self.options.screen)))
            rows.sort(key=lambda row: row[0])
            total = required(at.value, "total_steps", int)
            steps = tuple(_named(rows, position) for position in range(len(rows)))
            trajectory = ReferenceTrajectory(
                id=required(at.value, "annotation_id", str),
                source=self.name,
                instruction=required(at.value, "task", str),
                steps=steps,
                metadata=_metadata(at.value, total, {number for number, _, _ in rows}),
            )
            return complete(trajectory, self.options, successful=rows[-1][0] == total - 1)
        except RecordError as error:
            raise DataError(str(error), path=path, line=at.line) from None


def _groups(path: Path) -> Iterator[list[Record] | DataError]:
    """The lines of each task, which need not stand together: a first pass counts them, so that none waits too long."""
    awaited = Counter(_task(record) for record in read_records(path))
    open_groups: dict[str | None, list[Record]] = {}
    for record in read_records(path):
        task = _task(record)
        if isinstance(record, DataError):
            yield record
        elif task is None:
            yield DataError('"annotation_id" is missing or no text', path=path, line=record.line)
        else:
            group = open_groups.setdefault(task, [])
            group.append(record)
            if len(group) == awaited[task]:
                yield open_groups.pop(task)


def _task(record: Record | DataError) -> str | None:
    task = None if isinstance(record, DataError) else record.value.get("annotation_id")
    return task if isinstance(task, str) else None


def _metadata(row: dict[str, Any], total: int, present: set[int]) -> dict[str, Any]:
    about: dict[str, Any] = {key: row[key] for key in _ABOUT if key in row}
    missing = [number for number in range(min(total, max(present) + _BLOCK)) if number not in present]
    return {**about, "total_steps": total, **({"missing_steps": missing} if missing else {})}


def _named(rows: list[tuple[int, dict[str, Any], ReferenceStep]], position: int) -> ReferenceStep:
    """The step at `position` with its instruction, flagged when there is a hole before it."""
    number, _, step = rows[position]
    previous = rows[position - 1][0] if position else -1
    flags = step.flags | ({AFTER_GAP} if number != previous + 1 else frozenset())
    told = rows[position + 1][1].get("previous_actions", []) if position + 1 < len(rows) else []
    instruction = told[number] if isinstance(told, list) and 0 <= number < len(told) else ""
    return step.model_copy(update={"flags": flags, "instruction": str(instruction)})


def _step(row: dict[str, Any], screen: Size | None) -> ReferenceStep:
    raw = [numbers(box, 4, "a box (x, y, width, height)") for box in required(row, "bbox", list)]
    size = screen or _page(raw)
    placed = (clipped((left, top, left + width, top + height), size) for left, top, width, height in raw)
    boxes = tuple(box for box in placed if box)
    image = ImageRef(ref=required(row, "blocks_path", str), width=size.width, height=size.height)
    return ReferenceStep(
        observation=Observation(image=image),
        action=_action(required(row, "operation", str), row, _middle(boxes)),
        boxes=boxes,
        flags=frozenset() if boxes else frozenset({TARGET_OUTSIDE if raw else NO_TARGET}),
    )


def _page(boxes: list[list[float]]) -> Size:
    """The part of the page that the boxes tell of."""
    lowest = max((top + height for _, top, _, height in boxes), default=0.0)
    rightmost = max((left + width for left, _, width, _ in boxes), default=0.0)
    blocks = math.ceil(max(lowest - _BLOCK, 0) / _STRIDE)
    return Size(max(_WIDTH, math.ceil(rightmost)), _BLOCK + blocks * _STRIDE)


def _middle(boxes: tuple[Box, ...]) -> Point | tuple[float, float] | None:
    if not boxes:
        return None
    left, top, right, bottom = boxes[0]
    return ((left + right) / 2, (top + bottom) / 2)


def _action(operation: str, row: dict[str, Any], point: Any) -> Action:
    name = operation.upper()
    if name in {"CLICK", "HOVER", "ENTER"}:  # the data set scores all three as CLICK
        return build("click", point=point)
    if name == "TYPE":
        return build("type", content=required(row, "value", str))
    if name == "SELECT":
        return build("select", option=required(row, "value", str), point=point)
    msg = f"unknown operation {operation!r}; known are CLICK, HOVER, ENTER, TYPE, SELECT"
    raise RecordError(msg)
