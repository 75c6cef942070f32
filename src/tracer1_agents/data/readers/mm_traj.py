"""MM-Traj (mat-agent/MAT-Agent): tool-use trajectories as ReAct conversations, in one JSON array or as JSON lines.

A record: ``id, image, correct, answer, conversations[{from, value}]``; an assistant turn is ``Thought: ...``, ``Code:``
and a fenced block, the user turn after it what the block gave. Each turn becomes one `Code` step, or a `ToolCall` where
its block is exactly one (see `tool_code`), with the recorded output as result. The thought is the step instruction.

The end is the last turn's ``final_answer``, nested and indented calls included. A block that computes first and hands
over a name becomes two steps: the code, with ``print`` in its place, and `Finish` with the record's own answer. A last
turn in prose is the answer. Earlier turns without code did nothing; they are left out, counted in ``metadata``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tracer1_agents.data.readers.base import (
    AFTER_GAP,
    CONTINUED,
    UNCODED,
    ReaderOptions,
    RecordError,
    build,
    complete,
    required,
    typed,
)
from tracer1_agents.data.readers.images import ImageFinder
from tracer1_agents.data.readers.streams import each_record
from tracer1_agents.data.readers.tool_code import Block, final_answer, parse_block, printed_instead, tool_call
from tracer1_agents.data.records import source_files
from tracer1_agents.types import FAILED, Observation, ReferenceStep, ReferenceTrajectory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tracer1_agents.actions.space import Action
    from tracer1_agents.data.records import Record
    from tracer1_agents.errors import DataError
    from tracer1_agents.types import ImageRef

_FENCE: Final = re.compile(r"```(?:py|python)?[ \t]*\n(.*?)(?:\n?```|\Z)", re.DOTALL)
_THOUGHT: Final = re.compile(r"\A\s*Thought:\s*(.*?)\s*(?:\n\s*Code:|\Z)", re.DOTALL)
_OUTPUT: Final = re.compile(r"\A\s*\[OUTPUT OF STEP \d+\]\s*(Observation:|(?=Error))\s*", re.IGNORECASE)
_PICTURE: Final = re.compile(r"\A(?:\s*Picture \d+:\s*<img>.*?</img>)+\s*")


@dataclass(frozen=True)
class _Turn:
    thought: str
    text: str
    block: Block | None
    output: str


@dataclass(frozen=True)
class MmTrajReader:
    """See the module."""

    name: ClassVar[str] = "mm_traj"
    options: ReaderOptions = field(default_factory=ReaderOptions)

    def read(self, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        """See `Reader`."""
        for file in source_files(path, (".json", ".jsonl"), ("conversations",)):
            finder = ImageFinder(file, self.options.images)
            yield from each_record(file, partial(self._trajectory, finder), finder)

    def _trajectory(self, finder: ImageFinder, found: Record) -> ReferenceTrajectory:
        line, record = found
        task, turns = _conversation(required(record, "conversations", list))
        names = _image_names(record.get("image"))
        images = [finder.find(name, line) for name in names]
        answer = _text(record.get("answer"))
        steps, left_out = _steps(turns, answer, images[0] if images else None)
        trajectory = ReferenceTrajectory(
            id=str(record.get("id", f"line-{line}")),
            source=self.name,
            instruction=task,
            steps=tuple(steps),
            metadata={"images": names, "answer": answer, **({"turns_without_code": left_out} if left_out else {})},
        )
        successful = str(record.get("correct", "yes")).strip().lower() in {"yes", "true"}
        return complete(trajectory, self.options, successful=successful, answer=answer)


def _text(answer: Any) -> str | None:
    return None if answer is None else str(answer)


def _image_names(image: Any) -> list[str]:
    """Paths in the order of their placeholders, from either form of the field."""
    if not image:
        return []
    if isinstance(image, str):
        return [image]
    table = typed(image, dict, '"image"')
    return [typed(table[key], str, "an image path") for key in sorted(table)]


def _conversation(messages: list[Any]) -> tuple[str, list[_Turn]]:
    """The task, and the assistant's turns with what came back."""
    said = []
    for message in messages:
        entry = typed(message, dict, "a message")
        who = required(entry, "from", str)
        if who not in {"system", "user", "assistant"}:
            msg = f'a message must be from system, user or assistant, got "{who:.40}"'
            raise RecordError(msg)
        said.append((who, required(entry, "value", str)))
    spoken = [(who, value) for who, value in said if who != "system"]
    if not spoken or spoken[0][0] != "user":
        msg = "the conversation must begin with the user's task"
        raise RecordError(msg)
    task = _PICTURE.sub("", spoken[0][1]).strip().removeprefix("Task:").strip()
    turns = []
    for position, (who, value) in enumerate(spoken):
        if who == "assistant":
            after = spoken[position + 1] if position + 1 < len(spoken) else ("", "")
            turns.append(_turn(value, after[1] if after[0] == "user" else ""))
    return task, turns


def _turn(text: str, output: str) -> _Turn:
    fence = _FENCE.search(text)
    thought = _THOUGHT.match(text[: fence.start()] if fence else text)
    block = parse_block(fence.group(1)) if fence else None
    return _Turn(thought.group(1) if thought else "", text.strip(), block, _OUTPUT.sub("", output, count=1).strip())


def _steps(turns: list[_Turn], answer: str | None, image: ImageRef | None) -> tuple[list[ReferenceStep], int]:
    """One step a turn (two for one that computes and ends), and how many turns were left out."""
    steps: list[ReferenceStep] = []
    left_out = 0
    seen = ""
    gap = False
    for position, turn in enumerate(turns):
        happened = frozenset({FAILED} if turn.output.startswith("Error") else ()) | ({AFTER_GAP} if gap else set())
        last = position + 1 == len(turns) and not turn.output
        actions = _actions(turn, _used_in(turns[position + 1 :]), answer, last=last)
        left_out += not actions
        for number, (action, flags) in enumerate(actions):
            ends_computing = len(actions) > 1 and number == 0
            steps.append(
                ReferenceStep(
                    observation=Observation(text=seen, image=None if steps else image),
                    action=action,
                    instruction=turn.thought if number == 0 else "",
                    result=(answer or "") if ends_computing else turn.output,
                    flags=flags if number else flags | happened,
                )
            )
            seen = (answer or "") if ends_computing else seen
        gap = not actions
        seen = turn.output
    return steps, left_out


def _used_in(turns: list[_Turn]) -> frozenset[str]:
    return frozenset().union(*(turn.block.names_used for turn in turns if turn.block))


def _actions(
    turn: _Turn, used_later: frozenset[str], answer: str | None, *, last: bool
) -> list[tuple[Action, frozenset[str]]]:
    """What a turn did: nothing, one action, or code and then the end."""
    none: frozenset[str] = frozenset()
    if turn.block is None:
        given = build("finish", answer=answer if answer is not None else turn.text)
        return [(given, frozenset({UNCODED}))] if last else []
    if last and (end := final_answer(turn.block)):
        return [(end, none)]
    if last and turn.block.hands_over:
        code = build("code", source=printed_instead(turn.block))
        return [(code, none), (build("finish", answer=answer), frozenset({CONTINUED}))]
    call = tool_call(turn.block, used_later)
    return [(call or build("code", source=turn.block.source), none)]
