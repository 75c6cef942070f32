"""One look at a page: wait until it is still, then read title and elements, in a single call to the browser.

A call crosses three processes, so their number is what a step costs. `look_script` puts the parts together; a task that
wants more with every look (MiniWoB's reward) adds an expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from tracer1_agents.environments.elements import LIST_SCRIPT, PageElements, read_page

_SETTLE: Final = (files(__package__) / "settle.js").read_text(encoding="utf-8")


def look_script(extra: str = "null") -> str:
    """JavaScript of a look.

    Args:
        extra: An expression whose value comes along.
    """
    return f"""async (asked) => {{
  const settled = await ({_SETTLE})([asked.quiet, asked.limit]);
  return {{
    settled, loading: document.readyState !== "complete",
    empty: !document.documentElement || !document.documentElement.textContent.trim() && !document.images.length,
    title: Reflect.get(Document.prototype, "title", document),
    page: asked.list ? ({LIST_SCRIPT})(asked.area) : null, extra: {extra},
  }};
}}"""


LOOK_SCRIPT: Final = look_script()
NOTHING: Final = PageElements()


@dataclass(frozen=True)
class Look:
    """What a look gave.

    Attributes:
        settled: Whether the page was still.
        loading: Whether it had not loaded all that it wants, or did not answer.
        empty: Whether it had nothing to show.
        title: Of the page.
        url: Its address.
        page: Its elements.
        extra: The value of the added expression.
    """

    settled: bool = True
    loading: bool = False
    empty: bool = False
    title: str = ""
    url: str = ""
    page: PageElements = NOTHING
    extra: Any = None


def read_look(answer: dict[str, Any], url: str, scale: float) -> Look:
    """What the page answered.

    Args:
        answer: Of `look_script`.
        url: Of the page.
        scale: Pixels of the screenshot per CSS pixel.
    """
    return Look(
        settled=bool(answer["settled"]),
        loading=not answer["settled"] and bool(answer["loading"]),
        empty=bool(answer["empty"]),
        title=" ".join(str(answer["title"]).split())[:200],
        url=url[:500],
        page=read_page(answer["page"], scale) if answer["page"] else PageElements(),
        extra=answer["extra"],
    )
