"""What an action may hold, so that every action can be written down."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tracer1_agents.actions.space import (
    MAX_DEPTH,
    Code,
    Finish,
    Hotkey,
    OpenApp,
    Result,
    Select,
    ToolCall,
    Type,
    dump_action,
    load_action,
    pending_results,
)

HALF = "\ud83d"


def nested(depth):
    value = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("build", "fields"),
    [
        (Type, {"content": HALF}),
        (Code, {"source": HALF}),
        (Finish, {"answer": HALF}),
        (Hotkey, {"keys": (HALF,)}),
        (OpenApp, {"app_name": HALF}),
        (Select, {"option": HALF}),
        (ToolCall, {"name": "f", "arguments": {"a": [HALF]}}),
        (ToolCall, {"name": "f", "arguments": {"a": {HALF: 1}}}),
    ],
)
def test_half_a_surrogate_pair_is_refused(build, fields):
    with pytest.raises(ValidationError, match="surrogate"):
        build(**fields)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x", nested(MAX_DEPTH + 2)])
def test_arguments_that_are_no_json(value):
    with pytest.raises(ValidationError):
        ToolCall(name="f", arguments={"a": value})


def test_the_deepest_argument_survives_json():
    action = ToolCall(name="f", arguments={"a": nested(MAX_DEPTH)})
    assert ToolCall.model_validate_json(action.model_dump_json()) == action
    assert load_action(dump_action(action)) == action


def test_only_small_counts_are_placeholders():
    action = ToolCall(name="f", arguments={"a": {"$result": 3}, "b": {"$result": -1}, "c": {"$result": 10**9}})
    assert action.arguments == {"a": Result(3), "b": {"$result": -1}, "c": {"$result": 10**9}}
    assert pending_results(action) == (3,)
    assert pending_results(Type(content="Result(step=" + "9" * 5000 + ")")) == ()
