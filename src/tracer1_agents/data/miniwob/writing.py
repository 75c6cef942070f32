"""Oracles of the tasks in which something is typed: names, passwords, dates, what a table says, what a sum comes to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tracer1_agents.data.miniwob.clicking import quoted

if TYPE_CHECKING:
    from tracer1_agents.data.miniwob.desk import Desk, Moves, Node


def enter_text(desk: Desk) -> Moves:
    """The quoted text, in the case that is asked for."""
    text = quoted(desk.utterance)[0]
    if "upper case" in desk.utterance:
        text = text.upper()
    elif "lower case" in desk.utterance:
        text = text.lower()
    yield from desk.fill("#tt", text)
    yield from desk.click("#subbtn")


def enter_password(desk: Desk) -> Moves:
    """The same password twice."""
    word = quoted(desk.utterance)[0]
    yield from desk.fill("#password", word)
    yield from desk.fill("#verify", word)
    yield from desk.click("#subbtn")


def enter_date(desk: Desk) -> Moves:
    """The parts of a date field in their order, month first, from a click on the month."""
    found = re.search(r"\d\d/\d\d/\d{4}", desk.utterance)
    digits = found[0].replace("/", "") if found else ""
    yield desk.clicked(desk.node("#tt"), across=0.12)
    yield desk.type(digits)
    yield from desk.click("#subbtn")


def enter_time(desk: Desk) -> Moves:
    """Hours, minutes, half of the day, from a click on the hours."""
    found = re.search(r"(\d{1,2}):(\d\d)\s*([AP]M)", desk.utterance.replace("\u202f", " "))
    text = f"{int(found[1]):02d}{found[2]}{found[3]}" if found else ""
    yield desk.clicked(desk.node("#tt"), across=0.12)
    yield desk.type(text)
    yield from desk.click("#subbtn")


def login_user(desk: Desk) -> Moves:
    """Name and password; a question in between is refused."""
    user, password = quoted(desk.utterance)[:2]
    for selector, text in (("#username", user), ("#password", password)):
        yield from desk.click(selector)
        if desk.shown("#popup-cancel"):
            yield from desk.click("#popup-cancel")
            yield from desk.click(selector)
        yield desk.type(text)
    yield from desk.click("#subbtn")


def read_table(desk: Desk) -> Moves:
    """The value beside the named key."""
    found = re.search(r"value of (.+) into", desk.utterance)
    yield from desk.fill("#tt", _cells(desk)[found[1] if found else ""])
    yield from desk.click("#subbtn")


def read_table_2(desk: Desk) -> Moves:
    """Two values, by the labels of their fields."""
    cells = _cells(desk)
    for number in (1, 2):
        key = desk.node(f"label#ll{number}").text.removesuffix(":")
        yield from desk.fill(f"#tt{number}", cells[key])
    yield from desk.click("#subbtn")


def text_transform(desk: Desk) -> Moves:
    """The letters that stand there askew."""
    yield from desk.fill("#tt", "".join(node.text for node in desk.nodes("#captcha span")))
    yield from desk.click("#subbtn")


def find_word(desk: Desk) -> Moves:
    """A word of the text by its number."""
    found = re.search(r"(\d+)(?:st|nd|rd|th) word", desk.utterance)
    words = desk.node("#area p").text.split()
    word = re.sub(r"[^a-zA-Z]", "", words[int(found[1]) - 1] if found else "")
    yield from desk.fill("#answer-input", word)
    yield from desk.click("#subbtn")


def simple_arithmetic(desk: Desk) -> Moves:
    """A sum, a difference or a product of two digits."""
    left, sign, right = desk.node("#math-problem").text.removesuffix(" =").split()
    one, other = int(left), int(right)
    result = {"+": one + other, "-": one - other, "x": one * other}[sign]
    yield from desk.fill("#math-answer", str(result))
    yield from desk.click("#subbtn")


def simple_algebra(desk: Desk) -> Moves:
    """The unknown of one equation."""
    left, sign, right, _, result = desk.node("#math-problem").text.split()
    total = int(result)
    if left == "x":
        answer = total - int(right) if sign == "+" else total + int(right)
    else:
        answer = total - int(left) if sign == "+" else int(left) - total
    yield from desk.fill("#math-answer", str(answer))
    yield from desk.click("#subbtn")


def copy_paste(desk: Desk) -> Moves:
    """All of one text area, by the keyboard, into the field."""
    found = re.search(r"(1st|2nd|3rd) text", desk.utterance)
    areas = desk.shown("#area textarea")
    area = areas[int(found[1][0]) - 1] if found else areas[0]
    yield from desk.click(area)
    yield desk.keys("ctrl", "a")
    yield desk.keys("ctrl", "c")
    yield from desk.click("#answer-input")
    yield desk.keys("ctrl", "v")
    yield from desk.click("#subbtn")


def guess_number(desk: Desk) -> Moves:
    """Halve what is left after every answer."""
    low, high = 0, 9
    while low <= high:
        guess = (low + high) // 2
        yield from desk.click("#tt")
        if desk.node("#tt").value:
            yield desk.keys("ctrl", "a")
        yield desk.type(str(guess))
        yield from desk.click("#subbtn")
        if desk.shown("#lower"):
            high = guess - 1
        elif desk.shown("#higher"):
            low = guess + 1
        else:
            return


def sign_agreement(desk: Desk) -> Moves:
    """Read to the end, sign, agree or cancel; or cancel at once."""
    if not (said := quoted(desk.utterance))[:1] or "enter the name" not in desk.utterance:
        yield from desk.click("#cancel")
        return
    while desk.evaluate("document.querySelector('#name').disabled"):
        yield desk.scroll(desk.node("#text-area"), "down")
    yield from desk.fill("#name", said[0])
    yield from desk.click(f"#{said[1].lower()}")


def multi_layouts(desk: Desk) -> Moves:
    """Three fields whose labels stand where each layout has them, then the one button."""
    genre, director, year = _film(desk.utterance)
    rows = desk.nodes("#area input[type=text]")
    for index, key in enumerate(desk.evaluate(_FIELD_LABELS)):
        text = genre if "enre" in key else director if "irector" in key else year
        yield from desk.fill(rows[index], text)
    yield from desk.click(_last_button(desk))


_FIELD_LABELS = """() => Array.from(document.querySelectorAll("#area input[type=text]")).map((field) => {
  let row = field.parentElement;
  while (!/enre|irector|ear|ate/.test(row.textContent)) row = row.parentElement;
  return row.textContent;
})"""


def _film(utterance: str) -> tuple[str, str, str]:
    """Genre, director and year of "Search for crime movies directed by Ann from year 1990."."""
    found = re.search(r"Search for (.+?) movies directed by (.+?) from year (\d+)", utterance)
    return (found[1], found[2], found[3]) if found else ("", "", "")


def _last_button(desk: Desk) -> Node:
    return desk.shown("#area button, #area .final, #area .ui-submit")[-1]


def _cells(desk: Desk) -> dict[str, str]:
    cells = [node.text for node in desk.nodes("#tab td")]
    return dict(zip(cells[::2], cells[1::2], strict=True))
