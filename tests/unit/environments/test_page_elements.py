"""A page's answer becomes elements: checked, cut, and never a line that the page made up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tracer1_agents.actions.elements import read_elements
from tracer1_agents.environments.elements import PageElements, read_page


def raw(**fields):
    usual = {"role": "button", "name": "OK", "value": "", "states": [], "options": [], "box": [1.4, 2.6, 30.0, 10.0]}
    return {**usual, **fields}


def test_elements_are_numbered_and_scaled():
    page = read_page({"elements": [raw(), raw(role="textbox", value="x")], "more": ["down", "evil"]}, scale=2.0)
    assert page.text().splitlines() == [
        '[1] button "OK" (3, 5, 63, 25)',
        '[2] textbox "OK" = "x" (3, 5, 63, 25)',
        "(the page goes on: scroll down)",
    ]


def test_options_follow_their_list():
    page = read_page({"elements": [raw(role="listbox", options=["a", 'b"'])], "more": []})
    assert page.text().splitlines()[1] == '    options: ["a", "b\\""]'


def test_a_thin_element_keeps_a_pixel():
    assert read_page({"elements": [raw(box=[5.2, 5.2, 0.2, 0.2])], "more": []}).elements[0].box == (5, 5, 6, 6)


@given(name=st.text(), value=st.text(), role=st.text(), state=st.text())
def test_hostile_text_stays_in_its_line(name, value, role, state):
    page = read_page({"elements": [raw(name=name, value=value, role=role, states=[state])], "more": []})
    assert len(page.text().split("\n")) == 1
    assert read_elements(page.text()) == page.elements


def test_only_so_many_are_listed():
    page = read_page({"elements": [raw()] * 1_000, "more": []})
    assert len(page.elements) == 400
    assert PageElements().text() == ""
