"""AgentNet (xlang-ai/OpenCUA): the benchmark's folder of JSON files, and the raw JSON lines.

Benchmark, one file a trajectory: ``task_id, high_level_task_description, meta_info?, steps[{step_num, image,
inner_monologue{observation, thought, low_level_instruction}, ground_truth_actions[{type, params, metadata.bboxes[]
.rel_bbox}], alternative_options?}]``. Raw, one line a trajectory: ``task_id, instruction, task_completed, traj[{index,
image, value{code, observation, thought, action, last_step_correct, last_step_redundant}}]``, its code read by `ast`.

Coordinates are fractions of the screen already. A step with several actions becomes several `ReferenceStep`s, the later
ones flagged "continued". Alternatives of one action stand in `alternatives`; longer ones have no place in the union and
are counted in ``metadata["alternatives_left_out"]``; boxes of alternatives are in ``metadata["alternative_boxes"]``, by
0-based step. Benchmark steps whose numbers jump are flagged "after_gap" (its authors left out steps on purpose).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.targets import clipped
from tracer1_agents.data.readers.base import (
    AFTER_GAP,
    CONTINUED,
    INCORRECT,
    REDUNDANT,
    UNREADABLE,
    ReaderOptions,
    RecordError,
    complete,
    numbers,
    problem_of,
    required,
    typed,
)
from tracer1_agents.data.readers.desktop_actions import Placed, fold
from tracer1_agents.data.readers.images import ImageFinder
from tracer1_agents.data.readers.pyautogui_code import RawAction, parse_script
from tracer1_agents.data.readers.streams import attempt, each_record
from tracer1_agents.data.records import read_json
from tracer1_agents.errors import DataError
from tracer1_agents.types import Observation, ReferenceStep, ReferenceTrajectory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tracer1_agents.data.records import Record
    from tracer1_agents.types import ImageRef

_UNIT = Size(1, 1)  # boxes are fractions already


@dataclass(frozen=True)
class AgentNetReader:
    """See the module. Screenshots belong to the benchmark's folder: there, each missing one is a problem."""

    name: ClassVar[str] = "agentnet"
    options: ReaderOptions = field(default_factory=ReaderOptions)

    def read(self, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        """See `Reader`; `path` is the folder, one of its JSON files, or a raw .jsonl file."""
        if path.is_dir():
            files = sorted(path.glob("*.json"))
            if not files:
                msg = "no *.json files in this folder; name the folder with the trajectories, or a .jsonl file"
                raise DataError(msg, path=path)
            for file in files:
                yield from self._bench_file(file)
        elif path.suffix == ".jsonl":
            yield from self._raw_file(path)
        else:
            if not path.exists():
                msg = "the file is not there"
                raise DataError(msg, path=path)
            yield from self._bench_file(path)

    def _bench_file(self, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        finder = ImageFinder(path, self.options.images, expected=True)
        try:
            record = read_json(path)
        except DataError as error:
            yield error
            return
        yield from attempt(path, None, lambda: self._bench(record, finder))
        yield from finder.problems()

    def _raw_file(self, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        finder = ImageFinder(path, self.options.images)
        yield from each_record(path, partial(self._raw, finder), finder)

    def _bench(self, record: dict[str, Any], finder: ImageFinder) -> ReferenceTrajectory:
        steps = _Steps()
        for number, step in enumerate(typed(item, dict, "a step") for item in required(record, "steps", list)):
            try:
                steps.add_bench(step, finder.find(required(step, "image", str)))
            except UNREADABLE as error:
                msg = f"step {step.get('step_num', number)}: {problem_of(error)}"
                raise RecordError(msg) from None
        trajectory = ReferenceTrajectory(
            id=required(record, "task_id", str),
            source=self.name,
            instruction=required(record, "high_level_task_description", str),
            steps=tuple(steps.found),
            metadata={**steps.metadata(), **_kept(record, ("user_task_description", "meta_info"))},
        )
        return complete(trajectory, self.options, successful=True)

    def _raw(self, finder: ImageFinder, found: Record) -> ReferenceTrajectory:
        line, record = found
        steps = _Steps()
        for number, step in enumerate(typed(item, dict, "a step") for item in required(record, "traj", list)):
            try:
                steps.add_raw(step, finder.find(required(step, "image", str), line))
            except UNREADABLE as error:
                msg = f"step {step.get('index', number)}: {problem_of(error)}"
                raise RecordError(msg) from None
        kept = ("task_completed", "alignment_score", "efficiency_score", "task_difficulty")
        trajectory = ReferenceTrajectory(
            id=required(record, "task_id", str),
            source=self.name,
            instruction=required(record, "instruction", str),
            steps=tuple(steps.found),
            metadata=_kept(record, kept),
        )
        return complete(trajectory, self.options, successful=record.get("task_completed") is True)


def _kept(record: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: record[key] for key in keys if key in record}


class _Steps:
    """Reference steps as they come together, with what has no place in them."""

    def __init__(self) -> None:
        self.found: list[ReferenceStep] = []
        self.alternative_boxes: dict[str, list[Any]] = {}
        self.left_out = 0
        self._last_number: int | None = None

    def metadata(self) -> dict[str, Any]:
        """What is said of alternatives, where there is something to say."""
        boxes = {"alternative_boxes": self.alternative_boxes} if self.alternative_boxes else {}
        return {**boxes, **({"alternatives_left_out": self.left_out} if self.left_out else {})}

    def add_bench(self, step: dict[str, Any], image: ImageRef | None) -> None:
        """One step of a benchmark file."""
        told = typed(step.get("inner_monologue") or {}, dict, '"inner_monologue"')
        placed = fold(_raw_actions(required(step, "ground_truth_actions", list)))
        options = [fold(_raw_actions(option)) for option in step.get("alternative_options") or []]
        number = required(step, "step_num", int)
        gap = self._last_number is not None and number != self._last_number + 1
        self._last_number = number
        usable = [option[0] for option in options if len(option) == 1 and len(placed) == 1]
        self.left_out += len(options) - len(usable)
        if any(option.boxes for option in usable):
            boxes = [[list(box) for box in option.boxes] for option in usable]
            self.alternative_boxes[str(len(self.found))] = boxes
        self._add(
            placed,
            observation=Observation(image=image),
            instruction=str(told.get("low_level_instruction") or ""),
            summary=told.get("observation") or None,
            alternatives=tuple(option.action for option in usable),
            flags=frozenset({AFTER_GAP} if gap else ()),
        )

    def add_raw(self, step: dict[str, Any], image: ImageRef | None) -> None:
        """One step of a raw line."""
        value = required(step, "value", dict)
        flags = {INCORRECT} if value.get("last_step_correct") is False else set()
        flags |= {REDUNDANT} if value.get("last_step_redundant") is True else set()
        self._add(
            fold(parse_script(required(value, "code", str))),
            observation=Observation(image=image),
            instruction=str(value.get("action") or ""),
            summary=value.get("observation") or None,
            alternatives=(),
            flags=frozenset(flags),
        )

    def _add(self, placed: list[Placed], *, flags: frozenset[str], **common: Any) -> None:
        if not placed:
            msg = "the step holds no action"
            raise RecordError(msg)
        for number, (action, boxes) in enumerate(placed):
            more = frozenset({CONTINUED}) if number else frozenset()
            self.found.append(ReferenceStep(action=action, boxes=boxes, flags=flags | more, **common))


def _raw_actions(items: Any) -> list[RawAction]:
    """Actions as the benchmark writes them."""
    found = []
    for item in typed(items, list, "a list of actions"):
        action = typed(item, dict, "an action")
        about = typed(action.get("metadata") or {}, dict, '"metadata"')
        boxes = []
        for box in typed(about.get("bboxes") or [], list, '"bboxes"'):
            left, top, width, height = numbers(required(typed(box, dict, "a box"), "rel_bbox", list), 4, '"rel_bbox"')
            boxes.append(clipped((left, top, left + width, top + height), _UNIT))
        params = typed(action.get("params") or {}, dict, '"params"')
        found.append(RawAction(required(action, "type", str), params, tuple(box for box in boxes if box)))
    return found
