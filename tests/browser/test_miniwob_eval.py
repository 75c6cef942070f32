"""`tracer1 eval miniwob`: a scripted model through the graph in a real Chromium, gone on with, shown and reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tracer1_agents.cli import main
from tracer1_agents.environments.miniwob import OVER
from tracer1_agents.evals import miniwob, miniwob_command
from tracer1_agents.evals.results import read_results
from tracer1_agents.planner.policy import PolicyReply
from tracer1_agents.testing import ScriptedServer, chat_completion


class Scripted:
    """Presses one button, in the words of the brief screen: "TWO" even where ONE is asked for."""

    asked = 0

    def sample(self, messages, **_):
        type(self).asked += 1
        prompt = messages[-1].text
        if OVER in prompt:
            return PolicyReply(text='finish() # "The task is done"')
        name = "Click Me!" if "Click Me!" in prompt else "TWO"
        if name not in prompt:
            raise RuntimeError(prompt)
        return PolicyReply(text=f'click() # "Click button {name}"')

    async def asample(self, messages, **_):
        return self.sample(messages)


@pytest.fixture
def scripted(monkeypatch):
    Scripted.asked = 0
    monkeypatch.setattr(miniwob_command, "policy_of", lambda *_, **__: Scripted())


def evaluate(tmp_path, *more):
    out = tmp_path / "run.jsonl"
    return main(["eval", "miniwob", "--model", "scripted", "--profile", "compact", "--out", str(out), *more]), out


def test_a_run_is_scored_gone_on_with_and_shown(tmp_path, scripted, capsys):
    tasks = ["--tasks", "click-test", "click-test-2", "--concurrency", "2"]
    code, out = evaluate(tmp_path, *tasks, "--seeds", "1")
    assert code == 0
    asked = Scripted.asked
    assert asked == 4  # an action and the end, twice
    code, out = evaluate(tmp_path, *tasks, "--seeds", "2", "--json")
    assert code == 0
    assert Scripted.asked == 2 * asked  # the first seed is not played again
    scores = json.loads(out.with_suffix(".scores.json").read_text())
    assert (scores["tasks"]["click-test"]["solved"], scores["tasks"]["click-test-2"]["solved"]) == (2, 0)
    assert scores["metrics"]["success"]["value"] == 0.5  # a task that always fails stays in the mean
    assert scores["metrics"]["raw_reward"]["value"] == 0.0
    results, problems = read_results(out)
    assert not problems
    assert [step.executed.kind for step in results[0].trace.steps] == ["click", "finish"]
    capsys.readouterr()
    assert main(["show", str(out), "--task", "click-test/0"]) == 0
    assert "Click button Click Me!" in capsys.readouterr().out
    assert main(["report", str(out)]) == 0
    assert "miniwob" in capsys.readouterr().out


class Foreseeing(Scripted):
    """Forecasts both clicks of "Click button ONE, then click button TWO"."""

    def sample(self, messages, **_):
        type(self).asked += 1
        prompt, clicks = messages[-1].text, ['click() # "Click button ONE"', 'click() # "Click button TWO"']
        if OVER in prompt:
            return PolicyReply(text='finish() # "The task is done"')
        clicked = prompt.count("Click button ONE") > 1  # not in the task alone
        return PolicyReply(text=clicks[1] if clicked else "\n".join(clicks))


@pytest.mark.parametrize(("options", "asked"), [([], 3), (["--commitment", "2"], 2), (["--best-of", "2"], 6)])
def test_foresight_at_run_time_is_asked_for_by_option(tmp_path, monkeypatch, options, asked):
    Foreseeing.asked = 0
    monkeypatch.setattr(miniwob_command, "policy_of", lambda *_, **__: Foreseeing())
    task = ["--tasks", "click-button-sequence", "--seeds", "1", "--profile", "compact-screen"]
    code, out = evaluate(tmp_path, *task, *options)
    assert code == 0
    assert read_results(out)[0][0].correct
    assert Foreseeing.asked == asked


def test_compositions_are_pages_of_their_own(tmp_path, scripted):
    pages = ["click-test+click-test", "click-test-2+click-test"]
    code, out = evaluate(tmp_path, "--tasks", *pages, "--seeds", "1", "--max-steps", "2")
    assert code == 0
    assert {one.family: one.correct for one in read_results(out)[0]} == dict.fromkeys(pages, False)
    assert set(miniwob.tasks_named(["compositions"])).isdisjoint(miniwob.tasks_named(["named"]))


def test_a_model_that_breaks_costs_its_episodes_and_is_asked_again(tmp_path, scripted, capsys):
    code, out = evaluate(tmp_path, "--tasks", "focus-text", "click-test", "--seeds", "1")
    assert code == 1
    scores = json.loads(out.with_suffix(".scores.json").read_text())
    assert scores["metrics"]["success"]["value"] == 1.0  # of what was played
    assert scores["problems"] == {"failed outside the planner": {"count": 1, "examples": ["focus-text/0"]}}
    assert "1 episodes failed outside the planner" in capsys.readouterr().err
    by_task = {one.family: one for one in read_results(out)[0]}
    assert by_task["click-test"].correct
    assert by_task["focus-text"].status in {"model_error", "infrastructure_error"}
    asked = Scripted.asked
    evaluate(tmp_path, "--tasks", "focus-text", "click-test", "--seeds", "1")
    assert Scripted.asked > asked


def test_the_whole_file_is_scored_whatever_was_asked_for_last(tmp_path, scripted, capsys):
    evaluate(tmp_path, "--tasks", "click-test-2", "--seeds", "1")
    assert "click-test-2/0  not solved (finished" in capsys.readouterr().err
    _, out = evaluate(tmp_path, "--tasks", "click-test", "--seeds", "1")
    assert json.loads(out.with_suffix(".scores.json").read_text())["episodes"] == 2


def test_a_planner_that_sees_is_shown_the_page(tmp_path):
    server = ScriptedServer([chat_completion("Action: click(point='<point>500 600</point>')")])
    out = tmp_path / "run.jsonl"
    asked = ["--model", "UI-TARS-7B", "--base-url", server.url, "--out", str(out), "--max-steps", "1"]
    assert main(["eval", "miniwob", "--tasks", "click-test", "--seeds", "1", *asked]) == 0
    server.close()
    (result,) = read_results(out)[0]
    assert (result.status, result.trace.steps[0].execution.ok) == ("step_limit", True)
    (body, _) = server.asked[-1]
    kinds = [part["type"] for message in body["messages"] if message["role"] == "user" for part in message["content"]]
    assert "image_url" in kinds


def test_an_endpoint_that_is_down_is_said_before_a_browser_starts(tmp_path, capsys):
    asked = ["--model", "UI-TARS-7B", "--base-url", "http://127.0.0.1:9/v1", "--out", str(tmp_path / "run.jsonl")]
    assert main(["eval", "miniwob", "--tasks", "click-test", *asked]) == 2
    assert "no OpenAI-compatible endpoint answers" in capsys.readouterr().err
    assert not (tmp_path / "run.jsonl").exists()


def test_what_was_interrupted_is_told(tmp_path, scripted, monkeypatch, capsys):
    async def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(miniwob, "run", interrupted)
    code, _ = evaluate(tmp_path, "--tasks", "click-test", "--seeds", "1")
    assert code == 130
    assert "the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize("background", [False, True])  # shells have background jobs ignore Ctrl-C
def test_a_run_that_is_told_to_end_leaves_nothing(tmp_path, background):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    ignore = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); " if background else ""
    program = f"{ignore}import sys; from tracer1_agents.cli import main; sys.exit(main())"
    asked = ["eval", "miniwob", "--model", "random-clicks", "--tasks", "named", "--out", str(tmp_path / "run.jsonl")]
    with subprocess.Popen(  # noqa: S603  (our own program)
        [sys.executable, "-c", program, *asked],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(scratch)},
    ) as running:
        assert "1 of" in next(iter(running.stderr))
        assert list(scratch.glob("tracer1-browser-*"))
        running.terminate()
        assert "the same command goes on" in running.communicate(timeout=60)[1]
        assert running.returncode == 143
    assert not list(scratch.glob("tracer1-*"))
