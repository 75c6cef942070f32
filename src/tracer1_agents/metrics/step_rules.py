"""Was this step right? The project's own rule, `strict`, for one predicted action against one reference step.

Published scripts differ in ways that move a figure by ten points; this one takes the narrow side everywhere: the
smallest candidate box, exact texts, the right direction (rule: ours). Whether a step can be scored depends on the
reference alone, so that every policy is counted over the same steps, and a reference that can be scored hits itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.match import fold, kind_of, operation
from tracer1_agents.actions.space import Select
from tracer1_agents.actions.targets import boxes_for, is_placed, points_of, reaches, target_box
from tracer1_agents.types import NO_TARGET, SYNTHETIC

if TYPE_CHECKING:
    from tracer1_agents.actions.space import Action
    from tracer1_agents.types import ReferenceStep


class StepOutcome(StrEnum):
    """What a rule says of a step."""

    HIT = "hit"
    MISS = "miss"
    UNSCORABLE = "unscorable"  # the reference does not say enough


class Reason(StrEnum):
    """Why a step is no hit."""

    NONE = ""
    SYNTHETIC = "the reader added this step, the source does not have it"
    NO_TARGET = "the source does not say where the action belongs"
    NO_REFERENCE_POINT = "the reference has no point"
    NO_SCREEN_SIZE = "no candidate box holds the point, and the screen's size is unknown"
    NOT_SCORED = "the rule does not score this kind of action"
    KIND = "another kind of action"
    NO_POINT = "no point"
    NO_NODE = "no node of the screen holds the reference's point"
    PLACE = "outside the target"
    ARGUMENTS = "other arguments"


@dataclass(frozen=True)
class StepVerdict:
    """Outcome and, unless it is a hit, the reason; counting reasons tells what a source lacks."""

    outcome: StepOutcome
    reason: Reason = Reason.NONE


HIT: Final = StepVerdict(StepOutcome.HIT)


def strict(predicted: Action, reference: ReferenceStep) -> StepVerdict:
    """Score one action by the `strict` rule.

    The kind must be the reference's. A pointing action must lie in the smallest candidate box that holds the
    reference's point, else within 0.04 of the screen's longer side of it (both ends of a drag). Texts must be equal
    after Unicode and case folding, a scroll go the same way, everything else be equal. An alternative of the reference
    counts as much as its action.

    Args:
        predicted: What the policy would do.
        reference: What should be done; its `observation.image` gives the screen's size.

    Returns:
        Hit, miss with the reason measured on the reference's own action, or unscorable with the reason.
    """
    lacks = _lacks(reference.action, reference)
    if lacks is not Reason.NONE:
        return StepVerdict(StepOutcome.UNSCORABLE, lacks)
    reason = _difference(predicted, reference.action, reference)
    if reason is Reason.NONE:
        return HIT
    others = (other for other in reference.alternatives if _lacks(other, reference) is Reason.NONE)
    if any(_difference(predicted, other, reference) is Reason.NONE for other in others):
        return HIT
    return StepVerdict(StepOutcome.MISS, reason)


def _lacks(action: Action, reference: ReferenceStep) -> Reason:
    """What is missing to compare anything with `action`."""
    if SYNTHETIC in reference.flags:
        return Reason.SYNTHETIC
    if NO_TARGET in reference.flags:
        return Reason.NO_TARGET
    if not is_placed(action):
        return Reason.NONE
    points = points_of(action)
    if any(point is None for point in points):
        return Reason.NO_REFERENCE_POINT
    boxed = all(target_box(point, boxes_for(action, reference.boxes)) for point in points if point is not None)
    return Reason.NONE if boxed or reference.observation.image is not None else Reason.NO_SCREEN_SIZE


def _difference(predicted: Action, wanted: Action, reference: ReferenceStep) -> Reason:
    if kind_of(predicted) != kind_of(wanted):
        return Reason.KIND
    if isinstance(predicted, Select) and isinstance(wanted, Select) and fold(predicted.option) != fold(wanted.option):
        return Reason.ARGUMENTS
    if not is_placed(wanted):
        return Reason.NONE if operation(predicted) == operation(wanted) else Reason.ARGUMENTS
    image = reference.observation.image
    screen = Size(image.width, image.height) if image else None
    for mine, target in zip(points_of(predicted), points_of(wanted), strict=True):
        if mine is None or target is None:
            return Reason.NO_POINT
        if not reaches(mine, target, boxes_for(wanted, reference.boxes), screen):
            return Reason.PLACE
    return Reason.NONE
