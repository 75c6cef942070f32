"""AndroidControl's step success as published scripts decide it, by name: `RULES` holds them all, with ours.

One policy scores very differently under two of them, so a score always carries its rule's name. Sources: the evaluation
scripts of OS-Atlas, GUI-R1, Qwen2.5-VL (as InfiGUI-R1 has it), UI-S1 and UGround. A kind of action that a script does
not score makes the step unscorable, never right or wrong. Holes are kept: an empty text stands in any text.

Not here: what a policy is shown, and scores of episodes (`evals.scoring`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.match import kind_of, operation
from tracer1_agents.actions.space import Click, Finish, OpenApp, Point, PressButton, Scroll, Select, Type
from tracer1_agents.actions.targets import Box, holds, is_placed, points_of, target_box
from tracer1_agents.metrics.step_rules import HIT, Reason, StepOutcome, StepVerdict, strict
from tracer1_agents.metrics.texts import contains_either_way, set_f1
from tracer1_agents.types import NO_TARGET, SYNTHETIC

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracer1_agents.actions.space import Action
    from tracer1_agents.types import ReferenceStep, ScreenNode

OS_ATLAS_RADIUS: Final = 140.0  # of a screen counted in thousandths
GUI_R1_RADIUS: Final = 0.14  # fractions of the screen
NEAR: Final = 0.04  # qwen: of the screen's longer side in pixels; ui-s1: in fractions of the screen
ENLARGED: Final = 1.2  # qwen: candidate boxes grow about their middle
HALF: Final = 0.5  # token F1

_FINGER: Final = {"up": "down", "down": "up", "left": "right", "right": "left"}  # where the view goes -> the finger
_GIVEN: Final = {"up": "up", "down": "down", "left": "right", "right": "left"}  # the direction of the published checks


def _verdict(reason: Reason) -> StepVerdict:
    return HIT if reason is Reason.NONE else StepVerdict(StepOutcome.MISS, reason)


def _lacks(reference: ReferenceStep) -> Reason:
    """Why no published script could score the step."""
    if SYNTHETIC in reference.flags:
        return Reason.SYNTHETIC
    if NO_TARGET in reference.flags:
        return Reason.NO_TARGET
    if is_placed(reference.action) and None in points_of(reference.action):
        return Reason.NO_REFERENCE_POINT
    return Reason.NONE


def _judge(
    predicted: Action, reference: ReferenceStep, differs: Callable[[Action, ReferenceStep], Reason], *, left_out: bool
) -> StepVerdict:
    lacks = _lacks(reference)
    if left_out and lacks is Reason.NONE:
        lacks = Reason.NOT_SCORED
    if lacks is not Reason.NONE:
        return StepVerdict(StepOutcome.UNSCORABLE, lacks)
    return _verdict(differs(predicted, reference))


def _texts_of(action: Action) -> str:
    match action:
        case Type(content=text) | OpenApp(app_name=text) | Select(option=text) | Scroll(direction=text):
            return str(text)
    return ""


def _offset(predicted: Action, wanted: Action) -> tuple[float, float] | None:
    """Farthest way of a point from its target, by axis, in fractions of the screen; None without a point."""
    ways = []
    for mine, target in zip(points_of(predicted), points_of(wanted), strict=False):
        if mine is None or target is None:
            return None
        ways.append((mine.x - target.x, mine.y - target.y))
    return max(ways, key=lambda way: math.hypot(*way), default=None)


def _exact(predicted: Action, reference: ReferenceStep) -> Reason:
    """Every argument to the letter."""
    if kind_of(predicted) != kind_of(reference.action):
        return Reason.KIND
    return Reason.NONE if predicted == reference.action else Reason.ARGUMENTS


def same_type(predicted: Action, wanted: Action) -> bool:
    """Whether the kinds agree; each system button is a kind of its own, as in the published vocabularies."""
    if isinstance(predicted, PressButton) and isinstance(wanted, PressButton):
        return predicted.button == wanted.button
    return kind_of(predicted) == kind_of(wanted)


def os_atlas(predicted: Action, reference: ReferenceStep) -> StepVerdict:
    """OS-Atlas: within 140 thousandths; typed text and apps equal, or alike in their first word; the rest exact."""
    return _judge(predicted, reference, _os_atlas, left_out=False)


def _os_atlas(predicted: Action, reference: ReferenceStep) -> Reason:
    wanted = reference.action
    if kind_of(predicted) != kind_of(wanted):
        return Reason.KIND
    if is_placed(wanted):
        way = _offset(predicted, wanted)
        near = way is not None and 1000 * math.hypot(*way) <= OS_ATLAS_RADIUS
        return Reason.NONE if near else Reason.PLACE if way else Reason.NO_POINT
    if isinstance(wanted, Type | OpenApp):
        mine, text = _texts_of(predicted), _texts_of(wanted)
        first, other = (part.lower().split()[:1] for part in (mine, text))
        return Reason.NONE if mine == text or set_f1(first, other) > HALF else Reason.ARGUMENTS
    same = operation(predicted) == operation(wanted)
    return Reason.NONE if same else Reason.ARGUMENTS


def gui_r1(predicted: Action, reference: ReferenceStep) -> StepVerdict:
    """GUI-R1's Step: places within 0.14 and texts with F1 of at least 0.5, both whatever the kind; no other steps."""
    scored = is_placed(reference.action) or isinstance(reference.action, Type | OpenApp | Scroll | Select)
    return _judge(predicted, reference, _gui_r1, left_out=not scored)


def _gui_r1(predicted: Action, reference: ReferenceStep) -> Reason:
    wanted = reference.action
    if is_placed(wanted):
        way = _offset(predicted, wanted)
        return Reason.NO_POINT if way is None else Reason.NONE if math.hypot(*way) < GUI_R1_RADIUS else Reason.PLACE
    mine, text = (_bare(_texts_of(action)).split() for action in (predicted, wanted))
    if len(set(mine)) == len(set(text)) == 1 and (mine[0] in text[0] or text[0] in mine[0]):
        return Reason.NONE
    return Reason.NONE if set_f1(mine, text) >= HALF else Reason.ARGUMENTS


def _bare(text: str) -> str:
    return text.replace("[", "").replace("]", "").lower()


def qwen(predicted: Action, reference: ReferenceStep) -> StepVerdict:
    """Qwen2.5-VL and InfiGUI-R1: any candidate box enlarged, or near; substrings; the finger as the check gives it."""
    return _judge(predicted, reference, _qwen, left_out=isinstance(reference.action, Finish))


def _qwen(predicted: Action, reference: ReferenceStep) -> Reason:
    wanted = reference.action
    if isinstance(wanted, OpenApp) and isinstance(predicted, Click):
        return _on_icon(predicted, reference)
    if not is_placed(wanted):
        return _ui_s1_unplaced(predicted, wanted, any_swipe=False)
    if kind_of(predicted) != kind_of(wanted):
        return Reason.KIND
    way = _offset(predicted, wanted)
    if way is None:
        return Reason.NO_POINT
    point = points_of(predicted)[0]
    if point is not None and any(holds(enlarged(box), point) for box in reference.boxes):
        return Reason.NONE
    image = reference.observation.image
    width, height = Size(image.width, image.height) if image else Size(1, 1)
    near = math.hypot(way[0] * width, way[1] * height) <= NEAR * max(width, height)
    return Reason.NONE if near else Reason.PLACE


def _on_icon(predicted: Click, reference: ReferenceStep) -> Reason:
    """An app is opened by its icon too, where the source says where that is."""
    if predicted.point is None or not reference.boxes:
        return Reason.KIND if not reference.boxes else Reason.NO_POINT
    if any(holds(enlarged(box), predicted.point) for box in reference.boxes):
        return Reason.NONE
    left, top, right, bottom = reference.boxes[0]
    middle = Point((left + right) / 2, (top + bottom) / 2)
    way = math.hypot(predicted.point.x - middle.x, predicted.point.y - middle.y)
    return Reason.NONE if way <= NEAR else Reason.PLACE


def enlarged(box: Box, factor: float = ENLARGED) -> Box:
    """A box grown about its middle; it may reach beyond the screen."""
    left, top, right, bottom = box
    wider, higher = (factor - 1) * (right - left) / 2, (factor - 1) * (bottom - top) / 2
    return (left - wider, top - higher, right + wider, bottom + higher)


def ui_s1(predicted: Action, reference: ReferenceStep) -> StepVerdict:
    """UI-S1: within 0.04 of the point in fractions of the screen (its boxes are not read); substrings; any swipe."""
    return _judge(predicted, reference, _ui_s1, left_out=isinstance(reference.action, Finish))


def _ui_s1(predicted: Action, reference: ReferenceStep) -> Reason:
    wanted = reference.action
    if not is_placed(wanted):
        return _ui_s1_unplaced(predicted, wanted, any_swipe=True)
    if kind_of(predicted) != kind_of(wanted):
        return Reason.KIND
    way = _offset(predicted, wanted)
    return Reason.NO_POINT if way is None else Reason.NONE if math.hypot(*way) <= NEAR else Reason.PLACE


def _ui_s1_unplaced(predicted: Action, wanted: Action, *, any_swipe: bool) -> Reason:
    """What `qwen` and `ui-s1` ask of actions without a place: they share a script but for swipes."""
    if kind_of(predicted) != kind_of(wanted):
        return Reason.KIND
    match predicted, wanted:
        case Scroll(), Scroll():
            same = any_swipe or _FINGER[predicted.direction] == _GIVEN[wanted.direction]
        case (Type(), Type()) | (OpenApp(), OpenApp()):
            same = contains_either_way(_texts_of(predicted), _texts_of(wanted))
        case _:
            same = operation(predicted) == operation(wanted)
    return Reason.NONE if same else Reason.ARGUMENTS


def uground(predicted: Action, reference: ReferenceStep) -> StepVerdict:
    """UGround: in the smallest node that holds the reference's point, the rest to the letter.

    Where the reference has the screen's nodes, a click is as good as opening the app, or going back, that its node's
    text names.

    Args:
        predicted: What the policy would do.
        reference: What should be done. Its candidate boxes are the nodes that hold the point; without one it is a miss,
            even for the reference itself.
    """

    def differs(predicted: Action, reference: ReferenceStep) -> Reason:
        if is_placed(reference.action):
            return _in_node(predicted, reference)
        return Reason.NONE if _names(predicted, reference.action, reference.nodes) else _exact(predicted, reference)

    return _judge(predicted, reference, differs, left_out=False)


def _in_node(predicted: Action, reference: ReferenceStep) -> Reason:
    if kind_of(predicted) != kind_of(reference.action):
        return Reason.KIND
    mine, target = points_of(predicted)[0], points_of(reference.action)[0]
    if mine is None or target is None:
        return Reason.NO_POINT
    node = target_box(target, reference.boxes)
    if node is None:
        return Reason.NO_NODE
    return Reason.NONE if holds(node, mine) else Reason.PLACE


def _names(predicted: Action, wanted: Action, nodes: Sequence[ScreenNode]) -> bool:
    """Whether the node under a click names what should be done."""
    if not isinstance(predicted, Click) or predicted.point is None:
        return False
    box = target_box(predicted.point, [node.box for node in nodes])
    text = next((node.text.lower() for node in nodes if node.box == box), "")
    match wanted:
        case OpenApp():
            return bool(text) and wanted.app_name.lower() in text
        case PressButton(button="back"):
            return "back" in text
    return False


RULES: Final[dict[str, Callable[[Action, ReferenceStep], StepVerdict]]] = {
    "strict": strict,
    "os-atlas": os_atlas,
    "gui-r1": gui_r1,
    "qwen": qwen,
    "ui-s1": ui_s1,
    "uground": uground,
}
"""AndroidControl's step rules by name; each is pure and says whether a step is a hit, a miss, or cannot be scored."""
