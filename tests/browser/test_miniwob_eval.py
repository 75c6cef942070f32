"""`tracer1 eval miniwob`: a scripted model through the graph in a real Chromium, gone on with, shown and reported."""

from __future__ import annotations

import json

import pytest

from tracer1_agents.cli import main
from tracer1_agents.environments.miniwob import OVER
from tracer1_agents.evals import miniwob, runs
from tracer1_agents.evals.results import read_results
from tracer1_agents.planner.policy import PolicyReply


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
    monkeypatch.setattr(runs, "policy_of", lambda *_: Scripted())


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
    monkeypatch.setattr(runs, "policy_of", lambda *_: Foreseeing())
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


def test_a_model_that_breaks_costs_its_episodes_and_is_asked_again(tmp_path, scripted):
    code, out = evaluate(tmp_path, "--tasks", "focus-text", "click-test", "--seeds", "1")
    assert code == 0
    by_task = {one.family: one for one in read_results(out)[0]}
    assert by_task["click-test"].correct
    assert by_task["focus-text"].status in {"model_error", "infrastructure_error"}
    asked = Scripted.asked
    evaluate(tmp_path, "--tasks", "focus-text", "click-test", "--seeds", "1")
    assert Scripted.asked > asked
