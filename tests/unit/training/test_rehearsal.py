"""The rehearsal: small, it goes through; what is broken is said; nothing is left behind."""

import contextlib
import importlib.util
import json
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="trl is not installed (extra train)")
pytest.importorskip("langchain_openai", reason="langchain-openai is not installed (extra agents)")

import torch
from PIL import Image

from tracer1_agents.actions.space import Click, load_action
from tracer1_agents.planner.retries import Retries
from tracer1_agents.testing import ScriptedServer
from tracer1_agents.tools.cached import ExecutionCache
from tracer1_agents.tools.limited import Slots
from tracer1_agents.training import stage1, stage2
from tracer1_agents.training.mixture import MixtureConfig, load_mixture
from tracer1_agents.training.stage2 import GroundingAgentConfig, grounding_agent

pytestmark = [pytest.mark.torch, pytest.mark.enable_socket]
SCRIPT = Path(__file__).parents[3] / "scripts" / "rehearsal.py"
LABELS = ("the blue button", "the search bar")


@pytest.fixture
def script(monkeypatch):
    spec = importlib.util.spec_from_file_location("rehearsal", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "rehearsal", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def data(tmp_path):
    """One trajectory in the benchmark's form, on screenshots of noise."""
    folder = tmp_path / "agentnet"
    (folder / "images").mkdir(parents=True)
    steps = []
    for number, label in enumerate(LABELS):
        picture = Image.frombytes("RGB", (64, 48), random.Random(number).randbytes(3 * 64 * 48))
        picture.save(folder / "images" / f"{number}.png")
        position = {"x": 0.25, "y": 0.25 + 0.5 * number}
        steps.append(
            {
                "step_num": number,
                "image": f"{number}.png",
                "inner_monologue": {"low_level_instruction": f"Click {label}"},
                "ground_truth_actions": [{"type": "click", "params": {"position": position}}],
            }
        )
    record = {"task_id": "t", "high_level_task_description": "Press both", "steps": steps}
    (folder / "t.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def rows_of(data):
    source = {"reader": "agentnet", "path": str(data)}
    return load_mixture(MixtureConfig(profile="qwen-tool-call", horizon=1, sources=[source])).rows


def in_this_process(stage, options):
    module = {"stage1": stage1, "stage2": stage2}[stage]
    given = [part for option in options for part in ("--set", option)]
    return module.main(["--config", f"qwen3vl-8b/{stage}", *given])


@pytest.mark.slow
def test_a_small_one_goes_through(script, data, tmp_path, monkeypatch, capsys):
    servers = []

    class Seen(ScriptedServer):
        def __init__(self, answers):
            super().__init__(answers)
            servers.append(self)

    smaller = ["data.horizon=1", "data.max_pixels=3072", "rollout.prompts_per_update=3", "rollout.max_new_tokens=90"]
    smaller += ["rollout.temperature=1.3"]  # so few rows are soon known by heart
    monkeypatch.setattr(script, "SCALED_DOWN", [*script.SCALED_DOWN, *smaller])
    monkeypatch.setattr(script, "ScriptedServer", Seen)
    monkeypatch.setattr(script, "run_stage", in_this_process)
    arguments = ["--data", str(data), "--out", str(tmp_path / "out"), "--updates", "1", "--threads", "1"]
    status = script.main([*arguments, "--imitation", "50"])
    said = capsys.readouterr().out
    assert status == 0, said
    assert "the rehearsal went through" in said
    assert "8,767,123,696 weights" in said  # as published: 8.77 billion
    for line in ("tokens/s of rollouts", "grounding cache hits", "sampler/trainer gap"):
        assert line in said
    for stage in ("stage1", "stage2"):
        assert (tmp_path / "out" / stage / "adapter").is_dir()  # the config's adapters, merged for the next stage
    assert servers[0].asked
    with contextlib.closing(socket.socket()) as probe:
        assert probe.connect_ex(("127.0.0.1", servers[0].server_port))  # nobody listens any more


def test_the_agent_answers_in_the_frame_of_ui_tars(script, data):
    rows = rows_of(data)
    with contextlib.closing(ScriptedServer([script.grounding_script(rows)])) as server:
        config = GroundingAgentConfig(base_url=server.url, model="UI-TARS-1.5-7B")
        agent = grounding_agent(config, rows[1], ExecutionCache(), Slots(1), Retries())
        seen = rows[1].start.observation
        place, middle = (
            load_action(agent.execute(Click(), words, seen).value).point
            for words in ("Click the search bar", "Click something else")
        )
    assert (place.x, place.y) == (pytest.approx(0.25, abs=0.01), pytest.approx(0.75, abs=0.01))
    assert (middle.x, middle.y) == (pytest.approx(0.5, abs=0.01), pytest.approx(0.5, abs=0.01))


def line(**changes):
    good = {
        "loss": 0.1,
        "sampling/first_batch_gap_max": 1e-6,
        "frac_reward_zero_std": 0.5,
        "weights/change": 1e-4,
        "graph/executions": 12.0,
    }
    return {key: value for key, value in {**good, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("status", "grounded", "changes", "problem"),
    [
        (0, 3, {}, None),
        (1, 3, {}, "stage2 ended with exit status 1 after 2 updates"),
        (0, 3, {"loss": float("nan")}, "stage2: the loss is no number"),
        (0, 3, {"sampling/first_batch_gap_max": None}, "stage2: sampler and trainer were not compared"),
        (0, 3, {"frac_reward_zero_std": 1.0}, "stage2: all replies of every group earned the same"),
        (0, 3, {"weights/change": 0.0}, "stage2: no update moved the weights"),
        (0, 3, {"graph/executions": 0.0}, "stage2: no action was executed"),
        (0, 0, {}, "stage2: the grounding agent was never asked"),
    ],
)
def test_what_is_broken_is_said(script, status, grounded, changes, problem):
    report = script.Report("stage2", status, [line(**changes)] * 2, 8, grounded)
    assert report.problems() == ([problem] if problem else [])


def test_the_table_is_made_of_the_log(script):
    measured = {
        "time/rollout": 6.0,
        "step_time": 10.0,
        "completions/mean_length": 30.0,
        "graph/execution_seconds": 2.0,
        "memory/peak_gib": 1.5,
        "executor/cache_hits/agentnet": 5.0,
        "reward": 0.5,
    }
    shown = script.Report("stage2", 0, [line(**measured)] * 2, 8, 3).lines()
    assert shown["tokens sampled"] == "480"  # 8 replies of 30 tokens, twice
    assert shown["tokens/s of rollouts"] == "40"
    assert (shown["time in rollouts"], shown["time in training"], shown["  while executing"]) == ("60%", "40%", "10%")
    assert (shown["grounding calls"], shown["grounding cache hits"], shown["peak memory, GiB"]) == ("3", "5", "1.50")


def test_what_is_missing_is_said(script, tmp_path, capsys):
    assert script.main(["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "tracer1 data fetch agentnet" in capsys.readouterr().err
    if not torch.cuda.is_available():
        assert script.main(["--full", "--out", str(tmp_path / "out")]) == 1
        assert "needs a CUDA card" in capsys.readouterr().err


def test_an_interrupt_ends_the_server_and_the_stage(script, data, tmp_path, monkeypatch):
    servers, stages = [], []

    class Interrupted(subprocess.Popen):
        """A stage that takes long, and a person who does not wait for it."""

        def __init__(self, command):
            super().__init__([sys.executable, "-c", "import time; time.sleep(60)"])
            stages.append((self, command))

        def wait(self, timeout=None):
            if self.poll() is None and not hasattr(self, "told"):
                self.told = True
                raise KeyboardInterrupt
            return super().wait(timeout)

    def server(answers):
        servers.append(ScriptedServer(answers))
        return servers[0]

    monkeypatch.setattr(script.subprocess, "Popen", Interrupted)
    monkeypatch.setattr(script, "ScriptedServer", server)
    with pytest.raises(KeyboardInterrupt):
        script.rehearse_both([], tmp_path, rows_of(data))
    stage, command = stages[0]
    assert command[:5] == [sys.executable, "-m", "tracer1_agents.training.stage1", "--config", "qwen3vl-8b/stage1"]
    assert stage.poll() is not None
    with contextlib.closing(socket.socket()) as probe:
        assert probe.connect_ex(("127.0.0.1", servers[0].server_port))
