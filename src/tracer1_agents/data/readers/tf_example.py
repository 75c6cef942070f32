"""The one protocol buffer message that TFRecord data sets hold, ``tf.train.Example``, read from its wire form.

    Example  { 1: Features }                    BytesList { 1: bytes, repeated }
    Features { 1: {1: key, 2: Feature} ... }    FloatList { 1: float, repeated, packed or not }
    Feature  { 1 | 2 | 3: a list }              Int64List { 1: varint, repeated, packed or not }

Of several values for one key the last counts.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tracer1_agents.data.readers.base import RecordError
from tracer1_agents.data.readers.wire import BYTES, FIXED32, VARINT, fields, integers, messages

if TYPE_CHECKING:
    from collections.abc import Iterator

_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3

Feature = list[memoryview] | list[float] | list[int]


def parse_example(message: bytes) -> dict[str, Feature]:
    """The features of an example by name; one without values is an empty list.

    Raises:
        RecordError: It is no such message, or cut off.
    """
    features: dict[str, Feature] = {}
    for content in messages(memoryview(message), 1):
        for entry in messages(content, 1):
            name, value = "", memoryview(b"")
            for field, wire, item in fields(entry):
                if wire == BYTES and field == 1:
                    name = _text(item)
                elif wire == BYTES and field == 2:  # noqa: PLR2004  (the value of a map entry)
                    value = item
            features[name] = _feature(value)
    return features


def _feature(message: memoryview) -> Feature:
    for kind, wire, content in fields(message):
        if wire != BYTES:
            continue
        if kind == _BYTES_LIST:
            return list(messages(content, 1))
        if kind == _FLOAT_LIST:
            return [number for run in _runs(content, FIXED32) for (number,) in struct.iter_unpack("<f", run)]
        if kind == _INT64_LIST:
            return [number for run in _runs(content, VARINT) for number in integers(run)]
    return []


def _runs(message: memoryview, single: int) -> Iterator[memoryview]:
    """The bytes of a list's numbers: a run where they are packed, else one by one."""
    for field, wire, content in fields(message):
        if field == 1 and wire in {BYTES, single}:
            if single == FIXED32 and len(content) % 4:
                msg = f"a list of floats takes {len(content)} bytes, not a multiple of 4"
                raise RecordError(msg)
            yield content


def _text(content: memoryview) -> str:
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError as error:
        msg = f"the name of a feature is not UTF-8: {error}"
        raise RecordError(msg) from None
