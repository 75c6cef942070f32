"""pyautogui scripts as AgentNet records them, read by `ast` and never evaluated, in the form its benchmark uses.

A script is a list of calls ``pyautogui.name(...)`` or ``computer.name(...)`` with literal arguments. Anything else is a
problem: a loop, a variable, an import, another module.
"""

from __future__ import annotations

import ast
from typing import Any, Final, NamedTuple

from tracer1_agents.data.readers.base import RecordError

_MODULES: Final = frozenset({"pyautogui", "computer"})
_POSITIONAL: Final[dict[str, tuple[str, ...]]] = {  # the order of pyautogui's own parameters
    "click": ("x", "y", "clicks", "interval", "button"),
    "doubleClick": ("x", "y"),
    "tripleClick": ("x", "y"),
    "rightClick": ("x", "y"),
    "middleClick": ("x", "y"),
    "moveTo": ("x", "y"),
    "dragTo": ("x", "y", "duration"),
    "scroll": ("amount", "x", "y"),
    "vscroll": ("amount", "x", "y"),
    "hscroll": ("amount", "x", "y"),
    "write": ("text", "interval"),
    "press": ("keys", "presses"),
    "hotkey": (),
    "wait": ("seconds",),
    "terminate": ("status",),
}
_ALIASES: Final = {"typewrite": "write", "sleep": "wait", "tripleclick": "tripleClick"}
_RENAMED: Final = {"message": "text", "clicks_": "clicks", "key": "keys", "args": "keys"}
_AMOUNTS: Final = {"clicks": "amount"}


class RawAction(NamedTuple):
    """One action of a script or of the benchmark: its type, its parameters, and the boxes where it would be right."""

    type: str
    params: dict[str, Any]
    boxes: tuple[tuple[float, float, float, float], ...] = ()


def parse_script(code: str) -> list[RawAction]:
    """The calls of a script in order.

    Raises:
        RecordError: It is no Python, or more than a list of known calls with literal arguments.
    """
    try:
        body = ast.parse(code.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        msg = f"the code is no Python: {error} in {code!r:.80}"
        raise RecordError(msg) from None
    return [_action(statement) for statement in body]


def _action(statement: ast.stmt) -> RawAction:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=attr)) as call) if (
            module in _MODULES
        ):
            name = _ALIASES.get(attr, attr)
            if name in _POSITIONAL:
                return RawAction(name, _parameters(name, call))
            msg = f"unknown action {module}.{attr}"
        case _:
            msg = f"unknown action: only pyautogui and computer calls are read, got {ast.unparse(statement)[:80]!r}"
    raise RecordError(msg)


def _parameters(name: str, call: ast.Call) -> dict[str, Any]:
    """Arguments by name, positions as ``position``, as the benchmark has them."""
    given = [_literal(node) for node in call.args]
    named = {item.arg or "**": _literal(item.value) for item in call.keywords}
    if name == "hotkey":
        keys = given[0] if len(given) == 1 and isinstance(given[0], list) else given
        given, named = [], {"keys": keys or named.pop("args", None) or named.pop("keys", None) or [], **named}
    order = _POSITIONAL[name]
    if len(given) > len(order):
        msg = f"{name} takes at most {len(order)} positional arguments, got {len(given)}"
        raise RecordError(msg)
    renamed = {(_AMOUNTS if name.endswith("scroll") else _RENAMED).get(key, key): item for key, item in named.items()}
    params = {**dict(zip(order, given, strict=False)), **renamed}
    if params.get("x") is not None or params.get("y") is not None:
        params["position"] = {"x": params.pop("x", None), "y": params.pop("y", None)}
    return params


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        msg = f"an argument must be a literal, got {ast.unparse(node)[:80]!r}"
        raise RecordError(msg) from None
