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


_HALF = "half \ud83d"


@pytest.mark.parametrize(
    ("record", "where"),
    [
        ({"instruction": _HALF}, "instruction"),
        ({"metadata": {"list": [{"a": _HALF}]}}, "metadata.list.0.a"),
        ({"metadata": {"list": {_HALF: 1}}}, "a key in metadata.list"),
        ({"steps": [{"action": {"kind": "finish"}, "observation": {"text": _HALF}}]}, "steps.0.observation.text"),
    ],
)
def test_half_of_a_surrogate_pair_is_a_problem_of_its_record(write_lines, read, record, where):
    good = json.loads(dump_trajectory(_trajectory()))
    trajectories, problems = read("store", write_lines(good, good | record, good))
    assert trajectories == [_trajectory()] * 2
    told = f"{where} holds half of a surrogate pair (\\ud800 to \\udfff alone), which is no text"
    assert problems == [(2, told)]


def test_half_of_a_surrogate_pair_costs_a_character_and_not_what_is_finished(tmp_path, read):
    halved = _trajectory("b").model_copy(update={"instruction": _HALF})
    assert write_trajectories(tmp_path / "store.jsonl", [_trajectory("a"), halved]) == 2
    [first, second], problems = read("store", tmp_path / "store.jsonl")
    assert (first, second.instruction, problems) == (_trajectory("a"), "half ?", [])


def test_flagged_steps_can_be_left_out(tmp_path, read):
    path = tmp_path / "store.jsonl"
    write_trajectories(path, [_trajectory()])
    [trajectory], _ = read("store", path, drop_flags=frozenset({"redundant"}))
    assert [step.action.kind for step in trajectory.steps] == ["tool", "finish"]
