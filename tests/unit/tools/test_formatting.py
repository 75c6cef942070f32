from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer1_agents.tools.formatting import collapse, cut, format_number, without_noise
from tracer1_agents.tools.tables import parse_cell


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12, "12"),
        (12.0, "12"),
        (3.50, "3.5"),
        (1 / 3, "0.333333"),
        (2 / 3, "0.666667"),
        (-0.0, "0"),
        (-1e-9, "-1e-09"),
        (3.2e-19, "3.2e-19"),
        (1 / 30000, "3.33333e-05"),
        (5e-05, "0.00005"),
        (1e-06, "0.000001"),
        (1.5e-10, "1.5e-10"),
        (0.00012345678, "0.000123"),
        (1e6, "1000000"),
        (0.1 + 0.2, "0.3"),
        (10**20, "100000000000000000000"),
        (1e20, "1e+20"),
        (-2.5, "-2.5"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert format_number(value) == text


@given(st.floats(min_value=-1e12, max_value=1e12))
def test_number_reads_back_within_half_a_millionth(value: float) -> None:
    text = format_number(value)
    assert math.isclose(float(text), value, abs_tol=5.1e-7, rel_tol=1e-12)
    assert not ("." in text and "e" not in text and text.endswith(("0", ".")))


@given(st.floats(min_value=-1e12, max_value=1e12))
def test_only_zero_is_written_as_zero(value: float) -> None:
    assert (format_number(value) == "0") == (value == 0)


@pytest.mark.parametrize(
    ("total", "parts", "kept"),
    [
        (0.1 + 0.2 - 0.3, (0.1 + 0.2, -0.3), False),
        (1.6e-19 + 1.6e-19, (1.6e-19, 1.6e-19), True),
        (1 - 1e-13 - 1, (1 - 1e-13, -1), True),
        (1, (10**40 + 1, -(10**40)), True),  # integers are exact
        (0.0, (), True),
    ],
)
def test_the_rounding_of_a_sum_is_zero(total: float, parts: tuple[float, ...], kept: bool) -> None:  # noqa: FBT001
    assert without_noise(total, *parts) == (total if kept else 0)


@given(st.integers(min_value=-(10**29), max_value=10**29))
def test_whole_cell_reads_back(value: int) -> None:
    assert parse_cell(format_number(value)) == value


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("12", 12),
        (" 12 ", 12),
        ("-3", -3),
        ("3.50", 3.5),
        (".5", 0.5),
        ("1e+3", 1000.0),
        ("007", "007"),
        ("+49", "+49"),
        ("1,234", "1,234"),
        ("12%", "12%"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("1e999", "1e999"),
        ("-", "-"),
        (".", "."),
        ("", None),
        ("  \t", None),
        ("New   York", "New York"),
        ("9" * 31, "9" * 31),
        ("\u0663", "\u0663"),  # an Arabic digit is text
    ],
)
def test_cell_is_typed_by_its_content(text: str, cell: object) -> None:
    found = parse_cell(text)
    assert (found, type(found)) == (cell, type(cell))


def test_cut_says_how_much_there_was() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdef", 4) == "abcd ... [cut: 4 of 6 characters]"


def test_collapse() -> None:
    assert collapse(" a \n\t b ") == "a b"
