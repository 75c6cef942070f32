"""Reads `name(key='value', ...)` as UI-TARS models write it: strings by their most likely end, points in any form.

The strings of these calls are often not escaped ("it's done"), so a quote closes its string only if the call can go on
or end behind it. Time is linear in the text: a search for such a quote that came to nothing is not repeated.
"""

from __future__ import annotations

import re
from typing import Any, Final

from tracer1_agents.actions.codec import Broken, ParseOutcome, RawCall
from tracer1_agents.actions.grammars.scanner import ANY_BLANKS, RESULT, Scanner

# positional arguments that each name may have
_POSITIONAL: Final[dict[str, tuple[str, ...]]] = {
    "type": ("content",),
    "hotkey": ("keys",),
    "press": ("keys",),
    "open_app": ("app_name",),
    "press_button": ("button",),
    "scroll": ("point", "direction"),
    "drag": ("start", "end"),
    "select": ("point", "option"),
    "wait": ("seconds",),
    "code": ("source",),
    "finished": ("content",),
    "finish": ("answer",),
    "final_answer": ("answer",),
    "answer": ("answer",),
    "terminate": ("status",),
}
_POINTING: Final = frozenset(
    {"click", "left_click", "left_single", "tap", "left_double", "double_click", "triple_click", "right_single"}
    | {"right_click", "middle_click", "hover", "mouse_move", "long_press"}
)

_KEY: Final = re.compile(r'([A-Za-z_][\w.\-]*|"(?:[^"\\\n]|\\.){0,100}")\s*=(?!=)')
_QUOTED_POINT: Final = re.compile(
    r"""(['"])((?:</?(?:point|bbox|box)>|<\|(?:box|point)_(?:start|end)\|>|[\d\s.,()\[\]+\-]){1,200})\1(?=\s*[,)])"""
)
_TAGGED: Final = re.compile(
    r"<(point|bbox|box)>[^<>]{0,100}(?:</\1>|(?=\)))|<\|(?:box|point)_start\|>[^<>]{0,100}<\|(?:box|point)_end\|>"
)
_PARENTHESES: Final = re.compile(r"\([^()]{0,100}\)")
_BARE: Final = re.compile(r"[^,()\n'\"]+")
_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}

_QUOTES: Final = {quote: re.compile(rf"\\.|{quote}", re.DOTALL) for quote in ("'", '"')}
_ENDS: Final = re.compile(
    r"""\s*(?:
        \)[ \t]*(?: $ | [\r\n;\#] | ``` | (?:Action|Thought)\b | [A-Za-z_][\w.\-]*\( )
        | ,\s*(?: [A-Za-z_][\w.\-]* | "[^"\n]{0,100}" )\s*=
    )""",
    re.VERBOSE,
)
_NEXT_TEXT: Final = re.compile(r"\s*,\s*['\"]")  # behind an argument without a name there may be another such
_MAY_END: Final = re.compile(r"\s*[,)]")
_ESCAPE: Final = re.compile(r"\\([nrt'\"\\])")
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t"}


class CallScanner(Scanner):
    """A cursor that reads calls; it may be set back to any place of its text."""

    def __init__(self, text: str) -> None:
        super().__init__(text, blanks=ANY_BLANKS)
        self._no_clear_end: set[str] = set()

    def call(self) -> RawCall:
        """A call; positional arguments get the names they stand for.

        Raises:
            Broken: No call stands here; `at` is where reading stopped.
        """
        name = self.name("an action name")
        self.need("(", name)
        arguments: dict[str, Any] = {}
        positional: list[Any] = []
        while not self.take(")"):
            if arguments or positional:
                self.need(",", f"an argument of {name}")
                if self.take(")"):
                    break
            key = self._key()
            if key is None:
                positional.append(self._argument(named=False))
            elif key in arguments:
                raise Broken(ParseOutcome.BAD_ARGUMENT, f"{name}: {key} is given twice")
            else:
                arguments[key] = self._argument(named=True)
        return RawCall(name, {**_named(name, positional), **arguments})

    def _key(self) -> str | None:
        self.skip()
        match = _KEY.match(self.text, self.at)
        if match is None:
            return None
        key = str(Scanner(match.group(1)).value()) if match.group(1).startswith('"') else match.group(1)
        self.at = match.end()
        return key

    def _argument(self, *, named: bool) -> Any:
        self.skip()
        if match := _QUOTED_POINT.match(self.text, self.at):
            self.at = match.end()
            return match.group(2)
        head = self.text[self.at : self.at + 1]
        if head in {"'", '"'}:
            return self._string(head, named=named)
        for pattern in (_TAGGED, _PARENTHESES):
            if match := pattern.match(self.text, self.at):
                self.at = match.end()
                return match.group()
        if not head or head in "[{-0123456789" or RESULT.match(self.text, self.at):
            return self.value()
        return self._bare()

    def _bare(self) -> Any:
        match = _BARE.match(self.text, self.at)
        word = match.group().strip() if match else ""
        if match is None or not word:
            raise Broken(ParseOutcome.SYNTAX, f"expected a value, got {self.rest(20)!r}")
        self.at = match.end()
        return _WORDS.get(word, word)

    def _string(self, quote: str, *, named: bool) -> str:
        start = self.at + 1
        end = self._closing(quote, start, named=named)
        if end is None:
            self.at = len(self.text)
            raise Broken(ParseOutcome.TRUNCATED, f"a string is not closed: {self.text[start - 1 : start + 30]!r}")
        self.at = end + 1
        return _ESCAPE.sub(lambda match: _ESCAPED.get(match.group(1), match.group(1)), self.text[start:end])

    def _closing(self, quote: str, start: int, *, named: bool) -> int | None:
        """The first quote behind which the call surely goes on or ends, else the first where it may."""
        fallback: int | None = None
        for match in _QUOTES[quote].finditer(self.text, start):
            if match.group() != quote:
                continue
            if _ENDS.match(self.text, match.end()) or (not named and _NEXT_TEXT.match(self.text, match.end())):
                return match.start()
            if fallback is None and _MAY_END.match(self.text, match.end()):
                fallback = match.start()
                if quote in self._no_clear_end:
                    return fallback
        self._no_clear_end.add(quote)
        return fallback


def _named(name: str, positional: list[Any]) -> dict[str, Any]:
    """Positional arguments by name."""
    if not positional:
        return {}
    if name in _POINTING:
        return {"point": positional[0] if len(positional) == 1 else positional}
    if name == "scroll" and len(positional) == 1 and str(positional[0]).isalpha():
        return {"direction": positional[0]}
    names = _POSITIONAL.get(name, ())
    if len(positional) > len(names):
        takes = f"only {', '.join(names)} may go without a name" if names else "its arguments need names"
        raise Broken(ParseOutcome.BAD_ARGUMENT, f"{name}: got {len(positional)} arguments without a name; {takes}")
    return dict(zip(names, positional, strict=False))
