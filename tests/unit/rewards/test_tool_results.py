"""Matchers of tool results: hand-made tables, and what every matcher keeps."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer1_agents.rewards.results import MATCHERS, RULES, TOOL_MATCHERS, ToolResult, boxes, exact, numeric, state
from tracer1_agents.tools.toolbox import default_toolbox

A, B = [0, 0, 10, 10], [20, 20, 30, 30]


def text(value):
    return ToolResult(text=value)


def value(value):
    return ToolResult(text="shown", value=value)


@pytest.mark.parametrize(
    ("got", "wanted", "score"),
    [
        (text("Two  Rows\nBerlin"), text("two rows berlin"), 1.0),
        (text("two rows"), text("two rows berlin"), 0.0),
        (value([1, "a "]), value([1.0, "A"]), 1.0),
        (value([1, "a"]), value(["a", 1]), 0.0),
        (ToolResult("same", [1]), text("same"), 1.0),  # one side has no value: the texts decide
        (text("same"), ToolResult("same", [1]), 1.0),
    ],
)
def test_exact(got, wanted, score):
    assert exact(got, wanted) == score


@pytest.mark.parametrize(
    ("got", "wanted", "score"),
    [
        (text("Total: 120.0 EUR"), text("total: 120 EUR"), 1.0),
        (text("Total: 120"), text("Sum: 120"), 0.0),
        (text("Total: 121"), text("Total: 120"), 0.0),
        (text("1,234.5"), text("1234.5"), 1.0),
        (text("0.3333333333"), text("0.33333333"), 1.0),  # 1e-8 apart
        (text("0.3334"), text("0.3333"), 0.0),
        (text("x = 2, x = 3"), text("x = 2.0, x = 3.0"), 1.0),
        (text("x = 3, x = 2"), text("x = 2, x = 3"), 0.0),
        (text("code 007"), text("code 7"), 1.0),
        (text("-5"), text("5"), 0.0),
        (text("x = 2, x = 4"), text("x = 2, x = 3"), 0.0),
        (text("5 m²"), text("5 m2"), 1.0),
        (text("#"), text("5"), 0.0),
        (text("shown"), value(1), 1.0),  # one side has no value: the texts decide
        (value(1.0000005), value(1), 1.0),  # 5e-7 apart
        (value(1e-13), value(0), 1.0),
        (value([1.0000005, -2]), value([1, -2]), 1.0),
        (value([1, 2]), value([1, 2, 3]), 0.0),
        (value(1), value([1]), 0.0),
        (value({"a": 1.0000005}), value({"a": 1}), 1.0),
        (value({"a": 1}), value({"b": 1}), 0.0),
        (value({"a": 1}), value({"a": 2}), 0.0),
        (value("x = 2.0"), value("x = 2"), 1.0),
        (value(2), value("2"), 1.0),
        (value("2"), value(2), 1.0),
        (value(10**400), value(10**400 + 1), 0.0),  # no float holds them
        (value(value=True), value(1), 0.0),
        (value(math.nan), value(math.nan), 1.0),
        (value([1, math.nan]), value([1, 2]), 0.0),
        (value([1, 2]), value([1, math.nan]), 0.0),
        (text("1e999"), text("1e-999"), 0.0),
        (text("1e400"), text("1e500"), 0.0),
        (text("x = 1.0e400"), text("x = 1e400"), 1.0),
        (text(f"{math.factorial(500)}"), text(f"{math.factorial(501)}"), 0.0),  # above 1,000 digits, as programs print
        (text(f"n = {math.factorial(500)}, 2.0"), text(f"n = {math.factorial(500)}, 2"), 1.0),
        (text("7" * 5_000), text("7" * 4_999 + "8"), 0.0),
        (text("7" * 5_000 + " and 2.0"), text("7" * 5_000 + " and 2"), 1.0),
    ],
)
def test_numeric(got, wanted, score):
    assert numeric(got, wanted) == score


@pytest.mark.parametrize(
    ("got", "wanted", "score"),
    [
        (value([A, B]), value([B, A]), 1.0),  # order does not matter
        (value([A]), value([A, B]), 2 / 3),  # one found: 2 * 1 / (1 + 2)
        (value([A, A]), value([A]), 2 / 3),  # a second box for the same thing counts against it
        (value([[0, 0, 10, 20]]), value([A]), 1.0),  # 100 of 200
        (value([[0, 0, 10, 21]]), value([A]), 0.0),  # 100 of 210
        (value([[5, 0, 15, 10]]), value([A]), 0.0),  # 50 of 150
        (value([]), value([A]), 0.0),
        (value([]), value([]), 1.0),
        (text("[[0, 0, 10, 10]]"), value([A]), 1.0),
        (text("found: [0, 0, 10, 10], once"), text("[[0, 0, 10, 10]]"), 1.0),
        (text("no cat found"), text("No cat found"), 1.0),
        (text("no cat found"), text("no dog found"), 0.0),
        (text("no cat found"), value([A]), 0.0),
        (text("shown"), value([A]), 1.0),  # no box to read on one side: the texts decide
        (value([A]), text("shown"), 1.0),
        (value([[0, 0, 10]]), value([A]), 0.0),
        (value([A, None]), value([A]), 0.0),
        (value([[10**400, 0, 1, 1]]), value([A]), 0.0),
        (value([[-(10**400), 0, 1, 1]]), value([A]), 0.0),
        (text("[[NaN, 0, 1, 1]]"), value([A]), 0.0),
        (text("[" * 100_000 + "]"), value([A]), 0.0),
    ],
)
def test_boxes(got, wanted, score):
    assert boxes(got, wanted) == pytest.approx(score)


def test_each_box_is_used_once_the_best_pair_first():
    near, far, lower = [0, 0, 10, 9], [0, 0, 10, 5.2], [0, 3, 10, 13]  # 0.9, 0.52 and 0.54 of A
    assert boxes(value([far, near]), value([A])) == pytest.approx(2 / 3)
    assert boxes(value([lower, near]), value([A, lower])) == 1.0  # lower is the same, so A is left for near
    assert boxes(value([A, far]), value([A, lower])) == 0.5  # A is found, and is not given back for far to find


def test_a_box_is_found_by_half_of_the_cells_that_either_covers():
    """Every two boxes on a grid of two by two cells, those without a cell and those turned round among them."""

    def cells(box):
        left, top, right, bottom = box
        return {(x, y) for x in range(left, right) for y in range(top, bottom)}

    for one, other in itertools.product(map(list, itertools.product(range(3), repeat=4)), repeat=2):
        both, either = cells(one) & cells(other), cells(one) | cells(other)
        found = one == other or (bool(either) and len(both) >= len(either) / 2)
        assert boxes(value([one]), value([other])) == found, (one, other)


@pytest.mark.parametrize(
    ("got", "wanted", "score"),
    [
        ({"a.png": "1"}, {"a.png": "1"}, 1.0),
        ({"a.png": "2"}, {"a.png": "1"}, 0.0),  # other bytes
        ({"b.png": "1"}, {"a.png": "1"}, 0.0),  # where nobody will look for it
        ({"a.png": "1", "b.png": "2"}, {"a.png": "1"}, 2 / 3),
        ({}, {"a.png": "1"}, 0.0),
        ({"a.png": "1"}, {}, 0.0),
        ({}, {}, 1.0),
    ],
)
def test_state(got, wanted, score):
    assert state(ToolResult("saved", files=got), ToolResult("saved", files=wanted)) == pytest.approx(score)


def test_state_without_recorded_files_compares_the_texts():
    assert state(ToolResult("saved a.png", files={"a.png": "1"}), text("saved a.png")) == 1.0
    assert state(text("saved b.png"), ToolResult("saved a.png", files={"a.png": "1"})) == 0.0


def test_a_text_a_value_or_files_are_enough_to_compare_with():
    assert all([text("x"), ToolResult(value=0), ToolResult(files={"a.png": "1"})])
    assert not any([ToolResult(), text(" \n"), ToolResult(files={})])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
TEXTS = st.text(max_size=30) | st.from_regex(r"(\d{1,6}[ ,.e-]?){0,5}", fullmatch=True) | VALUES.map(str)
RESULTS = st.builds(
    ToolResult,
    text=TEXTS,
    value=VALUES | st.lists(st.lists(st.floats(-5, 30), min_size=4, max_size=4), max_size=3),
    files=st.none() | st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), max_size=3),
)


@pytest.mark.parametrize("name", RULES)
@given(got=RESULTS, wanted=RESULTS)
def test_bounded_and_reflexive(name, got, wanted):
    assert 0.0 <= RULES[name](got, wanted) <= 1.0
    assert RULES[name](wanted, wanted) == 1.0
    assert RULES[name](ToolResult(wanted.text), ToolResult(wanted.text)) == 1.0


def test_every_tool_of_the_toolbox_has_a_matcher_and_every_matcher_a_rule(tmp_path):
    assert {tool.name for tool in default_toolbox(tmp_path)} <= TOOL_MATCHERS.keys()
    assert {*RULES, "judge"} == set(MATCHERS)
    assert set(TOOL_MATCHERS.values()) <= set(MATCHERS)
