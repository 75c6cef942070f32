"""Which records belong to a part of a data set: JSON files with a list of names for each part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer1_agents.data.records import read_json
from tracer1_agents.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def members(source: Path, files: Iterable[Path], split: str) -> frozenset[str]:
    """The names that a split lists, without ".json" where they are those of files.

    Args:
        source: The data, for the message.
        files: Where the split may be defined; the first that has it counts.
        split: Its name.

    Raises:
        DataError: No file defines it, or its value is no list of names.
    """
    known: list[str] = []
    for file in files:
        if not file.is_file():
            continue
        defined = read_json(file)
        known += defined
        if split in defined:
            return _names(file, split, defined[split])
    there = f"there are: {', '.join(dict.fromkeys(known))}" if known else "the files that define splits are not there"
    msg = f"the split {split!r} is not defined beside it; {there}"
    raise DataError(msg, path=source)


def _names(file: Path, split: str, value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, int | str) for name in value):
        msg = f'"{split}" must be a list of names or numbers, got {value!r:.60}'
        raise DataError(msg, path=file)
    return frozenset(str(name).removesuffix(".json") for name in value)
