"""The grounded reward: a hand-made table for every kind, what gives no reward, and its bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer1_agents.actions.space import (
    KINDS,
    CallUser,
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
    dump_action,
    load_action,
)
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.rewards.grounded import (
    GroundedConfig,
    GroundedOutcome,
    Reason,
    grounded_reward,
    matcher_for,
)
from tracer1_agents.rewards.results import ToolResult
from tracer1_agents.rewards.zero_rates import ZeroRates
from tracer1_agents.types import FAILED, NO_TARGET, SYNTHETIC, Execution, ImageRef, Observation, ReferenceStep

PHONE = Observation(image=ImageRef(ref="phone.png", width=1000, height=2000))  # 0.04 of the longer side: 80 pixels
BOX = (0.4, 0.2, 0.6, 0.3)
LOST = Execution(ok=False, text="error: gone", infrastructure=True)
BROKEN = GroundedOutcome(Click(), Execution(value={"kind": "click", "point": [7, 7]}))  # off the screen: no action
DENSE = GroundedConfig(pointing="dense")


def click(x, y):
    return Click(point=Point(x, y))


def step(action, **fields):
    return ReferenceStep(**{"action": action, "observation": PHONE, **fields})


def did(action, execution=None, **fields):
    return GroundedOutcome(action, execution or Execution(), **fields)


def at(action, x, y):
    """The planner's action without a point, grounded at (x, y)."""
    return did(action, Execution(value=dump_action(action.model_copy(update={"point": Point(x, y)}))))


def said(action, text, value=None, **fields):
    return did(action, Execution(text=text, value=value), **fields)


def reward_of(outcome, reference, config=None, **more):
    reward = grounded_reward(outcome, reference, config or GroundedConfig(), **more)
    return reward.total, reward.reason


class TestPlaces:
    @pytest.mark.parametrize(
        ("x", "y", "boxes", "hit", "dense"),
        [
            # the reference clicks (0.5, 0.25); dense: 1 - distance / 0.14 outside the target
            (0.59, 0.29, (BOX,), 1.0, 1.0),
            (0.61, 0.25, (BOX,), 0.0, 1 - 0.11 / 0.14),
            (0.61, 0.25, ((0.0, 0.0, 1.0, 1.0), BOX), 0.0, 1 - 0.11 / 0.14),  # in a box, but not in the smallest
            (0.579, 0.25, (), 1.0, 1.0),  # 79 pixels of 80
            (0.5, 0.32, (), 0.0, 0.5),  # 140 pixels, half of the way to nothing
            (0.9, 0.9, (), 0.0, 0.0),
        ],
    )
    def test_clicks(self, x, y, boxes, hit, dense):
        reference = step(click(0.5, 0.25), boxes=boxes)
        assert grounded_reward(at(Click(), x, y), reference).total == hit
        assert grounded_reward(at(Click(), x, y), reference, DENSE).total == pytest.approx(dense)

    def test_the_executor_places_not_the_planner(self):
        outcome = did(click(0.5, 0.25), Execution(value=dump_action(click(0.9, 0.9))))
        assert reward_of(outcome, step(click(0.5, 0.25))) == (0.0, Reason.DIFFERENT)

    def test_without_an_executor_the_planner_places(self):
        assert reward_of(GroundedOutcome(click(0.5, 0.26)), step(click(0.5, 0.25))) == (1.0, Reason.NONE)

    def test_a_value_that_is_no_action_leaves_the_planners(self):
        outcome = did(click(0.5, 0.25), Execution(value={"seen": 3}))
        assert reward_of(outcome, step(click(0.5, 0.25))) == (1.0, Reason.NONE)

    def test_a_box_tells_enough_without_the_screens_size(self):
        reference = ReferenceStep(action=click(0.5, 0.25), boxes=(BOX,))
        assert reward_of(at(Click(), 0.59, 0.29), reference) == (1.0, Reason.NONE)
        assert reward_of(at(Click(), 0.61, 0.25), reference) == (0.0, Reason.DIFFERENT)

    def test_no_point(self):
        assert reward_of(did(Click()), step(click(0.5, 0.25))) == (0.0, Reason.NO_POINT)

    def test_the_planners_kind_counts_and_the_executors_too(self):
        assert reward_of(at(LongPress(), 0.5, 0.25), step(click(0.5, 0.25))) == (0.0, Reason.KIND)
        swapped = did(Click(), Execution(value=dump_action(Wait())))
        assert reward_of(swapped, step(click(0.5, 0.25))) == (0.0, Reason.KIND)

    def test_the_worse_end_of_a_drag_counts(self):
        wanted = step(Drag(start=Point(0.1, 0.1), end=Point(0.9, 0.9)))
        done = did(Drag(start=Point(0.1, 0.1), end=Point(0.9, 0.83)))  # 140 pixels off: 1 - 0.07 / 0.14
        assert grounded_reward(done, wanted).total == 0.0
        assert grounded_reward(done, wanted, DENSE).total == pytest.approx(0.5)
        assert reward_of(did(Drag(start=Point(0.1, 0.1))), wanted) == (0.0, Reason.NO_POINT)

    def test_a_choice_is_a_text_and_a_place(self):
        wanted = step(Select(option="Light red", point=Point(0.5, 0.25)), boxes=(BOX,))
        assert grounded_reward(at(Select(option="light red"), 0.5, 0.25), wanted).total == 1.0
        assert grounded_reward(at(Select(option="light blue"), 0.5, 0.25), wanted).total == 0.0
        lenient = GroundedConfig(texts="token_f1")
        assert grounded_reward(at(Select(option="light blue"), 0.5, 0.25), wanted, lenient).total == 0.5
        assert grounded_reward(at(Select(option="light blue"), 0.9, 0.25), wanted, lenient).total == 0.0


class TestArguments:
    @pytest.mark.parametrize(
        ("done", "wanted", "exact", "lenient"),
        [
            (Type(content="Hello  There"), Type(content="hello there"), 1.0, 1.0),
            (Type(content="hello"), Type(content="hello there"), 0.0, 2 / 3),  # 2 * 1 / (1 + 2)
            (OpenApp(app_name="Maps"), OpenApp(app_name="Google Maps"), 0.0, 2 / 3),
            (Select(option="red"), Select(option="Red "), 1.0, 1.0),
            (Scroll(direction="down"), Scroll(direction="down", point=Point(0.1, 0.1)), 1.0, 1.0),
            (Scroll(direction="up"), Scroll(direction="down"), 0.0, 0.0),
            (Hotkey(keys=("c", "ctrl")), Hotkey(keys=("ctrl", "c")), 1.0, 1.0),
            (Hotkey(keys=("ctrl",)), Hotkey(keys=("ctrl", "c")), 0.0, 0.0),
            (Hotkey(keys=("page up",)), Hotkey(keys=("page down",)), 0.0, 0.0),
            (PressButton(button="back"), PressButton(button="home"), 0.0, 0.0),
            (Wait(), Wait(), 1.0, 1.0),
            (CallUser(), CallUser(), 1.0, 1.0),
        ],
    )
    def test_table(self, done, wanted, exact, lenient):
        assert grounded_reward(did(done), step(wanted)).total == exact
        assert grounded_reward(did(done), step(wanted), GroundedConfig(texts="token_f1")).total == pytest.approx(
            lenient
        )

    def test_no_screen_is_needed(self):
        assert reward_of(did(Wait()), ReferenceStep(action=Wait())) == (1.0, Reason.NONE)


class TestResults:
    CALL = ToolCall(name="calculator", arguments={"expression": "50 + 70"})

    @pytest.mark.parametrize(
        ("outcome", "total", "reason"),
        [
            (said(CALL, "120.0", 120.0), 1.0, Reason.NONE),
            (said(ToolCall(name="calculator", arguments={"expression": "60 * 2"}), "120"), 1.0, Reason.NONE),
            (said(CALL, "121"), 0.0, Reason.DIFFERENT),
            (said(ToolCall(name="solver"), "120"), 0.0, Reason.KIND),
            (said(Code(source="print(120)"), "120"), 0.0, Reason.KIND),
            (did(CALL, Execution(ok=False, text="error: no")), 0.0, Reason.TOOL_ERROR),
            (did(CALL, LOST), None, Reason.INFRASTRUCTURE),
        ],
    )
    def test_a_call(self, outcome, total, reason):
        assert reward_of(outcome, step(self.CALL, result="120")) == (total, reason)

    def test_typed_where_a_value_was_recorded(self):
        find = ToolCall(name="objectlocation", arguments={"object": "cat", "image_path": "a.png"})
        recorded = ToolResult("[[0, 0, 10, 10]]", [[0, 0, 10, 10]])
        outcome = said(find, "[[0, 0, 10, 9]]", [[0, 0, 10, 9]])
        assert reward_of(outcome, step(find), recorded=recorded) == (1.0, Reason.NONE)
        assert reward_of(outcome, step(find, result="[[0, 0, 10, 10]]")) == (1.0, Reason.NONE)

    def test_files_where_they_were_recorded(self):
        draw = ToolCall(name="draw_box", arguments={"image_path": "a.png", "box": [0, 0, 1, 1]})
        recorded = ToolResult("saved boxed.png, 9 x 9 pixels", files={"boxed.png": "f00"})
        same, other = ({"boxed.png": digest} for digest in ("f00", "ba5"))
        assert grounded_reward(said(draw, "saved", files=same), step(draw), recorded=recorded).total == 1.0
        assert grounded_reward(said(draw, "saved", files=other), step(draw), recorded=recorded).total == 0.0

    def test_code_by_what_it_prints(self):
        wanted = step(Code(source="print(50 + 70)"), result="120")
        assert reward_of(said(Code(source="x = 120\nprint(x)"), "120"), wanted) == (1.0, Reason.NONE)
        assert reward_of(said(Code(source="print(50 + 70)"), "no output"), wanted) == (0.0, Reason.DIFFERENT)

    def test_the_table_can_be_overridden(self):
        look = ToolCall(name="ask_search_agent", arguments={"query": "x"})
        wanted, outcome = step(look, result="a b"), said(look, "a c")
        assert grounded_reward(outcome, wanted).total == 0.0
        assert grounded_reward(outcome, wanted, GroundedConfig(matchers={look.name: "token_f1"})).total == 0.5
        mine = ToolCall(name="mine")
        assert matcher_for(mine) == "exact"
        assert matcher_for(mine, GroundedConfig(other_tools="numeric")) == "numeric"
        assert matcher_for(Code(source="1"), GroundedConfig(matchers={"code": "exact"})) == "exact"

    @pytest.mark.parametrize(
        ("action", "config", "name"),
        [
            (click(0.5, 0.25), GroundedConfig(), "place"),
            (click(0.5, 0.25), DENSE, "dense"),
            (Wait(), GroundedConfig(), "arguments"),
            (Finish(), GroundedConfig(), "status"),
            (Finish(answer="4"), GroundedConfig(), "answer"),
        ],
    )
    def test_the_rule_of_what_is_no_call(self, action, config, name):
        assert matcher_for(action, config) == name

    def test_a_judge(self):
        look = ToolCall(name="visualizer", arguments={"question": "what?"})
        config = GroundedConfig(matchers={"visualizer": "judge"})
        wanted, outcome = step(look, result="a cat", instruction="Look at it"), said(look, "one cat")
        asked = []

        def judge(got, expected, instruction):
            asked.append((got.text, expected.text, instruction))
            return 0.7

        assert reward_of(outcome, wanted, config, judge=judge) == (0.7, Reason.DIFFERENT)
        assert asked == [("one cat", "a cat", "Look at it")]
        assert reward_of(outcome, wanted, config, judge=lambda *_: None) == (None, Reason.INFRASTRUCTURE)
        assert reward_of(outcome, wanted, config, judge=lambda *_: 0.0) == (0.0, Reason.DIFFERENT)
        assert reward_of(outcome, wanted, config, judge=lambda *_: 1.0) == (1.0, Reason.NONE)
        for wrong in (-0.1, 1.1):
            with pytest.raises(ConfigurationError, match=f"from 0 to 1, or None when it was not reached; got {wrong}"):
                grounded_reward(outcome, wanted, config, judge=lambda *_, wrong=wrong: wrong)
        with pytest.raises(ConfigurationError, match="tool:visualizer is to be judged, but there is no judge"):
            grounded_reward(outcome, wanted, config)

    def test_a_call_needs_its_execution(self):
        with pytest.raises(ConfigurationError, match="tool:calculator is scored by its result"):
            grounded_reward(GroundedOutcome(self.CALL), step(self.CALL, result="120"))


class TestFinish:
    @pytest.mark.parametrize(
        ("done", "wanted", "total"),
        [
            (Finish(answer="$1,200"), Finish(answer="1200"), 1.0),
            (Finish(answer="1201"), Finish(answer="1200"), 0.0),
            (Finish(), Finish(answer="1200"), 0.0),
            (Finish(answer="done"), Finish(), 1.0),
            (Finish(status="infeasible"), Finish(), 0.0),
            (Finish(status="infeasible"), Finish(status="infeasible"), 1.0),
            (Finish(answer="Paris", status="infeasible"), Finish(answer="Paris"), 0.0),
            (Finish(answer="anything"), Finish(answer="inf"), 0.0),  # the official rule's hole is closed
        ],
    )
    def test_table(self, done, wanted, total):
        assert grounded_reward(GroundedOutcome(done), step(wanted)).total == total

    def test_official_answers(self):
        official = GroundedConfig(answers="official")
        assert grounded_reward(GroundedOutcome(Finish(answer="x")), step(Finish(answer="inf")), official).total == 1.0

    def test_an_appended_end_teaches_when_to_stop(self):
        assert grounded_reward(did(Finish()), step(Finish(), flags={SYNTHETIC})).total == 1.0


class TestReferencesOfPlannersThatNeverSayWhere:
    """A box and no point: what the grounder found has to lie in it, where such references are let in."""

    BOXES = GroundedConfig(boxes_alone=True)

    @pytest.mark.parametrize(("x", "y", "total"), [(0.5, 0.25, 1.0), (0.6, 0.3, 1.0), (0.7, 0.25, 0.0)])
    def test_the_place_that_was_found_counts(self, x, y, total):
        wanted = step(Click(), boxes=(BOX,), observation=Observation(text="no screenshot"))
        assert grounded_reward(at(Click(), x, y), wanted, self.BOXES).total == total
        assert grounded_reward(at(Click(), x, y), wanted).total is None

    def test_no_place_is_no_hit(self):
        assert grounded_reward(did(Click()), step(Click(), boxes=(BOX,)), self.BOXES).reason is Reason.NO_POINT

    @pytest.mark.parametrize("wanted", [Click(), Drag()])
    def test_without_a_box_of_its_own_it_still_teaches_nothing(self, wanted):
        boxes = (BOX,) if isinstance(wanted, Drag) else ()
        assert grounded_reward(at(Click(), 0.5, 0.25), step(wanted, boxes=boxes), self.BOXES).total is None


class TestNoReward:
    @pytest.mark.parametrize(
        ("reference", "reason"),
        [
            (step(click(0.5, 0.5), flags={NO_TARGET}), Reason.NO_TARGET),
            (step(Type(content="x"), flags={NO_TARGET}), Reason.NO_TARGET),
            (step(Click()), Reason.NO_REFERENCE_POINT),
            (step(Drag(start=Point(0, 0))), Reason.NO_REFERENCE_POINT),
            (ReferenceStep(action=click(0.5, 0.5)), Reason.NO_SCREEN_SIZE),
            (step(Code(source="x = 1"), result=" \n"), Reason.NO_RESULT),
            (step(ToolCall(name="ocr"), result="Error: no", flags={FAILED}), Reason.RECORDED_FAILURE),
        ],
    )
    @pytest.mark.parametrize(
        "outcome", [*map(GroundedOutcome, (None, Wait(), click(0.5, 0.5))), did(click(0.5, 0.5), LOST)]
    )
    def test_whatever_is_done_against_a_reference_that_says_too_little(self, reference, reason, outcome):
        assert reward_of(outcome, reference) == (None, reason)

    @pytest.mark.parametrize("wanted", [Wait(), click(0.5, 0.5), Type(content="x")])
    def test_a_lost_executor(self, wanted):
        assert reward_of(did(Wait(), LOST), step(wanted)) == (None, Reason.INFRASTRUCTURE)

    def test_an_executor_that_gives_no_action(self):
        assert reward_of(BROKEN, step(click(0.5, 0.5))) == (None, Reason.INFRASTRUCTURE)

    def test_an_unreadable_reply_is_wrong(self):
        assert reward_of(GroundedOutcome(None), step(Wait())) == (0.0, Reason.UNREADABLE)


def test_alternatives_count_when_asked_for():
    wanted = step(click(0.5, 0.25), alternatives=(Hotkey(keys=("enter",)), ToolCall(name="t"), Click()))
    outcome = did(Hotkey(keys=("enter",)))
    assert grounded_reward(outcome, wanted).total == 0.0
    best = grounded_reward(outcome, wanted, GroundedConfig(alternatives=True))
    assert (best.total, best.kind, best.matcher) == (1.0, "hotkey", "arguments")
    assert grounded_reward(did(ToolCall(name="t")), wanted, GroundedConfig(alternatives=True)).total == 0.0


@pytest.mark.parametrize(
    ("outcome", "reference", "total", "kind"),
    [
        # several are accepted, and the best of them counts, the reference's own action first
        (at(Click(), 0.5, 0.5), step(click(0.1, 0.1), alternatives=(click(0.5, 0.5), click(0.9, 0.9))), 1.0, "click"),
        (at(Click(), 0.1, 0.1), step(click(0.1, 0.1), alternatives=(click(0.5, 0.5),)), 1.0, "click"),
        (did(Wait()), step(click(0.1, 0.1), alternatives=(CallUser(),)), 0.0, "click"),
        # an alternative call's result was not recorded: the recorded one is another action's
        (said(ToolCall(name="t"), "ok"), step(Wait(), result="ok", alternatives=(ToolCall(name="t"),)), 0.0, "wait"),
        # an alternative that does not say where teaches nothing
        (at(Click(), 0.5, 0.25), step(Wait(), boxes=(BOX,), alternatives=(Click(),)), 0.0, "wait"),
        # an executor that broke its promise, whichever of them was done
        (BROKEN, step(click(0.5, 0.5), alternatives=(Wait(),)), None, "click"),
        (BROKEN, step(Wait(), alternatives=(click(0.5, 0.5),)), None, "click"),
    ],
)
def test_alternatives(outcome, reference, total, kind):
    reward = grounded_reward(outcome, reference, GroundedConfig(alternatives=True))
    assert (reward.total, reward.kind) == (total, kind)


ACTIONS = [
    click(0.5, 0.25), Click(), LongPress(point=Point(0.5, 0.25)), Drag(start=Point(0.1, 0.1), end=Point(0.9, 0.9)),
    Scroll(direction="down"), Type(content="hello there"), Type(content="hello"), Select(option="red"),
    Select(option="red", point=Point(0.5, 0.25)), Hotkey(keys=("a",)), PressButton(button="back"),
    OpenApp(app_name="Maps"), Wait(), CallUser(), ToolCall(name="ocr"), ToolCall(name="objectlocation"),
    ToolCall(name="solver"), ToolCall(name="draw_box"), Code(source="1"), Finish(), Finish(answer="1;2"),
]  # fmt: skip
TEXTS = st.sampled_from(["120", "a b", "[[0, 0, 1, 1]]", ""]) | st.text(max_size=20)
EXECUTIONS = st.builds(
    Execution,
    ok=st.booleans(),
    text=TEXTS,
    value=st.none() | st.sampled_from(ACTIONS).map(dump_action) | st.integers(),
    infrastructure=st.booleans(),
)
CONFIGS = st.builds(
    GroundedConfig,
    pointing=st.sampled_from(["hit", "dense"]),
    texts=st.sampled_from(["exact", "token_f1"]),
    alternatives=st.booleans(),
)


@given(
    outcome=st.builds(GroundedOutcome, action=st.none() | st.sampled_from(ACTIONS), execution=EXECUTIONS),
    reference=st.builds(
        step,
        st.sampled_from(ACTIONS),
        result=TEXTS,
        boxes=st.sampled_from([(), (BOX,)]),
        alternatives=st.lists(st.sampled_from(ACTIONS), max_size=2),
    ),
    config=CONFIGS,
)
def test_bounded_and_none_only_for_a_reason(outcome, reference, config):
    reward = grounded_reward(outcome, reference, config)
    assert reward.total is None or 0.0 <= reward.total <= 1.0
    assert (reward.total == 1.0) == (reward.reason is Reason.NONE)
    if outcome.execution.infrastructure:
        assert reward.total is None


@given(reference=st.builds(step, st.sampled_from(ACTIONS), result=TEXTS), config=CONFIGS)
def test_the_reference_scores_one_or_cannot_be_scored(reference, config):
    assert grounded_reward(said(reference.action, reference.result), reference, config).total in {1.0, None}


def test_every_kind_of_the_union_is_in_the_table_above():
    kinds = {action.kind for action in ACTIONS}
    pointing = {"left_double", "triple_click", "right_single", "middle_click", "hover"}  # clicks by another name
    assert kinds | pointing == set(KINDS)
    for kind in pointing:
        action = load_action({"kind": kind, "point": [0.5, 0.25]})
        assert grounded_reward(did(action), step(click(0.5, 0.25))).reason is Reason.KIND
        assert grounded_reward(did(action), step(action)).total == 1.0


class TestZeroRates:
    def test_counts_by_matcher(self):
        rates = ZeroRates()
        wanted = step(click(0.5, 0.25))
        outcomes = [at(Click(), 0.5, 0.25), at(Click(), 0.9, 0.9), did(Click()), did(Wait()), did(Type(content="x"))]
        outcomes.append(did(Click(), LOST))
        rates.add(grounded_reward(outcome, wanted) for outcome in outcomes)
        counts = rates.counts["place"]
        assert (counts.compared, counts.zeros, counts.not_reached, counts.none) == (3, 2, 2, 1)
        assert rates.metrics() == {"zero_rate/place": pytest.approx(2 / 3)}

    def test_a_matcher_that_never_fires_is_named(self):
        rates = ZeroRates()
        call = ToolCall(name="ocr")
        rates.add([grounded_reward(said(call, "a"), step(call, result="b"))] * 3)
        rates.add([grounded_reward(did(Wait()), step(Wait()))] * 3)
        assert rates.silent(enough=3) == ("token_f1",)
        assert rates.silent(enough=4) == ()
        find = ToolCall(name="objectlocation")
        rates.add([grounded_reward(said(find, "a"), step(find, result="b"))] * 50)
        assert rates.silent() == ("boxes",)  # fifty are enough, forty-nine are not
        rates.add([grounded_reward(said(call, "a"), step(call, result="b"))] * 46)
        assert rates.silent() == ("boxes",)
        rates.add([grounded_reward(said(call, "a"), step(call, result="b"))])
        assert rates.silent() == ("boxes", "token_f1")

    def test_what_was_never_compared_has_no_rate(self):
        rates = ZeroRates()
        rates.add([grounded_reward(did(Wait()), step(click(0.5, 0.25)))])
        assert rates.metrics() == {}
