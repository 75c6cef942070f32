"""Pictures on their way through tool bridges: data URLs as arguments, content blocks as results, PIL images in between.

Formats and sizes are those of `pictures`; nothing is read from disk.
"""

from __future__ import annotations

import base64
import io
from typing import Any

from tracer1_agents.errors import ToolError
from tracer1_agents.pictures import opened


def picture_of(text: str) -> Any:
    """The PIL image in a data URL, or in bare base64.

    Raises:
        MissingExtraError: Pillow is not installed.
        ToolError: There is none in it, or one too large.
    """
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        with opened(io.BytesIO(base64.b64decode(encoded, validate=True)), feature="a picture as an argument") as image:
            return image.copy()
    except (OSError, ValueError) as error:
        msg = f"expected a picture as a data URL (data:image/png;base64,...), got {text[:40]!r}: {error}"
        raise ToolError(msg) from error


def block_of(picture: Any) -> dict[str, str]:
    """A PIL image, or smolagents' picture, as a content block of a tool message (PNG)."""
    raw = picture.to_raw() if hasattr(picture, "to_raw") else picture
    buffer = io.BytesIO()
    raw.save(buffer, format="PNG")
    return {"type": "image", "base64": base64.b64encode(buffer.getvalue()).decode(), "mime_type": "image/png"}


def data_url_of(picture: Any) -> str:
    """The same as a data URL."""
    block = block_of(picture)
    return f"data:{block['mime_type']};base64,{block['base64']}"


def first_picture(content: Any) -> Any:
    """The PIL image in a tool's content blocks.

    Raises:
        ToolError: No block holds one.
    """
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict) and block.get("type") == "image" and "base64" in block:
            return picture_of(block["base64"])
        if isinstance(block, dict) and block.get("type") == "image_url":
            return picture_of(block["image_url"]["url"])
    msg = "the tool returned no picture"
    raise ToolError(msg)
