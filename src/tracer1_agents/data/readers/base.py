"""What all readers share: the protocol, their options, checked access to records, and how trajectories are completed.

A reader streams: it yields a trajectory, or a `DataError` with file and line for what it could not read, and goes on.
A trajectory with a step that cannot be read is left out whole: with a gap in it, it would teach to skip a step.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from tracer1_agents.actions.codec import Broken
from tracer1_agents.actions.space import Finish, is_encodable, load_action
from tracer1_agents.errors import ConfigurationError, DataError
from tracer1_agents.types import SYNTHETIC, Observation, ReferenceStep, ReferenceTrajectory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tracer1_agents.actions.coordinates import Frame, Size
    from tracer1_agents.actions.space import Action, Point
    from tracer1_agents.types import ImageRef

TARGET_OUTSIDE: Final = "target_outside"  # its only boxes lie where nothing shows
INCORRECT: Final = "incorrect"  # the source itself calls the step wrong
REDUNDANT: Final = "redundant"  # the source itself calls the step needless
AFTER_GAP: Final = "after_gap"  # the source lacks what happened between the step before and this one
CONTINUED: Final = "continued"  # same recorded step as the one before, which held several actions
UNCODED: Final = "uncoded"  # an answer given in prose, not by a call of final_answer

Box = tuple[float, float, float, float]


class RecordError(Exception):
    """A record does not follow its source's schema; readers turn it into a `DataError` with file and line."""


UNREADABLE: Final = (RecordError, ValueError, OverflowError)
"""What a record raises that cannot be read; the last two come of values that no reader looks for, such as NaN."""


def problem_of(error: Exception) -> str:
    """What is wrong with a record, for a `DataError`.

    Args:
        error: One of `UNREADABLE`.
    """
    if isinstance(error, RecordError):
        return str(error)
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}, got {first['input']!r:.60}"
    return f"it holds a value that cannot be used: {error}"


@dataclass(frozen=True)
class ReaderOptions:
    """How a source is read.

    Attributes:
        images: Folder of its screenshots. Named explicitly, each missing one is a problem; None: looked for beside the
            source, and only a source that has some of its images there is expected to have all.
        blobs: Folder of a blob store (`BlobStore`) into which pictures are written that stand inside the source itself;
            None: their references only name them.
        split: Part of the data set, as its own split files name it; its readers' docstrings tell where those files are.
        checksums: Whether checksums are verified that take long to compute in Python.
        screen: Size in pixels that coordinates are counted in where neither image nor record tells it; None: the
            reader's own assumption, which its docstring names.
        add_finish: Whether a successful record without an end gets a `Finish`, flagged "synthetic".
        drop_flags: Steps with one of these flags ("incorrect", "redundant", ...) are left out.
        trees: Whether accessibility trees are read where the source has them (AndroidControl's release): steps then
            have the named elements of their screens, and pointing actions the boxes that hold their points.
    """

    images: Path | None = None
    blobs: Path | None = None
    split: str | None = None
    checksums: bool = False
    screen: Size | None = None
    add_finish: bool = True
    drop_flags: frozenset[str] = frozenset()
    trees: bool = False


class Reader(Protocol):
    """Reads one source format."""

    @property
    def name(self) -> str:
        """Of the format, as `tracer1 data` takes it and trajectories carry it in `source`."""
        ...

    def read(self, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        """Trajectories in file order; problems stand where they were met.

        Args:
            path: The file, or a folder with files of the format.

        Raises:
            DataError: There is nothing at `path`.
        """
        ...


def read_items(reader: Reader, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
    """What a reader gives, checked: readers of a user's own are among them.

    Raises:
        DataError: There is nothing at `path`.
        ConfigurationError: The reader gave something else than trajectories and problems.
    """
    given: Any = reader.read(path)
    name = type(reader).__name__
    if not isinstance(given, Iterable):
        msg = f"{name}.read gave {type(given).__name__}; it yields a ReferenceTrajectory or a DataError each"
        raise ConfigurationError(msg)
    for item in given:
        if not isinstance(item, ReferenceTrajectory | DataError):
            msg = f"{name}.read yielded {type(item).__name__} where a ReferenceTrajectory or a DataError belongs"
            raise ConfigurationError(msg)
        yield item


def required(record: dict[str, Any], key: str, kind: type | tuple[type, ...]) -> Any:
    """The value under `key`.

    Raises:
        RecordError: It is not there, or of another type than `kind`.
    """
    if key not in record:
        msg = f'the key "{key}" is missing; there are: {", ".join(map(str, record)) or "none"}'
        raise RecordError(msg)
    return typed(record[key], kind, f'"{key}"')


def typed(value: Any, kind: type | tuple[type, ...], what: str) -> Any:
    """`value`, when it is of type `kind` (a bool is no number).

    Raises:
        RecordError: It is not.
    """
    if not isinstance(value, kind) or (isinstance(value, bool) and kind in {int, (int, float)}):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        msg = f"{what} must be {' or '.join(each.__name__ for each in kinds)}, got {value!r:.60}"
        raise RecordError(msg)
    return value


def numbers(value: Any, count: int, what: str) -> list[float]:
    """A list of `count` finite numbers.

    Raises:
        RecordError: It is something else.
    """
    items = typed(value, list, what)
    if len(items) != count:
        msg = f"{what} must hold {count} numbers, got {value!r:.60}"
        raise RecordError(msg)
    try:
        found = [float(typed(item, (int, float), what)) for item in items]
    except OverflowError:  # a whole number of hundreds of digits
        found = [math.inf]
    if not all(map(math.isfinite, found)):
        msg = f"{what} must hold {count} finite numbers, got {value!r:.60}"
        raise RecordError(msg)
    return found


def decoded(text: Any, kind: type, what: str) -> Any:
    """A value that the source keeps as JSON inside a string; one that is decoded already stays as it is.

    Raises:
        RecordError: It is no JSON, or of another type than `kind`.
    """
    if not isinstance(text, str):
        return typed(text, kind, what)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"{what} is no JSON: {error}"
        raise RecordError(msg) from None
    return typed(value, kind, what)


def looked_up(table: Mapping[str, str], value: str, what: str) -> str:
    """The entry of a table for a name, upper and lower case alike.

    Raises:
        RecordError: The name is unknown.
    """
    found = table.get(value.strip().lower())
    if found is None:
        msg = f"unknown {what} {value!r}; known are {', '.join(table)}"
        raise RecordError(msg)
    return found


def view_direction(start: Sequence[float], end: Sequence[float]) -> str:
    """Where the view moves when a finger goes from `start` to `end`: against it.

    Raises:
        RecordError: The finger stays where it is.
    """
    across, down = end[0] - start[0], end[1] - start[1]
    if across == down == 0:
        msg = "a swipe that goes nowhere"
        raise RecordError(msg)
    if abs(across) > abs(down):
        return "left" if across > 0 else "right"
    return "up" if down > 0 else "down"


def build(kind: str, **arguments: Any) -> Action:
    """An action of the union.

    Raises:
        RecordError: The arguments do not fit the kind.
    """
    try:
        return load_action({"kind": kind, **arguments})
    except ValidationError as error:
        first = error.errors()[0]
        msg = f"no {kind} can be made of it: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise RecordError(msg) from None


def place(frame: Frame, at: Sequence[float], size: Size | None) -> Point:
    """A point of the source as fractions.

    Raises:
        RecordError: It lies outside the screen, or the size is needed and not known.
    """
    try:
        return frame.to_unit(at[0], at[1], size)
    except Broken as error:
        raise RecordError(error.problem) from None


def complete(
    trajectory: ReferenceTrajectory,
    options: ReaderOptions,
    *,
    successful: bool,
    answer: str | None = None,
    last: ImageRef | None = None,
) -> ReferenceTrajectory:
    """Apply the options: leave out flagged steps, append a synthetic end.

    Args:
        trajectory: As the source has it.
        options: See `ReaderOptions`.
        successful: Whether the source says that the task was done.
        answer: Of the appended end.
        last: What the screen shows at the appended end, where the source has it.

    Raises:
        RecordError: No step is left, or a text cannot be written down: it has half of a surrogate pair.
    """
    _check_texts(trajectory, answer)
    steps = tuple(step for step in trajectory.steps if not step.flags & options.drop_flags)
    if not steps:
        msg = "the trajectory has no steps" + (" but flagged ones" if trajectory.steps else "")
        raise RecordError(msg)
    ended = isinstance(steps[-1].action, Finish)
    if options.add_finish and successful and not ended:
        end = Finish(answer=answer)
        seen = Observation(image=last)
        steps = (*steps, ReferenceStep(observation=seen, action=end, flags=frozenset({SYNTHETIC})))
    return trajectory.model_copy(update={"steps": steps})


def _check_texts(trajectory: ReferenceTrajectory, answer: str | None) -> None:
    try:
        trajectory.model_dump_json()
        unsound = None if is_encodable(answer or "") else "the answer"
    except PydanticSerializationError:  # seldom, and does not say where
        unsound = _unsound(trajectory.model_dump(), "")
    if unsound:
        msg = f"{unsound} holds half of a surrogate pair (\\ud800 to \\udfff alone), which is no text"
        raise RecordError(msg)


def _unsound(value: Any, where: str) -> str | None:
    """Where a text stands that cannot be written down, such as "steps.2.instruction"; None for nowhere."""
    if isinstance(value, str):
        return None if is_encodable(value) else where
    if isinstance(value, dict):
        if not all(is_encodable(str(key)) for key in value):
            return f"a key in {where}"
        inner = ((str(key), item) for key, item in value.items())
    else:
        inner = ((str(key), item) for key, item in enumerate(value if isinstance(value, list | tuple) else ()))
    found = (_unsound(item, f"{where}.{key}".lstrip(".")) for key, item in inner)
    return next((place for place in found if place), None)
