"""What each consumer may rely on: the first pair decides, what breaks later only shortens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer1_agents.actions.codec import ParsedReply, ParseOutcome
from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.planner.forecast import read_forecast

GRAMMAR = CanonicalGrammar()
OK = ParseOutcome.OK


def read(text, *, horizon=4, step=1, **options):
    return read_forecast(text, grammar=GRAMMAR, horizon=horizon, step=step, **options)


# reply, kept pairs, outcome of the first, outcome of the tail
TABLE = [
    ("f()", 1, OK, OK),
    ("f()\ng(a=Result(step=1))\nfinish(answer=Result(step=2))", 3, OK, OK),
    ("f()\ng()\nh()\ni()\nj()", 4, OK, OK),
    ("f()\ng()\nh()\ni()\nj(", 4, OK, OK),  # broken beyond the horizon does not count
    ("f()\ng(", 1, OK, ParseOutcome.TRUNCATED),
    ("f()\ng(x)\nh()", 1, OK, ParseOutcome.SYNTAX),
    ("f()\nclick(point=[3, 3])", 1, OK, ParseOutcome.OUT_OF_RANGE),
    ("finish()\nf()", 1, OK, ParseOutcome.SYNTAX),
    ("f()\nfinish()\ng()", 2, OK, ParseOutcome.SYNTAX),
    ("", 0, ParseOutcome.EMPTY, OK),
    ("nothing to see", 0, ParseOutcome.SYNTAX, OK),
    ("f(\ng()", 0, ParseOutcome.TRUNCATED, OK),
    ("f(a=Result(step=1))", 0, ParseOutcome.UNSEEN_RESULT, OK),
    ('code(source="print(Result(step=1))")\nf()', 0, ParseOutcome.UNSEEN_RESULT, OK),
    ("finish(answer=Result(step=1))", 0, ParseOutcome.UNSEEN_RESULT, OK),
    ('finish(answer=[Result(step=1), "b"])', 0, ParseOutcome.UNSEEN_RESULT, OK),
    ('finish(answer={"total": [Result(step=1)]})', 0, ParseOutcome.UNSEEN_RESULT, OK),
    ("open_app(app_name=Result(step=2))", 0, ParseOutcome.UNSEEN_RESULT, OK),
    ("select(option=Result(step=2))", 0, ParseOutcome.UNSEEN_RESULT, OK),
    ('f(a={"Result(step=2)": 1})', 0, ParseOutcome.UNSEEN_RESULT, OK),
    ("<think>f()", 0, ParseOutcome.TRUNCATED, OK),
    ("<think>f()</think>", 0, ParseOutcome.EMPTY, OK),
    ("<think>f()</think>g()", 1, OK, OK),
]


@pytest.mark.parametrize(("text", "kept", "outcome", "tail"), TABLE)
def test_outcomes(text, kept, outcome, tail):
    forecast = read(text)
    assert (len(forecast.pairs), forecast.outcome, forecast.tail_outcome) == (kept, outcome, tail)
    assert forecast.ok == (outcome is OK)
    assert bool(forecast.problem) == (outcome is not OK)
    assert forecast.text == text


@pytest.mark.parametrize("text", ["f(x=1) # a\ud800b", "finish(answer=\ud800)", "<think>\udfff</think>f(x=1)"])
def test_halves_of_surrogate_pairs_become_question_marks(text):
    forecast = read(text, reasoning="\udc00")
    assert "?" in forecast.text
    forecast.model_dump_json().encode()


def test_thoughts_are_joined_in_order_and_never_parsed():
    forecast = read('<think>click() or f()?</think>\n# "seen"\nf()', reasoning="server side")
    assert forecast.thought == "server side\nclick() or f()?"
    assert forecast.summary == "seen"
    assert [pair.action.name for pair in forecast.pairs] == ["f"]
    assert read("<think> hm </think>f()", reasoning=" of the server\n").thought == "of the server\nhm"
    assert read("<think>hm</think>f()", reasoning=" \n").thought == "hm"


@pytest.mark.parametrize(
    ("text", "outcome", "tail"),
    [
        ("f(x", ParseOutcome.TRUNCATED, OK),
        ("f(a=tr", ParseOutcome.TRUNCATED, OK),
        ("", ParseOutcome.TRUNCATED, OK),
        ("f()\ng(a=tr", OK, ParseOutcome.TRUNCATED),
        ("f(a=tr\ng(a=fal", ParseOutcome.SYNTAX, OK),  # the first broke for its own reason
        ("f()", OK, OK),
    ],
)
def test_a_reply_cut_by_the_token_limit(text, outcome, tail):
    forecast = read(text, truncated=True)
    assert (forecast.outcome, forecast.tail_outcome) == (outcome, tail)


def test_a_thought_that_does_not_end_is_what_was_wrong_wherever_the_reply_was_cut():
    for truncated in (False, True):
        assert read("<think>hm", truncated=truncated).problem.startswith("the reply ends inside its thought")


def test_a_dialect_of_ones_own_may_read_nothing():
    class Nothing(CanonicalGrammar):
        def parse(self, text):
            return ParsedReply(thought=text)

    for truncated in (False, True):
        forecast = read_forecast("hm", grammar=Nothing(), horizon=1, step=1, truncated=truncated)
        assert (forecast.outcome, forecast.problem) == (ParseOutcome.EMPTY, "no action in the reply")


def test_the_problem_tells_a_seen_result_from_an_unseen_one():
    assert "write the value itself" in read("f(a=Result(step=2))", step=3).problem
    assert "has not been seen" in read("f(a=Result(step=3))", step=3).problem
    assert "has not been seen" in read("f(a=Result(step=1), b=Result(step=3))", step=3).problem


def test_a_broken_first_pair_keeps_summary_and_thought():
    forecast = read('<think>hm</think># "a page"\nf(')
    assert (forecast.summary, forecast.thought) == ("a page", "hm")


@pytest.mark.parametrize("options", [{"horizon": 0}, {"step": 0}])
def test_counts_start_at_one(options):
    with pytest.raises(ConfigurationError, match="count from 1"):
        read("f()", **options)


@given(st.text(), st.integers(1, 3), st.booleans())
def test_never_raises_and_always_gives_a_reason(text, horizon, truncated):
    forecast = read(text, horizon=horizon, truncated=truncated)
    assert len(forecast.pairs) <= horizon
    assert forecast.ok or (not forecast.pairs and forecast.problem)
    assert forecast.model_dump_json()
