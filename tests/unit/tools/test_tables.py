"""Every expected text here is worked out by hand from the rows of `conftest.SALES` or of the file in the test."""

from __future__ import annotations

import datetime as dt
import re
import time
import zipfile
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest

from tracer1_agents.tools import tables
from tracer1_agents.tools.delimited import find_delimiter

if TYPE_CHECKING:
    from pathlib import Path

    from tracer1_agents.tools.base import ToolRegistry


def save_workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)


def ask(box: ToolRegistry, operation: str, column: str = "unit price", **where: Any) -> str:
    arguments = {"file_path": "sales.csv", "column": column, "operation": operation, **where}
    return box.run("table_aggregate", arguments).text


@pytest.mark.parametrize(
    ("operation", "column", "text"),
    [
        ("sum", "unit price", "6.75"),  # 3.5 + 1.25 + 2
        ("mean", "unit price", "2.25"),
        ("median", "unit price", "2"),
        ("min", "unit price", "1.25"),
        ("max", "unit price", "3.5"),
        ("count", "qty", "2"),  # one cell is empty
        ("sum", "qty", "7"),
        ("mean", "qty", "3.5"),
        ("unique", "city", "2"),  # "Berlin" and "berlin" are one
        ("min", "city", "Berlin"),
        ("max", "city", "Rome"),
        ("max", "code", "009"),
    ],
)
def test_aggregate(box: ToolRegistry, operation: str, column: str, text: str) -> None:
    assert ask(box, operation, column) == text


@pytest.mark.parametrize(
    ("operation", "value", "text"),
    [
        ("sum", " BERLIN ", "5.5"),
        ("mean", "berlin", "2.75"),
        ("count", "Oslo", "0"),
        ("sum", "Oslo", "0"),
        ("unique", "Oslo", "0"),
        ("mean", "Oslo", "error: no rows where city is Oslo"),
        ("max", "Oslo", "error: no rows where city is Oslo"),
    ],
)
def test_aggregate_where(box: ToolRegistry, operation: str, value: str, text: str) -> None:
    assert ask(box, operation, where_column="City", where_value=value) == text


@pytest.mark.parametrize("value", [2, 2.0, "2", "2.0"])
def test_where_compares_numbers_as_numbers(box: ToolRegistry, value: object) -> None:
    assert ask(box, "count", where_column="qty", where_value=value) == "1"


def test_where_needs_both_halves(box: ToolRegistry) -> None:
    assert ask(box, "sum", where_column="city").startswith("error: where_column and where_value go together")


@pytest.mark.parametrize("operation", ["sum", "mean", "median"])
def test_arithmetic_on_text_names_a_culprit(box: ToolRegistry, operation: str) -> None:
    assert ask(box, operation, "city") == 'error: column "city" is not numeric, for example "Berlin"'


def test_small_numbers_are_not_zero(box: ToolRegistry, folder: Path) -> None:
    (folder / "p.csv").write_text("test,p\nt,0.00000003\nu,1.2e-9\n")
    head = "table, 2 rows, columns: test, p"
    text = box.run("inspect_file_as_text", {"file_path": "p.csv"}).text
    assert text == f"{head}\nt, 3e-08\nu, 1.2e-09"
    call = {"file_path": "p.csv", "column": "p", "operation": "sum"}
    assert box.run("table_aggregate", call).text == "3.12e-08"


def test_a_sum_that_is_only_rounding_is_zero(box: ToolRegistry, folder: Path) -> None:
    (folder / "b.csv").write_text("change\n0.1\n0.2\n-0.3\n")
    call = {"file_path": "b.csv", "column": "change", "operation": "sum"}
    assert box.run("table_aggregate", call).text == "0"


def test_aggregate_of_an_empty_column(box: ToolRegistry, folder: Path) -> None:
    (folder / "gap.csv").write_text("a,b\n1,\n")
    call = {"file_path": "gap.csv", "column": "b", "operation": "max"}
    assert box.run("table_aggregate", call).text == 'error: column "b" has no values'


@pytest.mark.parametrize("column", ["unit price", "Unit Price", "unit_price", "UNIT-PRICE", " unit  price "])
def test_column_names_are_forgiving(box: ToolRegistry, column: str) -> None:
    assert ask(box, "max", column) == "3.5"


def test_an_ambiguous_column_is_refused(box: ToolRegistry, folder: Path) -> None:
    (folder / "twins.csv").write_text("Price,price\n1,2\n")
    call = {"file_path": "twins.csv", "operation": "sum"}
    assert box.run("table_aggregate", {**call, "column": "price"}).text == "2"
    unclear = box.run("table_aggregate", {**call, "column": "PRICE"})
    assert unclear.text == 'error: no column "PRICE"; columns: Price, price'


@pytest.mark.parametrize(
    ("column", "operator", "value", "codes"),
    [
        ("qty", ">", 2, ["009"]),
        ("qty", ">=", "2", ["007", "009"]),
        ("qty", "<", 5, ["007"]),
        ("qty", "!=", 2, ["008", "009"]),  # an empty cell is not 2
        ("city", "=", "BERLIN", ["007", "009"]),
        ("city", "contains", "OM", ["008"]),
        ("qty", "=", True, []),
        ("qty", "=", "", ["008"]),  # nothing is like nothing
        ("city", ">", "c", ["008"]),
        ("code", "=", "007", ["007"]),
        ("code", "=", 7, []),  # a code is not a quantity
    ],
)
def test_filter(box: ToolRegistry, column: str, operator: str, value: object, codes: list[str]) -> None:
    call = {"file_path": "sales.csv", "column": column, "operator": operator, "value": value}
    done = box.run("table_filter", call)
    assert done.text.split("\n")[0] == f"{len(codes)} of 3 rows"
    assert [row["code"] for row in done.value] == codes


@pytest.mark.parametrize(
    ("value", "codes"),
    [("2.0", ["v2.0.1", "x12.0"]), ("v2", ["v2.0.1", "v2.1"]), ("5.0", ["5"]), (5, ["5"]), ("  ", [])],
)
def test_contains_takes_words_as_they_stand(box: ToolRegistry, folder: Path, value: object, codes: list[str]) -> None:
    (folder / "t.csv").write_text("version\nv2.0.1\nv2.1\nx12.0\n5\n")
    call = {"file_path": "t.csv", "column": "version", "operator": "contains", "value": value}
    assert [str(row["version"]) for row in box.run("table_filter", call).value] == codes


@pytest.mark.parametrize(
    ("column", "wanted", "said"),
    [
        ("price", (">", "1,000"), 'column "price" holds numbers, for example "500"'),
        ("price", ("<=", "$1000"), 'column "price" holds numbers, for example "500"'),
        ("price", ("=", "1,500"), 'column "price" holds numbers, for example "500"'),
        ("price", ("!=", "1500 EUR"), 'column "price" holds numbers, for example "500"'),
        ("price", (">", ""), "0 of 2 rows"),
        ("price", ("=", "lamp"), "0 of 2 rows"),
        ("date", (">=", "2024"), 'column "date" holds texts, for example "2023-05-01"'),
        ("date", (">=", "2024-01-01"), "1 of 2 rows"),
        ("size", (">", 5), 'column "size" holds texts, for example "10 kg"'),
        ("none", (">", "x"), "0 of 2 rows"),
    ],
)
def test_a_value_written_in_another_way_finds_no_rows_in_silence(
    box: ToolRegistry, folder: Path, column: str, wanted: tuple[str, Any], said: str
) -> None:
    (folder / "t.csv").write_text("price,date,size,none\n500,2023-05-01,10 kg,\n1500,2024-02-01,9 kg,\n")
    call = {"file_path": "t.csv", "column": column, "operator": wanted[0], "value": wanted[1]}
    done = box.run("table_filter", call)
    assert done.ok == said.endswith("rows")
    assert said in done.text


def test_filter_lists_and_saves(box: ToolRegistry, folder: Path) -> None:
    call = {"file_path": "sales.csv", "column": "qty", "operator": "=", "value": 2, "output": "two.csv"}
    done = box.run("table_filter", call)
    assert done.text == "1 of 3 rows; saved as two.csv\ncity: Berlin, unit price: 3.5, qty: 2, code: 007"
    assert (folder / "two.csv").read_text() == "city,unit price,qty,code\nBerlin,3.5,2,007\n"


@pytest.mark.parametrize("output", ["../two.csv", "/tmp/two.csv", "two.txt", "two", "no/such/two.csv"])  # noqa: S108  (must be refused)
def test_output_stays_in_the_folder(box: ToolRegistry, folder: Path, output: str) -> None:
    call = {"file_path": "sales.csv", "column": "qty", "operator": "=", "value": 2, "output": output}
    assert not box.run("table_filter", call).ok
    assert [path.name for path in folder.parent.rglob("*") if path.is_file()] == ["sales.csv"]


def test_sort(box: ToolRegistry) -> None:
    call = {"file_path": "sales.csv", "column": "QTY"}
    assert [row["code"] for row in box.run("table_sort", call).value] == ["007", "009", "008"]
    down = box.run("table_sort", {**call, "descending": True, "limit": 2})
    assert down.text.split("\n")[0] == "first 2 of 3 rows by qty, descending"
    assert [row["code"] for row in down.value] == ["009", "007"]  # the empty cell is last either way


def test_sort_limit_beyond_the_table(box: ToolRegistry) -> None:
    text = box.run("table_sort", {"file_path": "sales.csv", "column": "qty", "limit": 9}).text
    assert text.startswith("first 3 of 3 rows by qty\n")


def test_join_names_stay_unique(box: ToolRegistry, folder: Path) -> None:
    (folder / "l.csv").write_text("k,a,a_right\n1,2,3\n")
    (folder / "r.csv").write_text("k,a\n1,4\n")
    call = {"left_path": "l.csv", "right_path": "r.csv", "on": "k", "output": "o.csv"}
    text = "joined, 1 rows, columns: k, a, a_right, a_right_right; saved as o.csv"
    assert box.run("table_join", call).text == text


def test_join(box: ToolRegistry, folder: Path) -> None:
    (folder / "people.csv").write_text("City,qty,mayor\nROME,1,Ada\nrome,2,Bo\nOslo,3,Cy\n")
    call = {"left_path": "sales.csv", "right_path": "people.csv", "on": "city", "output": "both.csv"}
    columns = "city, unit price, qty, code, qty_right, mayor"
    assert box.run("table_join", call).text == f"joined, 2 rows, columns: {columns}; saved as both.csv"
    rows = "Rome,1.25,,008,1,Ada\nRome,1.25,,008,2,Bo\n"
    assert (folder / "both.csv").read_text() == f"{columns.replace(', ', ',')}\n{rows}"


def test_missing_numbers_do_not_join(box: ToolRegistry, folder: Path) -> None:
    (folder / "left.csv").write_text("id,a\n1,x\nn/a,y\n,z\n")
    (folder / "right.csv").write_text("id,b\n1,p\nN/A,q\nn/a,r\n,s\n")
    call = {"left_path": "left.csv", "right_path": "right.csv", "on": "id", "output": "out.csv"}
    assert box.run("table_join", call).text == "joined, 1 rows, columns: id, a, b; saved as out.csv"


def test_a_join_that_explodes_is_refused(box: ToolRegistry, folder: Path) -> None:
    (folder / "many.csv").write_text("k,v\n" + "same,1\n" * 1000)
    call = {"left_path": "many.csv", "right_path": "many.csv", "on": "k", "output": "out.csv"}
    assert "more than 200000 rows" in box.run("table_join", call).text
    assert not (folder / "out.csv").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", b"a,b\n1,x y\n"),
        ("t.csv", b"\xef\xbb\xbfa,b\r\n1,x  y\r\n\r\n"),
        ("t.csv", b'"a";"b"\n1;x y\n'),
        ("t.csv", b'a,b\n1,"x\ny"\n'),
        ("t.tsv", b"a\tb\n1\tx y\n"),
        ("t.csv", "a,b\n1,x y\n".encode("utf-16")),
    ],
)
def test_dialects_of_text_tables(box: ToolRegistry, folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    done = box.run("inspect_file_as_text", {"file_path": name})
    assert done.text == "table, 1 rows, columns: a, b\n1, x y"


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("t.csv", '"Name, Vorname";Alter;Ort\n"Meier, Ida";5;Ulm\n', "Name, Vorname, Alter, Ort\nMeier, Ida, 5, Ulm"),
        ("t.csv", 'Alter;"Name, Vorname"\n5;"Meier, Ida"\n', "Alter, Name, Vorname\n5, Meier, Ida"),
        ("t.csv", "Preis, netto;Menge\n5;6\n7;8\n", "Preis, netto, Menge\n5, 6\n7, 8"),
        ("t.csv", "a, b\n1;2,3\n", "a, b\n1;2, 3"),  # the comma of the header comes first
        ("t.csv", "a;b,c\n1,2\n3,4\n", "a;b, c\n1, 2\n3, 4"),
        ("t.csv", "a|b\n1|2\n", "a, b\n1, 2"),
        ("t.csv", "a\tb\n1\t2\n", "a, b\n1, 2"),
        ("t.csv", "yes|no\nmaybe\nnever\n", "yes|no\nmaybe\nnever"),  # no table of two columns
        ("t.csv", "sep=;\na,b;c\n1;2\n", "a,b, c\n1, 2"),
        ("t.csv", '"sep=\t"\r\na\tb\r\n1\t2\r\n', "a, b\n1, 2"),
        ("t.csv", "sep=|\n", None),
        ("t.csv", 'size,"5"" disk; new"\n1,2\n', 'size, 5" disk; new\n1, 2'),
        ("t.csv", 'a;b\n1;"x\n,,,\ny"\n', "a, b\n1, x ,,, y"),
        ("t.tsv", "a;b\tc\n1\t2\n", "a;b, c\n1, 2"),
    ],
)
def test_delimiters(box: ToolRegistry, folder: Path, name: str, content: str, text: str | None) -> None:
    (folder / name).write_bytes(content.encode())
    done = box.run("inspect_file_as_text", {"file_path": name})
    if text is None:
        assert done.text == 'error: "t.csv" cannot be read as csv: it is empty'
    else:
        assert done.text.partition("columns: ")[2] == text


@pytest.mark.parametrize("text", ['"' * 65_535, ',"' * 30_000, '"a""' * 16_000, '"",' * 20_000])
def test_a_delimiter_is_found_quickly(text: str) -> None:
    began = time.perf_counter()
    assert find_delimiter(text) == ","
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("rest", ["a,1\nb,2\n", 'a,1\n"b",2\n"c,3', "", "a,1\n\n"])
def test_a_quote_that_is_never_closed(box: ToolRegistry, folder: Path, rest: str) -> None:
    (folder / "t.csv").write_text(f'name,n\nx,5\n"{rest}')
    call = {"file_path": "t.csv", "column": "n", "operation": "sum"}
    said = box.run("table_aggregate", call).text
    line = 5 if rest.endswith("3") else 3
    assert said.startswith(f'error: "t.csv" cannot be read as csv: a quote in line {line} is opened and never closed')


@pytest.mark.parametrize("end", ["", "\n", "\n\n", '\n"y\nz",7'])
def test_the_end_of_a_file_is_no_row(box: ToolRegistry, folder: Path, end: str) -> None:
    (folder / "t.csv").write_text(f"name,n\nx,5{end}")
    call = {"file_path": "t.csv", "column": "n", "operation": "sum"}
    assert box.run("table_aggregate", call).text == ("12" if end.endswith("7") else "5")


def test_a_long_cell(box: ToolRegistry, folder: Path) -> None:
    (folder / "t.csv").write_text(f"a,b\n{'x' * 200_000},1\n")
    call = {"file_path": "t.csv", "column": "b", "operation": "sum"}
    assert box.run("table_aggregate", call).text == "1"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("1234e56", "1234e56"),
        ("12E3", "12E3"),
        ("1e-5", 1e-5),
        ("6E+2", 600.0),
        ("1.5e3", 1500.0),
        ("-.5e3", -500.0),
        ("12", 12),
        ("-1.50", -1.5),
        ("5.", 5.0),
    ],
)
def test_a_code_with_an_e_is_no_power_of_ten(text: str, cell: object) -> None:
    assert tables.parse_cell(text) == cell


def test_headers_without_names_or_with_the_same(box: ToolRegistry, folder: Path) -> None:
    (folder / "t.csv").write_text("a,,a\n1,2,3,4\n5\n")
    done = box.run("inspect_file_as_text", {"file_path": "t.csv"})
    assert done.text == "table, 2 rows, columns: a, column_2, a_2, column_4\n1, 2, 3, 4\n5, , , "


def test_workbook_cells(box: ToolRegistry, folder: Path) -> None:
    row = [1, 2.5, "text", True, dt.datetime(2024, 5, 1), dt.datetime(2024, 5, 1, 9, 30), dt.time(9, 5), "12"]  # noqa: DTZ001  (spreadsheets have no zones)
    save_workbook(folder / "t.xlsx", {"Data": [["a", "b", "c", "d", "e", "f", "g", "h"], row], "Empty": []})
    done = box.run("inspect_file_as_text", {"file_path": "t.xlsx"})
    head = "table, 1 rows, columns: a, b, c, d, e, f, g, h"
    assert done.text == f"{head}\n1, 2.5, text, TRUE, 2024-05-01, 2024-05-01 09:30:00, 09:05:00, 12"
    assert box.run("table_columns", {"file_path": "t.xlsx"}).text == head


def test_workbook_with_several_sheets(box: ToolRegistry, folder: Path) -> None:
    save_workbook(folder / "t.xlsx", {"One": [["a"], [1]], "Two": [["b"], [2], [3]]})
    done = box.run("inspect_file_as_text", {"file_path": "t.xlsx"})
    one, two = 'sheet "One":\ntable, 1 rows, columns: a\n1', 'sheet "Two":\ntable, 2 rows, columns: b\n2\n3'
    assert done.text == f"{one}\n{two}"
    total = {"column": "b", "operation": "sum"}
    assert box.run("table_aggregate", {**total, "file_path": "t.xlsx#two"}).text == "5"
    assert box.run("table_aggregate", {**total, "file_path": "t.xlsx"}).text == 'error: no column "b"; columns: a'
    assert box.run("table_columns", {"file_path": "t.xlsx#Two"}).text == "table, 2 rows, columns: b"
    missing = box.run("table_columns", {"file_path": "t.xlsx#Three"})
    assert missing.text == 'error: no sheet "Three"; sheets: One, Two'


def test_the_sheet_of_exactly_that_name_comes_first(box: ToolRegistry, folder: Path) -> None:
    save_workbook(folder / "t.xlsx", {"A-B": [["n"], [1]], "A B": [["n"], [2]], "Item #1": [["n"], [3]]})
    call = {"column": "n", "operation": "sum"}
    for sheet, text in (
        ("A-B", "1"),
        ("A B", "2"),
        ("Item #1", "3"),
        ("item-#1", "3"),
        ("a_b", 'error: no sheet "a_b"; sheets: A-B, A B, Item #1'),
    ):
        assert box.run("table_aggregate", {**call, "file_path": f"t.xlsx#{sheet}"}).text == text


UNSTORED = 'error: column "total" holds formulas without stored values; open and save the file in a spreadsheet program'


@pytest.fixture
def unstored(folder: Path) -> Path:
    """As libraries write it: formulas without values."""
    rows = [["item", "n", "total"], ["a", 2, "=B2*2"], ["b", 3, "=B3*2"], ["c", 4, 9]]
    save_workbook(folder / "t.xlsx", {"One": rows, "Two": [["a"], [1]]})
    return folder / "t.xlsx"


def computed(path: Path, value: bytes, kind: bytes = b"") -> None:
    """Store a value with each formula, as spreadsheet programs do."""
    with zipfile.ZipFile(path) as book:
        parts = {item: book.read(item) for item in book.namelist()}
    with zipfile.ZipFile(path, "w") as book:
        for name, data in parts.items():
            stored = re.sub(
                rb'<c r="C(.)">(<f>.*?</f>)<v></v>', rb'<c r="C\1"' + kind + rb">\2<v>" + value + b"</v>", data
            )
            book.writestr(name, stored)


@pytest.mark.usefixtures("unstored")
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("table_aggregate", {"column": "total", "operation": "sum"}),
        ("table_aggregate", {"column": "TOTAL", "operation": "count"}),
        ("table_aggregate", {"column": "n", "operation": "sum", "where_column": "total", "where_value": 4}),
        ("table_filter", {"column": "total", "operator": ">", "value": 1}),
        ("table_filter", {"column": "n", "operator": ">", "value": 2, "output": "o.csv"}),  # would save empty cells
        ("table_sort", {"column": "total"}),
    ],
)
def test_formulas_without_values_are_not_empty(box: ToolRegistry, tool: str, arguments: dict[str, Any]) -> None:
    assert box.run(tool, {"file_path": "t.xlsx", **arguments}).text == UNSTORED


@pytest.mark.usefixtures("unstored")
def test_other_columns_of_such_a_table(box: ToolRegistry) -> None:
    call = {"file_path": "t.xlsx", "column": "n", "operation": "sum"}
    assert box.run("table_aggregate", call).text == "9"
    assert box.run("table_filter", {"file_path": "t.xlsx", "column": "n", "operator": ">", "value": 3}).ok
    head = "table, 3 rows, columns: item, n, total; formulas without stored values: total"
    assert box.run("table_columns", {"file_path": "t.xlsx#One"}).text == head
    assert box.run("table_columns", {"file_path": "t.xlsx#Two"}).text == "table, 1 rows, columns: a"
    assert head in box.run("inspect_file_as_text", {"file_path": "t.xlsx"}).text


def test_joins_keep_it_in_mind(box: ToolRegistry, unstored: Path) -> None:
    call = {"left_path": "t.xlsx", "right_path": "t.xlsx", "on": "n", "output": "o.csv"}
    assert box.run("table_join", call).text == UNSTORED
    assert not unstored.with_name("o.csv").exists()


@pytest.mark.parametrize(("value", "kind", "total"), [(b"4", b"", "17"), (b"", b' t="str"', "9")])
def test_formulas_with_values_are_values(
    box: ToolRegistry, unstored: Path, value: bytes, kind: bytes, total: str
) -> None:
    computed(unstored, value, kind)
    call = {"file_path": "t.xlsx", "column": "total", "operation": "sum"}
    assert box.run("table_aggregate", call).text == total
    assert box.run("table_columns", {"file_path": "t.xlsx#One"}).text == "table, 3 rows, columns: item, n, total"


def test_declared_but_empty_cells_cost_nothing(box: ToolRegistry, folder: Path) -> None:
    save_workbook(folder / "t.xlsx", {"One": [["a"], [1]]})
    source = (folder / "t.xlsx").read_bytes()
    (folder / "u.xlsx").write_bytes(source)
    with zipfile.ZipFile(folder / "t.xlsx") as old, zipfile.ZipFile(folder / "u.xlsx", "w") as new:
        for item in old.infolist():
            data = old.read(item).replace(b'ref="A1:A2"', b'ref="A1:XFD1048576"')
            data = data.replace(b"</sheetData>", b'<row r="1048576"><c r="A1048576"><v>9</v></c></row></sheetData>')
            new.writestr(item, data)
    done = box.run("inspect_file_as_text", {"file_path": "u.xlsx"})
    assert done.text == "table, 1 rows, columns: a\n1"  # the lone last row lies behind a million blank ones
    assert done.seconds < 2


@pytest.mark.usefixtures("parsed_here")
def test_too_many_rows_are_refused(box: ToolRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROW_LIMIT", 2)
    assert box.run("table_columns", {"file_path": "sales.csv"}).text.startswith(
        'error: "sales.csv" cannot be read as csv: more than 2 rows'
    )


@pytest.mark.usefixtures("parsed_here")
def test_too_many_cells_are_refused(box: ToolRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "CELL_LIMIT", 20)
    assert box.run("table_columns", {"file_path": "sales.csv"}).ok  # 4 rows of 4
    (folder / "wide.csv").write_text("a\n" * 10 + "1,2,3\n")  # 13 cells, but 33 once every row is as wide
    assert "more than 20 cells" in box.run("table_columns", {"file_path": "wide.csv"}).text


def test_not_a_table_and_no_such_file(box: ToolRegistry, folder: Path) -> None:
    (folder / "a.txt").write_text("x")
    assert box.run("table_columns", {"file_path": "a.txt"}).text == 'error: "a.txt" is not a table (csv, tsv, xlsx)'
    missing = box.run("table_columns", {"file_path": "b.csv"})
    assert missing.text == 'error: no file "b.csv" in this folder; files: a.txt, sales.csv'


@pytest.mark.parametrize("content", [b"", b"\n\n", b"a\0b,c\n"])
def test_empty_and_binary_tables(box: ToolRegistry, folder: Path, content: bytes) -> None:
    (folder / "t.csv").write_bytes(content)
    reason = "it holds binary data" if b"\0" in content else "it is empty"
    assert box.run("table_columns", {"file_path": "t.csv"}).text == f'error: "t.csv" cannot be read as csv: {reason}'
