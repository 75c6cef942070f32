"""Mind2Web block lines: grouping, boxes, missing steps."""

from __future__ import annotations

import pytest

from tracer1_agents.actions.space import Click, Finish, Select, Type


def _row(step, operation="CLICK", value="", *, bbox=((128, 125, 64, 250),), task="t1", total=2):
    return {
        "annotation_id": task,
        "action_uid": f"{task}-{step}",
        "task": "Rent a boat.",
        "website": "boats",
        "operation": operation,
        "value": value,
        "bbox": [list(box) for box in bbox],
        "previous_actions": [f"[link] number {number} -> CLICK" for number in range(step)],
        "step": step,
        "total_steps": total,
        "blocks_path": f"{task}_{step}",
    }


def test_lines_of_a_task_become_one_trajectory(write_lines, read):
    path = write_lines(
        _row(0, total=4),
        _row(1, "TYPE", "two people", total=4),
        _row(2, "SELECT", "May", total=4),
        _row(3, "HOVER", bbox=(), total=4),
    )
    [trajectory], problems = read("mind2web", path)
    assert problems == []
    assert [step.action for step in trajectory.steps] == [
        Click(point=(0.125, 0.25)),
        Type(content="two people"),
        Select(option="May", point=(0.125, 0.25)),
        Click(),
        Finish(),
    ]
    assert trajectory.steps[0].boxes == ((0.1, 0.125, 0.15, 0.375),)
    assert [step.instruction for step in trajectory.steps[:4]] == [
        "[link] number 0 -> CLICK",
        "[link] number 1 -> CLICK",
        "[link] number 2 -> CLICK",
        "",
    ]
    assert [sorted(step.flags) for step in trajectory.steps] == [[], [], [], ["no_target"], ["synthetic"]]
    assert trajectory.metadata == {"website": "boats", "total_steps": 4}


def test_the_frame_reaches_down_to_the_lowest_box(write_lines, read):
    [trajectory], _ = read("mind2web", write_lines(_row(0, bbox=((0, 1700, 1280, 200),), total=1)))
    step = trajectory.steps[0]
    assert (step.observation.image.width, step.observation.image.height) == (1280, 2600)  # 1000 + 2 * 800
    assert step.boxes == ((0.0, 1700 / 2600, 1.0, 1900 / 2600),)


def test_a_box_beside_the_page_is_no_target(write_lines, read):
    [trajectory], _ = read("mind2web", write_lines(_row(0, bbox=((-50, 10, 20, 20),), total=1)))
    assert trajectory.steps[0].flags == {"target_outside"}


def test_tasks_may_interleave_and_stand_out_of_order(write_lines, read):
    path = write_lines(_row(1), _row(0, task="t2"), _row(0), _row(1, task="t2"))
    trajectories, problems = read("mind2web", path)
    assert [one.id for one in trajectories] == ["t1", "t2"]
    assert trajectories[0].steps[0].observation.image.ref == "t1_0"
    assert problems == []


def test_missing_steps_are_named_and_flagged(write_lines, read):
    [trajectory], _ = read("mind2web", write_lines(_row(0, total=4), _row(2, total=4)))
    assert trajectory.metadata["missing_steps"] == [1, 3]
    assert [sorted(step.flags) for step in trajectory.steps] == [[], ["after_gap"]]
    assert not trajectory.finished  # the end of the task is not there


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (_row(1, "FLY"), "unknown operation 'FLY'"),
        (_row(1, bbox=((1, 2, 3),)), "must hold 4 numbers"),
        ({**_row(1), "step": "1"}, '"step" must be int'),
    ],
)
def test_a_broken_step_is_told_with_its_line(write_lines, read, row, problem):
    broken = {**row, "annotation_id": "t1"}
    trajectories, problems = read("mind2web", write_lines(_row(0), broken, _row(0, task="t2", total=1)))
    assert [one.id for one in trajectories] == ["t2"]
    assert [line for line, _ in problems] == [2]
    assert problem in problems[0][1]


def test_lines_without_a_task_are_told(write_lines, read):
    trajectories, problems = read("mind2web", write_lines({"step": 0}, "{", _row(0, total=1)))
    assert len(trajectories) == 1
    assert [line for line, _ in problems] == [1, 2]
