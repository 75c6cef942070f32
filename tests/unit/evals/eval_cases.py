"""Small references and prediction files for the tests of `tracer1 eval`."""

from __future__ import annotations

import json

from tracer1_agents.actions.space import Click, Finish, Point, Scroll, ToolCall, Type, dump_action
from tracer1_agents.evals.predictions import read_predictions
from tracer1_agents.evals.scoring import References, evaluate
from tracer1_agents.evals.suites import suite_named
from tracer1_agents.types import SYNTHETIC, ImageRef, Observation, ReferenceStep, ReferenceTrajectory

PHONE = Observation(image=ImageRef(ref="phone.png", width=1000, height=2000))


def click(x=0.5, y=0.5):
    return Click(point=Point(x, y))


def step(action, **fields):
    return ReferenceStep(**{"action": action, "observation": PHONE, **fields})


def trajectory(name, *actions, **metadata):
    """An episode of these steps (or actions), with an appended end that no rule counts."""
    steps = [one if isinstance(one, ReferenceStep) else step(one) for one in actions]
    end = ReferenceStep(action=Finish(), flags=frozenset({SYNTHETIC}))
    return ReferenceTrajectory(id=name, source="test", instruction=f"do {name}", steps=(*steps, end), metadata=metadata)


def references(suite, *trajectories):
    return References.gather(suite_named(suite), trajectories)


def line(episode, number, *actions, suite="androidcontrol-high", **more):
    forecast = [{"action": dump_action(action)} for action in actions]
    return {"suite": suite, "episode_id": episode, "step": number, "forecast": forecast, **more}


def write(path, *lines):
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines))
    return path


def scored(path, found, *lines, rule=None, baselines=False):
    """Write lines, read them, evaluate them."""
    predictions = read_predictions(write(path, *lines), found.suite.name)
    return evaluate(found, predictions, rule, baselines=baselines)


EPISODE = trajectory("e", click(), Scroll(direction="down"), Type(content="x"))
CALL = ToolCall(name="OCR", arguments={"image": "a.png"})
