"""Things that go wrong on the way: a mistyped name, a tool that times out.

Training shows them in the history, never as something to imitate: the reference after a mishap is the step that should
have run in the first place. The error texts are those of the toolbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.space import ToolCall
from tracer1_agents.data.taskgen.desk.folder import columns_of, files_before

if TYPE_CHECKING:
    from random import Random

    from tracer1_agents.actions.space import Action
    from tracer1_agents.data.taskgen.draft import Task

_PATHS: Final = ("file_path", "image_path", "left_path")
_LISTED: Final = 20


def mishap(task: Task, action: Action, step: int, rng: Random) -> tuple[Action, str] | None:
    """A failing variant of a reference action and the text the toolbox gives for it.

    Args:
        task: The task it belongs to.
        action: The concrete reference action of step `step`.
        step: Its number in the reference, from 1.
        rng: Source of randomness.

    Returns:
        None for actions that are not tool calls.
    """
    if not isinstance(action, ToolCall):
        return None
    path = next((key for key in _PATHS if key in action.arguments), None)
    kinds = ["timeout"] + (["file"] * 2 if path else []) + (["column"] * 2 if "column" in action.arguments else [])
    kind = rng.choice(kinds)
    if kind == "file" and path:
        files = files_before(task, step)
        wrong = mistype(action.arguments[path], rng)
        if wrong not in files:
            listing = ", ".join(sorted(files)[:_LISTED])
            return _with(action, path, wrong), f'error: no file "{wrong}" in this folder; files: {listing}'
    if kind == "column":
        columns = columns_of(task, action.arguments["file_path"])
        wrong = mistype(action.arguments["column"], rng)
        if columns and wrong.lower() not in {name.lower() for name in columns}:
            return _with(action, "column", wrong), f'error: no column "{wrong}"; columns: {", ".join(columns)}'
    return action, timeout_text(action.name)


def timeout_text(tool: str) -> str:
    """What comes back when a call times out."""
    return f"error: {tool} failed: TimeoutError: no answer within 30 seconds"


def mistype(name: str, rng: Random) -> str:
    """A name with one slip: a letter lost, doubled, swapped or replaced."""
    at = rng.randrange(len(name))
    slip = rng.choice(("lose", "double", "swap", "replace"))
    if slip == "lose" and len(name) > 1:
        return name[:at] + name[at + 1 :]
    if slip == "double":
        return name[:at] + name[at] + name[at:]
    if slip == "swap" and at + 1 < len(name):
        return name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    return name[:at] + rng.choice("abcdefghijklmnopqrstuvwxyz") + name[at + 1 :]


def _with(action: ToolCall, key: str, value: str) -> ToolCall:
    return ToolCall(name=action.name, arguments={**action.arguments, key: value})
