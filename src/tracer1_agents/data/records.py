"""Records out of big files, one at a time: JSON lines, the elements of JSON arrays, or the rows of a Parquet file.

Memory stays bounded by the longest record, or by a few rows. A record that cannot be read is an item of its own
(`DataError` with file and line), never the end of the file: what follows it is read. Only a record that never ends
takes the rest with it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracer1_agents.data.rows import read_rows
from tracer1_agents.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

MAX_RECORD: Final = 64 << 20  # bytes: far beyond any record with pictures by reference
_CHUNK: Final = 1 << 20
_MARKS: Final = re.compile(rb'["\\{}\[\],]')
_CONTENT: Final = re.compile(rb"[^ \t\r\n,]")
_OUTSIDE: Final = re.compile(rb"[^ \t\r\n\xef\xbb\xbf]")  # a file put behind another may bring its byte order mark


class Record(NamedTuple):
    """A JSON object and the line it begins on; a row and its number from 1."""

    line: int
    value: dict[str, Any]


def read_records(path: Path, columns: tuple[str, ...] | None = None) -> Iterator[Record | DataError]:
    """Objects of a JSON array or of a file with one object a line (the first character says which), or Parquet rows.

    Behind an array may stand more arrays and records, as in a file put together from several; anything else there is a
    problem that ends the file.

    Args:
        path: The file.
        columns: Of Parquet rows the only ones that are needed; other files are read whole.

    Raises:
        DataError: There is no such file, or it may not be read.
        MissingExtraError: The file is Parquet and pyarrow is not installed.
    """
    _must_be_a_file(path)
    if path.suffix == ".parquet":
        yield from (item if isinstance(item, DataError) else Record(*item) for item in read_rows(path, columns))
        return
    with _opened(path) as file:
        yield from _array(path, file) if is_array(path) else _lines(path, file)


def is_array(path: Path) -> bool:
    """Whether a file begins as a JSON array.

    Raises:
        DataError: There is no such file, or it may not be read.
    """
    _must_be_a_file(path)
    with _opened(path) as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"["


def source_files(path: Path, suffixes: tuple[str, ...], keys: tuple[str, ...], *, foreign: str = "") -> list[Path]:
    """The files that a source's path means: itself, or those of a folder that look like the format.

    Args:
        path: A file or a folder.
        suffixes: Of the format's files, such as ".jsonl".
        keys: Every record of the format has one of them: files whose first record is sound and lacks all are something
            else.
        foreign: A key that only other formats have, which hold the same records with something added.

    Raises:
        DataError: There is nothing at `path`, or nothing of the format in the folder.
    """
    if not path.is_dir():
        _must_be_a_file(path)
        return [path]
    found = [file for file in sorted(path.iterdir()) if file.suffix in suffixes and file.is_file()]
    meant = [file for file in found if _may_hold(file, keys, foreign)]
    if not meant:
        wanted = " or ".join(f'"{key}"' for key in keys)
        msg = f"no file in this folder ends in {' or '.join(suffixes)} and has records with {wanted}; name a file"
        raise DataError(msg, path=path)
    return meant


def _may_hold(path: Path, keys: tuple[str, ...], foreign: str) -> bool:
    first = next(read_records(path), None)
    if not isinstance(first, Record):
        return True
    return foreign not in first.value and any(key in first.value for key in keys)


def read_json(path: Path) -> dict[str, Any]:
    """The one object that a small file holds.

    Raises:
        DataError: There is no such file, it is no JSON, or something else than an object.
    """
    _must_be_a_file(path)
    if path.stat().st_size > MAX_RECORD:
        msg = f"the file is larger than {MAX_RECORD} bytes, too much for one record; is it really one trajectory?"
        raise DataError(msg, path=path)
    with _opened(path) as file:
        found = _parsed(path, 1, file.read())
    if isinstance(found, DataError):
        raise found
    return found.value


def _must_be_a_file(path: Path) -> None:
    if not path.is_file():
        what = "is a folder; name a file in it" if path.is_dir() else "is not there"
        msg = f"the file {what}"
        raise DataError(msg, path=path)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        msg = f"the file cannot be read: {error.strerror}"
        raise DataError(msg, path=path) from None


def _parsed(path: Path, line: int, text: bytes) -> Record | DataError:
    try:
        value = json.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return DataError(f"not UTF-8 at byte {error.start} of the record", path=path, line=line)
    except json.JSONDecodeError as error:
        where = line + error.lineno - 1
        return DataError(f"not JSON: {error.msg} (column {error.colno}); cut off or damaged?", path=path, line=where)
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, brackets without end
        return DataError(f"not readable as JSON: {error}", path=path, line=line)
    if not isinstance(value, dict):
        return DataError(f"a record must be a JSON object, got {type(value).__name__}", path=path, line=line)
    return Record(line, value)


def _lines(path: Path, file: BinaryIO) -> Iterator[Record | DataError]:
    number = 0
    while line := file.readline(MAX_RECORD):
        number += 1
        if len(line) == MAX_RECORD and not line.endswith(b"\n"):
            yield DataError(f"the line is longer than {MAX_RECORD} bytes; left out", path=path, line=number)
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_RECORD)
        elif line.strip():
            yield _parsed(path, number, line.strip())


class _Splitter:
    """Cuts a stream of chunks into the elements of JSON arrays, by brackets and quotes alone.

    Behind the end of an array may come another, or a record by itself: two files in one.
    """

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.at = 0  # how far the buffer has been looked through
        self.depth = 0  # of brackets that are open, the outermost among them
        self.floor = 0  # brackets that are open around the element: 1 in an array
        self.quoted = False
        self.line = 1  # of the beginning of the buffer

    @property
    def stray(self) -> str:
        """What stands outside of all brackets and opens none; "" for nothing."""
        return "" if self.depth else bytes(self.buffer[:20]).decode("utf-8", "replace")

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """Elements, with the lines they begin on, that end in `chunk`."""
        self.buffer += chunk
        while (self.depth or self._open()) and (found := _MARKS.search(self.buffer, self.at)):
            self.at = found.end()
            mark = found.group()
            if mark == b"\\":
                self.at += self.quoted
            elif mark == b'"':
                self.quoted = not self.quoted
            elif not self.quoted and (element := self._outside(mark)):
                yield element
        if self.depth:
            self.at = max(self.at, len(self.buffer))

    def _open(self) -> bool:
        """Drop white space outside of all brackets; whether an array or a record begins behind it."""
        content = _OUTSIDE.search(self.buffer)
        self._drop(content.start() if content else len(self.buffer))
        self.floor = int(self.buffer.startswith(b"["))
        self.depth = int(self.buffer.startswith((b"[", b"{")))
        self._drop(self.floor)
        self.at = self.depth - self.floor
        return bool(self.depth)

    def _outside(self, mark: bytes) -> tuple[int, bytes] | None:
        if mark in b"{[":
            self.depth += 1
        elif mark == b",":
            return self.cut(self.at - 1) if self.depth == self.floor else None
        elif self.depth == 1 == self.floor:  # a brace too many closes no array, but spoils its own element
            self.depth -= mark == b"]"
            return None if self.depth else self.cut(self.at - 1)
        else:
            self.depth -= 1
            return None if self.depth else self.cut(self.at, separated=False)
        return None

    def cut(self, end: int, *, separated: bool = True) -> tuple[int, bytes] | None:
        """The element before position `end`, with its line; a separator there is dropped with it."""
        content = _CONTENT.search(self.buffer, 0, end)
        begin = content.start() if content else end
        line = self.line + self.buffer.count(b"\n", 0, begin)
        element = bytes(self.buffer[begin:end]).strip()
        self._drop(end + separated)
        return (line, element) if element else None

    def _drop(self, count: int) -> None:
        self.line += self.buffer.count(b"\n", 0, count)
        del self.buffer[:count]
        self.at = 0


def _array(path: Path, file: BinaryIO) -> Iterator[Record | DataError]:
    splitter = _Splitter()
    while chunk := file.read(_CHUNK):
        for line, element in splitter.feed(chunk):
            yield _parsed(path, line, element)
        if splitter.stray:
            msg = f"behind an array stands {splitter.stray!r}, no array and no record; the rest is left out"
            yield DataError(msg, path=path, line=splitter.line)
            return
        if len(splitter.buffer) > MAX_RECORD:
            msg = f"the record is longer than {MAX_RECORD} bytes (a quote too many?); the rest is left out"
            yield DataError(msg, path=path, line=splitter.line)
            return
    if splitter.depth:
        end = splitter.line + splitter.buffer.count(b"\n")
        last = splitter.cut(len(splitter.buffer))
        found = _parsed(path, *last) if last else None
        if isinstance(found, Record):  # only the closing bracket is missing
            yield found
        what = "the array is not closed: the file is cut off" if splitter.floor else "the file is cut off"
        msg = what + (" in a record" if isinstance(found, DataError) else "")
        yield DataError(msg, path=path, line=end)
