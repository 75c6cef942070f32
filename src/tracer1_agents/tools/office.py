"""Text of pdf, docx and pptx files, one line per paragraph, row or slide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.tools.archives import check_office_archive
from tracer1_agents.tools.formatting import collapse
from tracer1_agents.tools.workspace import optional

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

CELL_MARK: Final = " | "
_PAGE_LIMIT: Final = 2_000
_NESTING_LIMIT: Final = 20  # groups in groups


def read_pdf(path: Path) -> str:
    """The text of every page, lines stripped and blank ones left out.

    Raises:
        ValueError: Encrypted, or more pages than any reader wants.
    """
    pypdf = optional("pypdf", "reading pdf files")
    reader = pypdf.PdfReader(path)
    if reader.is_encrypted and not reader.decrypt(""):
        msg = "it is protected by a password"
        raise ValueError(msg)
    if len(reader.pages) > _PAGE_LIMIT:
        msg = f"more than {_PAGE_LIMIT} pages"
        raise ValueError(msg)
    return _lines(line for page in reader.pages for line in page.extract_text().split("\n"))


def read_docx(path: Path) -> str:
    """Paragraphs and table rows in the order of the document."""
    check_office_archive(path)
    docx = optional("docx", "reading docx files")
    table_type = optional("docx.table", "reading docx files").Table
    lines: list[str] = []
    for block in docx.Document(str(path)).iter_inner_content():
        if isinstance(block, table_type):
            lines += [_row(row.cells) for row in block.rows]
        else:
            lines.append(block.text)
    return _lines(lines)


def read_pptx(path: Path) -> str:
    """A line per slide: the texts of its shapes."""
    check_office_archive(path)
    pptx = optional("pptx", "reading pptx files")
    slides = enumerate(pptx.Presentation(str(path)).slides, start=1)
    return _lines(f"slide {number}: {CELL_MARK.join(_shape_texts(slide.shapes))}" for number, slide in slides)


def _shape_texts(shapes: Iterable[Any], depth: int = 0) -> Iterator[str]:
    for shape in shapes:
        if shape.has_text_frame and (text := collapse(shape.text_frame.text)):
            yield text
        elif getattr(shape, "has_table", False):
            yield from (_row(row.cells) for row in shape.table.rows)
        elif hasattr(shape, "shapes") and depth < _NESTING_LIMIT:
            yield from _shape_texts(shape.shapes, depth + 1)


def _row(cells: Iterable[Any]) -> str:
    texts: list[str] = []
    previous = None
    for cell in cells:
        if cell._tc is not previous:  # noqa: SLF001  (a merged cell is listed once per column it spans)
            texts.append(collapse(cell.text))
        previous = cell._tc  # noqa: SLF001
    return CELL_MARK.join(texts)


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(line for line in map(collapse, lines) if line)
