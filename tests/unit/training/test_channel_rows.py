"""Rows for planners that are shown their last forecast, or that think of what lies ahead first."""

from __future__ import annotations

from itertools import islice

import pytest

from tracer1_agents.actions.space import Finish, PressButton, Wait, pending_results
from tracer1_agents.data.taskgen.desk.options import WorldOptions
from tracer1_agents.data.taskgen.windows import WindowOptions, stream_windows
from tracer1_agents.training.batches import generated_rows
from tracer1_agents.training.rows import PromptOptions, rows_of
from tracer1_agents.types import Observation, ReferenceStep, ReferenceTrajectory

WORLDS = [None, WorldOptions()]


def shown(window):
    """The forecast line of a prompt, "" where there is none."""
    lines = window.messages[-1].text.splitlines()
    return next((line for line in lines if line.startswith("Forecast: ")), "")


@pytest.mark.parametrize("world", WORLDS)
class TestLastForecast:
    def test_stands_from_the_second_step_on(self, world):
        windows = list(islice(stream_windows(3, WindowOptions(previous=True, world=world)), 200))
        assert not any(shown(window) for window in windows if window.number == 1)
        assert all(shown(window) for window in windows if window.number > 1)

    def test_is_not_there_unless_asked_for(self, world):
        windows = islice(stream_windows(3, WindowOptions(world=world)), 50)
        assert not any(shown(window) for window in windows)

    def test_begins_with_the_kind_that_is_due(self, world):
        options = WindowOptions(previous=True, world=world, mishap_rate=0.0)
        windows = [window for window in islice(stream_windows(4, options), 200) if window.step > 1]
        due = [shown(window).removeprefix("Forecast: ").startswith(_name(window.pairs[0][0])) for window in windows]
        faulty = [window.task.desk is not None and window.task.desk.fault is not None for window in windows]
        assert all(right or fault for right, fault in zip(due, faulty, strict=True))
        assert sum(due) > 0.9 * len(due)

    def test_holds_nothing_that_was_not_known_a_step_ago(self, world):
        options = WindowOptions(previous=True, world=world, mishap_rate=0.0)
        found = 0
        for window in islice(stream_windows(5, options), 300):
            planned = window.task.steps[window.step - 1]
            if window.step > 1 and pending_results(planned.action(window.step - 2)):
                found += 1
                assert "Result(step=" in shown(window)
        assert found > 10


def _name(action):
    return action.name if action.kind == "tool" else action.kind


class TestThoughts:
    def test_replies_name_what_lies_ahead_and_are_read_back(self):
        for row in islice(generated_rows(1, WindowOptions(), thoughts=True), 40):
            forecast = row.read(row.reply)
            named = [_name(step.action) for step in row.window.steps]
            assert forecast.thought.split() == named
            assert [pair.action for pair in forecast.pairs] == [step.action for step in row.window.steps]
            assert row.reply.count("\n") == len(forecast.pairs) - 1  # a thought takes no line of its own

    def test_none_unless_asked_for(self):
        assert not any("<think>" in row.reply for row in islice(generated_rows(1, WindowOptions()), 40))

    def test_recorded_rows_do_the_same(self, click_trajectory):
        rows = list(rows_of(click_trajectory, PromptOptions(previous=True, thoughts=True)))
        assert rows[0].reply.startswith("<think>wait press_button finish</think>")
        assert "Forecast:" not in rows[0].messages[-1].text
        assert 'Forecast: press_button(button="home"); finish()' in rows[1].messages[-1].text


@pytest.fixture
def click_trajectory():
    actions = (Wait(), PressButton(button="home"), Finish())
    steps = tuple(
        ReferenceStep(action=action, observation=Observation(text=f"page {n}")) for n, action in enumerate(actions)
    )
    return ReferenceTrajectory(id="t", source="s", instruction="Go home", steps=steps)
