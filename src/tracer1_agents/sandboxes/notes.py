"""What a run says about files that were not carried in or out: a count, and the first few with their reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracer1_agents.sandboxes.files import MOST_NOTES

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMED: Final = 3
_LENGTH: Final = 120  # characters of one name with its reason


def missing_note(files: Sequence[str]) -> str:
    """One line about `RunResult.missing_files`; empty where all files were carried in."""
    return f"{_counted(files)} of the folder not carried into the sandbox: {_named(files)}" if files else ""


def dropped_note(files: Sequence[str]) -> str:
    """One line about `RunResult.dropped_files`; empty where all files came back."""
    return f"{_counted(files)} written by the code not carried back into the folder: {_named(files)}" if files else ""


def _counted(files: Sequence[str]) -> str:
    return "1 file" if len(files) == 1 else f"{len(files)}{'+' if len(files) >= MOST_NOTES else ''} files"


def _named(files: Sequence[str]) -> str:
    lines = [" ".join(note.split()) for note in files[:_NAMED]]  # names that code chose may hold line ends
    first = [line if len(line) <= _LENGTH else f"{line[:_LENGTH]}..." for line in lines]
    more = len(files) - len(first)
    return "; ".join([*first, f"and {more} more"] if more else first)
