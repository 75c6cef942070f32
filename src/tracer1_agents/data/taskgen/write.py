"""Puts task contents on disk as real files: spreadsheets, documents, slides, pictures, archives.

Dates inside the files are fixed, so that the same task gives the same bytes wherever the format allows it.
"""

from __future__ import annotations

import csv
import html
import io
import json
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracer1_agents.data.taskgen.contents import Archive, Document, Json, Picture, Slides, Table
from tracer1_agents.data.taskgen.desk.setting import STATE_FILE
from tracer1_agents.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from tracer1_agents.data.taskgen.contents import File
    from tracer1_agents.data.taskgen.draft import Task

_DATE: Final = datetime(2026, 1, 1, tzinfo=UTC)
_LETTER_HEIGHT: Final = 44  # pixels; OCR reads this size without scaling
_MARGIN: Final = 40


def write_task(task: Task, folder: Path, *, faults: bool = True) -> None:
    """Write everything that a task's folder holds at the start: its attachment, its desk's files and state.

    Args:
        task: Any.
        folder: An existing folder.
        faults: Whether the call that should time out does.
    """
    if task.attachment is not None:
        write_file(task.attachment, folder)
    if task.desk is None:
        return
    for file in task.desk.files:
        write_file(file, folder)
    state = folder / STATE_FILE
    state.parent.mkdir()
    setup = task.desk.setup() | ({} if faults else {"fault": 0})
    state.write_text(json.dumps(setup), encoding="utf-8")


def write_file(file: File, folder: Path) -> Path:
    """Write one file under its own name.

    Args:
        file: What to write; its extension decides the format.
        folder: An existing folder.

    Returns:
        The path written.

    Raises:
        ConfigurationError: The extension is none that can be written.
        MissingExtraError: The library for the format is not installed.
    """
    path = folder / file.name
    path.write_bytes(_content(file))
    return path


def _content(file: File) -> bytes:
    try:
        match file:
            case Table():
                return _workbook(file) if file.name.endswith(".xlsx") else _separated(file)
            case Document():
                return _document(file)
            case Slides():
                return _slides(file)
            case Picture():
                return _picture(file)
            case Json():
                return json.dumps(file.data, ensure_ascii=False, indent=2).encode()
            case Archive():
                return _archive(file)
    except ImportError as error:
        feature = f"writing {Path(file.name).suffix} files ({error.name})"
        raise MissingExtraError(feature, "tools") from None


def _separated(table: Table) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t" if table.name.endswith(".tsv") else ",", lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(table.rows)
    return text.getvalue().encode()


def _workbook(table: Table) -> bytes:
    from openpyxl import Workbook  # noqa: PLC0415

    book = Workbook()
    book.properties.created = book.properties.modified = _DATE.replace(tzinfo=None)
    sheet = book.active
    if sheet is None:
        msg = "openpyxl gave a workbook without a sheet"
        raise ConfigurationError(msg)
    sheet.append(table.columns)
    for row in table.rows:
        sheet.append([float(cell) if isinstance(cell, Decimal) else cell for cell in row])
    return _saved(book)


def _document(document: Document) -> bytes:
    suffix = Path(document.name).suffix
    match suffix:
        case ".txt" | ".md":
            return ("\n".join(document.lines) + "\n").encode()
        case ".html":
            body = "\n".join(f"<p>{html.escape(line)}</p>" for line in document.lines)
            return f"<!doctype html>\n<html><body>\n{body}\n</body></html>\n".encode()
        case ".docx":
            return _word(document)
        case ".pdf":
            return _pdf(document)
    msg = f"{document.name}: a document is txt, md, html, docx or pdf, not {suffix!r}"
    raise ConfigurationError(msg)


def _word(document: Document) -> bytes:
    from docx import Document as WordDocument  # noqa: PLC0415

    word = WordDocument()
    word.core_properties.created = word.core_properties.modified = _DATE
    for line in document.lines:
        word.add_paragraph(line)
    return _saved(word)


def _pdf(document: Document) -> bytes:
    from reportlab.lib.pagesizes import A5  # noqa: PLC0415
    from reportlab.pdfgen.canvas import Canvas  # noqa: PLC0415

    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A5, invariant=1)
    for at, line in enumerate(document.lines):
        canvas.drawString(40, A5[1] - 60 - 20 * at, line)
    canvas.save()
    return buffer.getvalue()


def _slides(deck: Slides) -> bytes:
    from pptx import Presentation  # noqa: PLC0415

    presentation = Presentation()
    presentation.core_properties.created = presentation.core_properties.modified = _DATE
    layout = presentation.slide_layouts[1]
    for title, body in deck.slides:
        slide = presentation.slides.add_slide(layout)
        slide.shapes.title.text = title
        slide.placeholders[1].text = body
    return _saved(presentation)


def _picture(picture: Picture) -> bytes:
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415

    font = ImageFont.load_default(_LETTER_HEIGHT)
    width = max(int(font.getlength(line)) for line in picture.lines)
    height = int(_LETTER_HEIGHT * 1.5 * len(picture.lines))
    image = Image.new("RGB", (width + 2 * _MARGIN, height + 2 * _MARGIN), "white")
    draw = ImageDraw.Draw(image)
    for at, line in enumerate(picture.lines):
        draw.text((_MARGIN, _MARGIN + int(_LETTER_HEIGHT * 1.5 * at)), line, fill="black", font=font)
    buffer = io.BytesIO()
    image.save(buffer, "PNG" if picture.name.endswith(".png") else "JPEG", quality=92)
    return buffer.getvalue()


def _archive(archive: Archive) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for member in archive.members:
            entry = zipfile.ZipInfo(member.name, date_time=_DATE.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(entry, _content(member))
    return buffer.getvalue()


def _saved(thing: object) -> bytes:
    """Bytes of anything with a `save(file)` method."""
    buffer = io.BytesIO()
    thing.save(buffer)  # type: ignore[attr-defined]
    return buffer.getvalue()
