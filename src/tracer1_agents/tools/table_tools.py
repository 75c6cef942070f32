"""The table tools: what a planner calls, over `tables.py` and `table_questions.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from tracer1_agents.errors import ToolError
from tracer1_agents.tools.definition import Output, make_tool
from tracer1_agents.tools.formatting import format_cell, short
from tracer1_agents.tools.table_questions import (
    ORDERINGS,
    Operation,
    Operator,
    aggregate,
    join,
    order,
    reading_of,
    select,
    wanted_cell,
)
from tracer1_agents.tools.tables import Table, named_tables, read_table

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from tracer1_agents.tools.number_formats import ColumnReading
    from tracer1_agents.tools.workspace import Workspace

_TABLE: Final = 'A csv, tsv or xlsx file, for example "sales.csv"; "book.xlsx#Sheet2" names a sheet'
_VALUE_ROWS: Final = 1_000  # rows in the JSON value; the text is cut elsewhere

FilePath = Annotated[str, Field(description=_TABLE)]
Column = Annotated[str, Field(description="Name of a column")]
Value = str | int | float | bool
_CSV_NAME: Final = Field(description='A .csv name to save the rows under, for example "kept.csv"')


def table_tools(workspace: Workspace) -> list[BaseTool]:
    """`table_columns`, `table_aggregate`, `table_filter`, `table_sort` and `table_join` over one folder."""
    return [*_question_tools(workspace), *_row_tools(workspace), *_join_tools(workspace)]


def headlines(tables: list[Table]) -> list[str]:
    """The headline of each table, headed by its sheet where there are several."""
    if len(tables) == 1:
        return [tables[0].headline]
    return [f'sheet "{table.sheet}":\n{table.headline}' for table in tables]


def _question_tools(workspace: Workspace) -> list[BaseTool]:
    def table_columns(file_path: FilePath) -> Output:
        """Show how many rows a table has and the names of its columns."""
        tables = named_tables(workspace, file_path)
        return "\n".join(headlines(tables)), list(tables[0].columns)

    def table_aggregate(
        file_path: FilePath,
        column: Column,
        operation: Annotated[Operation, Field(description="What to compute; count and unique leave out empty cells")],
        where_column: Annotated[str | None, Field(description="Use only rows where this column ...")] = None,
        where_value: Annotated[Value | None, Field(description="... has this value")] = None,
    ) -> Output:
        """Compute one number from a column of a table, of all rows or of those where another column has a value."""
        table = read_table(workspace, file_path)
        rows = _where(table, where_column, where_value, operation)
        reading = reading_of(table, column)
        result = aggregate(rows, column, operation, reading)
        left_out = _left_out(rows, column, reading)
        return f"{format_cell(result)}\n{left_out}" if left_out else format_cell(result), result

    return [make_tool(table_columns), make_tool(table_aggregate)]


def _left_out(table: Table, column: str, reading: ColumnReading) -> str:
    place = table.index(column)
    return reading.left_out(row[place] for row in table.rows)


def _where(table: Table, column: str | None, value: Value | None, operation: Operation) -> Table:
    if column is None and value is None:
        return table
    if column is None or value is None:
        msg = "where_column and where_value go together: give both or neither"
        raise ToolError(msg)
    wanted = wanted_cell(value)
    rows = select(table, column, "=", wanted)
    if not rows.rows and operation not in {"count", "sum", "unique"}:
        msg = f"no rows where {table.columns[table.index(column)]} is {short(format_cell(wanted))}"
        raise ToolError(msg)
    return rows


def _row_tools(workspace: Workspace) -> list[BaseTool]:
    def table_filter(
        file_path: FilePath,
        column: Column,
        operator: Annotated[Operator, Field(description="How the cell must compare with value")],
        value: Annotated[Value, Field(description="A number or a text")],
        output: Annotated[str | None, _CSV_NAME] = None,
    ) -> Output:
        """List the rows of a table whose column compares with a value, and save them if output is given."""
        table = read_table(workspace, file_path)
        kept = select(table, column, operator, wanted_cell(value, operator))
        saved = _save(workspace, kept, output) if output is not None else ""
        left_out = _left_out(table, column, reading_of(table, column)) if operator in ORDERINGS else ""
        return _listing(f"{len(kept.rows)} of {len(table.rows)} rows{left_out and f'; {left_out}'}{saved}", kept)

    def table_sort(
        file_path: FilePath,
        column: Column,
        descending: Annotated[bool, Field(description="Largest first")] = False,  # noqa: FBT002  (a tool argument)
        limit: Annotated[int, Field(ge=1, le=10_000, description="How many rows to show")] = 5,
    ) -> Output:
        """List the first rows of a table sorted by a column."""
        table = order(read_table(workspace, file_path), column, descending=descending)
        first = Table(table.columns, table.rows[:limit])
        direction = ", descending" if descending else ""
        name = table.columns[table.index(column)]
        return _listing(f"first {len(first.rows)} of {len(table.rows)} rows by {name}{direction}", first)

    return [make_tool(table_filter), make_tool(table_sort)]


def _join_tools(workspace: Workspace) -> list[BaseTool]:
    def table_join(
        left_path: FilePath,
        right_path: FilePath,
        on: Annotated[str, Field(description="A column that both tables have")],
        output: Annotated[str, _CSV_NAME],
    ) -> Output:
        """Join two tables on a column they share and save the result: only rows found in both."""
        joined = join(read_table(workspace, left_path), read_table(workspace, right_path), on)
        saved = _save(workspace, joined, output)
        return f"joined, {joined.headline.removeprefix('table, ')}{saved}", output

    return [make_tool(table_join)]


def _listing(head: str, table: Table) -> tuple[str, Any]:
    lines = [
        ", ".join(f"{name}: {format_cell(cell)}" for name, cell in zip(table.columns, row, strict=True))
        for row in table.rows
    ]
    value = [dict(zip(table.columns, row, strict=True)) for row in table.rows[:_VALUE_ROWS]]
    return "\n".join([head, *lines]), value


def _save(workspace: Workspace, table: Table, output: str) -> str:
    path = workspace.output(output, (".csv",))
    workspace.write(path, table.as_csv())
    return f"; saved as {output}"
