"""Reading on the web as T3's search agent does: a page in windows, words on it, files from it.

One page is open at a time, per toolbox. `visit_page` of `search` stays as it is; the page it opened is the one that the
tools here go on with. Names and arguments are those of mat-agent/MAT-Agent (tongagent/tools/web_surfer.py).
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import unquote, urlsplit

from pydantic import Field

from tracer1_agents.errors import ToolError
from tracer1_agents.tools.definition import Output, make_tool
from tracer1_agents.tools.formatting import short
from tracer1_agents.tools.search import nothing_found
from tracer1_agents.tools.vision import needed
from tracer1_agents.tools.workspace import free_name

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from tracer1_agents.tools.search import Corpus, WebBackend
    from tracer1_agents.tools.workspace import Workspace

WINDOW: Final = 7_000  # characters; with its head line below what an observation may have
_GAP, _PARTS = 200, 5  # of a search with *; ours
_SUFFIX: Final = re.compile(r"\.[a-z0-9]{1,8}")
_STEM: Final = re.compile(r"[^\w\-]+")
_RUNNABLE: Final = frozenset({".py", ".sh", ".exe", ".bat", ".so", ".dll", ".js"})


class OpenPage:
    """The page that is open, and where in it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.url, self.text, self.at = "", "", 0
        self._sought = ""

    def open(self, url: str, text: str) -> str:
        """Begin to read a page; its first window."""
        with self._lock:
            self.url, self.text, self.at, self._sought = url, text, 0, ""
            return self._window()

    def turn(self, windows: int) -> str:
        """Go so many windows on (or back).

        Raises:
            ToolError: No page is open, or there is nothing further.
        """
        with self._lock:
            target = self.at // WINDOW + windows
            if not self._text() or not 0 <= target * WINDOW < len(self.text):
                msg = f"the page has nothing further {'down' if windows > 0 else 'up'}"
                raise ToolError(msg)
            self.at = target * WINDOW
            return self._window()

    def find(self, words: str | None) -> str:
        """The window from the next place where the words stand; None: those sought before.

        Raises:
            ToolError: No page is open, nothing was sought, or it is not there.
        """
        with self._lock:
            text = self._text()
            begin = 0 if words else self.at + 1
            self._sought = words or self._sought
            if not self._sought:
                msg = "nothing was looked for on this page yet; use find_on_page_ctrl_f"
                raise ToolError(msg)
            found = _place(text, self._sought, begin)
            if found < 0:
                where = "nowhere further down" if begin else "not"
                msg = f'"{short(self._sought)}" is {where} on this page'
                raise ToolError(msg)
            self.at = found
            return self._window()

    def _text(self) -> str:
        if not self.url:
            msg = "no page is open; use visit_page first"
            raise ToolError(msg)
        return self.text

    def _window(self) -> str:
        shown = self.text[self.at : self.at + WINDOW]
        if len(self.text) <= WINDOW:
            return shown
        return f"characters {self.at + 1} to {self.at + len(shown)} of {len(self.text)}; page_down goes on\n{shown}"


def _place(text: str, words: str, begin: int) -> int:
    """Where the words stand, in any case; each * is at most `_GAP` characters of anything. -1: nowhere."""
    lowered = _lowered(text)
    first, *others = [part for part in _lowered(words).split("*") if part][:_PARTS] or [words]
    at = lowered.find(first, begin)
    while at >= 0:
        end = at + len(first)
        for part in others:
            found = lowered.find(part, end, end + _GAP + len(part))
            if found < 0:
                break
            end = found + len(part)
        else:
            return at
        at = lowered.find(first, at + 1)
    return -1


def _lowered(text: str) -> str:
    """In small letters, each of them one character: a place in it is a place in the text."""
    if text.isascii():
        return text.lower()
    return "".join(small if len(small := letter.lower()) == 1 else letter for letter in text)


class Paged:
    """A web backend whose last page stays open.

    Args:
        web: What searches and fetches.
        corpus: Its pages come before those of the web.
    """

    def __init__(self, web: WebBackend, corpus: Corpus | None = None) -> None:
        self.web, self.page = web, OpenPage()
        self._corpus = corpus

    def visit(self, url: str) -> str:
        """The first window of a page, which is then open."""
        known = self._corpus.page(url) if self._corpus is not None else None
        return self.page.open(url, self.web.visit(url) if known is None else known)


def browsing_tools(workspace: Workspace, paged: Paged | None) -> list[BaseTool]:
    """What goes on with an open page, and the two that find one: `navigational_web_search`, `download_file`."""
    return [*_finding_tools(workspace, paged), *_page_tools(paged)]


def _finding_tools(workspace: Workspace, paged: Paged | None) -> list[BaseTool]:
    def navigational_web_search(
        query: Annotated[str, Field(description="What to search for; the first result is opened")],
    ) -> Output:
        """Search the web and open the first result."""
        present = needed(paged, "navigational_web_search")
        found = present.web.search(query, 1)
        return (present.visit(found[0].url) if found else nothing_found(query)), None

    def download_file(url: Annotated[str, Field(description="Address of a file")]) -> Output:
        """Save a file of the web into this folder."""
        fetch = getattr(needed(paged, "download_file").web, "download", None)
        content: bytes = needed(fetch, "download_file")(url)
        path = urlsplit(url).path
        name = unquote(path.rpartition("/")[2])
        suffix = "." + name.rpartition(".")[2].lower() if "." in name else ".html"
        if not _SUFFIX.fullmatch(suffix) or suffix in _RUNNABLE:
            msg = f'"{short(name)}" is not saved: give the address of a document, picture, table or sound'
            raise ToolError(msg)
        stem = _STEM.sub("_", name.rpartition(".")[0])[:60].strip("_") or "download"
        saved = free_name(workspace, stem, suffix)
        workspace.write(workspace.output(saved, (suffix,)), content)
        return f"saved {saved}, {len(content)} bytes", saved

    return [make_tool(navigational_web_search), make_tool(download_file)]


def _page_tools(paged: Paged | None) -> list[BaseTool]:
    def page_down() -> Output:
        """Show the next part of the page that is open."""
        return needed(paged, "page_down").page.turn(1), None

    def page_up() -> Output:
        """Show the part before, of the page that is open."""
        return needed(paged, "page_up").page.turn(-1), None

    def find_on_page_ctrl_f(
        search_string: Annotated[str, Field(min_length=1, max_length=200, description="Words to find; * is anything")],
    ) -> Output:
        """Go to the first place on the open page where words stand."""
        return needed(paged, "find_on_page_ctrl_f").page.find(search_string), None

    def find_next() -> Output:
        """Go to the next place of the words looked for last."""
        return needed(paged, "find_next").page.find(None), None

    return [make_tool(tool) for tool in (page_down, page_up, find_on_page_ctrl_f, find_next)]
