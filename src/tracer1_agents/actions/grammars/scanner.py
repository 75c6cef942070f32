"""Reads values from left to right: JSON, a little more than JSON, and `Result(step=k)`.

Every grammar that writes arguments as JSON shares this reader. On top of JSON it understands single quotes,
`True/False/None`, a comma after the last item and raw line breaks in strings; it evaluates nothing. What it cannot read
is a `Broken`, TRUNCATED where the text stops inside the value. Time is linear in the text, and depth is bounded by
`MAX_DEPTH`, because replies are hostile now and then.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from tracer1_agents.actions.codec import Broken, ParseOutcome
from tracer1_agents.actions.space import MAX_DEPTH, Result, is_encodable

LINE_BLANKS: Final = re.compile(r"[ \t]*")
ANY_BLANKS: Final = re.compile(r"\s*")
RESULT: Final = re.compile(r"Result\(\s*(?:step\s*=\s*)?(\d{1,6})\s*\)")

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_WORD: Final = re.compile(r"(?:True|False|None)(?![A-Za-z0-9_])")
_WORDS: Final[dict[str, Any]] = {"True": True, "False": False, "None": None}
_SINGLE_QUOTED: Final = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_CLOSING_QUOTE: Final = re.compile(r'(?:[^"\\]|\\.)*"', re.DOTALL)
_BARE_DOUBLE_QUOTE: Final = re.compile(r'(?<!\\)((?:\\\\)*)"')
_JSON_HEADS: Final = frozenset('"-0123456789tfnNI')
_DECODER: Final = json.JSONDecoder(strict=False)


class Scanner:
    """A cursor over text.

    Args:
        text: What is read.
        at: Where to begin.
        blanks: What `skip` passes over: `LINE_BLANKS` keeps to the line, `ANY_BLANKS` crosses line breaks.
    """

    def __init__(self, text: str, at: int = 0, *, blanks: re.Pattern[str] = LINE_BLANKS) -> None:
        self.text, self.at, self._blanks, self._depth = text, at, blanks, 0

    def skip(self) -> None:
        """Pass over blanks."""
        match = self._blanks.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def end(self) -> bool:
        """Whether nothing is left."""
        return self.at >= len(self.text)

    def peek(self, literal: str) -> bool:
        """Whether `literal` comes next, blanks passed over."""
        self.skip()
        return self.text.startswith(literal, self.at)

    def take(self, literal: str) -> bool:
        """Pass over `literal` if it comes next."""
        found = self.peek(literal)
        self.at += len(literal) if found else 0
        return found

    def need(self, literal: str, after: str) -> None:
        """Pass over `literal`, or leave the pair.

        Raises:
            Broken: TRUNCATED at the end of the text, else SYNTAX.
        """
        if self.take(literal):
            return
        if self.end():
            raise Broken(ParseOutcome.TRUNCATED, f"the text ends after {after}, {literal!r} is missing")
        raise Broken(ParseOutcome.SYNTAX, f"expected {literal!r} after {after}, got {self.rest(20)!r}")

    def rest(self, length: int) -> str:
        """The next `length` characters, for messages."""
        return self.text[self.at : self.at + length]

    def name(self, what: str) -> str:
        """An identifier; `what` names it in the message of the `Broken` raised where there is none."""
        self.skip()
        match = _NAME.match(self.text, self.at)
        if match is None:
            outcome = ParseOutcome.TRUNCATED if self.end() else ParseOutcome.SYNTAX
            problem = f'expected {what}, got {self.rest(20)!r}; write name(key=value, ...) # "what for"'
            raise Broken(outcome, problem)
        self.at = match.end()
        return match.group()

    def value(self) -> Any:
        """A value as described in the module docstring.

        Raises:
            Broken: No such value comes next, or it is nested deeper than `MAX_DEPTH`.
        """
        self.skip()
        if self.end():
            raise Broken(ParseOutcome.TRUNCATED, "the text ends where a value should stand")
        if match := RESULT.match(self.text, self.at):
            self.at = match.end()
            return Result(int(match.group(1)))
        if match := _WORD.match(self.text, self.at):
            self.at = match.end()
            return _WORDS[match.group()]
        head = self.text[self.at]
        if head in "[{":
            return self._nested(head)
        return self._single_quoted() if head == "'" else self._json()

    def _nested(self, head: str) -> Any:
        if self._depth >= MAX_DEPTH:
            raise Broken(ParseOutcome.BAD_ARGUMENT, f"values are nested deeper than {MAX_DEPTH}")
        self._depth += 1
        try:
            return self._list() if head == "[" else self._object()
        finally:
            self._depth -= 1

    def _list(self) -> list[Any]:
        self.at += 1
        items: list[Any] = []
        while not self.take("]"):
            if items:
                self.need(",", "a list item")
                if self.take("]"):
                    break
            items.append(self.value())
        return items

    def _object(self) -> dict[str, Any]:
        self.at += 1
        items: dict[str, Any] = {}
        while not self.take("}"):
            if items:
                self.need(",", "an object entry")
                if self.take("}"):
                    break
            key = self.value()
            if not isinstance(key, str):
                raise Broken(ParseOutcome.SYNTAX, f"an object key must be a string, got {str(key)[:40]!r}")
            self.need(":", "a key")
            items[key] = self.value()
        return items

    def _json(self) -> Any:
        if self.text[self.at] not in _JSON_HEADS:  # the decoder counts lines for its message: slow if asked often
            raise self._not_json()
        try:
            value, end = _DECODER.raw_decode(self.text, self.at)
        except ValueError:  # JSONDecodeError, or a number with thousands of digits
            raise self._not_json() from None
        if isinstance(value, float) and value - value != 0:
            raise Broken(ParseOutcome.BAD_ARGUMENT, f"{value} is not a number JSON knows")
        self.at = end
        return _whole(value) if isinstance(value, str) else value

    def _not_json(self) -> Broken:
        unfinished = self.text[self.at] == '"' and not _CLOSING_QUOTE.match(self.text, self.at + 1)
        outcome = ParseOutcome.TRUNCATED if unfinished else ParseOutcome.SYNTAX
        return Broken(outcome, f"{self.rest(30)!r} is not a JSON value; strings need double quotes")

    def _single_quoted(self) -> str:
        match = _SINGLE_QUOTED.match(self.text, self.at)
        if match is None:
            raise Broken(ParseOutcome.TRUNCATED, "a single-quoted string is not closed")
        inner = _BARE_DOUBLE_QUOTE.sub(r'\1\\"', match.group(1).replace("\\'", "'"))
        try:
            value = _DECODER.decode(f'"{inner}"')
        except ValueError:
            raise Broken(ParseOutcome.SYNTAX, f"'{inner[:30]}' has an escape JSON does not know") from None
        self.at = match.end()
        return _whole(str(value))


def _whole(text: str) -> str:
    if is_encodable(text):
        return text
    raise Broken(ParseOutcome.BAD_ARGUMENT, "a string holds half a surrogate pair (\\ud800 to \\udfff)")
