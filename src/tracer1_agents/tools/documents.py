"""`inspect_file_as_text`: any file of the workspace as text a planner can read.

One reader per kind of file, chosen by its ending, run in a process of its own (see `confined`); a broken or hostile
file is an error that names the kind it was read as. A question is accepted, since T3's tool has one; the text itself is
the answer, unless a reader was handed in. Sound goes to a speech model, where one was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from tracer1_agents.errors import ToolUnavailableError
from tracer1_agents.tools.backends import NO_BACKENDS, Backends, words_of
from tracer1_agents.tools.confined import parser
from tracer1_agents.tools.definition import Output, make_tool
from tracer1_agents.tools.formatting import format_cell
from tracer1_agents.tools.images import SUFFIXES as IMAGE_SUFFIXES
from tracer1_agents.tools.images import image_size
from tracer1_agents.tools.table_tools import headlines
from tracer1_agents.tools.tables import SUFFIXES as TABLE_SUFFIXES
from tracer1_agents.tools.tables import Table, file_part, named_tables
from tracer1_agents.tools.workspace import reading

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_core.tools import BaseTool

    from tracer1_agents.tools.workspace import Workspace

NOTHING: Final = "no text found"


SOUNDS: Final = (".wav", ".mp3", ".flac", ".m4a", ".ogg")


def document_tools(workspace: Workspace, backends: Backends = NO_BACKENDS) -> list[BaseTool]:
    """`inspect_file_as_text` over one folder."""

    def inspect_file_as_text(
        file_path: Annotated[str, Field(description='Name of a file, for example "report.pdf"')],
        question: Annotated[str | None, Field(description="What you want to know; the file is shown anyway")] = None,
    ) -> Output:
        """Read a file: table, document, text, web page, json; unpack a zip archive; tell the size of an image."""
        text = inspect_file(workspace, file_path, backends)
        if question and backends.reader is not None:
            return words_of(backends.reader.read(question, text), "reader"), None
        return text, None

    return [make_tool(inspect_file_as_text)]


def inspect_file(workspace: Workspace, name: str, backends: Backends = NO_BACKENDS) -> str:
    """A file as text.

    Args:
        workspace: Where it is.
        name: As the model gave it; a sheet of a workbook as in ``book.xlsx#Sheet2``.
        backends: Sound files need its `speech`.

    Raises:
        ToolError: No such file, corrupt, too large, or of a kind that has no text.
    """
    file_name = file_part(workspace, name)
    path = workspace.file(file_name)
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return _tables_text(named_tables(workspace, name))
    if suffix in IMAGE_SUFFIXES:
        width, height = image_size(workspace, name)
        return f"image, {width} x {height} pixels; use ocr or visualizer to read it"
    if suffix == ".zip":
        with reading(path, name, "zip"):
            files = parser.read("zip", path, root=str(workspace.root))
        return f"archive, {len(files)} files: {', '.join(files)}"
    if suffix in SOUNDS:
        return _words(path, name, backends)
    kind = suffix.removeprefix(".") or "text"
    with reading(path, name, kind):
        text: str = parser.read(_READERS.get(suffix, "text"), path)
    return text or NOTHING


def _words(path: Path, name: str, backends: Backends) -> str:
    if backends.speech is None:
        msg = f'"{name}" is sound; to read it, configure a speech model'
        raise ToolUnavailableError(msg)
    return words_of(backends.speech.transcribe(path.read_bytes(), path.name), "speech") or "no words heard"


def _tables_text(tables: list[Table]) -> str:
    blocks = []
    for head, table in zip(headlines(tables), tables, strict=True):
        rows = (", ".join(map(format_cell, row)) for row in table.rows)
        blocks.append("\n".join([head, *rows]))
    return "\n".join(blocks)


_READERS: Final[dict[str, str]] = {
    ".pdf": "pdf",
    ".docx": "docx",
    ".pptx": "pptx",
    ".html": "html",
    ".htm": "html",
    ".json": "json",
}
