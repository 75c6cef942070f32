"""What a task's folder holds before one of its reference steps, computed without the tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer1_agents.data.taskgen.contents import Archive, Json, Table

if TYPE_CHECKING:
    from tracer1_agents.data.taskgen.contents import File
    from tracer1_agents.data.taskgen.draft import Task

_CONVERSION_CALLS = 2


def files_before(task: Task, step: int) -> set[str]:
    """Names in the folder before reference step `step` runs (from 1)."""
    present = {task.attachment.name} if task.attachment else set()
    if isinstance(task.attachment, Archive) and step > 1:
        present |= {member.name for member in task.attachment.members}
    present |= {file.name for file in task.desk.files} if task.desk else set()
    for number, earlier in enumerate(task.steps[: step - 1], 1):
        arguments = earlier.action(len(task.steps)).model_dump().get("arguments", {})
        if isinstance(output := arguments.get("output"), str):
            present.add(output)
        if earlier.name == "convert_file" and number + _CONVERSION_CALLS < step:
            present.add(converted(arguments["file_path"]))
        if earlier.name == "archive_files":
            present -= set(arguments["files"].split(","))
            present.add(arguments["archive"])
    return present


def columns_of(task: Task, name: str) -> tuple[str, ...]:
    """Columns of a table of the task, of one that is converted too; none where there is no such table."""
    members = task.attachment.members if isinstance(task.attachment, Archive) else (task.attachment,)
    files: tuple[File | None, ...] = (*members, *(task.desk.files if task.desk else ()))
    for file in files:
        if isinstance(file, Table) and file.name == name:
            return file.columns
        if isinstance(file, Json) and isinstance(file.data, list) and converted(file.name) == name:
            return tuple(file.data[0])
    return ()


def converted(name: str) -> str:
    """Name of the csv table that a file becomes."""
    return f"{name.rpartition('.')[0]}.csv"
