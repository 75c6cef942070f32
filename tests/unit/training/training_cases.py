"""What the tests of both stages share."""

import json
import random

from tracer1_agents.actions.space import Click, Finish, OpenApp, Point, Type
from tracer1_agents.types import ImageRef, Observation, ReferenceStep, ReferenceTrajectory


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


def pictured(folder, name, *, shown=True):
    """Two steps, the first on a screenshot of noise, or on none."""
    from PIL import Image  # noqa: PLC0415

    image = None
    if shown:
        path = folder / f"{name}.png"
        Image.frombytes("RGB", (96, 64), random.Random(name).randbytes(3 * 96 * 64)).save(path)
        image = ImageRef(ref=str(path), width=96, height=64)
    steps = (
        ReferenceStep(observation=Observation(image=image), action=Click(point=Point(x=0.5, y=0.5)), instruction="Go"),
        ReferenceStep(action=Finish(), instruction="Done"),
    )
    return ReferenceTrajectory(id=name, source="shots", instruction="Reach the end", steps=steps)
