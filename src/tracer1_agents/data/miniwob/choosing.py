"""Oracles of the tasks in which something is chosen: lists, menus, trees, dates, sliders, spinners."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from tracer1_agents.data.miniwob.clicking import quoted

if TYPE_CHECKING:
    from tracer1_agents.data.miniwob.desk import Desk, Moves, Node

_ORDER = {"1st": 0, "2nd": 1, "3rd": 2}


def choose_list(desk: Desk) -> Moves:
    """One entry of a drop-down list."""
    wanted = desk.utterance.removeprefix("Select ").removesuffix(" from the list and click Submit.")
    yield desk.choose(desk.node("#options"), wanted)
    yield from desk.click("#area button")


def click_scroll_list(desk: Desk) -> Moves:
    """One or two entries of an open list."""
    wanted = desk.utterance.removeprefix("Select ").removesuffix(" from the scroll list and click Submit.")
    for option in wanted.split(", "):
        yield desk.choose(desk.node("#options"), option)
    yield from desk.click("#area button")


def click_menu(desk: Desk) -> Moves:
    """Along the path: the pointer opens what is on the way, a click takes the last."""
    *way, last = desk.utterance.removeprefix("Select ").split(">")
    for depth, name in enumerate(way):
        yield desk.hover(desk.node("#menu li > div", name))
        following = [*way, last][depth + 1]
        if not desk.shown("#menu li > div", following):
            yield desk.wait()
    yield desk.clicked(desk.node("#menu li > div", last))


def navigate_tree(desk: Desk) -> Moves:
    """Open folders from the top until the name shows."""
    name = quoted(desk.utterance)[0]
    opened: set[int] = set()
    while not (found := desk.shown("#tree span", name)):
        folders = desk.nodes("#tree span.folder")
        index = next(index for index, node in enumerate(folders) if node.shown and index not in opened)
        opened.add(index)
        yield desk.clicked(folders[index])
    yield desk.clicked(found[0])


def use_autocomplete(desk: Desk) -> Moves:
    """Type the beginning, take the first suggestion that ends as it should."""
    start, *rest = quoted(desk.utterance)
    end = rest[0] if rest else ""
    yield from desk.fill("#tags", start)

    def suggested() -> list[Node]:
        found = desk.shown(".ui-menu-item-wrapper") or desk.shown(".ui-menu-item")
        return [node for node in found if node.text.startswith(start) and node.text.endswith(end)]

    if not suggested():
        yield desk.wait()
    yield from desk.click(lambda: suggested()[0])
    yield from desk.click("#subbtn")


def choose_date(desk: Desk) -> Moves:
    """Back month by month in the calendar, then the day."""
    found = re.search(r"(\d\d)/(\d\d)/(\d{4})", desk.utterance)
    wanted = dt.date(int(found[3]), int(found[1]), 1) if found else dt.date.min
    yield from desk.click("#datepicker")
    for _ in range(24):
        shown = _month(desk)
        if shown == wanted:
            break
        yield from desk.click(".ui-datepicker-prev" if shown > wanted else ".ui-datepicker-next")
    yield from desk.click(".ui-datepicker-calendar td a", str(int(found[2])) if found else "")
    yield from desk.click("#subbtn")


def use_slider(desk: Desk) -> Moves:
    """Near it with the pointer, the rest with the arrow keys."""
    found = re.search(r"-?\d+", desk.utterance)
    yield from _slide(desk, int(found[0]) if found else 0)
    yield from desk.click("#subbtn")


def use_spinner(desk: Desk) -> Moves:
    """Up or down, one at a time."""
    found = re.search(r"Select (-?\d+)", desk.utterance)
    wanted = int(found[1]) if found else 0
    way = ".ui-spinner-up" if wanted > 0 else ".ui-spinner-down"
    for _ in range(abs(wanted)):
        yield from desk.click(way)
    yield from desk.click("#subbtn")


def form_sequence(desk: Desk) -> Moves:
    """A slider, a checkbox by its number, Submit."""
    found = re.search(r"Select (-?\d+) .* (1st|2nd|3rd) checkbox", desk.utterance)
    yield from _slide(desk, int(found[1]) if found else 0)
    yield from desk.click(f"#checkbox-{_ORDER[found[2]] + 1 if found else 1}")
    yield from desk.click("#subbtn")


def form_sequence_2(desk: Desk) -> Moves:
    """A radio button by its number, a number into a field by its number."""
    found = re.search(r"(1st|2nd|3rd) radio .* (1st|2nd|3rd) textbox", desk.utterance)
    radio, field = (_ORDER[found[1]], _ORDER[found[2]]) if found else (0, 0)
    yield from desk.click(desk.nodes("#area input[type=radio]")[radio])
    yield from desk.fill(f"#input-{field + 1}", quoted(desk.utterance)[0])
    yield from desk.click("#subbtn")


def form_sequence_3(desk: Desk) -> Moves:
    """An entry of a list that the page draws itself, then a button."""
    found = re.search(r"Choose (.+) from the dropdown", desk.utterance)
    wanted = found[1] if found else ""
    yield from desk.click(".selectric")
    for _ in range(4):
        entry, box = desk.node(".selectric-items li", wanted), desk.node(".selectric-scroll, .selectric-items")
        if entry.at()[1] < box.at(0, 1)[1]:
            break
        yield desk.scroll(box, "down")
    yield from desk.click(".selectric-items li", wanted)
    yield from desk.click("#buttons button", quoted(desk.utterance)[0])


_SLIDER = """() => {
  const slider = $("#slider");
  return [slider.slider("value"), slider.slider("option", "min"), slider.slider("option", "max"),
          slider.slider("option", "orientation") === "vertical"];
}"""


def _slide(desk: Desk, wanted: int) -> Moves:
    value, low, high, upright = desk.evaluate(_SLIDER)
    share = (wanted - low) / (high - low)
    if value != wanted:
        bar = desk.node("#slider")
        place = bar.at(0.5, 1 - share) if upright else bar.at(share, 0.5)
        yield desk.drag(desk.node("#slider .ui-slider-handle"), place, f"to {wanted}")
    while (value := desk.evaluate(_SLIDER)[0]) != wanted:
        yield desk.keys("right" if value < wanted else "left")


def _month(desk: Desk) -> dt.date:
    said = f"{desk.node('.ui-datepicker-month').text} {desk.node('.ui-datepicker-year').text}"
    return dt.datetime.strptime(said, "%B %Y").replace(tzinfo=dt.UTC).date()
