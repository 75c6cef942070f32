"""Rows of csv and tsv texts, whatever stands between their cells.

The delimiter is what the first line has outside quotes and most of the lines after it have as often. Nothing here types
a cell; `tables.py` does.
"""

from __future__ import annotations

import csv
import io
import re
from itertools import chain
from typing import TYPE_CHECKING, Final

from tracer1_agents.tools.workspace import FILE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator

_DELIMITERS: Final = ",;\t|"  # the first of those that fit equally well
_SAMPLE: Final = 65_536  # characters looked at
_LINES: Final = 20
_QUOTED: Final = re.compile(r'(?<![^,;\t|\n])"(?:[^"]|"")*+"')  # opened where a cell begins
_END: Final = "\0"  # two cells behind the last line, unless a quote is open there
_DECLARED: Final = re.compile(r'"?sep=(.)"?\n', re.IGNORECASE)  # Excel's own first line


def delimited_rows(text: str, *, tabs: bool = False) -> Iterator[list[str]]:
    r"""The rows of a text table.

    Args:
        text: With ``\n`` line ends.
        tabs: Whether tabs stand between its cells; else that is found out.

    Raises:
        csv.Error: A cell is larger than a file may be.
        ValueError: A quote is opened and never closed, so that one cell would hold the rest of the file.
    """
    declared = _DECLARED.match(text)
    body = text[declared.end() :] if declared else text
    delimiter = declared[1] if declared else "\t" if tabs else find_delimiter(text)
    # The module's limit of 131,072 characters is lower than what a file may hold; memory is limited for the process.
    csv.field_size_limit(FILE_LIMIT)
    reader = csv.reader(chain(io.StringIO(body, newline=""), (_END + delimiter,)), delimiter=delimiter)
    first = last = 0
    for row in reader:
        if row == [_END, ""]:
            return
        first, last = last + 1, reader.line_num
        yield row
    msg = f"a quote in line {first} is opened and never closed; close it, or write the cell without it"
    raise ValueError(msg)


def find_delimiter(text: str) -> str:
    """What stands between the cells: comma, semicolon, tab or bar; a comma where nothing does."""
    sample = _QUOTED.sub("", text[:_SAMPLE])
    lines = [line for line in sample.split("\n") if line.strip()][:_LINES]
    counts = {mark: [line.count(mark) for line in lines] for mark in _DELIMITERS}
    alike = {mark: sum(count == found[0] for count in found) for mark, found in counts.items() if lines and found[0]}
    # Tabs and bars stand in texts too, so that one header alone does not decide for them.
    fitting = {mark: alike[mark] for mark in alike if mark in ",;" or 2 * alike[mark] > len(lines)}
    return max(fitting, key=lambda mark: fitting[mark], default=",")
