"""Search in a local corpus, or through a web backend that the caller hands in; this room opens no connection itself.

The corpus is a JSONL file with `title`, `url` and `text` on each line, indexed by SQLite's FTS5 in memory. A model's
query is words, never query syntax: each is quoted and they are joined with OR.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Final, Protocol

from pydantic import Field

from tracer1_agents.errors import DataError, ToolError, ToolUnavailableError
from tracer1_agents.tools.definition import Output, make_tool
from tracer1_agents.tools.formatting import collapse, short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from langchain_core.tools import BaseTool

_TITLE_WEIGHT: Final = 3.0  # ours: a title names what its passage is about
_TERM_LIMIT: Final = 32
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True)
class Passage:
    """What a search finds.

    Attributes:
        title: Of the page.
        url: Where it is.
        text: The passage, or a snippet of it.
    """

    title: str
    url: str
    text: str


class WebBackend(Protocol):
    """Search and fetch on the web, handed in by whoever may use the network."""

    def search(self, query: str, limit: int) -> Sequence[Passage]:
        """The best passages first, at most `limit`."""
        ...

    def visit(self, url: str) -> str:
        """The text of a page. Raises `ToolError` when it cannot be had."""
        ...


class Corpus:
    """Passages indexed for search; safe to use from several threads.

    Args:
        passages: In an order that breaks ties.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._lock = threading.Lock()
        self._index = sqlite3.connect(":memory:", check_same_thread=False)
        self._index.execute("CREATE VIRTUAL TABLE passage USING fts5(title, url UNINDEXED, text, tokenize='unicode61')")
        rows = ((passage.title, passage.url, passage.text) for passage in passages)
        self._index.executemany("INSERT INTO passage (title, url, text) VALUES (?, ?, ?)", rows)
        self._index.commit()
        self._index.execute("PRAGMA query_only = ON")  # whatever a query becomes, it can only read

    @classmethod
    def load(cls, path: Path) -> Corpus:
        """Read a JSONL file.

        Raises:
            DataError: The file is missing, or a line is not such a passage.
        """
        return cls(list(_read_passages(path)))

    def search(self, query: str, limit: int) -> list[Passage]:
        """The passages that share words with the query, best (BM25, titles weighted) first."""
        # As written: FTS5 folds case on both sides, by another table than Python's (it keeps "ß", casefold() does not).
        terms = list({word.lower(): word for word in _WORD.findall(query)}.values())[:_TERM_LIMIT]
        if not terms:
            return []
        match = " OR ".join(f'"{term}"' for term in terms)
        with self._lock:
            rows = self._index.execute(
                "SELECT title, url, text FROM passage WHERE passage MATCH ? "
                "ORDER BY bm25(passage, ?, 0.0, 1.0), rowid LIMIT ?",
                (match, _TITLE_WEIGHT, limit),
            ).fetchall()
        return [Passage(*row) for row in rows]

    def page(self, url: str) -> str | None:
        """All passages of one address, in order; None where there is none."""
        with self._lock:
            rows = self._index.execute("SELECT text FROM passage WHERE url = ? ORDER BY rowid", (url,)).fetchall()
        return "\n".join(row[0] for row in rows) if rows else None


def _read_passages(path: Path) -> Iterator[Passage]:
    try:
        # not splitlines(): JSON lets U+2028 and its like stand inside a string
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        problem = f"the corpus cannot be read: {error}"
        raise DataError(problem, path=path) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            yield Passage(str(row["title"]), str(row.get("url", "")), collapse(str(row["text"])))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            problem = 'a corpus line is a JSON object with "title", "url" and "text"'
            raise DataError(problem, path=path, line=number) from error


def search_tools(
    corpus: Corpus | None = None, web: WebBackend | None = None, visit: Callable[[str], str] | None = None
) -> list[BaseTool]:
    """`ask_search_agent`, `search` and `visit_page`.

    Args:
        corpus: Searched where given; then the web is used only to visit addresses the corpus does not have.
        web: Searched where there is no corpus.
        visit: Opens all pages, those of the corpus too, instead of the corpus and `web.visit`.
    """

    def find(query: str, limit: int) -> Sequence[Passage]:
        if corpus is not None:
            return corpus.search(query, limit)
        if web is not None:
            return web.search(query, limit)[:limit]
        msg = "search is off here: configure a corpus file or a web backend"
        raise ToolUnavailableError(msg)

    def ask_search_agent(query: Annotated[str, Field(description="What you want to know")]) -> Output:
        """Look something up and get the best passage found."""
        found = find(query, 1)
        return (f"{found[0].title}: {found[0].text}" if found else nothing_found(query)), None

    def search(
        query: Annotated[str, Field(description="Words to look for")],
        limit: Annotated[int, Field(ge=1, le=20, description="How many results")] = 3,
    ) -> Output:
        """Search and get several results with their addresses."""
        found = find(query, limit)
        lines = [f"{place}. {item.title} ({item.url}): {item.text}" for place, item in enumerate(found, start=1)]
        return "\n".join(lines) or nothing_found(query), [asdict(item) for item in found]

    return [
        make_tool(ask_search_agent),
        make_tool(search),
        _visit_tool(corpus if visit is None else None, visit or (web.visit if web is not None else None)),
    ]


def _visit_tool(corpus: Corpus | None, visit: Callable[[str], str] | None) -> BaseTool:
    def visit_page(url: Annotated[str, Field(description="An address that a search returned")]) -> Output:
        """Read a page by its address."""
        text = corpus.page(url) if corpus is not None else None
        if text is None and visit is not None:
            text = visit(url)
        if text is None and corpus is None:
            msg = "visit_page is off here: configure a corpus file or a web backend"
            raise ToolUnavailableError(msg)
        if text is None:
            msg = f'no page "{short(url)}"; search first and use an address it returned'
            raise ToolError(msg)
        return text, None

    return make_tool(visit_page)


def nothing_found(query: str) -> str:
    """What a search says that found nothing."""
    return f'nothing found for "{short(query)}"'
