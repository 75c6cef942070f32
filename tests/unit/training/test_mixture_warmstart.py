"""Supervised training on files: from nothing, on from a checkpoint, measured on other trajectories, and compared."""

import json

import pytest
import yaml

pytest.importorskip("torch", reason="torch is not installed")

from transformers import AutoTokenizer

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.experiments.__main__ import main
from tracer1_agents.experiments.compare import Table
from tracer1_agents.experiments.plan import load_plan
from tracer1_agents.experiments.results import Results
from tracer1_agents.training.config import load_config
from tracer1_agents.training.warmstart import WarmstartConfig, evaluation_rows, train

pytestmark = pytest.mark.torch
MODEL = "{vocab_size: 300, hidden_size: 32, layers: 1, heads: 2, key_value_heads: 1, head_size: 16, mlp_size: 32}"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "phone.jsonl"
    records = (
        {
            "goal": f"call number {at}",
            "is_successful": True,
            "steps": [
                {"action_content": {"action": "open", "text": "Phone"}, "step_instruction": "open the phone"},
                {"action_content": {"action": "click", "coordinate": [at, 9]}, "step_instruction": "tap quokka"},
            ],
        }
        for at in range(6)
    )
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return f"{{reader: androidcontrol, path: {path}, points: false}}"


def config(source, folder, *more):
    settings = [f"model={MODEL}", f"data={{horizon: 3, sources: [{source}], evaluation: [{source}]}}"]
    settings += ["trainer={minutes: 0.02, tokens_per_batch: 600, evaluation_windows: 4}"]
    return load_config(WarmstartConfig, "tiny/warmstart", [*settings, f"trainer.output_dir={folder}", *more])


@pytest.fixture(scope="module")
def trained(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train(config(source, folder))
    return folder


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_mixture_gives_the_tokenizer_the_rows_and_the_measure(trained):
    end = log_of(trained)[-1]
    assert (end["event"], end["windows"]) == ("evaluation", 4)
    assert end["best"] == end["reward"] == max(line["reward"] for line in log_of(trained) if "reward" in line)
    assert (trained / "best" / "config.json").is_file()
    tokenizer = AutoTokenizer.from_pretrained(trained / "model")
    assert len(tokenizer.tokenize("quokka")) <= 2  # a word of these rows and of no generated task


def test_evaluation_rows_are_spread_over_the_source(source, trained):
    rows = evaluation_rows(config(source, trained))
    assert [row.key.split("/")[1] for row in rows] == ["line-1", "line-2", "line-4", "line-5"]
    assert len(evaluation_rows(config(source, trained, "trainer.evaluation_windows=100"))) == 18  # all there are


def test_it_goes_on_from_given_weights_with_a_fresh_optimiser(source, trained, tmp_path):
    train(config(source, tmp_path, f"trainer.start_from={trained / 'best'}", "model.layers=2"))
    start = log_of(tmp_path)[0]
    assert (start["step"], start["seconds"]) == (0, 0.0)
    assert start["parameters_millions"] == log_of(trained)[0]["parameters_millions"]  # the checkpoint's sizes, not ours
    assert (
        AutoTokenizer.from_pretrained(tmp_path / "model").vocab
        == AutoTokenizer.from_pretrained(trained / "model").vocab
    )
    with pytest.raises(ConfigurationError, match=r"no planner in .*/nothing': there is no such folder"):
        train(config(source, tmp_path / "other", f"trainer.start_from={tmp_path / 'nothing'}"))


def test_an_experiment_measures_on_recorded_trajectories(source, trained, tmp_path):
    data = {"images": False, "sources": yaml.safe_load(f"[{source}]")}
    split = {"windows": 18, "data": data, "tasks": 0, "horizon": 3}
    arms = {"fresh": {"start": str(trained / "model")}, "best": {"start": str(trained / "best")}}
    plan = {"name": "x", "arms": arms, "pairs": [["best", "fresh"]], "development": split, "test": split}
    (tmp_path / "plan.yaml").write_text(json.dumps(plan), encoding="utf-8")
    results = tmp_path / "results"
    command = [str(tmp_path / "plan.yaml"), "--out", str(tmp_path / "out"), "--results", str(results)]
    assert main([*command, "--split", "test"]) == 0
    loaded = load_plan(str(tmp_path / "plan.yaml"))
    table = Table(loaded, Results(results), "test")
    assert table.difference("best", "fresh", "reward").items == 18
    [grounded] = table.values("best", "grounded").values()
    [exact] = table.values("best", "first_exact").values()
    assert grounded  # carried out by replay of the record
    assert all(grounded.get(key, 1.0) == 1.0 for key, right in exact.items() if right)
