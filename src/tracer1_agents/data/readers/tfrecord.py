"""Records of GZIP-compressed TFRecord files, without TensorFlow.

A record is its length (8 bytes), a checksum of the length, the payload, a checksum of the payload (4 bytes each), all
little-endian; checksums are CRC-32C, rotated and shifted ("masked"). One record is in memory at a time.

The length's checksum is always verified: a wrong length would be followed into nowhere. The payload's is verified on
demand only, since Python computes about 14 MB of it a second and the data sets have tens of gigabytes; GZIP's own
checksum, which zlib verifies, covers the payload too, but speaks at the end of the file.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from typing import TYPE_CHECKING, Final

from tracer1_agents.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_PAYLOAD: Final = 1 << 30  # bytes: an episode of fifty uncompressed screenshots still fits
_GZIP: Final = b"\x1f\x8b"
_LENGTH: Final = struct.Struct("<QI")
_CHECKSUM: Final = struct.Struct("<I")


def is_gzip(path: Path) -> bool:
    """Whether a file begins as GZIP does; the shards of a release have no suffix that tells."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def read_tfrecords(path: Path, *, verify: bool = False) -> Iterator[tuple[int, bytes] | DataError]:
    """Payloads with their numbers from 1, and what is damaged in its place.

    A payload with a wrong checksum is left out and the next record is read; nothing can be read behind a wrong length
    or where the file is cut off. The `DataError` has the number of the record as its line.

    Args:
        path: The file.
        verify: Whether payload checksums are verified.
    """
    number = 0
    try:
        with gzip.open(path, "rb") as file:
            while header := file.read(_LENGTH.size):
                number += 1
                item = _record(file, header, verify=verify)
                if isinstance(item, str):
                    yield DataError(f"record {number}: {item}", path=path, line=number)
                else:
                    yield number, item
    except _UnreadableError as error:
        yield DataError(f"record {number}: {error}; what follows cannot be read", path=path, line=number)
    except (EOFError, OSError, zlib.error) as error:
        problem = f"record {number + 1}: the file is cut off or damaged there: {error}"
        yield DataError(problem, path=path, line=number + 1)


class _UnreadableError(Exception):
    """Where the next record begins is not known."""


def _record(file: gzip.GzipFile, header: bytes, *, verify: bool) -> bytes | str:
    """The payload, or what is wrong with it."""
    if len(header) < _LENGTH.size:
        msg = "the file is cut off in its length"
        raise _UnreadableError(msg)
    length, checksum = _LENGTH.unpack(header)
    if masked_crc32c(header[:8]) != checksum:
        msg = "the checksum of its length is wrong (is the file a TFRecord?)"
        raise _UnreadableError(msg)
    if length > MAX_PAYLOAD:
        msg = f"it claims {length} bytes, more than the {MAX_PAYLOAD} that are read"
        raise _UnreadableError(msg)
    payload = file.read(length)
    footer = file.read(_CHECKSUM.size)
    if len(payload) < length or len(footer) < _CHECKSUM.size:
        msg = f"the file is cut off in its {length} bytes"
        raise _UnreadableError(msg)
    if verify and masked_crc32c(payload) != _CHECKSUM.unpack(footer)[0]:
        return "the checksum of its payload is wrong; left out"
    return payload


def masked_crc32c(data: bytes) -> int:
    """The checksum as TFRecord files hold it (tensorflow/core/lib/hash/crc32c.h)."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """CRC-32 with the Castagnoli polynomial (RFC 3720, appendix B.4)."""
    crc = 0xFFFFFFFF
    table = _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _entry(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value


_TABLE: Final = tuple(_entry(value) for value in range(256))
