"""Protocol buffers by their wire form: fields, nested messages, numbers.

Enough for the few published messages that readers need, so that nobody has to install compiled schemas. Unknown fields
are passed over, as protocol buffers demand. Byte strings are views into the message, copied by nobody who does not want
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracer1_agents.data.readers.base import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
_FIXED: Final = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT: Final = 10  # bytes


def fields(message: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Field number, wire type and bytes of each field; a varint's bytes are its own encoding.

    Raises:
        RecordError: It is no such message, or cut off.
    """
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        wire = tag & 7
        if wire == VARINT:
            end = _varint(message, at)[1]
        elif wire == BYTES:
            length, at = _varint(message, at)
            end = at + length
        elif wire in _FIXED:
            end = at + _FIXED[wire]
        else:
            msg = f"not a protocol buffer message: wire type {wire} at byte {at}"
            raise RecordError(msg)
        if end > len(message):
            msg = f"not a protocol buffer message: a field reaches {end - len(message)} bytes beyond it"
            raise RecordError(msg)
        yield tag >> 3, wire, message[at:end]
        at = end


def messages(message: memoryview, field: int) -> Iterator[memoryview]:
    """The byte strings and nested messages of one field number."""
    return (content for number, wire, content in fields(message) if number == field and wire == BYTES)


def integers(run: memoryview) -> Iterator[int]:
    """Signed 64-bit numbers, one after the other.

    Raises:
        RecordError: The last one is cut off.
    """
    at = 0
    while at < len(run):
        value, at = _varint(run, at)
        yield value - (1 << 64) if value >> 63 else value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A base-128 number, seven bits a byte, and where it ends."""
    value = 0
    for count, byte in enumerate(message[at : at + _MAX_VARINT]):
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:  # noqa: PLR2004  (the continuation bit)
            return value & 0xFFFFFFFFFFFFFFFF, at + count + 1
    msg = f"not a protocol buffer message: the number at byte {at} does not end"
    raise RecordError(msg)
