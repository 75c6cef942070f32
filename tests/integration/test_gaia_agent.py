"""The main job end to end: the planner that ships, on bundled tasks with real files, through the example's own code."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from tracer1_agents import cli
from tracer1_agents.planner import policy

pytestmark = pytest.mark.torch

EXAMPLE = Path(__file__).parents[2] / "examples" / "gaia_agent.py"


@pytest.fixture(scope="module")
def gaia_agent():
    pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("rich", reason="rich is not installed")
    spec = importlib.util.spec_from_file_location("gaia_agent", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["gaia_agent"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["gaia_agent"]


@pytest.fixture(scope="module")
def run_file(gaia_agent, tmp_path_factory):
    output = tmp_path_factory.mktemp("run") / "run.jsonl"
    assert gaia_agent.main(["--limit", "10", "--output", str(output)]) == 0
    return output


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class TestShippedPlanner:
    def test_it_answers_most_tasks_and_runs_only_first_pairs(self, run_file):
        results = lines(run_file)
        assert len(results) == 10
        assert sum(result["correct"] is True for result in results) >= 5
        for result in results:
            steps = result["trace"]["steps"]
            assert [step["step"] for step in steps] == list(range(1, len(steps) + 1))
            assert all(step["executed"] == step["forecast"][0]["action"] for step in steps)
        assert any(len(result["trace"]["steps"][0]["forecast"]) > 2 for result in results)

    def test_the_run_says_how_it_was_made(self, run_file):
        setup = json.loads(run_file.with_suffix(".meta.json").read_text(encoding="utf-8"))
        assert setup["model"] == "tracer1-tiny"
        assert setup["horizon"] == 8

    def test_a_second_call_does_nothing_that_is_done(self, gaia_agent, run_file, capsys):
        before = run_file.read_bytes()
        assert gaia_agent.main(["--limit", "10", "--output", str(run_file)]) == 0
        assert run_file.read_bytes() == before
        assert "10 of 10 tasks are already in" in " ".join(capsys.readouterr().err.split())

    def test_another_setup_is_refused(self, gaia_agent, run_file, capsys):
        assert gaia_agent.main(["--limit", "10", "--horizon", "2", "--output", str(run_file)]) == 2
        assert "horizon was 8 and is 2" in " ".join(capsys.readouterr().err.split())

    def test_it_can_be_shown(self, run_file, capsys):
        assert cli.main(["show", str(run_file)]) == 0
        assert lines(run_file)[0]["task_id"] in capsys.readouterr().out


class TestBadInput:
    def test_broken_lines_and_missing_attachments_do_not_stop_the_others(self, gaia_agent, tmp_path, capsys):
        rows = [
            '{"task_id": "a", "Question": "What is 2 + 3?", "Level": 1, "Final answer": "5"}',
            "{broken",
            '{"task_id": "b", "Question": "What is in it?", "Level": 1, "Final answer": "x", "file_name": "gone.pdf"}',
        ]
        (tmp_path / "metadata.jsonl").write_text("\n".join(rows), encoding="utf-8")
        output = tmp_path / "out.jsonl"
        assert gaia_agent.main(["--tasks", str(tmp_path), "--output", str(output)]) == 0
        results = {result["task_id"]: result for result in lines(output)}
        assert results["a"]["status"] in {"finished", "parse_error", "loop", "step_limit"}
        assert results["b"]["status"] == "data_error"
        assert "gone.pdf" in results["b"]["detail"]
        assert "metadata.jsonl:2" in "".join(capsys.readouterr().err.split())

    def test_an_endpoint_that_is_down_is_said(self, gaia_agent, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(policy.Retries, "wait", lambda *_: 0.0)
        output = tmp_path / "out.jsonl"
        arguments = ["--limit", "1", "--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--output", str(output)]
        assert gaia_agent.main(arguments) == 0
        result = lines(output)[0]
        assert result["status"] == "model_error"
        assert "m at http://127.0.0.1:9/v1" in result["detail"]
        assert "is the endpoint up?" in " ".join(capsys.readouterr().err.split())

    def test_a_set_that_is_not_there(self, gaia_agent, tmp_path, capsys):
        assert gaia_agent.main(["--tasks", str(tmp_path / "no"), "--output", str(tmp_path / "o.jsonl")]) == 2
        assert "expected a folder with metadata.jsonl" in " ".join(capsys.readouterr().err.split())
