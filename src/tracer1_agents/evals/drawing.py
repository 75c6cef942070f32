"""SVG figures with matplotlib: the same drawing gives the same bytes."""

from __future__ import annotations

import re
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE: Final = (7.2, 3.6)  # inches
_BEFORE: Final = re.compile(r"\A.*?(?=<svg)", re.DOTALL)
_METADATA: Final = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)


def svg(fill: Callable[[Any], bool], salt: str) -> str | None:
    """A figure as an SVG document.

    Args:
        fill: Draws on matplotlib axes; False when there is nothing to draw.
        salt: Makes the ids in it; figures on one page need different ones.

    Returns:
        None when there is nothing to draw.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415  (an extra)
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        feature = "figures"
        raise MissingExtraError(feature, "tools") from None
    canvas = Figure(figsize=SIZE, layout="constrained")
    if not fill(canvas.subplots()):
        return None
    target = StringIO()
    with mpl.rc_context({"svg.hashsalt": salt, "svg.fonttype": "none"}):
        canvas.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    return target.getvalue()


def inline(document: str) -> str:
    """An SVG document as a part of an HTML page: without its declarations and metadata, which name other places."""
    return _METADATA.sub("", _BEFORE.sub("", document)).strip()


def legend(axes: Any, *, drawn: bool, beside: bool = False) -> None:
    """Names of the lines, where there are any; many of them stand beside the figure, where they cover nothing."""
    if drawn:
        place = {"loc": "center left", "bbox_to_anchor": (1, 0.5)} if beside else {}
        axes.legend(fontsize=7, frameon=False, **place)
