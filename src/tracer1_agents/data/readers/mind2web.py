"""Multimodal-Mind2Web: rows as published, and their "blocks" conversion (`mind2web_rows` has both layouts).

A reference point is the middle of the first positive box. Steps without a box keep no point and are flagged
"no_target", those whose boxes lie beside the page "target_outside": neither can be scored. The frame of a step is
declared by ``observation.image``; a page whose screenshot is not here has the size that its boxes tell.

The step instruction is what the source calls the action (it names HOVER where the operation says CLICK). Block lines
tell it of earlier steps only: there a task's last step has none.

The rows of a task need not stand together. A task whose rows are not all there keeps their numbers in
``metadata["missing_steps"]``, and a step after a hole is flagged "after_gap". Files of planned actions hold the same
lines and more; in a folder they are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.targets import clipped
from tracer1_agents.data.readers.base import (
    AFTER_GAP,
    TARGET_OUTSIDE,
    UNREADABLE,
    Box,
    ReaderOptions,
    RecordError,
    build,
    complete,
    problem_of,
    required,
    typed,
)
from tracer1_agents.data.readers.images import ImageFinder
from tracer1_agents.data.readers.mind2web_rows import Row, row_of
from tracer1_agents.data.readers.streams import grouped
from tracer1_agents.data.records import Record, source_files
from tracer1_agents.errors import DataError
from tracer1_agents.types import NO_TARGET, Observation, ReferenceStep, ReferenceTrajectory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tracer1_agents.actions.space import Action

_MOST_STEPS: Final = 1000  # far beyond any task; a wrong total must not fill memory with the numbers of missing steps


@dataclass(frozen=True)
class Mind2WebReader:
    """See the module. A row that cannot be read takes its whole task with it."""

    name: ClassVar[str] = "mind2web"
    options: ReaderOptions = field(default_factory=ReaderOptions)

    def read(self, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        """See `Reader`."""
        keys = ("blocks_path", "target_action_index")
        for file in source_files(path, (".jsonl", ".json", ".parquet"), keys, foreign="gpt_action"):
            yield from self._file(file)

    def _file(self, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        finder = ImageFinder(path, self.options.images, self.options.blobs)
        for group in grouped(path, _task, 'the text "annotation_id"', ("annotation_id",)):
            if isinstance(group, DataError):
                yield group
                continue
            try:
                yield self._trajectory(group, path, finder)
            except DataError as error:
                yield error
            yield from finder.problems()

    def _trajectory(self, group: list[Record], path: Path, finder: ImageFinder) -> ReferenceTrajectory:
        """Raises `DataError` with the line that is at fault."""
        at = group[0]
        try:
            rows = []
            for at in group:
                row = row_of(at, finder, self.options.screen)
                rows.append((row, _step(row)))
            rows.sort(key=lambda row: row[0].number)
            last = _only_once(rows)[-1][0]
            trajectory = ReferenceTrajectory(
                id=required(at.value, "annotation_id", str),
                source=self.name,
                instruction=last.task,
                steps=tuple(_named(rows, position) for position in range(len(rows))),
                metadata=_metadata(last, {row.number for row, _ in rows}),
            )
            return complete(trajectory, self.options, successful=last.number == last.total - 1)
        except UNREADABLE as error:
            raise DataError(problem_of(error), path=path, line=at.line) from None


def _only_once(rows: list[tuple[Row, ReferenceStep]]) -> list[tuple[Row, ReferenceStep]]:
    """The rows of a task in order; raises `RecordError` where a step has two."""
    for (one, _), (other, _) in pairwise(rows):
        if one.number == other.number:
            msg = f"the task has two rows for its step {one.number}; remove one"
            raise RecordError(msg)
    return rows


def _task(value: dict[str, Any]) -> str | None:
    task = value.get("annotation_id")
    return task if isinstance(task, str) else None


def _metadata(row: Row, present: set[int]) -> dict[str, Any]:
    missing = [number for number in range(min(row.total, max(present) + _MOST_STEPS)) if number not in present]
    return {**row.about, "total_steps": row.total, **({"missing_steps": missing} if missing else {})}


def _named(rows: list[tuple[Row, ReferenceStep]], position: int) -> ReferenceStep:
    """The step at `position` with its instruction, flagged when there is a hole before it."""
    row, step = rows[position]
    previous = rows[position - 1][0].number if position else -1
    flags = step.flags | ({AFTER_GAP} if row.number != previous + 1 else frozenset())
    tellers = [other.told for other, _ in rows[position : position + 2]]
    instruction = next((told[row.number] for told in tellers if 0 <= row.number < len(told)), "")
    return step.model_copy(update={"flags": flags, "instruction": instruction})


def _step(row: Row) -> ReferenceStep:
    size = Size(row.image.width, row.image.height)
    placed = (clipped((left, top, left + width, top + height), size) for left, top, width, height in row.boxes)
    boxes = tuple(box for box in placed if box)
    return ReferenceStep(
        observation=Observation(image=row.image),
        action=_action(row, _middle(boxes)),
        boxes=boxes,
        flags=frozenset() if boxes else frozenset({TARGET_OUTSIDE if row.boxes else NO_TARGET}),
    )


def _middle(boxes: tuple[Box, ...]) -> tuple[float, float] | None:
    if not boxes:
        return None
    left, top, right, bottom = boxes[0]
    return ((left + right) / 2, (top + bottom) / 2)


def _action(row: Row, point: tuple[float, float] | None) -> Action:
    name = row.operation.upper()
    if name in {"CLICK", "HOVER", "ENTER"}:  # the data set scores all three as CLICK
        return build("click", point=point)
    if name == "TYPE":
        return build("type", content=typed(row.value, str, '"value"'))
    if name == "SELECT":
        return build("select", option=typed(row.value, str, '"value"'), point=point)
    msg = f"unknown operation {row.operation!r}; known are CLICK, HOVER, ENTER, TYPE, SELECT"
    raise RecordError(msg)
