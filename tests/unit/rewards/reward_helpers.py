"""Short ways to write forecasts and windows, and the sample's trajectories as windows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracer1_agents.actions.space import ToolCall
from tracer1_agents.data.readers.base import ReaderOptions
from tracer1_agents.data.readers.registry import reader_named
from tracer1_agents.data.windows import windows_of
from tracer1_agents.types import Forecast, ForecastPair, ReferenceStep, ReferenceWindow


def forecast_of(*actions, **fields):
    """A forecast of actions, or of (action, instruction)."""
    pairs = (action if isinstance(action, tuple) else (action, "") for action in actions)
    return Forecast(pairs=tuple(ForecastPair(action=act, instruction=said) for act, said in pairs), **fields)


def window_of(*actions, finished=False, known_text=""):
    """A window of actions, or of (action, instruction)."""
    pairs = (action if isinstance(action, tuple) else (action, "") for action in actions)
    steps = tuple(ReferenceStep(action=act, instruction=said) for act, said in pairs)
    return ReferenceWindow(steps=steps, finished=finished, known_text=known_text)


def gold(window: ReferenceWindow) -> Forecast:
    """The reference, forecast."""
    return forecast_of(*((step.action, step.instruction) for step in window.steps))


def tool(name="t", **arguments):
    return ToolCall(name=name, arguments=arguments)


def sample_windows(horizon: int) -> list[ReferenceWindow]:
    """All windows of the published AndroidControl sample, as published: without an appended end."""
    folder = os.environ.get("TRACER1_DATA")
    path = Path(folder or "", "androidcontrol", "test_trajectories.jsonl")
    if not folder or not path.is_file():
        pytest.skip("needs published sample data: set TRACER1_DATA to its folder")
    trajectories = reader_named("androidcontrol", ReaderOptions(add_finish=False)).read(path)
    return [window for trajectory in trajectories for window in windows_of(trajectory, horizon)]
