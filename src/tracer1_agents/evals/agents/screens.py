"""Screenshots and elements as benchmarks hand them over, in this package's own types."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.elements import FOCUSED, Element, render_elements
from tracer1_agents.actions.space import encodable
from tracer1_agents.errors import DataError
from tracer1_agents.tools.images import open_picture
from tracer1_agents.tools.workspace import optional
from tracer1_agents.types import ImageRef, Observation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tracer1_agents.blobs import BlobStore

_NO_WORD = re.compile(r"[^\w\-]")
_LONGEST = 200  # characters of a name


def observation_of(screenshot: bytes | Any, blobs: BlobStore, elements: Sequence[Element] = ()) -> Observation:
    """What is seen, with the screenshot in the store.

    Args:
        screenshot: Bytes of an image file, or an array of rows of pixels (height, width, 3) of bytes.
        blobs: Where it is kept.
        elements: What is known to be on it.

    Raises:
        DataError: It is no picture.
    """
    content = bytes(screenshot) if isinstance(screenshot, bytes | bytearray | memoryview) else _png(screenshot)
    with open_picture(content, "screenshot") as picture:
        width, height = picture.size
    image = ImageRef(ref=blobs.put(content), width=width, height=height)
    return Observation(text=render_elements(elements), image=image)


def size_of(seen: Observation) -> Size:
    """The size of the screenshot, in pixels."""
    if seen.image is None:
        msg = "an observation of a benchmark always has its screenshot"
        raise AssertionError(msg)
    return Size(seen.image.width, seen.image.height)


def _png(pixels: Any) -> bytes:
    image, buffer = optional("PIL.Image", "looking at screenshots"), io.BytesIO()
    try:
        image.fromarray(pixels).convert("RGB").save(buffer, "PNG")
    except (AttributeError, TypeError, ValueError) as error:  # Pillow's for what is no array, or of other numbers
        got = f"{type(pixels).__name__} ({error})"
        msg = f"a screenshot is the bytes of an image file or an array (height, width, 3) of uint8; got {got}"
        raise DataError(msg, path="screenshot") from error
    return buffer.getvalue()


def android_elements(ui_elements: Iterable[Any]) -> list[Element]:
    """AndroidWorld's `UIElement`s (env/representation_utils.py), numbered as its `index` counts.

    Those without a box, or without a word, are left out; the numbers of the others stay.
    """
    found = []
    for number, item in enumerate(ui_elements):
        box = getattr(item, "bbox_pixels", None)
        name = getattr(item, "text", None) or getattr(item, "content_description", None) or ""
        if box is None or not (name or getattr(item, "is_editable", False)):
            continue
        edges = (int(box.x_min), int(box.y_min), int(box.x_max), int(box.y_max))
        kind = str(getattr(item, "class_name", None) or "view").rpartition(".")[2]
        states = [state for state in (FOCUSED, "checked", "selected") if getattr(item, f"is_{state}", False)]
        found.append(_element(str(number), kind, name, edges, states))
    return found


def axtree_elements(obs: Mapping[str, Any]) -> list[Element]:
    """The elements of a BrowserGym observation that have a bid and a visible box; ids are bids."""
    boxes = obs.get("extra_element_properties") or {}
    found = []
    for node in (obs.get("axtree_object") or {}).get("nodes", []):
        bid = node.get("browsergym_id")
        shown = boxes.get(bid) or {}
        if bid is None or not shown.get("bbox") or not shown.get("visibility", 1):
            continue
        left, top, width, height = (round(float(side)) for side in shown["bbox"])
        role, name, value = (str((node.get(key) or {}).get("value") or "") for key in ("role", "name", "value"))
        states = [FOCUSED] if bid == obs.get("focused_element_bid") else []
        found.append(_element(str(bid), role, name, (left, top, left + width, top + height), states, value=value))
    return found


def _element(
    number: str, role: str, name: Any, box: tuple[int, int, int, int], states: Sequence[str], *, value: str = ""
) -> Element:
    words = _NO_WORD.sub("", role).lower()[:40] or "element"
    name, value = (_line(str(text)) for text in (name, value))
    return Element(id=number, role=words, name=name, value=value, box=box, states=tuple(states))


def _line(text: str) -> str:
    return encodable(" ".join(text[:_LONGEST].split()))
