"""Which columns of a workbook hold formulas that nobody computed.

Spreadsheet programs store each formula with its last value; libraries that write workbooks store the formula alone.
Nothing is computed here: such a column is named, so that its cells are not taken to be empty.
"""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.tools.workspace import optional

if TYPE_CHECKING:
    from pathlib import Path

_BLANK_RUN: Final = 1_000  # blank rows in a row after which a sheet is taken to be over
_WITHOUT_VALUE: Final = re.compile(
    rb"(?:</(?:\w+:)?f>|<(?:\w+:)?f\b[^<>]*/>)\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)


def unstored_columns(path: Path) -> dict[str, set[int]]:
    """Columns with formulas that have no stored value, counted from 0, by sheet; runs in the process that reads files.

    Args:
        path: Of an xlsx file that `archives.check_office_archive` let pass.
    """
    # Reading cells with their formulas takes as long again as reading the values: most workbooks need not.
    with zipfile.ZipFile(path) as archive:
        parts = [name for name in archive.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")]
        if not any(_WITHOUT_VALUE.search(archive.read(name)) for name in parts):
            return {}
    openpyxl = optional("openpyxl", "reading xlsx files")
    formulas, values = (
        openpyxl.load_workbook(path, read_only=True, data_only=data_only, keep_links=False)
        for data_only in (False, True)
    )
    try:
        return {sheet.title: _unstored(sheet, values[sheet.title]) for sheet in formulas.worksheets}
    finally:
        formulas.close()
        values.close()


def _unstored(formulas: Any, values: Any) -> set[int]:
    found: set[int] = set()
    blank = 0
    for sheet in (formulas, values):
        sheet.reset_dimensions()
    for row, stored in zip(formulas.iter_rows(), values.iter_rows(), strict=True):
        blank = 0 if any(cell.value is not None for cell in row) else blank + 1
        if blank >= _BLANK_RUN:
            break
        pairs = enumerate(zip(row, stored, strict=True))
        # A formula whose value is the empty text is stored as "str" and is no gap.
        found |= {
            place
            for place, (cell, value) in pairs
            if cell.data_type == "f" and value.value is None and value.data_type != "str"
        }
    return found
