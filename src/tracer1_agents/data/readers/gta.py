"""GTA (open-compass/GTA): questions about pictures that take real tools, with the calls that answer them.

`dataset.json` is one object, by number: ``tools[{name}], files[{type, path}], dialogs[{role, content, tool_calls[0]
.function{name, arguments}, name}], gt_answer {whitelist, blacklist} | [text] | null``. Every assistant turn is a step,
a tool call or the final answer; a tool's turn is the result of the call before it.

``metadata`` keeps the reference answer as published under "answer", and names under "tools" and "files".
Tested on files generated in the published schema.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from tracer1_agents.data.readers.base import (
    UNREADABLE,
    ReaderOptions,
    RecordError,
    build,
    complete,
    problem_of,
    required,
    typed,
)
from tracer1_agents.data.readers.streams import attempt
from tracer1_agents.data.records import read_json
from tracer1_agents.errors import DataError
from tracer1_agents.types import ReferenceStep, ReferenceTrajectory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tracer1_agents.actions.space import Action


@dataclass(frozen=True)
class GtaReader:
    """See the module. A dialogue that cannot be read is left out whole."""

    name: ClassVar[str] = "gta"
    options: ReaderOptions = field(default_factory=ReaderOptions)

    def read(self, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        """See `Reader`; `path` is `dataset.json` or the folder that holds it."""
        file = path / "dataset.json" if path.is_dir() else path
        for name, record in read_json(file).items():
            if not isinstance(record, dict):
                yield DataError(f"query {name}: must be an object, got {type(record).__name__}", path=file)
                continue
            yield from attempt(file, None, partial(self._query, name, record))

    def _query(self, name: str, record: dict[str, Any]) -> ReferenceTrajectory:
        try:
            return complete(_trajectory(name, record), self.options, successful=True)
        except UNREADABLE as error:
            msg = f"query {name}: {problem_of(error)}"
            raise RecordError(msg) from None


def _trajectory(name: str, record: dict[str, Any]) -> ReferenceTrajectory:
    turns = [typed(turn, dict, "a turn") for turn in required(record, "dialogs", list)]
    asked = [turn for turn in turns if turn.get("role") == "user"]
    if not asked:
        msg = 'there is no turn of the role "user"'
        raise RecordError(msg)
    return ReferenceTrajectory(
        id=name,
        source=GtaReader.name,
        instruction=required(asked[0], "content", str),
        steps=tuple(_steps(turns)),
        metadata={
            "answer": record.get("gt_answer"),
            "tools": [typed(tool, dict, "a tool").get("name") for tool in record.get("tools") or []],
            "files": [typed(file, dict, "a file").get("path") for file in record.get("files") or []],
        },
    )


def _steps(turns: list[dict[str, Any]]) -> Iterator[ReferenceStep]:
    for at, turn in enumerate(turns):
        if turn.get("role") != "assistant":
            continue
        answered = turns[at + 1] if at + 1 < len(turns) and turns[at + 1].get("role") == "tool" else {}
        yield ReferenceStep(
            action=_action(turn),
            instruction=str(turn.get("thought") or ""),
            result=_text(answered.get("content")),
        )


def _action(turn: dict[str, Any]) -> Action:
    if "tool_calls" not in turn:
        return build("finish", answer=typed(turn.get("content") or "", str, '"content"'))
    calls = typed(turn["tool_calls"], list, '"tool_calls"')
    if len(calls) != 1:
        msg = f'"tool_calls" must hold one call, got {len(calls)}'
        raise RecordError(msg)
    called = required(typed(calls[0], dict, "a call"), "function", dict)
    arguments = typed(called.get("arguments") or {}, dict, '"arguments"')
    return build("tool", name=required(called, "name", str), arguments=arguments)


def _text(content: Any) -> str:
    """A tool's result, which is text or an object with its type and content."""
    if isinstance(content, dict):
        content = content.get("content")
    return "" if content is None else str(content)
