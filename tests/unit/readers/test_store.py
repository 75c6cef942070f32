"""Our own form: written and read back equal, versions refused, damage told by line."""

from __future__ import annotations

import json

import pytest

from tracer1_agents.actions.space import Click, Finish, Result, ToolCall, Type
from tracer1_agents.data.store import dump_trajectory, write_trajectories
from tracer1_agents.types import ImageRef, Observation, ReferenceStep, ReferenceTrajectory


def _trajectory(name="a"):
    return ReferenceTrajectory(
        id=name,
        source="here",
        instruction="Zähle\u2028die Züge",
        steps=(
            ReferenceStep(
                observation=Observation(text="a desk", image=ImageRef(ref="a.png", width=3, height=4)),
                action=Click(point=(0.1, 1 / 3)),
                instruction="tap",
                result="ok",
                summary="",
                boxes=((0.0, 0.1, 0.5, 1.0),),
                alternatives=(Click(), Type(content="x\n")),
                flags=frozenset({"redundant", "continued", "incorrect"}),
            ),
            ReferenceStep(action=ToolCall(name="solver", arguments={"a": [Result(1), None], "b": {"c": 1.5}})),
            ReferenceStep(action=Finish(answer="3", status="infeasible")),
        ),
        metadata={"frame": {"width": 3}, "list": [1, None]},
    )


def test_what_is_written_is_read_back_equal(tmp_path, read):
    path = tmp_path / "deep" / "store.jsonl"
    trajectories = [_trajectory("a"), _trajectory("b")]
    assert write_trajectories(path, trajectories) == 2
    assert read("store", path) == (trajectories, [])
    assert [entry.name for entry in path.parent.iterdir()] == ["store.jsonl"]
    assert path.read_text(encoding="utf-8").count("\n") == 2


def test_equal_trajectories_give_equal_lines():
    line = dump_trajectory(_trajectory())
    assert json.loads(line)["steps"][0]["flags"] == ["continued", "incorrect", "redundant"]
    assert json.loads(line)["version"] == 1


def test_a_failed_export_leaves_what_was_there(tmp_path):
    path = tmp_path / "store.jsonl"
    path.write_text("before", encoding="utf-8")

    def failing():
        yield _trajectory()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_trajectories(path, failing())
    assert path.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_lines_of_another_form_are_told(write_lines, read):
    good = json.loads(dump_trajectory(_trajectory()))
    unknown = {**good, "steps": [{"action": {"kind": "levitate"}}]}
    path = write_lines(good, {**good, "version": 2}, unknown, '{"version": 1', good)
    trajectories, problems = read("store", path)
    assert len(trajectories) == 2
    assert [line for line, _ in problems] == [2, 3, 4]
    assert "version 2 of the store cannot be read" in problems[0][1]
    assert "not a trajectory: steps.0.action" in problems[1][1]


def test_flagged_steps_can_be_left_out(tmp_path, read):
    path = tmp_path / "store.jsonl"
    write_trajectories(path, [_trajectory()])
    [trajectory], _ = read("store", path, drop_flags=frozenset({"redundant"}))
    assert [step.action.kind for step in trajectory.steps] == ["tool", "finish"]
