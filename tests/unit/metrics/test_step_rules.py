"""The strict step rule: hand-made tables, and a reference that can be scored hits itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer1_agents.actions.space import (
    Click,
    Code,
    Drag,
    Finish,
    Hotkey,
    LongPress,
    OpenApp,
    Point,
    PressButton,
    Scroll,
    Select,
    ToolCall,
    Type,
    Wait,
)
from tracer1_agents.metrics.step_rules import Reason, StepOutcome, strict
from tracer1_agents.types import ImageRef, Observation, ReferenceStep

PHONE = Observation(image=ImageRef(ref="phone.png", width=1000, height=2000))  # 0.04 of the longer side: 80 pixels
WIDE, NARROW, ELSEWHERE = (0.0, 0.0, 1.0, 0.5), (0.4, 0.2, 0.6, 0.3), (0.8, 0.8, 0.81, 0.81)


def click(x, y):
    return Click(point=Point(x, y))


def step(action, **fields):
    return ReferenceStep(action=action, observation=PHONE, **fields)


def reason_of(predicted, reference):
    return strict(predicted, reference).reason


class TestPlaces:
    @pytest.mark.parametrize(
        ("x", "y", "boxes", "reason"),
        [
            # the reference clicks (0.5, 0.25)
            (0.41, 0.21, (WIDE, NARROW), Reason.NONE),
            (0.6, 0.3, (NARROW, WIDE), Reason.NONE),  # the edge is inside
            (0.39, 0.25, (WIDE, NARROW), Reason.PLACE),  # in a box, but not in the smallest
            (0.39, 0.25, (WIDE,), Reason.NONE),
            (0.805, 0.805, (WIDE, NARROW, ELSEWHERE), Reason.PLACE),  # smaller still, but the reference is not in it
            (0.579, 0.25, (), Reason.NONE),  # 79 pixels of 80
            (0.581, 0.25, (), Reason.PLACE),
            (0.5, 0.289, (), Reason.NONE),  # 78 pixels
            (0.5, 0.291, (), Reason.PLACE),
            (0.547, 0.282, (), Reason.NONE),  # 47 and 64 pixels are 79.4
            (0.56, 0.29, (), Reason.PLACE),  # 60 and 80 are 100
            (0.579, 0.25, (ELSEWHERE,), Reason.NONE),  # no box holds the reference: as if there were none
        ],
    )
    def test_clicks(self, x, y, boxes, reason):
        assert reason_of(click(x, y), step(click(0.5, 0.25), boxes=boxes)) is reason

    def test_a_click_without_a_point_hits_nothing(self):
        assert reason_of(Click(), step(click(0.5, 0.25), boxes=(WIDE,))) is Reason.NO_POINT

    def test_the_kind_comes_first(self):
        verdict = strict(LongPress(point=Point(0.5, 0.25)), step(click(0.5, 0.25)))
        assert (verdict.outcome, verdict.reason) == (StepOutcome.MISS, Reason.KIND)

    def test_both_ends_of_a_drag(self):
        wanted = Drag(start=Point(0.1, 0.1), end=Point(0.9, 0.9))
        assert reason_of(Drag(start=Point(0.15, 0.1), end=Point(0.9, 0.93)), step(wanted)) is Reason.NONE
        assert reason_of(Drag(start=Point(0.15, 0.1), end=Point(0.9, 0.8)), step(wanted)) is Reason.PLACE
        assert reason_of(Drag(start=Point(0.1, 0.1)), step(wanted)) is Reason.NO_POINT

    def test_a_choice_is_a_text_and_where_the_reference_says_a_place(self):
        placed = step(Select(option="Red", point=Point(0.5, 0.25)), boxes=(NARROW,))
        assert reason_of(Select(option="red", point=Point(0.45, 0.25)), placed) is Reason.NONE
        assert reason_of(Select(option="red", point=Point(0.1, 0.25)), placed) is Reason.PLACE
        assert reason_of(Select(option="blue", point=Point(0.5, 0.25)), placed) is Reason.ARGUMENTS
        assert reason_of(Select(option=" RED"), step(Select(option="red"))) is Reason.NONE


class TestArguments:
    @pytest.mark.parametrize(
        ("predicted", "wanted", "hit"),
        [
            (Type(content="STRASSE "), Type(content="straße"), True),
            (Type(content="hello there"), Type(content="hello"), False),  # no substrings
            (OpenApp(app_name="google maps"), OpenApp(app_name="Google  Maps"), True),
            (OpenApp(app_name="maps"), OpenApp(app_name="Google Maps"), False),
            (Scroll(direction="down"), Scroll(direction="down", point=Point(0.1, 0.1)), True),
            (Scroll(direction="left"), Scroll(direction="right"), False),
            (PressButton(button="back"), PressButton(button="back"), True),
            (PressButton(button="back"), PressButton(button="home"), False),
            (Hotkey(keys=("c", "ctrl")), Hotkey(keys=("Ctrl", "C")), True),
            (Wait(), Wait(), True),
            (Finish(answer="4"), Finish(answer="5"), False),
            (Finish(status="infeasible"), Finish(), False),
            (ToolCall(name="t", arguments={"n": 2.0}), ToolCall(name="t", arguments={"n": "2"}), True),
            (ToolCall(name="t", arguments={"n": 2}), ToolCall(name="t", arguments={"n": 3}), False),
            (Code(source="print(1)\n"), Code(source="print(1)"), True),
        ],
    )
    def test_table(self, predicted, wanted, hit):
        assert reason_of(predicted, step(wanted)) is (Reason.NONE if hit else Reason.ARGUMENTS)


class TestAlternatives:
    REFERENCE = step(click(0.5, 0.25), boxes=(NARROW,), alternatives=(Wait(), click(0.9, 0.9), Click()))

    @pytest.mark.parametrize("predicted", [click(0.5, 0.25), Wait(), click(0.91, 0.9)])
    def test_each_is_right(self, predicted):
        assert strict(predicted, self.REFERENCE).outcome is StepOutcome.HIT

    @pytest.mark.parametrize("predicted", [click(0.1, 0.9), Type(content="x")])
    def test_others_are_not(self, predicted):
        assert strict(predicted, self.REFERENCE).outcome is StepOutcome.MISS


class TestUnscorable:
    @pytest.mark.parametrize(
        ("reference", "reason"),
        [
            (step(Finish(), flags=frozenset({"synthetic"})), Reason.SYNTHETIC),
            (step(Type(content="x"), flags=frozenset({"no_target"})), Reason.NO_TARGET),
            (step(Click(), boxes=(WIDE,)), Reason.NO_REFERENCE_POINT),
            (step(Drag(start=Point(0.1, 0.1))), Reason.NO_REFERENCE_POINT),
            (ReferenceStep(action=click(0.9, 0.9), boxes=(NARROW,)), Reason.NO_SCREEN_SIZE),
            (ReferenceStep(action=Drag(start=Point(0, 0), end=Point(1, 1)), boxes=(WIDE,)), Reason.NO_SCREEN_SIZE),
        ],
    )
    @pytest.mark.parametrize("predicted", [Wait(), click(0.5, 0.25), Type(content="x")])
    def test_depends_on_the_reference_alone(self, predicted, reference, reason):
        verdict = strict(predicted, reference)
        assert (verdict.outcome, verdict.reason) == (StepOutcome.UNSCORABLE, reason)

    def test_a_box_makes_up_for_an_unknown_screen(self):
        reference = ReferenceStep(action=click(0.5, 0.25), boxes=(NARROW,))
        assert strict(click(0.41, 0.21), reference).outcome is StepOutcome.HIT


UNITS = st.sampled_from([0.0, 0.2, 0.5, 1.0])
POINTS = st.none() | st.builds(Point, UNITS, UNITS)
ACTIONS = st.one_of(
    st.builds(Click, point=POINTS),
    st.builds(Drag, start=POINTS, end=POINTS),
    st.builds(Select, option=st.text(max_size=3), point=POINTS),
    st.builds(Scroll, direction=st.sampled_from(["up", "left"]), point=POINTS),
    st.builds(Type, content=st.text(max_size=5)),
    st.builds(Finish, answer=st.none() | st.text(max_size=5)),
)
STEPS = st.builds(
    ReferenceStep,
    action=ACTIONS,
    observation=st.sampled_from([Observation(), PHONE]),
    boxes=st.lists(st.tuples(UNITS, UNITS, UNITS, UNITS), max_size=3).map(tuple),
    alternatives=st.lists(ACTIONS, max_size=2).map(tuple),
)


@settings(deadline=None)
@given(STEPS, ACTIONS)
def test_a_reference_that_can_be_scored_hits_itself(reference, predicted):
    own, other = strict(reference.action, reference), strict(predicted, reference)
    assert own.outcome is not StepOutcome.MISS
    assert (own.outcome is StepOutcome.UNSCORABLE) == (other.outcome is StepOutcome.UNSCORABLE)
    assert (other.reason is Reason.NONE) == (other.outcome is StepOutcome.HIT)
