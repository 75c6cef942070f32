"""Reports over runs: every number from the files, one HTML file without network."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest
from eval_cases import references, trajectory

from tracer1_agents import cli
from tracer1_agents.actions.space import OpenApp, Wait
from tracer1_agents.evals import runs
from tracer1_agents.evals.collect import Asking
from tracer1_agents.evals.results import TaskResult
from tracer1_agents.evals.run_summary import read_run
from tracer1_agents.planner.policy import ChatModelPolicy
from tracer1_agents.testing import ScriptedModel
from tracer1_agents.types import Execution, ForecastPair, StepRecord, Trace


class Page(HTMLParser):
    """Collects tags that stand open at the wrong place, and attributes that name other places."""

    def __init__(self):
        super().__init__()
        self.open, self.links, self.tags = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in {"src", "href"} and "//" in (value or "")]
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def grid(tmp_path):
    """Two horizons over four steps; the script is right on waits only."""
    found = references("androidcontrol-high", trajectory("a", Wait(), Wait()), trajectory("b", Wait(), Wait()))
    policy = ChatModelPolicy(ScriptedModel(script=["wait()\nwait()", 'press_button(button="back")\nwait()']))
    asking = Asking(model="scripted", profile="compact", concurrency=1)
    runs.ablate(found, policy, asking, ["horizon=1,2"], tmp_path / "grid")
    return [tmp_path / "grid" / f"horizon={horizon}.jsonl" for horizon in (1, 2)]


@pytest.fixture
def tasks(tmp_path):
    pair = ForecastPair(action=Wait())
    steps = tuple(StepRecord(step=at, forecast=(pair, pair), executed=Wait(), execution=Execution()) for at in (1, 2))
    trace = Trace(instruction="t", steps=steps, status="finished")
    rows = [
        TaskResult(task_id="1", level=1, correct=True, status="finished", planner_calls=4, tokens=100, trace=trace),
        TaskResult(task_id="2", level=1, correct=False, status="loop", planner_calls=6, tokens=300),
    ]
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(row.model_dump_json() + "\n" for row in rows) + "broken\n")
    path.with_suffix(".meta.json").write_text('{"model": "m", "horizon": 8}')
    return path


def test_results_of_tasks(tasks):
    run = read_run(tasks)
    assert {name: (one.value, one.n) for name, one in run.metrics.items()} == {
        "accuracy": (0.5, 2),
        "accuracy, level 1": (0.5, 2),
        "planner_calls_per_success": (10.0, 2),  # both tasks' calls over one success
        "tokens_per_success": (400.0, 2),
        "loop_rate": (0.5, 2),
        "plan_churn": (0.0, 1),
    }
    assert (run.horizon, run.cost, run.problems) == (8, 200.0, {"malformed": 1})
    assert {ahead: (one.value, one.n) for ahead, one in run.survival.items()} == {1: (1.0, 1)}


def test_tasks_that_stand_there_twice_are_told(tasks):
    with tasks.open("a") as file:
        file.write(TaskResult(task_id="2", correct=True, status="finished").model_dump_json() + "\n")
    run = read_run(tasks)
    assert run.metrics["accuracy"].n == 3
    assert run.problems == {"malformed": 1, "duplicate": 1}


def test_scores_of_predictions(grid):
    one, two = map(read_run, grid)
    assert (one.main[0], one.main[1].value) == ("step_success", 0.25)
    assert one.horizon == 1
    assert one.survival == {}
    assert two.survival[1].value == 1.0
    assert two.cost > 0


def test_csv_holds_every_number(grid, tasks, tmp_path):
    target = tmp_path / "all.csv"
    assert cli.main(["report", *map(str, grid), str(tasks), "--csv", str(target)]) == 0
    rows = list(csv.DictReader(io.StringIO(target.read_text())))
    found = {(row["run"], row["metric"]): float(row["value"]) for row in rows}
    assert found["horizon=1", "step_success"] == 0.25
    assert found["horizon=2", "hit_1"] == 1.0
    assert found["tasks", "tokens_per_success"] == 400.0


def test_markdown(grid, tasks, capsys):
    assert cli.main(["report", *map(str, grid), str(tasks)]) == 0
    text = capsys.readouterr().out
    assert "## androidcontrol-high, rule strict" in text
    assert "## tasks, rule official" in text
    assert re.search(r"\| horizon=1 \| step_success \| 25.0% \| \S+% to \S+% \| 4 \|", text)
    assert "this grid is a control" in text
    assert "tasks: problems with its input: malformed 1." in text


def test_html_is_one_whole_file(grid, tasks, tmp_path, capsys):
    target = tmp_path / "out" / "report.html"
    assert cli.main(["report", *map(str, grid), str(tasks), "--html", str(target)]) == 0
    assert "report.html" in capsys.readouterr().out
    page, text = Page(), target.read_text(encoding="utf-8")
    page.feed(text)
    assert page.open == []
    assert page.links == []
    assert "script" not in page.tags
    assert "this grid is a control" in text
    assert [says for says in ("with 95% interval", "against the horizon", "by steps ahead") if says not in text] == []
    assert page.tags.count("svg") == 5  # bars, curve and survival of the grid; bars and survival of the tasks
    ids = re.findall(r'\bid="([^"]+)"', text)
    named = [
        one
        for one in ids
        if not re.fullmatch(r"(figure|axes|patch|line2d|text|matplotlib|xtick|ytick|legend)_?.*", one)
    ]
    assert len(named) == len(set(named))  # what is referred to inside one figure is not taken from another
    before = text
    assert cli.main(["report", *map(str, grid), str(tasks), "--html", str(target)]) == 0
    assert target.read_text(encoding="utf-8") == before  # the same runs give the same bytes


def test_figures_have_room_for_the_names_of_all_runs(grid, tmp_path, recwarn):
    scores = json.loads(grid[1].with_suffix(".scores.json").read_text())
    many = [tmp_path / f"run-{number}.scores.json" for number in range(40)]
    for path in many:
        path.write_text(json.dumps(scores))
    assert cli.main(["report", *map(str, many), "--html", str(tmp_path / "report.html")]) == 0
    assert [warning for warning in recwarn if "collapsed" in str(warning.message)] == []
    heights = re.findall(r'<svg[^>]* height="([\d.]+)pt"', (tmp_path / "report.html").read_text())
    assert all(float(height) > 40 * 12 for height in heights)  # points; the names of bars are 10 of them high
    assert len(heights) == 2
    assert not re.search(r">0\.\d+<", (tmp_path / "report.html").read_text())  # steps ahead are whole


def test_names_are_escaped(tmp_path, grid):
    hostile = tmp_path / "<b>$x$_.scores.json"
    hostile.write_text(grid[0].with_suffix(".scores.json").read_text())
    target = tmp_path / "report.html"
    assert cli.main(["report", str(hostile), "--html", str(target)]) == 0
    text = target.read_text(encoding="utf-8")
    assert "<b>" not in text
    assert "&lt;b&gt;$x$_" in text


def test_what_is_no_run(tmp_path, capsys):
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"episode_id": "e", "step": 1, "forecast": []}) + "\n")
    assert cli.main(["report", str(path)]) == 2
    assert "no x.scores.json stands beside it" in capsys.readouterr().err
    (tmp_path / "x.scores.json").write_text("{}")
    assert cli.main(["report", str(path)]) == 2
    assert "not the scores of a run" in capsys.readouterr().err
    circle = tmp_path / "circle.jsonl"
    circle.symlink_to(circle)
    for missing in (tmp_path / "none.jsonl", circle):
        assert cli.main(["report", str(missing)]) == 2
        assert "no such results file" in capsys.readouterr().err
    for folder in (".", "/", str(tmp_path)):
        assert cli.main(["report", folder]) == 2
        assert "this is a folder" in capsys.readouterr().err


@pytest.fixture
def repeats(tmp_path):
    """Three runs of three tasks; by hand: a always, b in two of three, c in none; d was scored once."""
    outcomes = {"a": (True, True, True), "b": (True, False, True), "c": (False, False, False), "d": (True, None, None)}
    paths = []
    for run in range(3):
        path = tmp_path / f"seed{run}.jsonl"
        rows = [TaskResult(task_id=task, correct=right[run], status="finished") for task, right in outcomes.items()]
        path.write_text("".join(row.model_dump_json() + "\n" for row in rows))
        path.with_suffix(".meta.json").write_text(json.dumps({"model": "m", "seed": run, "info_started": str(run)}))
        paths.append(path)
    return paths


def test_pass_k_over_repeats(repeats, capsys):
    assert cli.main(["report", *map(str, repeats), "--pass-k", "2"]) == 0
    text = capsys.readouterr().out
    # a: 1; b: 2/3, then C(2,2)/C(3,2) = 1/3; c: 0
    assert re.search(r"\| 3 runs \| pass\^1 \| 55.6% \| 0.0% to 100.0% \| 3 \|", text)
    assert re.search(r"\| 3 runs \| pass\^2 \| 44.4% \| 0.0% to 100.0% \| 3 \|", text)
    assert "3 runs: problems with its input: tasks scored in fewer than 2 runs 1." in text
    assert "pass^3" not in text


def test_pass_k_needs_repeats_of_one_setup(repeats, capsys):
    assert cli.main(["report", *map(str, repeats), "--pass-k", "4"]) == 2
    assert "--pass-k 4 needs between 1 and as many runs as there are, got 3" in capsys.readouterr().err
    repeats[2].with_suffix(".meta.json").write_text('{"model": "another", "seed": 2}')
    assert cli.main(["report", *map(str, repeats), "--pass-k", "2"]) == 2
    assert "seed2.jsonl is no repeat of" in (told := capsys.readouterr().err)
    assert "model is 'another', was 'm'" in told


def test_one_run_given_twice_is_no_repeat(repeats, capsys):
    assert cli.main(["report", str(repeats[0]), str(repeats[0]), "--pass-k", "2"]) == 2
    assert "are one run, or have one seed" in capsys.readouterr().err
    repeats[1].with_suffix(".meta.json").write_text('{"model": "m", "seed": 0}')
    assert cli.main(["report", *map(str, repeats[:2]), "--pass-k", "2"]) == 2
    assert "are one run, or have one seed" in capsys.readouterr().err
    repeats[1].with_suffix(".meta.json").unlink()
    assert cli.main(["report", *map(str, repeats[:2]), "--pass-k", "2"]) == 2
    assert "seed1.jsonl has no file beside it that says how the run was made" in capsys.readouterr().err


def test_a_task_counts_once_a_run_and_what_never_failed_is_not_certain(tmp_path, capsys):
    for run in range(2):
        row = TaskResult(task_id="a", correct=True, status="finished").model_dump_json()
        path = tmp_path / f"{run}.jsonl"
        path.write_text(f"{row}\n{row}\nbroken\n")
        path.with_suffix(".meta.json").write_text(json.dumps({"seed": run}))
    runs_ = [str(tmp_path / f"{run}.jsonl") for run in range(2)]
    assert cli.main(["report", *runs_, "--pass-k", "2"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"\| 2 runs \| pass\^2 \| 100.0% \| 20.7% to 100.0% \| 1 \|", text)  # Wilson, 1 of 1
    assert "2 runs: problems with its input: malformed 2." in text


def test_scores_go_with_their_run(grid, capsys):
    grid[0].unlink()
    assert cli.main(["report", str(grid[0])]) == 2
    assert "no such results file" in capsys.readouterr().err
    scores = grid[1].with_suffix(".scores.json")
    assert cli.main(["clean", str(grid[1])]) == 0
    assert not scores.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("setup", []),
        ("suite", None),
        ("rule", ["strict"]),
        ("metrics", {"m": {"value": "much", "low": 0, "high": 1, "n": 3}}),
        ("problems", {"missing": {"count": "many"}}),
    ],
)
def test_damaged_scores_are_told_by_their_key(grid, capsys, key, value):
    path = grid[0].with_suffix(".scores.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    assert cli.main(["report", str(grid[0])]) == 2
    assert f"{path}: not the scores of a run ({key}" in capsys.readouterr().err


def test_two_forms_of_a_report_need_two_files(grid, tmp_path, capsys):
    target = tmp_path / "report"
    assert cli.main(["report", str(grid[0]), "--html", str(target), "--csv", str(target)]) == 2
    assert "need a file each" in capsys.readouterr().err
    assert not target.exists()


def test_a_report_overwrites_no_run(grid, capsys):
    first = grid[0].with_suffix(".scores.json")
    before = first.read_text()
    assert cli.main(["report", "--markdown", str(first), str(grid[0])]) == 2
    assert "is one of the runs and would be overwritten" in capsys.readouterr().err
    assert first.read_text() == before


def test_runs_of_one_name_are_told_apart_by_their_folders(grid, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    copy = tmp_path / "other" / grid[0].name
    for suffix in (".jsonl", ".scores.json"):
        copy.with_suffix(suffix).write_text(grid[0].with_suffix(suffix).read_text())
    assert cli.main(["report", str(grid[0]), str(copy), str(grid[1])]) == 0
    text = capsys.readouterr().out
    assert all(
        f"| {name} |" in text for name in (f"{tmp_path}/grid/horizon=1", f"{tmp_path}/other/horizon=1", "horizon=2")
    )


def test_survival_draws_episodes(tmp_path):
    """One episode foretold in all, one in nothing: of 2 episodes that says little, however many pairs there are."""
    rows = []
    for name, ahead in (("a", Wait()), ("b", OpenApp(app_name="x"))):
        forecast = (ForecastPair(action=Wait()), ForecastPair(action=ahead))
        did = StepRecord(step=1, forecast=forecast, executed=Wait(), execution=Execution())
        steps = tuple(did.model_copy(update={"step": at}) for at in range(1, 20))
        trace = Trace(instruction="t", steps=steps, status="finished")
        rows.append(TaskResult(task_id=name, correct=True, status="finished", trace=trace))
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(row.model_dump_json() + "\n" for row in rows))
    one = read_run(path).survival[1]
    assert (one.value, one.low, one.high, one.n) == (0.5, 0.0, 1.0, 36)
