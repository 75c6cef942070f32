"""What stands around actions: labelled thoughts, a line about the screen, the sentence that says what for.

UI-TARS and Qwen replies mix prose with actions: `Thought: ...`, `Action: ...`, at times `Observation: ...`. The step
instruction of an action is the last sentence of its own thought, because that is where both families say what they are
about to do; an action without a thought of its own has none.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

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


class Prose(NamedTuple):
    """What the text before a call says.

    Attributes:
        summary: The `Observation:` line, None where there is none.
        thought: Everything else but the `Action:` line.
        instruction: The `Action:` line, or else the last sentence of the thought.
    """

    summary: str | None
    thought: str
    instruction: str


def read_prose(text: str) -> Prose:
    """Labelled or plain text before a call, as in Qwen replies."""
    summary: str | None = None
    instruction: str | None = None
    markers = list(MARKER.finditer(text))
    starts = [*(marker.start() for marker in markers), len(text)]
    thoughts = [text[: starts[0]].strip()]
    for marker, end in zip(markers, starts[1:], strict=True):
        part = text[marker.end() : end].strip()
        label = marker["label"].lower()
        if label == "observation" and summary is None:
            summary = one_line(part)
        elif label == "action":
            instruction = unquoted(one_line(part))
        else:
            thoughts.append(part)
    thought = "\n".join(filter(None, thoughts))
    return Prose(summary, thought, last_sentence(thought) if instruction is None else instruction)


def unquoted(text: str) -> str:
    """`text` without one pair of double quotes around all of it."""
    is_quoted = len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1]
    return text[1:-1] if is_quoted else text
