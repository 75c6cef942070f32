"""pyautogui scripts, as OSWorld's client sends them, read by `ast` and carried out on a display; nothing is evaluated.

A script is a list of calls with literal arguments. The imports and settings that the client puts in front are passed
over; a loop, a variable or another module is refused. Text that was copied and is pasted by the next statement, which
is how `actions.interfaces.pyautogui` writes what is not ASCII, is typed: the display has no clipboard of its own.
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
    "keyDown": ("key",),
    "keyUp": ("key",),
    "sleep": ("seconds",),
}
_MODULES: Final = {"pyautogui", "time", "pyperclip"}
_MOST_CALLS: Final = 200
_MOST_SECONDS: Final = 30.0
_MOST_TIMES: Final = 100
_PAIR: Final = 2  # x and y


class Call(NamedTuple):
    """One call: its name and its arguments by name; those of `hotkey` as "keys"."""

    name: str
    arguments: dict[str, Any]


_COPY: Final = "copy"
_PASTE: Final = Call("hotkey", {"keys": ["ctrl", "v"]})


def read_calls(script: str) -> list[Call]:
    """The calls of a script, in order.

    Raises:
        ActionFailed: REFUSED: it is no Python, or more than calls with literal arguments.
    """
    try:
        calls = _calls(ast.parse(script).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ActionFailed(Failure.REFUSED, f"the command is no Python that can be read: {error}") from None
    if len(calls) > _MOST_CALLS:
        raise ActionFailed(Failure.REFUSED, f"{len(calls)} calls at once; at most {_MOST_CALLS} are taken")
    return calls


def _calls(body: list[ast.stmt]) -> list[Call]:
    calls: list[Call] = []
    for statement in body:
        call = _call(statement)
        if call is None:
            continue
        if not calls or calls[-1].name != _COPY:
            calls.append(call)
        elif call == _PASTE:
            calls[-1] = Call("write", calls[-1].arguments)
        else:
            break
    if calls and calls[-1].name == _COPY:
        raise ActionFailed(Failure.REFUSED, "pyperclip.copy must be followed by pyautogui.hotkey('ctrl', 'v')")
    return calls


def _call(statement: ast.stmt) -> Call | None:
    match statement:
        case ast.Import(names=names) if all(name.name in _MODULES for name in names):
            return None
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="pyautogui"))], value=ast.Constant()):
            return None
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="pyautogui" | "time"), attr=name)) as call):
            if name not in _ORDER:
                raise ActionFailed(Failure.REFUSED, f"{name} is no call that is known here")
            return _arguments(name, call)
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(value=ast.Name(id="pyperclip"), attr="copy"),
                args=[ast.Constant(value=str(text))],
                keywords=[],
            )
        ):
            return Call(_COPY, {"message": text})
    line = ast.unparse(statement)[:80]
    raise ActionFailed(Failure.REFUSED, f"only calls of pyautogui with literal arguments are carried out, not: {line}")


def _arguments(name: str, call: ast.Call) -> Call:
    try:
        positional = [ast.literal_eval(argument) for argument in call.args]
        named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (ValueError, TypeError, RecursionError, MemoryError):
        raise ActionFailed(Failure.REFUSED, f"{name}: only literal arguments are read") from None
    if name == "hotkey":
        keys = positional[0] if len(positional) == 1 and isinstance(positional[0], list | tuple) else positional
        return Call(name, {"keys": list(keys)})
    ordered = dict(zip(_ORDER[name], positional, strict=False))
    if len(positional) > len(_ORDER[name]) or not named.keys() <= {*_ORDER[name], "_pause", "logScreenshot"}:
        raise ActionFailed(Failure.REFUSED, f"{name}: unknown arguments")
    if ordered.keys() & named.keys():
        raise ActionFailed(Failure.REFUSED, f"{name}: an argument is given twice")
    return Call(name, {**ordered, **named})


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
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            raise ActionFailed(Failure.REFUSED, f"{name}: an argument does not fit ({error})") from None


def _carry_out(name: str, given: dict[str, Any], pointer: Pointer, type_text: Callable[[str], None]) -> None:
    if name in {"write", "typewrite"}:
        message = given["message"]
        if not isinstance(message, list | tuple):
            type_text(str(message))
            return
        for key in message:  # of a list, pyautogui presses each: names of keys and characters
            pointer.press((key_name(str(key)),))
    elif name in {"keyDown", "keyUp"}:
        pointer.key(key_name(str(given["key"])), down=name == "keyDown")
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
    place = _place(name, given, pointer)
    if name == "dragTo":
        _drag(place, button, pointer)
        return
    if place is not None:
        pointer.move(*place)
    match name:
        case "click":
            pointer.click(button, min(int(given.get("clicks", 1)), _MOST_TIMES))
        case "doubleClick" | "tripleClick":
            pointer.click(LEFT, 2 if name == "doubleClick" else 3)
        case "rightClick" | "middleClick":
            pointer.click(RIGHT if name == "rightClick" else MIDDLE)
        case "mouseDown" | "mouseUp":
            pointer.button(button, down=name == "mouseDown")
        case "scroll" | "hscroll":
            amount = int(given["clicks"])
            ways = ("up", "down") if name == "scroll" else ("right", "left")
            pointer.click(WHEEL[ways[amount < 0]], min(abs(amount), _MOST_TIMES))


def _drag(place: tuple[int, int] | None, button: int, pointer: Pointer) -> None:
    pointer.button(button, down=True)
    try:
        if place is not None:
            pointer.move(*place)
    finally:
        pointer.button(button, down=False)


def _place(name: str, given: dict[str, Any], pointer: Pointer) -> tuple[int, int] | None:
    """The pixel that a call names, as two numbers or as a pair in place of the first; None: where the pointer is."""
    x, y = given.get("x"), given.get("y")
    if isinstance(x, list | tuple) and len(x) == _PAIR and y is None:
        x, y = x
    if x is None and y is None:
        return None
    if x is None or y is None:
        given_alone = f"x={x!r}" if y is None else f"y={y!r}"
        raise ActionFailed(Failure.REFUSED, f"{name}: a place is x and y, got {given_alone[:80]} alone; give both")
    return _inside(float(x), float(y), pointer)


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
