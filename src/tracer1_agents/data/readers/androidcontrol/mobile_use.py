"""Steps in the vocabulary of Qwen2.5-VL's ``mobile_use`` function, which two conversions share.

Swipes are movements of the finger, `Scroll` tells where the view goes: a finger that moves up scrolls down, and one
that moves left scrolls right. The ``direction`` of the published checks follows the view vertically and the finger
horizontally; it is used only where the finger's ends are missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.coordinates import PIXELS, Size
from tracer1_agents.actions.targets import clipped
from tracer1_agents.data.readers.base import (
    Box,
    RecordError,
    build,
    looked_up,
    numbers,
    place,
    required,
    typed,
    view_direction,
)
from tracer1_agents.types import NO_TARGET, ImageRef, Observation, ReferenceStep

if TYPE_CHECKING:
    from tracer1_agents.actions.space import Action

_FLIPPED: Final = {"left": "right", "right": "left", "up": "up", "down": "down"}
_BUTTONS: Final = {"back": "back", "home": "home", "enter": "enter", "menu": "menu", "recent": "recent"}
_POINTED: Final = frozenset({"click", "long_press"})
_TEXTS: Final = {"type": ("type", "content"), "open": ("open_app", "app_name")}
_STATUSES: Final = {"success": "success", "failure": "infeasible", "infeasible": "infeasible"}


def ends_of(content: dict[str, Any]) -> list[list[float]]:
    """The points of an action in pixels: none, one, or the two ends of a swipe."""
    keys = ("coordinate", "coordinate2")
    return [numbers(content[key], 2, f'"{key}"') for key in keys if content.get(key) is not None]


def step_of(step: dict[str, Any], image: ImageRef | None, size: Size) -> ReferenceStep:
    """One step.

    Args:
        step: ``action_content``, ``screenshot``, ``step_instruction?``, ``check_options?``.
        image: The screenshot where it is here.
        size: That coordinates are counted in, should it not be.

    Raises:
        RecordError: The step does not follow the schema.
    """
    content = required(step, "action_content", dict)
    checks = typed(step.get("check_options") or {}, dict, '"check_options"')
    if image is None and isinstance(step.get("screenshot"), str):
        image = ImageRef(ref=step["screenshot"], width=size.width, height=size.height)
    else:
        size = Size(image.width, image.height) if image else size
    action = _action(content, checks, ends_of(content), size)
    boxes = _boxes(content, checks, size)
    untargeted = content["action"] in _POINTED and not boxes and not content.get("coordinate")
    return ReferenceStep(
        observation=Observation(image=image),
        action=action,
        instruction=typed(step.get("step_instruction") or "", str, '"step_instruction"'),
        boxes=boxes,
        flags=frozenset({NO_TARGET} if untargeted else ()),
    )


def _action(content: dict[str, Any], checks: dict[str, Any], ends: list[list[float]], size: Size) -> Action:
    name = required(content, "action", str)
    if name in _POINTED:
        return build(name, point=place(PIXELS, ends[0], size) if ends else None)
    if name == "swipe":
        return build("scroll", direction=_direction(checks, ends))
    if name in _TEXTS:
        kind, argument = _TEXTS[name]
        return build(kind, **{argument: required(content, "text", str)})
    if name == "system_button":
        return build("press_button", button=looked_up(_BUTTONS, required(content, "button", str), "button"))
    if name == "wait":
        return build("wait")
    return _end(name, content)


def _end(name: str, content: dict[str, Any]) -> Action:
    if name == "terminate":
        return build("finish", status=looked_up(_STATUSES, required(content, "status", str), "status"))
    if name == "answer":
        return build("finish", answer=required(content, "text", str))
    msg = f"unknown action {name!r}"
    raise RecordError(msg)


def _direction(checks: dict[str, Any], ends: list[list[float]]) -> str:
    if len(ends) < 2:  # noqa: PLR2004  (a swipe has two ends)
        return looked_up(_FLIPPED, required(checks, "direction", str), "direction")
    return view_direction(*ends)


def _boxes(content: dict[str, Any], checks: dict[str, Any], size: Size) -> tuple[Box, ...]:
    """Candidate boxes, from either place where the conversions keep them."""
    raw = list(typed(checks.get("candidate_bbox") or [], list, '"candidate_bbox"'))
    if content.get("bbox") is not None:
        raw.append(content["bbox"])
    placed = (clipped(numbers(box, 4, "a box"), size) for box in raw)
    return tuple(box for box in placed if box)
