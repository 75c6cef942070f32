"""pyautogui scripts, as OSWorld's client sends them, read by `ast` and carried out on a display; nothing is evaluated.

A script is a list of calls with literal arguments. The imports and settings that the client puts in front are passed
over; a loop, a variable or another module is refused.
"""

from __future__ import annotations

import ast
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracer1_agents.environments.base import ActionFailed, Failure
from tracer1_agents.environments.keys import key_named
from tracer1_agents.environments.xtest import LEFT, MIDDLE, RIGHT, WHEEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer1_agents.environments.xtest import Pointer

_BUTTONS: Final = {"left": LEFT, "middle": MIDDLE, "right": RIGHT, "primary": LEFT, "secondary": RIGHT}
_ORDER: Final[dict[str, tuple[str, ...]]] = {  # the order of pyautogui's own parameters
    "click": ("x", "y", "clicks", "interval", "button"),
    "doubleClick": ("x", "y"),
    "tripleClick": ("x", "y"),
    "rightClick": ("x", "y"),
    "middleClick": ("x", "y"),
    "moveTo": ("x", "y", "duration"),
    "dragTo": ("x", "y", "duration", "tween", "button"),
    "mouseDown": ("x", "y", "button"),
    "mouseUp": ("x", "y", "button"),
    "scroll": ("clicks", "x", "y"),
    "hscroll": ("clicks", "x", "y"),
    "write": ("message", "interval"),
    "typewrite": ("message", "interval"),
    "press": ("keys", "presses", "interval"),
    "hotkey": (),
    "sleep": ("seconds",),
}
_MOST_CALLS: Final = 200
_MOST_SECONDS: Final = 30.0
_MOST_TIMES: Final = 100


class Call(NamedTuple):
    """One call: its name and its arguments by name; those of `hotkey` as "keys"."""

    name: str
    arguments: dict[str, Any]


def read_calls(script: str) -> list[Call]:
    """The calls of a script, in order.

    Raises:
        ActionFailed: REFUSED: it is no Python, or more than calls with literal arguments.
    """
    try:
        body = ast.parse(script).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ActionFailed(Failure.REFUSED, f"the command is no Python: {error}") from None
    calls = [call for statement in body if (call := _call(statement)) is not None]
    if len(calls) > _MOST_CALLS:
        raise ActionFailed(Failure.REFUSED, f"{len(calls)} calls at once; at most {_MOST_CALLS} are taken")
    return calls


def _call(statement: ast.stmt) -> Call | None:
    match statement:
        case ast.Import(names=names) if all(name.name in {"pyautogui", "time"} for name in names):
            return None
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="pyautogui"))], value=ast.Constant()):
            return None
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="pyautogui" | "time"), attr=name)) as call):
            if name not in _ORDER:
                raise ActionFailed(Failure.REFUSED, f"{name} is no call that is known here")
            return _arguments(name, call)
    line = ast.unparse(statement)[:80]
    raise ActionFailed(Failure.REFUSED, f"only calls of pyautogui with literal arguments are carried out, not: {line}")


def _arguments(name: str, call: ast.Call) -> Call:
    try:
        positional = [ast.literal_eval(argument) for argument in call.args]
        named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (ValueError, TypeError, RecursionError):
        raise ActionFailed(Failure.REFUSED, f"{name}: only literal arguments are read") from None
    if name == "hotkey":
        keys = positional[0] if len(positional) == 1 and isinstance(positional[0], list | tuple) else positional
        return Call(name, {"keys": list(keys)})
    if len(positional) > len(_ORDER[name]) or not set(named) <= {*_ORDER[name], "_pause", "logScreenshot"}:
        raise ActionFailed(Failure.REFUSED, f"{name}: unknown arguments")
    return Call(name, {**dict(zip(_ORDER[name], positional, strict=False)), **named})


def carry_out(calls: list[Call], pointer: Pointer, type_text: Callable[[str], None]) -> None:
    """Do them on a display.

    Args:
        calls: From `read_calls`.
        pointer: Of the display.
        type_text: Types a text there.

    Raises:
        ActionFailed: An argument does not fit.
        EnvironmentFailure: The display is gone.
    """
    for name, given in calls:
        try:
            _carry_out(name, given, pointer, type_text)
        except (TypeError, ValueError, KeyError) as error:
            raise ActionFailed(Failure.REFUSED, f"{name}: an argument does not fit ({error})") from None


def _carry_out(name: str, given: dict[str, Any], pointer: Pointer, type_text: Callable[[str], None]) -> None:
    if name in {"write", "typewrite"}:
        type_text(str(given["message"]))
    elif name == "sleep":
        time.sleep(min(max(float(given["seconds"]), 0.0), _MOST_SECONDS))
    elif name in {"press", "hotkey"}:
        keys = given["keys"] if isinstance(given["keys"], list) else [given["keys"]]
        names = [key_name(str(key)) for key in keys]
        together = [tuple(names)] if name == "hotkey" else [(one,) for one in names]
        for group in together * min(int(given.get("presses", 1)), _MOST_TIMES):
            pointer.press(group)
    else:
        _point(name, given, pointer)


def _point(name: str, given: dict[str, Any], pointer: Pointer) -> None:
    button = _BUTTONS[str(given.get("button", "left")).lower()]
    if name == "dragTo":
        pointer.button(button, down=True)
    if given.get("x") is not None and given.get("y") is not None:
        pointer.move(*_inside(float(given["x"]), float(given["y"]), pointer))
    match name:
        case "click":
            pointer.click(button, min(int(given.get("clicks", 1)), _MOST_TIMES))
        case "doubleClick" | "tripleClick":
            pointer.click(LEFT, 2 if name == "doubleClick" else 3)
        case "rightClick" | "middleClick":
            pointer.click(RIGHT if name == "rightClick" else MIDDLE)
        case "mouseDown" | "mouseUp":
            pointer.button(button, down=name == "mouseDown")
        case "dragTo":
            pointer.button(button, down=False)
        case "scroll" | "hscroll":
            amount = int(given["clicks"])
            ways = ("up", "down") if name == "scroll" else ("right", "left")
            pointer.click(WHEEL[ways[amount < 0]], min(abs(amount), _MOST_TIMES))


def _inside(x: float, y: float, pointer: Pointer) -> tuple[int, int]:
    width, height = pointer.size
    if not (0 <= x <= width and 0 <= y <= height):
        raise ActionFailed(Failure.OUTSIDE, f"({x:g}, {y:g}) is not on the screen of {width} by {height} pixels")
    return min(round(x), width - 1), min(round(y), height - 1)


def key_name(name: str) -> str:
    """What X11 calls a key of the union or a character.

    Raises:
        ActionFailed: UNSUPPORTED: there is no such key.
    """
    key = key_named(name)
    if key is not None:
        return key.x11
    return name if name.isascii() and name.isalnum() else f"U{ord(name):04X}"
