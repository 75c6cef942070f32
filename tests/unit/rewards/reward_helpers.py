"""Short ways to write forecasts and windows, and the sample's trajectories as windows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tracer1_agents.actions.space import ToolCall, load_action
from tracer1_agents.data.windows import windows_of
from tracer1_agents.types import Forecast, ForecastPair, ReferenceStep, ReferenceTrajectory, ReferenceWindow

WIDTH, HEIGHT = 1440, 3120  # holds every point of the sample; the reward of these tests does not depend on it


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
    """All windows of the published AndroidControl sample."""
    folder = os.environ.get("TRACER1_DATA")
    path = Path(folder or "", "androidcontrol", "test_trajectories.jsonl")
    if not folder or not path.is_file():
        pytest.skip("needs published sample data: set TRACER1_DATA to its folder")
    lines = path.read_text(encoding="utf-8").splitlines()
    trajectories = [_trajectory(json.loads(line)) for line in lines]
    return [window for trajectory in trajectories for window in windows_of(trajectory, horizon)]


def _trajectory(record: dict[str, Any]) -> ReferenceTrajectory:
    """Read just far enough for the reward; readers proper are in `data.readers`."""
    steps = tuple(
        ReferenceStep(
            action=_action(step["action_content"], step["check_options"]), instruction=step["step_instruction"]
        )
        for step in record["steps"]
    )
    return ReferenceTrajectory(id=str(record["episode_id"]), source="sample", instruction=record["goal"], steps=steps)


def _action(content: dict[str, Any], checks: dict[str, Any]):
    x, y = content.get("coordinate", (0, 0))
    forms = {
        "click": {"kind": "click", "point": (x / WIDTH, y / HEIGHT)},
        "long_press": {"kind": "long_press", "point": (x / WIDTH, y / HEIGHT)},
        "swipe": {"kind": "scroll", "direction": checks.get("direction")},
        "type": {"kind": "type", "content": content.get("text")},
        "open": {"kind": "open_app", "app_name": content.get("text")},
        "system_button": {"kind": "press_button", "button": content.get("button", "").lower()},
        "wait": {"kind": "wait"},
    }
    return load_action(forms[content["action"]])
