"""What the tests of both stages share."""

import json

from tracer1_agents.actions.space import Click, Finish, OpenApp, Point, Type
from tracer1_agents.types import ReferenceStep, ReferenceTrajectory


def trajectory(number=0, app="Clock", source="androidcontrol"):
    steps = (
        ReferenceStep(action=OpenApp(app_name=app), instruction=f"open {app}"),
        ReferenceStep(action=Click(point=Point(0.5, 0.25)), instruction="tap the plus sign", summary="some alarms"),
        ReferenceStep(action=Type(content="7:30"), instruction="enter the time"),
        ReferenceStep(action=Finish(), flags=frozenset({"synthetic"})),
    )
    return ReferenceTrajectory(id=str(number), source=source, instruction=f"set alarm {number}", steps=steps)


def log_of(folder, event="train"):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["event"] == event]


def weights(folder):
    from safetensors.torch import load_file  # noqa: PLC0415

    return load_file(folder / "model.safetensors")
