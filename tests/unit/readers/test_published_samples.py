"""The readers on published sample data: counts that its description gives, and what every reference keeps."""

from __future__ import annotations

from collections import Counter

import pytest

from tracer1_agents.actions.space import Finish, ToolCall
from tracer1_agents.data.commands import Tally
from tracer1_agents.data.store import write_trajectories

SOURCES = {
    "androidcontrol": "androidcontrol/test_trajectories.jsonl",
    "mind2web": "mind2web/cross_task_blocks.jsonl",
    "agentnet": "agentnet",
    "mm_traj": "mm_traj/train_subset.json",
}


def _tally(trajectories):
    counts = Tally()
    for trajectory in trajectories:
        counts.add(trajectory)
    return counts


def test_androidcontrol_test_trajectories(samples, read):
    trajectories, problems = read("androidcontrol", samples / SOURCES["androidcontrol"])
    counts = _tally(trajectories)
    assert problems == []
    assert (counts.trajectories, counts.steps) == (1085, 5933)
    assert counts.kinds["click"] == 3562
    assert counts.without_box["click"] == 153
    directions = Counter(s.action.direction for t in trajectories for s in t.steps if s.action.kind == "scroll")
    assert directions == {"down": 673, "left": 71, "up": 55, "right": 53}


def test_androidcontrol_training_examples(samples, read):
    trajectories, problems = read("androidcontrol", samples / "androidcontrol/train_example.jsonl")
    assert problems == []
    assert len(trajectories) == 32
    assert all(one.steps[-1].action == Finish() and not one.steps[-1].flags for one in trajectories)


def test_mind2web_blocks(samples, read):
    trajectories, problems = read("mind2web", samples / SOURCES["mind2web"])
    counts = _tally(trajectories)
    assert problems == []
    assert counts.steps == 1338
    assert counts.flags["no_target"] == 81
    assert sum("missing_steps" in one.metadata for one in trajectories) == 1


def test_agentnet_benchmark(samples, read):
    trajectories, problems = read("agentnet", samples / SOURCES["agentnet"])
    counts = _tally(trajectories)
    assert problems == []
    assert (counts.trajectories, counts.steps, counts.pictured) == (3, 28, 28)
    assert all(one.finished for one in trajectories)


def test_mm_traj_records(samples, read):
    trajectories, problems = read("mm_traj", samples / SOURCES["mm_traj"])
    assert problems == []
    assert len(trajectories) == 68
    assert all(one.finished and one.steps[-1].action.answer for one in trajectories)
    assert any(isinstance(step.action, ToolCall) for one in trajectories for step in one.steps)


@pytest.mark.parametrize("source", SOURCES)
def test_points_lie_in_one_of_their_boxes_and_all_survives_the_store(samples, read, tmp_path, source):
    trajectories, _ = read(source, samples / SOURCES[source])
    steps = [step for one in trajectories for step in one.steps]
    pointed = [(s.action.point, s.boxes) for s in steps if getattr(s.action, "point", None) and s.boxes]
    assert pointed or source == "mm_traj"
    assert all(any(box[0] <= x <= box[2] and box[1] <= y <= box[3] for box in boxes) for (x, y), boxes in pointed)
    assert len({one.id for one in trajectories}) == len(trajectories)
    write_trajectories(tmp_path / "store.jsonl", trajectories)
    assert read("store", tmp_path / "store.jsonl") == (trajectories, [])


@pytest.mark.parametrize(
    ("source", "steps"), [("androidcontrol", 5933 + 206), ("mind2web", 1338), ("agentnet", 28), ("mm_traj", 207)]
)
def test_whole_folders_can_be_named(samples, read, source, steps):
    trajectories, problems = read(source, samples / source)
    assert (_tally(trajectories).steps, problems) == (steps, [])
