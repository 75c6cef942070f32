r"""Untrusted text made harmless for a terminal: what a model or a file wrote can be read, and can do nothing.

Every character that moves the cursor, changes colours, hides, reorders or breaks lines is shown as its escape, such as
"\x1b" or "\u202e". Spaces and the line feed stay. What this returns still holds square brackets: hand it to rich as
`Text`, never as a string that is read as markup.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from typing import Final

# Control, format (bidi, zero width), lone surrogate, private use, not assigned; separators of lines and paragraphs.
_ESCAPED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKS_IN_A_ROW: Final = 4  # accents on one letter; more only serve to draw over the lines around it
_TAB: Final = "    "
_UNUSUAL: Final = re.compile(r"[^ -~\n]+")  # all but plain ASCII


def harmless(text: str) -> str:
    """The text with every character that is not plainly visible written as an escape; line feeds stay."""
    # character by character only where it must be: texts are long, and a page holds many
    return _UNUSUAL.sub(lambda found: _shown(found.group()), text.replace("\r\n", "\n").replace("\t", _TAB))


def _shown(text: str) -> str:
    shown: list[str] = []
    marks = 0
    for character in text:
        kind = unicodedata.category(character)
        marks = marks + 1 if kind in {"Mn", "Me"} else 0
        hidden = kind in _ESCAPED or marks > _MARKS_IN_A_ROW
        shown.append(_escape(character) if hidden else character)
    return "".join(shown)


def tell(text: str) -> None:
    """Say something to whoever runs a command, beside its output: a line of its own on the error stream, harmless."""
    print(f"tracer1: {harmless(text)}", file=sys.stderr, flush=True)  # noqa: T201  (a command line)


def one_line(text: str, limit: int) -> str:
    """The text on one harmless line of at most `limit` characters, white space collapsed."""
    # cut first: what is thrown away is not worth escaping
    line = harmless(" ".join(text[: limit * 4].split()))
    return line if len(line) <= limit and len(text) <= limit * 4 else line[: limit - 3] + "..."


def excerpt(text: str, *, lines: int, characters: int) -> str:
    """The beginning of a text, harmless, with a note of how much was left out.

    Args:
        text: As it came.
        lines: How many to keep at most.
        characters: How many to keep at most, before escaping.
    """
    kept = "\n".join(text[:characters].split("\n")[:lines])
    rest = len(text) - len(kept)
    return harmless(kept.rstrip("\n")) + (f"\n... {rest:,} more characters" if text[len(kept) :].strip() else "")


def _escape(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:  # noqa: PLR2004  (where Python's own escapes have two digits)
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004  (as above, four digits)
