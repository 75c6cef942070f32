"""Mind2Web, AgentNetBench and GTA: golden cases with their derivation."""

from __future__ import annotations

import math

import pytest

from tracer1_agents.actions.space import Click, Drag, Finish, Hotkey, Hover, LeftDouble, Point, Scroll, Select, Type
from tracer1_agents.metrics.agentnet import Wanted, agentnet_score
from tracer1_agents.metrics.gta import (
    GtaAnswer,
    category_of,
    code_executed,
    gta_answer,
    same_arguments,
    tool_f1,
    tool_recall,
)
from tracer1_agents.metrics.mind2web import element_hit, operation_f1, operation_text
from tracer1_agents.metrics.texts import contains_either_way, edit_distance, edit_similarity, set_f1


def click(x, y):
    return Click(point=Point(x, y))


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("night", "nacht", 2), ([1, 2, 3], [1, 3], 1)],
)
def test_edit_distance(one, other, distance):
    assert edit_distance(one, other) == edit_distance(other, one) == distance


def test_texts():
    assert edit_similarity("", "") == 1.0
    assert edit_similarity("abcd", "abce") == 0.75
    assert set_f1({"a", "b"}, {"b", "c", "d"}) == pytest.approx(0.4)  # 2 * 1 / 5
    assert set_f1((), ()) == 0.0
    assert contains_either_way(" Maps", "google maps ")
    assert not contains_either_way("map's", "google maps")


class TestMind2Web:
    @pytest.mark.parametrize(
        ("predicted", "wanted", "f1"),
        [
            ("CLICK", "CLICK ", 1.0),
            ("click none", "CLICK ", 2 / 3),  # precision 1/2, recall 1
            ("type 08817", "TYPE 08817", 1.0),
            ("type new york", "TYPE New York City", 6 / 7),  # 3 in common of 3 and 4
            ("type , a", "TYPE a", 1.0),  # a lone punctuation mark is no token
            ("type a a", "TYPE a", 1.0),  # sets
            ("", "CLICK", 0.0),
            ("", "", 1.0),
            ("select x", "CLICK", 0.0),
        ],
    )
    def test_operation_f1(self, predicted, wanted, f1):
        assert operation_f1(predicted, wanted) == pytest.approx(f1)

    def test_operations_of_actions(self):
        assert operation_text(Type(content="a b")) == "TYPE a b"
        assert operation_text(Select(option="x")) == "SELECT x"
        assert [operation_text(one) for one in (Click(), Hover(), Hotkey(keys=("enter",)))] == ["CLICK"] * 3
        assert operation_text(Scroll(direction="up")) == "SCROLL"
        assert operation_text(None) == ""

    def test_any_positive_box_counts_with_its_edge(self):
        boxes = ((0.0, 0.0, 0.1, 0.1), (0.5, 0.5, 0.6, 0.6))
        assert element_hit(Point(0.6, 0.5), boxes)
        assert not element_hit(Point(0.61, 0.5), boxes)
        assert not element_hit(None, boxes)
        assert not element_hit(Point(0.5, 0.5), ())


BOX = (0.4, 0.4, 0.6, 0.6)
CLICKED = (Wanted(click(0.5, 0.5), (BOX,)),)


class TestAgentNet:
    @pytest.mark.parametrize(
        ("predicted", "wanted", "score"),
        [
            ([click(0.6, 0.4)], CLICKED, 1.0),
            # beside the box, 0.11 from the point: exp(-120 * (0.11 - 0.0141421))
            ([click(0.61, 0.5)], CLICKED, math.exp(-120 * (0.11 - 0.01 * math.sqrt(2)))),
            ([click(0.51, 0.51)], (Wanted(click(0.5, 0.5)),), 1.0),  # 0.0141 away
            ([LeftDouble(point=Point(0.5, 0.5))], CLICKED, 0.0),
            ([], CLICKED, 0.0),
            ([Click()], CLICKED, 0.0),
            ([Type(content="abcde")], (Wanted(Type(content="abcdX")),), 1.0),  # 0.8
            ([Type(content="abcde")], (Wanted(Type(content="abXYe")),), 0.75),  # 0.6 / 0.8
            ([Type(content=" ABC\n")], (Wanted(Type(content="abc")),), 1.0),
            ([Hotkey(keys=("c", "CTRL"))], (Wanted(Hotkey(keys=("ctrl", "c"))),), 1.0),
            ([Hotkey(keys=("ctrl",))], (Wanted(Hotkey(keys=("ctrl", "c"))),), 0.0),
            ([Scroll(direction="up")], (Wanted(Scroll(direction="down")),), 1.0),
            ([Finish()], (Wanted(Finish()),), 1.0),
            ([Finish(status="infeasible")], (Wanted(Finish()),), 0.0),
            ([Drag(start=Point(0, 0), end=Point(1, 1))], (Wanted(Drag(start=Point(0, 0), end=Point(0, 0))),), 0.5),
            # two kinds: clicks (1 of 2 answered) and typing (1): mean over kinds
            (
                [click(0.5, 0.5), Type(content="a"), Scroll(direction="up")],
                (*CLICKED, Wanted(Type(content="a")), *CLICKED),
                0.75,
            ),
            # the first prediction is of no kind that occurs: nothing else is looked at
            ([Scroll(direction="up"), Type(content="a")], (*CLICKED, Wanted(Type(content="a"))), 0.0),
            # it occurs, though not in first place
            ([Type(content="a")], (*CLICKED, Wanted(Type(content="a"))), 0.0),
        ],
    )
    def test_scores(self, predicted, wanted, score):
        assert agentnet_score(predicted, [wanted]) == pytest.approx(score, abs=1e-6)

    def test_the_best_option_wins(self):
        assert agentnet_score([Type(content="x")], [CLICKED, (Wanted(Type(content="x")),)]) == 1.0
        assert agentnet_score([Type(content="x")], [CLICKED]) == 0.0


class TestGta:
    @pytest.mark.parametrize(
        ("prediction", "whitelist", "official", "strict", "t3"),
        [
            ("It costs 5 dollars", [["5"]], True, True, True),
            ("It costs 15 dollars", [["5"]], False, False, True),  # a whole word, or any substring
            ("It costs $5.", [["$5"]], False, True, True),  # no word boundary between a space and "$"
            ("It is 50% off", [["50%"]], False, True, True),
            ("US$5", [["$5"]], True, True, True),  # "S" beside "$" is a boundary
            ("red and BLUE", [["red"], ["blue", "azure"]], True, True, True),
            ("red", [["red"], ["blue"]], False, False, False),
            (None, [["red"]], False, False, False),
        ],
    )
    def test_answers(self, prediction, whitelist, official, strict, t3):
        truth = GtaAnswer(tuple(map(tuple, whitelist)))
        found = [gta_answer(prediction, truth, rule=rule) for rule in ("official", "strict", "t3")]
        assert found == [official, strict, t3]

    def test_the_blacklist_counts_but_for_t3(self):
        truth = GtaAnswer((("cat",),), (("dog",),))
        found = [gta_answer("cat or dog", truth, rule=rule) for rule in ("official", "strict", "t3")]
        assert found == [False, False, True]

    def test_tool_f1(self):
        # perception: 2 calls wanted, 1 found (OCR), 1 called: P 1, R 1/2, F1 2/3; operation: none found
        episodes = [(["OCR"], ["OCR", "TextToBbox"]), (["Calculator"], ["GoogleSearch"])]
        found = tool_f1(episodes)
        assert found["perception"] == pytest.approx(2 / 3, abs=1e-4)
        assert found["operation"] == 0.0
        assert found["logic"] is None
        assert found["creativity"] is None
        assert category_of("Fly") is None

    def test_one_call_answers_two_wanted_ones_as_published(self):
        # both wanted calls count as found by one call: precision 2, recall 1, F1 4/3
        assert tool_f1([(["OCR"], ["OCR", "OCR"])])["perception"] == pytest.approx(4 / 3, abs=1e-3)
        assert tool_recall(["OCR"], ["OCR", "OCR"]) == 0.5

    def test_arguments(self):
        assert same_arguments({"a": 1}, {"a": 1})
        assert not same_arguments({"a": "1"}, {"a": 1})
        assert same_arguments({"a": "1"}, {"a": 1}, strict=True)

    def test_t3(self):
        assert tool_recall([], []) is None
        assert tool_recall(["OCR", "Plot"], ["Plot", "Solver"]) == 0.5
        assert code_executed([True, False, True, True]) == 0.75
        assert code_executed([]) is None
