"""Rehearses `examples/browser_agent.py` without a model: a server on loopback answers as UI-TARS would.

    python scripts/browser_rehearsal.py                       a MiniWoB++ task, then the shop
    python scripts/browser_rehearsal.py --site --separate     planner and grounding model apart, as two names

The server plans from the list of elements in its prompt, five steps ahead, in UI-TARS 1.5's words and coordinates:
pixels of the screenshot as the model's image processor would have resized it, which is worked out here anew and not
with the package's own frames. Its beliefs are partly wrong: it expects to order from the list of what was found, and
knows nothing of terms to accept. So some forecasts do not come true, and it re-plans. With --separate it points only
roughly, and the grounding model, asked by itself, points at the middle.

It knows these two tasks and nothing else. What it scores says nothing about any model.
"""

from __future__ import annotations

import argparse
import base64
import math
import re
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracer1_agents.actions.elements import read_elements
from tracer1_agents.testing import ScriptedServer, chat_completion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.actions.elements import Element

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

PLANNER: Final = "UI-TARS-1.5-7B"
GROUNDER: Final = "UI-TARS-1.5-7B-grounder"
HORIZON: Final = 5
_SIDE: Final = 28  # UI-TARS 1.5 resizes both sides to multiples of it
_LEAST_PIXELS: Final = 100 * 28 * 28
_OFF: Final = (-0.22, 0.3)  # of its target's width and height: how far from the middle a rough point lies
_QUOTED: Final = re.compile(r'"([^"]+)"')


class Wish(NamedTuple):
    """One step of a plan, before anybody knows where.

    Attributes:
        call: In UI-TARS' words; {point} is where its target shows.
        why: The step instruction.
        target: Name of the element, "" where there is none.
        roles: What the element may be.
    """

    call: str
    why: str
    target: str = ""
    roles: tuple[str, ...] = ()


def resized(width: int, height: int) -> tuple[int, int]:
    """The size in which UI-TARS 1.5 counts the pixels of a screenshot (its README; no screen here is too large)."""
    sides = round(width / _SIDE) * _SIDE, round(height / _SIDE) * _SIDE
    if sides[0] * sides[1] >= _LEAST_PIXELS:
        return sides
    grow = math.sqrt(_LEAST_PIXELS / (width * height))
    return math.ceil(width * grow / _SIDE) * _SIDE, math.ceil(height * grow / _SIDE) * _SIDE


def click(target: str, why: str, *roles: str) -> Wish:
    """A click on something."""
    return Wish("click({point})", why, target, roles)


class UiTars(ScriptedServer):
    """The server.

    Args:
        rough: Whether planned points lie beside the middle of their targets.
        lasts: Requests after which it answers no more, None: for ever.
    """

    def __init__(self, *, rough: bool = False, lasts: int | None = None) -> None:
        super().__init__([self._answer])
        self.rough, self.lasts = rough, lasts
        self.pages["/v1/models"] = {"object": "list", "data": [{"id": name} for name in (PLANNER, GROUNDER)]}
        self.elements: Sequence[Element] = ()

    def _answer(self, body: Any) -> Any:
        if self.lasts is not None and len(self.asked) > self.lasts:
            return "drop"
        parts = [part for message in body["messages"] for part in _parts(message["content"])]
        text = "\n".join(part["text"] for part in parts if part["type"] == "text")
        size = _size_of(next(part["image_url"]["url"] for part in parts if part["type"] == "image_url"))
        if "Find the place on the screen" in text:
            return chat_completion(self._place(text.rpartition("## User Instruction")[2], size), model=body["model"])
        self.elements = read_elements(text)
        wishes = miniwob_plan(text, self.elements) if "Kettle" not in text else shop_plan(text, self.elements)
        return chat_completion(self._written(wishes[:HORIZON], size), model=body["model"])

    def _written(self, wishes: Sequence[Wish], size: tuple[int, int]) -> str:
        lines = ["Observation: the page as listed"]
        for wish in wishes:
            found = self._find(wish.target, wish.roles) if wish.target else None
            off = _OFF if self.rough else (0.0, 0.0)
            point = f"start_box='({_shown(_spot(found, off), size)})'" if found else ""
            lines += [f"Thought: {wish.why}", f"Action: {wish.call.format(point=point)}"]
        return "\n".join(lines).replace("(, ", "(")

    def _place(self, instruction: str, size: tuple[int, int]) -> str:
        quoted = _QUOTED.search(instruction)
        found = self._find(quoted[1], ()) if quoted else None
        return f"Action: click(start_box='({_shown(_spot(found, (0, 0)), size)})')" if found else "I cannot find it."

    def _find(self, name: str, roles: Sequence[str]) -> Element | None:
        """The element of that name; where only a text says it, that is none."""
        fitting = [one for one in self.elements if one.name == name and one.role != "text"]
        return next((one for one in fitting if not roles or one.role in roles), None)


def _spot(element: Element, off: tuple[float, float]) -> tuple[float, float]:
    left, top, right, bottom = element.box
    return (left + right) / 2 + off[0] * (right - left), (top + bottom) / 2 + off[1] * (bottom - top)


def _shown(spot: tuple[float, float], size: tuple[int, int]) -> str:
    """Pixels of the screenshot as the model counts them."""
    return ",".join(str(round(at * seen / real)) for at, seen, real in zip(spot, resized(*size), size, strict=True))


def _parts(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _size_of(url: str) -> tuple[int, int]:
    """Width and height of a PNG inside an address."""
    width, height = struct.unpack(">II", base64.b64decode(url.partition(",")[2][:44])[16:24])
    return width, height


_DONE: Final = Wish("finished(content='The order is placed.')", "The order is placed.")


def miniwob_plan(text: str, elements: Sequence[Element]) -> list[Wish]:
    """Tick what the task names, then submit."""
    if "The episode is over" in text.rpartition("What you see now")[2]:
        return [Wish("finished(content='')", "The boxes are submitted.")]
    asked = re.search(r"Select (.*?) and click Submit", text)
    names = [name.strip() for name in asked[1].split(",")] if asked else []
    ticked = {one.name for one in elements if "checked" in one.states}
    wishes = [click(name, f'Tick the box "{name}".', "checkbox") for name in names if name not in ticked]
    return [*wishes, click("Submit", 'Press "Submit".'), Wish("finished(content='')", "The boxes are submitted.")]


def shop_plan(text: str, elements: Sequence[Element]) -> list[Wish]:
    """What it believes will lead to the order, from where it is."""
    task = re.search(r'Order (\d+) of "(.+?)" in this shop, for (.+?), with (\w+) delivery', text)
    if task is None:
        return [Wish("finished(status='infeasible')", "This is no task that I know.")]
    quantity, product, name, delivery = task.groups()
    seen = text.rpartition("What you see now")[2]
    place = click("Place order", 'Press "Place order".', "button")
    form = [
        click("Name", 'Click the field "Name".', "textbox"),
        Wish(f"type(content='{name}')", f'Type the name "{name}".'),
        click(delivery.capitalize(), f'Choose "{delivery.capitalize()}" delivery.', "radio"),
    ]
    if "Page: Your order" in seen:
        return _order_plan(seen, elements, [*form[_form_done(elements, name, delivery) :], place])
    if "Quantity" in seen:
        chosen = next((one.value for one in elements if one.name == "Quantity"), "")
        select = Wish(f"select({{point}}, option='{quantity}')", f'Choose {quantity} in "Quantity".', "Quantity")
        return [*([] if chosen == quantity else [select]), click("Order", 'Press "Order".', "button"), *form, place]
    if f'link "{product}"' in seen:
        return [click(product, f'Open "{product}".', "link"), click("Order", 'Press "Order".', "button"), *form]
    return [_DONE] if "Thank you" in seen else [*_search_plan(elements, product), *form, place]


def _order_plan(seen: str, elements: Sequence[Element], believed: list[Wish]) -> list[Wish]:
    """On the form: what was believed, until the form itself says that terms are to be accepted."""
    if "Please accept" not in seen:
        return [*believed, _DONE]
    ticked = any("checked" in one.states for one in elements if one.role == "checkbox")
    terms = [] if ticked else [click("I accept the terms", 'Tick "I accept the terms".', "checkbox")]
    return [*terms, believed[-1], _DONE]


def _search_plan(elements: Sequence[Element], product: str) -> list[Wish]:
    """Search, and the belief that is wrong: that the list of what was found has a button for each."""
    query = " ".join(product.replace(",", "").split()[:2])
    field = next((one for one in elements if one.name == "Search"), None)
    focused = field is not None and "focused" in field.states
    search = [
        click("Search", 'Click the field "Search".', "textbox"),
        Wish(f"type(content='{query}\\n')", f'Search for "{query}".'),
    ]
    return [*search[focused:], click(f"Order {product}", f'Press "Order" beside "{product}".')]


def _form_done(elements: Sequence[Element], name: str, delivery: str) -> int:
    """How many steps of the form are done."""
    field = next((one for one in elements if one.name == "Name" and one.role == "textbox"), None)
    chosen = any(one.name == delivery.capitalize() and "checked" in one.states for one in elements)
    typed = field is not None and field.value == name
    return 3 if typed and chosen else 2 if typed else int(field is not None and "focused" in field.states)


def main() -> int:
    """Serve, and run the example against it."""
    import browser_agent  # noqa: PLC0415  (beside this folder)

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--separate", action="store_true", help="a grounding model of its own, and rough plans")
    known, rest = parser.parse_known_args()
    server = UiTars(rough=known.separate)
    grounding = ["--grounder-model", GROUNDER, "--grounder-profile", "ui-tars-1.5"] if known.separate else []
    try:
        given = ["--base-url", server.url, "--model", PLANNER, "--profile", "ui-tars-1.5", *grounding, *rest]
        code: int = browser_agent.main(given)
        return code
    finally:
        server.close()


if __name__ == "__main__":
    sys.exit(main())
