"""Is this tool result the recorded one? One matcher a kind of result, and which tool has which.

A matcher compares what came back with what came back when the reference was recorded: typed values where both are
there, else texts. A recording may hold less than a run (readers know texts only), so every matcher reads texts too, and
a recording compared with itself is always 1.0. Texts are read as JSON or numbers, never evaluated.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from tracer1_agents.actions.match import fold, same_value, token_f1

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MatcherName = Literal["exact", "numeric", "boxes", "token_f1", "state", "judge"]
MATCHERS: Final[tuple[str, ...]] = get_args(MatcherName)

TOOL_MATCHERS: Final[dict[str, MatcherName]] = {
    # Our toolbox. What is deterministic must be equal: half of a wrong file's words earn nothing. Where a model wrote
    # the recorded results (MM-Traj's search and files), choose token_f1 or a judge instead.
    "inspect_file_as_text": "exact",
    "table_columns": "exact",
    "table_aggregate": "numeric",
    "table_filter": "exact",
    "table_sort": "exact",
    "table_join": "state",
    "ocr": "token_f1",
    "crop_image": "state",
    "draw_box": "state",
    "visualizer": "token_f1",
    "objectlocation": "boxes",
    "calculator": "numeric",
    "solver": "numeric",
    "ask_search_agent": "exact",
    "search": "exact",
    "visit_page": "exact",
    "navigational_web_search": "exact",
    "page_down": "exact",
    "page_up": "exact",
    "find_on_page_ctrl_f": "exact",
    "find_next": "exact",
    "download_file": "state",
    "plot": "state",
    "python": "numeric",
    # MAT-Agent's further tools
    "facedetection": "boxes",
    "segmentation": "state",
    "image_generator": "state",
    "image_edit": "state",
}

_NUMBER: Final = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?(?![\w])|[-+]?\.\d+")
_EDGES: Final = 4
_FAR: Final = 1e9  # pixels


@dataclass(frozen=True)
class ToolResult:
    """What one tool call gave.

    Attributes:
        text: As the planner reads it.
        value: Typed, as JSON; None where there is none.
        files: Files it wrote or changed, by name, with a hash of their bytes; None where nobody looked.
    """

    text: str = ""
    value: Any = None
    files: Mapping[str, str] | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to compare with."""
        return bool(self.text.strip()) or self.value is not None or bool(self.files)


def exact(got: ToolResult, wanted: ToolResult) -> float:
    """1.0 for equal values, or equal texts after folding."""
    if got.value is not None and wanted.value is not None:
        return float(same_value(got.value, wanted.value))
    return float(fold(got.text) == fold(wanted.text))


def numeric(got: ToolResult, wanted: ToolResult, *, tolerance: float = 1e-6) -> float:
    """1.0 when the same things are said with the same numbers, up to a relative difference of `tolerance`."""
    if got.value is not None and wanted.value is not None:
        return float(_same_numbers(got.value, wanted.value, tolerance))
    return float(_same_text(got.text, wanted.text, tolerance))


def boxes(got: ToolResult, wanted: ToolResult, *, overlap: float = 0.5) -> float:
    """F1 of boxes found: a recorded box counts as found by one box that shares `overlap` (IoU) of their union."""
    mine, recorded = _boxes_in(got), _boxes_in(wanted)
    if mine is None or recorded is None:
        return exact(got, wanted)
    if not mine and not recorded:
        return 1.0
    shares = {(i, j): _iou(one, two) for i, one in enumerate(mine) for j, two in enumerate(recorded)}
    found: dict[int, int] = {}
    for i, j in sorted(shares, key=lambda pair: -shares[pair]):  # the best first; each box is used once
        if shares[i, j] >= overlap and i not in found and j not in found.values():
            found[i] = j
    return 2 * len(found) / (len(mine) + len(recorded))


def state(got: ToolResult, wanted: ToolResult) -> float:
    """F1 of written files, each with its name and content; where files were not recorded, equality of the texts."""
    if wanted.files is None or got.files is None:
        return exact(got, wanted)
    mine, recorded = set(got.files.items()), set(wanted.files.items())
    if not mine and not recorded:
        return 1.0
    return 2 * len(mine & recorded) / (len(mine) + len(recorded))


def words(got: ToolResult, wanted: ToolResult) -> float:
    """Token F1 of the texts."""
    return token_f1(got.text, wanted.text)


RULES: Final[dict[str, Callable[[ToolResult, ToolResult], float]]] = {
    "exact": exact,
    "numeric": numeric,
    "boxes": boxes,
    "state": state,
    "token_f1": words,
}


def _same_numbers(one: Any, other: Any, tolerance: float) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same_numbers(one[key], other[key], tolerance) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(_same_numbers(mine, wanted, tolerance) for mine, wanted in pairs)
    if _is_number(one) and _is_number(other):
        return _close(one, other, tolerance)
    if isinstance(one, str) and isinstance(other, str):
        return _same_text(one, other, tolerance)
    return same_value(one, other)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _close(one: float | Fraction, other: float | Fraction, tolerance: float) -> bool:
    """Whether two numbers are the same; those that no float holds are compared as they are."""
    try:
        return (
            one == other
            or math.isclose(one, other, rel_tol=tolerance, abs_tol=1e-12)
            or (math.isnan(one) and math.isnan(other))
        )
    except OverflowError:
        return False


def _same_text(one: str, other: str, tolerance: float) -> bool:
    """Whether two texts say the same between their numbers, and the same numbers."""
    if fold(one) == fold(other):
        return True
    mine, wanted = _NUMBER.findall(one), _NUMBER.findall(other)
    if len(mine) != len(wanted) or fold(_NUMBER.sub(" # ", one)) != fold(_NUMBER.sub(" # ", other)):
        return False
    return all(_same_number(got, right, tolerance) for got, right in zip(mine, wanted, strict=True))


def _same_number(one: str, other: str, tolerance: float) -> bool:
    try:  # a float would take any two numbers of more than 308 digits for infinity, and so for one another
        mine, wanted = (Fraction(number.replace(",", "")) for number in (one, other))
    except ValueError:  # of thousands of digits, which Python does not read
        return one == other
    return _close(mine, wanted, tolerance)


def _boxes_in(result: ToolResult) -> list[list[float]] | None:
    """Boxes of a value or of a text; None where there are none to read, [] where the tool says it found nothing."""
    found = result.value if result.value is not None else _json_in(result.text)
    if isinstance(found, list) and all(_is_box(item) for item in found):
        return [list(map(float, item)) for item in found]
    return [list(map(float, found))] if _is_box(found) else None


def _json_in(text: str) -> Any:
    try:
        return json.loads(text[text.find("[") : text.rfind("]") + 1])
    except (ValueError, RecursionError):
        return None


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == _EDGES and all(_is_number(x) and abs(x) < _FAR for x in value)


def _iou(one: list[float], other: list[float]) -> float:
    if one == other:
        return 1.0
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(one) + _area(other) - shared)


def _area(box: list[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
