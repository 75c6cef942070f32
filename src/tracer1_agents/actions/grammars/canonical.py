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
from tracer1_agents.actions.space import GUI_KINDS, Code, Finish, Result, ToolCall, dump_action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.actions.space import Action

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_RESULT: Final = re.compile(r"Result\(\s*(?:step\s*=\s*)?(\d{1,6})\s*\)")
_PREFIX: Final = re.compile(r"^(?:\d{1,3}[.)]\s+|[-*]\s+|Action:\s*)")
_SPACE: Final = re.compile(r"[ \t]*")
_WORDS: Final[dict[str, Any]] = {"True": True, "False": False, "None": None}
_FINISH_NAMES: Final = frozenset({"finish", "final_answer", "answer", "finished", "terminate"})
_DECODER: Final = json.JSONDecoder()


class _Scanner:
    """Reads one line from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def skip(self) -> None:
        """Pass over blanks."""
        match = _SPACE.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def end(self) -> bool:
        """Whether nothing is left."""
        return self.at >= len(self.text)

    def take(self, literal: str) -> bool:
        """Pass over `literal` if it stands here."""
        self.skip()
        if self.text.startswith(literal, self.at):
            self.at += len(literal)
            return True
        return False

    def need(self, literal: str, after: str) -> None:
        """Pass over `literal` or leave the pair."""
        if self.take(literal):
            return
        if self.end():
            raise Broken(ParseOutcome.TRUNCATED, f"the line ends after {after}, {literal!r} is missing")
        got = self.text[self.at : self.at + 20]
        raise Broken(ParseOutcome.SYNTAX, f"expected {literal!r} after {after}, got {got!r}")

    def name(self, what: str) -> str:
        """An identifier."""
        self.skip()
        match = _NAME.match(self.text, self.at)
        if match is None:
            outcome = ParseOutcome.TRUNCATED if self.end() else ParseOutcome.SYNTAX
            got = self.text[self.at : self.at + 20]
            raise Broken(outcome, f"expected {what}, got {got!r}; write name(key=value, ...) # \"what for\"")
        self.at = match.end()
        return match.group()

    def value(self) -> Any:
        """A JSON value, `Result(step=k)`, a single-quoted string or True/False/None."""
        self.skip()
        if self.end():
            raise Broken(ParseOutcome.TRUNCATED, "the line ends where a value should stand")
        if match := _RESULT.match(self.text, self.at):
            self.at = match.end()
            return Result(int(match.group(1)))
        head = self.text[self.at]
        if head == "[":
            return self._list()
        if head == "{":
            return self._object()
        if head == "'":
            return self._single_quoted()
        for word, meaning in _WORDS.items():
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return meaning
        return self._json()

    def _json(self) -> Any:
        try:
            value, self.at = _DECODER.raw_decode(self.text, self.at)
        except (json.JSONDecodeError, RecursionError):
            rest = self.text[self.at :]
            unfinished = rest.startswith('"') and not re.search(r'(?<!\\)(?:\\\\)*"', rest[1:])
            outcome = ParseOutcome.TRUNCATED if unfinished else ParseOutcome.SYNTAX
            raise Broken(outcome, f"{rest[:30]!r} is not a JSON value; strings need double quotes") from None
        if isinstance(value, float) and value - value != 0:
            raise Broken(ParseOutcome.BAD_ARGUMENT, f"{value} is not a number JSON knows")
        return value

    def _list(self) -> list[Any]:
        self.at += 1
        items: list[Any] = []
        if self.take("]"):
            return items
        while True:
            items.append(self.value())
            if self.take("]"):
                return items
            self.need(",", "a list item")

    def _object(self) -> dict[str, Any]:
        self.at += 1
        items: dict[str, Any] = {}
        if self.take("}"):
            return items
        while True:
            key = self.value()
            self.need(":", "a key")
            items[str(key)] = self.value()
            if self.take("}"):
                return items
            self.need(",", "an object entry")

    def _single_quoted(self) -> str:
        match = re.compile(r"'((?:[^'\\]|\\.)*)'").match(self.text, self.at)
        if match is None:
            raise Broken(ParseOutcome.TRUNCATED, "a single-quoted string is not closed")
        self.at = match.end()
        inner = match.group(1).replace("\\'", "'")
        inner = re.sub(r'(?<!\\)((?:\\\\)*)"', r'\1\\"', inner)
        try:
            return str(json.loads(f'"{inner}"'))
        except json.JSONDecodeError:
            raise Broken(ParseOutcome.SYNTAX, f"'{inner[:30]}' has an escape JSON does not know") from None


def _read_call(scanner: _Scanner) -> RawCall:
    name = scanner.name("an action name")
    scanner.need("(", name)
    arguments: dict[str, Any] = {}
    if scanner.take(")"):
        return RawCall(name, arguments)
    while True:
        key = scanner.name(f"an argument name of {name}")
        scanner.need("=", key)
        if key in arguments:
            raise Broken(ParseOutcome.BAD_ARGUMENT, f"{name}: {key} is given twice")
        arguments[key] = scanner.value()
        if scanner.take(")"):
            return RawCall(name, arguments)
        scanner.need(",", f"{key}=...")


def _read_instruction(scanner: _Scanner) -> str:
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


def _as_text(value: Any) -> Any:
    """A bare `Result(step=k)` where a string field stands becomes its written-out form."""
    return f"Result(step={value.step})" if isinstance(value, Result) else value


def call_to_action(call: RawCall) -> Action:
    """A name with arguments as a typed action, by the rules in this module's docstring.

    Raises:
        Broken: The arguments do not fit.
    """
    if call.name in _FINISH_NAMES:
        return finish_action(call.arguments)
    if call.name in GUI_KINDS or call.name == "code":
        return build_action(call.name, {key: _as_text(value) for key, value in call.arguments.items()})
    return build_tool_call(call.name, call.arguments)


def finish_action(arguments: dict[str, Any]) -> Action:
    """`Finish` from any of its spellings.

    Args:
        arguments: ``answer`` (or ``content``, ``text``) and ``status``; "failure", "fail" and "infeasible" mean the
            task cannot be done, anything else that it was.

    Raises:
        Broken: Another argument was given.
    """
    rest = {key: _as_text(value) for key, value in arguments.items()}
    answers = [rest.pop(key) for key in ("answer", "content", "text") if key in rest]
    status = str(rest.pop("status", "success")).lower()
    if rest or len(answers) > 1:
        extra = ", ".join(rest) or "several answers"
        raise Broken(ParseOutcome.BAD_ARGUMENT, f"finish takes answer and status, got {extra}")
    answer = answers[0] if answers else None
    if isinstance(answer, bool | int | float | list | dict):
        answer = answer if isinstance(answer, str) else _plain(answer)
    infeasible = status in {"failure", "fail", "failed", "infeasible"}
    return Finish(answer=answer, status="infeasible" if infeasible else "success")


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=_as_text)


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
            value = json.loads(rest)
        except (json.JSONDecodeError, RecursionError):
            return rest
        return value if isinstance(value, str) else rest

    @staticmethod
    def parse_pair(line: str) -> ParsedPair:
        """Read one line."""
        scanner = _Scanner(line)
        try:
            call = _read_call(scanner)
            instruction = _read_instruction(scanner)
            return ParsedPair(ParseOutcome.OK, call_to_action(call), instruction, line)
        except Broken as broken:
            return broken_pair(broken, line)
        except RecursionError:
            return ParsedPair(ParseOutcome.SYNTAX, text=line, problem="values are nested too deeply")

    @staticmethod
    def render_action(action: Action) -> str:
        """``name(key=<JSON>, ...)``, defaults left out."""
        if isinstance(action, ToolCall):
            name, fields = action.name, dict(action.arguments)
        else:
            dumped = dump_action(action)
            name = str(dumped.pop("kind"))
            fields = dumped
        inside = ", ".join(f"{key}={_render_value(value)}" for key, value in fields.items())
        return f"{name}({inside})"

    def render(self, pairs: Sequence[tuple[Action, str]], summary: str | None = None) -> str:
        """One line a pair, after the summary line where one is given."""
        lines = [] if summary is None else [f"# {_json_line(summary)}"]
        lines += [f"{self.render_action(action)} # {_json_line(instruction)}" for action, instruction in pairs]
        return "\n".join(lines)


def _json_line(value: Any) -> str:
    # splitlines() breaks at these although JSON lets them stand in a string
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"[\x1c-\x1e\x85\u2028\u2029\x7f]", lambda match: f"\\u{ord(match.group()):04x}", text)


def _render_value(value: Any) -> str:
    if isinstance(value, Result):
        return f"Result(step={value.step})"
    if isinstance(value, list):
        return "[" + ", ".join(_render_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_json_line(key)}: {_render_value(item)}" for key, item in value.items()) + "}"
    return _json_line(value)


__all__ = ["CanonicalGrammar", "Code", "call_to_action", "finish_action"]
