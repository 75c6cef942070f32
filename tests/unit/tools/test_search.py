from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer1_agents.errors import DataError, ToolError
from tracer1_agents.graphs.workbench import open_workbench
from tracer1_agents.tools.base import ToolRegistry
from tracer1_agents.tools.browsing import OpenPage
from tracer1_agents.tools.search import Corpus, Passage, search_tools
from tracer1_agents.tools.toolbox import default_toolbox

if TYPE_CHECKING:
    from pathlib import Path

PASSAGES = [
    Passage("Ada Tolan", "u://ada", "She was born in Lisbon in 1915."),
    Passage("Lisbon", "u://lisbon", "A city on the Tagus. Ada Tolan grew up there."),
    Passage("Lisbon", "u://lisbon", "Its river port is old."),
    Passage("Bo Marsh", "u://bo", "He was born in Rome."),
    Passage("Twin", "u://t1", "same words"),
    Passage("Twin", "u://t2", "same words"),
]


def box_of(**configured: object) -> ToolRegistry:
    return ToolRegistry(search_tools(**configured))  # type: ignore[arg-type]


BOX = box_of(corpus=Corpus(PASSAGES))


def test_the_best_passage() -> None:
    done = BOX.run("ask_search_agent", {"query": "Where was Ada Tolan born?"})
    assert done.text == "Ada Tolan: She was born in Lisbon in 1915."


def test_a_title_weighs_more_than_a_mention() -> None:
    text = BOX.run("search", {"query": "ada tolan", "limit": 5}).text
    assert text == (
        "1. Ada Tolan (u://ada): She was born in Lisbon in 1915.\n"
        "2. Lisbon (u://lisbon): A city on the Tagus. Ada Tolan grew up there."
    )


def test_ties_keep_the_order_of_the_corpus() -> None:
    done = BOX.run("search", {"query": "same"})
    assert [item["url"] for item in done.value] == ["u://t1", "u://t2"]


def test_nothing_found() -> None:
    assert BOX.run("ask_search_agent", {"query": "xylophone"}).text == 'nothing found for "xylophone"'
    assert BOX.run("search", {"query": "?!"}).text == 'nothing found for "?!"'


@pytest.mark.parametrize(
    "query", ['"', "ada OR", "NEAR(ada", "title:ada", "ada*", "-ada", "(", "a\0b", "'; DROP TABLE passage"]
)
def test_query_syntax_is_only_words(query: str) -> None:
    assert BOX.run("search", {"query": query}).ok


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_query_is_answered(query: str) -> None:
    assert BOX.run("ask_search_agent", {"query": query}).ok


def test_the_index_can_only_be_read() -> None:
    corpus = Corpus(PASSAGES)
    for query in ('"); DELETE FROM passage; --', "title: *", "NEAR(a b) OR 1=1", "passage MATCH 'x' UNION SELECT 1"):
        corpus.search(query, 3)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        corpus._index.execute("DELETE FROM passage")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        corpus._index.execute("DROP TABLE passage")
    assert len(corpus.search("born", 9)) == len(Corpus(PASSAGES).search("born", 9))


def test_pages() -> None:
    page = BOX.run("visit_page", {"url": "u://lisbon"}).text
    assert page == "A city on the Tagus. Ada Tolan grew up there.\nIts river port is old."
    missing = BOX.run("visit_page", {"url": "u://none"})
    assert missing.text == 'error: no page "u://none"; search first and use an address it returned'


def test_several_threads_at_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        texts = set(pool.map(lambda _: BOX.run("ask_search_agent", {"query": "Bo"}).text, range(40)))
    assert texts == {"Bo Marsh: He was born in Rome."}


def test_a_corpus_file(folder: Path, tmp_path: Path) -> None:
    lines = [json.dumps({"title": "A", "url": "u", "text": "two\nlines"}), "", json.dumps({"title": "B", "text": "x"})]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines))
    box = ToolRegistry(default_toolbox(folder, corpus=tmp_path / "corpus.jsonl"))
    assert box.run("ask_search_agent", {"query": "lines"}).text == "A: two lines"
    assert box.run("search", {"query": "b"}).text == "1. B (): x"


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x1c"])
def test_a_line_of_a_corpus_ends_where_json_lets_it(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "corpus.jsonl"
    rows = [{"title": "A", "text": f"one{mark}two"}, {"title": "B", "text": "x"}]
    text = "\r\n".join(json.dumps(row, ensure_ascii=mark == "\x1c") for row in rows)  # a control character is escaped
    path.write_text(text, encoding="utf-8", newline="")
    assert [item.title for word in ("two", "b") for item in Corpus.load(path).search(word, 3)] == ["A", "B"]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Sie wohnt in der Friedrichstraße 7.", "Friedrichstraße"),
        ("Sie wohnt in der Friedrichstraße 7.", "FRIEDRICHSTRAẞE"),
        ("a \ufb01ne day", "\ufb01ne"),
        ("\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c2"),  # capitals, and a last letter of its own form
        ("\u13a0\u13a1", "\u13a0\u13a1"),  # letters whose case is younger than SQLite's table
        ("Caf\u00e9 M\u00dcLLER", "cafe muller"),
    ],
)
def test_words_of_other_languages(text: str, query: str) -> None:
    assert Corpus([Passage("T", "u", text)]).search(query, 1)


def test_a_word_twice_is_a_word() -> None:
    twice, once = (Corpus(PASSAGES).search(query, 9) for query in ("born Lisbon LISBON lisbon", "born lisbon"))
    assert twice == once


@pytest.mark.parametrize("line", ["{", "[]", '{"title": "no text"}', "3"])
def test_a_broken_corpus_names_the_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"title": "A", "url": "u", "text": "x"}\n' + line)
    with pytest.raises(DataError, match=r"corpus\.jsonl:2: a corpus line"):
        Corpus.load(path)


def test_a_missing_corpus(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        Corpus.load(tmp_path / "none.jsonl")


@pytest.mark.parametrize("words", ["hello", "HELLO W*ld", "\u0130stanbul"])
def test_words_are_found_beside_letters_that_grow_when_small(words: str) -> None:
    page = OpenPage()
    page.open("u", "\u0130stanbul. Hello World")
    assert page.find(words).startswith(("Hello", "\u0130stanbul"))


class FakeWeb:
    """Finds more than asked for and has one page."""

    def search(self, query: str, limit: int) -> list[Passage]:
        return [Passage(f"W{place}", "https://w", query) for place in range(limit + 5)]

    def visit(self, url: str) -> str:
        if url != "https://w":
            msg = f'"{url}" does not answer'
            raise ToolError(msg)
        return "the page"


def test_the_web_where_it_is_handed_in() -> None:
    box = box_of(web=FakeWeb())
    assert box.run("ask_search_agent", {"query": "q"}).text == "W0: q"
    assert len(box.run("search", {"query": "q", "limit": 2}).value) == 2
    assert box.run("visit_page", {"url": "https://w"}).text == "the page"
    assert box.run("visit_page", {"url": "https://x"}).text == 'error: "https://x" does not answer'


def test_the_corpus_comes_before_the_web() -> None:
    box = box_of(corpus=Corpus(PASSAGES), web=FakeWeb())
    assert box.run("ask_search_agent", {"query": "xylophone"}).text == 'nothing found for "xylophone"'
    assert box.run("visit_page", {"url": "u://bo"}).text == "He was born in Rome."
    assert box.run("visit_page", {"url": "https://w"}).text == "the page"


def test_a_page_of_the_corpus_is_open_like_one_of_the_web(tmp_path: Path) -> None:
    box = ToolRegistry(default_toolbox(tmp_path, corpus=Corpus(PASSAGES), web=FakeWeb()))
    assert box.run("visit_page", {"url": "https://w"}).text == "the page"
    assert box.run("visit_page", {"url": "u://bo"}).text == "He was born in Rome."
    assert box.run("find_on_page_ctrl_f", {"search_string": "rome"}).text == "Rome."
    assert box.run("visit_page", {"url": "https://x"}).text == 'error: "https://x" does not answer'


@pytest.mark.parametrize(
    ("name", "arguments", "subject"),
    [
        ("ask_search_agent", {"query": "a"}, "search"),
        ("search", {"query": "a"}, "search"),
        ("visit_page", {"url": "u"}, "visit_page"),
    ],
)
def test_nothing_configured(name: str, arguments: dict[str, str], subject: str) -> None:
    done = box_of().run(name, arguments)
    assert done.text == f"error: {subject} is off here: configure a corpus file or a web backend"


def test_folders_and_corpora_are_named_by_texts_as_well(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"title": "Lamps", "url": "u", "text": "A lamp."}\r\n', encoding="utf-8")
    with open_workbench(str(tmp_path), corpus=str(tmp_path / "corpus.jsonl")) as executor:
        assert "A lamp." in executor.registry.run("search", {"query": "lamp"}).text
