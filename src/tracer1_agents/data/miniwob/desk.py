"""What an oracle works with: the nodes of a task's page, and moves with their step instructions.

An oracle is a generator: it yields moves, and looks at the page again after each. A move names its target in the words
of the observation, `button "Submit" [3]`, since the instruction is what a grounder will be asked to find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.elements import element_at
from tracer1_agents.actions.space import Click, Drag, Hotkey, Hover, Point, Scroll, Select, Type, Wait
from tracer1_agents.errors import DataError

if TYPE_CHECKING:
    from tracer1_agents.actions.space import Action
    from tracer1_agents.actions.targets import Box
    from tracer1_agents.environments.miniwob import MiniWobEnvironment

_LONGEST: Final = 60  # characters of a name in an instruction
_SCROLLS: Final = 8
_DIGITS: Final = 3  # of a fraction: a sixth of a CSS pixel
_NODES: Final = """(selector) => Array.from(document.querySelectorAll(selector)).map((node) => {
  const box = node.getBoundingClientRect();
  const label = node.labels && node.labels.length ? node.labels[0] : node;
  const style = getComputedStyle(node);
  // a place in it that nothing else covers, the middle first
  const free = [
    [0.5, 0.5], [0.5, 0.1], [0.5, 0.9], [0.1, 0.5], [0.9, 0.5], [0.1, 0.1], [0.9, 0.9], [0.1, 0.9], [0.9, 0.1],
  ].find(([across, down]) => {
      const top = document.elementFromPoint(box.left + across * box.width, box.top + down * box.height);
      return top && node.contains(top);
    }) || [0.5, 0.5];
  return {
    free,
    text: (label.textContent || "").replace(/\\s+/g, " ").trim(),
    value: String(node.value === undefined ? "" : node.value),
    box: [box.left, box.top, box.width, box.height], checked: Boolean(node.checked), name: node.tagName.toLowerCase(),
    kind: String(node.getAttribute("class") || ""), id: node.id,
    shown: box.width > 0 && box.height > 0 && style.visibility === "visible",
    data: Object.fromEntries(Object.entries(node.dataset || {})),
    drawn: { fill: node.getAttribute("fill") || "", size: Number(style.fontSize.replace("px", "")) },
  };
})"""


@dataclass(frozen=True)
class Move:
    """One step of a demonstration.

    Attributes:
        action: Placed.
        instruction: What it does, in words.
        boxes: Where its points would be as right, in fractions of the screen.
    """

    action: Action
    instruction: str
    boxes: tuple[Box, ...] = ()


Moves = Iterator[Move]
Oracle = Callable[["Desk"], Moves]


@dataclass(frozen=True)
class Node:
    """A node of the page: its text (or its label's), attributes, box in CSS pixels, and a place that is free."""

    text: str
    value: str
    box: tuple[float, float, float, float]
    checked: bool
    name: str
    kind: str
    id: str
    shown: bool
    data: dict[str, str]
    drawn: dict[str, Any]
    free: tuple[float, float] = (0.5, 0.5)

    def at(self, across: float = 0.5, down: float = 0.5) -> tuple[float, float]:
        """A place in it, in CSS pixels; the middle by default."""
        left, top, width, height = self.box
        return left + across * width, top + down * height


class Desk:
    """A task's page, for its oracle.

    Args:
        environment: Where it runs; reset.
        part: Which of the tasks on a page with several.
    """

    def __init__(self, environment: MiniWobEnvironment, part: int = 0) -> None:
        self._environment, self._part = environment, part
        self.utterance = environment.utterances[part]

    def evaluate(self, script: str, argument: Any = None) -> Any:
        """What a script in the task's page answers."""
        return self._environment.evaluate(script, argument, self._part)

    def nodes(self, selector: str) -> list[Node]:
        """All nodes of a CSS selector, in document order."""
        shift = self._environment.parts[self._part]
        found = self.evaluate(_NODES, selector)
        for node in found:
            left, top, width, height = node["box"]
            node["box"] = (left + shift[0], top + shift[1], width, height)
        return [Node(**node) for node in found]

    def shown(self, selector: str, text: str | None = None) -> list[Node]:
        """The visible nodes, those of exactly one text where it is given."""
        return [node for node in self.nodes(selector) if node.shown and text in {None, node.text}]

    def node(self, selector: str, text: str | None = None) -> Node:
        """The first visible node.

        Raises:
            DataError: There is none: the oracle does not know this page.
        """
        found = self.shown(selector, text)
        if not found:
            msg = f"the oracle finds no {selector} {text or ''} for: {self.utterance}"
            raise DataError(msg, path=self._environment.task)
        return found[0]

    def click(self, selector: str | Node | Callable[[], Node], text: str | None = None) -> Moves:
        """Click a node's middle, scrolled to where it lies below the screen.

        Args:
            selector: CSS; a node as it was found; or what finds it again after scrolling.
            text: Its exact text, with a CSS selector.
        """
        node = self._found(selector, text)
        for _ in range(_SCROLLS):
            if isinstance(selector, Node) or node.at()[1] < self._environment.size.height - 1:
                break
            yield Move(Scroll(direction="down"), "Scroll down")
            node = self._found(selector, text)
        yield self.clicked(node, *node.free)

    def _found(self, selector: str | Node | Callable[[], Node], text: str | None) -> Node:
        if isinstance(selector, Node):
            return selector
        return self.node(selector, text) if isinstance(selector, str) else selector()

    def clicked(self, node: Node, across: float = 0.5, down: float = 0.5) -> Move:
        """One click on a node, at a place in it."""
        return Move(
            Click(point=self.point(*node.at(across, down))),
            f"Click {self.words(node, across, down)}",
            (self.box(node),),
        )

    def hover(self, node: Node) -> Move:
        """Move the pointer over a node."""
        return Move(Hover(point=self.point(*node.at())), f"Move over {self.words(node)}", (self.box(node),))

    def fill(self, selector: str | Node | Callable[[], Node], content: str) -> Moves:
        """Click a field and type."""
        yield from self.click(selector)
        yield self.type(content)

    def type(self, content: str) -> Move:
        """Type at the focus."""
        return Move(Type(content=content), f'Type "{content}"')

    def keys(self, *names: str) -> Move:
        """Press keys together."""
        return Move(Hotkey(keys=names), f"Press {'+'.join(names)}")

    def choose(self, node: Node, option: str) -> Move:
        """Choose an entry of a drop-down list."""
        words = f'Select "{option}" in {self.words(node)}'
        return Move(Select(option=option, point=self.point(*node.at())), words, (self.box(node),))

    def drag(self, node: Node, to: tuple[float, float], words: str) -> Move:
        """Drag a node's middle to a place in CSS pixels."""
        action = Drag(start=self.point(*node.at()), end=self.point(*to))
        return Move(action, f"Drag {self.words(node)} {words}")

    def wait(self) -> Move:
        """Let the page go on by itself."""
        return Move(Wait(), "Wait")

    def scroll(self, node: Node, direction: str) -> Move:
        """Scroll inside a node."""
        action = Scroll.model_validate({"direction": direction, "point": self.point(*node.at())})
        return Move(action, f"Scroll {direction} in {self.words(node)}")

    def point(self, x: float, y: float) -> Point:
        """A place in CSS pixels as fractions of the screen, short enough to be written."""
        size = self._environment.size
        return Point(round(_unit(x / size.width), _DIGITS), round(_unit(y / size.height), _DIGITS))

    def box(self, node: Node) -> Box:
        """A node's box as fractions of the screen."""
        left, top, width, height = node.box
        size = self._environment.size
        edges = (left / size.width, top / size.height, (left + width) / size.width, (top + height) / size.height)
        return _unit(edges[0]), _unit(edges[1]), _unit(edges[2]), _unit(edges[3])

    def words(self, node: Node, across: float = 0.5, down: float = 0.5) -> str:
        """What the observation calls what lies there: the smallest element that holds the place."""
        x, y = node.at(across, down)
        scale = self._environment.scale
        found = element_at(self._environment.seen.page.elements, x * scale, y * scale)
        if found is None:
            return f'"{node.text[:_LONGEST]}"' if node.text else "this place"
        name = f' "{found.name[:_LONGEST]}"' if found.name else ""
        return f"{found.role}{name} [{found.id}]"


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)
