"""`gold_score`: the reference against itself, by reward and by rule, and what is said where it falls short."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tracer1_agents.actions.space import Click, Finish, Point, Type, Wait
from tracer1_agents.cli import main
from tracer1_agents.data.store import write_trajectories
from tracer1_agents.errors import DataError
from tracer1_agents.evals import validation
from tracer1_agents.metrics.step_rules import Reason, StepOutcome, StepVerdict
from tracer1_agents.types import NO_TARGET, SYNTHETIC, ImageRef, Observation, ReferenceStep, ReferenceTrajectory

SCREEN = Observation(image=ImageRef(ref="1.png", width=100, height=200))
END = ReferenceStep(action=Finish(), flags=frozenset({SYNTHETIC}))
CLICK = ReferenceStep(action=Click(point=Point(0.5, 0.5)), observation=SCREEN, instruction="press ok")
BARE = ReferenceStep(action=Click(point=Point(0.5, 0.5)))  # no screen, no box
LOST = ReferenceStep(action=Click(), flags=frozenset({NO_TARGET}))
WAIT = ReferenceStep(action=Wait())


def trajectory(*steps, name="t-1"):
    return ReferenceTrajectory(id=name, source="test", instruction="do it", steps=steps)


@pytest.fixture
def run(tmp_path, capsys):
    """Runs `tracer1 data validate store` over trajectories; returns exit code, standard output and error."""

    def validate(*trajectories, options=()):
        path = tmp_path / "source.jsonl"
        write_trajectories(path, trajectories)
        code = main(["data", "validate", "store", str(path), *options])
        return code, *capsys.readouterr()

    return validate


def test_all_right(run):
    code, out, err = run(trajectory(CLICK, WAIT, END), options=["--strict"])
    assert (code, err) == (0, "")
    assert "windows       2\n" in out
    assert "unscorable    synthetic 1\n" in out
    assert out.endswith("gold_score    1.0 (2 windows at T = 10, 2 steps by the rule strict)\n")


def test_steps_that_cannot_be_scored_are_counted_by_the_reason_of_the_rule(run):
    _, out, _ = run(trajectory(BARE, LOST, WAIT, END), options=["--json"])
    found = json.loads(out)
    assert found["unscorable"] == {"no_screen_size": 1, "no_target": 1, "synthetic": 1}
    assert (found["windows"], found["steps"], found["gold_score"]) == (3, 3, 1.0)


@pytest.mark.parametrize("trajectories", [[], [trajectory(BARE, LOST)]], ids=["nothing there", "nothing scorable"])
def test_nothing_scorable_is_no_score_and_not_strictly_fine(run, trajectories):
    code, out, err = run(*trajectories, options=["--json", "--strict"])
    assert json.loads(out)["gold_score"] is None
    assert code == 1
    assert "nothing in it can be scored, so nothing was checked" in err
    assert "gold_score    none: nothing can be scored" in run(*trajectories)[1]


@pytest.fixture
def rule_missing_waits(monkeypatch):
    """The rule with a fault: it never accepts a wait."""
    original = validation.strict

    def faulty(action, step):
        return StepVerdict(StepOutcome.MISS, Reason.KIND) if isinstance(action, Wait) else original(action, step)

    monkeypatch.setattr(validation, "strict", faulty)


@pytest.mark.usefixtures("rule_missing_waits")
def test_a_rule_that_misses_the_reference_is_told_apart_and_named_by_step(run):
    good, bad = trajectory(CLICK, CLICK, name="good"), trajectory(CLICK, WAIT, END, name="bad")
    code, out, err = run(good, bad)
    assert (code, err) == (0, "")
    assert "gold_score    0.7500 (trajectory reward 1.0, strict 0.7500; 4 windows" in out
    assert "below 1.0     1\n  trajectory bad, step 2: strict gives 0 (another kind of action)" in out
    code, _, err = run(good, bad, options=["--strict"])
    assert code == 1
    assert "source.jsonl: the reference does not score 1.0: trajectory bad, step 2: strict gives 0" in err
    found = json.loads(run(good, bad, options=["--json"])[1])
    assert found["gold_parts"] == {"trajectory_reward": 1.0, "strict": 0.75}
    assert found["gold_shortfalls"] == [
        {"trajectory": "bad", "step": 2, "judge": "strict", "got": 0.0, "why": "another kind of action"}
    ]


@pytest.mark.usefixtures("rule_missing_waits")
def test_many_shortfalls_are_cut(run):
    code, out, err = run(trajectory(*[WAIT] * 25), options=["--strict"])
    assert code == 1
    assert "and 5 more; --json lists all" in out
    assert err.count("the reference does not score 1.0") == 5
    assert "and 20 more places; --json lists all" in err


def test_a_reward_that_does_not_give_the_reference_everything_is_seen(run, monkeypatch):
    original = validation.gold_forecast

    def short(window):  # stands for a reward that loses a step: a window of two steps earns 1 of 1 + 0.9
        forecast = original(window)
        return forecast.model_copy(update={"pairs": forecast.pairs[:1]})

    monkeypatch.setattr(validation, "gold_forecast", short)
    _, out, _ = run(trajectory(CLICK, WAIT), options=["--horizon", "2", "--json"])
    found = json.loads(out)
    assert found["gold_score"] == pytest.approx((1 / 1.9 + 1) / 2)
    assert [(one["step"], one["judge"]) for one in found["gold_shortfalls"]] == [(1, "trajectory_reward")]
    assert json.loads(run(trajectory(CLICK, WAIT), options=["--horizon", "1", "--json"])[1])["gold_score"] == 1.0


def test_a_score_just_below_one_is_not_printed_as_one(run, monkeypatch):
    monkeypatch.setattr(validation.GoldScore, "rule", 0.99999)
    assert "gold_score    0.9999 (trajectory reward 1.0, strict 0.9999;" in run(trajectory(CLICK))[1]


def test_a_horizon_below_one_is_refused(run):
    code, _, err = run(trajectory(CLICK), options=["--horizon", "0"])
    assert code == 2
    assert "horizon must be 1 or more" in err


def test_problems_do_not_hide_the_score():
    class Reader:
        name = "fake"

        def read(self, path):
            yield DataError("broken", path=path, line=1)
            yield trajectory(CLICK)
            yield trajectory(
                ReferenceStep(action=Type(content="Result(step=1)")), name="t-2"
            )  # text, not a placeholder

    found = validation.validate(Reader(), Path("x"), 10)
    assert found.gold.score == 1.0
    assert validation.failures(found) == ["1 problem in reading"]


@pytest.mark.parametrize(
    ("source", "path", "windows", "unscorable"),
    [
        ("androidcontrol", "androidcontrol/test_trajectories.jsonl", 5933, {"synthetic": 1085}),
        ("androidcontrol", "androidcontrol/train_example.jsonl", 206, {}),
        ("mind2web", "mind2web", 1338, {"synthetic": 176, "no_target": 81, "no_reference_point": 1}),
        ("agentnet", "agentnet", 28, {}),
        ("mm_traj", "mm_traj", 207, {}),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" in value else None,
)
def test_published_references_score_one(source, path, windows, unscorable, capsys):
    folder = os.environ.get("TRACER1_DATA")
    if not folder or not Path(folder, path).exists():
        pytest.skip("needs published sample data: set TRACER1_DATA to its folder")
    assert main(["data", "validate", source, str(Path(folder, path)), "--strict", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["gold_score"], found["windows"], found["unscorable"]) == (1.0, windows, unscorable)


@pytest.mark.parametrize("name", ["validate", "stats"])
def test_a_source_of_nothing_but_problems_is_a_failure(tmp_path, capsys, name):
    source = tmp_path / "source.jsonl"
    source.write_bytes(b"\xff\xfe\n{}\n")
    assert main(["data", name, "store", str(source)]) == 1
    told = f"{source}: nothing in it could be read as store; the first problem: {source}:1: not UTF-8"
    assert told in capsys.readouterr().err


def test_a_source_of_nothing_but_problems_replaces_no_export(tmp_path, capsys):
    source, out = tmp_path / "source.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b"\xff\xfe\n{}\n")
    out.write_text("finished work", encoding="utf-8")
    assert main(["data", "export", "store", str(source), "--out", str(out)]) == 2
    assert f"{source}: nothing in it could be read as store, so nothing is written" in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == "finished work"
