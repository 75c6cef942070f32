"""The host's end against whatever may come out of the other: every test plays the worker by hand."""

from __future__ import annotations

import json
import os

import pytest

from tracer1_agents.errors import SandboxError
from tracer1_agents.sandboxes.channel import Channel, clean_json


@pytest.fixture
def ends():
    requests, replies, output = os.pipe(), os.pipe(), os.pipe()
    channel = Channel(
        requests=requests[1], replies=replies[0], output=output[0], output_limit=10, message_limit=100_000
    )
    channel.nonce = "n1"
    yield channel, requests[0], replies[1], output[1]
    channel.close()
    for descriptor in (requests[0], replies[1], output[1]):
        os.close(descriptor)


def everything(channel):
    found = []
    while messages := channel.pump(0.01):
        found += messages
    return found


GOOD = b'{"op": "done", "nonce": "n1"}'


@pytest.mark.parametrize(
    "forged",
    [
        b'{"op": "done", "nonce": "n0"}',
        b'{"op": "done"}',
        b"[1, 2]",
        b"null",
        b"{broken",
        b"\xff\xfe\x00",
        b"[" * 50_000,
        b'{"nonce": "n1", "x": ' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"nonce": "n1", "x": ' + b"9" * 5000 + b"}",
        b"",
    ],
)
def test_garbage_is_skipped_and_the_reply_after_it_is_read(ends, forged):
    channel, _, replies, _ = ends
    os.write(replies, forged + b"\n" + GOOD + b"\n")
    assert everything(channel) == [{"op": "done", "nonce": "n1"}]


def test_a_reply_in_pieces_is_one_reply(ends):
    channel, _, replies, _ = ends
    os.write(replies, GOOD[:9])
    assert channel.pump(0.01) == []
    os.write(replies, GOOD[9:] + b"\n")
    assert channel.pump(0.01) == [{"op": "done", "nonce": "n1"}]


def test_an_endless_line_ends_the_conversation(ends):
    channel, _, replies, _ = ends

    def flood():
        for _ in range(3):
            os.write(replies, b"x" * 60_000)
            channel.pump(0.01)

    with pytest.raises(SandboxError, match="over 100000 bytes"):
        flood()


def test_output_is_capped_and_says_so(ends):
    channel, _, _, output = ends
    os.write(output, b"0123456")
    channel.pump(0.01)
    assert channel.output_cut is False
    os.write(output, b"789ab")
    assert channel.take_output() == b"0123456789"
    assert channel.output_cut is True
    os.write(output, b"next")
    assert channel.take_output() == b"next"


def test_a_reader_that_does_not_read_blocks_nobody(ends):
    channel, requests, _, _ = ends
    channel.post({"op": "run", "code": "x" * 1_000_000})
    channel.pump(0.01)
    channel.pump(0.01)
    assert os.read(requests, 10) == b'{"op": "ru'


def test_requests_carry_the_nonce(ends):
    channel, requests, _, _ = ends
    channel.post({"op": "run"})
    channel.pump(0.01)
    channel.pump(0.01)
    assert json.loads(os.read(requests, 1000)) == {"op": "run", "nonce": "n1"}


def test_after_the_end_nothing_is_posted_and_closing_twice_is_harmless():
    requests, replies, output = os.pipe(), os.pipe(), os.pipe()
    channel = Channel(requests=requests[1], replies=replies[0], output=output[0], output_limit=1, message_limit=1)
    for descriptor in (requests[0], replies[1], output[1]):
        os.close(descriptor)
    assert channel.pump(0.01) == []
    assert channel.ended
    channel.post({"op": "run"})
    channel.close()
    channel.close()


def test_texts_become_encodable_and_depth_is_limited():
    assert clean_json({"\ud800": ["a\udfff", 1, None, True]}) == {"?": ["a?", 1, None, True]}
    value = []
    for _ in range(40):
        value = [value]
    with pytest.raises(ValueError, match="32 deep"):
        clean_json(value)
