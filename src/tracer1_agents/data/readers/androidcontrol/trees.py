"""The accessibility trees of AndroidControl's release: ``AndroidAccessibilityForest`` of google-deepmind/android_env.

    Forest { 1: Window }    Window { 11: Tree }    Tree { 1: Node }    Rect { 1: left, 2: top, 3: right, 4: bottom }
    Node { 2: bounds, a Rect   4: content description   7: text   23: visible to the user }

Kept are elements as UGround's evaluation keeps them (``extract_raw.py``): with a text or a description, visible, and
with something of them on the screen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.targets import clipped
from tracer1_agents.data.readers.wire import BYTES, VARINT, fields, integers, messages
from tracer1_agents.types import ScreenNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer1_agents.actions.coordinates import Size
    from tracer1_agents.actions.targets import Box

_WINDOWS, _TREE, _NODES = 1, 11, 1
_BOUNDS, _DESCRIPTION, _TEXT, _VISIBLE = 2, 4, 7, 23
_SIDES: Final = 4


def named_nodes(forest: memoryview, screen: Size) -> Iterator[ScreenNode]:
    """The elements of a screen that say something.

    Args:
        forest: The message.
        screen: In pixels.

    Raises:
        RecordError: It is no such message, or cut off.
    """
    for window in messages(forest, _WINDOWS):
        for tree in messages(window, _TREE):
            for node in messages(tree, _NODES):
                yield from _named(node, screen)


def _named(node: memoryview, screen: Size) -> Iterator[ScreenNode]:
    bounds, texts, visible = memoryview(b""), {}, False
    for field, wire, content in fields(node):
        if field == _BOUNDS and wire == BYTES:
            bounds = content
        elif field in {_TEXT, _DESCRIPTION} and wire == BYTES:
            texts[field] = str(content, "utf-8", "replace").strip()
        elif field == _VISIBLE and wire == VARINT:
            visible = any(integers(content))
    text = "\n".join(texts[field] for field in (_TEXT, _DESCRIPTION) if texts.get(field))
    if visible and text and (box := _box(bounds, screen)):
        yield ScreenNode(box, text)


def _box(bounds: memoryview, screen: Size) -> Box | None:
    """A side that is 0 is not written."""
    corners = [0.0] * _SIDES
    for side, wire, content in fields(bounds):
        if wire == VARINT and 1 <= side <= _SIDES:
            corners[side - 1] = float(next(integers(content)))
    return clipped(corners, screen)
