"""NaN, infinity, whole numbers beyond any float: they cost their record, not the source."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from tracer1_agents.actions.space import Click, Finish
from tracer1_agents.data.store import dump_trajectory
from tracer1_agents.types import ReferenceStep, ReferenceTrajectory, ScreenNode

HUGE = "1" + "0" * 400


def _stored(name):
    steps = (ReferenceStep(action=Click(), boxes=((0.25, 0.25, 0.5, 0.5),)), ReferenceStep(action=Finish()))
    return dump_trajectory(ReferenceTrajectory(id=name, source="here", instruction="Tap.", steps=steps))


def _phone(name):
    checks = {"action": "click", "candidate_bbox": [[0.25, 480, 810, 720]]}
    action = {"action": "click", "coordinate": [540, 600]}
    step = {"action_content": action, "screenshot": "1.png", "step_instruction": "tap", "check_options": checks}
    return json.dumps({"goal": name, "is_successful": True, "episode_id": name, "steps": [step]})


def _page(name):
    row = {"annotation_id": name, "action_uid": "1", "task": "Rent a boat.", "website": "boats", "operation": "CLICK"}
    row |= {
        "blocks_path": "b",
        "value": "",
        "bbox": [[0.25, 125, 64, 250]],
        "previous_actions": [],
        "step": 0,
        "total_steps": 1,
    }
    return json.dumps(row)


@pytest.mark.parametrize("number", ["NaN", "1e999", HUGE])
@pytest.mark.parametrize(("source", "record"), [("store", _stored), ("androidcontrol", _phone), ("mind2web", _page)])
def test_a_number_that_is_none_costs_its_record_alone(write_lines, read, source, record, number):
    spoilt = record("spoilt").replace("0.25", number)
    found, problems = read(source, write_lines(spoilt, record("sound")))
    assert [trajectory.id for trajectory in found] == ["sound"]
    [(line, problem)] = problems
    assert line == 1
    assert "finite" in problem or "valid number" in problem


def test_an_odd_value_elsewhere_is_told_with_its_step(write_lines, read):
    monologue = {"low_level_instruction": "open it", "observation": 5}
    step = {"step_num": 3, "image": "1.png", "inner_monologue": monologue}
    step["ground_truth_actions"] = [{"type": "click", "params": {"position": {"x": 0.5, "y": 0.5}}, "metadata": {}}]
    record = {"task_id": "t", "high_level_task_description": "Buy.", "steps": [step]}
    found, problems = read("agentnet", write_lines(record, name="t.json"))
    assert found == []
    assert problems[0] == (None, "step 3: summary: Input should be a valid string, got 5")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_step_is_made_with_a_box_that_cannot_be_stored(number):
    box = (0.0, 0.0, number, 1.0)
    with pytest.raises(ValidationError, match="finite"):
        ReferenceStep(action=Click(), boxes=(box,))
    with pytest.raises(ValidationError, match="finite"):
        ReferenceStep(action=Click(), nodes=(ScreenNode(box, "OK"),))
