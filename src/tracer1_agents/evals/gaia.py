"""Task sets in GAIA's format: metadata.jsonl with attachments beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

from tracer1_agents.errors import DataError

BUNDLED: Final = ("demo", "measure")
_TRAITS: Final = ("unseen_style", "unseen_phrase")
_REQUIRED: Final = ("task_id", "Question")


@dataclass(frozen=True)
class GaiaTask:
    """One question.

    Attributes:
        task_id: Unique in its set.
        question: In words.
        level: 1 to 3, 0 where the source gives none.
        truth: The reference answer, None in a test split that hides it.
        attachment: Path of the file that comes with it, None where there is none.
        family: The generator's family for bundled tasks, else "".
        trained_family: False for bundled tasks of a family that the shipped planner never trained on.
        traits: What else is new in a bundled task: "unseen_style" (file names), "unseen_phrase" (wording).
        workspace: Folder whose content, hidden files included, the task starts with; None for the attachment alone.
        state: What the task should leave behind (see `tools.desk.final_state`); None where only the answer counts.
    """

    task_id: str
    question: str
    level: int = 0
    truth: str | None = None
    attachment: Path | None = None
    family: str = ""
    trained_family: bool = True
    traits: tuple[str, ...] = ()
    workspace: Path | None = None
    state: dict[str, Any] | None = None


@dataclass(frozen=True)
class TaskSet:
    """What a folder held.

    Attributes:
        folder: Where it was read.
        tasks: In the order of the file.
        problems: Lines that could not be read, each with file and line.
        corpus: A search corpus beside the tasks, None where there is none.
    """

    folder: Path
    tasks: tuple[GaiaTask, ...]
    problems: tuple[DataError, ...] = field(default=())
    corpus: Path | None = None


def read_tasks(source: str | Path) -> TaskSet:
    """Read a task set; a broken line is a problem in the result, the rest is read.

    Args:
        source: "demo" or "measure" (bundled), a folder with metadata.jsonl, or such a file.

    Raises:
        DataError: There is no metadata.jsonl at all.
    """
    if str(source) in BUNDLED and not Path(source).exists():
        source = Path(str(resources.files("tracer1_agents") / "assets" / "tasks" / str(source)))
    path = Path(source)
    metadata = path / "metadata.jsonl" if path.is_dir() else path
    if not metadata.is_file():
        msg = f"no task set; expected a folder with metadata.jsonl, such a file, or one of {', '.join(BUNDLED)}"
        raise DataError(msg, path=metadata)
    tasks: dict[str, GaiaTask] = {}
    problems: list[DataError] = []
    with metadata.open(encoding="utf-8-sig", errors="replace") as lines:  # Windows programs put a mark in front
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                task = _read_line(line, metadata, number)
            except DataError as problem:
                problems.append(problem)
                continue
            if task.task_id in tasks:
                msg = f"task_id {task.task_id!r} stands on an earlier line too; the second one is left out"
                problems.append(DataError(msg, path=metadata, line=number))
            else:
                tasks[task.task_id] = task
    corpus = metadata.parent / "corpus.jsonl"
    return TaskSet(metadata.parent, tuple(tasks.values()), tuple(problems), corpus if corpus.is_file() else None)


def _read_line(line: str, path: Path, number: int) -> GaiaTask:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a ValueError, too
        msg = f"not JSON ({error}): {line.strip()[:60]!r}"
        raise DataError(msg, path=path, line=number) from None
    if not isinstance(row, dict):
        msg = f"expected an object with task_id and Question, got {type(row).__name__}"
        raise DataError(msg, path=path, line=number)
    for key in _REQUIRED:
        if not isinstance(row.get(key), str) or not row[key].strip():
            msg = f"field {key!r} is missing or empty, got {row.get(key)!r}"
            raise DataError(msg, path=path, line=number)
    return _build(row, path, number)


def _build(row: dict[str, Any], path: Path, number: int) -> GaiaTask:
    try:
        level = int(row.get("Level") or 0)
    except (TypeError, ValueError):
        msg = f"field 'Level' must be a number, got {row['Level']!r}"
        raise DataError(msg, path=path, line=number) from None
    attachment, workspace = (_beside(row, key, path, number) for key in ("file_name", "Workspace"))
    notes = row.get("Annotator Metadata")
    notes = notes if isinstance(notes, dict) else {}
    truth = row.get("Final answer")
    return GaiaTask(
        task_id=row["task_id"],
        question=row["Question"],
        level=level,
        truth=None if truth in (None, "?") else str(truth),
        attachment=attachment,
        family=str(notes.get("family", "")),
        trained_family=bool(notes.get("trained_family", True)),
        traits=tuple(key for key in _TRAITS if notes.get(key) is True),
        workspace=workspace,
        state=state if isinstance(state := row.get("Final state"), dict) else None,
    )


def _beside(row: dict[str, Any], key: str, path: Path, number: int) -> Path | None:
    """The file or folder that a field names, beside the metadata; None where it names none."""
    name = str(row.get(key) or "")
    if name and (Path(name).is_absolute() or ".." in Path(name).parts):
        msg = f"field {key!r} must name a file beside metadata.jsonl, got {name!r}"
        raise DataError(msg, path=path, line=number)
    return path.parent / name if name else None
