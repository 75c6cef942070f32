"""Pixels of an action's points, or why there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer1_agents.actions.coordinates import PIXELS
from tracer1_agents.errors import ToolError

if TYPE_CHECKING:
    from tracer1_agents.actions.coordinates import Size
    from tracer1_agents.actions.space import Action, Point


def pixel_of(action: Action, point: Point | None, size: Size) -> tuple[int, int]:
    """The pixel under one of an action's points; the right and bottom edges belong to the last pixel.

    Raises:
        ToolError: There is no point.
    """
    if point is None:
        msg = f"{action.kind} needs a point, and nobody found one"
        raise ToolError(msg)
    x, y = PIXELS.from_unit(point, size)
    return min(x, size.width - 1), min(y, size.height - 1)
