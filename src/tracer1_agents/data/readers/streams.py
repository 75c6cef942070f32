"""From the records of a file to trajectories, one at a time; what cannot be read is told in its place."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from tracer1_agents.data.readers.base import UNREADABLE, problem_of
from tracer1_agents.data.records import Record, read_records
from tracer1_agents.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tracer1_agents.data.readers.images import ImageFinder
    from tracer1_agents.types import ReferenceTrajectory


def each_record(
    path: Path, read: Callable[[Record], ReferenceTrajectory | None], finder: ImageFinder | None = None
) -> Iterator[ReferenceTrajectory | DataError]:
    """One trajectory a record of a file, and what could not be read in its place.

    Args:
        path: The file.
        read: Makes a trajectory of a record; None leaves it out; `RecordError` says why it cannot be read.
        finder: Of the file's pictures; its problems follow the record that has them.

    Raises:
        DataError: There is no such file.
    """
    for record in read_records(path):
        if isinstance(record, DataError):
            yield record
            continue
        yield from attempt(path, record.line, partial(read, record))
        if finder:
            yield from finder.problems()


def attempt(
    path: Path, line: int | None, read: Callable[[], ReferenceTrajectory | None]
) -> Iterator[ReferenceTrajectory | DataError]:
    """What `read` gives, or what it raises (see `base.UNREADABLE`) as a problem of that line."""
    try:
        trajectory = read()
    except UNREADABLE as error:
        yield DataError(problem_of(error), path=path, line=line)
        return
    if trajectory is not None:
        yield trajectory


def grouped(
    path: Path, name_of: Callable[[dict[str, Any]], str | None], what: str, columns: tuple[str, ...]
) -> Iterator[list[Record] | DataError]:
    """Records of the same group, which need not stand together.

    A first pass counts them, so that none waits longer than for the last of its group: memory holds the groups that
    are open, no more. Records that cannot be read, or belong to no group, stand where they were met.

    Args:
        path: The file.
        name_of: The group of a record, None when it does not say.
        what: Names the group, for the message about a record without one.
        columns: That `name_of` needs.

    Raises:
        DataError: There is no such file.
    """
    readable = (item for item in read_records(path, columns) if isinstance(item, Record))
    awaited = Counter(name_of(record.value) for record in readable)
    open_groups: dict[str, list[Record]] = {}
    for record in read_records(path):
        if isinstance(record, DataError):
            yield record
            continue
        name = name_of(record.value)
        if name is None:
            yield DataError(f"the record lacks {what}", path=path, line=record.line)
            continue
        group = open_groups.setdefault(name, [])
        group.append(record)
        if len(group) == awaited[name]:
            yield open_groups.pop(name)
