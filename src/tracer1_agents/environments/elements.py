"""What is on a page, as text: the eyes of a planner without pictures.

A script in the page lists what a person could see or use; here its answer becomes `actions.elements`, numbered from 1,
boxes in pixels of the screenshot. A page may answer nonsense, so everything is checked and cut. Passwords show their
length only. Drop-down lists are followed by a line with their entries; a last line says where the page goes on.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from tracer1_agents.actions.elements import Element, render_elements
from tracer1_agents.actions.space import encodable

LIST_SCRIPT: Final = (files(__package__) / "elements.js").read_text(encoding="utf-8")
_LONGEST: Final = 200  # characters of a name or value
_MOST: Final = 400  # elements: a page with more is scrolled


@dataclass(frozen=True)
class PageElements:
    """The visible part of a page.

    Attributes:
        elements: In document order.
        options: Entries of drop-down lists, by the id of their element.
        more: Directions ("up", "down") in which the page goes on.
    """

    elements: tuple[Element, ...] = ()
    options: tuple[tuple[str, tuple[str, ...]], ...] = ()
    more: tuple[str, ...] = ()

    def text(self) -> str:
        """As the planner reads it."""
        entries = dict(self.options)
        lines: list[str] = []
        for element in self.elements:
            lines.append(render_elements([element]))
            if element.id in entries:
                lines.append(f"    options: {json.dumps(entries[element.id], ensure_ascii=False)}")
        if self.more:
            lines.append(f"(the page goes on: scroll {' or '.join(self.more)})")
        return "\n".join(lines)


def read_page(answer: dict[str, Any], scale: float = 1.0) -> PageElements:
    """What the page's script answered.

    Args:
        answer: From `LIST_SCRIPT`.
        scale: Pixels of the screenshot per CSS pixel.
    """
    raw = answer["elements"][:_MOST]
    elements = tuple(_element(str(number), item, scale) for number, item in enumerate(raw, start=1))
    options = tuple(
        (str(number), tuple(_clean(option) for option in item["options"]))
        for number, item in enumerate(raw, start=1)
        if item["options"]
    )
    return PageElements(elements, options, tuple(word for word in answer["more"] if word in {"up", "down"}))


def _element(number: str, item: dict[str, Any], scale: float) -> Element:
    left, top, width, height = (float(side) * scale for side in item["box"])
    return Element(
        id=number,
        role=re.sub(r"[^\w-]", "", str(item["role"]))[:40] or "text",
        name=_clean(item["name"]),
        value=_clean(item["value"]),
        box=_edges(left, top, width, height),
        states=tuple(word for state in item["states"] if (word := re.sub(r"\W", "", str(state)))),
    )


def _edges(left: float, top: float, width: float, height: float) -> tuple[int, int, int, int]:
    """Whole pixels, at least one of them."""
    x, y = round(left), round(top)
    return x, y, max(x + 1, round(left + width)), max(y + 1, round(top + height))


def _clean(text: Any) -> str:
    """One line that files can hold; what else a page says stays as it is, for it is quoted."""
    return encodable(" ".join(str(text)[:_LONGEST].split()))
