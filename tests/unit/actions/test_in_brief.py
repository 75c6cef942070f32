"""The screen in brief: what a text planner reads, and what its instructions call an element."""

from __future__ import annotations

from tracer1_agents.actions.elements import called, in_brief, read_elements

SCREEN = """\
Note: a new window opened
[1] tablist "Tab #1 Tab #2" (3, 53, 157, 82)
[2] tab "Tab #1" (6, 57, 48, 81) collapsed
[3] link "Tab #1" (7, 58, 47, 81) focused
[4] textbox "tt" = "Ann" (2, 57, 130, 78)
[5] listbox "options" = "Livy" (2, 90, 97, 121)
    options: ["Livy", "Ann"]
[6] text "" (1, 1, 5, 5)
(the page goes on: scroll down)"""


def test_what_a_planner_reads():
    assert in_brief(SCREEN).split("\n") == [
        "Note: a new window opened",
        "link Tab #1 [3] collapsed focused",  # the tab says the same and holds it
        "textbox tt [4] = Ann",
        "listbox options [5] = Livy",
        "text [6]",
        "(the page goes on: scroll down)",
    ]


def test_instructions_and_screen_use_the_same_words():
    for element in read_elements(SCREEN):
        if element.role not in {"tablist", "tab"}:
            assert called(element) in in_brief(SCREEN)


def test_a_name_that_only_lies_beside_is_kept():
    text = '[1] button "OK" (0, 0, 10, 10)\n[2] button "OK" (20, 0, 30, 10)'
    assert in_brief(text) == "button OK [1]\nbutton OK [2]"
