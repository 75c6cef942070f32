"""BrowserGym's action strings as actions of the union: read by `ast` and never evaluated.

A string is one or more calls with literal arguments, such as ``click('12')``; names and parameters are those of
browsergym/core/action/functions.py. Elements are named by an id that only the page's tree explains: pointing actions
come without a point. What the browser does rather than the page becomes the keyboard shortcut of desktop browsers:
``goto`` types into the address bar (Ctrl+L), ``go_back`` is Alt+Left, tabs are Ctrl+T, Ctrl+W and Ctrl+1 to Ctrl+8.

No action of the union holds a pressed key or button, uploads a file, or clicks with a modifier: these are problems.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracer1_agents.actions.coordinates import PIXELS
from tracer1_agents.data.readers.base import RecordError, build, looked_up, place, required, typed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracer1_agents.actions.coordinates import Size
    from tracer1_agents.actions.space import Action

SIGNATURES: Final[dict[str, tuple[str, ...]]] = {
    "noop": ("wait_ms",),
    "send_msg_to_user": ("text",),
    "report_infeasible": ("reason",),
    "fill": ("bid", "value"),
    "check": ("bid",),
    "uncheck": ("bid",),
    "select_option": ("bid", "options"),
    "click": ("bid", "button", "modifiers"),
    "dblclick": ("bid", "button", "modifiers"),
    "hover": ("bid",),
    "press": ("bid", "key_comb"),
    "focus": ("bid",),
    "clear": ("bid",),
    "drag_and_drop": ("from_bid", "to_bid"),
    "scroll": ("delta_x", "delta_y"),
    "mouse_move": ("x", "y"),
    "mouse_click": ("x", "y", "button"),
    "mouse_dblclick": ("x", "y", "button"),
    "mouse_drag_and_drop": ("from_x", "from_y", "to_x", "to_y"),
    "keyboard_press": ("key",),
    "keyboard_type": ("text",),
    "keyboard_insert_text": ("text",),
    "goto": ("url",),
    "go_back": (),
    "go_forward": (),
    "new_tab": (),
    "tab_close": (),
    "tab_focus": ("index",),
}
_PLAIN: Final = {"noop": "wait", "hover": "hover", "check": "click", "uncheck": "click", "focus": "click"}
_SHORTCUTS: Final = {
    "go_back": ("alt", "left"),
    "go_forward": ("alt", "right"),
    "new_tab": ("ctrl", "t"),
    "tab_close": ("ctrl", "w"),
}
_TYPED: Final = {"fill": "value", "keyboard_type": "text", "keyboard_insert_text": "text"}
_PRESSED: Final = {"press": "key_comb", "keyboard_press": "key"}
_BUTTONS: Final = {"left": "click", "right": "right_single", "middle": "middle_click"}
_KEYS: Final = {"control": "ctrl", "controlormeta": "ctrl", "escape": "esc"}
_KEY_PREFIX: Final = re.compile(r"^(?:arrow|key(?=.$)|digit(?=.$))")
_TABS: Final = 8  # that a shortcut reaches by number


class Call(NamedTuple):
    """A call by name, its arguments by parameter."""

    name: str
    arguments: dict[str, Any]


def parse_calls(text: str) -> list[Call]:
    """The calls of an action string, in order.

    Raises:
        RecordError: It is no Python, or something else than known calls with literal arguments.
    """
    try:
        body = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        msg = f"not an action: {error} in {text!r:.80}"
        raise RecordError(msg) from None
    if not body:
        msg = f"not an action: no call in {text!r:.80}"
        raise RecordError(msg)
    return [_call(statement) for statement in body]


def actions_of(call: Call, screen: Size | None) -> list[Action]:
    """What a call comes to: one action, or the few that do the same.

    Args:
        call: As `parse_calls` gives it.
        screen: In whose pixels the ``mouse_`` calls count.

    Raises:
        RecordError: No action of the union does it, or its arguments do not fit.
    """
    name, arguments = call
    if name in _PLAIN:
        return [build(_PLAIN[name])]
    if name in _SHORTCUTS:
        return [build("hotkey", keys=_SHORTCUTS[name])]
    if name in _TYPED:
        return [build("type", content=required(arguments, _TYPED[name], str))]
    if name in _PRESSED:
        return [build("hotkey", keys=_keys(required(arguments, _PRESSED[name], str)))]
    if name.startswith("mouse_"):
        return [_mouse(name, arguments, screen)]
    return _MAKERS[name](arguments)


def _mouse(name: str, arguments: dict[str, Any], screen: Size | None) -> Action:
    def point(x: str, y: str) -> Any:
        return place(PIXELS, [required(arguments, axis, (int, float)) for axis in (x, y)], screen)

    if name == "mouse_drag_and_drop":
        return build("drag", start=point("from_x", "from_y"), end=point("to_x", "to_y"))
    if name == "mouse_move":
        return build("hover", point=point("x", "y"))
    kind = _double(arguments) if name == "mouse_dblclick" else _button(arguments)
    return build(kind, point=point("x", "y"))


def _button(arguments: dict[str, Any]) -> str:
    if arguments.get("modifiers"):
        msg = f"a click with {arguments['modifiers']} held has no place in the actions"
        raise RecordError(msg)
    return looked_up(_BUTTONS, typed(arguments.get("button", "left"), str, '"button"'), "button")


def _double(arguments: dict[str, Any]) -> str:
    if _button(arguments) != "click":
        msg = "a double click with another button than the left has no place in the actions"
        raise RecordError(msg)
    return "left_double"


def _chosen(arguments: dict[str, Any]) -> list[Action]:
    options = required(arguments, "options", (str, list))
    return [build("select", option=option) for option in ([options] if isinstance(options, str) else options)]


def _scrolled(arguments: dict[str, Any]) -> list[Action]:
    """Positive is right and down."""
    across, down = (required(arguments, key, (int, float)) for key in ("delta_x", "delta_y"))
    if across == down == 0:
        msg = "a scroll that goes nowhere"
        raise RecordError(msg)
    if abs(across) > abs(down):
        return [build("scroll", direction="right" if across > 0 else "left")]
    return [build("scroll", direction="down" if down > 0 else "up")]


def _tab(arguments: dict[str, Any]) -> list[Action]:
    index = required(arguments, "index", int)
    if not 0 <= index < _TABS:
        msg = f"no shortcut reaches tab {index}, only 0 to {_TABS - 1}"
        raise RecordError(msg)
    return [build("hotkey", keys=("ctrl", str(index + 1)))]


def _gone_to(arguments: dict[str, Any]) -> list[Action]:
    url = required(arguments, "url", str)
    return [build("hotkey", keys=("ctrl", "l")), build("type", content=url + "\n")]


def _cleared(_: dict[str, Any]) -> list[Action]:
    return [build("click"), build("hotkey", keys=("ctrl", "a")), build("hotkey", keys=("delete",))]


def _keys(combination: str) -> list[str]:
    """Playwright's names, as in ``Control+ArrowDown``, in the union's; a plus sign may be the key itself."""
    if not combination:
        msg = "the combination names no key"
        raise RecordError(msg)
    *held, last = combination[:-1].rpartition("+")
    names = [*(name for name in held[0].split("+") if name), last + combination[-1:]]
    lowered = [name.lower() for name in names]
    return [_KEYS.get(name) or _KEY_PREFIX.sub("", name) for name in lowered]


_MAKERS: Final[dict[str, Callable[[dict[str, Any]], list[Action]]]] = {
    "click": lambda arguments: [build(_button(arguments))],
    "dblclick": lambda arguments: [build(_double(arguments))],
    "drag_and_drop": lambda _: [build("drag")],
    "select_option": _chosen,
    "scroll": _scrolled,
    "clear": _cleared,
    "goto": _gone_to,
    "tab_focus": _tab,
    "send_msg_to_user": lambda arguments: [build("finish", answer=required(arguments, "text", str))],
    "report_infeasible": lambda arguments: [
        build("finish", answer=required(arguments, "reason", str), status="infeasible")
    ],
}


def _call(statement: ast.stmt) -> Call:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id=name)) as call) if name in SIGNATURES:
            return Call(name, _arguments(name, call))
        case ast.Expr(value=ast.Call(func=ast.Name(id=name))):
            msg = f"unknown action {name!r}"
        case _:
            msg = f"not an action: only calls are read, got {ast.unparse(statement)[:80]!r}"
    raise RecordError(msg)


def _arguments(name: str, call: ast.Call) -> dict[str, Any]:
    order = SIGNATURES[name]
    if len(call.args) > len(order):
        msg = f"{name} takes at most {len(order)} arguments, got {len(call.args)}"
        raise RecordError(msg)
    nodes = [*zip(order, call.args, strict=False), *((item.arg, item.value) for item in call.keywords)]
    arguments: dict[str, Any] = {}
    for key, node in nodes:
        if key not in order or key in arguments:
            msg = f"{name} takes {', '.join(order) or 'no arguments'}, each once, got {key or '**'}"
            raise RecordError(msg)
        try:
            arguments[key] = ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            msg = f"an argument of {name} must be a literal, got {ast.unparse(node)[:80]!r}"
            raise RecordError(msg) from None
    return arguments
