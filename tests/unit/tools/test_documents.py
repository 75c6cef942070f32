"""Each file is made with the library that people make such files with, then read back through the tool."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import docx
import pptx
import pypdf
import pytest
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import OxmlElement, parse_xml
from PIL import Image
from pptx.util import Inches
from reportlab.pdfgen.canvas import Canvas

from tracer1_agents.tools import office
from tracer1_agents.tools import workspace as workspace_module

if TYPE_CHECKING:
    from pathlib import Path

    from tracer1_agents.tools.base import ToolRegistry


def inspect(box: ToolRegistry, name: str) -> str:
    return box.run("inspect_file_as_text", {"file_path": name}).text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"K\xc3\xb6ln, Z\xc3\xbcrich\xc3", "K\xf6ln, Z\xfcrich\ufffd"),  # cut off within a letter
        (b"K\xf6ln, Z\xfcrich", "K\xf6ln, Z\xfcrich"),
        (b"\xc3\xa9t\xe9 d'\xe9t\xe9", "\xc3\xa9t\xe9 d'\xe9t\xe9"),
    ],
)
def test_one_broken_byte_does_not_change_the_encoding(
    box: ToolRegistry, folder: Path, content: bytes, text: str
) -> None:
    (folder / "a.txt").write_bytes(content)
    assert inspect(box, "a.txt") == text


def test_a_saved_page_says_its_encoding_itself(box: ToolRegistry, folder: Path) -> None:
    page = '<html><head><meta charset="iso-8859-2"></head><body>\u0141\xf3d\u017a</body></html>'
    (folder / "a.html").write_bytes(page.encode("iso-8859-2"))
    assert inspect(box, "a.html") == "\u0141\xf3d\u017a"


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.txt", "two   words \r\n\r\nnext\n", "two words\n\nnext"),
        ("a.md", "# Head\n- one", "# Head\n- one"),
        ("a.py", "def f():\n    return  1\n", "def f():\n    return 1"),
        ("a.log", "x\ty", "x y"),
        ("a.xml", "<a><b>1</b></a>\n", "<a><b>1</b></a>"),
        ("a.json", '{"b": [1,\n 2.50], "a": "\u00fc"}', '{"b": [1, 2.5], "a": "\u00fc"}'),
        ("a.yaml", "k: v", "k: v"),
        ("README", "no ending", "no ending"),
        ("a.txt", " \n", "no text found"),
    ],
)
def test_plain_kinds(box: ToolRegistry, folder: Path, name: str, content: str, text: str) -> None:
    (folder / name).write_bytes(content.encode())
    assert inspect(box, name) == text


def test_old_encodings_are_read(box: ToolRegistry, folder: Path) -> None:
    (folder / "a.txt").write_bytes("caf\u00e9".encode("cp1252"))
    assert inspect(box, "a.txt") == "caf\u00e9"


def test_the_question_is_accepted(box: ToolRegistry, folder: Path) -> None:
    (folder / "a.txt").write_text("x")
    call = {"file_path": "a.txt", "question": "What is it?"}
    assert box.run("inspect_file_as_text", call).text == "x"


def test_table(box: ToolRegistry) -> None:
    head = "table, 3 rows, columns: city, unit price, qty, code"
    assert inspect(box, "sales.csv") == f"{head}\nBerlin, 3.5, 2, 007\nRome, 1.25, , 008\nberlin, 2, 5, 009"


def test_pdf(box: ToolRegistry, folder: Path) -> None:
    canvas = Canvas(str(folder / "a.pdf"))
    canvas.drawString(72, 720, "Invoice   2041")
    canvas.drawString(72, 700, "Total 88.50")
    canvas.showPage()
    canvas.drawString(72, 720, "Second page")
    canvas.save()
    assert inspect(box, "a.pdf") == "Invoice 2041\nTotal 88.50\nSecond page"


def test_pdf_without_text_and_with_a_password(box: ToolRegistry, folder: Path) -> None:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    writer.write(folder / "blank.pdf")
    assert inspect(box, "blank.pdf") == "no text found"
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(folder / "locked.pdf")
    assert inspect(box, "locked.pdf") == 'error: "locked.pdf" cannot be read as pdf: it is protected by a password'


@pytest.mark.usefixtures("parsed_here")
def test_pdf_with_too_many_pages(box: ToolRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(office, "_PAGE_LIMIT", 1)
    writer = pypdf.PdfWriter()
    for _ in range(2):
        writer.add_blank_page(100, 100)
    writer.write(folder / "a.pdf")
    assert inspect(box, "a.pdf") == 'error: "a.pdf" cannot be read as pdf: more than 1 pages'


def test_docx(box: ToolRegistry, folder: Path) -> None:
    document = docx.Document()
    document.add_heading("Minutes", 1)
    document.add_paragraph("")
    table = document.add_table(rows=2, cols=3)
    for cell, text in zip(table.rows[0].cells, ("name", "qty", "price"), strict=True):
        cell.text = text
    table.cell(1, 0).merge(table.cell(1, 1)).text = "both"
    table.cell(1, 2).text = "2\n3"
    document.add_paragraph("The   end")
    document.save(folder / "a.docx")
    assert inspect(box, "a.docx") == "Minutes\nname | qty | price\nboth | 2 3\nThe end"


def content_control(*elements: Any) -> Any:
    """A control with these elements in it, put where the first of them stood."""
    control, content = OxmlElement("w:sdt"), OxmlElement("w:sdtContent")
    control.append(OxmlElement("w:sdtPr"))
    control.append(content)
    elements[0].addprevious(control)
    content.extend(elements)
    return control


def test_docx_content_controls(box: ToolRegistry, folder: Path) -> None:
    document = docx.Document()
    document.add_paragraph("before")
    inner = content_control(document.add_paragraph("in a control")._p)
    content_control(inner, document.add_paragraph("and one around it")._p)
    filled = document.add_paragraph("Name: ")
    content_control(filled.add_run("Ida")._r)
    filled.add_run(" (applicant)")
    table = document.add_table(rows=2, cols=2)
    for place in range(4):
        table.cell(place // 2, place % 2).text = f"cell {place}"
    content_control(table.rows[1]._tr)
    content_control(table.cell(0, 1)._tc)
    document.add_paragraph("after")
    document.save(folder / "a.docx")
    lines = ["before", "in a control", "and one around it", "Name: Ida (applicant)"]
    assert inspect(box, "a.docx").split("\n") == [*lines, "cell 0 | cell 1", "cell 2 | cell 3", "after"]


def test_docx_changes_in_force(box: ToolRegistry, folder: Path) -> None:
    document = docx.Document()
    paragraph = document.add_paragraph("old ")
    change = OxmlElement("w:ins")
    change.append(paragraph.add_run("new")._r)
    paragraph._p.append(change)
    document.save(folder / "a.docx")
    assert inspect(box, "a.docx") == "old new"


def test_docx_tables_in_tables(box: ToolRegistry, folder: Path) -> None:
    document = docx.Document()
    outer = document.add_table(rows=1, cols=2)
    outer.cell(0, 0).text = "a"
    inner = outer.cell(0, 0).add_table(rows=2, cols=2)
    for place in range(4):
        inner.cell(place // 2, place % 2).text = str(place + 1)
    outer.cell(0, 1).text = "b"
    document.save(folder / "a.docx")
    assert inspect(box, "a.docx") == "a 1 | 2 3 | 4 | b"


def test_docx_page_headers_and_footers(box: ToolRegistry, folder: Path) -> None:
    document = docx.Document()
    document.add_paragraph("text")
    first = document.sections[0]
    first.header.paragraphs[0].text = "Draft   3"
    content_control(first.header.add_paragraph("secret")._p)
    first.footer.paragraphs[0].text = "Page 1"
    first.first_page_header.paragraphs[0].text = "not used"
    second = document.add_section()
    second.header.is_linked_to_previous = False
    second.header.paragraphs[0].text = "Draft 3"
    second.different_first_page_header_footer = True
    second.first_page_header.is_linked_to_previous = False
    second.first_page_footer.paragraphs[0].text = "Annex"  # written to the first section, used in the second
    document.save(folder / "a.docx")
    lines = ["page header: Draft 3", "page header: secret", "text", "page footer: Page 1", "page footer: Annex"]
    assert inspect(box, "a.docx").split("\n") == lines


_TEXT_BOX = """<w:r xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"
  xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"
  xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" xmlns:v="urn:schemas-microsoft-com:vml">
  <mc:AlternateContent>
    <mc:Choice Requires="wps"><w:drawing><wps:txbx><w:txbxContent>
      <w:p><w:r><w:t>in the box</w:t></w:r></w:p><w:p><w:r><w:t>its second line</w:t></w:r></w:p>
    </w:txbxContent></wps:txbx></w:drawing></mc:Choice>
    <mc:Fallback><w:pict><v:textbox><w:txbxContent>
      <w:p><w:r><w:t>in the box</w:t></w:r></w:p><w:p><w:r><w:t>its second line</w:t></w:r></w:p>
    </w:txbxContent></v:textbox></w:pict></mc:Fallback>
  </mc:AlternateContent>
</w:r>"""
_NOTES = """<w:{kind}s xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">
  <w:{kind} w:type="separator" w:id="-1"><w:p><w:r><w:separator/></w:r></w:p></w:{kind}>
  <w:{kind} w:id="1"><w:p><w:r><w:t xml:space="preserve">first </w:t></w:r><w:r><w:t>{kind}</w:t></w:r></w:p>
    <w:p><w:r><w:t>goes on</w:t></w:r></w:p></w:{kind}>
  <w:{kind} w:id="2"><w:p><w:r><w:t>second</w:t></w:r>{box}</w:p></w:{kind}>
</w:{kind}s>"""


def test_docx_text_boxes_are_read_once(box: ToolRegistry, folder: Path) -> None:
    document = docx.Document()
    document.add_paragraph("before")._p.append(parse_xml(_TEXT_BOX))
    document.add_paragraph("after")
    document.add_table(rows=1, cols=1).cell(0, 0).paragraphs[0]._p.append(parse_xml(_TEXT_BOX))
    document.sections[0].header.paragraphs[0]._p.append(parse_xml(_TEXT_BOX))
    document.save(folder / "a.docx")
    header = ["page header: in the box", "page header: its second line"]
    text = ["before", "in the box", "its second line", "after", "in the box its second line"]
    assert inspect(box, "a.docx").split("\n") == [*header, *text]


@pytest.mark.parametrize("kind", ["footnote", "endnote"])
def test_docx_notes(box: ToolRegistry, folder: Path, kind: str) -> None:
    document = docx.Document()
    document.add_paragraph("text")
    document.sections[0].footer.paragraphs[0].text = "Page 1"
    name, blob = PackURI(f"/word/{kind}s.xml"), _NOTES.format(kind=kind, box=_TEXT_BOX).encode()
    content_type = f"application/vnd.openxmlformats-officedocument.wordprocessingml.{kind}s+xml"
    part = Part(name, content_type, blob, document.part.package)
    document.part.relate_to(part, f"http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}s")
    document.save(folder / "a.docx")
    notes = [f"{kind} 1: first {kind} goes on", f"{kind} 2: second in the box its second line"]
    assert inspect(box, "a.docx").split("\n") == ["text", *notes, "page footer: Page 1"]


def test_pptx_notes(box: ToolRegistry, folder: Path) -> None:
    deck = pptx.Presentation()
    for title, notes in (("Plan", "say  hello\nfirst"), ("Empty", ""), ("None", None)):
        slide = deck.slides.add_slide(deck.slide_layouts[5])
        slide.shapes.title.text = title
        if notes is not None:
            slide.notes_slide.notes_text_frame.text = notes
    deck.save(folder / "a.pptx")
    lines = ["slide 1: Plan", "notes of slide 1: say hello first", "slide 2: Empty", "slide 3: None"]
    assert inspect(box, "a.pptx").split("\n") == lines


def test_pptx(box: ToolRegistry, folder: Path) -> None:
    deck = pptx.Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "Plan"
    first.placeholders[1].text = "one\ntwo"
    deck.slides.add_slide(deck.slide_layouts[6])
    third = deck.slides.add_slide(deck.slide_layouts[6])
    table = third.shapes.add_table(1, 2, 0, 0, Inches(2), Inches(1)).table
    table.cell(0, 0).text, table.cell(0, 1).text = "a", "b"
    group = third.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "inside"
    deck.save(folder / "a.pptx")
    assert inspect(box, "a.pptx") == "slide 1: Plan | one two\nslide 2:\nslide 3: a | b | inside"


def test_html(box: ToolRegistry, folder: Path) -> None:
    page = """<!doctype html><html><head><title>No</title><style>p {}</style></head><body><!-- no -->
      <h1>Big
      title</h1><p>one <b>two</b>, three<br>four</p><div hidden>no</div><p style="display: none">no</p>
      <table><tr><th>a</th><th>b</th></tr><tr><td><p>1</p></td><td>2<br>3</td></tr></table>
      <ul><li>x<li>y</ul><pre>k
l</pre><script>no()</script></body></html>"""
    (folder / "a.html").write_text(page)
    assert inspect(box, "a.html") == "Big title\none two, three\nfour\na | b\n1 | 2 3\nx\ny\nk\nl"


def test_html_tables_in_tables(box: ToolRegistry, folder: Path) -> None:
    inner = "<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>"
    (folder / "a.html").write_text(f"before<table><tr><td>a {inner}</td><th>b</th></tr></table>after<td>stray</td>")
    assert inspect(box, "a.html") == "before\na 1 | 2 3 | b\nafter\nstray"


def test_image(box: ToolRegistry, folder: Path) -> None:
    Image.new("RGB", (30, 20)).save(folder / "a.jpg")
    assert inspect(box, "a.jpg") == "image, 30 x 20 pixels; use ocr or visualizer to read it"


def test_zip_goes_beside_the_other_files(box: ToolRegistry, folder: Path) -> None:
    (folder / "b.txt").write_text("already here")
    with zipfile.ZipFile(folder / "pack.zip", "w") as archive:
        archive.writestr("deep/er/b.txt", "new")
        archive.writestr("empty/", "")
        archive.writestr("one/a.csv", "x\n1\n")
        archive.writestr("two/a.csv", "x\n2\n")
        archive.writestr("three/a.csv", "x\n3\n")
        archive.writestr("__MACOSX/._a.csv", "fork")
        archive.writestr(".DS_Store", "fork")
    text = "archive, 4 files: pack/b.txt, a.csv, pack/a.csv, pack/a_2.csv"
    assert inspect(box, "pack.zip") == text
    assert (folder / "b.txt").read_text() == "already here"
    assert inspect(box, "pack/b.txt") == "new"
    assert inspect(box, "pack/a_2.csv") == "table, 1 rows, columns: x\n3"
    before = sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))
    assert inspect(box, "pack.zip") == text
    assert sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*")) == before


def test_long_texts_are_cut(box: ToolRegistry, folder: Path) -> None:
    (folder / "a.txt").write_text("x" * 12_345)
    assert inspect(box, "a.txt") == "x" * 8000 + " ... [cut: 8000 of 12345 characters]"


def test_large_files_are_refused(box: ToolRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace_module, "FILE_LIMIT", 3)
    (folder / "a.txt").write_text("four")
    assert "is larger than" in inspect(box, "a.txt")
