"""Plans say what they mean, a run is never done twice, and every printed number comes from the records."""

import json

import pytest

pytest.importorskip("torch", reason="torch is not installed")

from tracer1_agents.errors import ConfigurationError, TrainingError
from tracer1_agents.experiments.__main__ import main
from tracer1_agents.experiments.compare import difference
from tracer1_agents.experiments.measure import held_out_rows
from tracer1_agents.experiments.plan import Measurement, Plan, load_plan
from tracer1_agents.experiments.report import as_json, as_markdown
from tracer1_agents.experiments.runner import Cell, Runner

pytestmark = pytest.mark.torch
SPLITS = {
    "development": {"windows": 4, "window_seed": 1, "tasks": 2, "task_set": "dev", "horizon": 4},
    "test": {"windows": 4, "window_seed": 2, "tasks": 0, "task_set": "test", "horizon": 4},
}


def plan(**changes):
    arms = {
        "full": {"start": "better", "train": "stage1", "config": "tiny/stage1"},
        "base": {"start": "tracer1-tiny"},
        "better": {"start": "base", "train": "warmstart", "config": "tiny/warmstart", "seeds": 2},
    }
    return Plan.model_validate({"name": "x", "arms": arms, "pairs": [["better", "base"]], **SPLITS, **changes})


def runner(tmp_path, **changes):
    return Runner(plan(**changes), "unused", tmp_path, workers=1, say=lambda _: None)


def test_arms_follow_the_arm_they_start_from(tmp_path):
    assert plan().order() == ["base", "better", "full"]
    one = runner(tmp_path)
    assert [cell.seed for cell in one.cells("base")] == [0]
    assert [cell.seed for cell in one.cells("better")] == [0, 1]
    assert one.model(Cell("base", 0)) == "tracer1-tiny"
    assert one.model(Cell("full", 1)).endswith("arms/full-1/model")


def test_each_training_gets_its_start_seed_and_folder(tmp_path, monkeypatch):
    commands = []
    one = runner(tmp_path)
    monkeypatch.setattr(
        one, "_process", lambda what, command, log: commands.append(command) or log.parent.mkdir(parents=True)
    )
    one.train(Cell("full", 2))
    one.train(Cell("full", 2))  # done: not again
    assert len(commands) == 1
    shown = " ".join(commands[0])
    assert f"model.path={tmp_path}/arms/better-2/model" in shown
    assert f"trainer.output_dir={tmp_path}/arms/full-2" in shown
    assert "trainer.seed=2019" in shown
    assert shown.endswith("--resume")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pairs": [["better", "nobody"]]}, "names the arm 'nobody'"),
        ({"arms": {"a": {"start": "b"}, "b": {"start": "a"}}, "pairs": []}, "in a circle: "),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        plan(**change)


def test_packaged_plans_load():
    loaded = load_plan("stage1")
    assert loaded.test.windows >= 500
    assert loaded.development.window_seed != loaded.test.window_seed
    assert loaded.development.task_set != loaded.test.task_set
    with pytest.raises(ConfigurationError, match="no experiment 'nothing'"):
        load_plan("nothing")


def test_a_failing_process_is_named_with_its_log(tmp_path):
    with pytest.raises(TrainingError, match=r"x failed with exit status 3: .*bad luck.*\(log: "):
        runner(tmp_path)._process("x", ["-c", "import sys; print('bad luck'); sys.exit(3)"], tmp_path / "a" / "log")


def test_differences_pair_items_and_seeds(tmp_path):
    one = runner(tmp_path)
    rewards = {"base-0": [0.0, 0.5, 1.0], "better-0": [0.5, 0.5, 1.0], "better-1": [1.0, 0.5, 1.0]}
    for name, values in rewards.items():
        folder = tmp_path / "measured" / "test" / name
        folder.mkdir(parents=True)
        lines = [json.dumps({"key": f"w{at}", "reward": value}) for at, value in enumerate(values)]
        (folder / "windows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = difference(one, "better", "base", "test", "reward")
    assert found.by_seed == pytest.approx((1 / 6, 1 / 3))
    assert (found.mean, found.items) == (pytest.approx(0.25), 3)
    assert found.low <= found.mean <= found.high
    assert difference(one, "better", "base", "test", "correct") is None


def test_held_out_rows_are_those_of_the_seed():
    rows = held_out_rows(Measurement(windows=3, window_seed=9, task_set="x", horizon=4))
    again = held_out_rows(Measurement(windows=3, window_seed=9, task_set="x", horizon=4))
    assert [row.messages for row in rows] == [row.messages for row in again]
    assert all(row.score(row.reply).total == 1.0 for row in rows)


@pytest.mark.slow
def test_one_command_trains_measures_and_reports(tmp_path, capsys):
    data = {
        "name": "small",
        "seeds": [0],
        "arms": {
            "before": {"start": "tracer1-tiny"},
            "after": {
                "start": "before",
                "train": "warmstart",
                "config": "tiny/warmstart",
                "set": ["trainer.minutes=0.02", "trainer.evaluation_windows=1", "data.families=[arithmetic]"],
            },
        },
        "pairs": [["after", "before"]],
        **SPLITS,
    }
    path = tmp_path / "plan.yaml"
    path.write_text(json.dumps(data), encoding="utf-8")  # JSON is YAML
    out = tmp_path / "out"
    assert main([str(path), "--out", str(out), "--split", "development"]) == 0
    shown = capsys.readouterr().out
    assert "4 held-out windows, 2 tasks in the closed loop" in shown
    results = json.loads((out / "development.json").read_text(encoding="utf-8"))
    assert {row["measure"] for row in results["differences"]} >= {"reward", "correct"}
    written = (out / "measured" / "development" / "after-0" / "tasks.jsonl").stat().st_mtime_ns
    assert main([str(path), "--out", str(out), "--split", "development"]) == 0
    assert (out / "measured" / "development" / "after-0" / "tasks.jsonl").stat().st_mtime_ns == written
    one = Runner(load_plan(str(path)), str(path), out, workers=1, say=lambda _: None)
    assert json.loads(json.dumps(as_json(one, "development"))) == results
    assert as_markdown(one, "development") in shown
