from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.planner.history import ExecutorText, ModelSummary, OutcomeWord, PlannerLine, cut, last_k, one_line
from tracer1_agents.types import Execution, Forecast, HistoryEntry


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("short", 10, "short"),
        ("exactly10!", 10, "exactly10!"),
        ("eleven char", 10, "eleven ..."),
        ("abc def ghi", 8, "abc ..."),  # no blank before the ellipsis but its own
        ("eleven char", 4, " ..."),
        ("eleven char", 3, " .."),
        ("eleven char", 0, ""),
    ],
)
def test_cut(text, limit, expected):
    assert cut(text, limit) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb", "a | b"),
        ("a\r\n\r\n  b\t c  ", "a | b c"),
        ("", ""),
        ("\n\n", ""),
        ("x" * 200, "x" * 156 + " ..."),
    ],
)
def test_executor_text(text, expected):
    assert ExecutorText().summarize("f()", Execution(text=text), None) == expected


def test_planner_line_falls_back_to_the_executor():
    execution = Execution(text="raw")
    summarizer = PlannerLine()
    assert summarizer.summarize("f()", execution, Forecast(summary="two\nrows")) == "two | rows"
    assert summarizer.summarize("f()", execution, Forecast()) == "raw"
    assert summarizer.summarize("f()", execution, None) == "raw"


@pytest.mark.parametrize(("ok", "word"), [(True, "ok"), (False, "failed")])
def test_outcome_word_says_how_it_went(ok, word):
    assert OutcomeWord().summarize("click()", Execution(ok=ok, text="a whole screen"), None) == word


def test_model_summary_gets_action_and_execution():
    summarizer = ModelSummary(lambda action, execution: f"{action}\n{execution.text}", max_chars=20)
    assert summarizer.summarize("f()", Execution(text="raw"), None) == "f() | raw"


def test_last_k_keeps_the_newest_in_order():
    history = [HistoryEntry(step=step, action="f()") for step in (1, 2, 3)]
    assert [entry.step for entry in last_k(history, 2)] == [2, 3]
    assert last_k(history, 0) == ()
    assert len(last_k(history, 9)) == 3
    with pytest.raises(ConfigurationError):
        last_k(history, -1)


@given(st.text(), st.integers(0, 50))
def test_one_line_is_one_bounded_line(text, limit):
    line = one_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
