"""Text of pdf, docx and pptx files, one line per paragraph, row or slide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.tools.archives import check_office_archive
from tracer1_agents.tools.formatting import collapse
from tracer1_agents.tools.workspace import optional

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

CELL_MARK: Final = " | "
_PAGE_LIMIT: Final = 2_000
_NESTING_LIMIT: Final = 20  # groups in groups
_WORD: Final = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"  # the same again
_WRAPPERS: Final = ("sdt", "customXml", "smartTag", "fldSimple", "ins", "moveTo")  # text that is in force


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
    """Paragraphs and table rows in the order of the document; page headers before it, notes and page footers after."""
    check_office_archive(path)
    docx = optional("docx", "reading docx files")
    document = docx.Document(str(path))
    _unwrap(document.element.body)
    notes = [*_notes(document, "footnote"), *_notes(document, "endnote")]
    return _lines([*_page_marks(document, "header"), *_block_lines(document), *notes, *_page_marks(document, "footer")])


def _unwrap(root: Any) -> None:
    """Take out what python-docx passes over with all that it holds: content controls and the like, and text boxes.

    The paragraphs of a text box come after the paragraph that the box is anchored in.
    """
    for box in list(root.iter(f"{{{_WORD}}}txbxContent")):
        anchor = next(box.iterancestors(f"{{{_WORD}}}p"), None)
        if next(box.iterancestors(_FALLBACK), None) is not None:
            box.getparent().remove(box)
        elif anchor is not None:
            for child in reversed(box):
                anchor.addnext(child)
    for element in list(root.iter(*(f"{{{_WORD}}}{name}" for name in _WRAPPERS))):
        content = next((child for child in element if child.tag == f"{{{_WORD}}}sdtContent"), element)
        for child in list(content):
            element.addprevious(child)
        element.getparent().remove(element)


def _notes(document: Any, kind: str) -> list[str]:
    """The footnotes or endnotes in their own order; what has a type there is the line that parts them from the text."""
    links = (link for link in document.part.rels.values() if link.reltype.endswith(f"/{kind}s"))
    link = next((link for link in links if not link.is_external), None)
    if link is None:
        return []
    root = optional("docx.oxml", "reading docx files").parse_xml(link.target_part.blob)
    _unwrap(root)
    notes = [note for note in root if f"{{{_WORD}}}type" not in note.attrib]
    return [f"{kind} {number}: {_note_text(note)}" for number, note in enumerate(notes, start=1)]


def _note_text(note: Any) -> str:
    return " ".join(paragraph.text for paragraph in note.iter(f"{{{_WORD}}}p"))


def _page_marks(document: Any, kind: str) -> list[str]:
    """The page headers or footers that are used, each once, with what they are in front."""
    standing: dict[str, Any] = {}  # a section without one of its own goes on with that of the section before
    found: dict[str, None] = {}
    for section in document.sections:
        used = {
            kind: True,
            f"first_page_{kind}": section.different_first_page_header_footer,
            f"even_page_{kind}": document.settings.odd_and_even_pages_header_footer,
        }
        for name, is_used in used.items():
            part = getattr(section, name)
            if not part.is_linked_to_previous:
                _unwrap(part._element)  # noqa: SLF001  (it has no public name)
                standing[name] = part
            if is_used and name in standing:
                lines = map(collapse, _block_lines(standing[name]))
                found |= dict.fromkeys(f"page {kind}: {line}" for line in lines if line)
    return list(found)


def _block_lines(container: Any) -> Iterator[str]:
    table_type = optional("docx.table", "reading docx files").Table
    for block in container.iter_inner_content():
        if isinstance(block, table_type):
            yield from (_row(row.cells, _cell_text) for row in block.rows)
        else:
            yield block.text


def _cell_text(cell: Any) -> str:
    """All that a cell holds on one line, tables in it row by row."""
    return " ".join(_block_lines(cell))


def read_pptx(path: Path) -> str:
    """A line per slide: the texts of its shapes; a second one for the speaker's notes, where there are any."""
    check_office_archive(path)
    pptx = optional("pptx", "reading pptx files")
    lines = []
    for number, slide in enumerate(pptx.Presentation(str(path)).slides, start=1):
        lines.append(f"slide {number}: {CELL_MARK.join(_shape_texts(slide.shapes))}")
        frame = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
        if frame is not None and (text := collapse(frame.text)):
            lines.append(f"notes of slide {number}: {text}")
    return _lines(lines)


def _shape_texts(shapes: Iterable[Any], depth: int = 0) -> Iterator[str]:
    for shape in shapes:
        if shape.has_text_frame and (text := collapse(shape.text_frame.text)):
            yield text
        elif getattr(shape, "has_table", False):
            yield from (_row(row.cells, lambda cell: cell.text) for row in shape.table.rows)
        elif hasattr(shape, "shapes") and depth < _NESTING_LIMIT:
            yield from _shape_texts(shape.shapes, depth + 1)


def _row(cells: Iterable[Any], read: Callable[[Any], str]) -> str:
    texts: list[str] = []
    previous = None
    for cell in cells:
        if cell._tc is not previous:  # noqa: SLF001  (a merged cell is listed once per column it spans)
            texts.append(collapse(read(cell)))
        previous = cell._tc  # noqa: SLF001
    return CELL_MARK.join(texts)


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(line for line in map(collapse, lines) if line)
