"""Visible text of an HTML page: one block a line, table rows with their cells side by side.

The parsed page is walked once, without recursion, so that neither a long page nor a deeply nested one is a problem.
"""

from __future__ import annotations

from typing import Any, Final

from tracer1_agents.tools.formatting import collapse
from tracer1_agents.tools.workspace import optional

LENGTH_LIMIT: Final = 5_000_000  # characters; the parser needs some hundred bytes for each
_INVISIBLE: Final = frozenset({"head", "script", "style", "noscript", "template", "svg", "iframe", "object"})
_BLOCKS: Final = frozenset(
    {"p", "div", "li", "ul", "ol", "dl", "dt", "dd", "br", "hr", "table", "caption", "pre", "blockquote", "td", "th"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "header", "footer", "nav", "main", "aside"}
    | {"form", "fieldset", "figure", "figcaption", "address", "option", "details", "summary", "body", "html"}
)
_CELLS: Final = frozenset({"td", "th"})


def visible_text(html: str) -> str:
    """The text a reader of the page would see.

    Args:
        html: A page or a fragment; broken markup is read as browsers do, roughly.

    Raises:
        ValueError: The page is longer than 5 million characters.
    """
    if len(html) > LENGTH_LIMIT:
        msg = f"it is longer than {LENGTH_LIMIT} characters"
        raise ValueError(msg)
    bs4 = optional("bs4", "reading html files")
    root = bs4.BeautifulSoup(html, "html.parser")
    writer = _Writer()
    path = [(root, iter(root.contents))]
    while path:
        tag, children = path[-1]
        child = next(children, None)
        if child is None:
            writer.close(tag.name)
            path.pop()
        elif isinstance(child, bs4.Tag) and not _is_hidden(child):
            writer.open(child.name)
            path.append((child, iter(child.contents)))
        elif type(child) is bs4.NavigableString:  # its subclasses are comments, doctypes and scripts
            writer.text(str(child))
    writer.break_line()
    return "\n".join(writer.lines)


def _is_hidden(tag: Any) -> bool:
    style = str(tag.get("style", "")).replace(" ", "").lower()
    return tag.name in _INVISIBLE or tag.has_attr("hidden") or "display:none" in style or "visibility:hidden" in style


class _Writer:
    """Collects lines; inside a table cell there are no lines, only text for the row."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._texts: list[list[str]] = [[]]  # the current line, and above it the open cells
        self._rows: list[list[str]] = []  # the open rows: tables stand in tables
        self._preformatted = 0

    def text(self, text: str) -> None:
        first, *others = text.split("\n") if self._preformatted else [text]
        self._texts[-1].append(first)
        for line in others:
            self.break_line()
            self._texts[-1].append(line)

    def open(self, name: str) -> None:
        self._preformatted += name == "pre"
        if name in _CELLS and self._rows:
            self._texts.append([])
        elif name == "tr":
            self.break_line()
            self._rows.append([])
        elif name in _BLOCKS:
            self.break_line()

    def close(self, name: str) -> None:
        self._preformatted -= name == "pre"
        if name in _CELLS and self._rows:
            self._rows[-1].append(collapse("".join(self._texts.pop())))
        elif name == "tr":
            self._texts[-1].append(" | ".join(self._rows.pop()))
            self.break_line()
        elif name in _BLOCKS:
            self.break_line()

    def break_line(self) -> None:
        if len(self._texts) > 1:
            self._texts[-1].append(" ")
            return
        line = collapse("".join(self._texts[-1]))
        self._texts[-1].clear()
        if line:
            self.lines.append(line)
