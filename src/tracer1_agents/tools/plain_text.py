"""Bytes to text, for every kind of file that is text."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_INNER_SPACE: Final = re.compile(r"(?<=\S)[^\S\n]+")


def read_text(path: Path) -> str:
    r"""A text file with ``\n`` line ends: UTF-8 (with a mark for a broken byte), UTF-16 with its mark, Windows-1252.

    Raises:
        ValueError: The file holds binary data.
    """
    return decode(path.read_bytes())


def decode(data: bytes) -> str:
    r"""Bytes of a text, as `read_text`.

    Raises:
        ValueError: They are binary data.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16")
    elif b"\0" in data:
        msg = "it holds binary data"
        raise ValueError(msg)
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("utf-8-sig", errors="replace")
            broken, letters = text.count("\ufffd"), len(text) - len(text.encode("ascii", "ignore"))
            # A file that was cut off is UTF-8 all the same; other texts fit it by chance only.
            if 2 * broken >= letters:
                text = data.decode("cp1252", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def tidy(text: str) -> str:
    """Runs of white space inside a line as one blank; indentation stays, since in code it means something."""
    lines = (_INNER_SPACE.sub(" ", line).rstrip() for line in text.split("\n"))
    return "\n".join(lines).strip("\n")
