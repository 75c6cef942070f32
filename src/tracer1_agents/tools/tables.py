"""Tables as rows of typed cells, read from csv, tsv and xlsx, and questions about one.

Plain Python rather than a data frame: a column of whole numbers with a gap stays whole, "007" stays text, and the same
cell is written the same way by every tool. White space is collapsed; an empty cell is missing. `tools/table_tools.py`
makes tools of this.
"""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import ToolError
from tracer1_agents.tools.archives import check_office_archive
from tracer1_agents.tools.confined import parser
from tracer1_agents.tools.delimited import delimited_rows
from tracer1_agents.tools.formatting import Cell, collapse, format_cell, format_moment, short
from tracer1_agents.tools.formulas import unstored_columns
from tracer1_agents.tools.plain_text import read_text
from tracer1_agents.tools.workspace import optional, reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tracer1_agents.tools.workspace import Workspace

SUFFIXES: Final = (".csv", ".tsv", ".xlsx")
ROW_LIMIT: Final = 200_000
CELL_LIMIT: Final = 5_000_000
_BLANK_RUN: Final = 1_000  # blank rows in a row after which a sheet is taken to be over

# A leading zero or plus is a code or a phone number, not a quantity; 30 digits hold every identifier worth adding up.
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,29})")
_WHOLE: Final = r"(?:0|[1-9][0-9]{0,29})"
# Without a point or a sign, digits around an "e" are a code: 1234e56 is a commit, 12E3 a part number.
_DECIMAL: Final = re.compile(
    rf"-?(?:(?:{_WHOLE}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-][0-9]{{1,3}})?|(?:{_WHOLE}\.[0-9]*|\.[0-9]+)[eE][0-9]{{1,3}})"
)


@dataclass(frozen=True)
class Table:
    """A header and its rows.

    Attributes:
        columns: Unique names, in order.
        rows: One tuple of `len(columns)` cells each.
        sheet: Name of the sheet, in a workbook.
        unstored: Columns with formulas whose values the workbook does not hold; their cells are missing here.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    sheet: str | None = None
    unstored: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        """The first line of every description: rows and columns."""
        unstored = f"; formulas without stored values: {', '.join(self.unstored)}" if self.unstored else ""
        return f"table, {len(self.rows)} rows, columns: {', '.join(self.columns)}{unstored}"

    def index(self, column: str) -> int:
        """Position of a column: its exact name, else the only one alike but for case, "_", "-" and blanks.

        Raises:
            ToolError: There is none, several are alike, or its values are not stored.
        """
        place = self._place(column)
        self.check_stored(self.columns[place])
        return place

    def check_stored(self, *columns: str) -> None:
        """Refuse columns whose values are missing only because nobody computed them.

        Args:
            *columns: Exact names; all columns where none is given.

        Raises:
            ToolError: One of them holds formulas without stored values.
        """
        for column in self.unstored:
            if column in columns or not columns:
                msg = (
                    f'column "{short(column)}" holds formulas without stored values; '
                    "open and save the file in a spreadsheet program"
                )
                raise ToolError(msg)

    def _place(self, column: str) -> int:
        if column in self.columns:
            return self.columns.index(column)
        alike = [place for place, name in enumerate(self.columns) if _loose(name) == _loose(column)]
        if len(alike) != 1:
            msg = f'no column "{short(column)}"; columns: {", ".join(self.columns)}'
            raise ToolError(msg)
        return alike[0]

    def as_csv(self) -> bytes:
        """The table as a csv file, values unrounded.

        Raises:
            ToolError: It has columns whose values are not stored.
        """
        self.check_stored()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return text.getvalue().encode()


def parse_cell(text: str) -> Cell:
    """A cell typed by its content: int, float, text, or None when it is blank."""
    text = collapse(text)
    if not text:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def read_tables(workspace: Workspace, name: str) -> list[Table]:
    """Every table of a file: one, or one per sheet that is not empty.

    Args:
        workspace: Where the file is.
        name: csv, tsv or xlsx.

    Raises:
        ToolError: No such file, not a table, corrupt, or too large.
    """
    path = workspace.file(name)
    kind = path.suffix.lower().removeprefix(".")
    if path.suffix.lower() not in SUFFIXES:
        msg = f'"{name}" is not a table (csv, tsv, xlsx)'
        raise ToolError(msg)
    with reading(path, name, kind):
        found = parser.read("tables", path, kind=kind)
        return [
            Table(tuple(table["columns"]), tuple(map(tuple, table["rows"])), table["sheet"], tuple(table["unstored"]))
            for table in found
        ]


def parse_tables(path: Path, kind: str) -> list[Table]:
    """Every table of a file that is not empty; runs in the process that reads files.

    Args:
        path: The file.
        kind: csv, tsv or xlsx.

    Raises:
        ValueError: It is empty or too large; libraries raise whatever they like on a broken file.
    """
    tables = _read_workbook(path) if kind == "xlsx" else [_build(_csv_rows(path, kind))]
    found = [table for table in tables if table.columns]
    if not found:
        msg = "it is empty"
        raise ValueError(msg)
    return found


def read_table(workspace: Workspace, name: str) -> Table:
    """The table of a file; in a workbook the first sheet, or the one named as in ``book.xlsx#Sheet2``.

    Raises:
        ToolError: As `read_tables`; no sheet of that name, or several that are alike but for case, "_", "-" and blanks.
    """
    file_name = file_part(workspace, name)
    tables = read_tables(workspace, file_name)
    if file_name == name:
        return tables[0]
    sheet = name.removeprefix(f"{file_name}#")
    named = [table for table in tables if table.sheet == sheet]
    alike = named or [table for table in tables if _loose(table.sheet or "") == _loose(sheet)]
    if len(alike) == 1:
        return alike[0]
    msg = f'no sheet "{short(sheet)}"; sheets: {", ".join(table.sheet or "" for table in tables)}'
    raise ToolError(msg)


def named_tables(workspace: Workspace, name: str) -> list[Table]:
    """Every table of a file, or the one sheet that the name asks for; raises as `read_table`."""
    return read_tables(workspace, name) if file_part(workspace, name) == name else [read_table(workspace, name)]


def file_part(workspace: Workspace, name: str) -> str:
    """The file of a name that may carry a sheet: "book.xlsx" of "book.xlsx#Sheet2"."""
    ending = name.lower().find(".xlsx#")  # the first: a sheet may have "#" in its name
    return name if ending < 0 or workspace.contains(name) else name[: ending + len(".xlsx")]


def _loose(name: str) -> str:
    return collapse(name.replace("_", " ").replace("-", " ")).casefold()


def _csv_rows(path: Path, kind: str) -> Iterator[list[Cell]]:
    for row in delimited_rows(read_text(path), tabs=kind == "tsv"):
        yield [parse_cell(cell) for cell in row]


def _read_workbook(path: Path) -> list[Table]:
    check_office_archive(path)
    openpyxl = optional("openpyxl", "reading xlsx files")
    book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    unstored = unstored_columns(path)
    try:
        tables = [_build(_sheet_rows(sheet), sheet.title) for sheet in book.worksheets]
    finally:
        book.close()
    return [replace(table, unstored=_named(table.columns, unstored.get(table.sheet or "", ()))) for table in tables]


def _named(columns: tuple[str, ...], places: Iterable[int]) -> tuple[str, ...]:
    return tuple(columns[place] for place in sorted(places) if place < len(columns))


def _sheet_rows(sheet: Any) -> Iterator[list[Cell]]:
    sheet.reset_dimensions()  # a file may declare a million rows and hold three
    blank = 0
    for row in sheet.iter_rows(values_only=True):
        cells = [_spreadsheet_cell(value) for value in row]
        blank = 0 if any(cell is not None for cell in cells) else blank + 1
        if blank >= _BLANK_RUN:
            return
        yield cells


def _spreadsheet_cell(value: Any) -> Cell:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime | date | time):
        return format_moment(value)
    return parse_cell(str(value))


def _build(rows: Iterable[list[Cell]], sheet: str | None = None) -> Table:
    """Header and rows, all of one width; blank rows go, and so do blank cells at the end of a row that none needs."""
    kept: list[list[Cell]] = []
    cells = 0
    for row in rows:
        while row and row[-1] is None:
            row.pop()
        if not row:
            continue
        kept.append(row)
        cells += len(row)
        if len(kept) > ROW_LIMIT + 1 or cells > CELL_LIMIT:
            msg = f"more than {ROW_LIMIT} rows or {CELL_LIMIT} cells"
            raise ValueError(msg)
    width = max((len(row) for row in kept), default=0)
    if width * len(kept) > CELL_LIMIT:
        msg = f"more than {CELL_LIMIT} cells"
        raise ValueError(msg)
    padded = [tuple(row + [None] * (width - len(row))) for row in kept]
    return Table(_names(padded[0] if padded else ()), tuple(padded[1:]), sheet)


def _names(cells: tuple[Cell, ...]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for place, cell in enumerate(cells, start=1):
        base = name = format_cell(cell) or f"column_{place}"
        copy = 2
        while name in names:
            name, copy = f"{base}_{copy}", copy + 1
        names[name] = None
    return tuple(names)
