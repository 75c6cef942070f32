"""The release of Google Research (``gs://gresearch/android_control``): ``tf.train.Example`` records, one an episode.

Features: ``episode_id, goal, screenshots[] (PNG), accessibility_trees[], screenshot_widths[], screenshot_heights[],
actions[] (JSON), step_instructions[]``, with one screenshot more than there are actions: the last shows the end.
Actions: ``click{x, y}, long_press{x, y}, scroll{direction}, input_text{text}, open_app{app_name}, navigate_back,
navigate_home, wait``, in pixels of that step's screenshot.

``direction`` is where the view goes, so it is taken as it is: beside the same field in the checks of UI-S1's
conversion, most instructions that people wrote say "swipe left" for "right" and "swipe up" for "down". Accessibility
trees are read where that is asked for (`trees`); else steps have points and no boxes. Episodes are demonstrations that
succeeded: an end is appended.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracer1_agents.actions.coordinates import PIXELS, Size
from tracer1_agents.actions.targets import holds, points_of
from tracer1_agents.data.readers.androidcontrol.episode import Episode, numbered_steps
from tracer1_agents.data.readers.androidcontrol.trees import named_nodes
from tracer1_agents.data.readers.base import RecordError, build, decoded, looked_up, place, required
from tracer1_agents.types import Observation, ReferenceStep

if TYPE_CHECKING:
    from tracer1_agents.actions.space import Action
    from tracer1_agents.data.readers.images import ImageFinder
    from tracer1_agents.data.readers.tf_example import Feature
    from tracer1_agents.types import ImageRef

_DIRECTIONS: Final = {direction: direction for direction in ("up", "down", "left", "right")}
_POINTED: Final = frozenset({"click", "long_press"})
_TEXTS: Final = {"input_text": ("type", "content", "text"), "open_app": ("open_app", "app_name", "app_name")}
_BUTTONS: Final = {"navigate_back": "back", "navigate_home": "home"}


class _Screen(NamedTuple):
    """What a step was taken on; `tree` is None where trees are not read."""

    content: memoryview
    size: Size
    tree: memoryview | None


def episode(number: int, features: dict[str, Feature], finder: ImageFinder, *, trees: bool = False) -> Episode:
    """See the module.

    Args:
        number: Of the record in its file.
        features: As `parse_example` gives them.
        finder: Where the screenshots go.
        trees: Whether accessibility trees are read.

    Raises:
        RecordError: A feature is missing, or the lists do not fit together.
    """
    name = identity(features)
    actions = [_text(item) for item in _all(features, "actions", memoryview)]
    instructions = [_text(item) for item in _all(features, "step_instructions", memoryview)]
    screens = _screens(features, len(actions) + 1, trees=trees)
    if len(instructions) != len(actions):
        msg = f"{len(actions)} actions and {len(instructions)} step instructions"
        raise RecordError(msg)
    images = [
        finder.embedded(bytes(screen.content), f"{name}/{position}", screen.size, number)
        for position, screen in enumerate(screens)
    ]
    parallel = zip(actions, instructions, images, screens, strict=False)
    makers = [partial(_step, action, told, image, screen) for action, told, image, screen in parallel]
    return Episode(
        id=name,
        goal=_text(_one(features, "goal", memoryview)),
        steps=numbered_steps(makers),
        last=images[-1],
    )


def identity(features: dict[str, Feature]) -> str:
    """The number of an episode.

    Raises:
        RecordError: It has none.
    """
    return str(_one(features, "episode_id", int))


def _screens(features: dict[str, Feature], count: int, *, trees: bool) -> list[_Screen]:
    """Screenshots with their sizes and trees."""
    names = ("screenshots", "screenshot_widths", "screenshot_heights")
    contents = _all(features, names[0], memoryview)
    widths, heights = (_all(features, name, int) for name in names[1:])
    if not len(contents) == len(widths) == len(heights) == count:
        msg = (
            f"{count - 1} actions need {count} screenshots with their sizes, got {len(contents)} screenshots, "
            f"{len(widths)} widths, {len(heights)} heights"
        )
        raise RecordError(msg)
    if min([*widths, *heights]) < 1:
        msg = "the sizes of screenshots must be above 0"
        raise RecordError(msg)
    forests: list[Any] = _all(features, "accessibility_trees", memoryview) if trees else [None] * count
    if len(forests) != count:
        msg = f"{count} screenshots and {len(forests)} accessibility trees"
        raise RecordError(msg)
    parallel = zip(contents, widths, heights, forests, strict=True)
    return [_Screen(content, Size(w, h), forest) for content, w, h, forest in parallel]


def _step(action: str, instruction: str, image: ImageRef | None, screen: _Screen) -> ReferenceStep:
    done = _action(decoded(action, dict, "an action"), screen.size)
    nodes = tuple(named_nodes(screen.tree, screen.size)) if screen.tree else ()
    point = next(iter(points_of(done)), None)
    return ReferenceStep(
        observation=Observation(image=image),
        action=done,
        instruction=instruction,
        boxes=tuple(node.box for node in nodes if holds(node.box, point)) if point else (),
        nodes=nodes,
    )


def _action(told: dict[str, Any], size: Size) -> Action:
    name = required(told, "action_type", str)
    if name in _POINTED:
        x, y = (required(told, axis, (int, float)) for axis in ("x", "y"))
        return build(name, point=place(PIXELS, (x, y), size))
    if name == "scroll":
        return build("scroll", direction=looked_up(_DIRECTIONS, required(told, "direction", str), "direction"))
    if name in _TEXTS:
        kind, argument, key = _TEXTS[name]
        return build(kind, **{argument: required(told, key, str)})
    if name in _BUTTONS:
        return build("press_button", button=_BUTTONS[name])
    if name == "wait":
        return build("wait")
    msg = f"unknown action {json.dumps(told)[:80]}"
    raise RecordError(msg)


def _all(features: dict[str, Feature], name: str, kind: type) -> list[Any]:
    found = features.get(name, [])
    if found and not isinstance(found[0], kind):
        msg = f'the feature "{name}" must hold {"numbers" if kind is int else "bytes"}, got {type(found[0]).__name__}'
        raise RecordError(msg)
    return list(found)


def _one(features: dict[str, Feature], name: str, kind: type) -> Any:
    found = _all(features, name, kind)
    if len(found) != 1:
        msg = f'the feature "{name}" must hold one value, got {len(found)}; there are: {", ".join(features) or "none"}'
        raise RecordError(msg)
    return found[0]


def _text(content: memoryview) -> str:
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError as error:
        msg = f"text that is not UTF-8: {error}"
        raise RecordError(msg) from None
