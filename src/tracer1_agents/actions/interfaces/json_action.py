"""AndroidWorld's JSONAction, both ways (google-research/android_world, env/json_action.py and env/actuation.py).

A JSONAction is a flat object: `action_type`, and `x`, `y` in pixels or the `index` of an element, never both. What the
form cannot say is a `ToolError`: a drag between two points (its `swipe` knows directions only), and text without the
field it goes into, since `input_text` clicks there first. It presses Enter after the text, whatever the text is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.codec import Broken
from tracer1_agents.actions.coordinates import PIXELS
from tracer1_agents.actions.interfaces.places import pixel_of
from tracer1_agents.actions.space import (
    Click,
    Drag,
    Finish,
    LeftDouble,
    LongPress,
    OpenApp,
    Point,
    PressButton,
    Scroll,
    Type,
    Wait,
    load_action,
)
from tracer1_agents.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer1_agents.actions.coordinates import Size
    from tracer1_agents.actions.elements import Element
    from tracer1_agents.actions.space import Action

_AT_A_POINT: Final[dict[type[Any], str]] = {Click: "click", LongPress: "long_press", LeftDouble: "double_tap"}
_KINDS: Final = {"click": "click", "long_press": "long_press", "double_tap": "left_double"}
_BUTTONS: Final = {"back": "navigate_back", "home": "navigate_home", "enter": "keyboard_enter"}
_PRESSED: Final = {name: button for button, name in _BUTTONS.items()}
_DIRECTIONS: Final = frozenset({"up", "down", "left", "right"})
# where the finger of AndroidWorld's `swipe` goes: up and down are the finger's, left and right the view's
_FINGER: Final = {"up": (0, -1), "down": (0, 1), "left": (1, 0), "right": (-1, 0)}
_REACH: Final = 0.25  # of the screen, from the middle, when a swipe is read


def json_action(action: Action, size: Size, *, field: Point | None = None) -> dict[str, Any]:  # noqa: PLR0911  (one case a kind)
    """The fields of a JSONAction.

    Args:
        action: With its place.
        size: Of the screen, in pixels.
        field: Where text goes: the place that was last acted on.

    Raises:
        ToolError: The form cannot say it, or the place is missing.
    """
    match action:
        case Click() | LongPress() | LeftDouble():
            return {"action_type": _AT_A_POINT[type(action)], **_pixel(action, action.point, size)}
        case Type():
            if field is None:
                msg = "type: tap the field first; AndroidWorld types into the place that was tapped last"
                raise ToolError(msg)
            return {
                "action_type": "input_text",
                "text": action.content.removesuffix("\n"),
                **_pixel(action, field, size),
            }
        case Scroll():
            return {"action_type": "scroll", "direction": action.direction}
        case Drag():
            return {"action_type": "swipe", "direction": _swiped(action)}
        case PressButton() if action.button in _BUTTONS:
            return {"action_type": _BUTTONS[action.button]}
        case OpenApp():
            return {"action_type": "open_app", "app_name": action.app_name}
        case Wait():
            return {"action_type": "wait"}
        case Finish():
            return {"action_type": "status", "goal_status": "complete" if action.status == "success" else "infeasible"}
    what = f"the button {action.button}" if isinstance(action, PressButton) else action.kind
    msg = f"AndroidWorld has no action for {what}"
    raise ToolError(msg)


def read_json_action(fields: Mapping[str, Any], size: Size, elements: Sequence[Element] = ()) -> Action:  # noqa: PLR0911  (one case a kind)
    """The action that a JSONAction says.

    Args:
        fields: As `json_action` gives them, or as `JSONAction.as_dict` does.
        size: Of the screen, in pixels.
        elements: What `index` counts in.

    Raises:
        ToolError: No action of the union does it, or the fields do not fit.
    """
    name = fields.get("action_type")
    if name in _KINDS:
        return load_action({"kind": _KINDS[name], "point": _point(fields, size, elements)})
    if name in _PRESSED:
        return load_action({"kind": "press_button", "button": _PRESSED[name]})
    match name:
        case "input_text" | "answer":
            text = _text(fields, "text")
            return Type(content=text) if name == "input_text" else Finish(answer=text)
        case "scroll":
            return load_action({"kind": "scroll", "direction": _direction(fields)})
        case "swipe":
            across, down = _FINGER[_direction(fields)]
            start, end = (Point(0.5 + sign * across * _REACH, 0.5 + sign * down * _REACH) for sign in (-1, 1))
            return Drag(start=start, end=end)
        case "open_app":
            return OpenApp(app_name=_text(fields, "app_name"))
        case "wait":
            return Wait()
        case "status":
            return Finish(status="infeasible" if fields.get("goal_status") == "infeasible" else "success")
    msg = f"no action does {str(name)[:40]!r}"
    raise ToolError(msg)


def _pixel(action: Action, point: Point | None, size: Size) -> dict[str, int]:
    return dict(zip("xy", pixel_of(action, point, size), strict=True))


def _swiped(action: Drag) -> str:
    """The direction of a swipe; one that begins and ends at chosen places has none."""
    if action.start is None or action.end is None:
        msg = "drag needs both its points, and nobody found them"
        raise ToolError(msg)
    across, down = action.end.x - action.start.x, action.end.y - action.start.y
    if across == down == 0:
        msg = "a drag that goes nowhere"
        raise ToolError(msg)
    finger = (0, 1 if down > 0 else -1) if abs(down) >= abs(across) else (1 if across > 0 else -1, 0)
    return next(name for name, way in _FINGER.items() if way == finger)


def _point(fields: Mapping[str, Any], size: Size, elements: Sequence[Element]) -> Point:
    index, x, y = (fields.get(name) for name in ("index", "x", "y"))
    if (index is None) == (x is None or y is None):
        msg = "an action at a place needs an index, or x and y, and not both"
        raise ToolError(msg)
    if index is not None:
        number = int(index) if str(index).isdecimal() else -1
        found = elements[number].centre(size) if 0 <= number < len(elements) else None
        if found is None:
            msg = f"element {index} is not on the screen, which lists {len(elements)}"
            raise ToolError(msg)
        return found
    if not all(type(value) in {int, float} for value in (x, y)):
        msg = f"x and y are numbers of pixels, got ({x!r:.20}, {y!r:.20})"
        raise ToolError(msg)
    try:
        return PIXELS.to_unit(x or 0, y or 0, size)
    except Broken as broken:
        raise ToolError(broken.problem) from None


def _text(fields: Mapping[str, Any], name: str) -> str:
    text = fields.get(name)
    if not isinstance(text, str):
        msg = f"{fields.get('action_type')} needs {name}, got {str(text)[:40]!r}"
        raise ToolError(msg)
    return text


def _direction(fields: Mapping[str, Any]) -> str:
    direction = fields.get("direction")
    if direction not in _DIRECTIONS:
        msg = f"{fields.get('action_type')} needs a direction (up, down, left, right), got {str(direction)[:40]!r}"
        raise ToolError(msg)
    return str(direction)
