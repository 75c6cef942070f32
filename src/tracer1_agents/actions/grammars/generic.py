"""The JSON dialect for hosted chat models, with or without structured output.

    {"observation": "form", "plan": [{"action": "click", "arguments": {"point": [500, 300]}, "instruction": "Send it"}]}

`GenericReply` is its schema, for `with_structured_output`; its JSON text is what `parse` reads. Reading also takes code
fences, text around the JSON, trailing commas, a bare list, a single call and the spellings of `json_calls`. A reply
that stops in mid-plan keeps the calls before the break. `{"$result": 3}` or "Result(step=3)" stand for unseen results.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, Field

from tracer1_agents.actions.codec import Broken, ParsedPair, ParsedReply, ParseOutcome, RawCall, broken_pair
from tracer1_agents.actions.coordinates import Screen
from tracer1_agents.actions.grammars.json_calls import (
    NAME_KEYS,
    read_instruction,
    read_json_call,
    with_placeholders,
)
from tracer1_agents.actions.grammars.scanner import ANY_BLANKS, Scanner
from tracer1_agents.actions.grammars.spelling import is_spelling, spelled_action
from tracer1_agents.actions.space import Point, ToolCall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.actions.space import Action

_PLAN_KEYS: Final = frozenset({"plan", "actions", "steps", "forecast", "tool_calls"})
_SUMMARY_KEYS: Final = ("observation", "summary")
_THOUGHT_KEYS: Final = ("thought", "reasoning")
_BESIDE_A_SINGLE_CALL: Final = ("observation", "reasoning")
_OPEN: Final = re.compile(r"[{\[]")
_ATTEMPTS: Final = 100  # brackets in the text around the JSON that may turn out to be something else
_FORM: Final = '{"plan": [{"action": ..., "arguments": {...}, "instruction": ...}]}'


class GenericStep(BaseModel):
    """One predicted step."""

    action: str = Field(description="Name of an action or tool.")
    arguments: dict[str, Any] = Field(default_factory=dict, description="Its arguments by name.")
    instruction: str = Field(default="", description="What this step is for, in one sentence.")


class GenericReply(BaseModel):
    """A whole reply; its first step is executed, the others are the forecast."""

    observation: str | None = Field(default=None, description="What is seen now, in one line.")
    plan: list[GenericStep] = Field(description="The next steps in order, the first one to be taken now.")


@dataclass
class _Found:
    """What has been read of a candidate so far, so that a break loses nothing that came before it."""

    fields: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[Any, str]] | None = None
    broken: Broken | None = None
    at: int = 0

    def is_reply(self) -> bool:
        """Whether it looks like a reply rather than like some other JSON in the text."""
        if self.calls is not None and self.fields:
            return True
        if self.calls:
            first = self.calls[0][0]
            return isinstance(first, dict) and any(key in first for key in NAME_KEYS)
        return self.calls is None and any(key in self.fields for key in NAME_KEYS)


class GenericGrammar:
    """Reader and writer of the JSON dialect.

    Args:
        screen: Frame and size that its points are written in; thousandths by default.
    """

    name = "generic"

    def __init__(self, screen: Screen | None = None) -> None:
        self.screen = screen or Screen()

    def parse(self, text: str) -> ParsedReply:
        """Read a whole reply; see the module docstring."""
        found = _find(text)
        if found is None:
            problem = f"no JSON in the reply; write {_FORM}"
            return ParsedReply((ParsedPair(ParseOutcome.EMPTY, text=text, problem=problem),))
        calls = found.calls
        if calls is None:
            call = {key: value for key, value in found.fields.items() if key not in _BESIDE_A_SINGLE_CALL}
            calls = [] if found.broken else [(call, text[found.at :])]
        pairs = [self._pair(item, stretch) for item, stretch in calls]
        if found.broken is not None:
            pairs.append(broken_pair(found.broken, text[found.at :]))
        elif not pairs:
            pairs.append(ParsedPair(ParseOutcome.EMPTY, text=text, problem=f"the plan is empty; write {_FORM}"))
        is_single = found.calls is None
        thought = "" if is_single else _first_text(found.fields, _THOUGHT_KEYS) or ""
        return ParsedReply(tuple(pairs), _first_text(found.fields, _SUMMARY_KEYS), thought)

    def _pair(self, item: Any, stretch: str) -> ParsedPair:
        instruction = read_instruction(item)
        try:
            call = read_json_call(item)
            arguments = call.arguments if is_spelling(call.name) else with_placeholders(call.arguments)
            action = spelled_action(RawCall(call.name, arguments), self.screen)
        except Broken as broken:
            return broken_pair(broken, stretch, instruction)
        return ParsedPair(ParseOutcome.OK, action, instruction, stretch)

    def render_action(self, action: Action) -> str:
        """One step without its instruction."""
        return json.dumps(self._step(action), ensure_ascii=False)

    def render(self, pairs: Sequence[tuple[Action, str]], summary: str | None = None) -> str:
        """The JSON text of a `GenericReply`."""
        plan = [{**self._step(action), "instruction": instruction} for action, instruction in pairs]
        reply = {"plan": plan} if summary is None else {"observation": summary, "plan": plan}
        return json.dumps(reply, ensure_ascii=False)

    def _step(self, action: Action) -> dict[str, Any]:
        if isinstance(action, ToolCall):
            return {"action": action.name, "arguments": action.model_dump(mode="json")["arguments"]}
        fields = {name: (getattr(action, name), info.default) for name, info in type(action).model_fields.items()}
        arguments = {
            name: list(self.screen.locate(value)) if isinstance(value, Point) else value
            for name, (value, default) in fields.items()
            if name != "kind" and value != default
        }
        return {"action": action.kind, "arguments": arguments}


def _first_text(fields: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((fields[key] for key in keys if isinstance(fields.get(key), str)), None)


def _find(text: str) -> _Found | None:
    """The first JSON that looks like a reply, else the first that is broken, else any; None without a bracket."""
    rejected: list[_Found] = []
    scanner = Scanner(text, blanks=ANY_BLANKS)
    while len(rejected) < _ATTEMPTS and (opening := _OPEN.search(text, scanner.at)):
        found = _Found(at=opening.start())
        scanner.at = opening.start()
        try:
            _read(scanner, found)
        except Broken as broken:
            found.broken = broken
            scanner.at = max(scanner.at, opening.end())
        if found.is_reply():
            return found
        rejected.append(found)
    return next((found for found in rejected if found.broken), rejected[0] if rejected else None)


def _read(scanner: Scanner, found: _Found) -> None:
    """An object or list at the cursor, into `found` as it goes."""
    if scanner.peek("["):
        _read_calls(scanner, found)
        return
    scanner.need("{", "the reply")
    while not scanner.take("}"):
        if found.fields or found.calls is not None:
            scanner.need(",", "an entry")
            if scanner.take("}"):
                break
        key = str(scanner.value())
        scanner.need(":", "a key")
        if key in _PLAN_KEYS and found.calls is None and scanner.peek("["):
            found.fields[key] = None
            _read_calls(scanner, found)
        else:
            found.fields[key] = scanner.value()


def _read_calls(scanner: Scanner, found: _Found) -> None:
    """A list of calls; `found.at` stands where the last one begins."""
    scanner.need("[", "the plan")
    found.calls = []
    while not scanner.take("]"):
        if found.calls:
            scanner.need(",", "a step")
            if scanner.take("]"):
                break
        scanner.skip()
        found.at = scanner.at
        value = scanner.value()
        found.calls.append((value, scanner.text[found.at : scanner.at]))
