"""Questions about one table: aggregate, filter, sort, join. Pure: no files, no text for the planner.

Equality is the same everywhere: numbers as numbers, text without regard to case or surrounding blanks. A missing cell
equals nothing, sorts last, and takes part in no aggregate. Whether a column holds numbers is asked of the whole column
(`number_formats`); one that is mostly numbers but not all is neither added up nor put in order.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from tracer1_agents.errors import ToolError
from tracer1_agents.tools.formatting import Cell, collapse, format_cell, short, without_noise
from tracer1_agents.tools.number_formats import ColumnReading, is_amount, is_missing_mark, read_column
from tracer1_agents.tools.tables import ROW_LIMIT, Table, parse_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Operation = Literal["sum", "mean", "median", "min", "max", "count", "unique"]
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "contains"]

ORDERINGS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": lambda cell, wanted: cell < wanted,
    "<=": lambda cell, wanted: cell <= wanted,
    ">": lambda cell, wanted: cell > wanted,
    ">=": lambda cell, wanted: cell >= wanted,
}


def wanted_cell(value: float | str | bool, operator: Operator = "=") -> Cell:  # noqa: FBT001  (a JSON value, not a switch)
    """What a model's value means as a cell; what a cell is to contain is words as they stand."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if not isinstance(value, str):
        return value
    return collapse(value) or None if operator == "contains" else parse_cell(value)


def matches(cell: Cell, operator: Operator, wanted: Cell) -> bool:
    """Whether a cell stands in the given relation to a value."""
    if operator == "!=":
        return not matches(cell, "=", wanted)
    if cell is None or wanted is None:
        return operator == "=" and cell is wanted
    if operator == "contains":
        # "2.0" stands in "v2.0.1" and not in "12"; the number 2 is written otherwise and still is what was meant.
        sought = format_cell(wanted)
        return sought.casefold() in format_cell(cell).casefold() or matches(cell, "=", parse_cell(sought))
    left, right = _key(cell), _key(wanted)
    if operator == "=":
        return left == right
    return left[0] == right[0] and ORDERINGS[operator](left, right)


def reading_of(table: Table, column: str) -> ColumnReading:
    """How the cells of a column are to be read.

    Raises:
        ToolError: No such column.
    """
    place = table.index(column)
    return read_column([row[place] for row in table.rows])


def select(table: Table, column: str, operator: Operator, wanted: Cell) -> Table:
    """The rows whose cell matches.

    Raises:
        ToolError: No such column; an order among cells that are partly numbers; a value written in another way than
            the cells that it is compared with.
    """
    place = table.index(column)
    reading = reading_of(table, column)
    if operator in ORDERINGS and reading.kind == "mixed":
        _numbers([row[place] for row in table.rows], table.columns[place])
    _check_wanted(table, place, operator, wanted, reading)
    rows = tuple(row for row in table.rows if _matches_read(row[place], operator, wanted, reading))
    return replace(table, rows=rows)


def _check_wanted(table: Table, place: int, operator: Operator, wanted: Cell, reading: ColumnReading) -> None:
    """Refuse a value that no cell could match only because it is written in another way, as "1,000" beside 500."""
    value = reading.value(wanted)
    among_numbers = reading.kind == "numbers" and isinstance(value, str)
    if operator in ORDERINGS:
        wrong = among_numbers or (reading.kind == "texts" and isinstance(value, int | float))
    else:
        wrong = among_numbers and operator != "contains" and is_amount(str(value))
    cells = (row[place] for row in table.rows)
    example = next((cell for cell in cells if reading.value(cell) is not None), None) if wrong else None
    if example is not None:
        msg = (
            f'column "{table.columns[place]}" holds {reading.kind}, for example "{short(format_cell(example))}"; '
            f'give a value written like that, got "{short(format_cell(wanted))}"'
        )
        raise ToolError(msg)


def _matches_read(cell: Cell, operator: Operator, wanted: Cell, reading: ColumnReading) -> bool:
    if operator == "!=":
        return not _matches_read(cell, "=", wanted, reading)
    value = reading.value(cell)
    if operator in ORDERINGS:
        return matches(value, operator, reading.value(wanted))
    as_read = operator == "=" and value is not None and matches(value, "=", reading.value(wanted))
    return as_read or matches(cell, operator, wanted)


def aggregate(table: Table, column: str, operation: Operation, reading: ColumnReading | None = None) -> Cell:
    """One number (for min and max also a text) out of a column.

    Args:
        table: The rows that count.
        column: Of which.
        operation: What to compute.
        reading: Of the whole column, where `table` has only some of its rows.

    Raises:
        ToolError: No such column; a text where numbers are needed; no value for an operation that needs one.
    """
    place = table.index(column)
    name = table.columns[place]
    reading = reading or reading_of(table, column)
    cells = [cell for row in table.rows if (cell := reading.value(row[place])) is not None]
    if operation == "count":
        return len(cells)
    if operation == "unique":
        return len({_key(cell) for cell in cells})
    if not cells and operation != "sum":
        msg = f'column "{name}" has no values'
        raise ToolError(msg)
    if operation in {"min", "max"}:
        comparable = _numbers(cells, name) if reading.kind == "mixed" else cells
        return (min if operation == "min" else max)(comparable, key=_key)
    return _arithmetic(_numbers(cells, name), operation)


def order(table: Table, column: str, *, descending: bool = False) -> Table:
    """The rows sorted by a column: numbers before texts, missing cells last either way, ties as they were.

    Raises:
        ToolError: No such column, or one whose cells are partly numbers.
    """
    place = table.index(column)
    reading = reading_of(table, column)
    if reading.kind == "mixed":
        _numbers([row[place] for row in table.rows], table.columns[place])
    present = [row for row in table.rows if reading.value(row[place]) is not None]
    absent = [row for row in table.rows if reading.value(row[place]) is None]
    present.sort(key=lambda row: _key(reading.value(row[place])), reverse=descending)
    return replace(table, rows=(*present, *absent))


def join(left: Table, right: Table, on: str) -> Table:
    """Inner join: every pair of rows whose cells in `on` are equal, in the order of `left`.

    Columns are those of `left`, then those of `right` without its `on`; a name that `left` has too gets "_right".

    Raises:
        ToolError: No such column in one of them, or too many rows.
    """
    left_place, right_place = left.index(on), right.index(on)
    left_reading, right_reading = reading_of(left, on), reading_of(right, on)
    by_key: dict[tuple[int, Any], list[tuple[Cell, ...]]] = defaultdict(list)
    for row in right.rows:
        if right_reading.value(row[right_place]) is not None:
            by_key[_key(row[right_place])].append(_without(row, right_place))
    rows: list[tuple[Cell, ...]] = []
    for row in left.rows:
        if left_reading.value(row[left_place]) is not None:
            rows += [row + other for other in by_key.get(_key(row[left_place]), ())]
        if len(rows) > ROW_LIMIT:
            msg = f'the join on "{short(on)}" has more than {ROW_LIMIT} rows; join on a column with fewer repeats'
            raise ToolError(msg)
    others = _without(right.columns, right_place)
    names = _joined_names(left.columns, others)
    renamed = dict(zip(others, names[len(left.columns) :], strict=True))
    return Table(names, tuple(rows), unstored=(*left.unstored, *(renamed[column] for column in right.unstored)))


def _joined_names(left: tuple[str, ...], right: Iterable[str]) -> tuple[str, ...]:
    names = dict.fromkeys(left)
    for column in right:
        name = column
        while name in names:
            name += "_right"
        names[name] = None
    return tuple(names)


def _without(row: tuple[Any, ...], place: int) -> tuple[Any, ...]:
    return row[:place] + row[place + 1 :]


def _key(cell: Cell) -> tuple[int, Any]:
    """Sorts and compares: numbers before texts, texts without case; a missing cell is no value a lookup can hold."""
    if cell is None:
        return (2, "")
    return (1, collapse(cell).casefold()) if isinstance(cell, str) else (0, cell)


def _numbers(cells: Sequence[Cell], column: str) -> list[int | float]:
    texts = [cell for cell in cells if isinstance(cell, str)]
    if texts:
        text = next((text for text in texts if not is_missing_mark(text)), texts[0])
        msg = f'column "{column}" is not numeric, for example "{short(text)}"'
        raise ToolError(msg)
    return cast("list[int | float]", cells)


def _arithmetic(numbers: list[int | float], operation: Operation) -> int | float:
    if operation == "median":
        return statistics.median(numbers)
    whole = all(isinstance(number, int) for number in numbers)
    total = sum(numbers) if whole else without_noise(math.fsum(numbers), *numbers)
    return total if operation == "sum" else total / len(numbers)
