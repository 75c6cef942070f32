"""What every grammar shares: the outcome of parsing one pair, and a parsed reply.

A grammar (folder `grammars/`) turns reply text into `ParsedReply` and actions into text. Parsing never raises on model
text and never evaluates it: whatever goes wrong is a `ParseOutcome`, and each consumer states its own policy (the
forecast ends at a broken pair, the planner node re-asks when the first one is broken, the reward punishes that).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError

from tracer1_agents.actions.space import KINDS, ToolCall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.actions.space import Action


class ParseOutcome(StrEnum):
    """What became of one (action, step instruction) pair."""

    OK = "ok"
    EMPTY = "empty"  # nothing there to parse
    SYNTAX = "syntax"  # not in the grammar
    UNKNOWN_ACTION = "unknown_action"  # in the grammar, but no such action
    BAD_ARGUMENT = "bad_argument"  # wrong argument name, type or value
    OUT_OF_RANGE = "out_of_range"  # a point outside the image
    UNSEEN_RESULT = "unseen_result"  # the pair to run now waits for a result nobody has seen
    TRUNCATED = "truncated"  # the text stops inside the pair


@dataclass(frozen=True)
class ParsedPair:
    """One pair as read.

    Attributes:
        outcome: `ParseOutcome.OK` exactly when `action` is there.
        action: The typed action, or None.
        instruction: The step instruction that came with it, "" where the grammar has none.
        text: The stretch of the reply it was read from.
        problem: For a broken pair, what is wrong and what would be right, in words a model can act on.
    """

    outcome: ParseOutcome
    action: Action | None = None
    instruction: str = ""
    text: str = ""
    problem: str = ""


@dataclass(frozen=True)
class ParsedReply:
    """A reply as read: pairs in order, broken ones included.

    Attributes:
        pairs: What was read, in order.
        summary: The model's own line about what it sees, None where it gave none.
        thought: Reasoning that came before the answer; never parsed as an action.
    """

    pairs: tuple[ParsedPair, ...] = ()
    summary: str | None = None
    thought: str = ""


@dataclass(frozen=True)
class Broken(Exception):  # noqa: N818  (control flow inside a grammar, never leaves it)
    """Raised inside a grammar to leave a half-read pair; every grammar turns it into a `ParsedPair`."""

    outcome: ParseOutcome
    problem: str


class Grammar(Protocol):
    """Text of one dialect <-> actions."""

    name: str

    def parse(self, text: str) -> ParsedReply:
        """Read a whole reply. Never raises on any text."""
        ...

    def render_action(self, action: Action) -> str:
        """Write one action so that `parse` reads it back."""
        ...

    def render(self, pairs: Sequence[tuple[Action, str]], summary: str | None = None) -> str:
        """Write a whole reply so that `parse` reads it back."""
        ...


@dataclass(frozen=True)
class RawCall:
    """A name with arguments before it becomes an action."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


def build_action(kind: str, arguments: dict[str, Any]) -> Action:
    """Validated action of one kind.

    Args:
        kind: A kind of the union, "tool" included (then arguments are ``name`` and ``arguments``).
        arguments: Fields of that kind.

    Raises:
        Broken: BAD_ARGUMENT (or OUT_OF_RANGE for a point outside [0, 1]) with the fields that would be right.
    """
    cls = KINDS[kind]
    try:
        return cls.model_validate({**arguments})  # type: ignore[return-value]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or kind
        is_point = any(part in {"point", "start", "end"} for part in first["loc"])
        outside = first["type"] in {"less_than_equal", "greater_than_equal"} and is_point
        expected = ", ".join(name for name in cls.model_fields if name != "kind") or "no arguments"
        outcome = ParseOutcome.OUT_OF_RANGE if outside else ParseOutcome.BAD_ARGUMENT
        got = repr(first.get("input"))[:80]
        raise Broken(outcome, f"{kind}: {place}: {first['msg']}, got {got}; it takes {expected}") from None


def build_tool_call(name: str, arguments: dict[str, Any]) -> ToolCall:
    """A tool call; `Broken` when the name cannot be one."""
    try:
        return ToolCall(name=name, arguments=arguments)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        problem = f"{name[:40]!r} cannot be called: {first['msg']}"
        raise Broken(ParseOutcome.BAD_ARGUMENT, problem) from None


def broken_pair(broken: Broken, text: str, instruction: str = "") -> ParsedPair:
    """The `ParsedPair` for a pair that did not parse."""
    return ParsedPair(broken.outcome, None, instruction, text, broken.problem)
