"""Records to what the page shows."""

from __future__ import annotations

import json
import unicodedata

import pytest
from viewer_cases import (
    ADD,
    EVIL,
    LOOK,
    MEAN,
    drag_step,
    hostile_result,
    pairs,
    result,
    run_of,
    screen_result,
    text_steps,
)

from tracer1_agents.actions.space import Click, Code, Finish, Point
from tracer1_agents.evals.results import TaskResult, read_results
from tracer1_agents.types import Execution, Observation, StepRecord
from tracer1_agents.viewer.page_data import page_data
from tracer1_agents.viewer.pictures import Pictures


def data_of(*results, **fields):
    return page_data([run_of(*results, **fields)], Pictures())


def first_episode(*results):
    return data_of(*results)["runs"][0]["episodes"][0]


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for key, item in value.items() for text in (key, *texts(item)))
    elif isinstance(value, list | tuple):
        yield from (text for item in value for text in texts(item))


def test_what_came_true_is_decided_here():
    steps = first_episode(result())["steps"]
    assert [[pair["came"] for pair in step["forecast"]] for step in steps] == [
        [True, False, True, None],  # look ran, a sum ran instead of the mean, finish ran, the episode had ended
        [True, True],
        [True],
    ]
    assert steps[0]["forecast"][1]["action"] == ('table_aggregate(file_path="a.csv", column="qty", operation="mean")')


def test_a_step_says_what_was_seen_what_ran_and_what_it_cost():
    episode = first_episode(result(observation=Observation(text="a table")))
    first, second, third = episode["steps"]
    assert episode["seen"] == "a table"
    # the second step saw what the first gave back; a page carries no text twice
    assert list(texts(episode)).count("table, 3 rows, columns: item, qty") == 1
    assert (first["kind"], third["kind"]) == ("table_columns", "finish")
    assert (first["input"], first["output"], first["seconds"], first["toolSeconds"]) == (1200, 30, 1.5, 0.25)
    assert (second["ok"], second["back"], second["calls"]) == (False, 'error: no column "qty"', 2)
    assert [event["kind"] for event in second["events"]] == ["replan", "asked again", "loop", "note"]


def test_marks_are_where_it_was_forecast_and_where_it_happened(tmp_path):
    steps = first_episode(screen_result(tmp_path))["steps"]
    assert steps[0]["marks"] == [
        {"role": "ahead", "step": 3, "points": [[0.5, 0.3]]},  # the farthest first, so that nearer ones lie on top
        {"role": "ahead", "step": 2, "points": [[0.3, 0.3]]},
        {"role": "planned", "step": 1, "points": [[0.1, 0.3]]},
        {"role": "ran", "step": 1, "points": [[0.12, 0.35]]},  # where the executor placed it
    ]
    # forecast at steps 1 and 2 (three pairs each), then at step 3 itself
    assert [(mark["role"], mark["step"]) for mark in steps[2]["marks"]] == [
        ("earlier", 1),
        ("earlier", 2),
        ("ahead", 4),
        ("planned", 3),
        ("ran", 3),
    ]
    assert [pair["drawn"] for pair in steps[0]["forecast"]] == [True, True, True]


def test_pairs_without_a_point_or_a_screenshot_are_not_drawn(tmp_path):
    shown = screen_result(tmp_path).trace.observation
    forecast = pairs((Click(point=Point(0.5, 0.5)), "Press"), (Click(), "Press what comes"), (Finish(), "Done"))
    step = StepRecord(step=1, forecast=forecast, executed=forecast[0].action, execution=Execution())
    for seen, drawn in ((shown, [True, False, False]), (None, [False, False, False])):
        found = first_episode(result(steps=(step,), observation=seen))["steps"][0]
        assert [pair["drawn"] for pair in found["forecast"]] == drawn
        assert len(found["marks"]) == (2 if seen else 0)  # for now, and where it ran


def test_a_value_that_is_another_action_is_not_where_it_happened():
    click = Click(point=Point(0.5, 0.5))
    for value in ({"kind": "hover", "point": [0.1, 0.1]}, {"kind": "click", "point": [7, 0]}, {"replay": "miss"}, 3):
        step = StepRecord(step=1, forecast=pairs((click, "")), executed=click, execution=Execution(value=value))
        assert first_episode(result(steps=(step,)))["steps"][0]["ran"] == "click(point=[0.5, 0.5])"


def test_points_are_written_in_thousandths():
    step = first_episode(result(steps=(drag_step(),)))["steps"][0]
    assert step["ran"] == "drag(start=[0.1, 0.2], end=[0.123, 0.4])"
    assert step["marks"] == []  # without a screenshot there is nothing to draw on


def test_screenshots_are_taken_once_each(tmp_path):
    pictures = Pictures()
    steps = page_data([run_of(screen_result(tmp_path, count=5))], pictures)["runs"][0]["episodes"][0]["steps"]
    assert [step["picture"]["key"] for step in steps] == ["p0", "p1", "p2", "p0", "p1"]
    assert len(pictures.taken) == 3
    assert [step["after"] and step["after"]["key"] for step in steps] == [None, None, None, None, "p0"]


def test_a_picture_that_is_gone_is_told(tmp_path):
    episode = screen_result(tmp_path)
    (tmp_path / "screen-1.png").unlink()
    pictures = [step["picture"] for step in first_episode(episode)["steps"]]
    assert pictures[0]["key"] == "p0"
    assert "No such file" in pictures[1]["why"]
    assert pictures[2]["key"] == "p1"


def test_numbers_that_json_lacks_become_null():
    step = text_steps()[0].model_copy(update={"seconds": float("nan")})
    data = data_of(result(steps=(step,), seconds=float("inf")))
    json.dumps(data, allow_nan=False)
    episode = data["runs"][0]["episodes"][0]
    assert episode["seconds"] is None
    assert episode["steps"][0]["seconds"] is None


def test_hostile_text_is_shown_with_escapes():
    data = page_data([run_of(hostile_result(), name=EVIL, problems=[EVIL], setup={EVIL: EVIL})] * 2, Pictures())
    shown = "".join(texts(data)).replace("\n", "")
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert r"\x1b[31m" in shown
    assert r"\u202egnp.exe" in shown


def test_long_texts_are_cut_and_said():
    code = Code(source="x = 1\n" * 10_000)
    step = StepRecord(
        step=1, forecast=pairs((code, "i" * 9_000)), executed=code, execution=Execution(text="a" * 5_000_000)
    )
    found = first_episode(result(steps=(step,)))["steps"][0]
    assert found["back"].endswith("... 4,980,000 more characters")
    assert len(found["ran"]) < 21_000
    assert len(found["instruction"]) <= 400


def test_old_and_thin_records(tmp_path):
    lines = [
        {"task_id": "a", "status": "data_error"},
        {"task_id": "b", "status": "loop", "trace": {"instruction": "do", "status": "loop"}, "later_field": 1},
        {
            "task_id": "c",
            "status": "finished",
            "trace": {
                "version": 1,
                "instruction": "do",
                "status": "finished",
                "steps": [{"step": 1, "forecast": [], "executed": {"kind": "finish"}, "execution": {}}],
            },
        },
    ]
    path = tmp_path / "old.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"task_id": "d", "sta', encoding="utf-8")
    results, problems = read_results(path)
    run = data_of(*results, problems=problems)["runs"][0]
    assert [len(episode["steps"]) for episode in run["episodes"]] == [0, 0, 1]
    assert "old.jsonl:4: not a result" in run["problems"][0]
    step = run["episodes"][2]["steps"][0]
    assert (step["forecast"], step["ran"], step["picture"]) == ([], "finish()", None)
    assert run["episodes"][2]["seen"] == ""


def test_the_newest_attempt_counts():
    episodes = data_of(result("t", status="model_error", correct=False), result("u"), result("t"))["runs"][0][
        "episodes"
    ]
    assert [(episode["id"], episode["status"]) for episode in episodes] == [("t", "finished"), ("u", "finished")]


def test_an_empty_run():
    assert data_of()["runs"][0]["episodes"] == []


def steps_of(*actions):
    return tuple(
        StepRecord(step=number, forecast=pairs((action, "")), executed=action, execution=Execution())
        for number, action in enumerate(actions, 1)
    )


@pytest.mark.parametrize(
    ("mine", "theirs", "at"),
    [
        ((LOOK, ADD), (LOOK, ADD), None),
        ((LOOK, ADD), (LOOK, MEAN), 2),
        ((LOOK,), (LOOK, ADD), 2),  # one goes on
        ((), (LOOK,), 1),
        ((Finish(answer="A b"),), (Finish(answer="a  B"),), None),  # folded
    ],
)
def test_where_two_runs_part(mine, theirs, at):
    one, other = result("t", steps=steps_of(*mine)), result("t", steps=steps_of(*theirs))
    data = page_data([run_of(one, result("only here")), run_of(other)], Pictures())
    assert data["parting"] == {"t": at}


def test_a_task_without_a_trace_is_compared_too():
    failed = TaskResult(task_id="t", status="data_error")
    data = page_data([run_of(failed), run_of(result("t"))], Pictures())
    assert data["parting"] == {"t": 1}
