"""Oracles of the tasks that are solved by clicking what the instruction names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracer1_agents.data.miniwob.desk import Desk, Moves

_ORDER = {"1st": 0, "2nd": 1, "3rd": 2}


def quoted(text: str) -> list[str]:
    """What stands in double quotes."""
    return re.findall(r'"([^"]*)"', text)


def click_test(desk: Desk) -> Moves:
    """The one button, or the one called ONE."""
    yield from desk.click("#subbtn")


def click_button(desk: Desk) -> Moves:
    """The button with the quoted label."""
    yield from desk.click("#area button", quoted(desk.utterance)[0])


def click_button_sequence(desk: Desk) -> Moves:
    """ONE, then TWO."""
    yield from desk.click("#subbtn")
    yield from desk.click("#subbtn2")


def click_link(desk: Desk) -> Moves:
    """The link with the quoted word."""
    yield from desk.click(".alink", quoted(desk.utterance)[0])


def click_dialog(desk: Desk) -> Moves:
    """The x of the dialog."""
    yield from desk.click(".ui-dialog-titlebar-close")


def click_dialog_2(desk: Desk) -> Moves:
    """The quoted button of the dialog, the x among them."""
    label = quoted(desk.utterance)[0]
    if label == "x":
        yield from desk.click(".ui-dialog-titlebar-close")
    else:
        yield from desk.click(".ui-dialog-buttonset button", label)


def click_option(desk: Desk) -> Moves:
    """One radio button, then Submit."""
    wanted = desk.utterance.removeprefix("Select ").removesuffix(" and click Submit.")
    yield from desk.click("#boxes input", wanted)
    yield from desk.click("#subbtn")


def click_checkboxes(desk: Desk) -> Moves:
    """Every named checkbox, then Submit."""
    said = desk.utterance.removeprefix("Select ").removesuffix(" and click Submit.")
    wanted = said.split(", ")
    for node in desk.nodes("#area input[type=checkbox]"):
        if node.text in wanted:
            yield from desk.click(f"#{node.id}")
    yield from desk.click("#subbtn")


def click_widget(desk: Desk) -> Moves:
    """Any widget of the quoted kind."""
    yield from desk.click(f"#area [data-type={quoted(desk.utterance)[0]}]")


def click_color(desk: Desk) -> Moves:
    """The box of the colour."""
    colour = desk.utterance.removeprefix("Click on the ").removesuffix(" colored box.")
    yield from desk.click(f"#area [data-color={colour}]")


def click_tab(desk: Desk) -> Moves:
    """The tab with the number."""
    yield from desk.click("#area ul a", desk.utterance.removeprefix("Click on ").removesuffix("."))


def click_tab_2(desk: Desk) -> Moves:
    """Tabs from the first, until the link shows."""
    word = quoted(desk.utterance)[0]
    for number in range(1, len(desk.nodes("#area ul a")) + 1):
        if desk.shown(".alink", word):
            break
        if number > 1:
            yield from desk.click(f'#area ul a[href="#tabs-{number}"]')
    yield from desk.click(".alink", word)


def click_collapsible(desk: Desk) -> Moves:
    """Expand, submit."""
    yield from desk.click("#area h3")
    yield from desk.click("#subbtn")


def click_collapsible_2(desk: Desk) -> Moves:
    """Sections from the first, until the link shows."""
    word = quoted(desk.utterance)[0]
    for number in range(len(desk.nodes("#area h3"))):
        yield from desk.click(f"#area h3:nth-of-type({number + 1})")
        if desk.shown(".alink", word):
            break
    yield from desk.click(".alink", word)


def focus_text(desk: Desk) -> Moves:
    """The only field, or the one with the number."""
    found = re.search(r"(1st|2nd|3rd) input", desk.utterance)
    index = _ORDER[found[1]] if found else 0
    yield from desk.click(desk.shown("#area input")[index])


def grid_coordinate(desk: Desk) -> Moves:
    """The point of the grid."""
    place = desk.utterance.removeprefix("Click on the grid coordinate ").removesuffix(".")
    yield from desk.click(next(node for node in desk.nodes("circle") if node.id == place))


def identify_shape(desk: Desk) -> Moves:
    """The button for what is drawn."""
    shown = desk.nodes("#area_svg > *")[0]
    kinds = {"rect": "rectangle", "circle": "circle", "polygon": "triangle"}
    kind = kinds.get(shown.name) or ("digit" if shown.text.isdigit() else "letter")
    yield from desk.click(f"#area-buttons [data-type={kind}]")


def odd_or_even(desk: Desk) -> Moves:
    """One of two buttons for each number, then Submit."""
    for row, node in enumerate(desk.nodes(".display-number")):
        kind = "odd" if int(node.text) % 2 else "even"
        yield from desk.click(desk.nodes(f".{kind}")[row])
    yield from desk.click("#submit")


def ascending_numbers(desk: Desk) -> Moves:
    """1 to 5 in their order; from the second on they are covered, so their places are kept."""
    places = sorted(desk.nodes("#area_svg text"), key=lambda node: int(node.text))
    for node in places:
        yield from desk.click(node)


def buy_ticket(desk: Desk) -> Moves:
    """The flight that is cheapest, dearest, shortest or longest."""
    tickets = desk.nodes(".buy-ticket")
    prices = [int(node.data["price"]) for node in tickets]
    lengths = [int(node.data["duration"]) for node in desk.nodes(".time-duration")]
    by = prices if "cost" in desk.utterance else lengths
    best = min(by) if re.search("cheapest|shortest", desk.utterance) else max(by)
    yield from desk.click(tickets[by.index(best)])


def find_greatest(desk: Desk) -> Moves:
    """Turn every card, then the greatest again where it is not the open one, then Submit."""
    cards = desk.nodes(".card")
    values = [int(node.text) for node in cards]
    for index in range(len(cards)):
        yield from desk.click(desk.nodes("#cardholder > div")[index])
    best = values.index(max(values))
    if best != len(cards) - 1:
        yield from desk.click(desk.nodes("#cardholder > div")[best])
    yield from desk.click("#submit")
