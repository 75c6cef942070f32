"""The process that reads files: what a file does to it is one error, and the next file is read."""

from __future__ import annotations

import io
import os
import struct
import threading
import time
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import openpyxl
import pytest

from tracer1_agents.errors import ConfigurationError, SandboxError
from tracer1_agents.tools import confined
from tracer1_agents.tools.base import ToolRegistry
from tracer1_agents.tools.confined import Parser, ParserLimits
from tracer1_agents.tools.parsing import answer
from tracer1_agents.tools.toolbox import default_toolbox

MIB = 1 << 20


@pytest.fixture
def small():
    """A worker with little memory; one for each test."""
    parser = Parser(ParserLimits(seconds=60, memory_bytes=400 * MIB))
    yield parser
    parser.close()


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.txt"
    path.write_text("fine")
    return path


def process_id(parser):
    """Of the one worker that has been started."""
    (worker,) = parser._idle
    return worker._process.pid


def inspect(folder, name):
    return ToolRegistry(default_toolbox(folder)).run("inspect_file_as_text", {"file_path": name})


def test_a_file_is_read_and_the_worker_is_kept(small, good):
    assert small.read("text", good) == "fine"
    first = process_id(small)
    assert small.read("text", good) == "fine"
    assert process_id(small) == first


def test_a_file_that_takes_too_long_ends_its_worker_only(good, tmp_path):
    os.mkfifo(tmp_path / "endless.txt")
    parser = Parser(ParserLimits(seconds=2))
    assert parser.read("text", good) == "fine"
    began = time.monotonic()
    with pytest.raises(ValueError, match="longer than 2 seconds"):
        parser.read("text", tmp_path / "endless.txt")
    assert time.monotonic() - began < 30
    assert parser.read("text", good) == "fine"
    parser.close()


def test_a_file_that_takes_too_much_memory_is_one_error(small, good, tmp_path):
    (tmp_path / "big.json").write_text("[" + "[]," * (8 * MIB) + "0]")
    with pytest.raises(ValueError, match="more memory than it may take"):
        small.read("json", tmp_path / "big.json")
    assert small.read("text", good) == "fine"


def test_a_crash_is_one_error(small, good, tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    assert small.read("text", good) == "fine"
    threading.Timer(0.5, os.kill, (process_id(small), 9)).start()
    with pytest.raises(ValueError, match=r"ended with status -9 \(a crash"):
        small.read("text", tmp_path / "pipe.txt")
    assert small.read("text", good) == "fine"


def test_a_long_answer_is_refused(good):
    parser = Parser(ParserLimits(answer_bytes=10))
    good.write_text("x" * 1000)
    with pytest.raises(ValueError, match="more than 10 bytes"):
        parser.read("text", good)


def test_the_worker_has_no_secrets_and_no_core(monkeypatch, small, good):
    monkeypatch.setenv("MY_SECRET_TOKEN", "hunter2")
    small.read("text", good)
    process = Path(f"/proc/{process_id(small)}")
    assert b"hunter2" not in (process / "environ").read_bytes()
    limits = [line.split() for line in (process / "limits").read_text().splitlines()]
    assert ["Max", "address", "space", str(400 * MIB), str(400 * MIB), "bytes"] in limits
    assert ["Max", "core", "file", "size", "0", "0", "bytes"] in limits


def test_a_forked_child_starts_a_worker_of_its_own(small, good):
    small.read("text", good)
    child = os.fork()
    if child == 0:
        os._exit(0 if not small._idle else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert small.read("text", good) == "fine"


def test_a_missing_library_is_a_matter_of_configuration(monkeypatch, small, good):
    monkeypatch.setitem(__import__("sys").modules, "pypdf", None)
    told = answer({"reader": "pdf", "path": str(good)})
    assert 'extra "tools"' in told["missing"]
    monkeypatch.setattr(small, "_ask", lambda _request, _seconds: told)
    with pytest.raises(ConfigurationError, match="tools"):
        small.read("pdf", good)


def test_a_worker_that_cannot_start_is_infrastructure(monkeypatch, small, good):
    monkeypatch.setattr(confined, "_BOOT", "raise SystemExit")
    with pytest.raises(SandboxError, match="did not start"):
        small.read("text", good)


@pytest.fixture
def endless(tmp_path):
    """A file that no reader comes to the end of."""
    os.mkfifo(tmp_path / "endless.txt")
    return tmp_path / "endless.txt"


class Readers:
    """Threads that read one file each, and what each was told."""

    def __init__(self, parser, path, count):
        self.path, self.told = path, []
        self.threads = [threading.Thread(target=self.read, args=(parser,)) for _ in range(count)]
        for thread in self.threads:
            thread.start()
        while parser._places._value > parser._most - count:
            time.sleep(0.01)

    def read(self, parser):
        try:
            self.told.append(parser.read("text", self.path))
        except ValueError as error:
            self.told.append(str(error))

    def end(self):
        """Let the file end."""
        while any(thread.is_alive() for thread in self.threads):
            with suppress(OSError):  # nobody has opened it yet, or any more
                os.close(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK))
            time.sleep(0.05)
        return self.told


def test_slow_files_do_not_hold_up_another(good, endless):
    parser = Parser(ParserLimits(seconds=60))
    slow = Readers(parser, endless, 3)
    assert parser.read("text", good) == "fine"
    assert slow.told == []
    assert slow.end() == [""] * 3
    parser.close()


def test_waiting_for_a_worker_is_bounded_and_infrastructure(good, endless):
    parser = Parser(ParserLimits(seconds=60, waiting_seconds=0.5), workers=1)
    slow = Readers(parser, endless, 1)
    with pytest.raises(SandboxError, match=r"all 1 processes that read files were busy for 0.5 seconds; try again"):
        parser.read("text", good)
    assert slow.end() == [""]
    assert parser.read("text", good) == "fine"
    parser.close()


def test_one_file_after_another_needs_one_worker(good):
    parser = Parser()
    for _ in range(3):
        parser.read("text", good)
    assert len(parser._idle) == 1
    parser.close()


def pdf_with_objects(count):
    out = io.BytesIO(b"")
    out.write(b"%PDF-1.4\n")
    places = []
    bodies = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>", b"<</Type/Page/Parent 2 0 R>>"]
    for number in range(1, count + 1):
        places.append(out.tell())
        body = bodies[number - 1] if number <= len(bodies) else b"null"
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
    table = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (count + 1))
    out.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (count + 1, table))
    return out.getvalue()


def test_a_pdf_with_a_million_objects_ends_in_time(tmp_path):
    (tmp_path / "a.pdf").write_bytes(pdf_with_objects(1_000_000))
    done = inspect(tmp_path, "a.pdf")
    assert done.text == "no text found" or "cannot be read as pdf" in done.text or "larger than" in done.text
    assert done.seconds < 100


def test_a_pdf_stream_that_inflates_without_end(tmp_path):
    stream = zlib.compress(b"0" * (400 * MIB), 9)
    body = b"<</Length %d/Filter/FlateDecode>>stream\n%b\nendstream" % (len(stream), stream)
    page = b"<</Type/Page/Parent 2 0 R/Contents 4 0 R>>"
    whole = pdf_with_objects(4).replace(b"<</Type/Page/Parent 2 0 R>>", page).replace(b"null", body)
    (tmp_path / "a.pdf").write_bytes(whole)
    done = inspect(tmp_path, "a.pdf")
    assert not done.ok or done.text == "no text found"
    assert done.seconds < 100


def test_a_sheet_that_declares_billions_of_cells(tmp_path):
    cells = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
    path = tmp_path / "a.xlsx"
    book = openpyxl.Workbook()
    book.save(path)
    members = {}
    with zipfile.ZipFile(path) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    members["xl/worksheets/sheet1.xml"] = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f'<dimension ref="A1:XFD1048576"/><sheetData>{cells}</sheetData></worksheet>'
    ).encode()
    with zipfile.ZipFile(path, "w") as target:
        for name, data in members.items():
            target.writestr(name, data)
    done = inspect(tmp_path, "a.xlsx")
    assert done.text.startswith("table, 0 rows, columns: 1")
    assert done.seconds < 60


def test_formulas_are_not_computed_and_links_not_followed(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["name", "value"])
    book.active.append(['=WEBSERVICE("http://127.0.0.1:9/")', "=2+3"])
    book.active["A2"].hyperlink = "file:///etc/passwd"
    book.active.append(["x", 7])
    book.save(tmp_path / "a.xlsx")
    text = inspect(tmp_path, "a.xlsx").text
    assert "x, 7" in text
    assert "WEBSERVICE" not in text
    assert "root:" not in text


def png_of(width, height):
    def chunk(kind, data):
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + b"\0" * ((width + 7) // 8)) * min(height, 4))
    header = struct.pack(">LLBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("tool", ["inspect_file_as_text", "ocr"])
def test_an_image_of_a_hundred_thousand_pixels_a_side(tmp_path, tool):
    (tmp_path / "a.png").write_bytes(png_of(100_000, 100_000))
    call = {"file_path" if tool.startswith("inspect") else "image_path": "a.png"}
    done = ToolRegistry(default_toolbox(tmp_path)).run(tool, call)
    assert not done.ok
    assert done.seconds < 30


@pytest.mark.tesseract
def test_a_line_of_a_hundred_thousand_pixels(tmp_path):
    (tmp_path / "a.png").write_bytes(png_of(100_000, 1))
    done = ToolRegistry(default_toolbox(tmp_path)).run("ocr", {"image_path": "a.png"})
    assert done.seconds < 100
    assert done.text == "no text found" or done.text.startswith("error: ")
