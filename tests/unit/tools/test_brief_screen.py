"""Between a text planner and a page: the grounder sees the whole screen, the planner the brief one."""

from __future__ import annotations

import pytest

from tracer1_agents.actions.coordinates import Size
from tracer1_agents.actions.space import Click, Drag, Point, dump_action
from tracer1_agents.tools.brief_screen import BriefScreen
from tracer1_agents.tools.offline_grounding import ElementGrounder
from tracer1_agents.types import Execution, Observation

SCREEN = '[1] button "No" (0, 0, 20, 20)\n[2] link "Tab #1" (40, 0, 60, 20)\n[3] text "c" (40, 60, 60, 100)'


class Page:
    """Says what was done; afterwards one element is left."""

    def __init__(self):
        self.done = []

    def execute(self, action, instruction, observation):
        self.done.append(action)
        return Execution(text='[1] button "Next" (0, 0, 10, 10)', value=dump_action(action))

    async def aexecute(self, action, instruction, observation):
        return self.execute(action, instruction, observation)


@pytest.fixture
def screen():
    return BriefScreen(ElementGrounder(screen=Size(100, 100), trust_points=True), Page())


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_the_planner_never_sees_a_box_and_the_action_still_has_its_place(screen, asynchronous):
    shown = screen.show(Observation(text=SCREEN))
    assert shown.text == "button No [1]\nlink Tab #1 [2]\ntext c [3]"
    given = Click(), "Click link Tab #1 [2]", shown
    execution = await screen.aexecute(*given) if asynchronous else screen.execute(*given)
    assert screen.environment.done == [Click(point=Point(0.5, 0.1))]  # [2], although the label says #1
    assert execution.text == "button Next [1]"
    assert screen.execute(Click(), "Click button Next [1]", shown).ok
    assert screen.environment.done[-1] == Click(point=Point(0.05, 0.05))


def test_what_is_not_found_is_said_above_the_screen_as_it_is(screen):
    shown = screen.show(Observation(text=SCREEN))
    for _ in range(2):  # an error is not told twice
        execution = screen.execute(Click(), "Click Quux", shown)
        assert not execution.ok
        assert execution.text.startswith("error: nothing on the screen fits")
        assert execution.text.split("\n")[1:] == shown.text.split("\n")
    assert screen.environment.done == []


def test_a_point_of_the_planner_stands(screen):
    screen.show(Observation(text=SCREEN))
    screen.execute(Click(point=Point(0.9, 0.9)), "Click button No [1]", Observation())
    assert screen.environment.done == [Click(point=Point(0.9, 0.9))]


@pytest.mark.parametrize(("way", "end"), [("to", 0.8), ("past", 0.9)])
def test_a_drag_past_an_element_ends_in_its_far_half(screen, way, end):
    screen.show(Observation(text=SCREEN))
    screen.execute(Drag(), f"Drag link Tab #1 [2] {way} text c [3]", Observation())
    assert screen.environment.done == [Drag(start=Point(0.5, 0.1), end=Point(0.5, end))]
