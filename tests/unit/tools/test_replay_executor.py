"""Recorded results come back for recorded actions, and nothing is made up."""

from __future__ import annotations

import asyncio

import pytest

from tracer1_agents.actions.space import (
    Click,
    Drag,
    Finish,
    Hotkey,
    Point,
    Scroll,
    Select,
    ToolCall,
    Wait,
    dump_action,
)
from tracer1_agents.environments.replay import is_recorded
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.tools.replay import MISS, Recordings, is_miss
from tracer1_agents.types import FAILED, ImageRef, Observation, ReferenceStep, ReferenceTrajectory

PHONE = Observation(image=ImageRef(ref="a.png", width=1000, height=2000))  # 0.04 of the longer side: 80 pixels
NEXT = ImageRef(ref="b.png", width=1000, height=2000)
CALL = ToolCall(name="calculator", arguments={"expression": "1 + 1"})
TAP = Click(point=Point(0.5, 0.25))
NOTHING = Observation()


def record(*steps, name="t"):
    return ReferenceTrajectory(id=name, source="s", instruction="do", steps=steps)


def step(action, instruction="Press OK", **fields):
    return ReferenceStep(**{"action": action, "instruction": instruction, "observation": PHONE, **fields})


TOOLS = record(step(CALL, result="2"), step(ToolCall(name="ocr"), result="text"), step(Finish(answer="2")))


class TestReplay:
    def test_steps_in_order(self):
        replay = Recordings([TOOLS]).executor("t", 1)
        same = ToolCall(name="calculator", arguments={"expression": "1 + 1 "})
        assert replay.execute(same, "", NOTHING).text == "2"
        assert asyncio.run(replay.aexecute(ToolCall(name="ocr"), "", NOTHING)).text == "text"
        assert (replay.hits, replay.misses) == (2, 0)

    def test_from_a_step_in_the_middle(self):
        assert Recordings([TOOLS]).executor("t", 2).execute(ToolCall(name="ocr"), "", NOTHING).text == "text"

    def test_a_miss_shows_nothing_that_was_recorded_and_ends_the_replay(self):
        replay = Recordings([TOOLS]).executor("t", 1)
        missed = replay.execute(ToolCall(name="ocr"), "", NOTHING)
        assert (missed.ok, missed.infrastructure, missed.value, missed.image) == (False, False, MISS, None)
        assert missed.text == "error: this was not recorded at step 1; there is no result to show"
        assert is_miss(missed)
        assert is_miss(replay.execute(CALL, "", NOTHING))  # whatever led there, nobody recorded it
        assert (replay.hits, replay.misses) == (0, 2)

    def test_past_the_end(self):
        replay = Recordings([record(step(CALL, result="2"))]).executor("t", 1)
        assert not is_miss(replay.execute(CALL, "", NOTHING))
        assert is_miss(replay.execute(CALL, "", NOTHING))

    def test_a_screen_action_gives_its_place_and_the_next_screen(self):
        both = record(step(TAP), step(Wait(), observation=Observation(image=NEXT)))
        execution = Recordings([both]).executor("t", 1).execute(Click(), "press  ok", PHONE)
        assert execution.value == dump_action(TAP)
        assert execution.image == NEXT

    def test_a_recorded_failure_stays_one(self):
        failed = record(step(CALL, result="Error: no", flags={FAILED}))
        execution = Recordings([failed]).executor("t", 1).execute(CALL, "", NOTHING)
        assert (execution.ok, execution.text, is_miss(execution)) == (False, "Error: no", False)

    def test_typed_values_where_they_are_known(self):
        assert Recordings([TOOLS], {("t", 1): 2}).executor("t", 1).execute(CALL, "", NOTHING).value == 2

    @pytest.mark.parametrize(("name", "number"), [("t", 0), ("t", 4), ("u", 1)])
    def test_what_was_never_recorded(self, name, number):
        with pytest.raises(ConfigurationError, match=f'nothing is recorded for step {number} of trajectory "{name}"'):
            Recordings([TOOLS]).executor(name, number)

    def test_ids_are_unique(self):
        with pytest.raises(ConfigurationError, match='have the id "t"'):
            Recordings([TOOLS, TOOLS])


@pytest.mark.parametrize(
    ("action", "instruction", "wanted", "same"),
    [
        (Click(point=Point(0.5, 0.28)), "elsewhere", TAP, True),  # 60 pixels of 80: the place decides
        (Click(point=Point(0.5, 0.30)), "Press OK", TAP, False),
        (Click(), "press ok", TAP, True),
        (Click(), "Press Cancel", TAP, False),
        (Click(), "", TAP, False),
        (Hotkey(keys=("enter",)), "Press OK", TAP, False),
        (Scroll(direction="down"), "", Scroll(direction="down", point=Point(0.1, 0.1)), True),
        (Scroll(direction="up"), "", Scroll(direction="down"), False),
        (Select(option="red", point=Point(0.5, 0.25)), "", Select(option="Red", point=Point(0.5, 0.25)), True),
        (Select(option="blue"), "Press OK", Select(option="red", point=Point(0.5, 0.25)), False),
        (Drag(start=Point(0, 0), end=Point(0.5, 0.5)), "", Drag(start=Point(0, 0), end=Point(0.5, 0.5)), True),
        (Drag(start=Point(0, 0)), "Press OK", Drag(start=Point(0, 0), end=Point(0.5, 0.5)), False),
        (Finish(answer="x"), "", Finish(answer="X "), True),
    ],
)
def test_what_counts_as_recorded(action, instruction, wanted, same):
    assert is_recorded(action, instruction, step(wanted)) is same
