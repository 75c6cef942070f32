"""Rows kept small: trajectories in a file of our own form, windows as (trajectory, step), built again when asked for.

A built row holds its prompt, its history and its window: kilobytes, and millions of them do not fit into memory. Here a
row of a recorded trajectory is two numbers, and its trajectory is written once to a temporary file (in `TMPDIR`) that
goes with the process. What is built again equals what was added. Rows of generated tasks are kept as they are: their
random stream cannot be entered in the middle.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import weakref
from array import array
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, overload

from tracer1_agents.actions.match import kind_of
from tracer1_agents.data.store import dump_trajectory, load_trajectory
from tracer1_agents.training.checkpoints import writing
from tracer1_agents.training.rows import row_at

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tracer1_agents.data.prompts import PromptOptions
    from tracer1_agents.training.rows import TrainingRow
    from tracer1_agents.types import ReferenceTrajectory

_KEPT_TRAJECTORIES: Final = 64
_KEPT_ROWS: Final = 512  # more than the prompts of an update
_AS_IT_IS: Final = 2**32 - 1  # stands for the trajectory of a row that is kept whole


class RowStore(Sequence["TrainingRow"]):
    """Rows in the order in which they were added.

    Adding or reading one raises `TrainingError` where the temporary file finds no room.

    Attributes:
        kinds: How often the first action of a source's rows is of a kind, by (source, kind).
        examples: The first row of each (source, tool or kind of its first action).
    """

    def __init__(self) -> None:
        self.kinds: Counter[tuple[str, str]] = Counter()
        self.examples: dict[tuple[str, str], int] = {}
        self._keys = hashlib.sha256()
        self._trajectory, self._step = array("I"), array("I")  # by row
        self._whole: list[TrainingRow] = []
        self._file = tempfile.TemporaryFile(prefix="tracer1-rows-")  # noqa: SIM115  (open as long as this is)
        weakref.finalize(self, self._file.close)
        self._ends, self._prompts = array("Q", [0]), array("I")  # by trajectory: where it ends, how prompts are written
        self._how: list[tuple[PromptOptions, str]] = []
        self._newest: ReferenceTrajectory | None = None
        self._trajectory_at = lru_cache(_KEPT_TRAJECTORIES)(self._read)
        self._row_at = lru_cache(_KEPT_ROWS)(self._built)

    def add(self, row: TrainingRow) -> None:
        """Keep a row; those of one trajectory come one after another."""
        action = row.window.steps[0].action
        self._keys.update(f"{row.key}\n{action!r}\n".encode())
        self.kinds[row.source, action.kind] += 1
        self.examples.setdefault((row.source, kind_of(action)), len(self))
        if row.recorded is None:
            self._trajectory.append(_AS_IT_IS)
            self._step.append(len(self._whole))
            self._whole.append(row)
            return
        if row.recorded.trajectory is not self._newest:
            self._write(row.recorded.trajectory, (row.recorded.options, row.source))
        self._trajectory.append(len(self._prompts) - 1)
        self._step.append(row.recorded.at)

    def digest(self) -> str:
        """Stands for all rows in their order."""
        return self._keys.hexdigest()

    def __len__(self) -> int:
        return len(self._step)

    @overload
    def __getitem__(self, index: int) -> TrainingRow: ...

    @overload
    def __getitem__(self, index: slice) -> list[TrainingRow]: ...

    def __getitem__(self, index: int | slice) -> TrainingRow | list[TrainingRow]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        return self._row_at(range(len(self))[index])

    def __reduce__(self) -> tuple[Any, ...]:
        """Data sets hash what they are made with by pickling it: the digest stands for the rows."""
        return _refuse, (self.digest(),)

    def _write(self, trajectory: ReferenceTrajectory, how: tuple[PromptOptions, str]) -> None:
        line = dump_trajectory(trajectory).encode()
        with _room_for_rows():
            self._file.write(line)
        self._ends.append(self._ends[-1] + len(line))
        if not self._how or self._how[-1] != how:
            self._how.append(how)
        self._prompts.append(len(self._how) - 1)
        self._newest = trajectory

    def _read(self, number: int) -> ReferenceTrajectory:
        with _room_for_rows():
            self._file.flush()
        start, end = self._ends[number], self._ends[number + 1]
        return load_trajectory(json.loads(os.pread(self._file.fileno(), end - start, start)))

    def _built(self, number: int) -> TrainingRow:
        trajectory, step = self._trajectory[number], self._step[number]
        if trajectory == _AS_IT_IS:
            return self._whole[step]
        options, source = self._how[self._prompts[trajectory]]
        return row_at(self._trajectory_at(trajectory), step, options, source=source)


def _room_for_rows() -> AbstractContextManager[None]:
    return writing("the rows", Path(tempfile.gettempdir()), "start again, or name another folder in TMPDIR")


def _refuse(digest: str) -> NoReturn:
    msg = f"rows ({digest[:12]}...) do not travel between processes; each loads the mixture for itself"
    raise TypeError(msg)
