"""AgentTrek (xlang-ai/AgentTrek, data xlangai/AgentTrek): web trajectories replayed from tutorials, as conversations.

A record is one step: ``messages[{role, content}]``, where the user's prompt has the sections "## Goal:",
"# Observation of current step:" (tabs and accessibility tree) and "# History of interaction with the task:", and the
reply has ``<think>`` (at times) and ``<action>`` with a BrowserGym call (`browsergym_code`). In one JSON array, JSON
lines, or Parquet.

Documented publicly are the data's purpose and size, and in the project's code a prompt of that form; that records are
single steps under ``messages`` is known from other projects that read them. Assumed: their order. This reader was
tested on files generated in that form, never on the data itself.

Records do not say which replay they belong to: a step continues the trajectory of the same goal whose actions are its
history. One that continues none begins a trajectory of its own, flagged "after_gap". The step instruction is the
comment ``<!-- ... -->`` behind an action, else the thought. Elements are named by ids, so that pointing actions have no
point and are flagged "no_target"; ``metadata["calls"]`` keeps the source's own call for each step.

A message to the user ends the task where it is the last action; before that it hands over to the user. A replay that
stops without either is one whose last steps are not there: no end is appended.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tracer1_agents.actions.space import POINTING_KINDS, CallUser, Finish
from tracer1_agents.data.readers.base import (
    AFTER_GAP,
    CONTINUED,
    UNREADABLE,
    ReaderOptions,
    RecordError,
    complete,
    problem_of,
    required,
    typed,
)
from tracer1_agents.data.readers.browsergym_code import actions_of, parse_calls
from tracer1_agents.data.readers.streams import grouped
from tracer1_agents.data.records import source_files
from tracer1_agents.errors import DataError
from tracer1_agents.types import NO_TARGET, Observation, ReferenceStep, ReferenceTrajectory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tracer1_agents.actions.coordinates import Size
    from tracer1_agents.actions.space import Action
    from tracer1_agents.data.records import Record

_GOAL: Final = re.compile(r"^## Goal:\s*\n(.*?)(?=^# |\Z)", re.MULTILINE | re.DOTALL)
_SEEN: Final = re.compile(r"^# Observation[^\n]*\n(.*?)(?=^# |\Z)", re.MULTILINE | re.DOTALL)
_HISTORY: Final = re.compile(r"^# History of interaction[^\n]*\n(.*?)(?=^# |\Z)", re.MULTILINE | re.DOTALL)
_ACTION: Final = re.compile(r"<action>\s*(.*?)\s*</action>", re.DOTALL)
_HEADED_ACTION: Final = re.compile(r"^### Action:\s*\n(.+)", re.MULTILINE)  # in other versions of the prompt
_THOUGHT: Final = re.compile(r"<think>\s*(.*?)\s*</think>", re.DOTALL)
_COMMENT: Final = re.compile(r"\s*<!--\s*((?:(?!-->).)*?)\s*-->\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class _Turn:
    """One record: the line it is on, what was done before, what is seen, and what is done."""

    line: int
    history: tuple[str, ...]
    seen: str
    action: str
    thought: str


@dataclass(frozen=True)
class AgentTrekReader:
    """See the module. An action that cannot be read takes its whole trajectory with it."""

    name: ClassVar[str] = "agenttrek"
    options: ReaderOptions = field(default_factory=ReaderOptions)

    def read(self, path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        """See `Reader`."""
        for file in source_files(path, (".json", ".jsonl", ".parquet"), ("messages",)):
            for group in grouped(file, _goal, 'a prompt with the section "## Goal:"', ("messages",)):
                if isinstance(group, DataError):
                    yield group
                else:
                    yield from self._replays(group, file)

    def _replays(self, group: list[Record], path: Path) -> Iterator[ReferenceTrajectory | DataError]:
        turns = []
        for record in group:
            try:
                turns.append(_turn(record))
            except UNREADABLE as error:
                yield DataError(problem_of(error), path=path, line=record.line)
        goal = _goal(group[0].value) or ""
        for chain in _chains(turns):
            try:
                yield self._trajectory(chain, path, goal, ended=not _goes_on(chain, turns))
            except DataError as error:
                yield error

    def _trajectory(self, chain: list[_Turn], path: Path, goal: str, *, ended: bool) -> ReferenceTrajectory:
        """Raises `DataError` with the line that is at fault."""
        steps: list[ReferenceStep] = []
        calls: list[str] = []
        turn = chain[0]
        try:
            for turn in chain:
                found = _steps(turn, self.options.screen, last=ended and turn is chain[-1])
                steps += found
                calls += [turn.action] * len(found)
            if chain[0].history:
                steps[0] = steps[0].model_copy(update={"flags": steps[0].flags | {AFTER_GAP}})
            trajectory = ReferenceTrajectory(
                id=f"line-{chain[0].line}",
                source=self.name,
                instruction=goal,
                steps=tuple(steps),
                metadata={"calls": calls},
            )
            return complete(trajectory, self.options, successful=False)
        except UNREADABLE as error:
            raise DataError(problem_of(error), path=path, line=turn.line) from None


def _texts(record: dict[str, Any]) -> dict[str, str]:
    """The last thing that each role said."""
    said: dict[str, str] = {}
    for item in typed(required(record, "messages", list), list, '"messages"'):
        message = typed(item, dict, "a message")
        content = required(message, "content", (str, list))
        if isinstance(content, list):  # parts, as chat interfaces send them
            content = "\n".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
        said[required(message, "role", str)] = content
    return said


def _goal(record: dict[str, Any]) -> str | None:
    try:
        found = _GOAL.search(_texts(record).get("user", ""))
    except RecordError:  # said of the record when it is read
        return None
    return found.group(1).strip() or None if found else None


def _turn(record: Record) -> _Turn:
    said = _texts(record.value)
    prompt, reply = said.get("user", ""), said.get("assistant", "")
    past, seen = _HISTORY.search(prompt), _SEEN.search(prompt)
    before = past.group(1) if past else ""
    actions = _ACTION.findall(reply)
    if not actions:
        msg = "the reply has no <action>...</action>"
        raise RecordError(msg)
    thought = _THOUGHT.search(reply)
    return _Turn(
        line=record.line,
        history=tuple(map(_one_line, _ACTION.findall(before) or _HEADED_ACTION.findall(before))),
        seen=seen.group(1).strip() if seen else "",
        action=actions[-1],
        thought=thought.group(1) if thought else "",
    )


def _one_line(action: str) -> str:
    return " ".join(action.split())


def _done(chain: list[_Turn]) -> tuple[str, ...]:
    return (*chain[0].history, *(_one_line(turn.action) for turn in chain))


def _chains(turns: list[_Turn]) -> list[list[_Turn]]:
    """Steps of one goal as replays: each continues one whose actions are its history."""
    chains: list[list[_Turn]] = []
    for turn in sorted(turns, key=lambda turn: (len(turn.history), turn.line)):
        chain = next((chain for chain in chains if turn.history and _done(chain) == turn.history), None)
        if chain is None:
            chains.append([turn])
        else:
            chain.append(turn)
    return sorted(chains, key=lambda chain: chain[0].line)


def _goes_on(chain: list[_Turn], turns: list[_Turn]) -> bool:
    """Whether a later step is there, or one between them is missing."""
    done = _done(chain)
    return any(len(turn.history) > len(done) and turn.history[: len(done)] == done for turn in turns)


def _steps(turn: _Turn, screen: Size | None, *, last: bool) -> list[ReferenceStep]:
    comment = _COMMENT.search(turn.action)
    code = turn.action[: comment.start()] if comment else turn.action
    actions = [action for call in parse_calls(code) for action in actions_of(call, screen)]
    if not actions:
        msg = f"the action does nothing: {turn.action!r:.80}"
        raise RecordError(msg)
    return [
        ReferenceStep(
            observation=Observation(text=turn.seen),
            action=CallUser() if isinstance(action, Finish) and not (last and action is actions[-1]) else action,
            instruction=comment.group(1) if comment else turn.thought,
            flags=_flags(action, continued=number > 0),
        )
        for number, action in enumerate(actions)
    ]


def _flags(action: Action, *, continued: bool) -> frozenset[str]:
    placed = getattr(action, "point", None) or getattr(action, "start", None)
    untargeted = action.kind in POINTING_KINDS and action.kind != "scroll" and placed is None
    return frozenset({NO_TARGET} if untargeted else ()) | frozenset({CONTINUED} if continued else ())
