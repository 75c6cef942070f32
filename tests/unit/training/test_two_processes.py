"""Runs on two processes (torchrun, gloo) do what one process does, and only the first of them writes.

All runs share one launch: most of their time is the start of the processes.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="trl is not installed (extra train)")

import torch
from training_cases import log_of, weights
from two_process_worker import STAGES, with_token_sums

from tracer1_agents.training.checkpoints import claimed
from tracer1_agents.training.rollouts import LocalRollouts

pytestmark = [pytest.mark.torch, pytest.mark.slow]
WORKER = Path(__file__).with_name("two_process_worker.py")
SMALL = {
    "data": "{profile: compact, horizon: 3, sources: [{reader: taskgen, count: 12, seed: 5, families: [arithmetic]}]}",
    "rollout": "{engine: local, group_size: 4, prompts_per_update: 2, max_new_tokens: 12}",
    "trainer": "{max_steps: 2, learning_rate: 1.0e-2, beta: 0.0, micro_batch: 4, save_steps: 2, sample_steps: 2}",
}
SGD = {"trainer.optimizer": "sgd", "trainer.clip": 0}
STRADDLING = {"rollout.prompts_per_update": 5, "trainer.micro_batch": 10}  # 20 replies: the third group is parted
SAME_ON_ONE = {  # name: changes; weights are compared with those of one process
    **{loss: {"trainer.loss_type": loss, **SGD, **STRADDLING} for loss in ("grpo", "dr_grpo", "dapo")},
    "whole groups": SGD,
    "a row that comes again": {
        "data": "{profile: compact, horizon: 3, sources: [{reader: taskgen, name: a, count: 12, seed: 5}, "
        "{reader: taskgen, name: b, count: 1, seed: 6, weight: 2}]}",
        **SGD,
        **STRADDLING,
    },
    "adamw with kl": {"trainer.beta": 0.05, "trainer.num_iterations": 2},
}
LONG = {"trainer.max_steps": 6, "trainer.save_steps": 4, "rollout.prompts_per_update": 4}  # 3 updates an epoch


def arguments(planner, folder, changes, *flags, stage="stage1"):
    overrides = {"model.path": planner, **SMALL, "trainer.output_dir": folder, **changes}
    listed = [word for key, value in overrides.items() for word in ("--set", f"{key}={value}")]
    return ["--config", f"tiny/{stage}", *listed, *flags]


def launch(folder, jobs, **environment):
    """Run jobs on two processes; what they printed, and their exit statuses by process where they came to the end."""
    file = folder / "jobs.json"
    file.write_text(json.dumps(jobs), encoding="utf-8")
    source = str(Path(__file__).parents[3] / "src")
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", WORKER, file],
        env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    reports = [file.with_suffix(f".{rank}") for rank in (0, 1)]
    return done, [json.loads(report.read_text(encoding="utf-8")) for report in reports if report.exists()]


@pytest.fixture(scope="module")
def runs(planner, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    jobs = {name: ("stage1", arguments(planner, folder / name, changes)) for name, changes in SAME_ON_ONE.items()}
    jobs["uninterrupted"] = ("stage1", arguments(planner, folder / "uninterrupted", LONG))
    jobs["begun"] = ("stage1", arguments(planner, folder / "resumed", {**LONG, "trainer.max_steps": 4}))
    jobs["resumed"] = ("stage1", arguments(planner, folder / "resumed", LONG, "--resume"))
    jobs["out of time"] = ("stage1", arguments(planner, folder / "time", {**LONG, "trainer.max_minutes": 1e-6}))
    adapters = {"model.lora": "{rank: 2, alpha: 4}", "trainer.beta": 0.05}
    jobs["adapters"] = ("stage1", arguments(planner, folder / "adapters", adapters))
    jobs["transformers"] = ("stage1", arguments(planner, folder / "trl", {"rollout.engine": "transformers"}))
    jobs["stage2"] = ("stage2", arguments(planner, folder / "stage2", {}, stage="stage2"))
    jobs["replay"] = ("stage2", arguments(planner, folder / "replay", {"rollout.way": "replay"}, stage="stage2"))
    jobs["claimed"] = ("stage1", arguments(planner, folder / "claimed", {}))
    with claimed(folder / "claimed"):
        done, codes = launch(folder, list(jobs.values()))
    assert len(codes) == 2, done.stderr[-4000:]
    return folder, done, [dict(zip(jobs, each, strict=True)) for each in codes]


def test_every_run_ends_alike_in_both_processes(runs):
    _, _, (first, second) = runs
    assert first == second
    assert [name for name, code in first.items() if code] == ["claimed"]


@pytest.mark.parametrize("name", SAME_ON_ONE)
def test_two_processes_write_the_weights_that_one_does(runs, planner, tmp_path, monkeypatch, name):
    """Groups that lie on both processes, and processes that have unlike numbers of rows to learn from, among them."""
    monkeypatch.setattr(LocalRollouts, "_draw", with_token_sums(LocalRollouts._draw))
    assert STAGES["stage1"].main(arguments(planner, tmp_path, SAME_ON_ONE[name])) == 0
    one, two, start = weights(tmp_path / "model"), weights(runs[0] / name / "model"), weights(planner)
    assert max(float((one[key] - start[key]).abs().max()) for key in one) > 1e-4
    tolerance = 1e-7 if "sgd" in SAME_ON_ONE[name].values() else 1e-4  # AdamW's first steps turn on signs
    assert max(float((one[key] - two[key]).abs().max()) for key in one) < tolerance
    ours, theirs = log_of(tmp_path), log_of(runs[0] / name)
    told = ("reward", "parts/align", "forecast/unreadable", "frac_reward_zero_std", "groups/replaced", "num_tokens")
    assert [[line[key] for key in told] for line in ours] == [
        [pytest.approx(line[key], abs=1e-5) for key in told] for line in theirs
    ]


def test_a_resumed_run_is_the_run_itself(runs):
    whole, resumed = weights(runs[0] / "uninterrupted" / "model"), weights(runs[0] / "resumed" / "model")
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    assert [line["step"] for line in log_of(runs[0] / "resumed", "start")] == [0, 4]
    checkpoint = runs[0] / "resumed" / "checkpoint-4"
    assert {"complete", "rng_state_0.pth", "rng_state_1.pth"} <= {path.name for path in checkpoint.iterdir()}


@pytest.mark.parametrize("name", ["grpo", "trl", "stage2", "replay"])
def test_only_the_first_process_writes(runs, name):
    folder = runs[0] / name
    assert [line["step"] for line in log_of(folder)] == [1, 2]
    assert [len(log_of(folder, event)) for event in ("start", "checkpoint", "end")] == [1, 1, 1]
    assert weights(folder / "model")


def test_only_the_first_process_prints(runs):
    _, done, codes = runs
    finished = sum(code == 0 for code in codes[0].values())
    assert done.stdout.count("model written to") == finished
    assert done.stdout.count("updates an epoch") == finished


def test_adapters_are_written(runs):
    assert (runs[0] / "adapters" / "adapter" / "adapter_model.safetensors").stat().st_size > 0


def test_the_first_process_says_when_time_is_up(runs):
    assert [line["step"] for line in log_of(runs[0] / "time", "end")] == [1]
    assert (runs[0] / "time" / "checkpoint-1" / "complete").exists()


def test_a_folder_in_use_stops_both(runs):
    _, done, _ = runs
    for number in (0, 1):
        assert f"error (process {number} of 2): another run is writing to" in done.stderr


def test_a_process_that_fails_ends_the_other(planner, tmp_path):
    jobs = [("stage1", arguments(planner, tmp_path / "run", LONG))]
    done, codes = launch(tmp_path, jobs, FAIL_IN_THE_SECOND_PROCESS="1")
    assert done.returncode != 0
    assert codes == []
    assert "this process lost its executor" in done.stderr
    assert [line["step"] for line in log_of(tmp_path / "run")] == [1]
