"""Where an action belongs on the screen, and whether a point gets there.

A candidate box is the better statement of what was meant, and the smallest one that holds the reference's point says
most; where no box does, a distance has to stand in for it. Rewards, metrics and replays all ask here. Nothing here
judges kinds or arguments.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.space import POINTING_KINDS, Drag, Scroll, Select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.actions.coordinates import Size
    from tracer1_agents.actions.space import Action, Point

POINT_TOLERANCE: Final = 0.04  # of the screen's longer side, where no candidate box tells what was meant

Box = tuple[float, float, float, float]  # left, top, right, bottom


def is_placed(action: Action) -> bool:
    """Whether where it happens is part of being right; a list's entry may be chosen without saying where."""
    if isinstance(action, Select):
        return action.point is not None
    return action.kind in POINTING_KINDS and not isinstance(action, Scroll)


def points_of(action: Action) -> tuple[Point | None, ...]:
    """Both ends of a drag, else the one point; None where an action leaves it out or has none."""
    return (action.start, action.end) if isinstance(action, Drag) else (getattr(action, "point", None),)


def boxes_for(action: Action, boxes: Sequence[Box]) -> Sequence[Box]:
    """The candidate boxes that say something of `action`: they are targets of clicks, a drag has two ends."""
    return () if isinstance(action, Drag) else boxes


def holds(box: Box, point: Point) -> bool:
    """Whether a point lies in a box, its edge included."""
    return box[0] <= point.x <= box[2] and box[1] <= point.y <= box[3]


def target_box(point: Point, boxes: Sequence[Box]) -> Box | None:
    """The smallest box that holds the point."""
    holding = [box for box in boxes if holds(box, point)]
    return min(holding, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), default=None)


def clipped(corners: Sequence[float], size: Size) -> Box | None:
    """A pixel box as fractions of the screen.

    Boxes of a layout may reach beyond the screen (a list that goes on below it); what shows is kept.

    Args:
        corners: Left, top, right, bottom.
        size: What they are counted in.

    Returns:
        None when nothing of it shows.
    """
    left, top, right, bottom = corners
    box = (
        min(max(left / size.width, 0.0), 1.0),
        min(max(top / size.height, 0.0), 1.0),
        min(max(right / size.width, 0.0), 1.0),
        min(max(bottom / size.height, 0.0), 1.0),
    )
    return box if box[0] < box[2] and box[1] < box[3] else None


def reaches(point: Point, target: Point, boxes: Sequence[Box], screen: Size | None) -> bool:
    """Whether `point` acts on what `target` acts on.

    Args:
        point: Where somebody acts, in fractions of the screen.
        target: Where the reference does.
        boxes: Candidates, in fractions; the smallest one that holds `target` decides.
        screen: In pixels, for the distance where no box holds `target`; None, and nothing is near.
    """
    if box := target_box(target, boxes):
        return holds(box, point)
    if screen is None:
        return False
    distance = math.hypot((point.x - target.x) * screen.width, (point.y - target.y) * screen.height)
    return distance <= POINT_TOLERANCE * max(screen)
