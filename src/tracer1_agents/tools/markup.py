"""Visible text of an HTML page: one block a line, table rows with their cells side by side."""

from __future__ import annotations

from typing import Any, Final

from tracer1_agents.tools.formatting import collapse
from tracer1_agents.tools.workspace import optional

_INVISIBLE: Final = ("head", "script", "style", "noscript", "template", "svg", "iframe", "object")
_BLOCKS: Final = (
    *("p", "div", "li", "ul", "ol", "dl", "dt", "dd", "br", "hr", "table", "tr", "caption", "pre", "blockquote"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "header", "footer", "nav", "main", "aside"),
    *("form", "fieldset", "figure", "figcaption", "address", "option", "details", "summary", "body", "html"),
)


def visible_text(html: str) -> str:
    """The text a reader of the page would see.

    Args:
        html: A page or a fragment; broken markup is read as browsers do, roughly.
    """
    soup = optional("bs4", "reading html files").BeautifulSoup(html, "html.parser")
    for tag in [*soup.find_all(_INVISIBLE), *soup.find_all(_is_hidden)]:
        tag.extract()
    comment = optional("bs4.element", "reading html files").PreformattedString  # comments, doctypes
    for string in soup.find_all(string=True):
        if isinstance(string, comment):
            string.extract()
        elif string.find_parent("pre") is None:
            string.replace_with(" ".join(f"x{string}x".split())[1:-1])
    for row in reversed(soup.find_all("tr")):  # innermost first
        cells = [collapse(cell.get_text(" ")) for cell in row.find_all(("td", "th"))]
        row.string = " | ".join(cells)
    for tag in soup.find_all(_BLOCKS):
        tag.insert_before("\n")
        tag.insert_after("\n")
    lines = (collapse(line) for line in soup.get_text().split("\n"))
    return "\n".join(line for line in lines if line)


def _is_hidden(tag: Any) -> bool:
    style = str(tag.get("style", "")).replace(" ", "").lower()
    return tag.has_attr("hidden") or "display:none" in style or "visibility:hidden" in style
