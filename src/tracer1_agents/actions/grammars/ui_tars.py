r"""The UI-TARS dialect (bytedance/UI-TARS, codes/ui_tars/prompt.py): computer and mobile.

    Thought: The list is open. I pick the second entry.
    Action: click(point='<point>510 150</point>')

    type(content='hello\n')

Read are all forms its releases write: `<point>`, `start_box='(x,y)'`, box tokens, boxes (their centre); one `Action:`
or several, actions separated by blank lines or single ones; quotes of either kind, escaped or not, over several lines.
A string that is not escaped ends at the first quote after which the call can end. Beyond the upstream actions, the rest
of the union, `code(source=...)` and tool calls `name(argument='text', other=<JSON>)` are written the same way. The
mobile prompts have a `scroll` from a start to an end without a direction, which is a swipe, and a `time` of
`long_press`, which ours has not.

The step instruction of an action is the last sentence of the `Thought:` directly before it, "" where it has none, as
with the second action above. An `Observation:` line in front is the summary. Nothing is evaluated, and time is linear.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.codec import Broken, ParsedPair, ParsedReply, ParseOutcome, RawCall, broken_pair
from tracer1_agents.actions.coordinates import Screen
from tracer1_agents.actions.grammars.call_scanner import CallScanner
from tracer1_agents.actions.grammars.canonical import render_key, render_value
from tracer1_agents.actions.grammars.prose import MARKER, last_sentence, one_line
from tracer1_agents.actions.grammars.spelling import spelled_action, split_keys
from tracer1_agents.actions.space import Drag, Finish, Hotkey, Point, PressButton, ToolCall

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tracer1_agents.actions.space import Action

_FILLER: Final = re.compile(r"(?:[\s;]+|```[a-z]*)+")
_CALL: Final = re.compile(r"(?:\d{1,3}[.)][ \t]+|[-*][ \t]+)?(?=[A-Za-z_][\w.\-]*\()")
_BREAK: Final = re.compile(rf"{MARKER.pattern}|^[ \t]{{0,40}}{_CALL.pattern}", re.IGNORECASE | re.MULTILINE)
_INLINE_ACTION: Final = re.compile(r"\bAction[ \t]?[:\uff1a][ \t]*(?=[A-Za-z_][\w.\-]*\()")
_BOTH_ENDS: Final = {"start", "end"}
_NO_ACTION: Final = "no action in the reply; write Action: name(argument='value')"


class _Reader:
    """Goes through one reply from left to right, alternating prose and calls."""

    def __init__(self, text: str, screen: Screen) -> None:
        self.text, self._screen, self._at = text, screen, 0
        self._calls = CallScanner(text)
        self._instruction = ""
        self._summary: str | None = None
        self._thoughts: list[str] = []
        self._pairs: list[ParsedPair] = []

    def read(self) -> ParsedReply:
        """The whole reply."""
        labelled = False
        while self._pass_filler():
            marker = MARKER.match(self.text, self._at)
            if marker and marker["label"].lower() != "action":
                self._prose(marker["label"].lower(), marker.end())
            elif marker:
                self._at = marker.end()
                labelled = True
                continue
            elif labelled or _CALL.match(self.text, self._at):
                self._call()
            elif self._pairs:
                self._stray()
            else:
                self._prose("thought", self._at)
            labelled = False
        if labelled:
            self._pairs.append(ParsedPair(ParseOutcome.TRUNCATED, problem="the reply ends after 'Action:'"))
        elif not self._pairs:
            self._pairs.append(ParsedPair(ParseOutcome.EMPTY, text=self.text, problem=_NO_ACTION))
        return ParsedReply(tuple(self._pairs), self._summary, "\n".join(filter(None, self._thoughts)))

    def _pass_filler(self) -> bool:
        """Pass over blanks, semicolons and code fences; whether anything is left."""
        filler = _FILLER.match(self.text, self._at)
        self._at = filler.end() if filler else self._at
        return self._at < len(self.text)

    def _prose(self, label: str, start: int) -> None:
        """A thought or an observation, up to what can begin an action."""
        following = _BREAK.search(self.text, start)
        end = self._at = following.start() if following else len(self.text)
        is_action = following is not None and (following["label"] or "").lower() == "action"
        if not is_action and (inline := _INLINE_ACTION.search(self.text, start, end)):
            end, self._at = inline.span()
        prose = self.text[start:end].strip()
        if label == "observation" and self._summary is None and not self._pairs:
            self._summary = one_line(prose)
        else:
            self._thoughts.append(prose)
            self._instruction = last_sentence(prose)

    def _call(self) -> None:
        """A call, or why there is none."""
        bullet = _CALL.match(self.text, self._at)
        start = self._calls.at = bullet.end() if bullet else self._at
        instruction, self._instruction = self._instruction, ""
        try:
            call = self._calls.call()
        except Broken as broken:
            self._recover(broken)
            self._pairs.append(broken_pair(broken, self.text[start : self._at].strip(), instruction))
            return
        self._at = self._calls.at
        stretch = self.text[start : self._at]
        try:
            action = spelled_action(_of_mobile_prompt(call), self._screen)
            self._pairs.append(ParsedPair(ParseOutcome.OK, action, instruction, stretch))
        except Broken as broken:
            self._pairs.append(broken_pair(broken, stretch, instruction))

    def _stray(self) -> None:
        """Prose between actions, where only a thought with its label may stand."""
        start = self._calls.at = self._at
        broken = Broken(ParseOutcome.SYNTAX, f"expected an action, got {self.text[start : start + 40]!r}")
        self._recover(broken)
        self._pairs.append(broken_pair(broken, self.text[start : self._at].strip()))

    def _recover(self, broken: Broken) -> None:
        """Go on at the next line that begins a thought or an action; nowhere, if the text ended too early."""
        following = _BREAK.search(self.text, max(self._calls.at, self._at + 1))
        if following is None or broken.outcome is ParseOutcome.TRUNCATED:
            self._at = len(self.text)
        else:
            self._at = following.start()


def _of_mobile_prompt(call: RawCall) -> RawCall:
    """A call that only the published mobile prompts have, in the words of the union; any other as it is."""
    names = call.arguments.keys()
    if call.name == "scroll" and "direction" not in names and {name.partition("_")[0] for name in names} == _BOTH_ENDS:
        return RawCall("drag", call.arguments)
    if call.name == "long_press":
        return RawCall(call.name, {name: value for name, value in call.arguments.items() if name != "time"})
    return call


class UiTarsGrammar:
    """Reader and writer of UI-TARS replies.

    Args:
        screen: Frame and size that its points are written in; thousandths (UI-TARS 1.0) by default.
    """

    name = "ui-tars"

    def __init__(self, screen: Screen | None = None) -> None:
        self.screen = screen or Screen()

    def parse(self, text: str) -> ParsedReply:
        """Read a whole reply; see the module docstring."""
        return _Reader(text, self.screen).read()

    def render_action(self, action: Action) -> str:
        """One call in the spelling of UI-TARS 1.5."""
        name, arguments = self._call_of(action)
        return f"{name}({', '.join(f'{render_key(key)}={_value(value)}' for key, value in arguments.items())})"

    def render(self, pairs: Sequence[tuple[Action, str]], summary: str | None = None) -> str:
        """A `Thought:` line with the step instruction before every `Action:`, put on one line each.

        Reading gives an instruction back exactly when it is one sentence on one line.
        """
        lines = [] if summary is None else [f"Observation: {one_line(summary)}"]
        for action, instruction in pairs:
            lines += [f"Thought: {one_line(instruction)}"] if instruction.strip() else []
            lines.append(f"Action: {self.render_action(action)}")
        return "\n".join(lines)

    def _call_of(self, action: Action) -> tuple[str, dict[str, Any]]:
        match action:
            case ToolCall():
                return action.name, action.arguments
            case Drag():
                return "drag", self._points(start_point=action.start, end_point=action.end)
            case Hotkey():
                joined = " ".join(action.keys)
                return "hotkey", {"key": joined if split_keys(joined) == action.keys else list(action.keys)}
            case PressButton():
                return f"press_{action.button}", {}
            case Finish():
                written = {"content": action.answer, "status": None if action.status == "success" else action.status}
                return "finished", {name: value for name, value in written.items() if value is not None}
            case _:
                fields: dict[str, Any] = {
                    name: getattr(action, name) for name in type(action).model_fields if name != "kind"
                }
                points = self._points(point=fields.pop("point", None))
                return action.kind, {**points, **fields}

    def _points(self, **points: Point | None) -> dict[str, str]:
        located = {name: self.screen.locate(point) for name, point in points.items() if point is not None}
        return {name: f"<point>{x} {y}</point>" for name, (x, y) in located.items()}


def _value(value: Any) -> str:
    """Text in single quotes, everything else as JSON."""
    if not isinstance(value, str):
        return render_value(value)
    escapes = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return "'" + "".join(escapes.get(character, character) for character in value) + "'"
