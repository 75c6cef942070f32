"""Nothing that a model or a file wrote reaches the terminal as anything but visible characters."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer1_agents.viewer.plain import excerpt, harmless, one_line

EVERYTHING = st.text(st.characters(exclude_categories=()))

CASES = [
    ("plain text, 3.5 €, naïve, 日本", "plain text, 3.5 €, naïve, 日本"),
    ("\x1b[2J\x1b[31mred", r"\x1b[2J\x1b[31mred"),
    ("\x9b31m", r"\x9b31m"),  # the one-character form of ESC [
    ("bell\a back\b del\x7f nul\0", r"bell\x07 back\x08 del\x7f nul\x00"),
    ("overwritten\rshown", r"overwritten\x0dshown"),
    ("dos\r\nline", "dos\nline"),
    ("a\tb", "a    b"),
    ("user\u202egnp.exe", r"user\u202egnp.exe"),  # right-to-left override
    ("\u2066isolate\u2069 \u200emark", r"\u2066isolate\u2069 \u200emark"),
    ("zero\u200bwidth \ufeff", r"zero\u200bwidth \ufeff"),
    ("line\u2028break", r"line\u2028break"),
    ("\U000e0041 tag", r"\U000e0041 tag"),
    ("lone \ud800", r"lone \ud800"),
    ("[bold red]not markup[/]", "[bold red]not markup[/]"),
    ("e" + "\u0301" * 6, "e" + "\u0301" * 4 + r"\u0301\u0301"),
]


@pytest.mark.parametrize(("text", "shown"), CASES, ids=ascii)
def test_each_kind_of_hidden_character(text, shown):
    assert harmless(text) == shown


@given(EVERYTHING)
def test_only_visible_characters_and_line_feeds_come_out(text):
    kinds = {unicodedata.category(character) for character in harmless(text).replace("\n", "")}
    assert not kinds & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(EVERYTHING)
def test_harmless_text_stays_as_it_is(text):
    assert harmless(harmless(text)) == harmless(text)


@given(EVERYTHING, st.integers(4, 40))
def test_one_line_is_one_line_within_its_limit(text, limit):
    line = one_line(text, limit)
    assert len(line) <= limit
    assert "\n" not in line


def test_one_line_says_that_it_is_cut():
    assert one_line("a  b\nc", 10) == "a b c"
    assert one_line("abcdefghij", 10) == "abcdefghij"
    assert one_line("abcdefghijk", 10) == "abcdefg..."
    assert one_line("a" + " " * 100 + "b", 10).endswith("...")


def test_an_excerpt_counts_what_it_leaves_out():
    # "one\n" is kept without its line feed; "\ntwo\nthree" are 10 characters
    assert excerpt("one\ntwo\nthree", lines=1, characters=100) == "one\n... 10 more characters"
    assert excerpt("0123456789", lines=5, characters=4) == "0123\n... 6 more characters"
    assert excerpt("one\ntwo\n\n", lines=2, characters=100) == "one\ntwo"
    assert excerpt("\x1b" * 3, lines=1, characters=2) == "\\x1b\\x1b\n... 1 more characters"
