"""Columns of numbers that are written for people: with a currency or percent sign, with thousands separators.

A column is read as numbers where one format fits every cell of it, so that no cell is read by another rule than its
neighbours. A column that is mostly numbers but does not agree is "mixed": comparing its cells would answer a question
nobody asked. Cells keep their text; only questions see the numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from tracer1_agents.tools.formatting import Cell, short

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MISSING_MARKS: Final = frozenset({"n/a", "na", "#n/a", "nan", "null", "none", "-", "\u2013", "\u2014"})
_UNIT: Final = r"[$\u20ac\u00a3\u00a5\u20b9]|EUR|USD|GBP|CHF|JPY|CNY|INR|CAD|AUD|SEK|NOK|DKK|PLN|CZK"
_AMOUNT: Final = re.compile(
    rf"(?P<sign>[-\u2212]?) ?(?P<before>{_UNIT})? ?(?P<minus>[-\u2212]?)"
    rf"(?P<digits>\.?[0-9](?:[0-9.,'\u2019 ]*[0-9])?)(?: ?(?P<after>{_UNIT}|%))?"
)
# A leading zero is a code and no quantity; three digits behind each comma are thousands.
_WHOLE: Final = r"(?:0|[1-9][0-9]{0,29})"
_POINT: Final = re.compile(
    rf"(?:(?:{_WHOLE}|[1-9][0-9]{{0,2}}(?:(?:,[0-9]{{3}}){{1,9}}|(?:['\u2019][0-9]{{3}}){{1,9}}))(?:\.[0-9]+)?|\.[0-9]+)"
)
# Blanks group digits only before decimals: "555 123" is a phone number.
_COMMA: Final = re.compile(
    rf"(?:{_WHOLE}|[1-9][0-9]{{0,2}}(?:\.[0-9]{{3}}){{1,9}})(?:,[0-9]+)?|[1-9][0-9]{{0,2}}(?: [0-9]{{3}}){{1,9}},[0-9]+"
)
_THREE_DIGITS: Final = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a column are written.

    Attributes:
        unit: Currency or "%"; empty for none.
        decimals: What stands before decimals, "." or ",".
    """

    unit: str
    decimals: Literal[".", ","]

    def number(self, text: str) -> int | float | None:
        """The number that a text is in this format, the unit left out or not; None where it is none."""
        parts = _parts(text)
        if parts is None or parts[0] not in {"", self.unit}:
            return None
        _, negative, digits = parts
        if not (_POINT if self.decimals == "." else _COMMA).fullmatch(digits):
            return None
        whole, mark, rest = digits.rpartition(self.decimals) if self.decimals in digits else (digits, "", "")
        plain = re.sub(r"[^0-9]", "", whole)
        number = float(f"{plain or 0}.{rest}") if mark else int(plain)
        return -number if negative else number


@dataclass(frozen=True)
class ColumnReading:
    """What the cells of one column are for a question.

    Attributes:
        kind: "numbers" (all are, but for missing marks), "texts", or "mixed": mostly numbers, without one format.
        format: Of the numbers that are texts, where there are any.
    """

    kind: Literal["numbers", "texts", "mixed"]
    format: NumberFormat | None = None

    def value(self, cell: Cell) -> Cell:
        """A cell, or a value to compare cells with, as this column means it; None where it is missing."""
        if self.kind != "numbers" or not isinstance(cell, str):
            return cell
        if is_missing_mark(cell):
            return None
        number = self.format.number(cell) if self.format else None
        return cell if number is None else number

    def left_out(self, cells: Iterable[Cell]) -> str:
        """Which cells count as missing though something stands in them; empty where none does."""
        marks = [cell for cell in cells if isinstance(cell, str) and self.value(cell) is None]
        if not marks:
            return ""
        kinds = short(", ".join(dict.fromkeys(marks)), 40)
        return f"left out: {len(marks)} {'cell' if len(marks) == 1 else 'cells'} without a value ({kinds})"


def is_missing_mark(text: str) -> bool:
    """Whether people write this where a number is missing."""
    return text.casefold() in MISSING_MARKS


def is_amount(text: str) -> bool:
    """Whether a text is written like a number of some format."""
    return _parts(text) is not None


def read_column(cells: Sequence[Cell]) -> ColumnReading:
    """How the cells of a whole column are to be read; a part of it may look like another format.

    Args:
        cells: All of them, in any order.
    """
    present = [cell for cell in cells if cell is not None and not (isinstance(cell, str) and is_missing_mark(cell))]
    texts = [cell for cell in present if isinstance(cell, str)]
    if not texts:
        # A column of marks alone is no column of numbers.
        return ColumnReading("numbers" if present or all(cell is None for cell in cells) else "texts")
    found = _format(texts, [cell for cell in present if not isinstance(cell, str)])
    if found is not None:
        return ColumnReading("numbers", found)
    like = len(present) - len(texts) + sum(_is_number(text) for text in texts)
    return ColumnReading("mixed" if 2 * like >= len(present) else "texts")


def _format(texts: list[str], numbers: list[int | float]) -> NumberFormat | None:
    first = _parts(texts[0])
    if first is None or (first[0] and numbers):
        return None
    unit = first[0]
    fits: list[NumberFormat] = []
    for decimals in (".", ","):
        candidate = NumberFormat(unit, decimals)
        # A decimal point was typed as a number already: beside decimal commas it may have meant thousands.
        typed = decimals == "," and any(isinstance(number, float) for number in numbers)
        if not typed and all(_is_written(text, candidate) for text in texts):
            fits.append(candidate)
    if len(fits) > 1 and unit and any(_THREE_DIGITS.fullmatch((_parts(text) or ("", "", ""))[2]) for text in texts):
        return None  # 1.234 EUR and $3.459: thousands, or a price with three decimals
    return fits[0] if fits else None


def _is_written(text: str, candidate: NumberFormat) -> bool:
    parts = _parts(text)
    return parts is not None and parts[0] == candidate.unit and candidate.number(text) is not None


def _is_number(text: str) -> bool:
    parts = _parts(text)
    return parts is not None and bool(_POINT.fullmatch(parts[2]) or _COMMA.fullmatch(parts[2]))


def _parts(text: str) -> tuple[str, str, str] | None:
    """Unit, sign and digits of an amount."""
    found = _AMOUNT.fullmatch(text)
    if found is None or (found["sign"] and found["minus"]) or (found["before"] and found["after"]):
        return None
    return found["before"] or found["after"] or "", found["sign"] or found["minus"], found["digits"]
