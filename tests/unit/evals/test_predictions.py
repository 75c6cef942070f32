"""Bad predictions are named and counted; they never become a score."""

from __future__ import annotations

import json

import pytest
from eval_cases import EPISODE, click, line, references, scored, trajectory, write

from tracer1_agents import cli
from tracer1_agents.actions.space import OpenApp, Scroll, Type, Wait
from tracer1_agents.errors import ConfigurationError, DataError
from tracer1_agents.evals.marks import Mark, scores_of
from tracer1_agents.evals.predictions import counted, read_predictions

FOUND = references("androidcontrol-high", EPISODE)
GOOD = [line("e", 1, click()), line("e", 2, Scroll(direction="down")), line("e", 3, Type(content="x"))]


def test_good_predictions_have_no_problems(tmp_path):
    found = scored(tmp_path / "f.jsonl", FOUND, *GOOD)
    assert found.problems == []
    assert [(score.metric, score.value, score.n) for score in found.scores] == [
        ("step_success", 1.0, 3),
        ("type", 1.0, 3),
        ("click_success", 1.0, 1),
    ]


BAD = [
    ("not json", {"malformed": 1, "missing": 1}),
    ('["a list"]', {"malformed": 1, "missing": 1}),
    ({"episode_id": "e", "step": 3}, {"malformed": 1, "missing": 1}),  # no forecast
    ({**GOOD[2], "step": 0}, {"malformed": 1, "missing": 1}),
    ({**GOOD[2], "step": 1.5}, {"malformed": 1, "missing": 1}),
    ({**GOOD[2], "forecast": [{"action": {"kind": "fly"}}]}, {"malformed": 1, "missing": 1}),
    (
        '{"episode_id": "e", "step": 3, "forecast": [{"action": {"kind": "click", "point": [NaN, 0.5]}}]}',
        {"bad_coordinates": 1, "missing": 1},
    ),
    (
        {**GOOD[2], "forecast": [{"action": {"kind": "click", "point": [1.5, 0.5]}}]},
        {"bad_coordinates": 1, "missing": 1},
    ),
    ({**GOOD[2], "suite": "mind2web"}, {"other_suite": 1, "missing": 1}),
    ({**GOOD[2], "episode_id": "nobody"}, {"unknown_episode": 1, "missing": 1}),
    ({**GOOD[2], "step": 9}, {"unknown_step": 1, "missing": 1}),
    ({**GOOD[2], "step": 4}, {"unknown_step": 1, "missing": 1}),  # the appended end is no step of the source
    ({**GOOD[2], "usage": {"input_tokens": 10**400}}, {"malformed": 1, "missing": 1}),
    ({**GOOD[2], "usage": {"output_tokens": -1}}, {"malformed": 1, "missing": 1}),
    ({**GOOD[2], "planner_calls": 10**400}, {"malformed": 1, "missing": 1}),
    ({**GOOD[1], "forecast": []}, {"duplicate": 1, "missing": 1}),
    ({"episode_id": "e", "step": 3, "forecast": [], "error": "HTTP 500"}, {"failed_sample": 1, "missing": 1}),
]


@pytest.mark.parametrize(("bad", "problems"), BAD)
def test_what_is_wrong_is_named_and_not_scored(tmp_path, bad, problems):
    found = scored(tmp_path / "f.jsonl", FOUND, *GOOD[:2], bad)
    assert counted(found.problems) == problems
    assert found.score("step_success").n == 2
    assert found.score("step_success").value == 1.0
    assert found.not_scored == {"no prediction": 1}
    assert all(problem.where for problem in found.problems)


def test_an_interval_says_how_little_one_episode_shows(tmp_path):
    """All right in one episode: Wilson's interval of 1 in 1 begins at 1 / (1 + 1.96^2)."""
    score = scored(tmp_path / "f.jsonl", FOUND, *GOOD).score("step_success")
    assert (score.low, score.high) == (pytest.approx(0.2065, abs=1e-4), 1.0)


def test_of_two_predictions_the_first_counts(tmp_path):
    found = scored(tmp_path / "f.jsonl", FOUND, *GOOD, line("e", 1, click(0.9, 0.9)))
    assert counted(found.problems) == {"duplicate": 1}
    assert found.score("step_success").value == 1.0
    assert "f.jsonl:4" in str(found.problems[0])


def test_an_empty_forecast_is_an_answer_and_wrong(tmp_path):
    found = scored(tmp_path / "f.jsonl", FOUND, line("e", 1), *GOOD[1:])
    assert found.problems == []
    assert found.score("step_success").value == pytest.approx(2 / 3)
    assert found.missed == {"the reply has no readable action": 1}


def test_unreadable_references_are_counted(tmp_path):
    found = references("androidcontrol-high", DataError("cut off", path="x.jsonl", line=7), EPISODE)
    assert counted(scored(tmp_path / "f.jsonl", found, *GOOD).problems) == {"unreadable_reference": 1}
    with pytest.raises(ConfigurationError, match=r"no reference .* x.jsonl:7"):
        references("androidcontrol-high", DataError("cut off", path="x.jsonl", line=7))


def test_a_metric_whose_fields_are_not_there_has_no_value(tmp_path):
    """Mind2Web asks where; a file in which no prediction says so is not scored on it."""
    found = references("mind2web", trajectory("e", click(), click()))
    blind = scored(
        tmp_path / "f.jsonl",
        found,
        *[{"episode_id": "e", "step": number, "forecast": [{"action": {"kind": "click"}}]} for number in (1, 2)],
    )
    assert blind.score("element_accuracy") is None
    assert blind.score("step_success") is None
    assert blind.score("operation_f1").value == 1.0
    assert blind.not_scored == {"the predictions do not say where": 2}


def test_forms(tmp_path):
    path = write(tmp_path / "f.jsonl", *GOOD)
    with pytest.raises(ConfigurationError, match="uground for mind2web"):
        read_predictions(path, "androidcontrol-high", "uground")
    with pytest.raises(DataError, match="not there"):
        read_predictions(tmp_path / "none.jsonl", "androidcontrol-high")


def test_plan_files_of_uground(tmp_path):
    plan = {"annotation_id": "e", "step": 0, "gpt_action": "TYPE", "gpt_value": "x", "description": "field"}
    rows = [plan, {**plan, "step": 1, "gpt_action": "CLICK", "gpt_value": "None"}, {"gpt_action": "CLICK"}]
    found = read_predictions(write(tmp_path / "plan.jsonl", *rows), "mind2web", "uground")
    steps = found.by_episode["e"]
    assert (steps[1].operation, steps[1].action) == ("TYPE x", Type(content="x"))
    assert (steps[2].operation, steps[2].action.kind) == ("CLICK", "click")
    assert counted(found.problems) == {"malformed": 1}


class TestCommand:
    @pytest.fixture
    def store(self, tmp_path):
        """One published-style record: a click and a text."""
        steps = [
            {
                "action_content": {"action": "click", "coordinate": [540, 1200]},
                "check_options": {"candidate_bbox": [[440, 1100, 640, 1300]]},
            },
            {"action_content": {"action": "type", "text": "x"}},
        ]
        record = {"goal": "g", "is_successful": True, "episode_id": 7, "steps": steps}
        return write(tmp_path / "references.jsonl", record)

    def run(self, store, *arguments):
        return cli.main(["eval", "androidcontrol-high", "--data", str(store), *map(str, arguments)])

    def test_json(self, store, tmp_path, capsys):
        predictions = write(tmp_path / "p.jsonl", line("7", 1, click(0.9, 0.9)), line("7", 2, Type(content="x")))
        assert self.run(store, "--predictions", predictions, "--json", "--strict") == 0
        printed = json.loads(capsys.readouterr().out)
        assert printed["rule"] == "strict"
        assert printed["metrics"]["step_success"]["value"] == 0.5
        assert printed["metrics"]["step_success"]["n"] == 2
        assert printed["baselines"]["the reference itself"]["step_success"]["value"] == 1.0
        assert printed["baselines"]["centre click"]["click_success"]["value"] == 1.0  # the target is in the middle
        assert printed["missed"] == {"outside the target": 1}

    def test_strict_stops_on_bad_input(self, store, tmp_path, capsys):
        predictions = write(tmp_path / "p.jsonl", line("7", 1, click()), "broken")
        assert self.run(store, "--predictions", predictions) == 0
        out = capsys.readouterr().out
        assert "1  malformed" in out
        assert "1  missing" in out
        assert self.run(store, "--predictions", predictions, "--strict") == 1

    def test_nothing_that_could_be_scored_is_a_failure(self, store, tmp_path, capsys):
        good = write(tmp_path / "good.jsonl", line("7", 1, click()))
        other = write(tmp_path / "other.jsonl", line("7", 2, Type(content="x")))
        for name, first in (("broken", "bad.jsonl:1: not JSON"), ("", "no prediction")):
            bad = write(tmp_path / "bad.jsonl", name)
            for more in ([], ["--json"], ["--strict"]):
                assert self.run(store, "--predictions", bad, *more) == 1
                told = capsys.readouterr().err
                assert "no prediction could be scored by the rule strict of androidcontrol-high" in told
                assert first in told.partition("the first reason: ")[2]
            assert self.run(store, "--compare", good, bad) == 1
        assert self.run(store, "--compare", good, good) == 0
        assert self.run(store, "--compare", good, other) == 1
        assert "the two have no step in common" in capsys.readouterr().out

    def test_compare(self, store, tmp_path, capsys):
        one = write(tmp_path / "a.jsonl", line("7", 1, click(0.9, 0.9)), line("7", 2, Type(content="x")))
        two = write(tmp_path / "b.jsonl", line("7", 1, click()), line("7", 2, Type(content="x")))
        assert self.run(store, "--compare", one, two, "--json") == 0
        printed = json.loads(capsys.readouterr().out)
        assert printed["differences"]["step_success"]["mean"] == 0.5
        assert printed["differences"]["step_success"]["items"] == 2
        assert self.run(store, "--compare", one, two) == 0
        assert "+50.00%" in capsys.readouterr().out

    def test_messages(self, store, capsys, monkeypatch):
        monkeypatch.delenv("TRACER1_DATA", raising=False)
        assert cli.main(["eval", "nothing", "--predictions", "x"]) == 2
        assert "choose one of androidcontrol-high" in capsys.readouterr().err
        assert cli.main(["eval", "mind2web", "--predictions", "x"]) == 2
        assert "--data PATH or set TRACER1_DATA" in capsys.readouterr().err
        assert self.run(store, "--rule", "lenient", "--predictions", "x") == 2
        assert "its rules are strict, os-atlas" in capsys.readouterr().err
        assert self.run(store) == 2
        assert "--predictions F.jsonl" in capsys.readouterr().err
        assert self.run(store, "--predictions", "x", "--horizon", "3") == 2
        assert "--horizon is for running a --model" in capsys.readouterr().err
        assert cli.main(["eval", "gaia", "--data", "demo", "--predictions", "x", "--split", "test"]) == 2
        assert "gaia has no files that define splits" in capsys.readouterr().err


def test_what_a_limit_leaves_out_is_neither_asked_for_nor_a_problem(tmp_path):
    """Mind2Web counts a missing step 0: a part would drown in what it was not asked for."""
    episodes = [trajectory(str(at), click()) for at in range(4)]
    found = references("mind2web", *episodes).spread(2)
    lines = [line(str(at), 1, click(), suite="mind2web") for at in range(4)]
    assert [one.id for one in found.trajectories] == ["0", "2"]
    assert scored(tmp_path / "all.jsonl", found, *lines).problems == []
    part = scored(tmp_path / "part.jsonl", found, lines[0], lines[2])
    assert (part.problems, part.score("operation_f1").value) == ([], 1.0)


def test_a_model_without_any_readable_action_is_wrong_everywhere(tmp_path):
    found = references("mind2web", trajectory("a", click(), click()), trajectory("b", click()))
    lines = [line("a", 1, suite="mind2web"), line("a", 2, suite="mind2web"), line("b", 1, suite="mind2web")]
    got = scored(tmp_path / "p.jsonl", found, *lines)
    assert (got.score("step_success").value, got.score("step_success").n) == (0.0, 3)


def test_a_reference_given_twice_is_named(tmp_path):
    found = references("androidcontrol-high", EPISODE, EPISODE)
    assert len(found.trajectories) == 1
    assert [str(one) for one in found.problems] == ["episode e: another reference has the same id; the first is kept"]


def test_churn_compares_neighbours_alone(tmp_path):
    """Forecasts of the reference never change; step 2 has no answer, so 1 and 3 say nothing of each other."""
    actions = [Scroll(direction="down"), Type(content="x"), OpenApp(app_name="y"), Wait()]
    found = references("androidcontrol-high", trajectory("e", *actions))
    lines = [line("e", at + 1, *actions[at:]) for at in (0, 2, 3)]
    marks = [one for one in scored(tmp_path / "p.jsonl", found, *lines).planning_marks if one.metric == "plan_churn"]
    assert [(one.step, one.value) for one in marks] == [(3, 0.0)]


def test_a_category_mean_stays_within_its_bounds(tmp_path):
    """18 episodes of one category and 2 short ones of another, all right."""
    episodes = [trajectory(f"a{at}", *[Wait()] * 5, category="many") for at in range(18)]
    episodes += [trajectory(f"b{at}", Wait(), category="few") for at in range(2)]
    found = references("gui-odyssey", *episodes)
    right = [
        line(one.id, number, Wait(), suite="gui-odyssey") for one in episodes for number in range(1, len(one.steps))
    ]
    some = scored(tmp_path / "p.jsonl", found, *right[:1], *right[2:], line("a0", 2, click(), suite="gui-odyssey"))
    score = some.score("ams_by_category")
    assert 0.9 < score.low <= score.value <= score.high <= 1.0
    counts = [one for one in scores_of([Mark("planner_calls_per_step", "e", 1, 1.0)], "") if one]
    assert (counts[0].value, counts[0].low, counts[0].high) == (1.0, None, None)  # a count is no rate


def test_where_a_step_without_a_prediction_counts_0_a_file_of_none_is_still_a_failure(tmp_path, capsys):
    row = {
        "annotation_id": "t",
        "action_uid": "t-0",
        "task": "Rent a boat.",
        "website": "boats",
        "operation": "CLICK",
        "value": "",
        "bbox": [[128, 125, 64, 250]],
        "previous_actions": [],
        "step": 0,
        "total_steps": 1,
        "blocks_path": "t_0",
    }
    found, empty = write(tmp_path / "blocks.jsonl", row), write(tmp_path / "empty.jsonl", "")
    wrong = write(tmp_path / "wrong.jsonl", line("t", 1, suite="mind2web"))
    arguments = ["eval", "mind2web", "--data", str(found), "--predictions"]
    assert cli.main([*arguments, str(empty)]) == 1
    assert "no prediction could be scored" in capsys.readouterr().err
    assert cli.main([*arguments, str(wrong)]) == 0
