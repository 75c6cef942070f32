"""`tracer1 eval --model`: resumable, failures stay with their sample, grids say what they are."""

from __future__ import annotations

import asyncio
import json

import pytest
from eval_cases import references, step, trajectory

from tracer1_agents import cli
from tracer1_agents.actions.space import OpenApp, Wait
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.evals import command, runs
from tracer1_agents.evals.collect import Asking, Pace, PredictionsFile, collect, cost, grid, samples_of, setup_of
from tracer1_agents.planner.policy import ChatModelPolicy
from tracer1_agents.planner.retries import Retries
from tracer1_agents.testing import ScriptedModel, ScriptedServer, chat_completion
from tracer1_agents.types import Observation, Usage

ASKING = Asking(model="scripted", profile="compact", horizon=2, history=1, concurrency=1)
WAIT, OPEN = "wait()", 'open_app(app_name="Maps")'


@pytest.fixture
def found():
    one = trajectory("a", step(OpenApp(app_name="Maps"), instruction="open the maps"), step(Wait(), instruction="wait"))
    return references("androidcontrol-high", one, trajectory("b", Wait()))


def policy(*script):
    model = ScriptedModel(script=list(script))
    return model, ChatModelPolicy(model, retries=Retries(attempts=1))


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_step_is_asked_and_scored(found, tmp_path):
    out = tmp_path / "run.jsonl"
    model, asked = policy(f"{OPEN}\n{WAIT}", WAIT, "no action at all")
    got = runs.run(found, asked, ASKING, out, price=(1.0, 10.0))
    assert [(one["episode_id"], one["step"], one["outcome"]) for one in lines_of(out)] == [
        ("a", 1, "ok"),
        ("a", 2, "ok"),
        ("b", 1, "syntax"),
    ]
    assert (got.score("step_success").value, got.score("step_success").n) == (pytest.approx(2 / 3), 3)
    assert got.missed == {"the reply has no readable action": 1}
    assert "do a" in str(model.prompts[1][-1].content)
    assert "open_app" in str(model.prompts[1][-1].content)  # the reference's past
    scores = json.loads(out.with_suffix(".scores.json").read_text())
    used = scores["usage"]
    assert scores["setup"]["horizon"] == 2
    assert scores["cost"] == pytest.approx((used["input_tokens"] + 10 * used["output_tokens"]) / 1e6)
    assert used["output_tokens"] > 0


def test_the_low_setting_tells_the_step_instruction(found, tmp_path):
    low = references("androidcontrol-low", *found.trajectories)
    model, asked = policy(WAIT)
    runs.run(low, asked, ASKING, tmp_path / "run.jsonl")
    assert "Now: open the maps" in str(model.prompts[0][-1].content)
    assert "Now:" not in str(model.prompts[2][-1].content)  # that step has none


def test_a_failed_sample_stays_alone_and_is_asked_again(found, tmp_path):
    out = tmp_path / "run.jsonl"
    _, broken = policy(WAIT, ValueError("boom"), WAIT)
    first = runs.run(found, broken, ASKING, out)
    assert [bool(one.get("error")) for one in lines_of(out)] == [False, True, False]
    assert {problem.kind for problem in first.problems} == {"failed_sample", "missing"}
    assert first.score("step_success").n == 2
    model, asked = policy(WAIT)
    second = runs.run(found, asked, ASKING, out)
    assert len(model.prompts) == 1  # the one that failed
    assert second.problems == []
    assert second.score("step_success").n == 3


def test_a_cut_off_line_is_asked_again(found, tmp_path):
    out = tmp_path / "run.jsonl"
    _, asked = policy(WAIT)
    runs.run(found, asked, ASKING, out)
    out.write_text(out.read_text()[:-40])
    model, asked = policy(WAIT)
    assert runs.run(found, asked, ASKING, out).problems == []
    assert len(model.prompts) == 1


def test_another_setup_does_not_mix_in(found, tmp_path):
    out = tmp_path / "run.jsonl"
    _, asked = policy(WAIT)
    runs.run(found, asked, ASKING, out)
    with pytest.raises(ConfigurationError, match="horizon was 2 and is 5"):
        runs.run(found, asked, Asking(model="scripted", profile="compact", horizon=5, history=1), out)


def test_samples_side_by_side(found, tmp_path):
    """Answers that come out of order land on their own lines' steps."""
    model = ScriptedModel(script=[WAIT], delay=0.01)
    out = PredictionsFile(tmp_path / "run.jsonl")
    many = Asking(model="scripted", profile="compact", concurrency=3)
    asyncio.run(collect(found, ChatModelPolicy(model), many, out))
    assert {(one["episode_id"], one["step"]) for one in lines_of(out.path)} == {("a", 1), ("a", 2), ("b", 1)}


def test_the_pace_spaces_samples():
    async def begin():
        pace, clock = Pace(6000), asyncio.get_running_loop()
        started = clock.time()
        for _ in range(4):
            await pace.wait()
        return clock.time() - started

    assert asyncio.run(begin()) >= 0.029  # three gaps of 10 ms
    with pytest.raises(ConfigurationError, match="above 0"):
        Pace(0)


def test_cost():
    assert cost(Usage(input_tokens=2_000_000, output_tokens=500_000), (1.5, 6.0)) == 6.0


def test_grids():
    cells = grid(ASKING, ["horizon=1,5", "history=0,2"])
    assert list(cells) == ["horizon=1,history=0", "horizon=1,history=2", "horizon=5,history=0", "horizon=5,history=2"]
    assert [(one.horizon, one.history) for one in cells.values()] == [(1, 0), (1, 2), (5, 0), (5, 2)]
    for wrong in ("horizon=0", "temperature=1", "horizon=", "horizon"):
        with pytest.raises(ConfigurationError, match="--ablate takes"):
            grid(ASKING, [wrong])


def test_suites_with_a_course_of_their_own_are_refused():
    with pytest.raises(ConfigurationError, match=r"gaia_agent\.py"):
        samples_of(references("gta", trajectory("a", Wait())))


def test_a_limit_takes_whole_episodes(found):
    assert [one.id for one in found.spread(1).trajectories] == ["a"]
    assert found.spread(9) is found
    with pytest.raises(ConfigurationError, match="from 1"):
        found.spread(0)


class TestCommand:
    @pytest.fixture
    def data(self, tmp_path):
        steps = [{"action_content": {"action": "wait"}}, {"action_content": {"action": "open", "text": "Maps"}}]
        record = {"goal": "g", "is_successful": True, "episode_id": 7, "steps": steps}
        path = tmp_path / "references.jsonl"
        path.write_text(json.dumps(record) + "\n")
        return str(path)

    @pytest.fixture
    def server(self):
        server = ScriptedServer([chat_completion(f"{OPEN}\n{WAIT}")])
        yield server
        server.close()

    def run(self, data, server, *more):
        known = ("--model", "scripted", "--base-url", server.url, "--profile", "compact", "--data", data)
        return cli.main(["eval", "androidcontrol-high", *known, *map(str, more)])

    def test_over_an_endpoint(self, data, server, tmp_path, capsys):
        out = tmp_path / "run.jsonl"
        assert self.run(data, server, "--out", out, "--json", "--strict") == 0
        assert json.loads(capsys.readouterr().out)["metrics"]["step_success"]["value"] == 0.5
        assert len(server.asked) == 2
        assert self.run(data, server, "--out", out, "--json") == 0
        assert len(server.asked) == 2  # resumed

    def test_how_far_a_long_run_is(self, data, server, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(command, "_TOLD_EVERY", 0.0)
        assert self.run(data, server, "--out", tmp_path / "run.jsonl", "--concurrency", 1) == 0
        (told,) = capsys.readouterr().err.splitlines()  # nothing once all are answered
        assert told.startswith("tracer1: 1 steps asked, 1 left, about 0:00:0")

    def test_an_interrupt_says_where_the_answers_are(self, data, server, tmp_path, capsys, monkeypatch):
        out, append = tmp_path / "run.jsonl", PredictionsFile.append

        def one_and_ctrl_c(file, prediction):
            append(file, prediction)
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(PredictionsFile, "append", one_and_ctrl_c)
            assert self.run(data, server, "--out", out, "--concurrency", "1") == 130
        assert f"interrupted; what was answered is in {out}, and the same command" in capsys.readouterr().err
        assert self.run(data, server, "--out", out) == 0
        assert len(server.asked) == 2  # one before, one after

    def test_a_grid_says_that_it_is_a_control(self, data, server, tmp_path, capsys):
        assert (
            self.run(data, server, "--out", tmp_path / "grid", "--ablate", "horizon=1,2", "--ablate", "history=0") == 0
        )
        printed = capsys.readouterr().out
        assert "horizon=2,history=0" in printed
        assert "this grid is a control" in printed
        assert "100.0% first actions as horizon=1,history=0" in printed
        assert sorted(path.name for path in (tmp_path / "grid").glob("*.scores.json")) == [
            "horizon=1,history=0.scores.json",
            "horizon=2,history=0.scores.json",
        ]

    def test_messages(self, data, server, tmp_path, capsys):
        assert self.run(data, server) == 2
        assert "--out F.jsonl" in capsys.readouterr().err
        assert self.run(data, server, "--out", tmp_path / "r.jsonl", "--rate", "0") == 2
        assert "--rate counts" in capsys.readouterr().err
        assert self.run(data, server, "--out", tmp_path / "r.jsonl", "--predictions", "x") == 2
        assert "one of --predictions" in capsys.readouterr().err


def test_a_run_on_other_references_is_not_gone_on_with(found, tmp_path):
    """Pictures among them: half of a file would be blind and half of it sighted."""
    out = tmp_path / "run.jsonl"
    runs.run(found, policy(WAIT)[1], ASKING, out)
    blind = [
        one.model_copy(
            update={"steps": tuple(step.model_copy(update={"observation": Observation()}) for step in one.steps)}
        )
        for one in found.trajectories
    ]
    with pytest.raises(ConfigurationError, match="references was"):
        runs.run(references("androidcontrol-high", *blind), policy(WAIT)[1], ASKING, out)
    runs.run(found, policy(WAIT)[1], ASKING, out)


def test_a_run_that_is_gone_on_with_has_no_scores_until_it_is_scored(found, tmp_path):
    out = tmp_path / "run.jsonl"
    runs.run(found, policy(WAIT)[1], ASKING, out)
    PredictionsFile(out).resume(setup_of(found, ASKING))
    assert not out.with_suffix(".scores.json").exists()


def test_the_file_of_a_run_has_a_name_of_its_own(tmp_path):
    with pytest.raises(ConfigurationError, match=r"ends in \.jsonl, got .*m-1\.5"):
        PredictionsFile(tmp_path / "m-1.5").resume({})


@pytest.mark.parametrize(
    ("option", "value", "told"), [("--horizon", "0", "counts from 1"), ("--history", "-1", "from 0")]
)
def test_how_it_is_asked_is_checked_before_it_is_asked(tmp_path, capsys, option, value, told):
    data = tmp_path / "references.jsonl"
    record = {"goal": "g", "is_successful": True, "episode_id": 7, "steps": [{"action_content": {"action": "wait"}}]}
    data.write_text(json.dumps(record) + "\n")
    arguments = ["eval", "androidcontrol-high", "--data", str(data), "--model", "tracer1-tiny", "--out", "x.jsonl"]
    assert cli.main([*arguments, option, value]) == 2
    assert told in capsys.readouterr().err
