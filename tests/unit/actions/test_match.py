"""When two actions are the same doing: hand-computed tables and identities."""

from __future__ import annotations

import pytest
from action_strategies import actions
from hypothesis import given
from hypothesis import strategies as st

from tracer1_agents.actions.match import (
    RUN_TIME_ALLOWANCE,
    fold,
    kind_of,
    operation,
    point_agreement,
    repetitions,
    same_operation,
    similarity,
    token_f1,
)
from tracer1_agents.actions.space import (
    CallUser,
    Click,
    Code,
    Drag,
    Finish,
    Hotkey,
    OpenApp,
    Point,
    PressButton,
    Result,
    Scroll,
    Select,
    ToolCall,
    Type,
    Wait,
)


def tool(name="t", **arguments):
    return ToolCall(name=name, arguments=arguments)


class TestOperation:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (tool(q="  Hello   World "), tool(q="hello world")),
            (tool(n=2), tool(n=2.0)),
            (tool(n=2), tool(n="2")),
            (tool(a=1, b=[1, {"c": "X"}]), tool(b=[1.0, {"c": "x"}], a="1")),
            (tool(r=Result(3)), tool(r="Result(step=3)")),
            (tool(n=0.1 + 0.2), tool(n=0.3)),
            (Code(source="print(1)  \n\n"), Code(source="\nprint(1)")),
            (Type(content="\uff21\uff22\uff23"), Type(content="abc")),
            (Hotkey(keys=("Ctrl", "c")), Hotkey(keys=("C", "ctrl"))),
            (Scroll(direction="down"), Scroll(direction="down", point=Point(0.1, 0.2))),
            (Finish(answer="Paris"), Finish(answer="paris ")),
            (Finish(answer=None), Finish(answer="")),
            (Click(point=Point(0.101, 0.2)), Click(point=Point(0.099, 0.2))),
        ],
    )
    def test_the_same(self, one, other):
        assert operation(one) == operation(other)
        assert same_operation(one, other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (tool("a", q=1), tool("b", q=1)),
            (tool(q=1), tool(p=1)),
            (tool(q=1), tool(q=2)),
            (tool(q=12345678901), tool(q=12345678902)),
            (tool(q=int("9" * 400)), tool(q=int("8" * 400))),
            (tool(q=True), tool(q=1)),
            (tool(q=True), tool(q=False)),
            (tool(q=None), tool(q=False)),
            (tool(q=None), tool(q="")),
            (Code(source="if x:\n    y"), Code(source="if x:\n  y")),
            (Hotkey(keys=("ctrl", "c")), Hotkey(keys=("ctrl", "v"))),
            (Scroll(direction="down"), Scroll(direction="up")),
            (Finish(answer="x"), Finish(answer="x", status="infeasible")),
            (PressButton(button="home"), PressButton(button="back")),
            (Select(option="a"), Type(content="a")),
            (Click(point=Point(0.1, 0.2)), Click(point=Point(0.2, 0.2))),
            (Click(point=Point(0.11, 0.2)), Click(point=Point(0.14, 0.2))),
        ],
    )
    def test_not_the_same(self, one, other):
        assert operation(one) != operation(other)

    def test_the_instruction_names_the_target(self):
        near, far = Click(point=Point(0.1, 0.1)), Click(point=Point(0.9, 0.9))
        assert same_operation(near, far, "Press OK", "press  ok")
        assert not same_operation(near, near, "Press OK", "Press Cancel")

    def test_kinds(self):
        assert kind_of(tool("ocr")) == "tool:ocr"
        assert kind_of(Wait()) == "wait"
        assert operation(tool("ocr"))[0] == "tool:ocr"
        assert fold(" Straße\n\t x ") == "strasse x"


class TestPieces:
    @pytest.mark.parametrize(
        ("one", "other", "f1"),
        [
            ("", "", 1.0),
            ("a", "", 0.0),
            ("a b", "b a", 1.0),
            ("a b c", "a b", 0.8),  # 2 * 2 / 5
            ("a a", "a", 2 / 3),  # 2 * 1 / 3
            ("Press OK", "press ok", 1.0),
            ("x", "y", 0.0),
        ],
    )
    def test_token_f1(self, one, other, f1):
        assert token_f1(one, other) == pytest.approx(f1)

    @pytest.mark.parametrize(
        ("one", "other", "agreement"),
        [
            ((0.5, 0.5), (0.5, 0.5), 1.0),
            ((0.5, 0.5), (0.57, 0.5), 0.5),  # 0.07 of 0.14
            ((0.1, 0.1), (0.13, 0.14), 1 - 0.05 / 0.14),  # a 3-4-5 triangle
            ((0.0, 0.0), (1.0, 1.0), 0.0),
        ],
    )
    def test_point_agreement(self, one, other, agreement):
        assert point_agreement(Point(*one), Point(*other)) == pytest.approx(agreement)


class TestSimilarity:
    @pytest.mark.parametrize(
        ("predicted", "reference", "wanted"),
        [
            (tool("a"), tool("b"), 0.0),
            (tool("a"), tool("a"), 1.0),
            (Wait(), CallUser(), 0.0),
            (Wait(), Wait(), 1.0),
            (tool(x=1, y=2), tool(x=1, y=2), 1.0),
            (tool(x=1, y=2), tool(x=1, y=3), 0.75),  # 1 of 2
            (tool(x=1), tool(x=1, y=3), 0.75),  # 1 of 2
            (tool(x=1, z=9), tool(x=1, y=3), 0.5 + 0.5 / 3),  # 1 of 3
            (tool(), tool(x=1), 0.5),
            (tool(x=1, y=None), tool(x=1), 0.75),  # nothing, said: an argument all the same
            (tool(x=1), tool(x=1, y=None), 0.75),
            (Code(source="a = 1"), Code(source="a = 2"), 0.5 + 0.5 * 2 / 3),  # 2 of 3 words
            (Type(content="hello there"), Type(content="hello"), 0.5 + 0.5 * 2 / 3),
            (Scroll(direction="up"), Scroll(direction="down"), 0.5),
            (Hotkey(keys=("ctrl", "c")), Hotkey(keys=("c", "Ctrl")), 1.0),
            (OpenApp(app_name="Mail"), OpenApp(app_name="mail"), 1.0),
            (Finish(answer="4"), Finish(answer="5"), 0.5),
            (Finish(answer="4"), Finish(answer="4", status="infeasible"), 0.5),
            (Finish(answer="4.0"), Finish(answer="4"), 0.5),  # answers are text
        ],
    )
    def test_table(self, predicted, reference, wanted):
        assert similarity(predicted, reference) == pytest.approx(wanted)

    @pytest.mark.parametrize(
        ("known_text", "wanted"),
        [
            (None, 1.0),  # left out: the other argument agrees
            ("nothing about it", 1.0),  # could not be known: left out
            ("the file is  SALES.csv", 0.75),  # stood in the prompt: should have been written, 1 of 2
        ],
    )
    def test_placeholders(self, known_text, wanted):
        predicted, reference = tool(path=Result(1), column="qty"), tool(path="sales.csv", column="qty")
        assert similarity(predicted, reference, known_text=known_text) == pytest.approx(wanted)

    def test_placeholders_inside_text_and_answers(self):
        assert similarity(tool(e="Result(step=2) * 3"), tool(e="7 * 3")) == 1.0
        assert similarity(tool(e="Result(step=2) * 3"), tool(e="7 * 3"), known_text="7 * 3") == 0.5
        assert similarity(Finish(answer="Result(step=2)"), Finish(answer="7")) == 1.0
        assert similarity(Finish(answer="Result(step=2)"), Finish(answer="7"), known_text="it is 7") == 0.5

    def test_a_placeholder_where_the_reference_has_one_too(self):
        assert similarity(tool(x=Result(2)), tool(x=Result(2)), known_text="") == 1.0
        assert similarity(tool(x=Result(2)), tool(x=Result(2), y=1), known_text="") == 0.75

    @pytest.mark.parametrize(
        ("value", "known_text", "excused"),
        [
            (["a.png", "b.png"], "compare a.png with b.png", False),  # every part stood in the prompt
            (["a.png", "b.png"], "look at a.png", True),
            ({"file": "a.png", "page": 2}, "page 2 of A.PNG", False),
            (7, "between 17 and 70", True),  # a number is known as a number, not as a digit of another
            (7.0, "room 7", False),
            (7.5, "17.5", True),
            (7.5, "7.55", True),
            ("v2", "v21", True),
            ("page", "see page2", False),
            ("", "", False),  # nothing to be seen first
            (None, "", False),
            (True, "", False),
            (Result(1), "", False),  # the reference waits too, but for another step
        ],
    )
    def test_what_counts_as_known(self, value, known_text, excused):
        similar = similarity(tool(x=Result(9)), tool(x=value), known_text=known_text)
        assert similar == (1.0 if excused else 0.5)

    def test_typed_text_may_wait_for_a_result_and_code_may_not(self):
        waiting = Type(content="Result(step=2)")
        assert similarity(waiting, Type(content="hello"), known_text="say it") == 1.0
        assert similarity(waiting, Type(content="hello"), known_text="say hello") == 0.5
        assert similarity(Code(source="Result(step=2)"), Code(source="print(1)"), known_text="") == 0.5

    def test_an_invented_argument_is_never_excused(self):
        assert similarity(tool(x=1, y=Result(1)), tool(x=1)) == 0.75

    def test_pointing(self):
        here, near = Click(point=Point(0.5, 0.5)), Click(point=Point(0.57, 0.5))
        same = {"instruction": "Press OK", "reference_instruction": "press ok"}
        half = {"instruction": "Press OK", "reference_instruction": "press no"}  # F1 1/2
        assert similarity(here, near, **same) == 1.0  # later pairs: the point is the executor's business
        assert similarity(here, near, **same, first=True) == pytest.approx(0.5 + 0.5 * (0.5 + 0.5 * 0.5))
        assert similarity(here, near, **half, first=True) == pytest.approx(0.5 + 0.5 * (0.25 + 0.25))
        assert similarity(Click(), near, **same, first=True) == 1.0  # no point to judge

    def test_dragging_has_two_points(self):
        one = Drag(start=Point(0.1, 0.1), end=Point(0.5, 0.5))
        other = Drag(start=Point(0.1, 0.1), end=Point(0.57, 0.5))
        assert similarity(one, other, first=True) == pytest.approx(0.5 + 0.5 * (0.5 + 0.5 * 0.75))

    @given(actions(), st.booleans())
    def test_an_action_agrees_with_itself(self, action, first):
        assert similarity(action, action, first=first, instruction="x y", reference_instruction="x y") == 1.0

    @given(actions(), actions(), st.booleans(), st.none() | st.text(max_size=20))
    def test_is_a_fraction_and_knows_kinds(self, one, other, first, known_text):
        value = similarity(one, other, first=first, known_text=known_text)
        assert 0.0 <= value <= 1.0
        assert (value >= 0.5) == (kind_of(one) == kind_of(other))

    @given(actions(), actions())
    def test_the_same_operation_agrees_fully(self, one, other):
        if same_operation(one, other):
            assert similarity(one, other) == 1.0


class TestRepetitions:
    @pytest.mark.parametrize(
        ("operations", "flags"),
        [
            ("", ""),
            ("a", "."),
            ("aa", ".x"),
            ("aba", "..x"),
            ("abc", "..."),
            ("abab", "..xx"),
        ],
    )
    def test_alone(self, operations, flags):
        assert "".join("x" if flag else "." for flag in repetitions(operations)) == flags

    @pytest.mark.parametrize(
        ("operations", "reference", "flags"),
        [
            ("aa", "aa", ".."),  # as often as in the reference
            ("aaa", "aab", "..x"),
            ("aab", "aba", ".x."),  # of the reference's prefix of that length, "ab", one a
            ("abab", "abab", "...."),  # a cycle that the reference closes too
            ("abab", "aabb", "...x"),  # as often, but going in a circle
            ("ababc", "aabbc", "...x."),
            ("cabab", "caabb", "....x"),
            ("ab", "", ".."),
            ("aab", "a", ".x."),  # beyond the end of the reference
        ],
    )
    def test_with_a_reference(self, operations, reference, flags):
        got = repetitions(operations, list(reference))
        assert "".join("x" if flag else "." for flag in got) == flags

    def test_cycles_of_three(self):
        flags = repetitions("abcabc", list("aabbcc"))
        assert flags == (False, False, False, False, False, True)

    def test_allowances(self):
        def allowed(step):
            return RUN_TIME_ALLOWANCE.get(step, 1)

        flags = repetitions(["scroll"] * 6 + ["wait"] * 4, allowed=allowed)
        assert flags == (*[False] * 4, True, True, *[False] * 3, True)

    def test_a_circle_with_something_that_is_meant_to_recur_is_none(self):
        assert repetitions("abab", allowed=lambda _: 9) == (False, False, False, True)
        assert not any(repetitions("abab", allowed=lambda _: 9, polled=lambda step: step == "b"))

    @given(st.lists(st.sampled_from("abc"), max_size=12))
    def test_a_reference_never_repeats_itself(self, steps):
        assert not any(repetitions(steps, steps))

    @given(st.lists(st.sampled_from("abc"), max_size=12))
    def test_a_first_occurrence_never_counts(self, steps):
        flags = repetitions(steps)
        assert all(not flags[steps.index(step)] for step in steps)

    @given(st.lists(st.sampled_from("abc"), max_size=10), st.sampled_from("abc"))
    def test_the_past_is_not_judged_anew(self, steps, another):
        assert repetitions([*steps, another])[: len(steps)] == repetitions(steps)


def test_a_drag_that_knows_one_end_is_not_compared_with_the_other():
    here, there = Point(0.2, 0.2), Point(0.8, 0.8)
    assert similarity(Drag(start=here), Drag(end=here), instruction="x", reference_instruction="y", first=True) == 0.5
    both = similarity(Drag(start=here, end=there), Drag(start=here, end=there), first=True)
    assert both == similarity(Drag(end=there), Drag(end=there), first=True)


def test_minus_zero_is_zero():
    assert operation(Click(point=Point(-0.0, 0.5))) == operation(Click(point=Point(0.0, 0.5)))
    assert repr(operation(Click(point=Point(-0.0, 0.5)))) == repr(operation(Click(point=Point(0.0, 0.5))))
