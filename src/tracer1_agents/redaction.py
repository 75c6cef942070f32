"""Secrets are taken out of what is about to be written to disk.

Two kinds are known: the values of this process's environment variables whose names say that they are secret, and texts
that look like the keys of well-known services. It is a net with holes: a password that a page shows is only text. So
what is written is also private to its owner, and `tracer1 clean` deletes it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

REDACTED: Final = "[redacted]"
_NAMES: Final = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH", re.IGNORECASE)
_SHORTEST: Final = 8  # characters: shorter values are words such as "none" and would be struck out everywhere
_LOOKS: Final = re.compile(
    r"\bsk-[\w-]{16,}"
    r"|\bhf_[A-Za-z0-9]{20,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{20,}"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\bAIza[\w-]{35}"
    r"|\bxox[abprs]-[\w-]{10,}"
    r"|\be2b_[0-9a-f]{20,}"
    r"|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\s*(?:Proc-Type|DEK-Info):.*)*[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"
    r"|(?<=[Bb]earer )[\w.~+/-]{16,}=*"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
)


def redact(value: Any, environment: Mapping[str, str] | None = None) -> Any:
    """A JSON value without secrets, keys of objects included.

    Args:
        value: Text, or lists and dicts of it; other values come back as they are.
        environment: Whose secret variables are struck out; None: this process's.
    """
    known = [
        text
        for name, text in (os.environ if environment is None else environment).items()
        if _NAMES.search(name) and len(text) >= _SHORTEST
    ]
    # The longest first: where one secret stands in another, the whole is struck out.
    words = "|".join(re.escape(text) for text in sorted(known, key=len, reverse=True))
    return _walk(value, re.compile(words) if words else None)


def _walk(value: Any, known: re.Pattern[str] | None) -> Any:
    if isinstance(value, str):
        text = value if known is None else known.sub(REDACTED, value)
        return _LOOKS.sub(REDACTED, text)
    if isinstance(value, dict):
        return {_walk(key, known): _walk(item, known) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_walk(item, known) for item in value]
    return value
