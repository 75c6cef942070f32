"""Oracles of the tasks in which something is dragged or scrolled."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracer1_agents.data.miniwob.desk import Desk, Moves

_TAGS = {"rectangles": "rect:not(#shape-container)", "circles": "circle", "triangles": "polygon"}


def drag_box(desk: Desk) -> Moves:
    """The small box into the middle of the large one, where it lies above it or can be seen beside it."""
    small, large = desk.node("#draggableSmall"), desk.node("#draggableLarge")
    if _covers(large.box, small.at()):
        # the large one lies on top: it goes to the small one instead, and the next look is at what that gave
        yield desk.drag(large, (large.at()[0], small.at()[1] + large.box[3] / 2 + small.box[3]), "away")
        small, large = desk.node("#draggableSmall"), desk.node("#draggableLarge")
    yield desk.drag(small, large.at(), "into the larger box")
    yield from desk.click("#subbtn")


def drag_items(desk: Desk) -> Moves:
    """One entry of a list to another place."""
    found = re.search(r"Drag (\S+) (.+)", desk.utterance)
    items = desk.nodes("#sortable li")
    index = next(index for index, node in enumerate(items) if found and node.text == found[1])
    said = found[2] if found else ""
    number = re.search(r"(\d)(?:st|nd|rd|th)", said)
    to = int(number[1]) - 1 if number else index + (1 if "down" in said else -1)
    to = 0 if "top" in said else len(items) - 1 if "bottom" in said else to
    yield desk.drag(items[index], _slot(items[to].box, after=to > index), said.rstrip("."))


def drag_sort_numbers(desk: Desk) -> Moves:
    """The smallest of the rest to the top of the rest, until it is sorted."""
    for place in range(len(desk.nodes("#sortable li"))):
        items = desk.nodes("#sortable li")
        values = [int(node.text) for node in items]
        index = min(range(place, len(values)), key=values.__getitem__)
        if index != place:
            yield desk.drag(items[index], _slot(items[place].box, after=False), f"to place {place + 1}")
    yield from desk.click("#subbtn")


def drag_shapes(desk: Desk) -> Moves:
    """Every shape of the kind into the box, side by side."""
    found = re.search(r"Drag all (\w+) into", desk.utterance)
    selector = _TAGS[found[1] if found else "circles"]
    box = desk.node("#shape-container")
    count = len(desk.nodes(selector))
    for index in range(count):
        node = desk.nodes(selector)[index]
        yield desk.drag(node, box.at((index + 1) / (count + 1), 0.5), "into the black box")
    yield from desk.click("#subbtn")


def resize_textarea(desk: Desk) -> Moves:
    """Its corner outwards or inwards."""
    way = 1 if "larger" in desk.utterance else -1
    grip = desk.node(".ui-resizable-se")
    dx, dy = (way * 12, 0) if "width" in desk.utterance else (0, way * 12)
    x, y = grip.at()
    yield desk.drag(grip, (x + dx, y + dy), "larger" if way > 0 else "smaller")
    yield from desk.click("#submit")


def scroll_text(desk: Desk) -> Moves:
    """To the end or the beginning of a text."""
    down = "bottom" in desk.utterance
    for _ in range(40):
        top, room = desk.evaluate(_ROOM)
        if (room - top if down else top) < 1:
            break
        yield desk.scroll(desk.node("#text-area"), "down" if down else "up")
    yield from desk.click("#subbtn")


_ROOM = """() => {
  const area = document.querySelector("#text-area");
  return [area.scrollTop, area.scrollHeight - area.clientHeight];
}"""


def _slot(box: tuple[float, float, float, float], *, after: bool) -> tuple[float, float]:
    """A place that makes a sortable list put an entry where this one is."""
    left, top, width, height = box
    return left + width / 2, top + height * (0.75 if after else 0.25)


def _covers(box: tuple[float, float, float, float], place: tuple[float, float]) -> bool:
    left, top, width, height = box
    return left <= place[0] <= left + width and top <= place[1] <= top + height
