"""Lists of low-level desktop actions, folded into actions of the union.

A pointer that moves before it scrolls, presses or drags is part of what follows; Enter right after typed text is its
final newline. What stays apart becomes several actions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracer1_agents.actions.coordinates import UNIT
from tracer1_agents.actions.space import Type
from tracer1_agents.data.readers.base import Box, RecordError, build, place, required, typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.actions.space import Action, Point
    from tracer1_agents.data.readers.pyautogui_code import RawAction

_CLICKS: Final = {
    "doubleClick": "left_double",
    "tripleClick": "triple_click",
    "rightClick": "right_single",
    "middleClick": "middle_click",
}
_BY_COUNT: Final = {1: "click", 2: "left_double", 3: "triple_click"}
_BY_BUTTON: Final = {"left": "click", "primary": "click", "right": "right_single", "middle": "middle_click"}
_STATUSES: Final = {"success": "success", "failure": "infeasible", "infeasible": "infeasible"}
_ENTER: Final = frozenset({"enter", "return", "\n"})


class Placed(NamedTuple):
    """An action with the boxes in which its point would be right."""

    action: Action
    boxes: tuple[Box, ...] = ()


def fold(raw: Sequence[RawAction]) -> list[Placed]:
    """Actions of the union, in order.

    Args:
        raw: As the source lists them, coordinates in fractions of the screen.

    Raises:
        RecordError: One is unknown, or its parameters do not fit.
    """
    found: list[Placed] = []
    moved: Placed | None = None  # a pointer movement that waits for its purpose
    for item in raw:
        if item.type == "moveTo":
            if moved:
                found.append(moved)
            moved = Placed(build("hover", point=_point(item, needed=True)), item.boxes)
            continue
        placed, used = _one(item, moved)
        if moved and not used:
            found.append(moved)
        moved = None
        _append(found, placed)
    return [*found, moved] if moved else found


def _append(found: list[Placed], placed: list[Placed]) -> None:
    """Add, with Enter after typed text as its newline."""
    for item in placed:
        before = found[-1].action if found else None
        enter = getattr(item.action, "keys", None) == ("enter",)
        if enter and isinstance(before, Type) and not before.content.endswith("\n"):
            found[-1] = Placed(Type(content=before.content + "\n"), found[-1].boxes)
        else:
            found.append(item)


def _one(item: RawAction, moved: Placed | None) -> tuple[list[Placed], bool]:
    """What one raw action comes to, and whether it took up the pointer movement before it."""
    point = _point(item)
    start: Point | None = getattr(moved.action, "point", None) if moved else None
    if item.type == "click" or item.type in _CLICKS:
        boxes = item.boxes if point or not moved else (item.boxes or moved.boxes)
        return [Placed(build(_click_kind(item), point=point or start), boxes)], point is None or point == start
    if item.type in {"scroll", "vscroll", "hscroll"}:
        same = point is None or point == start
        action = build("scroll", direction=_direction(item), point=point or start)
        return [Placed(action, item.boxes or (moved.boxes if moved and same else ()))], same
    if item.type == "dragTo":
        return [Placed(build("drag", start=start, end=_point(item, needed=True)), item.boxes)], True
    return [Placed(action) for action in _unpointed(item)], False


def _unpointed(item: RawAction) -> list[Action]:
    """Actions without a place on the screen; ``press`` with several keys presses one after the other."""
    if item.type == "write":
        return [build("type", content=required(item.params, "text", str))]
    if item.type == "hotkey":
        return [build("hotkey", keys=_keys(item))]
    if item.type == "press":
        presses = typed(item.params.get("presses", 1), int, '"presses"')
        if not 1 <= presses <= 100:  # noqa: PLR2004  (nobody presses a key more often in one step)
            msg = f'"presses" must be 1 to 100, got {presses}'
            raise RecordError(msg)
        return [build("hotkey", keys=(key,)) for _ in range(presses) for key in _keys(item)]
    if item.type == "wait":
        return [build("wait")]
    if item.type == "terminate":
        status = str(item.params.get("status", "success"))
        if status not in _STATUSES:
            msg = f"unknown status {status!r}; known are {', '.join(_STATUSES)}"
            raise RecordError(msg)
        return [build("finish", status=_STATUSES[status], answer=item.params.get("answer"))]
    msg = f"unknown action {item.type!r}"
    raise RecordError(msg)


def _click_kind(item: RawAction) -> str:
    if item.type in _CLICKS:
        return _CLICKS[item.type]
    count, button = item.params.get("clicks", 1), str(item.params.get("button", "left")).lower()
    kind = _BY_BUTTON.get(button)
    if kind == "click":
        kind = _BY_COUNT.get(count) if isinstance(count, int) else None
    if kind is None or (kind not in _BY_COUNT.values() and count != 1):
        msg = f"no such click: button {button!r}, {count!r} times"
        raise RecordError(msg)
    return kind


def _direction(item: RawAction) -> str:
    """Up and right count and right as positive in pyautogui."""
    amount = required(item.params, "amount", (int, float))
    if amount == 0 or not math.isfinite(amount):
        msg = f"{item.type} by {amount} goes nowhere"
        raise RecordError(msg)
    if item.type == "hscroll":
        return "right" if amount > 0 else "left"
    return "up" if amount > 0 else "down"


def _keys(item: RawAction) -> list[str]:
    keys = item.params.get("keys", item.params.get("key"))
    found = [keys] if isinstance(keys, str) else typed(keys, list, f'"keys" of {item.type}')
    lowered = [typed(key, str, "a key").lower() for key in found]
    if not lowered:
        msg = f"{item.type} names no key"
        raise RecordError(msg)
    return ["enter" if key in _ENTER else key for key in lowered]


def _point(item: RawAction, *, needed: bool = False) -> Point | None:
    position: Any = item.params.get("position")
    if position is None and not needed:
        return None
    given = typed(position, dict, f'"position" of {item.type}')
    x, y = (required(given, axis, (int, float)) for axis in ("x", "y"))
    return place(UNIT, (x, y), None)
