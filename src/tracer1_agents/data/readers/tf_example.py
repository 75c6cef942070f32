"""The one protocol buffer message that TFRecord data sets hold, ``tf.train.Example``, read from its wire form.

    Example  { 1: Features }                    BytesList { 1: bytes, repeated }
    Features { 1: {1: key, 2: Feature} ... }    FloatList { 1: float, repeated, packed or not }
    Feature  { 1 | 2 | 3: a list }              Int64List { 1: varint, repeated, packed or not }

Unknown fields are passed over, as protocol buffers demand; of several values for one key the last counts. Byte strings
are views into the message, copied by nobody who does not want them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from tracer1_agents.data.readers.base import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
_FIXED: Final = {FIXED64: 8, FIXED32: 4}
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3
_MAX_VARINT: Final = 10  # bytes

Feature = list[memoryview] | list[float] | list[int]


def parse_example(message: bytes) -> dict[str, Feature]:
    """The features of an example by name; one without values is an empty list.

    Raises:
        RecordError: It is no such message, or cut off.
    """
    features: dict[str, Feature] = {}
    for content in _messages(memoryview(message), 1):
        for entry in _messages(content, 1):
            name, value = "", memoryview(b"")
            for field, wire, item in _fields(entry):
                if wire == BYTES and field == 1:
                    name = _text(item)
                elif wire == BYTES and field == 2:  # noqa: PLR2004  (the value of a map entry)
                    value = item
            features[name] = _feature(value)
    return features


def _feature(message: memoryview) -> Feature:
    for kind, wire, content in _fields(message):
        if wire != BYTES:
            continue
        if kind == _BYTES_LIST:
            return list(_messages(content, 1))
        if kind == _FLOAT_LIST:
            return [number for run in _runs(content, FIXED32) for (number,) in struct.iter_unpack("<f", run)]
        if kind == _INT64_LIST:
            return [number for run in _runs(content, VARINT) for number in _integers(run)]
    return []


def _runs(message: memoryview, single: int) -> Iterator[memoryview]:
    """The bytes of a list's numbers: a run where they are packed, else one by one."""
    for field, wire, content in _fields(message):
        if field == 1 and wire in {BYTES, single}:
            if single == FIXED32 and len(content) % 4:
                msg = f"a list of floats takes {len(content)} bytes, not a multiple of 4"
                raise RecordError(msg)
            yield content


def _integers(run: memoryview) -> Iterator[int]:
    at = 0
    while at < len(run):
        value, at = _varint(run, at)
        yield value - (1 << 64) if value >> 63 else value


def _messages(message: memoryview, field: int) -> Iterator[memoryview]:
    return (content for number, wire, content in _fields(message) if number == field and wire == BYTES)


def _fields(message: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Field number, wire type and bytes of each field; a varint's bytes are its own encoding."""
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
            msg = f"not an example: wire type {wire} at byte {at}"
            raise RecordError(msg)
        if end > len(message):
            msg = f"not an example: a field reaches {end - len(message)} bytes beyond its message"
            raise RecordError(msg)
        yield tag >> 3, wire, message[at:end]
        at = end


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A base-128 number, seven bits a byte, and where it ends."""
    value = 0
    for count, byte in enumerate(message[at : at + _MAX_VARINT]):
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:  # noqa: PLR2004  (the continuation bit)
            return value & 0xFFFFFFFFFFFFFFFF, at + count + 1
    msg = f"not an example: the number at byte {at} does not end"
    raise RecordError(msg)


def _text(content: memoryview) -> str:
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError as error:
        msg = f"the name of a feature is not UTF-8: {error}"
        raise RecordError(msg) from None
