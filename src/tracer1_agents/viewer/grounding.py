"""One grounding for a person to look at: the point on a copy of the screenshot, and what the reply's numbers mean.

A frame mistake (a server that resizes otherwise, the wrong family's prompt) shows as a point that is off by a steady
factor: the report says where the same numbers would lie in every other frame.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.codec import Broken
from tracer1_agents.actions.coordinates import (
    PIXELS,
    QWEN2_5_VL_PIXELS,
    QWEN3_VL_PIXELS,
    THOUSAND,
    UI_TARS_15,
    UNIT,
    Frame,
    Size,
)
from tracer1_agents.actions.elements import read_elements
from tracer1_agents.actions.space import Click, Drag, Point, load_action
from tracer1_agents.actions.targets import points_of
from tracer1_agents.blobs import ImageFiles
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.serving.endpoint import check_endpoint, endpoint_model
from tracer1_agents.tools.grounding import Answer, GroundingModel
from tracer1_agents.tools.grounding_profiles import grounding_profile
from tracer1_agents.tools.images import open_picture
from tracer1_agents.tools.offline_grounding import ElementGrounder, TextGrounder
from tracer1_agents.tools.workspace import optional
from tracer1_agents.types import ImageRef, Observation
from tracer1_agents.viewer.plain import harmless

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tracer1_agents.actions.elements import Element
    from tracer1_agents.actions.space import Action, Platform

FRAMES: Final[dict[str, Frame]] = {
    "ratio": UNIT,
    "thousand": THOUSAND,
    "pixels": PIXELS,
    "ui-tars-1.5": UI_TARS_15,
    "qwen2.5-vl": QWEN2_5_VL_PIXELS,
    "qwen3-vl-pixels": QWEN3_VL_PIXELS,
}
_NUMBERS: Final = re.compile(r"(-?\d+(?:\.\d+)?)[\s,]+(-?\d+(?:\.\d+)?)")
_COLOURS: Final = ("red", "blue")  # of the point or a drag's start, and of its end


@dataclass(frozen=True, kw_only=True)
class Question:
    """One grounding to make.

    Attributes:
        image: The screenshot's file.
        instruction: What to find.
        grounder: "model" asks the endpoint, "ocr" reads the picture, "elements" matches a list.
        base_url: Of the endpoint, for "model".
        model: As the endpoint calls it, for "model".
        profile: How it is asked; "" picks by the model's name.
        frame: What its numbers mean, one of `FRAMES`; "" is the profile's own.
        elements: File with the list, for "elements".
        drag: Both ends of a drag are looked for.
        whole_action: The model says what to do as well.
        platform: Whose screen it is.
    """

    image: Path
    instruction: str
    grounder: str = "model"
    base_url: str = ""
    model: str = ""
    profile: str = ""
    frame: str = ""
    elements: Path | None = None
    drag: bool = False
    whole_action: bool = False
    platform: Platform = "computer"


def ground(question: Question) -> tuple[Answer, Size]:
    """Make one grounding.

    Returns:
        What asking came to, and the size of the screenshot.

    Raises:
        ConfigurationError: Something that the grounder needs was not given, or something was that it does not use.
        DataError: The screenshot cannot be read.
    """
    _check(question)
    content = ImageFiles().get(str(question.image))
    with open_picture(content, str(question.image)) as picture:
        size = Size(*picture.size)
    seen = Observation(image=ImageRef(ref=str(question.image), width=size.width, height=size.height))
    action: Action = Drag() if question.drag else Click()
    if question.grounder == "model":
        return _model(question).ask(action, question.instruction, seen), size
    if question.grounder == "ocr":
        return Answer(TextGrounder().execute(action, question.instruction, seen)), size
    return Answer(ElementGrounder(_elements(question)).execute(action, question.instruction, seen)), size


def _check(question: Question) -> None:
    """Refuse what would be left aside in silence."""
    if question.frame and question.frame not in FRAMES:
        msg = f"there is no frame {question.frame!r}; choose one of {', '.join(FRAMES)}"
        raise ConfigurationError(msg)
    for_models = ("base_url", "model", "profile", "frame", "whole_action")
    unused = [name for name in for_models if getattr(question, name)] if question.grounder != "model" else []
    if unused:
        msg = f"--{unused[0].replace('_', '-')} is for models; --grounder {question.grounder} asks none"
        raise ConfigurationError(msg)
    if question.elements is not None and question.grounder != "elements":
        msg = f"--elements is for --grounder elements; --grounder {question.grounder} reads no list"
        raise ConfigurationError(msg)


def _elements(question: Question) -> Sequence[Element]:
    if question.elements is None:
        msg = '--grounder elements needs --elements FILE: lines such as [1] button "OK" (10, 20, 50, 40), or JSON'
        raise ConfigurationError(msg)
    try:
        return read_elements(question.elements.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        msg = f"cannot read the list of elements {question.elements}: {error.strerror}"
        raise ConfigurationError(msg) from error


def _model(question: Question) -> GroundingModel:
    if not question.base_url or not question.model:
        msg = "a model needs --base-url and --model; without one, try --grounder ocr"
        raise ConfigurationError(msg)
    profile = grounding_profile(question.profile or question.model)
    check_endpoint(question.model, question.base_url)
    if question.frame:
        profile = replace(profile, dialect=replace(profile.dialect, frame=FRAMES[question.frame]))
    model = endpoint_model(question.model, question.base_url, temperature=0.0)
    return GroundingModel(
        model, profile=profile, platform=question.platform, asks="action" if question.whole_action else "point"
    )


def report(answer: Answer, size: Size) -> str:
    """What came of it, as text.

    Args:
        answer: From `ground`.
        size: Of the screenshot.
    """
    lines = [f"screenshot  {size.width} x {size.height} pixels"]
    if answer.reply is not None:
        lines.append(f"reply       {harmless(' '.join(answer.reply.text.split()))}")
    lines.append(f"action      {harmless(answer.execution.text)}")
    for point in placed(answer):
        x, y = PIXELS.from_unit(point, size)
        lines.append(f"point       {x}, {y} pixels ({point.x:.4f}, {point.y:.4f})")
    lines.append(f"seconds     {answer.execution.seconds:.2f}")
    if answer.reply is not None and (numbers := _NUMBERS.findall(answer.reply.text)):
        across, down = numbers[-1]
        lines += ["", f"the numbers {across}, {down} read in each frame:"]
        lines += [
            f"  {name:<16}{_elsewhere(frame, float(across), float(down), size)}" for name, frame in FRAMES.items()
        ]
    return "\n".join(lines)


def _elsewhere(frame: Frame, across: float, down: float, size: Size) -> str:
    try:
        x, y = PIXELS.from_unit(frame.to_unit(across, down, size), size)
    except Broken:
        return "outside the screenshot"
    except ConfigurationError:
        return "not for this shape of screenshot"
    return f"{x}, {y} pixels"


def placed(answer: Answer) -> Sequence[Point]:
    """The points of the grounded action; none where nothing was found."""
    if not answer.execution.ok:
        return ()
    return tuple(point for point in points_of(load_action(answer.execution.value)) if point is not None)


def draw(image: Path, points: Sequence[Point], out: Path) -> None:
    """Write a copy of the screenshot with a ring and a cross at each point.

    Args:
        image: The screenshot's file.
        points: In fractions; the second is a drag's end.
        out: The file to write; its suffix says the format.

    Raises:
        DataError: The screenshot cannot be read.
        ConfigurationError: The copy cannot be written, or would take the screenshot's place.
    """
    if out.exists() and out.samefile(image):
        msg = f"{out} is the screenshot itself and would be drawn over; name another file with --out"
        raise ConfigurationError(msg)
    drawing = optional("PIL.ImageDraw", "drawing on screenshots")
    with open_picture(ImageFiles().get(str(image)), str(image)) as picture:
        copy = picture.convert("RGB")
    canvas, size = drawing.Draw(copy), Size(*copy.size)
    radius = max(8, min(size) // 40)
    for point, colour in zip(points, _COLOURS, strict=False):
        x, y = PIXELS.from_unit(point, size)
        canvas.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=max(2, radius // 5))
        canvas.line((x - radius // 2, y, x + radius // 2, y), fill=colour)
        canvas.line((x, y - radius // 2, x, y + radius // 2), fill=colour)
    try:
        copy.save(out)
    except (OSError, ValueError) as error:
        msg = f"cannot write {out}: {error}; name a file such as point.png in a folder that is there"
        raise ConfigurationError(msg) from error
