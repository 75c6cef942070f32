"""What is in a file, and the exact text that a reader of it should get.

The texts here are written down independently of `tools/`: training sees them, the toolbox must produce them, and a test
compares the two on real files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from statistics import median
from typing import Any

Cell = str | int | Decimal


@dataclass(frozen=True)
class Table:
    """Rows under a header."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def header(self) -> str:
        """What `table_columns` answers."""
        return f"table, {len(self.rows)} rows, columns: {', '.join(self.columns)}"

    def column(self, name: str, where: tuple[str, Cell] | None = None) -> list[Cell]:
        """Cells of a column, of the rows that fit `where` (column, value)."""
        at = self.columns.index(name)
        if where is None:
            return [row[at] for row in self.rows]
        key = self.columns.index(where[0])
        return [row[at] for row in self.rows if row[key] == where[1]]

    def row_text(self, row: tuple[Cell, ...]) -> str:
        """One row as filter and sort print it."""
        return ", ".join(f"{column}: {number(cell)}" for column, cell in zip(self.columns, row, strict=True))


@dataclass(frozen=True)
class Document:
    """Lines of text, in whatever format the extension says."""

    name: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """What `inspect_file_as_text` answers."""
        return "\n".join(self.lines)


@dataclass(frozen=True)
class Slides:
    """A presentation: title and body per slide."""

    name: str
    slides: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """What `inspect_file_as_text` answers."""
        return "\n".join(f"slide {k}: {title} | {body}" for k, (title, body) in enumerate(self.slides, 1))


@dataclass(frozen=True)
class Json:
    """A JSON file."""

    name: str
    data: dict[str, Any] | list[dict[str, Any]]

    @property
    def text(self) -> str:
        """What `inspect_file_as_text` answers."""
        return json.dumps(self.data, ensure_ascii=False)


@dataclass(frozen=True)
class Picture:
    """An image with text on it."""

    name: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """What `ocr` answers."""
        return "\n".join(self.lines)


@dataclass(frozen=True)
class Archive:
    """A zip of other files."""

    name: str
    members: tuple[Table | Document | Slides | Json | Picture, ...]

    @property
    def text(self) -> str:
        """What `inspect_file_as_text` answers."""
        listing = ", ".join(member.name for member in self.members)
        return f"archive, {len(self.members)} files: {listing}"


File = Table | Document | Slides | Json | Picture | Archive


@dataclass(frozen=True)
class Passage:
    """One entry of the local search corpus."""

    title: str
    text: str

    @property
    def answer(self) -> str:
        """What `ask_search_agent` answers when this passage fits best."""
        return f"{self.title}: {self.text}"


def number(value: Cell | Fraction) -> str:
    """A number as every tool prints it: at most six decimals, no trailing zeros; text stays text."""
    if isinstance(value, str):
        return value
    exact = Fraction(value)
    if exact.denominator == 1:
        return str(exact.numerator)
    quotient = Decimal(exact.numerator) / Decimal(exact.denominator)
    rounded = quotient.quantize(Decimal("0.000001"), rounding=ROUND_HALF_EVEN)
    return f"{rounded:f}".rstrip("0").rstrip(".")


def aggregate(cells: list[Cell], operation: str) -> Fraction:
    """An aggregate in exact arithmetic.

    Args:
        cells: Numbers, or any cells for ``count``.
        operation: sum, mean, median, min, max or count.

    Raises:
        ValueError: Another operation.
    """
    if operation == "count":
        return Fraction(len(cells))
    exact = [Fraction(cell) for cell in cells]
    match operation:
        case "sum":
            return sum(exact, Fraction(0))
        case "mean":
            return sum(exact, Fraction(0)) / len(exact)
        case "median":
            return Fraction(median(exact))
        case "min":
            return min(exact)
        case "max":
            return max(exact)
    msg = f"operation {operation!r} is not one of sum, mean, median, min, max, count"
    raise ValueError(msg)
