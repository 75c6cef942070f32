"""A LangChain chat model that takes images, as the `VisionModel` of the vision tools.

The model is the caller's; this only writes its messages and reads its boxes. A reply without readable boxes is a
`ToolError`, never an empty result.
"""

from __future__ import annotations

import base64
import io
import json
import re
from typing import TYPE_CHECKING, Any, Final, Literal

from langchain_core.messages import HumanMessage

from tracer1_agents.errors import ToolError
from tracer1_agents.tools.backends import PixelBox
from tracer1_agents.tools.formatting import short
from tracer1_agents.tools.workspace import optional

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_LIST: Final = re.compile(r"\[.*\]", re.DOTALL)
_EDGES: Final = 4
_RELATIVE: Final = 1000  # Qwen3-VL, GUI-Owl and others write coordinates in thousandths of the image


class ChatVision:
    """Questions and boxes from a chat model.

    Args:
        model: Takes images in user messages.
        coordinates: What its boxes are written in: pixels of the image, or thousandths of its width and height.
    """

    def __init__(self, model: BaseChatModel, *, coordinates: Literal["pixels", "thousandths"] = "pixels") -> None:
        self._model = model
        self._coordinates = coordinates

    def answer(self, question: str, image: bytes) -> str:
        """Answer a question about a PNG image."""
        picture = {"type": "image", "base64": base64.b64encode(image).decode(), "mime_type": "image/png"}
        reply = self._model.invoke([HumanMessage([{"type": "text", "text": question}, picture])])
        return str(reply.text)

    def locate(self, target: str, image: bytes) -> list[PixelBox]:
        """Every place where `target` is seen in a PNG image.

        Raises:
            ToolError: The reply is not a list of boxes.
        """
        form = (
            f"a JSON list of boxes [left, top, right, bottom] in {self._coordinates} of the image, [] if there is none"
        )
        reply = self.answer(f"Find every place where this is seen: {target}. Answer only with {form}.", image)
        boxes = _read_boxes(reply)
        if self._coordinates == "pixels":
            return [PixelBox(*(round(edge) for edge in box)) for box in boxes]
        with optional("PIL.Image", "reading images").open(io.BytesIO(image)) as picture:
            width, height = picture.size
        scale = (width, height, width, height)
        return [PixelBox(*(round(edge * s / _RELATIVE) for edge, s in zip(box, scale, strict=True))) for box in boxes]


def _read_boxes(reply: str) -> list[list[float]]:
    found = _LIST.search(reply)
    try:
        value: Any = json.loads(found.group()) if found else None
    except ValueError:
        value = None
    if _is_box(value):
        value = [value]
    if not isinstance(value, list) or not all(map(_is_box, value)):
        msg = f'the vision model gave no boxes but "{short(reply)}"; ask for a simpler thing'
        raise ToolError(msg)
    return value


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == _EDGES and all(type(edge) in {int, float} for edge in value)
