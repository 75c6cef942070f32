"""What a person sees of a run."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tracer1_agents.actions.space import Code, Finish, ToolCall
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.evals.results import TaskResult
from tracer1_agents.types import Execution, ForecastPair, ImageRef, Status, StepRecord, Trace, Usage
from tracer1_agents.viewer.terminal import show

LOOK = ToolCall(name="table_columns", arguments={"file_path": "a.csv"})
ADD = ToolCall(name="table_aggregate", arguments={"file_path": "a.csv", "column": "qty", "operation": "sum"})
MEAN = ToolCall(name="table_aggregate", arguments={"file_path": "a.csv", "column": "qty", "operation": "mean"})
DONE = Finish(answer="7")


def forecast(*pairs):
    return tuple(ForecastPair(action=action, instruction=instruction) for action, instruction in pairs)


STEPS = (
    StepRecord(
        step=1,
        forecast=forecast((LOOK, "Look"), (MEAN, "Take the mean"), (DONE, "Report"), (DONE, "Report again")),
        executed=LOOK,
        instruction="Look",
        execution=Execution(text="table, 3 rows, columns: item, qty", seconds=0.25),
        usage=Usage(input_tokens=1200, output_tokens=30),
        seconds=1.5,
    ),
    StepRecord(
        step=2,
        forecast=forecast((ADD, "Add up"), (DONE, "Report")),
        executed=ADD,
        instruction="Add up",
        execution=Execution(ok=False, text='error: no column "qty"'),
        events=("replan", "re-asked: syntax: what"),
        planner_calls=2,
    ),
    StepRecord(step=3, forecast=forecast((DONE, "Report")), executed=DONE, execution=Execution()),
)


def result(task_id="t-1", steps=STEPS, **fields):
    trace = Trace(instruction="Add up qty.", steps=steps, status=Status.FINISHED, answer="7")
    known = {"level": 2, "status": "finished", "correct": True, "planner_calls": 4, "tokens": 1230, "seconds": 2.0}
    return TaskResult(task_id=task_id, trace=trace, **{**known, **fields})


def shown(results, task_id=None, *, width=140, colour=False):
    file = io.StringIO()
    show(results, task_id, console=Console(file=file, width=width, force_terminal=colour, highlight=False))
    return file.getvalue()


def test_each_forecast_pair_is_marked_by_what_happened_later():
    lines = [line.strip() for line in shown([result()]).splitlines()]
    first = lines.index(next(line for line in lines if line.startswith("forecast")))
    # step 1 forecast: look (ran), mean (a sum ran instead), finish (ran as step 3), and one that would have been step 4
    assert [line.removeprefix("forecast").split()[0] for line in lines[first : first + 4]] == ["→", "✗", "✓", "·"]
    assert lines[first + 1] == ('✗ table_aggregate(file_path="a.csv", column="qty", operation="mean")  Take the mean')


def test_the_matrix_has_a_row_for_each_forecast_and_a_column_for_what_ran():
    lines = [line.split() for line in shown([result()]).splitlines()]
    head = lines.index(["at\\for", "1", "2", "3"])
    # step 1: ran, a sum ran instead of the mean, finish came true; its fourth pair is beyond the end
    assert lines[head + 1 : head + 4] == [["1", "→", "✗", "✓"], ["2", "→", "✓"], ["3", "→"]]


def test_the_matrix_of_a_long_episode_comes_in_blocks_and_of_a_reactive_one_not_at_all():
    two_ahead = StepRecord(step=1, forecast=forecast((LOOK, ""), (LOOK, "")), executed=LOOK, execution=Execution())
    many = tuple(two_ahead.model_copy(update={"step": number}) for number in range(1, 36))
    lines = [line.split() for line in shown([result(steps=many)]).splitlines()]
    heads = [line for line in lines if line[:1] == ["at\\for"]]
    assert [(line[1], line[-1]) for line in heads] == [("1", "30"), ("31", "35")]
    assert lines[lines.index(heads[1]) + 1] == ["30", "✓"]  # made at step 30, about 31
    one_ahead = tuple(step.model_copy(update={"forecast": step.forecast[:1]}) for step in many)
    assert "at\\for" not in shown([result(steps=one_ahead)])


def test_a_whole_episode_is_there():
    text = shown([result()])
    for part in (
        "t-1  finished  level 2  correct",
        "Add up qty.",
        "4 planner calls, 1,230 tokens, 2.0 s",
        "step 1  1 planner call, 1,200 + 30 tokens, 1.50 s",
        "table, 3 rows, columns: item, qty  (0.25 s)",
        "step 2  2 planner calls",
        "replan",
        "re-asked: syntax: what",
        'error: no column "qty"',
        "returned  nothing",
    ):
        assert part in text


def test_several_episodes_are_a_list_and_one_is_picked_by_id():
    run = [result("t-1"), result("t-2", status="loop", correct=False, detail="the same again"), result("t-3", level=0)]
    rows = [line.split() for line in shown(run).splitlines()]
    assert rows[0] == ["task", "level", "status", "correct", "steps", "calls", "seconds"]
    assert rows[2] == ["t-2", "2", "loop", "✗", "3", "4", "2.0"]
    assert rows[3] == ["t-3", "-", "finished", "✓", "3", "4", "2.0"]
    assert "the same again" in shown(run, "t-2")
    assert "step 3" in shown(run, "t-2")


def test_the_newest_of_two_attempts_is_shown():
    run = [result("t-1", status="model_error", detail="first try"), result("t-1", detail="second try")]
    assert "second try" in shown(run, "t-1")


def test_a_task_that_could_not_start():
    failed = TaskResult(task_id="t-1", status="data_error", detail="attachment a.csv: not found")
    text = shown([failed])
    assert "data_error" in text
    assert "attachment a.csv: not found" in text
    assert shown([failed, failed]).splitlines()[1].split() == ["t-1", "-", "data_error", "-", "0", "0", "0.0"]


def test_unknown_task_and_empty_run():
    with pytest.raises(ConfigurationError, match=r"no task 't-9' among the 2 of this run; for example t-[12]"):
        shown([result("t-1"), result("t-2")], "t-9")
    with pytest.raises(ConfigurationError, match="no finished task yet"):
        shown([])


def test_code_is_shown_as_lines_and_long_results_are_cut():
    code = Code(source="a = 1\nprint(a)")
    rows = "\n".join(f"row {number}" for number in range(30))
    step = StepRecord(step=1, forecast=forecast((code, "")), executed=code, execution=Execution(text=rows))
    lines = [line.strip() for line in shown([result(steps=(step,))]).splitlines()]
    assert "ran       a = 1" in lines
    assert "print(a)" in lines
    assert "row 11" in lines
    assert "row 12" not in lines
    # rows 12 to 29: a line feed and 6 characters each
    assert "... 126 more characters  (0.00 s)" in lines


def test_screenshots_and_infrastructure_are_named():
    execution = Execution(
        ok=False, text="lost", infrastructure=True, image=ImageRef(ref="sha256-ab", width=1280, height=720)
    )
    step = StepRecord(step=1, forecast=forecast((LOOK, "")), executed=LOOK, execution=execution)
    text = shown([result(steps=(step,))])
    assert "the machinery failed, not the action" in text
    assert "screenshot sha256-ab, 1280 x 720 pixels" in text


EVIL = "[red]m[/red]\x1b]0;title\a\x1b[2J\u202eevil\r:bomb:[link=file:///etc]x[/link]"


def test_hostile_text_everywhere_is_only_text():
    call = ToolCall(name="search", arguments={"query": EVIL})
    step = StepRecord(
        step=1,
        forecast=forecast((call, EVIL), (Finish(answer=EVIL), EVIL)),
        executed=call,
        instruction=EVIL,
        execution=Execution(ok=False, text=EVIL, image=ImageRef(ref=EVIL, width=1, height=1)),
        events=(EVIL,),
    )
    code = Code(source=EVIL)
    second = StepRecord(step=2, forecast=forecast((code, EVIL)), executed=code, execution=Execution(text=EVIL))
    trace = Trace(instruction=EVIL, steps=(step, second), status=Status.LOOP, answer=EVIL, detail=EVIL)
    run = [TaskResult(task_id=EVIL, status=EVIL, detail=EVIL, trace=trace), result("t-2")]
    for text in (shown(run, EVIL, width=400), shown(run, width=400)):
        assert not set(text) & set("\x1b\a\r\u202e\x9b")
        assert "[red]m[/red]" in text
    assert ":bomb:[link=file:///etc]x[/link]" in shown(run, EVIL, width=400)


def test_colours_come_from_the_viewer_only():
    coloured = shown([result(detail="\x1b[5mblink")], colour=True)
    assert "\x1b[" in coloured  # its own
    assert "\x1b[5m" not in coloured
    assert r"\x1b[5mblink" in coloured
