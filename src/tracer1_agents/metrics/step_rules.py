"""Was this step right? The project's own rule, `strict`, for one predicted action against one reference step.

Published scripts differ in ways that move a figure by ten points; this one takes the narrow side everywhere: the
smallest candidate box, exact texts, the right direction (rule: ours). Whether a step can be scored depends on the
reference alone, so that every policy is counted over the same steps, and a reference that can be scored hits itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.match import fold, kind_of, operation
from tracer1_agents.actions.space import POINTING_KINDS, Drag, Scroll, Select
from tracer1_agents.types import NO_TARGET, SYNTHETIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.actions.space import Action, Point
    from tracer1_agents.types import ImageRef, ReferenceStep

POINT_TOLERANCE: Final = 0.04  # of the screen's longer side, where no candidate box tells what was meant

Box = tuple[float, float, float, float]


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
    KIND = "another kind of action"
    NO_POINT = "no point"
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
    if not _is_placed(action):
        return Reason.NONE
    points = _points(action)
    if any(point is None for point in points):
        return Reason.NO_REFERENCE_POINT
    boxed = all(_target_box(point, _boxes(action, reference)) for point in points if point is not None)
    return Reason.NONE if boxed or reference.observation.image is not None else Reason.NO_SCREEN_SIZE


def _difference(predicted: Action, wanted: Action, reference: ReferenceStep) -> Reason:
    if kind_of(predicted) != kind_of(wanted):
        return Reason.KIND
    if isinstance(predicted, Select) and isinstance(wanted, Select) and fold(predicted.option) != fold(wanted.option):
        return Reason.ARGUMENTS
    if not _is_placed(wanted):
        return Reason.NONE if operation(predicted) == operation(wanted) else Reason.ARGUMENTS
    for mine, target in zip(_points(predicted), _points(wanted), strict=True):
        if mine is None or target is None:
            return Reason.NO_POINT
        if not _reaches(mine, target, _boxes(wanted, reference), reference.observation.image):
            return Reason.PLACE
    return Reason.NONE


def _is_placed(action: Action) -> bool:
    """Whether where it happens is part of being right; a list's entry may be chosen without saying where."""
    if isinstance(action, Select):
        return action.point is not None
    return action.kind in POINTING_KINDS and not isinstance(action, Scroll)


def _points(action: Action) -> tuple[Point | None, ...]:
    return (action.start, action.end) if isinstance(action, Drag) else (getattr(action, "point", None),)


def _boxes(action: Action, reference: ReferenceStep) -> Sequence[Box]:
    return () if isinstance(action, Drag) else reference.boxes  # boxes are targets of clicks, a drag has two ends


def _target_box(point: Point, boxes: Sequence[Box]) -> Box | None:
    """The smallest box that holds the point."""
    holding = [box for box in boxes if _holds(box, point)]
    return min(holding, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), default=None)


def _holds(box: Box, point: Point) -> bool:
    return box[0] <= point.x <= box[2] and box[1] <= point.y <= box[3]


def _reaches(point: Point, target: Point, boxes: Sequence[Box], screen: ImageRef | None) -> bool:
    if box := _target_box(target, boxes):
        return _holds(box, point)
    if screen is None:
        return False
    distance = math.hypot((point.x - target.x) * screen.width, (point.y - target.y) * screen.height)
    return distance <= POINT_TOLERANCE * max(screen.width, screen.height)
