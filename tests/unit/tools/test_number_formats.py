"""Columns as people write them: read as numbers where one format fits, refused where it is half one thing."""

from __future__ import annotations

import csv
import time
from typing import TYPE_CHECKING, Any

import pytest

from tracer1_agents.tools.number_formats import NumberFormat, read_column
from tracer1_agents.tools.table_questions import aggregate, order, select
from tracer1_agents.tools.tables import Table, parse_cell

if TYPE_CHECKING:
    from pathlib import Path

    from tracer1_agents.tools.base import ToolRegistry


def column(*texts: str) -> Table:
    return Table(("x",), tuple((parse_cell(text),) for text in texts))


def saved(folder: Path, *texts: str) -> str:
    with (folder / "t.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["x", "row"], *([text, place] for place, text in enumerate(texts))])
    return "t.csv"


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["$1234.50", "$2000.00", "$950.00"], [1234.5, 2000, 950]),
        (["-$5", "$-6.5", "$7"], [-5, -6.5, 7]),
        (["1,234.50", "950.00", "2,000"], [1234.5, 950, 2000]),
        (["12,500", "950", "1,200"], [12500, 950, 1200]),
        (["1234,50", "95,20", "7"], [1234.5, 95.2, 7]),
        (["1.234,50", "95,20"], [1234.5, 95.2]),
        (["1 234,50", "95,20"], [1234.5, 95.2]),
        (["1.234.567", "1.000.000"], [1234567, 1000000]),
        (["1'234.50", "95.20"], [1234.5, 95.2]),
        (["12%", "3.5 %"], [12, 3.5]),
        (["1.234,50 \u20ac", "95,20 \u20ac"], [1234.5, 95.2]),
        (["EUR 5", "EUR 7.25"], [5, 7.25]),
        (["\u2212$5", "$.50"], [-5, 0.5]),
        (["5", "n/a", "12", "NA", "-", "null", ""], [5, None, 12, None, None, None, None]),
        (["$5", "n/a"], [5, None]),
        (["1", "2.5", ""], [1, 2.5, None]),
        (["", ""], [None, None]),
    ],
)
def test_one_format_is_read_as_numbers(texts: list[str], numbers: list[float | None]) -> None:
    cells = [parse_cell(text) for text in texts]
    reading = read_column(cells)
    assert reading.kind == "numbers"
    assert [reading.value(cell) for cell in cells] == numbers


@pytest.mark.parametrize(
    "texts",
    [
        ["$5", "\u20ac7"],  # two currencies
        ["$5", "7"],
        ["12%", "0.5"],
        ["1,234.50", "95,20"],  # two kinds of decimals
        ["1.234", "95,20"],  # 1.234 was typed before the column was seen
        ["1.234 EUR", "2.500 EUR"],  # thousands, or decimals
        ["5", "unknown", "12"],
        ["$5", "unknown"],
        ["007", "12"],
    ],
)
def test_mostly_numbers_without_one_format(texts: list[str]) -> None:
    table = column(*texts)
    assert read_column([row[0] for row in table.rows]).kind == "mixed"
    for ask in (
        lambda: aggregate(table, "x", "max"),
        lambda: aggregate(table, "x", "min"),
        lambda: aggregate(table, "x", "sum"),
        lambda: order(table, "x"),
        lambda: select(table, "x", ">", 1),
        lambda: select(table, "x", "<=", "b"),
    ):
        with pytest.raises(Exception, match='column "x" is not numeric, for example "'):
            ask()
    assert aggregate(table, "x", "count") == len(texts)
    assert len(select(table, "x", "=", parse_cell(texts[0])).rows) == 1


@pytest.mark.parametrize(
    "texts",
    [
        ["2024-05-01", "2023-01-31"],
        ["01.05.2024", "31.01.2023"],
        ["09:30", "10:00"],
        ["007", "008"],
        ["+49 30 1", "+49 30 2"],
        ["555 123", "555 124"],
        ["Emma", "1984", "Dune"],
        ["12a", "Berlin"],
        ["n/a", "-"],
        ["1.2.3", "1.10.0"],
        ["1,2,3", "4,5", "6,7,8"],
        ["NA", "DE", "FR"],  # Namibia
        ["1,23,456", "x"],
        ["$", "%"],
    ],
)
def test_texts_stay_texts(texts: list[str]) -> None:
    table = column(*texts)
    reading = read_column([row[0] for row in table.rows])
    assert reading.kind == "texts"
    assert [reading.value(row[0]) for row in table.rows] == [row[0] for row in table.rows]
    numbers = [cell for (cell,) in table.rows if not isinstance(cell, str)]
    words = sorted((cell for (cell,) in table.rows if isinstance(cell, str)), key=str.casefold)
    assert [row[0] for row in order(table, "x").rows] == [*numbers, *words]
    assert aggregate(table, "x", "max") == words[-1]


@pytest.mark.parametrize(
    ("texts", "operation", "text"),
    [
        (["$1234.50", "$2000.00", "$950.00"], "max", "2000"),
        (["$1234.50", "$2000.00", "$950.00"], "sum", "4184.5"),
        (["1234,50", "95,20"], "max", "1234.5"),
        (["5", "n/a", "12"], "max", "12\nleft out: 1 cell without a value (n/a)"),
        (["5", "n/a", "12", "-"], "sum", "17\nleft out: 2 cells without a value (n/a, -)"),
        (["5", "n/a", "12"], "count", "2\nleft out: 1 cell without a value (n/a)"),
        (["$5", "$5.00", "$6"], "unique", "2"),
        (["5", "unknown", "12"], "max", 'error: column "x" is not numeric, for example "unknown"'),
        (["5", "n/a", "unknown"], "sum", 'error: column "x" is not numeric, for example "unknown"'),
        (["5", "", "12"], "max", "12"),
    ],
)
def test_aggregates(box: ToolRegistry, folder: Path, texts: list[str], operation: str, text: str) -> None:
    call = {"file_path": saved(folder, *texts), "column": "x", "operation": operation}
    assert box.run("table_aggregate", call).text == text


def test_a_part_of_a_column_is_read_like_the_whole(box: ToolRegistry, folder: Path) -> None:
    (folder / "t.csv").write_text("where;x\na;1,234\nb;95,20\nb;n/a\n")
    call = {"file_path": "t.csv", "column": "x", "operation": "sum", "where_column": "where", "where_value": "a"}
    assert box.run("table_aggregate", call).text == "1.234"  # alone it would be a thousand


@pytest.mark.parametrize(
    ("texts", "wanted", "head"),
    [
        (["1,234.50", "950.00", "2,000.00"], (">", 1000), "2 of 3 rows"),
        (["1,234.50", "950.00", "2,000.00"], (">", "1,500"), "1 of 3 rows"),
        (["1,234.50", "950.00"], ("=", 1234.5), "1 of 2 rows"),
        (["1,234.50", "950.00"], ("!=", 1234.5), "1 of 2 rows"),
        (["1,234.50", "950.00"], ("=", "1,234.50"), "1 of 2 rows"),
        (["1,234.50", "950.00"], ("contains", "234"), "1 of 2 rows"),
        (["$5", "$70"], ("<", "$10"), "1 of 2 rows"),
        (["5", "n/a", "12"], (">=", 5), "2 of 3 rows; left out: 1 cell without a value (n/a)"),
        (["5", "n/a", "12"], ("=", "N/A"), "1 of 3 rows"),
        (["5", "n/a", "12"], ("!=", 5), "2 of 3 rows"),
        (["2024-05-01", "2023-01-31"], (">", "2024-01-01"), "1 of 2 rows"),
    ],
)
def test_filters(box: ToolRegistry, folder: Path, texts: list[str], wanted: tuple[str, Any], head: str) -> None:
    call = {"file_path": saved(folder, *texts), "column": "x", "operator": wanted[0], "value": wanted[1]}
    assert box.run("table_filter", call).text.split("\n")[0] == head


@pytest.mark.parametrize(
    ("texts", "rows"),
    [
        (["5", "n/a", "12"], ["12", "5", "n/a"]),
        (["$1234.50", "$2000.00", "$950.00"], ["$2000.00", "$1234.50", "$950.00"]),
        (["1234,50", "95,20", ""], ["1234,50", "95,20", ""]),
    ],
)
def test_sorting_shows_the_cells_as_they_are(
    box: ToolRegistry, folder: Path, texts: list[str], rows: list[str]
) -> None:
    call = {"file_path": saved(folder, *texts), "column": "x", "descending": True}
    lines = box.run("table_sort", call).text.split("\n")[1:]
    assert [line.removeprefix("x: ").rpartition(", row")[0] for line in lines] == rows


def test_a_value_may_lack_the_unit_but_not_have_another() -> None:
    euros = NumberFormat("\u20ac", ",")
    assert [euros.number(text) for text in ("5,50", "5,50 \u20ac", "$5,50", "\u20ac5,50 \u20ac")] == [
        5.5,
        5.5,
        None,
        None,
    ]


@pytest.mark.parametrize("text", ["1" * 50_000, "1," * 20_000 + "1", " 1" * 20_000, "1,000" + ",000" * 20_000])
def test_long_cells_are_looked_at_quickly(text: str) -> None:
    began = time.perf_counter()
    assert read_column([text, "x", "y"]).kind == "texts"
    assert time.perf_counter() - began < 1
