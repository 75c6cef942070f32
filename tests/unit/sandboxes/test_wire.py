"""The worker's own JSON says what `json` says."""

from __future__ import annotations

import json
import math

import pytest

from tracer1_agents.sandboxes.inside import wire

VALUES = [
    {},
    [],
    "",
    'a"\\\n\u00e9\ud800\U0001f600',
    0,
    -1.5,
    10**40,
    True,
    None,
    [1, {"a": [[]], "b": None}],
    {"1": 2},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_both_directions_agree_with_json(value):
    assert wire.dumps(value) == json.dumps(value)
    assert wire.loads(json.dumps(value)) == value
    assert wire.loads(json.dumps(value).encode() + b"\n") == value


def test_numbers_that_json_does_not_know():
    assert wire.dumps([math.inf, math.nan]) == json.dumps([math.inf, math.nan])
    assert wire.loads("-Infinity") == -math.inf


@pytest.mark.parametrize(("value", "error"), [({1, 2}, TypeError), ({(1, 2): 3}, TypeError), (b"x", TypeError)])
def test_what_is_no_json_is_refused(value, error):
    with pytest.raises(error):
        wire.dumps(value)


def test_circles_are_refused_and_leave_nothing_behind():
    circle = []
    circle.append(circle)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"[Cc]ircular"):
            wire.dumps(circle)
    assert wire.dumps([[]]) == "[[]]"


def test_broken_text_is_refused():
    with pytest.raises((ValueError, StopIteration)):
        wire.loads("{'a': 1}")
