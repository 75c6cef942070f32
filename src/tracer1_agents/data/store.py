"""Our own form of reference trajectories: JSON lines, one trajectory each, with the version of the format.

Writing and reading give back equal trajectories. Points are fractions, actions those of the union, pictures stay where
they are. Files of another version are refused line by line, never guessed at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import ValidationError

from tracer1_agents.actions.space import encodable
from tracer1_agents.data.outputs import replacing
from tracer1_agents.data.readers.base import ReaderOptions, RecordError, complete
from tracer1_agents.data.readers.streams import each_record
from tracer1_agents.data.records import source_files
from tracer1_agents.types import ReferenceTrajectory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tracer1_agents.data.records import Record
    from tracer1_agents.errors import DataError

STORE_VERSION: Final = 1


def dump_trajectory(trajectory: ReferenceTrajectory) -> str:
    """One line of a store, the same for equal trajectories, without its newline.

    Half of a surrogate pair becomes a question mark: a file cannot hold it, and what else was exported would be lost.
    """
    data = trajectory.model_dump(mode="json")
    for step in data["steps"]:
        step["flags"].sort()
    return encodable(json.dumps({"version": STORE_VERSION, **data}, ensure_ascii=False, allow_nan=False))


def load_trajectory(data: dict[str, Any]) -> ReferenceTrajectory:
    """What `dump_trajectory` wrote, parsed as JSON.

    Raises:
        RecordError: It is of another version, or no trajectory.
    """
    if data.get("version") != STORE_VERSION:
        msg = f"version {data.get('version')!r} of the store cannot be read, only {STORE_VERSION}; export it again"
        raise RecordError(msg)
    try:
        return ReferenceTrajectory.model_validate({key: value for key, value in data.items() if key != "version"})
    except ValidationError as error:
        first = error.errors()[0]
        msg = f"not a trajectory: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise RecordError(msg) from None


def write_trajectories(path: Path, trajectories: Iterable[ReferenceTrajectory]) -> int:
    """Write a store; the file appears whole or not at all (see `outputs.replacing`).

    Returns:
        How many were written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with replacing(path) as file:
        for trajectory in trajectories:
            file.write(dump_trajectory(trajectory) + "\n")
            count += 1
    return count


@dataclass(frozen=True)
class StoreReader:
    """Reads a store back; trajectories keep the `source` they came from."""

    name: ClassVar[str] = "store"
    options: ReaderOptions = field(default_factory=ReaderOptions)

    def read(self, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        """See `readers.base.Reader`. Nothing is appended: what was written says where it ends."""
        for file in source_files(path, (".jsonl",), ("version",)):
            yield from each_record(file, self._trajectory)

    def _trajectory(self, record: Record) -> ReferenceTrajectory:
        return complete(load_trajectory(record.value), self.options, successful=False)
