"""What can be acted on: the elements of a screen as a flat list, one line each.

    [12] button "Search" (640, 20, 720, 52)
    [13] textbox "Query" = "cats" (100, 20, 630, 52) focused

An accessibility tree, a page's DOM or text recognition gives such a list; text planners read the lines and grounders
match them. Names and values are JSON strings, so that reading gives back what was written. Lines of any other form are
no elements and are passed over: the same text may hold a title or an address. The JSON form is a list of objects with
the same fields.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tracer1_agents.actions.space import Point, Text
from tracer1_agents.actions.targets import clipped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracer1_agents.actions.coordinates import Size

PASSWORD_ROLE: Final = "password"  # noqa: S105  (the role of a field whose text is hidden, whatever its source calls it)
FOCUSED: Final = "focused"  # the state of the element that typed text goes to

_Word = Annotated[str, Field(pattern=r"^[^\s\[\]()\"=]{1,80}$")]
PixelEdges = tuple[int, int, int, int]

_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_LINE: Final = re.compile(
    rf"\s*\[(?P<id>[^\s\[\]]+)\] (?P<role>[^\s\"]+) (?P<name>{_STRING})(?: = (?P<value>{_STRING}))?"
    r" \((?P<box>-?\d{1,6}, -?\d{1,6}, -?\d{1,6}, -?\d{1,6})\)(?P<states>(?: [^\s()]+)*)\s*"
)


class Element(BaseModel):
    """One thing on the screen.

    Attributes:
        id: What it is called in the list, unique there; a text planner may name it.
        role: What it is, in one word: button, link, textbox, password, checkbox, option, text, ...
        name: What it is labelled.
        value: What it holds: text of a field, the chosen entry of a list.
        box: Left, top, right and bottom in pixels of the screenshot; it may reach beyond the screen.
        states: Words such as focused, checked, disabled.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: _Word
    role: _Word
    name: Text = ""
    value: Text = ""
    box: PixelEdges
    states: tuple[_Word, ...] = ()

    def centre(self, size: Size) -> Point | None:
        """The middle of what shows of it, as fractions of a screen of `size`; None when nothing shows."""
        shown = clipped(self.box, size)
        return Point((shown[0] + shown[2]) / 2, (shown[1] + shown[3]) / 2) if shown else None


_LIST: Final[TypeAdapter[tuple[Element, ...]]] = TypeAdapter(tuple[Element, ...])


def element_at(elements: Iterable[Element], x: float, y: float) -> Element | None:
    """The smallest element whose box holds a pixel."""
    here = (one for one in elements if one.box[0] <= x <= one.box[2] and one.box[1] <= y <= one.box[3])
    return min(here, key=lambda one: (one.box[2] - one.box[0]) * (one.box[3] - one.box[1]), default=None)


def render_elements(elements: Iterable[Element]) -> str:
    """The list as text, one line an element."""
    return "\n".join(_line(element) for element in elements)


_BRIEF: Final = 60  # characters of a name or value, as step instructions have them
_CONTAINERS: Final = frozenset({"tablist", "tabpanel", "dialog"})  # what is in them is listed by itself
_ENTRIES: Final = "    options: "


def in_brief(text: str) -> str:
    """An observation's text for a planner that never says where: elements without boxes and quotes.

    A line is what a step instruction calls the element, `button Submit [3]`, with value and states behind it. Entries
    of lists are left out, and so are containers whose parts are listed: those of some roles, and what holds nothing but
    the element after it (a cell with a link), whose line then has the states of both. Other lines stay.

    Args:
        text: With a list of elements as `render_elements` writes it.
    """
    lines: list[str] = []
    around: tuple[str, ...] = ()
    raw = [line for line in text.split("\n") if not line.startswith(_ENTRIES)]
    elements = [_element(match) if (match := _LINE.fullmatch(line)) else None for line in raw]
    for line, element, following in zip(raw, elements, [*elements[1:], None], strict=True):
        if element is None:
            lines.append(line)
        elif following is not None and _only_holds(element, following):
            around = (*around, *element.states)
            continue
        elif element.role not in _CONTAINERS:
            value = f" = {element.value[:_BRIEF]}" if element.value else ""
            lines.append(" ".join([f"{called(element)}{value}", *dict.fromkeys([*around, *element.states])]))
        around = ()
    return "\n".join(lines)


def _only_holds(element: Element, other: Element) -> bool:
    """Whether an element says the same as one that lies in it."""
    (left, top, right, bottom), (begin, head, end, foot) = element.box, other.box
    return element.name == other.name != "" and left <= begin and top <= head and end <= right and foot <= bottom


def called(element: Element) -> str:
    """What a step instruction calls an element: role, name, id."""
    name = f" {element.name[:_BRIEF]}" if element.name else ""
    return f"{element.role}{name} [{element.id}]"


def _line(element: Element) -> str:
    value = f" = {_quoted(element.value)}" if element.value else ""
    box = ", ".join(map(str, element.box))
    states = "".join(f" {state}" for state in element.states)
    return f"[{element.id}] {element.role} {_quoted(element.name)}{value} ({box}){states}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def read_elements(text: str) -> tuple[Element, ...]:
    """The elements that a text lists, as lines or as JSON; empty when there are none.

    Args:
        text: An observation's text, or a file's.
    """
    if text.lstrip().startswith("[{"):
        try:
            return _LIST.validate_json(text)
        except ValidationError:
            return ()
    found = (_LINE.fullmatch(line) for line in text.split("\n"))
    read = (_element(match) for match in found if match)
    return tuple(element for element in read if element is not None)


def _element(match: re.Match[str]) -> Element | None:
    try:
        return Element(
            id=match["id"],
            role=match["role"],
            name=json.loads(match["name"], strict=False),
            value=json.loads(match["value"], strict=False) if match["value"] else "",
            box=tuple(int(edge) for edge in match["box"].split(", ")),
            states=tuple(match["states"].split()),
        )
    except ValueError:  # a broken escape, half of a surrogate pair
        return None
