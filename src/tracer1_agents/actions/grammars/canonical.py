"""The canonical reply: one pair a line.

    # "columns: item, qty"                                     optional: what the model sees now
    table_aggregate(column="qty", operation="sum") # "Add up qty"     the pair that is executed
    finish(answer=Result(step=2)) # "Report the total"                forecast only

`name(key=<JSON value>, ...) # <JSON string>`. A value may also be `Result(step=k)`, a result nobody has seen yet.
Names of the GUI union are GUI actions, `code` and `finish` are themselves, every other name is a tool call. Reading is
a little more generous than writing: code fences, list numbers, `True/False/None`, single quotes, a bare instruction and
the usual spellings of `finish` are understood; nothing is ever evaluated.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.codec import (
    Broken,
    ParsedPair,
    ParsedReply,
    ParseOutcome,
    RawCall,
    broken_pair,
    build_action,
    build_tool_call,
)
from tracer1_agents.actions.grammars.scanner import Scanner
from tracer1_agents.actions.space import GUI_KINDS, RESERVED_NAMES, Result, ToolCall, dump_action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.actions.space import Action

_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_PREFIX: Final = re.compile(r"^(?:\d{1,3}[.)]\s+|[-*]\s+|Action:\s*)")
FINISH_NAMES: Final = frozenset({"finish", "final_answer", "answer", "finished", "terminate"})


def _read_call(scanner: Scanner) -> RawCall:
    name = scanner.name("an action name")
    scanner.need("(", name)
    arguments: dict[str, Any] = {}
    while not scanner.take(")"):
        if arguments:
            scanner.need(",", "an argument")
            if scanner.take(")"):
                break
        key = str(scanner.value()) if scanner.peek('"') else scanner.name(f"an argument name of {name}")
        scanner.need("=", key)
        if key in arguments:
            raise Broken(ParseOutcome.BAD_ARGUMENT, f"{name}: {key} is given twice")
        arguments[key] = scanner.value()
    return RawCall(name, arguments)


def _read_instruction(scanner: Scanner) -> str:
    scanner.skip()
    if scanner.end():
        return ""
    scanner.need("#", "the action")
    scanner.skip()
    rest = scanner.text[scanner.at :].strip()
    if not rest.startswith('"'):
        return rest
    value = scanner.value()
    scanner.skip()
    if not scanner.end():
        raise Broken(ParseOutcome.SYNTAX, "only one action and one instruction fit a line")
    return str(value)


def as_text(value: Any) -> Any:
    """Where a string stands, a bare `Result(step=k)` becomes its written-out form, at any depth."""
    if isinstance(value, Result):
        return f"Result(step={value.step})"
    if isinstance(value, list):
        return [as_text(item) for item in value]
    return {key: as_text(item) for key, item in value.items()} if isinstance(value, dict) else value


def call_to_action(call: RawCall) -> Action:
    """A name with arguments as a typed action, by the rules in this module's docstring.

    Raises:
        Broken: The arguments do not fit.
    """
    if call.name in FINISH_NAMES:
        return finish_action(call.arguments)
    if call.name in GUI_KINDS or call.name == "code":
        return build_action(call.name, {key: as_text(value) for key, value in call.arguments.items()})
    if call.name == "tool":
        return named_tool(call.arguments)
    return build_tool_call(call.name, call.arguments)


def named_tool(arguments: dict[str, Any]) -> Action:
    """A tool call whose kind is written out, ``tool(name="f", arguments={...})``.

    Raises:
        Broken: The arguments are others, or the name is that of an action.
    """
    action = build_action("tool", arguments)
    if isinstance(action, ToolCall) and action.name in RESERVED_NAMES:
        raise Broken(ParseOutcome.BAD_ARGUMENT, f"tool: {action.name} is an action, not a tool; call it by itself")
    return action


def finish_action(arguments: dict[str, Any]) -> Action:
    """`Finish` from any of its spellings.

    Args:
        arguments: ``answer`` (or ``content``, ``text``) and ``status``; "failure", "fail" and "infeasible" mean the
            task cannot be done, anything else that it was.

    Raises:
        Broken: Another argument was given.
    """
    rest = {key: as_text(value) for key, value in arguments.items()}
    answers = [rest.pop(key) for key in ("answer", "content", "text") if key in rest]
    status = str(rest.pop("status", "success")).lower()
    if rest or len(answers) > 1:
        extra = ", ".join(rest) or "several answers"
        raise Broken(ParseOutcome.BAD_ARGUMENT, f"finish takes answer and status, got {extra}")
    answer = answers[0] if answers else None
    if isinstance(answer, bool | int | float | list | dict):
        answer = answer if isinstance(answer, str) else _plain(answer)
    infeasible = status in {"failure", "fail", "failed", "infeasible"}
    return build_action("finish", {"answer": answer, "status": "infeasible" if infeasible else "success"})


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class CanonicalGrammar:
    """Reader and writer of the canonical reply (ours)."""

    name = "canonical"

    def parse(self, text: str) -> ParsedReply:
        """Read a whole reply; see the module docstring for the grammar."""
        pairs: list[ParsedPair] = []
        summary: str | None = None
        for line in text.splitlines():
            stripped = line.strip()
            if not stripped or stripped.startswith("```"):
                continue
            if stripped.startswith("#"):
                if summary is None and not pairs:
                    summary = self._summary(stripped)
                continue
            pairs.append(self.parse_pair(_PREFIX.sub("", stripped, count=1)))
        if not pairs:
            problem = 'no action in the reply; write name(key=value, ...) # "what for", one a line'
            pairs.append(ParsedPair(ParseOutcome.EMPTY, text=text, problem=problem))
        return ParsedReply(tuple(pairs), summary)

    @staticmethod
    def _summary(line: str) -> str:
        rest = line.lstrip("#").strip()
        try:
            value = Scanner(rest).value()
        except Broken:
            return rest
        return value if isinstance(value, str) else rest

    @staticmethod
    def parse_pair(line: str) -> ParsedPair:
        """Read one line."""
        scanner = Scanner(line)
        try:
            call = _read_call(scanner)
            instruction = _read_instruction(scanner)
            return ParsedPair(ParseOutcome.OK, call_to_action(call), instruction, line)
        except Broken as broken:
            return broken_pair(broken, line)

    @staticmethod
    def render_action(action: Action) -> str:
        """``name(key=<JSON>, ...)``, defaults left out."""
        if isinstance(action, ToolCall):
            name, fields = action.name, dict(action.arguments)
        else:
            dumped = dump_action(action)
            name = str(dumped.pop("kind"))
            fields = dumped
        inside = ", ".join(f"{render_key(key)}={render_value(value)}" for key, value in fields.items())
        return f"{name}({inside})"

    def render(self, pairs: Sequence[tuple[Action, str]], summary: str | None = None) -> str:
        """One line a pair, after the summary line where one is given."""
        lines = [] if summary is None else [f"# {json_line(summary)}"]
        lines += [f"{self.render_action(action)} # {json_line(instruction)}" for action, instruction in pairs]
        return "\n".join(lines)


def json_line(value: Any) -> str:
    """JSON of `value` without any character at which a line could break."""
    # splitlines() breaks at these although JSON lets them stand in a string
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"[\x1c-\x1e\x85\u2028\u2029\x7f]", lambda match: f"\\u{ord(match.group()):04x}", text)


def render_key(key: str) -> str:
    """An argument name, quoted unless it is an identifier."""
    return key if _KEY.fullmatch(key) else json_line(key)


def render_value(value: Any) -> str:
    """An argument value as `Scanner.value` reads it: JSON on one line, results as `Result(step=k)`."""
    if isinstance(value, Result):
        return f"Result(step={value.step})"
    if isinstance(value, list):
        return "[" + ", ".join(render_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json_line(key)}: {render_value(item)}" for key, item in value.items()) + "}"
    return json_line(value)
