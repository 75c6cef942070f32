"""What models call things: names, argument names and values of other dialects, brought to the union.

Every dialect but the canonical one writes `left_click`, `start_box` or `"ctrl+c"` where the union has `click`, `point`
and `("ctrl", "c")`. The tables here are the whole of that knowledge; a name that is in none of them is a tool's.
Values are converted where their meaning is plain and refused (`Broken`) where it is not.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.codec import Broken, ParseOutcome, RawCall, build_action, build_tool_call
from tracer1_agents.actions.grammars.canonical import FINISH_NAMES, as_text, finish_action, named_tool
from tracer1_agents.actions.space import GUI_KINDS, POINTING_KINDS

if TYPE_CHECKING:
    from tracer1_agents.actions.coordinates import Screen
    from tracer1_agents.actions.space import Action, Point

ALIASES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "left_click": ("click", {}),
    "left_single": ("click", {}),
    "tap": ("click", {}),
    "double_click": ("left_double", {}),
    "right_click": ("right_single", {}),
    "mouse_move": ("hover", {}),
    "left_click_drag": ("drag", {}),
    "swipe": ("drag", {}),
    "input_text": ("type", {}),
    "press": ("hotkey", {}),
    **{
        f"press_{button}": ("press_button", {"button": button})
        for button in ("home", "back", "enter", "menu", "recent")
    },
}

_POINT_NAMES: Final = ("point", "start_box", "start_point", "start", "box", "bbox", "coordinate", "position")
_FIELD_NAMES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "drag": {"start": _POINT_NAMES, "end": ("end", "end_box", "end_point", "coordinate2", "to")},
    "type": {"content": ("content", "text", "value")},
    "hotkey": {"keys": ("keys", "key", "hotkey")},
    "open_app": {"app_name": ("app_name", "app", "name", "text")},
    "press_button": {"button": ("button", "key")},
    "select": {"point": _POINT_NAMES, "option": ("option", "content", "text", "value")},
    "code": {"source": ("source", "code")},
}
_WAIT_LENGTHS: Final = ("time", "seconds", "duration")  # our wait ends when the screen has settled

_TAG: Final = re.compile(r"</?(?:point|bbox|box)>|<\|(?:box|point)_(?:start|end)\|>")
_BETWEEN: Final = re.compile(r"[\s,;()\[\]]+")
_NUMBER: Final = re.compile(r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,3})?")
_LONGEST_POINT: Final = 200  # characters
_PLUS: Final = re.compile(r"(?<=[^+\s])\s*\+\s*(?=\S)")


def is_spelling(name: str) -> bool:
    """Whether `name` means an action of the union, and so cannot be a tool's in these dialects."""
    return name in ALIASES or name in GUI_KINDS or name in FINISH_NAMES or name in {"code", "tool"}


def spelled_action(call: RawCall, screen: Screen) -> Action:
    """The action that a call of any dialect means.

    Args:
        call: Name and arguments as the model wrote them.
        screen: Places its points.

    Raises:
        Broken: An argument is unknown, given twice, of the wrong type, or a point outside the image.
    """
    if call.name in FINISH_NAMES:
        return finish_action(call.arguments)
    kind, fixed = ALIASES.get(call.name, (call.name, {}))
    if kind == "select" and any(name.startswith("end") for name in call.arguments):
        kind = "drag"  # UI-TARS 1.0 selects text by dragging from start_box to end_box
    if kind == "tool":
        return named_tool(call.arguments)
    if kind not in GUI_KINDS and kind != "code":
        return build_tool_call(call.name, call.arguments)
    fields = {**fixed, **_renamed(kind, call.arguments)}
    if kind == "wait":
        fields = {name: value for name, value in fields.items() if name not in _WAIT_LENGTHS}
    return build_action(kind, {name: _converted(kind, name, value, screen) for name, value in fields.items()})


def _renamed(kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments under the names of the union's fields."""
    names = _FIELD_NAMES.get(kind, {"point": _POINT_NAMES} if kind in POINTING_KINDS else {})
    field_of = {spelling: field for field, spellings in names.items() for spelling in spellings}
    result: dict[str, Any] = {}
    if kind in POINTING_KINDS - {"drag"} and {"x", "y"} <= arguments.keys():
        arguments = {**arguments, "point": [arguments["x"], arguments["y"]]}
        arguments = {name: value for name, value in arguments.items() if name not in {"x", "y"}}
    for name, value in arguments.items():
        field = field_of.get(name, name)
        if field in result:
            raise Broken(ParseOutcome.BAD_ARGUMENT, f"{kind}: {field} is given twice, the second time as {name}")
        result[field] = value
    return result


def _converted(kind: str, field: str, value: Any, screen: Screen) -> Any:
    value = as_text(value)
    if field in {"point", "start", "end"}:
        return None if value is None else read_point(value, screen, of=f"{kind}: {field}")
    if field == "keys":
        return split_keys(value) if isinstance(value, str) else _lowered(value)
    if field in {"direction", "button"} and isinstance(value, str):
        return value.strip().lower()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if field in {"content", "option", "app_name"} and is_number else value


def _lowered(keys: Any) -> Any:
    return [key.lower() if isinstance(key, str) else key for key in keys] if isinstance(keys, list | tuple) else keys


def split_keys(text: str) -> tuple[str, ...]:
    """Keys of "ctrl c", "ctrl+c" or "Ctrl + C", in lower case; a "+" that does not join two keys is a key."""
    return tuple(_PLUS.sub(" ", text.strip()).lower().split())


def read_point(value: Any, screen: Screen, *, of: str) -> Point:
    """A point from any way of writing one.

    Args:
        value: "x y", "(x,y)", "<point>x y</point>", box tokens, [x, y], {"x": x, "y": y}; four numbers are a box and
            stand for its centre.
        screen: Places it.
        of: Whose point it is, for the message.

    Raises:
        Broken: BAD_ARGUMENT when there are not two or four numbers, OUT_OF_RANGE when they lie outside.
    """
    numbers = _numbers(value)
    if numbers is None or len(numbers) not in {2, 4}:
        problem = f"{of} must be two numbers, or the four of a box, got {str(value)[:60]!r}"
        raise Broken(ParseOutcome.BAD_ARGUMENT, problem)
    corners = [screen.place(*numbers[at : at + 2]) for at in range(0, len(numbers), 2)]
    if len(corners) == 1:
        return corners[0]
    x, y = ((numbers[at] + numbers[at + 2]) / 2 for at in (0, 1))
    return screen.place(x, y)


def _numbers(value: Any) -> list[float] | None:
    """All numbers of a point or box; None when there is anything else in it."""
    if isinstance(value, dict) and value.keys() == {"x", "y"}:
        value = [value["x"], value["y"]]
    if isinstance(value, str) and len(value) <= _LONGEST_POINT:
        parts = [part for part in _BETWEEN.split(_TAG.sub(" ", value)) if part]
        return [float(part) for part in parts] if all(_NUMBER.fullmatch(part) for part in parts) else None
    if not isinstance(value, list | tuple):
        return None
    numbers: list[float] = []
    for item in value:
        if isinstance(item, list | str):
            inner = _numbers(item)
            if inner is None or len(numbers) + len(inner) > 4:  # noqa: PLR2004  (a box has four)
                return None
            numbers += inner
        elif isinstance(item, bool) or not isinstance(item, int | float):
            return None
        else:
            numbers.append(float(item) if abs(item) < 1e18 else math.inf)  # noqa: PLR2004  (an int may not fit)
    return numbers
