"""Published step rules: hits and misses of each, worked out by hand on a screen of 1000 by 2000 pixels."""

from __future__ import annotations

import pytest

from tracer1_agents.actions.space import (
    Click,
    Finish,
    LongPress,
    OpenApp,
    Point,
    PressButton,
    Scroll,
    Type,
    Wait,
)
from tracer1_agents.metrics.odyssey import odyssey
from tracer1_agents.metrics.published_rules import RULES, enlarged, same_type, uground
from tracer1_agents.metrics.step_rules import Reason, StepOutcome
from tracer1_agents.types import NO_TARGET, SYNTHETIC, ImageRef, Observation, ReferenceStep, ScreenNode

PHONE = Observation(image=ImageRef(ref="phone.png", width=1000, height=2000))
BIG, SMALL, OFF = (0.0, 0.0, 1.0, 0.5), (0.4, 0.2, 0.6, 0.3), (0.9, 0.9, 1.0, 1.0)
NAMES = ("strict", "os-atlas", "gui-r1", "qwen", "ui-s1", "uground")


def click(x, y):
    return Click(point=Point(x, y))


def step(action, **fields):
    return ReferenceStep(action=action, observation=PHONE, **fields)


def outcomes(predicted, reference):
    """H, m or - (unscorable) for each rule, in the order of NAMES."""
    marks = {StepOutcome.HIT: "H", StepOutcome.MISS: "m", StepOutcome.UNSCORABLE: "-"}
    return "".join(marks[RULES[name](predicted, reference).outcome] for name in NAMES)


def test_the_table_holds_the_six_rules():
    assert tuple(RULES) == NAMES


MIDDLE = step(click(0.5, 0.25), boxes=(BIG, SMALL))
BARE = step(click(0.5, 0.25))

CLICKS = [
    # strict: smallest box; os-atlas: 0.14 of both sides; gui-r1: the same, excluded at the edge; qwen: any box x1.2;
    # ui-s1: 0.04; uground: smallest node
    (MIDDLE, click(0.5, 0.25), "HHHHHH"),
    (MIDDLE, click(0.59, 0.25), "HHHHmH"),  # 0.09 away, inside the small box
    (MIDDLE, click(0.63, 0.25), "mHHHmm"),  # outside the small box, in the big one, 0.13 away
    (MIDDLE, click(0.5, 0.45), "mmmHmm"),  # 0.2 away, still in the big box
    (MIDDLE, click(0.5, 0.549), "mmmHmm"),  # the big box is 0.5 high: enlarged it ends at 0.55
    (MIDDLE, click(0.5, 0.551), "mmmmmm"),
    (MIDDLE, Click(), "mmmmmm"),  # no point
    (MIDDLE, LongPress(point=Point(0.5, 0.25)), "mmHmmm"),  # gui-r1 scores the place whatever the kind
    # without a box: strict and qwen 0.04 of the longer side = 80 pixels; uground has no node
    (BARE, click(0.5, 0.25), "HHHHHm"),
    (BARE, click(0.579, 0.25), "HHHHmm"),  # 79 pixels across, 0.079 of the width
    (BARE, click(0.5, 0.2899), "HHHHHm"),  # 79.8 pixels down, 0.0399 of the height
    (BARE, click(0.5, 0.2901), "mHHmmm"),
    (BARE, click(0.6399, 0.25), "mHHmmm"),
    (BARE, click(0.6401, 0.25), "mmmmmm"),
]


@pytest.mark.parametrize(("reference", "predicted", "wanted"), CLICKS)
def test_clicks(reference, predicted, wanted):
    assert outcomes(predicted, reference) == wanted


TEXTS = [
    # strict: equal when folded; os-atlas: equal, or alike in the first word; gui-r1: F1 >= 0.5, single words by
    # substring; qwen and ui-s1: substring either way; uground: to the letter
    (Type(content="new york"), Type(content="new york"), "HHHHHH"),
    (Type(content="new york"), Type(content="New  York"), "HHHmmm"),
    (Type(content="new york"), Type(content="New York"), "HHHHHm"),
    (Type(content="new york"), Type(content="new orleans"), "mHHmmm"),  # F1 of {new, york}, {new, orleans}: 0.5
    (Type(content="new york"), Type(content="york"), "mmHHHm"),  # F1 2/3; stands in it
    (Type(content="new york city hall"), Type(content="york"), "mmmHHm"),  # F1 2 * 1 / 5 = 0.4
    (Type(content="yorkshire"), Type(content="york"), "mmHHHm"),
    (Type(content="new york"), Type(content="boston"), "mmmmmm"),
    (Type(content="new york"), Type(content=""), "mmmHHm"),  # a published hole: nothing stands in everything
    (Type(content="new york"), OpenApp(app_name="new york"), "mmHmmm"),  # gui-r1 compares the text whatever the kind
    (OpenApp(app_name="Zoho Meeting"), OpenApp(app_name="Zoho"), "mHHHHm"),
    (OpenApp(app_name="Zoho Meeting"), OpenApp(app_name="Meet"), "mmmHHm"),
    (OpenApp(app_name="Zoho Meeting"), click(0.5, 0.25), "mmmmmm"),  # no icon in the source
]


@pytest.mark.parametrize(("wanted_action", "predicted", "wanted"), TEXTS)
def test_texts(wanted_action, predicted, wanted):
    assert outcomes(predicted, step(wanted_action)) == wanted


OTHERS = [
    # a view that moves down is a finger that moves up: qwen's reference says "down" and never agrees with a finger
    (Scroll(direction="down"), Scroll(direction="down"), "HHHmHH"),
    (Scroll(direction="down"), Scroll(direction="up"), "mmmHHm"),
    (Scroll(direction="left"), Scroll(direction="left"), "HHHHHH"),
    (Scroll(direction="left"), Scroll(direction="right"), "mmmmHm"),
    (Scroll(direction="left"), click(0.5, 0.5), "mmmmmm"),
    (PressButton(button="back"), PressButton(button="back"), "HH-HHH"),
    (PressButton(button="back"), PressButton(button="home"), "mm-mmm"),
    (Wait(), Wait(), "HH-HHH"),
    (Wait(), click(0.5, 0.5), "mm-mmm"),
    (Finish(), Finish(), "HH---H"),
    (Finish(), Finish(status="infeasible"), "mm---m"),
]


@pytest.mark.parametrize(("wanted_action", "predicted", "wanted"), OTHERS)
def test_other_kinds(wanted_action, predicted, wanted):
    assert outcomes(predicted, step(wanted_action)) == wanted


def test_what_no_script_can_score_is_unscorable_under_every_rule():
    for flag, reason in ((SYNTHETIC, Reason.SYNTHETIC), (NO_TARGET, Reason.NO_TARGET)):
        reference = step(Click(), flags=frozenset({flag}))
        assert outcomes(click(0.5, 0.5), reference) == "------"
        assert {RULES[name](click(0.5, 0.5), reference).reason for name in NAMES} == {reason}


def test_qwen_takes_the_icon_for_opening_the_app():
    reference = step(OpenApp(app_name="Maps"), boxes=(SMALL,))  # enlarged: 0.38 to 0.62 by 0.19 to 0.31
    assert outcomes(click(0.61, 0.25), reference) == "mmmHmm"
    assert outcomes(click(0.63, 0.25), reference) == "mmmmmm"
    assert outcomes(Click(), reference) == "mmmmmm"


def test_uground_takes_a_named_node_for_opening_and_going_back():
    nodes = (ScreenNode(BIG, "whole screen"), ScreenNode(SMALL, "Google Maps"), ScreenNode(OFF, "Navigate back"))
    opening, going_back = step(OpenApp(app_name="maps"), nodes=nodes), step(PressButton(button="back"), nodes=nodes)
    assert uground(click(0.5, 0.25), opening).outcome is StepOutcome.HIT
    assert uground(click(0.1, 0.1), opening).outcome is StepOutcome.MISS
    assert uground(click(0.95, 0.95), going_back).outcome is StepOutcome.HIT
    assert uground(click(0.5, 0.25), going_back).outcome is StepOutcome.MISS
    assert uground(click(0.5, 0.75), opening).outcome is StepOutcome.MISS  # no node there
    assert uground(click(0.5, 0.25), step(OpenApp(app_name="maps"))).outcome is StepOutcome.MISS  # no tree was read


def test_boxes_grow_about_their_middle():
    assert enlarged((0.4, 0.2, 0.6, 0.3)) == pytest.approx((0.38, 0.19, 0.62, 0.31))


def test_buttons_are_kinds_of_their_own():
    assert same_type(PressButton(button="back"), PressButton(button="back"))
    assert not same_type(PressButton(button="back"), PressButton(button="home"))
    assert same_type(Scroll(direction="up"), Scroll(direction="down"))


ODYSSEY = [
    # box or 0.14 of both sides; text by substring or similarity 0.5; direction; keys and ends by kind
    (step(click(0.5, 0.25), boxes=(BIG,)), click(0.9, 0.5), True),  # in the box, far away
    (step(click(0.5, 0.25)), click(0.5, 0.389), True),
    (step(click(0.5, 0.25)), click(0.5, 0.391), False),
    (step(click(0.5, 0.25), boxes=(SMALL,)), click(0.5, 0.38), True),  # outside the box, 0.13 away
    (step(click(0.5, 0.25)), LongPress(point=Point(0.5, 0.25)), False),
    (step(Type(content="night")), Type(content="nacht"), True),  # distance 2 of 5: 0.6
    (step(Type(content="night")), Type(content="nacho"), False),  # distance 3 of 5: 0.4
    (step(Type(content="good night")), Type(content=" night "), True),
    (step(Type(content="Night")), Type(content="nIGHT"), False),  # case counts: 5 of 5 differ
    (step(Scroll(direction="up")), Scroll(direction="up"), True),
    (step(Scroll(direction="up")), Scroll(direction="down"), False),
    (step(PressButton(button="home")), PressButton(button="home"), True),
    (step(PressButton(button="home")), PressButton(button="recent"), False),
    (step(Finish()), Finish(answer="anything"), True),
    (step(Finish()), Finish(status="infeasible"), False),
]


@pytest.mark.parametrize(("reference", "predicted", "hit"), ODYSSEY)
def test_odyssey(reference, predicted, hit):
    assert odyssey(predicted, reference).outcome is (StepOutcome.HIT if hit else StepOutcome.MISS)


def test_odyssey_leaves_appended_ends_out():
    reference = step(Finish(), flags=frozenset({SYNTHETIC}))
    assert odyssey(Finish(), reference).outcome is StepOutcome.UNSCORABLE
