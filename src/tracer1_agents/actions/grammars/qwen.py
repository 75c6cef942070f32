"""The tool-call dialect of Qwen2.5-VL and Qwen3-VL (computer_use and mobile_use of their cookbooks).

    Thought: The form is filled in.
    Action: Press the button Send.
    <tool_call>
    {"name": "computer_use", "arguments": {"action": "left_click", "coordinate": [500, 300]}}
    </tool_call>

Several tool calls are the forecast. The text before a call holds its step instruction: the `Action:` line, or else the
last sentence. `computer_use` and `mobile_use` are read with each other's actions; every other name is a tool call,
unless the union of actions has it. Coordinates are thousandths by default.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.codec import Broken, ParsedPair, ParsedReply, ParseOutcome, RawCall, broken_pair
from tracer1_agents.actions.coordinates import Screen
from tracer1_agents.actions.grammars.json_calls import read_instruction, read_json_call, with_placeholders
from tracer1_agents.actions.grammars.prose import one_line, read_prose
from tracer1_agents.actions.grammars.scanner import ANY_BLANKS, Scanner
from tracer1_agents.actions.grammars.spelling import is_spelling, spelled_action
from tracer1_agents.actions.space import (
    Code,
    Drag,
    Finish,
    Hotkey,
    OpenApp,
    Point,
    PressButton,
    Scroll,
    Select,
    ToolCall,
    Type,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.actions.space import Action, Platform

_OPEN: Final = re.compile(r'<tool_call>|^[ \t]{0,20}(?=\{\s{0,20}"(?:name|function|arguments)")', re.MULTILINE)
_GUI_TOOLS: Final = frozenset({"computer_use", "mobile_use"})
_NO_CALL: Final = 'no tool call in the reply; write <tool_call>\n{"name": ..., "arguments": {...}}\n</tool_call>'

# Qwen's names where they differ from the union's; mouse_move and double_click are known to `spelling` as well
_KINDS: Final = {
    "key": "hotkey",
    "open": "open_app",
    "system_button": "press_button",
    "left_click_drag": "drag",
    "interact": "call_user",
}
_NAMES: Final = {
    "computer": {
        "click": "left_click",
        "left_double": "double_click",
        "right_single": "right_click",
        "hover": "mouse_move",
    },
    "mobile": {},
}
_STEP: Final = 500  # pixels of a written scroll; only its sign is read


class QwenGrammar:
    """Reader and writer of Qwen tool calls.

    Args:
        screen: Frame and size that its points are written in.
        platform: Which tool is written: mobile_use for "mobile", computer_use otherwise.
    """

    name = "qwen-tool-call"

    def __init__(self, screen: Screen | None = None, platform: Platform = "computer") -> None:
        self.screen, self.platform = screen or Screen(), platform

    def parse(self, text: str) -> ParsedReply:
        """Read a whole reply; see the module docstring."""
        pairs: list[ParsedPair] = []
        thoughts: list[str] = []
        summary: str | None = None
        scanner = Scanner(text, blanks=ANY_BLANKS)
        while opening := _OPEN.search(text, scanner.at):
            prose = read_prose(text[scanner.at : opening.start()])
            thoughts.append(prose.thought)
            summary = prose.summary if summary is None else summary
            scanner.at = opening.end()
            pairs.append(self._pair(scanner, opening.start(), prose.instruction))
            if pairs[-1].outcome is ParseOutcome.TRUNCATED:
                break
        else:
            thoughts.append(text[scanner.at :].strip())
        if not pairs:
            pairs.append(ParsedPair(ParseOutcome.EMPTY, text=text, problem=_NO_CALL))
        return ParsedReply(tuple(pairs), summary, "\n".join(filter(None, thoughts)))

    def _pair(self, scanner: Scanner, start: int, instruction: str) -> ParsedPair:
        try:
            item = scanner.value()
            scanner.take("</tool_call>")
            instruction = instruction or read_instruction(item)
            action = self._action(read_json_call(item))
        except Broken as broken:
            return broken_pair(broken, scanner.text[start : scanner.at], instruction)
        return ParsedPair(ParseOutcome.OK, action, instruction, scanner.text[start : scanner.at])

    def _action(self, call: RawCall) -> Action:
        if call.name in _GUI_TOOLS:
            return spelled_action(_gui_call(call), self.screen)
        arguments = call.arguments if is_spelling(call.name) else with_placeholders(call.arguments)
        return spelled_action(RawCall(call.name, arguments), self.screen)

    def render_action(self, action: Action) -> str:
        """One `<tool_call>` block."""
        name, arguments = self._call_of(action)
        call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
        return f"<tool_call>\n{call}\n</tool_call>"

    def render(self, pairs: Sequence[tuple[Action, str]], summary: str | None = None) -> str:
        """An `Action:` line with the step instruction before every call."""
        lines = [] if summary is None else [f"Observation: {one_line(summary)}"]
        for action, instruction in pairs:
            lines += [f"Action: {one_line(instruction)}", self.render_action(action)]
        return "\n".join(lines)

    def _call_of(self, action: Action) -> tuple[str, dict[str, Any]]:
        if isinstance(action, ToolCall):
            return action.name, action.model_dump(mode="json")["arguments"]
        if isinstance(action, Code):
            return "code", {"source": action.source}
        platform = "mobile" if self.platform == "mobile" else "computer"
        name, arguments = self._gui_arguments(action, platform)
        return f"{platform}_use", {"action": _NAMES[platform].get(name, name), **arguments}

    def _gui_arguments(self, action: Action, platform: str) -> tuple[str, dict[str, Any]]:
        name: str = action.kind
        fields = self._points(coordinate=getattr(action, "point", None))
        match action:
            case Type():
                fields = {"text": action.content}
            case Hotkey():
                name, fields = "key", {"keys": list(action.keys)}
            case Select():
                fields |= {"text": action.option}
            case Scroll():
                name = "scroll" if action.direction in {"up", "down"} else "hscroll"
                fields |= {"pixels": _STEP if action.direction in {"up", "right"} else -_STEP}
            case Drag() if platform == "mobile":
                name, fields = "swipe", self._points(coordinate=action.start, coordinate2=action.end)
            case Drag():
                name = "left_click_drag"
                fields = self._points(start_coordinate=action.start, coordinate=action.end)
            case PressButton():
                name, fields = "system_button", {"button": action.button.capitalize()}
            case OpenApp():
                name, fields = "open", {"text": action.app_name}
            case Finish():
                name, fields = _finish_arguments(action)
            case _:
                pass
        return name, fields

    def _points(self, **points: Point | None) -> dict[str, Any]:
        return {name: list(self.screen.locate(point)) for name, point in points.items() if point is not None}


def _finish_arguments(action: Finish) -> tuple[str, dict[str, Any]]:
    answer = {} if action.answer is None else {"text": action.answer}
    if answer and action.status == "success":
        return "answer", answer
    return "terminate", {"status": "success" if action.status == "success" else "failure", **answer}


def _gui_call(call: RawCall) -> RawCall:
    """A call of computer_use or mobile_use under names that `spelling` knows."""
    arguments = dict(call.arguments)
    action = arguments.pop("action", None)
    if not isinstance(action, str):
        raise Broken(ParseOutcome.BAD_ARGUMENT, f"{call.name} needs an action, got {str(action)[:40]!r}")
    kind = "scroll" if action == "hscroll" else _KINDS.get(action, action)
    if not is_spelling(kind) or kind in {"code", "tool"}:
        raise Broken(ParseOutcome.UNKNOWN_ACTION, f"{call.name} has no action {action[:40]!r}")
    if "pixels" in arguments:
        arguments["direction"] = _direction(action, arguments.pop("pixels"))
    if action == "left_click_drag" and not {"coordinate2", "start", "end"} & arguments.keys():
        # computer_use drags from where the pointer is, or from start_coordinate, to coordinate
        names = {"start_coordinate": "start", "coordinate": "end"}
        arguments = {names.get(name, name): value for name, value in arguments.items()}
    if kind == "long_press":
        arguments.pop("time", None)  # ours has no length
    return RawCall(kind, arguments)


def _direction(action: str, pixels: Any) -> str:
    """Positive pixels scroll up, or right with hscroll (pyautogui's signs, which Qwen's cookbook uses)."""
    if isinstance(pixels, bool) or not isinstance(pixels, int | float) or pixels == 0:
        problem = f"{action}: pixels must be a number other than 0, got {str(pixels)[:40]!r}"
        raise Broken(ParseOutcome.BAD_ARGUMENT, problem)
    forward, backward = ("right", "left") if action == "hscroll" else ("up", "down")
    return forward if pixels > 0 else backward
