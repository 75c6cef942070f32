"""GUI-Odyssey's step rule (`odyssey`): box or distance, similar text, direction; AMS and SR are its means.

Source: `GUIOdyssey_action_matching.py` and `evaluate_GUIOdyssey.py` (OpenGVLab/GUI-Odyssey). AMS is the share of steps
that match, SR the share of episodes all of whose steps do; on the random split both are means over six categories.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.match import kind_of
from tracer1_agents.actions.space import Finish, PressButton, Scroll, Type
from tracer1_agents.actions.targets import holds, is_placed, points_of
from tracer1_agents.metrics.step_rules import HIT, Reason, StepOutcome, StepVerdict
from tracer1_agents.metrics.texts import edit_similarity
from tracer1_agents.types import SYNTHETIC

if TYPE_CHECKING:
    from tracer1_agents.actions.space import Action
    from tracer1_agents.types import ReferenceStep

RADIUS: Final = 0.14  # of a screen whose both sides count 1
SIMILAR: Final = 0.5


def odyssey(predicted: Action, reference: ReferenceStep) -> StepVerdict:
    """Score one action.

    Args:
        predicted: What the policy would do; a place where one is asked for.
        reference: What should be done; its first box is the segmented one.

    Returns:
        Hit, miss with a reason, or unscorable for steps that the source does not have or whose point is not there.
    """
    wanted = reference.action
    if SYNTHETIC in reference.flags:
        return StepVerdict(StepOutcome.UNSCORABLE, Reason.SYNTHETIC)
    if is_placed(wanted) and None in points_of(wanted):
        return StepVerdict(StepOutcome.UNSCORABLE, Reason.NO_REFERENCE_POINT)
    reason = _difference(predicted, reference)
    return HIT if reason is Reason.NONE else StepVerdict(StepOutcome.MISS, reason)


def _difference(predicted: Action, reference: ReferenceStep) -> Reason:
    wanted = reference.action
    if kind_of(predicted) != kind_of(wanted):
        return Reason.KIND
    match predicted, wanted:
        case Scroll(), Scroll():
            same = predicted.direction == wanted.direction  # the finger's directions are equal when the view's are
        case Type(), Type():
            same = _similar(predicted.content.strip(), wanted.content.strip())
        case PressButton(), PressButton():
            same = predicted.button == wanted.button
        case Finish(), Finish():
            same = predicted.status == wanted.status  # COMPLETE and INCOMPLETE are kinds of their own
        case _:
            return _place(predicted, reference) if is_placed(wanted) else Reason.NONE
    return Reason.NONE if same else Reason.ARGUMENTS


def _similar(mine: str, text: str) -> bool:
    return mine in text or text in mine or edit_similarity(mine, text) >= SIMILAR


def _place(predicted: Action, reference: ReferenceStep) -> Reason:
    for mine, target in zip(points_of(predicted), points_of(reference.action), strict=True):
        if mine is None or target is None:
            return Reason.NO_POINT
        in_box = bool(reference.boxes) and holds(reference.boxes[0], mine)
        if not in_box and math.hypot(mine.x - target.x, mine.y - target.y) > RADIUS:
            return Reason.PLACE
    return Reason.NONE
