"""The browser example end to end: a scripted endpoint that answers as UI-TARS, real pages, clicks that hit."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tracer1_agents.evals.results import read_results
from tracer1_agents.planner import policy

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "examples")]
pytest.importorskip("rich", reason="rich is not installed")
pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")

import browser_agent  # noqa: E402
from browser_rehearsal import GROUNDER, PLANNER, UiTars, resized  # noqa: E402
from shop_site import ShopSite, order_for  # noqa: E402

PATIENCE = 120.0  # seconds: a shared machine may be slow


@pytest.fixture
def ui_tars(request):
    server = UiTars(**getattr(request, "param", {}))
    yield server
    server.close()


def start(server, output, *more):
    return ["--base-url", server.url, "--model", PLANNER, "--profile", "ui-tars-1.5", "--output", str(output), *more]


def run(server, folder, *more):
    """The exit code and what was written."""
    code = browser_agent.main(start(server, folder / "run.jsonl", *more))
    results, problems = read_results(folder / "run.jsonl")
    assert problems == []
    return code, results


def shown_in_order(results, folder):
    """Every screenshot of a run is in its store."""
    trace = results[0].trace
    seen = [trace.observation, *(step.execution for step in trace.steps[:-1])]
    return [(folder / "run.blobs" / one.image.ref).is_file() for one in seen if one.image]


def test_the_frame_is_ui_tars_own():
    """By hand: 960 = 34.3 x 28 and 640 = 22.9 x 28; 320 x 420 is large enough, 160 x 210 has to grow 1.53 times."""
    assert resized(960, 640) == (952, 644)
    assert resized(320, 420) == (308, 420)
    assert resized(160, 210) == (252, 336)


def test_a_miniwob_task_is_planned_and_solved(ui_tars, tmp_path, capsys):
    code, (result,) = run(ui_tars, tmp_path, "--task", "click-checkboxes", "--seed", "3")
    assert (code, result.status, result.correct) == (0, "finished", True)
    ran = [step.executed.kind for step in result.trace.steps]
    assert ran[-2:] == ["click", "finish"]
    said = capsys.readouterr().out
    assert "reward 1" in said
    assert f"tracer1 show {tmp_path / 'run.jsonl'} --blobs {tmp_path / 'run.blobs'} --html" in said
    assert all(shown_in_order([result], tmp_path))


def test_the_shop_is_walked_through_with_misses_and_new_plans(ui_tars, tmp_path, capsys):
    code, (result,) = run(ui_tars, tmp_path, "--site", "--seed", "3")
    steps = result.trace.steps
    assert (code, result.status, result.correct, result.state) == (0, "finished", True, True)
    assert all(step.execution.ok for step in steps)
    assert [step.step for step in steps if "replan" in step.events]  # the list had no button, the form wanted more
    assert "Please accept the terms." in next(
        step.execution.text for step in steps if "Place order" in step.instruction
    )
    said = capsys.readouterr().out
    assert "step 1  forecast" in said
    assert "replan" in said
    assert len(shown_in_order([result], tmp_path)) == len(steps)
    assert all(shown_in_order([result], tmp_path))


def test_at_any_other_page_nobody_knows_the_reward(ui_tars, tmp_path, capsys):
    wanted = order_for(1)
    with ShopSite() as shop:
        code, (result,) = run(ui_tars, tmp_path, "--url", shop.url, "--goal", wanted.words)
        assert shop.solved(wanted)
    assert (code, result.status, result.correct) == (0, "finished", None)
    assert "reward not known" in capsys.readouterr().out


@pytest.mark.parametrize("ui_tars", [{"rough": True}], indirect=True)
def test_a_grounding_model_of_its_own_says_where(ui_tars, tmp_path):
    """The planner's points lie beside their targets, so that nothing would be hit without the other model."""
    more = ("--grounder-model", GROUNDER, "--grounder-profile", "ui-tars-1.5", "--site")
    code, (result,) = run(ui_tars, tmp_path, *more)
    assert (code, result.correct) == (0, True)
    asked = [body["model"] for body, _ in ui_tars.asked]
    clicks = [step for step in result.trace.steps if step.executed.kind in {"click", "select"}]
    assert (asked.count(PLANNER), asked.count(GROUNDER)) == (len(result.trace.steps), len(clicks))
    for step in clicks:
        assert tuple(step.execution.value["point"]) != tuple(step.executed.point)  # placed anew


@pytest.mark.parametrize("ui_tars", [{"lasts": 3}], indirect=True)
def test_an_endpoint_that_dies_keeps_what_was_done(ui_tars, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(policy.Retries, "wait", lambda *_: 0.0)
    code, (result,) = run(ui_tars, tmp_path, "--site")
    assert (code, result.status, result.correct) == (1, "model_error", False)
    assert [step.step for step in result.trace.steps] == [1, 2, 3]
    said = " ".join(capsys.readouterr().out.split())
    assert "is the endpoint up?" in said


def test_ctrl_c_leaves_no_browser_and_writes_what_there_is(tmp_path):
    """As from a terminal: the signal reaches every process of the group at once."""
    output = tmp_path / "run.jsonl"
    command = [sys.executable, str(ROOT / "scripts" / "browser_rehearsal.py"), "--site", "--output", str(output)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(  # noqa: S603  (our own script)
        command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as running:
        for line in running.stdout:
            if line.startswith("step 3"):
                break
        browsers = [pid for pid in descendants(running.pid) if "chromium" in command_of(pid)]
        assert browsers, "it ended too early"
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(PATIENCE) == 130
        running.stdout.close()
    until = time.monotonic() + PATIENCE
    while left := [pid for pid in browsers if command_of(pid)]:
        assert time.monotonic() < until, left
        time.sleep(0.1)
    (result,) = read_results(output)[0]
    assert result.status == "cancelled"
    assert len(result.trace.steps) >= 2


def descendants(ancestor):
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {ancestor}


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


class TestWhatIsSaidWhenItCannotBegin:
    def test_an_endpoint_without_a_model(self, ui_tars, tmp_path, capsys):
        assert browser_agent.main(["--base-url", ui_tars.url, "--output", str(tmp_path / "run.jsonl")]) == 2
        assert "say with --model" in capsys.readouterr().out

    def test_an_endpoint_that_is_down(self, tmp_path, capsys):
        given = ["--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--output", str(tmp_path / "run.jsonl")]
        assert browser_agent.main(given) == 2
        assert "is it up" in capsys.readouterr().out
        assert list(tmp_path.iterdir()) == []

    def test_a_model_that_is_not_served(self, ui_tars, tmp_path, capsys):
        given = ["--base-url", ui_tars.url, "--model", "UI-TARS-7B", "--output", str(tmp_path / "run.jsonl")]
        assert browser_agent.main(given) == 2
        assert f"does not serve 'UI-TARS-7B'; it serves {PLANNER}" in capsys.readouterr().out

    def test_no_chromium(self, ui_tars, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr("tracer1_agents.environments.chromium.find_chromium", lambda: None)
        assert browser_agent.main(start(ui_tars, tmp_path / "run.jsonl", "--site")) == 2
        assert "make browser-setup" in capsys.readouterr().out

    def test_a_page_without_a_goal(self, ui_tars, tmp_path, capsys):
        assert browser_agent.main(start(ui_tars, tmp_path / "run.jsonl", "--url", "https://example.com/")) == 2
        assert "--goal" in capsys.readouterr().out
        assert list(tmp_path.iterdir()) == []

    def test_a_task_that_is_none(self, ui_tars, tmp_path, capsys):
        assert browser_agent.main(start(ui_tars, tmp_path / "run.jsonl", "--task", "click-test+no-such")) == 2
        assert "no MiniWoB++ task 'click-test+no-such'" in capsys.readouterr().out
        assert list(tmp_path.iterdir()) == []

    def test_a_planner_of_text_without_text(self, tmp_path, capsys):
        assert browser_agent.main(["--pixels-only", "--output", str(tmp_path / "run.jsonl")]) == 2
        assert "nothing to see" in capsys.readouterr().out
        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_is_there(self, ui_tars, tmp_path, capsys):
        (tmp_path / "run.jsonl").touch()
        assert browser_agent.main(start(ui_tars, tmp_path / "run.jsonl", "--site")) == 2
        assert "name a new file" in capsys.readouterr().out

    def test_a_profile_of_another_release_is_pointed_out(self, ui_tars, tmp_path, monkeypatch, capsys):
        """Its points would be read as thousandths and every click would go astray."""
        monkeypatch.setattr("tracer1_agents.environments.chromium.find_chromium", lambda: None)
        given = ["--base-url", ui_tars.url, "--model", PLANNER, "--profile", "ui-tars", "--site"]
        assert browser_agent.main([*given, "--output", str(tmp_path / "run.jsonl")]) == 2
        assert "sounds like profile ui-tars-1.5" in capsys.readouterr().out

    def test_how_it_was_made_is_written(self, ui_tars, tmp_path):
        browser_agent.main(start(ui_tars, tmp_path / "run.jsonl", "--site", "--max-steps", "1"))
        setup = json.loads((tmp_path / "run.meta.json").read_text())
        assert (setup["model"], setup["grounder"], setup["profile"]) == (PLANNER, PLANNER, "ui-tars-1.5")


@pytest.mark.torch
def test_the_planner_that_ships_solves_a_task(tmp_path):
    output = tmp_path / "run.jsonl"
    assert browser_agent.main(["--task", "click-checkboxes", "--output", str(output)]) == 0
    (result,) = read_results(output)[0]
    assert (result.status, result.correct, result.trace.steps[0].execution.ok) == ("finished", True, True)
    assert len(result.trace.steps[0].forecast) > 1
