"""Windows of a reference: how many, how long, whether they end, and what their planner could read."""

from __future__ import annotations

import pytest

from tracer1_agents.actions.space import Finish, ToolCall
from tracer1_agents.data.windows import window_at, windows_of
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.types import SYNTHETIC, Observation, ReferenceStep, ReferenceTrajectory


def step(name, **fields):
    return ReferenceStep(action=ToolCall(name=name, arguments={"q": f"{name}-value"}), **fields)


END = ReferenceStep(action=Finish(), flags=frozenset({SYNTHETIC}))


def trajectory(*steps):
    return ReferenceTrajectory(id="1", source="test", instruction="the task", steps=steps)


def test_every_step_begins_one():
    steps = (step("a"), step("b"), step("c"), END)
    windows = list(windows_of(trajectory(*steps), 2))
    assert [window.steps for window in windows] == [steps[0:2], steps[1:3], steps[2:4], steps[3:4]]
    assert [window.finished for window in windows] == [False, False, True, True]


def test_a_record_that_breaks_off_is_not_finished():
    windows = list(windows_of(trajectory(step("a"), step("b")), 10))
    assert [window.finished for window in windows] == [False, False]


def test_appended_steps_can_be_left_out_as_beginnings():
    windows = list(windows_of(trajectory(step("a"), END), 10, from_synthetic=False))
    assert [len(window.steps) for window in windows] == [2]


def test_nothing_from_nothing():
    assert list(windows_of(trajectory(), 10)) == []


def test_what_could_be_read():
    steps = (
        step("first", instruction="Go.", result="result-1"),
        step("second", summary="summary-2", result="result-2"),
        step("third", observation=Observation(text="screen-3"), result="result-3"),
        step("fourth"),
    )
    one, two, three, four = (window.known_text for window in windows_of(trajectory(*steps), 3, history_window=2))
    assert one.split() == ["the", "task"]
    assert all(part in two for part in ("the task", "first-value", "Go.", "result-1"))
    assert all(part in three for part in ("first-value", "second-value", "summary-2", "screen-3"))
    assert all(part not in three for part in ("third-value", "result-2", "result-3"))  # ahead, or told as summary
    assert "result-3" in four  # the newest result is the observation
    assert "first-value" not in four  # beyond the last two


def test_without_history_the_task_and_the_newest_result_are_left():
    steps = (step("a", result="result-a"), step("b", result="result-b"), step("c", result="result-c"))
    windows = list(windows_of(trajectory(*steps), 1, history_window=0))
    assert [window.steps for window in windows] == [steps[0:1], steps[1:2], steps[2:3]]
    assert [window.known_text for window in windows] == ["the task\n", "the task\nresult-a", "the task\nresult-b"]


def test_five_steps_are_remembered_unless_said():
    steps = trajectory(*(step(name) for name in "abcdefg"))
    for window in (list(windows_of(steps, 1))[-1], window_at(steps, 6, 1)):
        assert "b-value" in window.known_text
        assert "a-value" not in window.known_text


@pytest.mark.parametrize(("horizon", "history"), [(0, 5), (1, -1)])
def test_numbers_that_cannot_be_are_refused(horizon, history):
    with pytest.raises(ConfigurationError, match="horizon must be 1 or more"):
        list(windows_of(trajectory(step("a")), horizon, history_window=history))
