"""How results become text: numbers, cells and lines are written the same way by every tool.

A planner is trained on these exact texts, so a change here is a change of the interface. Nothing here reads files.
"""

from __future__ import annotations

import math
from datetime import date, datetime, time
from typing import Any, Final

DECIMALS: Final = 6
_SMALL: Final = 1e-4  # below it fixed decimals keep two digits at most
_NOISE: Final = 2.0**-46  # of the parts of a sum; a real difference that small has lost all but two of its digits
_EXACT_FLOAT: Final = 1e15  # above it a float no longer shows every integer; scientific notation is more honest

Cell = int | float | str | None


def format_number(value: float) -> str:
    """A number as a reader would write it: integers bare, others rounded to 6 decimals, trailing zeros trimmed.

    A number below 1e-4 that 6 decimals would change is written with 6 significant digits, so that only zero is "0".

    Args:
        value: Any int or float.

    Returns:
        For example "12", "3.5", "0.333333" or "1.6e-19".
    """
    if isinstance(value, int):
        return str(int(value))
    if not math.isfinite(value) or abs(value) >= _EXACT_FLOAT:
        return repr(value)
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    if abs(value) < _SMALL and float(text) != float(significant := f"{value:.{DECIMALS}g}"):
        return significant
    return "0" if text == "-0" else text


def without_noise(total: float, *parts: float) -> float:
    """A sum, or 0 where it is only the rounding of its parts, as in 0.1 + 0.2 - 0.3 = 5.6e-17.

    Who adds knows the parts and can tell; who writes the number down cannot: 1.6e-19 is a charge.

    Args:
        total: Of the parts.
        parts: What was added; floats are rounded, integers are not.
    """
    largest = max((abs(part) for part in parts), default=0.0)
    return 0.0 if isinstance(total, float) and abs(total) < _NOISE * largest else total


def format_cell(cell: Cell) -> str:
    """One table cell as text; a missing one is empty."""
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else format_number(cell)


def format_moment(value: datetime | date | time) -> str:
    """A date or time in ISO form; a datetime at midnight is a date, as spreadsheets mean it."""
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ", timespec="seconds")
    return value.isoformat()


def collapse(text: str) -> str:
    """The text on one line, runs of white space as one blank."""
    return " ".join(text.split())


def short(value: Any, limit: int = 80) -> str:
    """A value on one line of at most `limit` characters, for messages."""
    text = collapse(str(value))
    return text if len(text) <= limit else text[: limit - 3] + "..."


def cut(text: str, limit: int) -> str:
    """The text, or its first `limit` characters and a note of how much there was."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]} ... [cut: {limit} of {len(text)} characters]"
