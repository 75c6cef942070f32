"""Splits a model's thinking off before a reply is parsed.

Reasoning may quote actions, so no grammar ever sees it. Three shapes occur: `<think>...</think>` in front, the same
without its end (the budget ran out), and a lone `</think>` (the chat template wrote the beginning). A `<think>` that
stands later in the reply without an end is ordinary text: someone may be typing it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_OPEN: Final = re.compile(r"\s*<think(?:ing)?>")
_CLOSE: Final = re.compile(r"</think(?:ing)?>")
_ANY: Final = re.compile(r"</?think(?:ing)?>")


class SplitThought(NamedTuple):
    """A reply in two parts.

    Attributes:
        thought: The reasoning without its tags, "" where there was none.
        rest: What is left to parse.
        closed: False when the reply ends inside its thought; `rest` is then "".
    """

    thought: str
    rest: str
    closed: bool


def split_thought(text: str) -> SplitThought:
    """Split thinking off the front of `text`; several thoughts in a row are joined by line breaks."""
    thoughts: list[str] = []
    at = 0
    while opening := _OPEN.match(text, at):
        closing = _CLOSE.search(text, opening.end())
        if closing is None:
            thoughts.append(text[opening.end() :].strip())
            return SplitThought("\n".join(filter(None, thoughts)), "", closed=False)
        thoughts.append(text[opening.end() : closing.start()].strip())
        at = closing.end()
    if not thoughts and (closing := _CLOSE.search(text)):
        thoughts.append(_ANY.sub("", text[: closing.start()]).strip())
        at = closing.end()
    return SplitThought("\n".join(filter(None, thoughts)), text[at:], closed=True)


def thinking(thought: str) -> str:
    """A thought as it stands before a reply, on the line of the first action; "" for no thought."""
    return f"<think>{thought}</think>" if thought else ""
