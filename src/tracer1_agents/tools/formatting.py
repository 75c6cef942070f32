"""How results become text: numbers, cells and lines are written the same way by every tool.

A planner is trained on these exact texts, so a change here is a change of the interface. Nothing here reads files.
"""

from __future__ import annotations

import math
from datetime import date, datetime, time
from typing import Any, Final

DECIMALS: Final = 6
_EXACT_FLOAT: Final = 1e15  # above it a float no longer shows every integer; scientific notation is more honest

Cell = int | float | str | None


def format_number(value: float) -> str:
    """A number as a reader would write it: integers bare, others rounded to 6 decimals, trailing zeros trimmed.

    Args:
        value: Any int or float.

    Returns:
        For example "12", "3.5" or "0.333333".
    """
    if isinstance(value, int):
        return str(int(value))
    if not math.isfinite(value) or abs(value) >= _EXACT_FLOAT:
        return repr(value)
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


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
