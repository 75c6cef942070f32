"""TFRecord files as TensorFlow writes them, from a tiny encoder: what the readers of the package must read back."""

from __future__ import annotations

import gzip
import struct

from tracer1_agents.data.readers.tfrecord import masked_crc32c


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def message(number, content):
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def bytes_feature(values):
    return message(1, b"".join(message(1, value) for value in values))


def floats_feature(values, *, packed=True):
    if packed:
        return message(2, message(1, struct.pack(f"<{len(values)}f", *values)))
    return message(2, b"".join(varint(1 << 3 | 5) + struct.pack("<f", value) for value in values))


def ints_feature(values, *, packed=True):
    if packed:
        return message(3, message(1, b"".join(map(varint, values))))
    return message(3, b"".join(varint(1 << 3) + varint(value) for value in values))


def example(features):
    entries = (message(1, message(1, name.encode()) + message(2, value)) for name, value in features.items())
    return message(1, b"".join(entries))


def record(payload):
    length = struct.pack("<Q", len(payload))
    sums = [struct.pack("<I", masked_crc32c(part)) for part in (length, payload)]
    return length + sums[0] + payload + sums[1]


def write_shard(path, *payloads):
    path.write_bytes(gzip.compress(b"".join(map(record, payloads))))
    return path
