"""`plot`: two columns of a table as a picture, drawn by matplotlib without a screen or its global state."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field

from tracer1_agents.errors import ToolError
from tracer1_agents.tools.definition import Output, make_tool
from tracer1_agents.tools.formatting import format_cell, short
from tracer1_agents.tools.images import OutputPath  # noqa: TC001  (the argument schema is built from it)
from tracer1_agents.tools.table_tools import FilePath  # noqa: TC001  (as above)
from tracer1_agents.tools.tables import read_table
from tracer1_agents.tools.workspace import Workspace, optional

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from tracer1_agents.tools.tables import Table

_POINT_LIMIT: Final = 10_000
_LABEL_LIMIT, _LABELS_OF_MANY = 50, 8  # texts along the horizontal axis that are all written; else so many
_SIZE: Final = (6.4, 4.8)  # inches
_DPI: Final = 100

Kind = Literal["line", "bar", "scatter"]


def plot_tools(workspace: Workspace) -> list[BaseTool]:
    """`plot` over one folder."""

    def plot(
        file_path: FilePath,
        x: Annotated[str, Field(description="Column for the horizontal axis")],
        y: Annotated[str, Field(description="Numeric column for the vertical axis")],
        kind: Annotated[Kind, Field(description="How to draw it")] = "line",
        output: OutputPath = "plot.png",
    ) -> Output:
        """Draw two columns of a table and save the picture."""
        path = workspace.output(output, (".png",))
        workspace.write(path, draw(read_table(workspace, file_path), x, y, kind))
        return f"saved {output}, {round(_SIZE[0] * _DPI)} x {round(_SIZE[1] * _DPI)} pixels", output

    return [make_tool(plot)]


def draw(table: Table, x: str, y: str, kind: Kind) -> bytes:
    """A PNG of 640 x 480 pixels.

    Raises:
        ToolError: No such column, no numbers to draw, or too many points.
        MissingExtraError: matplotlib is not installed.
    """
    horizontal, vertical = _points(table, x, y)
    figure = optional("matplotlib.figure", "plots").Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
    optional("matplotlib.backends.backend_agg", "plots").FigureCanvasAgg(figure)
    axes = figure.subplots()
    draws = {"line": axes.plot, "bar": axes.bar, "scatter": axes.scatter}
    draws[kind](horizontal, vertical)
    if isinstance(horizontal[0], str) and len(set(horizontal)) > _LABEL_LIMIT:
        # More of them cover each other, and laying out a thousand takes seconds.
        locator = optional("matplotlib.ticker", "plots").MaxNLocator(_LABELS_OF_MANY, integer=True)
        axes.xaxis.set_major_locator(locator)
    # A dollar sign in a column name would be read as a formula.
    axes.set_xlabel(table.columns[table.index(x)].replace("$", r"\$"))
    axes.set_ylabel(table.columns[table.index(y)].replace("$", r"\$"))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _points(table: Table, x: str, y: str) -> tuple[list[Any], list[int | float]]:
    x_place, y_place = table.index(x), table.index(y)
    rows = [row for row in table.rows if row[x_place] is not None and row[y_place] is not None]
    if not rows or len(rows) > _POINT_LIMIT:
        msg = f"there are {len(rows)} rows to draw; a plot takes 1 to {_POINT_LIMIT}"
        raise ToolError(msg)
    vertical: list[int | float] = []
    for row in rows:
        cell = row[y_place]
        if cell is None or isinstance(cell, str):
            msg = f'column "{table.columns[y_place]}" is not numeric, for example "{short(cell)}"'
            raise ToolError(msg)
        vertical.append(cell)
    numeric = all(not isinstance(row[x_place], str) for row in rows)
    return [row[x_place] if numeric else format_cell(row[x_place]).replace("$", r"\$") for row in rows], vertical
