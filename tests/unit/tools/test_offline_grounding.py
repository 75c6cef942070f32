"""Grounding without a model: elements, recognised text, the planner's own points."""

from __future__ import annotations

import asyncio
import re

import pytest
from PIL import Image, ImageDraw, ImageFont

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.elements import Element, render_elements
from tracer1_agents.actions.space import (
    Click,
    Drag,
    Finish,
    Hotkey,
    LeftDouble,
    Point,
    Scroll,
    Select,
    ToolCall,
    Type,
    load_action,
)
from tracer1_agents.errors import ToolError
from tracer1_agents.testing import RecordingExecutor
from tracer1_agents.tools import images
from tracer1_agents.tools.element_match import find_element, two_targets
from tracer1_agents.tools.grounding import GroundThenAct
from tracer1_agents.tools.offline_grounding import ElementGrounder, OwnPoints, TextGrounder
from tracer1_agents.types import Execution, ImageRef, Observation

SCREEN = Size(1000, 500)


def element(number, role, name, box, **more):
    return Element(id=str(number), role=role, name=name, box=box, **more)


ELEMENTS = (
    element(1, "heading", "Search results", (0, 0, 300, 40)),
    element(2, "searchbox", "Search the shop", (300, 0, 800, 40), value="red shoes"),
    element(3, "button", "Search", (800, 0, 1000, 40)),
    element(4, "link", "Edit", (0, 100, 100, 140)),
    element(5, "link", "Edit", (0, 200, 100, 240)),
    element(6, "link", "Edit", (0, 300, 100, 340)),
    element(7, "button", "Add to basket", (0, 400, 200, 440)),
    element(8, "text", "Add to basket", (20, 405, 180, 435)),
    element(9, "button", "Terms", (0, 900, 100, 940)),
    element(10, "checkbox", "Gift wrap", (500, 400, 700, 500)),
)


class TestFindElement:
    @pytest.mark.parametrize(
        ("words", "number"),
        [
            ("click [5]", 5),
            ("Click element 6 to change it", 6),
            ("Tap #10", 10),
            ("Click 'Search'", 3),
            ('Press the "Search" button', 3),
            ("click the search button", 3),
            ("Click the search field of the shop", 2),
            ("Click the field with red shoes", 2),
            ("Click the second Edit link", 5),
            ("click the last 'Edit'", 6),
            ("Put it in with Add to Basket", 8),  # the text in the button is the same place
            ("Turn on the gift wrap", 10),
            ("Click the third 'Search'", 3),  # one alone fits best
            ("Click 'Add to baskot'", 8),  # a letter misread
        ],
    )
    def test_what_is_meant(self, words, number):
        assert find_element(words, ELEMENTS).id == str(number)

    @pytest.mark.parametrize(
        ("words", "problem"),
        [
            ("Click Edit", r"3 elements fit .*\[4\] link \"Edit\".*name one by its id"),
            ("Click the checkout", "nothing on the screen fits"),
            ("", "nothing on the screen fits"),
            ("Click [77]", "nothing on the screen fits"),
        ],
    )
    def test_nothing_is_guessed(self, words, problem):
        with pytest.raises(ToolError, match=problem):
            find_element(words, ELEMENTS)

    def test_an_empty_screen(self):
        with pytest.raises(ToolError, match="no elements"):
            find_element("x", ())

    @pytest.mark.parametrize(
        ("instruction", "ends"),
        [
            ('Drag "a.txt" into "Trash"', ('"a.txt"', '"Trash"')),
            ("Move the file onto the folder", ("Move the file ", " the folder")),
        ],
    )
    def test_the_ends_of_a_drag(self, instruction, ends):
        assert two_targets(instruction) == ends

    def test_one_end(self):
        with pytest.raises(ToolError, match="names both ends"):
            two_targets("Drag the slider")


def seen(text=None, **more):
    image = ImageRef(ref="/nowhere.png", width=SCREEN.width, height=SCREEN.height)
    return Observation(text=render_elements(ELEMENTS) if text is None else text, image=image, **more)


class TestElementGrounder:
    @pytest.mark.parametrize("action", [Click(), LeftDouble(point=Point(0, 0)), Select(option="x")])
    def test_the_middle_of_the_element(self, action):
        execution = ElementGrounder().execute(action, "Click 'Search'", seen())
        assert execution.ok
        assert load_action(execution.value) == action.model_copy(update={"point": Point(0.9, 0.04)})

    def test_a_drag(self):
        execution = ElementGrounder().execute(Drag(), 'Drag "Gift wrap" to "Search"', seen())
        assert load_action(execution.value) == Drag(start=Point(0.6, 0.9), end=Point(0.9, 0.04))

    def test_a_list_of_its_own_and_async(self):
        grounder = ElementGrounder(ELEMENTS, screen=SCREEN)
        execution = asyncio.run(grounder.aexecute(Click(), "Click 'Search'", Observation()))
        assert load_action(execution.value).point == Point(0.9, 0.04)

    @pytest.mark.parametrize("action", [Type(content="a"), Scroll(direction="up"), Hotkey(keys=("a",))], ids=str)
    def test_what_needs_no_place(self, action):
        assert load_action(ElementGrounder().execute(action, "", Observation()).value) == action

    @pytest.mark.parametrize(
        ("action", "instruction", "text", "problem"),
        [
            (Click(), "Click [9]", None, r"\[9\] button \"Terms\" lies outside the screen; scroll to it first"),
            (Click(), "Click it", "a page without elements", "no elements"),
            (Click(), " ", None, "needs a step instruction"),
            (Drag(), "Drag it", None, "names both ends"),
            (ToolCall(name="a"), "x", None, "no action on a screen"),
            (Finish(), "x", None, "no action on a screen"),
        ],
    )
    def test_failed_steps(self, action, instruction, text, problem):
        execution = ElementGrounder().execute(action, instruction, seen(text))
        assert (execution.ok, execution.infrastructure) == (False, False)
        assert re.search(problem, execution.text)

    def test_no_size_is_infrastructure(self):
        execution = ElementGrounder().execute(Click(), "Click [3]", Observation(text=render_elements(ELEMENTS)))
        assert execution.infrastructure
        assert "size of the screen" in execution.text


class TestOwnPoints:
    def test_points_stand(self):
        action = Click(point=Point(0.1, 0.2))
        assert load_action(OwnPoints().execute(action, "", Observation()).value) == action

    def test_a_missing_point(self):
        execution = asyncio.run(OwnPoints().aexecute(Click(), "Click OK", Observation()))
        assert (execution.ok, execution.infrastructure) == (False, False)
        assert "click needs a point here" in execution.text


@pytest.fixture
def drawn(tmp_path):
    picture = Image.new("RGB", (800, 400), "white")
    canvas = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=24)
    for at, text in (((60, 40), "Shopping basket"), ((600, 300), "Checkout"), ((60, 300), "Continue")):
        canvas.text(at, text, fill="black", font=font)
    picture.save(tmp_path / "screen.png")
    return Observation(image=ImageRef(ref=str(tmp_path / "screen.png"), width=800, height=400))


@pytest.mark.tesseract
class TestTextGrounder:
    @pytest.mark.parametrize(
        ("instruction", "middle"),
        [
            ("Click 'Checkout'", (655, 314)),
            ("Click Continue", (110, 314)),
            ("Open the shopping basket", (155, 54)),
        ],
    )
    def test_words_on_the_screen(self, drawn, instruction, middle):
        point = load_action(TextGrounder().execute(Click(), instruction, drawn).value).point
        assert abs(point.x * 800 - middle[0]) < 25
        assert abs(point.y * 400 - middle[1]) < 15

    def test_words_that_are_not_there(self, drawn):
        execution = TextGrounder().execute(Click(), "Click 'Pay now'", drawn)
        assert (execution.ok, execution.infrastructure) == (False, False)


class TestTextGrounderFaults:
    def test_no_program_is_infrastructure(self, drawn, monkeypatch):
        monkeypatch.setattr(images.shutil, "which", lambda _: None)
        execution = TextGrounder().execute(Click(), "Click OK", drawn)
        assert execution.infrastructure
        assert "needs the program tesseract" in execution.text

    @pytest.mark.parametrize("content", [None, b"no picture"])
    def test_no_picture_is_infrastructure(self, tmp_path, content):
        path = tmp_path / "a.png"
        if content is not None:
            path.write_bytes(content)
        broken = Observation(image=ImageRef(ref=str(path), width=1, height=1))
        assert TextGrounder().execute(Click(), "Click OK", broken).infrastructure
        assert TextGrounder().execute(Click(), "Click OK", Observation()).infrastructure


class TestGroundThenAct:
    @pytest.mark.parametrize("how", ["sync", "async"])
    def test_the_environment_gets_the_place(self, how):
        page = RecordingExecutor([Execution(text="clicked", seconds=1.0)])
        executor = GroundThenAct(ElementGrounder(), page)
        call = (Click(), "Click 'Search'", seen())
        execution = executor.execute(*call) if how == "sync" else asyncio.run(executor.aexecute(*call))
        assert page.calls == [(Click(point=Point(0.9, 0.04)), "Click 'Search'")]
        assert (execution.text, load_action(execution.value)) == ("clicked", Click(point=Point(0.9, 0.04)))
        assert execution.seconds >= 1.0

    @pytest.mark.parametrize("how", ["sync", "async"])
    def test_nothing_is_done_where_nothing_was_found(self, how):
        page = RecordingExecutor()
        executor = GroundThenAct(ElementGrounder(), page)
        call = (Click(), "Click the checkout", seen())
        execution = executor.execute(*call) if how == "sync" else asyncio.run(executor.aexecute(*call))
        assert page.calls == []
        assert execution.image == seen().image
        assert execution.text.startswith("error: nothing on the screen fits")
        assert execution.text.endswith(render_elements(ELEMENTS))

    def test_an_error_is_not_told_twice(self):
        executor = GroundThenAct(ElementGrounder(), RecordingExecutor())
        first = executor.execute(Click(), "Click the checkout", seen())
        shown = Observation(text=first.text, image=first.image)
        assert executor.execute(Click(), "Click the checkout", shown).text == first.text

    def test_the_last_answer_of_the_grounder_is_no_part_of_a_screen_without_text(self):
        executor = GroundThenAct(ElementGrounder(), RecordingExecutor())
        first = executor.execute(Click(), "Click the checkout", Observation(image=seen().image))
        assert first.text.startswith("error: ")
        again = executor.execute(Click(), "Click the checkout", Observation(text=first.text, image=first.image))
        assert again.text == first.text

    def test_what_an_environment_said_above_its_screen_does_not_cost_the_screen(self):
        executor = GroundThenAct(ElementGrounder(), RecordingExecutor())
        after = f"error: the page did not answer\n{render_elements(ELEMENTS)}"
        shown = Observation(text=after, image=seen().image)
        assert executor.execute(Click(), "Click the checkout", shown).text.endswith(after)

    @pytest.mark.parametrize(("way", "end"), [("to", 0.8), ("past", 0.9)])
    def test_a_drag_past_an_element_ends_in_its_far_half(self, way, end):
        screen = '[2] link "Tab #1" (40, 0, 60, 20)\n[3] text "c" (40, 60, 60, 100)'
        page = RecordingExecutor()
        executor = GroundThenAct(ElementGrounder(screen=Size(100, 100)), page)
        executor.execute(Drag(), f"Drag link Tab #1 [2] {way} text c [3]", Observation(text=screen))
        ((action, _),) = page.calls
        assert action == Drag(start=Point(0.5, 0.1), end=Point(0.5, end))

    def test_a_point_of_the_planner_stands_where_it_is_trusted(self):
        page = RecordingExecutor()
        executor = GroundThenAct(ElementGrounder(trust_points=True), page)
        executor.execute(Click(point=Point(0.9, 0.9)), "Click 'Search'", seen())
        assert page.calls == [(Click(point=Point(0.9, 0.9)), "Click 'Search'")]

    def test_what_the_environment_says_of_a_failure_stays(self):
        page = RecordingExecutor([Execution(ok=False, text="gone", value={"failure": "closed"})])
        execution = GroundThenAct(ElementGrounder(), page).execute(Click(), "Click 'Search'", seen())
        assert (execution.ok, execution.value) == (False, {"failure": "closed"})
