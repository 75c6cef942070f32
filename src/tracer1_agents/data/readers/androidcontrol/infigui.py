"""The conversion of InfiGUI-R1 (InfiXAI/InfiGUI-R1, ``android_control_test.json``): a JSON array of episodes.

A record: ``episode{episode_id, goal, step_instructions[], screenshot_paths[]}, step_pams[], step_check_pams[], width,
height``. Actions and checks are those of `mobile_use`, in pixels of ``width`` by ``height``. There is one screenshot
more than there are steps: the last shows the end.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.data.readers.androidcontrol.episode import Episode, numbered_steps
from tracer1_agents.data.readers.androidcontrol.mobile_use import step_of
from tracer1_agents.data.readers.base import ReaderOptions, RecordError, required, typed
from tracer1_agents.types import ImageRef

if TYPE_CHECKING:
    from tracer1_agents.data.readers.images import ImageFinder
    from tracer1_agents.data.records import Record


def episode(record: Record, finder: ImageFinder, options: ReaderOptions) -> Episode:  # noqa: ARG001  (one signature)
    """See the module.

    Raises:
        RecordError: The record does not follow the schema, or its lists do not fit together.
    """
    line, value = record
    told = required(value, "episode", dict)
    size = Size(required(value, "width", int), required(value, "height", int))
    if min(size) < 1:
        msg = f'"width" and "height" must be above 0, got {size.width}x{size.height}'
        raise RecordError(msg)
    names = [typed(name, str, "a screenshot path") for name in required(told, "screenshot_paths", list)]
    images = [finder.find(name, line) for name in names]
    steps = _steps(value, told, names)
    makers = [partial(step_of, step, image, size) for step, image in zip(steps, images, strict=False)]
    last = images[-1] or ImageRef(ref=names[-1], width=size.width, height=size.height)
    return Episode(
        id=str(required(told, "episode_id", (int, str))),
        goal=required(told, "goal", str),
        steps=numbered_steps(makers),
        last=last,
        metadata={"frame": {"width": size.width, "height": size.height, "known_from": "record"}},
    )


def _steps(value: dict[str, Any], told: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
    """The parallel lists as one, in the form that `mobile_use` reads."""
    actions, checks = required(value, "step_pams", list), required(value, "step_check_pams", list)
    instructions = required(told, "step_instructions", list)
    if not len(actions) == len(checks) == len(instructions) == len(names) - 1:
        msg = (
            f"the lists do not fit together: {len(actions)} actions, {len(checks)} checks, {len(instructions)} "
            f"instructions, {len(names)} screenshots (one more than actions is right)"
        )
        raise RecordError(msg)
    parallel = zip(actions, checks, instructions, names, strict=False)
    keys = ("action_content", "check_options", "step_instruction", "screenshot")
    return [dict(zip(keys, items, strict=True)) for items in parallel]
