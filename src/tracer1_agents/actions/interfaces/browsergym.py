"""Actions as BrowserGym's action strings (browsergym/core/action/functions.py).

`data.readers.browsergym_code` reads them back. A string is one call with literal arguments, every text the `repr` of a
string. Places are pixels (the `coord` actions); an element that has an id of its page, a bid, is named by it where the
action needs one, as a choice in a list does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.elements import element_at
from tracer1_agents.actions.interfaces.places import pixel_of
from tracer1_agents.actions.space import Drag, Finish, Hotkey, Scroll, Select, Type, Wait
from tracer1_agents.actions.targets import points_of
from tracer1_agents.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.actions.coordinates import Size
    from tracer1_agents.actions.elements import Element
    from tracer1_agents.actions.space import Action

SCROLL_PIXELS: Final = 400  # ours: less than a page, so that something of it stays in view
_WAIT_MILLISECONDS: Final = 1000
_CLICKS: Final = {
    "click": "mouse_click({x}, {y})",
    "right_single": "mouse_click({x}, {y}, button='right')",
    "middle_click": "mouse_click({x}, {y}, button='middle')",
    "left_double": "mouse_dblclick({x}, {y})",
    "hover": "mouse_move({x}, {y})",
}
_SCROLLS: Final = {"down": (0, 1), "up": (0, -1), "right": (1, 0), "left": (-1, 0)}
_KEYS: Final = {  # names of the union and their aliases, as Playwright's keyboard has them
    "ctrl": "Control", "control": "Control", "alt": "Alt", "shift": "Shift", "meta": "Meta", "win": "Meta",
    "cmd": "Meta", "command": "Meta", "super": "Meta", "enter": "Enter", "return": "Enter", "esc": "Escape",
    "escape": "Escape", "tab": "Tab", "space": "Space", "backspace": "Backspace", "delete": "Delete", "del": "Delete",
    "insert": "Insert", "home": "Home", "end": "End", "pageup": "PageUp", "page_up": "PageUp", "pagedown": "PageDown",
    "page_down": "PageDown", "up": "ArrowUp", "down": "ArrowDown", "left": "ArrowLeft", "right": "ArrowRight",
    "arrowup": "ArrowUp", "arrowdown": "ArrowDown", "arrowleft": "ArrowLeft", "arrowright": "ArrowRight",
    **{f"f{number}": f"F{number}" for number in range(1, 13)},
}  # fmt: skip


def action_string(action: Action, size: Size, elements: Sequence[Element] = ()) -> str:  # noqa: PLR0911  (one case a kind)
    """The string that BrowserGym's environment takes.

    Args:
        action: With its place.
        size: Of the screenshot, in pixels.
        elements: Of the page, ids are its bids.

    Raises:
        ToolError: BrowserGym has no such action or key, or the place is missing.
    """
    if action.kind in _CLICKS:
        x, y = pixel_of(action, points_of(action)[0], size)
        return _CLICKS[action.kind].format(x=x, y=y)
    match action:
        case Type():
            return f"keyboard_type({action.content!r})"
        case Hotkey():
            return f"keyboard_press({'+'.join(_key(name) for name in action.keys)!r})"
        case Scroll():
            across, down = _SCROLLS[action.direction]
            return f"scroll({across * SCROLL_PIXELS}, {down * SCROLL_PIXELS})"
        case Drag():
            (x, y), (to_x, to_y) = (pixel_of(action, point, size) for point in points_of(action))
            return f"mouse_drag_and_drop({x}, {y}, {to_x}, {to_y})"
        case Select():
            return f"select_option({_bid(action, size, elements)!r}, {action.option!r})"
        case Wait():
            return f"noop({_WAIT_MILLISECONDS})"
        case Finish(status="infeasible"):
            return f"report_infeasible({(action.answer or 'infeasible')!r})"
        case Finish():
            return f"send_msg_to_user({(action.answer or 'done')!r})"
    msg = f"BrowserGym has no action {action.kind}"
    raise ToolError(msg)


def _bid(action: Select, size: Size, elements: Sequence[Element]) -> str:
    here = element_at(elements, *pixel_of(action, action.point, size))
    if here is None:
        msg = "select: no element of the page is known at that place; click the list, then its entry"
        raise ToolError(msg)
    return here.id


def _key(name: str) -> str:
    folded = name.casefold()
    if folded in _KEYS:
        return _KEYS[folded]
    if len(name) == 1 and name.isprintable():
        return name
    msg = f"a browser's keyboard has no key {name[:40]!r}"
    raise ToolError(msg)
