"""What stands around actions: labelled thoughts, a line about the screen, the sentence that says what for.

UI-TARS and Qwen replies mix prose with actions: `Thought: ...`, `Action: ...`, at times `Observation: ...`. The step
instruction of an action is the last sentence of its own thought, because that is where both families say what they are
about to do; an action without a thought of its own has none.
"""

from __future__ import annotations

import re
from typing import Final

# every repetition is bounded or followed by what it cannot match: a line of 100,000 blanks must not take seconds
MARKER: Final = re.compile(
    r"^[ \t>]{0,40}[*_#]{0,3}[ \t]{0,4}(?P<label>thought|reflection|action_summary|observation|action)"
    r"(?:[ \t]{0,4}\d{1,3})?[*_]{0,2}[ \t]{0,4}[:\uff1a][*_]{0,2}[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)

# ASCII and full-width stops
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])|\n")


def last_sentence(text: str) -> str:
    """The last sentence of a thought on one line; "" of nothing."""
    sentences = [part for part in _SENTENCE_END.split(text) if part and part.strip()]
    return one_line(sentences[-1]) if sentences else ""


def one_line(text: str) -> str:
    """`text` with every run of white space as one blank."""
    return " ".join(text.split())
