"""The encoding of a web page: its byte order mark, else what its header says, else what it says itself.

Labels are read as browsers read them (WHATWG Encoding Standard): many mean a wider set than their name, and bytes that
do not belong to the encoding become a mark each. Only encodings of natural text are known: a page names them, and
Python's others are not meant for what strangers send. Without a usable label the text is read like a file.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from tracer1_agents.tools.plain_text import decode

_DECLARED: Final = re.compile(
    rb"<(?:meta\b[^>]*?\bcharset|\?xml\b[^>]*?\bencoding)\s*=\s*[\"']?\s*([\w:.-]{1,40})", re.IGNORECASE
)
_BEGINNING: Final = 4096  # bytes in which a page may say it; browsers look at 1,024 and again when it comes later
_LABEL: Final = re.compile(r"[\w:.-]{1,40}", re.ASCII)
_TEXT: Final = re.compile(
    r"utf-(8|16)|iso8859|cp\d|koi8|shift_jis|euc_|gb|big5|mac-|iso2022_jp|tis-620|hz$|johab|ascii|ptcp154|kz1048"
)
_ELSEWHERE: Final = {"windows-31j": "cp932", "dos-874": "cp874", "unicode-1-1-utf-8": "utf-8"}
_WIDER: Final = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
}


def decode_page(body: bytes, declared: str | None, *, markup: bool) -> str:
    r"""The text of a page, with ``\n`` line ends.

    Args:
        body: As it was sent.
        declared: The encoding that the header names; None where it names none.
        markup: Whether the page may say it itself, as HTML does.

    Raises:
        ValueError: The page holds binary data.
    """
    within = _DECLARED.search(body, 0, _BEGINNING) if markup else None
    inner = codec_of(within.group(1).decode("ascii")) if within else None
    if inner and inner.startswith("utf-16"):
        inner = None  # what could be read byte by byte is no UTF-16
    codec = codec_of(declared or "") or inner
    wide = codec is not None and codec.startswith("utf-16")
    marked = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8))
    if codec is None or codec == "utf-8" or marked or (b"\0" in body and not wide):
        return decode(body)
    return body.decode(codec, errors="replace").replace("\r\n", "\n").replace("\r", "\n")


def codec_of(label: str) -> str | None:
    """Python's name of the encoding that a page's label means; None for a label that is not known."""
    name = label.strip().lower()
    if not _LABEL.fullmatch(name):
        return None
    name = _ELSEWHERE.get(name, name)
    for spelling in (name, name.removeprefix("x-"), name.replace("windows-", "cp"), re.sub(r"-[ie]$", "", name)):
        try:
            found = codecs.lookup(spelling).name
        except (LookupError, ValueError):
            continue
        if found == "utf-16":
            return "utf-16-le"
        return _WIDER.get(found, found) if _TEXT.match(found) else None
    return None
