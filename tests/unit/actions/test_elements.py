"""The list of a screen's elements: written and read back, and nothing else read as one."""

from __future__ import annotations

import json

import pytest
from action_strategies import TEXTS
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.elements import Element, read_elements, render_elements
from tracer1_agents.actions.space import Point

WORDS = st.from_regex(r"[a-z0-9_\-]{1,10}", fullmatch=True)
EDGES = st.integers(-5000, 50_000)
ELEMENTS = st.builds(
    Element,
    id=WORDS,
    role=WORDS,
    name=TEXTS,
    value=TEXTS,
    box=st.tuples(EDGES, EDGES, EDGES, EDGES),
    states=st.lists(WORDS, max_size=2).map(tuple),
)
BUTTON = Element(id="12", role="button", name='Say "hi"', box=(640, 20, 720, 52))
FIELD = Element(id="13", role="textbox", name="Query", value="cats", box=(100, 20, 630, 52), states=("focused",))


def test_the_lines():
    assert render_elements([BUTTON, FIELD]).split("\n") == [
        r'[12] button "Say \"hi\"" (640, 20, 720, 52)',
        '[13] textbox "Query" = "cats" (100, 20, 630, 52) focused',
    ]


@given(st.lists(ELEMENTS, max_size=4))
def test_reading_gives_back_what_was_written(elements):
    assert read_elements(render_elements(elements)) == tuple(elements)
    assert read_elements(json.dumps([element.model_dump() for element in elements])) == tuple(elements)


def test_other_lines_are_passed_over():
    one, other = render_elements([BUTTON]), render_elements([FIELD])
    text = f"title: Shop\nurl: https://a.example/[1]\n{one}\n[1] is a note\n  {other}"
    assert read_elements(text) == (BUTTON, FIELD)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[{",
        '[{"id": "1"}]',
        '[1] button "open (1, 2, 3, 4)',
        r'[1] button "\x" (1, 2, 3, 4)',
        r'[1] button "\ud800" (1, 2, 3, 4)',
        '[1] button "a" (1, 2, 3)',
        '[1] button "a" (1, 2, 3, 4) (again)',
    ],
)
def test_what_is_no_list(text):
    assert read_elements(text) == ()


@given(st.text(max_size=200))
def test_reading_never_raises(text):
    read_elements(text)


@pytest.mark.parametrize("field", [{"id": "a b"}, {"role": "a]"}, {"id": ""}, {"box": (1, 2, 3)}, {"extra": 1}])
def test_what_would_not_read_back_is_refused(field):
    with pytest.raises(ValidationError):
        Element(**{**BUTTON.model_dump(), **field})


@pytest.mark.parametrize(
    ("box", "middle"),
    [
        ((0, 0, 100, 50), Point(0.5, 0.5)),
        ((50, 0, 150, 50), Point(0.75, 0.5)),  # half of it shows: 50 to 100
        ((-100, -50, 20, 10), Point(0.1, 0.1)),
        ((100, 0, 150, 50), None),
        ((0, -20, 10, -1), None),
    ],
)
def test_the_middle_of_what_shows(box, middle):
    assert Element(id="1", role="a", box=box).centre(Size(100, 50)) == middle
