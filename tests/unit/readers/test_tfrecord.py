"""TFRecord framing and tf.train.Example: known checksums, round trips, damage of every kind."""

from __future__ import annotations

import contextlib
import gzip
import math
import struct

import pytest
import tfrecord_encoder as tf
from hypothesis import given
from hypothesis import strategies as st

from tracer1_agents.data.readers import tfrecord
from tracer1_agents.data.readers.base import RecordError
from tracer1_agents.data.readers.tf_example import parse_example
from tracer1_agents.data.readers.tfrecord import crc32c, is_gzip, masked_crc32c, read_tfrecords
from tracer1_agents.errors import DataError

_INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
_FLOAT32 = st.floats(width=32, allow_nan=False)


def _read(path, **options):
    items = list(read_tfrecords(path, **options))
    return [item.problem if isinstance(item, DataError) else item for item in items]


@pytest.mark.parametrize(
    ("data", "crc"),
    [  # RFC 3720, appendix B.4, and the check value of the CRC catalogue
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_checksums_are_castagnoli(data, crc):
    assert crc32c(data) == crc


def test_the_mask_rotates_and_adds():
    # crc of b"": 0, rotated 0, so the constant alone
    assert masked_crc32c(b"") == 0xA282EAD8
    # 0xE3069283 rotated right by 15 is 0x2507C60D; plus the constant 0xC78AB0E5
    assert masked_crc32c(b"123456789") == 0xC78AB0E5


def test_payloads_come_back_with_their_numbers(tmp_path):
    path = tf.write_shard(tmp_path / "data-00000-of-00002", b"one", b"", b"three" * 1000)
    assert is_gzip(path)
    assert _read(path, verify=True) == [(1, b"one"), (2, b""), (3, b"three" * 1000)]


def test_a_wrong_payload_is_found_where_it_is_looked_for(tmp_path):
    damaged = bytearray(tf.record(b"one"))
    damaged[12] ^= 1
    path = tmp_path / "shard"
    path.write_bytes(gzip.compress(bytes(damaged) + tf.record(b"two")))
    assert _read(path) == [(1, b"nne"), (2, b"two")]
    assert _read(path, verify=True) == ["record 1: the checksum of its payload is wrong; left out", (2, b"two")]


def test_nothing_is_read_behind_a_wrong_length(tmp_path):
    damaged = bytearray(tf.record(b"two"))
    damaged[0] ^= 1
    path = tmp_path / "shard"
    path.write_bytes(gzip.compress(tf.record(b"one") + bytes(damaged) + tf.record(b"three")))
    first, problem = _read(path)
    assert first == (1, b"one")
    assert problem.startswith("record 2: the checksum of its length is wrong")


def test_a_length_beyond_reason_is_not_allocated(tmp_path, monkeypatch):
    monkeypatch.setattr(tfrecord, "MAX_PAYLOAD", 4)
    path = tf.write_shard(tmp_path / "shard", b"four", b"fives")
    assert _read(path)[0] == (1, b"four")
    assert "record 2: it claims 5 bytes" in _read(path)[1]


@pytest.mark.parametrize("kept", [3, 15, 18])
def test_a_stream_that_ends_in_a_record_is_told(tmp_path, kept):
    """Cut in the length, the payload and the footer (12 + 4 + 4 bytes)."""
    path = tmp_path / "shard"
    path.write_bytes(gzip.compress(tf.record(b"one!") + tf.record(b"two!")[:kept]))
    first, problem = _read(path)
    assert first == (1, b"one!")
    assert problem.startswith("record 2: the file is cut off")


def test_a_file_that_is_cut_off_gives_what_stands_before(tmp_path):
    path = tf.write_shard(tmp_path / "shard", b"one", *(bytes([i]) * 5000 for i in range(9)))
    path.write_bytes(path.read_bytes()[:-9])
    *before, problem = _read(path)
    assert before[0] == (1, b"one")
    assert "cut off or damaged" in problem


def test_what_is_no_gzip_is_told(tmp_path):
    path = tmp_path / "shard"
    path.write_bytes(b"plain")
    assert not is_gzip(path)
    [problem] = _read(path)
    assert problem.startswith("record 1: the file is cut off or damaged there")


def _plain(features):
    return {name: [bytes(v) if isinstance(v, memoryview) else v for v in value] for name, value in features.items()}


@given(
    names=st.lists(st.text(max_size=6), unique=True, min_size=3, max_size=3),
    texts=st.lists(st.binary(max_size=200), max_size=4),
    floats=st.lists(_FLOAT32, max_size=4),
    ints=st.lists(_INT64, max_size=4),
    packed=st.booleans(),
)
def test_examples_come_back(names, texts, floats, ints, packed):
    wire = tf.example(
        {
            names[0]: tf.bytes_feature(texts),
            names[1]: tf.floats_feature(floats, packed=packed),
            names[2]: tf.ints_feature(ints, packed=packed),
        }
    )
    assert _plain(parse_example(wire)) == {names[0]: texts, names[1]: floats, names[2]: ints}


@given(st.binary(max_size=60))
def test_any_bytes_are_an_example_or_a_record_error(noise):
    with contextlib.suppress(RecordError):
        assert isinstance(parse_example(noise), dict)


def test_by_hand():
    """Features{ "a": Int64List [1, 300, -1] }, byte by byte."""
    numbers = b"\x01" + b"\xac\x02" + b"\xff" * 9 + b"\x01"  # 1, 2 and 10 bytes
    feature = b"\x1a\x0f" + b"\x0a\x0d" + numbers
    entry = b"\x0a\x01a" + b"\x12\x11" + feature
    assert parse_example(b"\x0a\x18" + b"\x0a\x16" + entry) == {"a": [1, 300, -1]}


def test_unknown_fields_are_passed_over():
    unknown = tf.varint(9 << 3) + b"\x05" + tf.varint(10 << 3 | 1) + bytes(8) + tf.varint(11 << 3 | 5) + bytes(4)
    wire = unknown + tf.example({"a": unknown + tf.ints_feature([7])}) + unknown
    assert parse_example(wire) == {"a": [7]}


def test_a_feature_without_a_list_is_empty():
    assert parse_example(tf.example({"a": b""})) == {"a": []}


@pytest.mark.parametrize(
    ("wire", "problem"),
    [
        (b"\x0a\x05abc", "a field reaches 2 bytes beyond it"),
        (b"\x0b", "wire type 3 at byte 1"),
        (b"\xff" * 11, "the number at byte 0 does not end"),
        (tf.example({"a": tf.message(2, tf.message(1, b"\0\0\0"))}), "not a multiple of 4"),
        (tf.message(1, tf.message(1, tf.message(1, b"\xff"))), "not UTF-8"),
    ],
)
def test_damage_is_told(wire, problem):
    with pytest.raises(RecordError, match=problem):
        parse_example(wire)


def test_floats_keep_what_four_bytes_hold():
    [value] = parse_example(tf.example({"a": tf.floats_feature([0.1])}))["a"]
    assert value == struct.unpack("<f", struct.pack("<f", 0.1))[0]
    assert math.isclose(value, 0.1, rel_tol=1e-7)
