"""The conversion that UI-S1 published (X-PLUG/MobileAgent, UI-S1): JSON lines with pixel coordinates.

One episode a line: ``goal, is_successful, episode_id?, steps[{action_content, screenshot, step_instruction?,
check_options?}]``. The files do not say how large a screen was. In order: the image where it is here; the ends of a
swipe, which the conversion puts symmetrically about the middle of the screen; the option `screen`; the smaller of
1080x2400 and 1440x3120 (the data set's phones) that holds every point. ``metadata["frame"]`` says which.
`wait` steps that the conversion inserted repeat their neighbour's instruction, as published.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.data.readers.androidcontrol.episode import Episode, numbered_steps
from tracer1_agents.data.readers.androidcontrol.mobile_use import ends_of, step_of
from tracer1_agents.data.readers.base import ReaderOptions, RecordError, required, typed

if TYPE_CHECKING:
    from tracer1_agents.data.readers.images import ImageFinder
    from tracer1_agents.data.records import Record
    from tracer1_agents.types import ImageRef

PHONES: Final = (Size(1080, 2400), Size(1440, 3120))


def episode(record: Record, finder: ImageFinder, options: ReaderOptions) -> Episode:
    """See the module.

    Raises:
        RecordError: The record does not follow the schema.
    """
    line, value = record
    raw = [typed(step, dict, "a step") for step in required(value, "steps", list)]
    names = [required(step, "screenshot", str) if "screenshot" in step else None for step in raw]
    images = [finder.find(name, line) if name else None for name in names]
    size, known_from = _frame(raw, images, options.screen)
    makers = [partial(step_of, step, image, size) for step, image in zip(raw, images, strict=True)]
    return Episode(
        id=str(value["episode_id"]) if "episode_id" in value else None,
        goal=required(value, "goal", str),
        steps=numbered_steps(makers),
        successful=value.get("is_successful") is not False,
        metadata={"frame": {"width": size.width, "height": size.height, "known_from": known_from}},
    )


def _frame(steps: list[dict[str, Any]], images: list[ImageRef | None], screen: Size | None) -> tuple[Size, str]:
    """Size of the screen and what it is known from."""
    for image in images:
        if image is not None:
            return Size(image.width, image.height), "image"
    ends = [ends_of(required(step, "action_content", dict)) for step in steps]
    swipes = [pair for pair in ends if len(pair) == 2]  # noqa: PLR2004  (a swipe has two ends)
    screens = [(Size(round(a[0] + b[0]), round(a[1] + b[1])), "swipe") for a, b in swipes[:1]]
    screens += [(screen, "option")] if screen else [(size, "assumed") for size in PHONES]
    for size, known_from in screens:
        if all(x <= size.width and y <= size.height for pair in ends for x, y in pair):
            return size, known_from
    msg = "its points lie outside every known phone screen; pass the folder of images or the screen's size"
    raise RecordError(msg)
