"""MiniWoB++ scores against hand-computed ones, and what the command refuses before a browser starts."""

from __future__ import annotations

import json

import pytest

from tracer1_agents.cli import main
from tracer1_agents.data.miniwob.named import COMPOSITIONS, TASKS
from tracer1_agents.environments.miniwob import OVER
from tracer1_agents.evals.collect import Asking
from tracer1_agents.evals.miniwob import Course, tasks_named
from tracer1_agents.evals.miniwob_baselines import BASELINES
from tracer1_agents.evals.miniwob_scores import as_json, as_text, scores_by_task
from tracer1_agents.evals.results import TaskResult
from tracer1_agents.evals.run_summary import read_run
from tracer1_agents.planner.prompt import Message


def result(task, seed, raw, status="finished"):
    return TaskResult(
        task_id=f"{task}/{seed}",
        family=task,
        status=status,
        correct=None if raw is None else raw > 0,
        raw_reward=raw,
        discounted_reward=raw and raw * 0.5,
    )


RESULTS = [
    result("click-test", 0, 1.0),
    result("click-test", 1, 0.5),
    result("enter-text", 0, -1.0),
    result("enter-text", 1, None, "infrastructure_error"),
]


def test_scores_by_hand():
    first, second = scores_by_task(RESULTS)
    assert (first.solved, first.episodes, first.rate, first.raw, first.discounted) == (2, 2, 1.0, 0.75, 0.375)
    assert (second.solved, second.episodes, second.raw, second.group) == (0, 2, -0.5, "typing")
    # Wilson, 2 of 2: 1 / (1 + 1.96^2 / 2) = 0.342
    assert first.interval == (pytest.approx(0.342, abs=1e-3), 1.0)
    found = as_json(RESULTS, {"model": "m"})
    assert found["metrics"]["success"]["value"] == 0.5
    assert found["metrics"]["raw_reward"]["value"] == pytest.approx((1.0 + 0.5 - 1.0) / 4)
    assert found["ends"] == {"finished": 3, "infrastructure_error": 1}
    assert "enter-text" in as_text(RESULTS)
    success = as_json(RESULTS[2:], {})["metrics"]["success"]
    # Wilson, 0 of 2: 1 - 0.342; a bootstrap would say 0 to 0
    assert (success["low"], success["high"]) == (0.0, pytest.approx(0.658, abs=1e-3))


def test_names_of_groups():
    assert tasks_named([]) == tuple(TASKS)
    assert tasks_named(["compositions", "click-test", "click-test"]) == (*COMPOSITIONS, "click-test")


@pytest.mark.parametrize(("arguments", "message"), [
    (["--model", "m"], "--out"),
    (["--out", "x.jsonl"], "copying"),
    (["--model", "copying"], "--out F.jsonl"),
    (["--model", "copying", "--out", "x.jsonl", "--tasks", "no-such-task"], "no oracle"),
    (["--model", "copying", "--out", "x.jsonl", "--seeds", "0"], "--seeds"),
    (["--model", "copying", "--out", "x.jsonl", "--concurrency", "0"], "--concurrency"),
    (["--model", "copying", "--out", "x.jsonl", "--commitment", "0"], "--commitment"),
    (["--model", "copying", "--out", "x.jsonl", "--best-of", "-1"], "--best-of"),
])  # fmt: skip
def test_what_cannot_be_run_is_refused(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["eval", "miniwob", *arguments]) != 0
    assert message in capsys.readouterr().err


def test_demonstrated_seeds_cannot_be_measured():
    course = Course(("click-test",), 1000, Asking("m", "compact"))
    assert course.setup()["horizon"] == 10
    assert "commitment" not in course.setup()
    assert Course(("click-test",), 1, Asking("m", "compact"), commitment=3).setup()["commitment"] == 3
    with pytest.raises(Exception, match="demonstrations"):
        Course(("click-test",), 1001, Asking("m", "compact"))


SCREEN = 'Task: Enter "Ann" and press Submit.\n{past}Now: text Name [1]\ntextbox tt [2]{more}\nbutton Submit [3]'


def said(policy, text):
    return policy.sample([Message("user", [{"type": "text", "text": text}])], horizon=1).text


def test_copying_fills_what_is_quoted_and_sends():
    copying = BASELINES["copying"]()
    assert said(copying, SCREEN.format(past="", more="")) == 'click() # "Click textbox tt [2]"'
    focused = SCREEN.format(past="1. click()\n", more=" focused")
    assert said(copying, focused) == 'type(content="Ann") # "Type"'
    filled = SCREEN.format(past="2. type()\n", more=" = Ann focused")
    assert said(copying, filled) == 'click() # "Click button Submit [3]"'
    assert said(copying, f"Task: x\nNow: {OVER}").startswith("finish()")


def test_clicks_by_lot_are_the_same_for_the_same_screen():
    lot = BASELINES["random-clicks"]()
    prompts = [SCREEN.format(past="", more="").replace("Ann", f"Ann{number}") for number in range(20)]
    answers = {said(lot, prompt) for prompt in prompts}
    assert answers == {f'click() # "Click {one}"' for one in ("text Name [1]", "textbox tt [2]", "button Submit [3]")}
    assert [said(lot, prompt) for prompt in prompts] == [said(lot, prompt) for prompt in prompts]


def test_the_mean_is_over_tasks_however_many_episodes_each_has():
    many = [result("click-test", seed, 1.0) for seed in range(18)]
    few = [result("enter-text", seed, raw) for seed, raw in enumerate((1.0, -1.0))]
    found = as_json([*many, *few], {})["metrics"]
    assert found["success"]["value"] == 0.75
    assert found["raw_reward"]["value"] == 0.5


def test_pages_with_several_tasks_have_a_mean_of_their_own():
    page = next(iter(COMPOSITIONS))
    found = as_json([*RESULTS, result(page, 0, -1.0)], {})["metrics"]
    assert found["success"]["value"] == 0.5
    assert found["success, several tasks"]["value"] == 0.0


def test_one_task_has_the_interval_of_its_episodes():
    found = as_json([result("click-test", seed, 1.0 if seed % 2 else -1.0) for seed in range(20)], {})["metrics"]
    # Wilson, 10 of 20
    assert (found["success"]["low"], found["success"]["high"]) == (
        pytest.approx(0.299, abs=1e-3),
        pytest.approx(0.701, abs=1e-3),
    )
    assert found["raw_reward"]["low"] < 0.0 < found["raw_reward"]["high"]


def test_a_lost_episode_leaves_the_scores_readable(tmp_path):
    path = tmp_path / "run.scores.json"
    path.write_text(json.dumps(as_json(RESULTS[:3], {"model": "m"}, RESULTS[3:])))
    assert read_run(path).problems == {"failed outside the planner": 1}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            ["miniwob", "--model", "copying", "--limit", "3"],
            "--limit is for suites with references; --tasks",
        ),
        (["miniwob", "--model", "copying", "--ablate", "horizon=1"], "--ablate is for suites with references"),
        (["mind2web", "--model", "m", "--best-of", "3"], "--best-of is for miniwob, not for mind2web"),
        (["nosuch", "--model", "m"], "or miniwob with `tracer1 eval`"),
    ],
)
def test_options_of_other_suites_are_refused(asked, said, tmp_path, capsys):
    assert main(["eval", *asked, "--out", str(tmp_path / "a.jsonl")]) == 2
    assert said in capsys.readouterr().err
