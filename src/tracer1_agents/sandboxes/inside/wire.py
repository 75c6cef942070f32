"""JSON by the interpreter's own accelerator, without `json` around it: loading that costs a fifth of a cold start.

Where there is no accelerator, or one that is made in another way, `json` does the work.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` would have to be loaded for it
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class _Options:
    """What the scanner wants to know: the defaults of `json.JSONDecoder`."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int
    parse_constant = float


def _accelerated() -> tuple[Callable[[str | bytes], Any], Callable[[Any], str]]:
    """Decoder and encoder over `_json`.

    Raises:
        ImportError: There is no accelerator.
        TypeError: It is made in another way.
        ValueError: It says something else than it should.
    """
    from _json import encode_basestring_ascii, make_encoder, make_scanner  # noqa: PLC0415

    scan = make_scanner(_Options)  # type: ignore[arg-type]  # typeshed has its result there
    # As `json.dumps`: plain ASCII, no indent, no sorting, no skipping of odd keys, NaN allowed.
    style = (encode_basestring_ascii, None, ": ", ", ", False, False, True)

    def refuse(value: Any) -> Any:
        problem = f"Object of type {type(value).__name__} is not JSON serializable"
        raise TypeError(problem)

    def load(text: str | bytes) -> Any:
        return scan(text if isinstance(text, str) else text.decode(), 0)[0]

    def dump(value: Any) -> str:
        # A new one each time: what it remembers against circles is its first argument.
        return "".join(make_encoder({}, refuse, *style)(value, 0))

    if load(dump({"a": [1, -2.5, None, "\u00e9"]})) != {"a": [1, -2.5, None, "\u00e9"]}:
        raise ValueError
    return load, dump


try:
    loads, dumps = _accelerated()
except (ImportError, TypeError, ValueError):
    from json import dumps, loads

__all__ = ["dumps", "loads"]
