"""The warm start in small: it runs and goes on where it stopped; what ships has checksums and a card."""

import json
import shutil

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import torch

from tracer1_agents.errors import ConfigurationError, TrainingError
from tracer1_agents.evals.card import write_card
from tracer1_agents.evals.results import TaskResult
from tracer1_agents.serving.local import verify_checksums
from tracer1_agents.training.checkpoints import claimed
from tracer1_agents.training.config import load_config
from tracer1_agents.training.export import export
from tracer1_agents.training.warmstart import WarmstartConfig, train

pytestmark = pytest.mark.torch
SMALL = [
    "model={vocab_size: 400, hidden_size: 32, layers: 1, heads: 2, key_value_heads: 1, head_size: 16, mlp_size: 32}",
    "data={tokenizer_windows: 200, families: [arithmetic]}",
    "trainer.tokens_per_batch=600",
    "trainer.evaluation_windows=2",
]


def run(folder, minutes, *more):
    changes = [*SMALL, f"trainer.output_dir={folder}", f"trainer.minutes={minutes}", *more]
    train(load_config(WarmstartConfig, "tiny/warmstart", changes))
    return [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("warmstart")
    return folder, run(folder, 0.03)


def test_it_goes_on_from_its_checkpoint(finished):
    folder, log = finished
    assert log[0]["event"] == "start"
    end = log[-1]
    assert end["event"] == "evaluation"
    assert end["seconds"] >= 1.8
    again = run(folder, end["seconds"] / 60 + 0.01)[len(log) :]  # a busy machine may have overrun the first limit
    assert (again[0]["event"], again[0]["step"], again[0]["tokens"]) == ("start", end["step"], end["tokens"])
    assert again[-1]["step"] > end["step"]


def test_a_finished_run_is_not_gone_on_with(tmp_path):
    limits = ("trainer.updates=2", "trainer.decay_from=1.0")
    log = run(tmp_path, 60, *limits)
    written = (tmp_path / "model" / "model.safetensors").read_bytes()
    again = run(tmp_path, 60, *limits)[len(log) :]
    assert [(line["event"], line["step"]) for line in again] == [("start", 2), ("end", 2)]
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == written


@pytest.mark.parametrize("state", ["replaced", "new"])
def test_a_run_killed_while_it_wrote_the_planner_goes_on(tmp_path, state):
    run(tmp_path, 60, "trainer.updates=2")
    model = tmp_path / "model"
    if state == "replaced":  # the old one is aside, the new one not yet in its place
        shutil.copytree(model, tmp_path / "model.new")
        model.rename(tmp_path / "model.old")
    else:  # half of the new one is written
        shutil.copytree(model, tmp_path / "model.new")
        weights = tmp_path / "model.new" / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:100])
    assert run(tmp_path, 60, "trainer.updates=3")[-1]["step"] == 3
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"model", "best"}


def test_a_full_disk_is_told_and_the_last_checkpoint_stays(tmp_path, monkeypatch):
    run(tmp_path, 60, "trainer.updates=1")
    save = torch.save
    monkeypatch.setattr(torch, "save", lambda *_: save(0, "/dev/full"))
    with pytest.raises(TrainingError, match=r"checkpoint at update 2 could not be written: .*the same command goes on"):
        run(tmp_path, 60, "trainer.updates=2")
    monkeypatch.undo()
    assert run(tmp_path, 60, "trainer.updates=2")[-1]["step"] == 2
    (tmp_path / "log.jsonl").unlink()
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=r"log\.jsonl could not be .*No space left.*the same command goes on"):
        run(tmp_path, 60, "trainer.updates=3")


def test_without_evaluation_nothing_is_measured(tmp_path):
    log = run(tmp_path, 60, "trainer.updates=2", "trainer.evaluation_windows=0", "trainer.warmup_steps=0")
    assert [line["event"] for line in log] == ["start", "checkpoint"]
    assert (tmp_path / "state.pt").exists()
    assert not (tmp_path / "best").exists()


def test_one_run_at_a_time_has_a_folder(tmp_path):
    with claimed(tmp_path), pytest.raises(ConfigurationError, match="another run is writing"):
        run(tmp_path, 1)
    assert not (tmp_path / "log.jsonl").exists()


def test_it_ends_after_so_many_updates_of_so_many_reply_tokens(tmp_path):
    end = run(tmp_path, 60, "trainer.updates=4", "trainer.reply_tokens_per_batch=150")[-1]
    assert (end["event"], end["step"]) == ("evaluation", 4)
    assert 4 * 75 < end["taught_tokens"] <= 4 * 150
    assert end["rows"] >= 4


def test_what_ships_is_checked_and_described(finished, tmp_path):
    folder, _ = finished
    target = tmp_path / "planner"
    export(folder / "model", target)
    verify_checksums(target)
    results = tmp_path / "results.jsonl"
    rows = [
        TaskResult(task_id="a", family="f", status="finished", correct=True),
        TaskResult(task_id="b", family="f", status="loop", correct=False, traits=("unseen_style",)),
        TaskResult(task_id="c", family="g", status="finished", correct=False, trained_family=False),
    ]
    results.write_text("".join(row.model_dump_json() + "\n" for row in rows), encoding="utf-8")
    comparison = tmp_path / "test.md"
    comparison.write_text("| stage1 - warm_start | 0.0% |\n", encoding="utf-8")
    write_card(folder / "log.jsonl", results, comparison, target)
    card = (target / "README.md").read_text(encoding="utf-8")
    assert "| families it was trained on | 1 / 2 | 50.0% |" in card
    assert "| families never trained on | 0 / 1 | 0.0% |" in card
    assert "| stage1 - warm_start | 0.0% |" in card
    assert "$" not in card
    (target / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="does not match its checksum"):
        verify_checksums(target)


def test_an_unknown_key_is_named():
    with pytest.raises(ConfigurationError, match=r"trainer\.minuets"):
        load_config(WarmstartConfig, "tiny/warmstart", ["trainer.minuets=3"])
    with pytest.raises(ConfigurationError, match="neither a file nor a packaged name"):
        load_config(WarmstartConfig, "tiny/nothing")
