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
