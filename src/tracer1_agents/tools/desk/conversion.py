"""Files from one format to another: tables to csv or json, JSON lists of objects to csv, documents to txt."""

from __future__ import annotations

import csv
import io
import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import ToolError
from tracer1_agents.tools.documents import inspect_file
from tracer1_agents.tools.formatting import short
from tracer1_agents.tools.plain_text import read_text
from tracer1_agents.tools.tables import SUFFIXES as TABLE_SUFFIXES
from tracer1_agents.tools.tables import read_table
from tracer1_agents.tools.workspace import reading

if TYPE_CHECKING:
    from tracer1_agents.tools.workspace import Workspace

_DOCUMENT_SUFFIXES: Final = (".docx", ".pdf", ".pptx", ".html", ".htm", ".md")
_WAYS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(TABLE_SUFFIXES, ("csv", "json")),
    ".json": ("csv",),
    **dict.fromkeys(_DOCUMENT_SUFFIXES, ("txt",)),
}


def converted_name(name: str, to: str) -> str:
    """Name of the result: the file's, with the new ending."""
    return str(PurePosixPath(name).with_suffix(f".{to}"))


def convert(workspace: Workspace, name: str, to: str) -> bytes:
    """The content of a file in another format.

    Args:
        workspace: Where the file is.
        name: Of the file.
        to: csv, json or txt.

    Raises:
        ToolError: No such file, no way from its format to `to`, or it cannot be read.
    """
    path = workspace.file(name)
    suffix = path.suffix.lower()
    if to not in _WAYS.get(suffix, ()) or f".{to}" == suffix:
        msg = f'"{short(name)}" cannot become {short(to, 20)}: tables become csv or json, JSON csv, documents txt'
        raise ToolError(msg)
    if suffix == ".json":
        with reading(path, name, "json"):
            return _records_as_csv(json.loads(read_text(path)))
    if suffix in TABLE_SUFFIXES:
        table = read_table(workspace, name)
        if to == "csv":
            return table.as_csv()
        table.check_stored()
        records = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        return json.dumps(records, ensure_ascii=False).encode()
    return f"{inspect_file(workspace, name)}\n".encode()


def _records_as_csv(records: Any) -> bytes:
    if not isinstance(records, list) or not records or not all(isinstance(record, dict) for record in records):
        msg = "only a list of objects can become a table"
        raise ValueError(msg)
    columns = list(dict.fromkeys(key for record in records for key in record))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode()
