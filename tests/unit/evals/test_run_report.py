"""Sums of a run against numbers worked out by hand."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tracer1_agents.actions.space import Finish, ToolCall
from tracer1_agents.evals.report import print_report, summarise
from tracer1_agents.evals.results import TaskResult
from tracer1_agents.types import Execution, ForecastPair, Status, StepRecord, Trace


def task(number, level, **fields):
    known = {"status": "finished", "planner_calls": 3, "tokens": 100, "seconds": 1.0}
    return TaskResult(task_id=f"t-{number}", level=level, **{**known, **fields})


RUN = [
    task(1, 2, correct=True, family="a", seconds=2.0),
    task(2, 1, correct=True, family="a", seconds=1.0),
    task(3, 1, correct=False, family="b", trained_family=False, status="loop", planner_calls=9, seconds=6.0),
    task(4, 1, correct=True, family="b", trained_family=False, seconds=3.0),
    task(5, 0, correct=None, status="model_error", planner_calls=1, tokens=0, seconds=0.5),
]


def test_groups_are_added_up_by_level_and_in_total():
    report = summarise(RUN)
    assert [group.name for group in report.levels] == ["no level", "level 1", "level 2"]
    unscored, first, second = report.levels
    assert (first.tasks, first.finished, first.scored, first.correct) == (3, 2, 3, 2)
    assert (first.planner_calls, first.tokens, first.seconds) == (15, 300, 3.0)  # 3 + 9 + 3; the median of 1, 6 and 3
    assert (second.tasks, second.correct, second.seconds) == (1, 1, 2.0)
    assert (unscored.scored, unscored.accuracy, unscored.interval) == (0, None, (0.0, 1.0))
    total = report.total
    assert (total.tasks, total.finished, total.scored, total.correct) == (5, 3, 4, 3)
    assert (total.planner_calls, total.tokens, total.seconds) == (19, 400, 2.0)
    assert total.accuracy == 0.75


def test_the_interval_is_wilsons():
    # 3 of 4, z = 1.96: centre (0.75 + 3.8415/8) / (1 + 3.8415/4) = 1.23018/1.96036 = 0.62753; half width
    # 1.96 * sqrt(0.75*0.25/4 + 3.8415/64) / 1.96036 = 1.96 * 0.326916 / 1.96036 = 0.32685
    low, high = summarise(RUN).total.interval
    assert low == pytest.approx(0.3006, abs=1e-3)
    assert high == pytest.approx(0.9544, abs=1e-3)


def test_families_are_told_apart_only_where_there_are_any():
    trained, untrained = summarise(RUN).families
    assert (trained.name, trained.tasks, trained.correct) == ("trained on", 2, 2)
    assert (untrained.name, untrained.tasks, untrained.correct) == ("never trained on", 2, 1)
    assert summarise([task(1, 1, correct=True)]).families == ()


def test_endings_are_counted():
    assert dict(summarise(RUN).endings) == {"finished": 3, "loop": 1, "model_error": 1}


LOOK = ToolCall(name="look")
COUNT = ToolCall(name="count")
DONE = Finish(answer="7")


def trace(*steps):
    records = [
        StepRecord(
            step=number,
            forecast=tuple(ForecastPair(action=action) for action in forecast),
            executed=forecast[0],
            execution=Execution(),
        )
        for number, forecast in enumerate(steps, 1)
    ]
    return Trace(instruction="count", steps=tuple(records), status=Status.FINISHED)


def test_hit_rates_by_distance():
    # Ran: look, count, finish.  Step 1 expected look (no: count ran), then finish (yes), then look (nobody knows).
    # Step 2 expected finish (yes).  The second trace ends at once: its forecast says nothing.
    first = trace((LOOK, LOOK, DONE, LOOK), (COUNT, DONE), (DONE,))
    second = trace((DONE, LOOK))
    report = summarise([task(1, 1, trace=first), task(2, 1, trace=second), task(3, 1)])
    assert {distance: one[:2] for distance, one in report.survival.items()} == {1: (1, 2), 2: (1, 1)}


def printed(results):
    file = io.StringIO()
    print_report(results, console=Console(file=file, width=80))
    return file.getvalue()


def test_tables_fit_a_terminal_and_hold_the_numbers():
    first = trace((LOOK, LOOK, DONE, LOOK), (COUNT, DONE), (DONE,))
    text = printed([*RUN, task(6, 3, correct=False, trace=first)])
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "level 1 3 2 2/3 = 67% 21-94% 15 300 3.0" in rows
    assert "no level 1 0 - - 1 0 0.5" in rows
    assert "never trained on 2 1 1/2 = 50% 9-91%" in rows
    assert "1 ahead 1/2 50% -" in rows  # of one episode: its pairs are no independent trials
    assert not any(row.startswith("3 ahead") for row in rows)
    assert max(map(len, text.splitlines())) <= 80


def test_an_empty_run_has_a_report_too():
    report = summarise([])
    assert (report.levels, report.families, report.total.tasks, report.total.seconds) == ((), (), 0, 0.0)
    assert "none was run" in printed([])


def test_a_status_from_a_file_is_only_text():
    text = printed([task(1, 1, status="[red]\x1b[31mx")])
    assert r"[red]\x1b[31mx 1" in text
