"""Files and paths made to break out, blow up or crash a reader: each must end as a plain refusal."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tracer1_agents.errors import ToolError
from tracer1_agents.tools import archives
from tracer1_agents.tools.base import ToolRegistry
from tracer1_agents.tools.toolbox import default_toolbox
from tracer1_agents.tools.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from tracer1_agents.types import Execution


def inspect(box: ToolRegistry, name: str) -> Execution:
    return box.run("inspect_file_as_text", {"file_path": name})


def everything(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder.parent).as_posix() for path in folder.parent.rglob("*"))


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "name",
    ["../secret.txt", "/etc/passwd", "a/../../secret.txt", "sub/../sales.csv", "C:\\secret.txt", "x\0.csv"],
)
def test_paths_that_lead_out(box: ToolRegistry, folder: Path, name: str) -> None:
    (folder.parent / "secret.txt").write_text("secret")
    done = inspect(box, name)
    assert not done.ok
    assert done.text.endswith("is outside this task's folder")


def test_absolute_path_into_the_folder_is_refused_too(box: ToolRegistry, folder: Path) -> None:
    assert "is outside" in inspect(box, str(folder / "sales.csv")).text


@pytest.mark.parametrize("name", ["link.txt", "linked/secret.txt", "loop"])
def test_links_that_lead_out(box: ToolRegistry, folder: Path, name: str) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(outside / "secret.txt")
    (folder / "linked").symlink_to(outside)
    (folder / "loop").symlink_to(folder / "loop")
    done = inspect(box, name)
    assert not done.ok
    assert "secret" not in done.text.replace(name, "")
    listing = inspect(box, "nothing.txt").text
    assert listing.endswith("files: sales.csv")


def test_a_link_inside_the_folder_is_fine(box: ToolRegistry, folder: Path) -> None:
    (folder / "link.csv").symlink_to("sales.csv")
    assert inspect(box, "link.csv").ok


def test_a_name_in_other_code_points(box: ToolRegistry, folder: Path) -> None:
    composed, apart = "r\u00e9sum\u00e9.txt", "re\u0301sume\u0301.txt"
    (folder / apart).write_text("as macOS writes it")
    assert box.run("inspect_file_as_text", {"file_path": composed}).text == "as macOS writes it"
    (folder / composed).write_text("another")
    assert box.run("inspect_file_as_text", {"file_path": composed}).text == "another"
    assert box.run("inspect_file_as_text", {"file_path": apart}).text == "as macOS writes it"


def test_output_through_a_link(box: ToolRegistry, folder: Path) -> None:
    victim = folder.parent / "victim.csv"
    victim.write_text("keep")
    (folder / "out.csv").symlink_to(victim)
    call = {"file_path": "sales.csv", "column": "qty", "operator": "=", "value": 2, "output": "out.csv"}
    assert "is outside" in box.run("table_filter", call).text
    assert victim.read_text() == "keep"


@pytest.mark.parametrize("name", [".env", "./.env", ".git/config", "sub/.env", ".x.xlsx#One", "seen.txt"])
def test_hidden_files_are_not_opened(box: ToolRegistry, folder: Path, name: str) -> None:
    for hidden in (".env", ".git/config", "sub/.env", ".x.xlsx"):
        (folder / hidden).parent.mkdir(exist_ok=True)
        (folder / hidden).write_text("secret")
    (folder / "seen.txt").symlink_to(".env")
    done = inspect(box, name)
    assert not done.ok
    assert "is hidden; name a file without a leading dot" in done.text


def test_hidden_files_are_not_written(box: ToolRegistry, folder: Path) -> None:
    call = {"file_path": "sales.csv", "column": "qty", "operator": "=", "value": 2, "output": ".out.csv"}
    assert "is hidden" in box.run("table_filter", call).text
    assert not (folder / ".out.csv").exists()


def test_folders_pipes_and_endless_names(box: ToolRegistry, folder: Path) -> None:
    (folder / "sub.csv").mkdir()
    os.mkfifo(folder / "pipe.txt")
    for name in ("sub.csv", "pipe.txt", "", ".", "n" * 5000):
        assert inspect(box, name).text.startswith("error: no file")


@pytest.mark.parametrize("output", ["a" * 300 + ".csv", "a/" * 3_000 + "a.csv"])
def test_an_endless_name_to_write_to(box: ToolRegistry, folder: Path, output: str) -> None:
    call = {"file_path": "sales.csv", "column": "qty", "operator": "=", "value": 2, "output": output}
    said = box.run("table_filter", call).text
    assert "cannot be written: " in said
    assert str(folder) not in said
    assert len(said) < 200


@given(st.text(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_no_text_names_a_file_outside(folder: Path, name: str) -> None:
    try:
        path = Workspace(folder).file(name)
    except ToolError:
        return
    assert path.is_relative_to(folder)


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:\\evil.txt", "a\n.txt"]
)
def test_zip_with_a_hostile_name(box: ToolRegistry, folder: Path, name: str) -> None:
    (folder / "bad.zip").write_bytes(zipped(("good.txt", b"x"), (name, b"x")))
    before = everything(folder)
    assert "unsafe member name" in inspect(box, "bad.zip").text
    assert everything(folder) == before  # not even the good member


def test_zip_with_the_blanks_of_macos(box: ToolRegistry, folder: Path) -> None:
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("at 3.15\u202fPM.txt", "x")
    assert inspect(box, "a.zip").text == "archive, 1 files: at 3.15\u202fPM.txt"


def test_zip_with_a_link(box: ToolRegistry, folder: Path) -> None:
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    (folder / "bad.zip").write_bytes(zipped((link, b"/etc/passwd")))
    assert "is a link" in inspect(box, "bad.zip").text


def test_zip_does_not_write_through_links(box: ToolRegistry, folder: Path) -> None:
    victim = folder.parent / "victim.txt"
    victim.write_text("keep")
    (folder / "a.txt").symlink_to(victim)
    (folder / "bad").symlink_to(folder.parent)
    (folder / "bad.zip").write_bytes(zipped(("a.txt", b"x")))
    assert not inspect(box, "bad.zip").ok
    assert victim.read_text() == "keep"
    assert not (folder.parent / "a.txt").exists()


def test_zip_whose_stem_is_dots(box: ToolRegistry, folder: Path) -> None:
    (folder / "...zip").write_bytes(zipped(("sales.csv", b"x\n1\n")))
    assert inspect(box, "...zip").text == "archive, 1 files: archive/sales.csv"


def test_zip_bomb_by_ratio(box: ToolRegistry, folder: Path) -> None:
    (folder / "bomb.zip").write_bytes(zipped(("zeros.txt", bytes(5_000_000))))
    assert "expands more than 200 times" in inspect(box, "bomb.zip").text
    assert not (folder / "zeros.txt").exists()


@pytest.mark.usefixtures("parsed_here")
def test_zip_bomb_by_size_and_by_count(box: ToolRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "SIZE_LIMIT", 10)
    (folder / "bomb.zip").write_bytes(zipped(("a.txt", b"123456"), ("b.txt", b"123456")))
    assert "expands to more than" in inspect(box, "bomb.zip").text
    (folder / "many.zip").write_bytes(zipped(*((f"{number}.txt", b"") for number in range(201))))
    assert "more than 200 files" in inspect(box, "many.zip").text


def test_zip_that_lies_about_its_size(box: ToolRegistry, folder: Path) -> None:
    data = bytearray(zipped(("zeros.txt", bytes(3_000_000))))
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<L", 10)  # the declared size, in the directory
    (folder / "liar.zip").write_bytes(data)
    done = inspect(box, "liar.zip")
    assert not done.ok
    assert not (folder / "zeros.txt").exists()


def test_encrypted_zip(box: ToolRegistry, folder: Path) -> None:
    data = bytearray(zipped(("a.txt", b"x")))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (folder / "locked.zip").write_bytes(data)
    assert inspect(box, "locked.zip").text == 'error: "locked.zip" cannot be read as zip: it is encrypted'


@pytest.mark.usefixtures("parsed_here")
def test_office_bomb(box: ToolRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "OFFICE_LIMIT", 1000)
    for name in ("a.xlsx", "a.docx", "a.pptx"):
        (folder / name).write_bytes(zipped(("xl/workbook.xml", bytes(2000))))
        assert "it expands to more than" in inspect(box, name).text


@pytest.mark.parametrize("kind", ["xlsx", "pdf", "docx", "pptx", "zip", "json", "png", "jpg"])
@pytest.mark.parametrize(
    "content", [b"", b"not such a file", b"PK\x03\x04 broken", b"%PDF-1.7 broken", b"\x89PNG\r\n\x1a\n"]
)
def test_corrupt_files(box: ToolRegistry, folder: Path, kind: str, content: bytes) -> None:
    (folder / f"a.{kind}").write_bytes(content)
    done = inspect(box, f"a.{kind}")
    assert not done.ok
    assert done.text.startswith(f'error: "a.{kind}" cannot be read as {kind}: ')
    assert str(folder) not in done.text


def test_xlsx_with_an_entity_bomb(box: ToolRegistry, folder: Path) -> None:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE w [<!ENTITY l0 "ha">{levels}]><w>&l9;</w>'.encode()
    names = ("[Content_Types].xml", "xl/workbook.xml", "_rels/.rels", "word/document.xml", "ppt/presentation.xml")
    for kind in ("xlsx", "docx", "pptx"):
        (folder / f"a.{kind}").write_bytes(zipped(*((name, bomb) for name in names)))
        done = inspect(box, f"a.{kind}")
        assert not done.ok
        assert done.seconds < 5


def test_json_nested_without_end(box: ToolRegistry, folder: Path) -> None:
    (folder / "a.json").write_text("[" * 200_000)
    assert inspect(box, "a.json").text == 'error: "a.json" cannot be read as json: it is nested too deeply'


def test_html_nested_without_end(box: ToolRegistry, folder: Path) -> None:
    (folder / "a.html").write_text("<div>" * 3_000 + "deep")
    assert inspect(box, "a.html").text == "deep"


def test_html_that_is_long_and_flat(box: ToolRegistry, folder: Path) -> None:
    (folder / "a.html").write_text("<p>x <b>y</b></p>\n" * 10_000)
    done = inspect(box, "a.html")
    assert done.text.startswith("x y\nx y\n")
    assert done.seconds < 10  # a quadratic walk takes minutes
    (folder / "b.html").write_text("x" * 5_000_001)
    assert "longer than 5000000 characters" in inspect(box, "b.html").text


def test_image_bomb(box: ToolRegistry, folder: Path) -> None:
    buffer = io.BytesIO()
    Image.new("1", (8, 8)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = struct.pack(">LL", 20_000, 20_000)  # width and height in the header
    (folder / "a.png").write_bytes(data)
    done = inspect(box, "a.png")
    assert not done.ok
    assert done.seconds < 1


def test_an_image_of_another_kind_than_its_name(box: ToolRegistry, folder: Path) -> None:
    (folder / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n")
    assert "cannot be read as png" in inspect(box, "a.png").text


def test_two_toolboxes_do_not_see_each_other(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("x")
    assert inspect(ToolRegistry(default_toolbox(other)), "mine.txt").ok
    assert not inspect(ToolRegistry(default_toolbox(folder)), "mine.txt").ok
