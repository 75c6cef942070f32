"""Looking at pictures: questions, things, faces, and what is cut out of them, as T3's tools take and give them.

Every model is handed in (`backends`); `classical` does without one where it can. What a model answers is shown, never
mended: no boxes are no boxes.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from pydantic import BeforeValidator, Field

from tracer1_agents.errors import ToolError, ToolUnavailableError
from tracer1_agents.tools.backends import PixelBox, words_of
from tracer1_agents.tools.classical import BoxSegmenter, CascadeFaces
from tracer1_agents.tools.definition import Output, make_tool
from tracer1_agents.tools.formatting import collapse, short
from tracer1_agents.tools.images import (
    Box,
    ImagePath,
    inside,
    load_png,
    parse_box,
    save_image,
)
from tracer1_agents.tools.needs import why_off
from tracer1_agents.tools.workspace import free_name, optional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.tools import BaseTool

    from tracer1_agents.tools.backends import Backends
    from tracer1_agents.tools.workspace import Workspace

_Model = TypeVar("_Model")
_WIDER: Final = 1.5  # T3 shows faces half as large again (mat-agent/MAT-Agent, face_det.py)
_COLOURS: Final = ((230, 25, 75), (60, 180, 75), (0, 130, 200), (245, 130, 48), (145, 30, 180), (70, 240, 240))
_MOST_BOXES: Final = 64


def _parse_boxes(value: Any) -> Any:
    """One box is a list of one, and nothing is none; numbers in words as `parse_box` takes them."""
    value = parse_box(value)
    if not value or not isinstance(value, list | tuple):
        return value or []
    nested = any(isinstance(item, list | tuple) or (isinstance(item, str) and "," in item) for item in value)
    return value if nested else [value]


Boxes = Annotated[
    list[Box],
    BeforeValidator(_parse_boxes),
    Field(max_length=_MOST_BOXES, description="Boxes [[left, top, right, bottom], ...] around what to cut out"),
]


def vision_tools(workspace: Workspace, backends: Backends) -> list[BaseTool]:
    """`visualizer`, `objectlocation`, `facedetection` and `segmentation` over one folder."""

    def visualizer(
        question: Annotated[str, Field(description="What you want to know about the image")],
        image_path: ImagePath,
    ) -> Output:
        """Ask a question about an image."""
        model = needed(backends.questions, "visualizer")
        return words_of(model.answer(question, load_png(workspace, image_path)), "questions"), None

    def objectlocation(
        object: Annotated[str, Field(description="The thing to find")],  # noqa: A002  (T3's argument name)
        image_path: ImagePath,
    ) -> Output:
        """Find where a thing is in an image: boxes [left, top, right, bottom] in pixels."""
        found = needed(backends.detector, "objectlocation").locate(object, load_png(workspace, image_path))
        boxes = boxes_of(found)
        return (str(boxes) if boxes else f"no {short(collapse(object))} found"), boxes

    tools = [make_tool(visualizer), make_tool(objectlocation)]
    return [*tools, *_face_tool(workspace, backends), *_cutter(workspace, backends)]


def _face_tool(workspace: Workspace, backends: Backends) -> list[BaseTool]:
    detector = backends.detector

    def facedetection(image_path: ImagePath) -> Output:
        """Find the faces of people in an image: boxes [left, top, right, bottom] in pixels."""
        png = load_png(workspace, image_path)
        if backends.faces is not None or detector is None:
            found = (backends.faces or CascadeFaces()).faces(png)
        else:
            found = detector.locate("human face", png)
        width, height = png_size(png)
        boxes = [_wider(box, width, height) for box in boxes_of(found)]
        return (str(boxes) if boxes else "no face found"), boxes

    return [make_tool(facedetection)]


def _cutter(workspace: Workspace, backends: Backends) -> list[BaseTool]:
    segmenter = backends.segmenter or BoxSegmenter()

    def segmentation(image_path: ImagePath, prompt: Boxes) -> Output:
        """Cut out what is in the given boxes; saves a copy of the image with each thing in a colour."""
        if not prompt:
            msg = "prompt must be boxes around what to cut out, got none; find them with objectlocation"
            raise ToolError(msg)
        png = load_png(workspace, image_path)
        width, height = png_size(png)
        boxes = [inside(box, width, height) for box in prompt]
        masks = list(segmenter.segment(png, boxes))
        if len(masks) != len(boxes):
            msg = f"the segmentation model gave {len(masks)} masks for {len(boxes)} boxes"
            raise ToolError(msg)
        picture = _painted(png, masks)
        return save_image(workspace, picture, free_name(workspace, "segmented", ".png"))

    return [make_tool(segmentation)]


def needed(model: _Model | None, name: str) -> _Model:
    """The model, where it was handed in.

    Raises:
        ToolUnavailableError: It was not; the text says what to configure.
    """
    if model is None:
        raise ToolUnavailableError(why_off(name) or f"{name} is off here")
    return model


def boxes_of(found: Sequence[Sequence[float]]) -> list[list[int]]:
    """What a detector found, in whole pixels, without scores.

    Raises:
        ToolError: It gave something else than boxes.
    """
    try:
        boxes = [[round(edge) for edge in box[:4]] for box in found]
    except (TypeError, ValueError, OverflowError) as error:
        msg = f"the detector gave no boxes but {short(repr(found))}"
        raise ToolError(msg) from error
    if any(len(box) != len(PixelBox._fields) for box in boxes):
        msg = f"the detector gave no boxes but {short(repr(found))}"
        raise ToolError(msg)
    return boxes


def png_size(png: bytes) -> tuple[int, int]:
    """Width and height of a PNG that our worker wrote."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def _wider(box: Sequence[int], width: int, height: int) -> list[int]:
    left, top, right, bottom = box
    across, down = round((_WIDER - 1) * (right - left) / 2), round((_WIDER - 1) * (bottom - top) / 2)
    return [max(0, left - across), max(0, top - down), min(width, right + across), min(height, bottom + down)]


def _painted(png: bytes, masks: Sequence[bytes]) -> Any:
    """The picture with what each mask covers half in a colour of its own."""
    pillow = optional("PIL.Image", "reading images")
    picture = pillow.open(io.BytesIO(png), formats=("PNG",)).convert("RGB")
    for number, content in enumerate(masks):
        with pillow.open(io.BytesIO(content), formats=("PNG",)) as opened:
            mask = opened.convert("L")
        if mask.size != picture.size:
            msg = f"the segmentation model gave a mask of {mask.size} pixels for an image of {picture.size}"
            raise ToolError(msg)
        half = mask.point(lambda value: value // 2)
        picture.paste(_COLOURS[number % len(_COLOURS)], (0, 0), half)
    return picture
