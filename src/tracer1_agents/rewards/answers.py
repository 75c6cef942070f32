"""Is this answer the reference answer? GAIA's published rules, as one pure function.

Rules (GAIA leaderboard scorer, read and re-stated): a numeric reference is compared as a number after `$`, `%` and `,`
are taken out of the prediction; a reference with `,` or `;` is a list, compared in order, element by element; anything
else is compared without white space, punctuation and case. A missing prediction is wrong.
"""

from __future__ import annotations

import math
import re
import string
from typing import Final, Literal

Rule = Literal["official", "strict"]

_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)


def gaia_match(prediction: str | None, truth: str, *, rule: Rule = "official") -> bool:
    """Whether a prediction is right by GAIA's rules.

    Args:
        prediction: The final answer, None where there was none.
        truth: The reference answer.
        rule: "official" keeps the published behaviour to the letter; "strict" closes its hole for references (or list
            elements) that read as infinity, which accept any prediction that is no number, or as not-a-number, which
            accept nothing: it compares these as text.
    """
    if prediction is None:
        return False
    if _is_number(truth, rule):
        return _as_number(prediction) == float(truth)
    if any(mark in truth for mark in ",;"):
        wanted, got = _split(truth), _split(prediction)
        return len(wanted) == len(got) and all(
            _same_element(mine, element, rule) for mine, element in zip(got, wanted, strict=True)
        )
    return _plain(prediction, keep_punctuation=False) == _plain(truth, keep_punctuation=False)


def _is_number(text: str, rule: Rule) -> bool:
    """Whether a reference (or an element of one) is compared as a number."""
    try:
        value = float(text)
    except ValueError:
        return False
    return rule == "official" or math.isfinite(value)


def _as_number(text: str) -> float:
    """The prediction as a number; infinity when it is none, as the official scorer has it."""
    for mark in "$%,":
        text = text.replace(mark, "")
    try:
        return float(text)
    except ValueError:
        return math.inf


def _split(text: str) -> list[str]:
    return re.split(r"[,;]", text)


def _same_element(mine: str, wanted: str, rule: Rule) -> bool:
    if _is_number(wanted, rule):
        return _as_number(mine) == float(wanted)
    return _plain(mine, keep_punctuation=True) == _plain(wanted, keep_punctuation=True)


def _plain(text: str, *, keep_punctuation: bool) -> str:
    bare = re.sub(r"\s", "", text).lower()
    return bare if keep_punctuation else bare.translate(_PUNCTUATION)
