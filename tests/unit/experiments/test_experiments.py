"""Plans say what they mean, a run is never done twice, and every printed number comes from the records."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

pytest.importorskip("torch", reason="torch is not installed")

from tracer1_agents.data.taskgen.desk import families as desk
from tracer1_agents.errors import ConfigurationError, DataError, TrainingError
from tracer1_agents.evals.results import ResultsFile, TaskResult
from tracer1_agents.experiments.__main__ import main
from tracer1_agents.experiments.compare import Table
from tracer1_agents.experiments.measure import held_out_rows, measure_tasks, seen_from, write_tasks
from tracer1_agents.experiments.outlook import what_would_show_more
from tracer1_agents.experiments.page import write_page
from tracer1_agents.experiments.plan import Cell, Measurement, Plan, load_plan
from tracer1_agents.experiments.plots import horizon_curve
from tracer1_agents.experiments.report import as_json, as_markdown
from tracer1_agents.experiments.results import CellResult, Results, condense, training_summary
from tracer1_agents.experiments.runner import Runner

pytestmark = pytest.mark.torch
SPLITS = {
    "development": {"windows": 4, "window_seed": 1, "tasks": 2, "task_set": "dev", "horizon": 4},
    "test": {"windows": 4, "window_seed": 2, "tasks": 0, "task_set": "test", "horizon": 4},
}


def plan(**changes):
    arms = {
        "full": {"start": "better", "train": "stage1", "config": "tiny/stage1"},
        "base": {"start": "tracer1-tiny"},
        "better": {"start": "base", "train": "warmstart", "config": "tiny/warmstart", "seeds": 2},
    }
    return Plan.model_validate({"name": "x", "arms": arms, "pairs": [["better", "base"]], **SPLITS, **changes})


def runner(tmp_path, **changes):
    return Runner(plan(**changes), "unused", tmp_path, Results(tmp_path / "results"), workers=1, say=lambda _: None)


def keep(one, arm, seed, *, windows=(), tasks=(), split="test"):
    """A result as a measurement writes it."""
    cell = Cell(arm, seed)
    rows = [window if isinstance(window, dict) else {"reward": window} for window in windows]
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    result = CellResult(
        plan="x", arm=arm, seed=seed, split=split, recipe=one.plan.recipe(cell, split), version="0", hardware="none",
        windows={"key": [f"w{at}" for at in range(len(windows))], **columns},
        tasks={name: [task[name] for task in tasks] for name in (tasks[0] if tasks else ())},
    )  # fmt: skip
    one.results.write(cell, result)


def task(key, correct, *, steps=3, hits=()):
    return {
        "key": key,
        "steps": steps,
        "correct": correct,
        "status": "finished",
        "planner_calls": 4,
        "hits": list(hits),
    }


def test_arms_follow_the_arm_they_start_from(tmp_path):
    assert plan().order() == ["base", "better", "full"]
    one = runner(tmp_path)
    assert [cell.name for cell in one.plan.cells()] == ["base-0", "better-0", "full-0", "better-1", "full-1", "full-2"]
    assert one.plan.start_of(Cell("full", 2)) == Cell("better", 0)
    assert one.model(Cell("base", 0)) == "tracer1-tiny"
    assert one.model(Cell("full", 1)).endswith("arms/full-1/model")


def test_each_training_gets_its_start_seed_and_folder(tmp_path, monkeypatch):
    commands = []
    one = runner(tmp_path)
    monkeypatch.setattr(
        Runner,
        "_process",
        lambda self, what, command, log: commands.append(command) or log.parent.mkdir(parents=True, exist_ok=True),
    )
    one.train(Cell("full", 2))
    one.train(Cell("full", 2))  # done: not again
    assert len(commands) == 1
    shown = " ".join(commands[0])
    assert f"model.path={tmp_path}/arms/better-0/model" in shown
    assert f"trainer.output_dir={tmp_path}/arms/full-2" in shown
    assert "trainer.seed=2120" in shown  # of seed 2, one step from where its chain begins
    assert shown.endswith("--resume")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pairs": [["better", "nobody"]]}, "names the arm 'nobody'"),
        ({"arms": {"a": {"start": "b"}, "b": {"start": "a"}}, "pairs": []}, "in a circle: "),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        plan(**change)


def test_packaged_plans_load():
    loaded = load_plan("stage1")
    assert loaded.test.windows >= 500
    assert loaded.development.window_seed != loaded.test.window_seed
    assert loaded.development.task_set != loaded.test.task_set
    with pytest.raises(ConfigurationError, match="no experiment 'nothing'"):
        load_plan("nothing")


def test_a_failing_process_is_named_with_its_log(tmp_path):
    with pytest.raises(TrainingError, match=r"x failed with exit status 3: .*bad luck.*\(log: "):
        runner(tmp_path)._process("x", ["-c", "import sys; print('bad luck'); sys.exit(3)"], tmp_path / "a" / "log")


def test_what_ends_the_runner_ends_its_processes(tmp_path):
    child = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    program = f"""
import runpy, sys
from tracer1_agents.experiments.runner import Runner
Runner.do = lambda self, job: self._process("busy", ["-c", {child!r}], self.out / "log")
sys.argv = ["experiments", "stage1", "--out", {str(tmp_path)!r}, "--results", {str(tmp_path)!r}, "--workers", "1"]
runpy.run_module("tracer1_agents.experiments", run_name="__main__")
"""
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) as running:  # noqa: S603  (fixed code)
        log, until = tmp_path / "log", time.monotonic() + 120
        while not (log.exists() and log.read_text().strip()):
            assert time.monotonic() < until
            assert running.poll() is None
            time.sleep(0.1)
        pid = int(log.read_text())
        running.terminate()
        assert "interrupted; what is done is kept" in running.communicate(timeout=60)[1]
        assert running.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_differences_pair_items_and_seeds(tmp_path):
    one = runner(tmp_path)
    keep(one, "base", 0, windows=[0.0, 0.5, 1.0])
    keep(one, "better", 0, windows=[0.5, 0.5, 1.0])
    keep(one, "better", 1, windows=[1.0, 0.5, 1.0])
    table = Table(one.plan, one.results, "test")
    found = table.difference("better", "base", "reward")
    assert found.by_seed == pytest.approx((1 / 6, 1 / 3))
    assert (found.mean, found.items) == (pytest.approx(0.25), 3)
    assert found.low <= found.mean <= found.high
    assert table.difference("better", "base", "correct") is None
    assert table.difference("full", "better", "reward") is None


def test_windows_of_one_recorded_trajectory_are_drawn_together(tmp_path):
    one = runner(tmp_path)
    keys, gained = ["a/1", "a/2", "b/1"], [0.5, 0.0, 0.25]
    keep(one, "base", 0, windows=[{"key": key, "reward": 0.0} for key in keys])
    keep(one, "better", 0, windows=[{"key": key, "reward": more} for key, more in zip(keys, gained, strict=True)])
    found = Table(one.plan, one.results, "test").difference("better", "base", "reward")
    assert (found.low, found.mean, found.high) == (0.25, 0.25, 0.25)  # both trajectories gain a quarter


def test_seeds_may_be_named():
    arms = plan().model_dump()["arms"]
    some = plan(seeds=[0, 1, 2, 3], arms={**arms, "better": {**arms["better"], "seeds": [3, 1]}})
    assert [cell for cell in some.cells() if cell.arm == "better"] == [Cell("better", 1), Cell("better", 3)]
    assert [some.start_of(Cell("full", seed)).seed for seed in range(4)] == [1, 1, 1, 3]
    table = Table(some, Results(Path("nowhere")), "test")
    assert [table.seeds_planned("better", arm) for arm in ("base", "full")] == [2, 2]
    with pytest.raises(ValidationError, match=r"'better' names the seeds \[7\]; the plan has \[0, 1, 2\]"):
        plan(arms={**arms, "better": {**arms["better"], "seeds": [7]}})


def test_arms_are_paired_by_the_seeds_that_both_have(tmp_path):
    one = runner(tmp_path)
    keep(one, "better", 0, windows=[0.0, 0.0])
    keep(one, "better", 1, windows=[0.5, 0.5])
    keep(one, "full", 1, windows=[0.75, 1.0])
    assert Table(one.plan, one.results, "test").difference("full", "better", "reward").by_seed == (0.375,)


def test_measures_leave_out_items_without_a_value(tmp_path):
    one = runner(tmp_path)
    tasks = [task("a", 1, steps=14, hits=[[2, 4], [0, 0], [1, 1]]), task("b", 0), task("c", None)]
    keep(one, "base", 0, tasks=tasks)
    table = Table(one.plan, one.results, "test")
    assert table.mean("base", "correct") == (0.5, [0.5])
    assert table.mean("base", "correct", "long") == (1.0, [1.0])
    assert table.values("base", "hit_1") == {0: {"a": 0.5}}
    assert table.mean("base", "hit_2") is None
    assert table.values("base", "hit_3") == {0: {"a": 1.0}}


CLAIM = {"says": "better helps", "better": "better", "than": "base", "measure": "reward"}


@pytest.mark.parametrize(
    ("better", "verdict"),
    [
        ([0.9] * 40, "confirmed"),
        ([0.1] * 40, "reversed"),
        ([0.49, 0.51] * 100, "not confirmed"),
        ([0.5] * 40, "undecided at this power"),  # no difference in 40 items does not rule out two points
        ([0.0, 1.0] * 20, "undecided at this power"),
        ([0.9], "undecided at this power"),  # one item has no interval
        (None, "not run"),
    ],
)
def test_a_claim_is_judged_by_its_interval(tmp_path, better, verdict):
    one = runner(tmp_path, claims=[CLAIM])
    keep(one, "base", 0, windows=[0.5] * len(better or [0.0]))
    if better:
        keep(one, "better", 0, windows=better)
        keep(one, "better", 1, windows=better)
    found, difference = Table(one.plan, one.results, "test").judge(one.plan.claims[0])
    assert found == verdict
    assert (difference is None) == (better is None)
    turned = one.plan.claims[0].model_copy(update={"lower": True})
    opposite = {"confirmed": "reversed", "reversed": "confirmed"}
    assert Table(one.plan, one.results, "test").judge(turned)[0] == opposite.get(verdict, verdict)


def test_seeds_go_one_after_the_other_and_only_what_is_missing_is_made(tmp_path):
    one = runner(tmp_path)
    jobs = [(job.cell.name, job.split) for job in one.jobs(["test"])]
    assert jobs == [
        ("better-0", ""), ("full-0", ""), ("base-0", "test"), ("better-0", "test"), ("full-0", "test"),
        ("better-1", ""), ("full-1", ""), ("better-1", "test"), ("full-1", "test"),
        ("full-2", ""), ("full-2", "test"),
    ]  # fmt: skip
    keep(one, "full", 0, windows=[1.0])
    keep(one, "better", 0, windows=[1.0])
    left = [(job.cell.name, job.split) for job in one.jobs(["test"])]
    assert left[:3] == [("better-0", ""), ("base-0", "test"), ("better-1", "")]  # full-2 starts from better-0's planner
    keep(one, "full", 2, windows=[1.0])
    assert next((job.cell.name, job.split) for job in one.jobs(["test"])) == ("base-0", "test")


def test_a_job_waits_for_what_it_builds_on(tmp_path, monkeypatch):
    one, done = runner(tmp_path), []
    monkeypatch.setattr(
        Runner,
        "do",
        lambda self, job: (
            done.append(job) or keep(self, job.cell.arm, job.cell.seed, windows=[1.0])
            if job.split
            else done.append(job)
        ),
    )
    assert one.run(["test"])
    order = [(job.cell.name, job.split) for job in done]
    assert order.index(("better-1", "")) < order.index(("full-1", "")) < order.index(("full-1", "test"))
    assert one.jobs(["test"]) == [] or all(not job.split for job in one.jobs(["test"]))


def test_nothing_new_is_begun_when_time_is_up(tmp_path, monkeypatch):
    one = runner(tmp_path)
    monkeypatch.setattr(Runner, "do", lambda *_: pytest.fail("begun"))
    assert not one.run(["test"], minutes=0.0)


def test_a_result_of_another_recipe_is_not_taken_for_this_one(tmp_path):
    one = runner(tmp_path)
    keep(one, "base", 0, windows=[1.0])
    other = plan(development={**SPLITS["test"]}, test={**SPLITS["test"], "window_seed": 77})
    changed = Runner(other, "unused", tmp_path, one.results, workers=1, say=lambda _: None)
    with pytest.raises(ConfigurationError, match=r"base-0\.json was made by another plan or config"):
        changed.jobs(["test"])


def trained(one, cell, folder, *, recipe=""):
    """A training as it is left when it is done."""
    (folder / "arms" / cell.name / "model").mkdir(parents=True)
    (folder / "arms" / cell.name / "recipe.txt").write_text(recipe or one.plan.recipe(cell), encoding="utf-8")
    (folder / "arms" / cell.name / "done.json").touch()


def test_a_planner_kept_beside_the_results_is_not_trained_again(tmp_path):
    one, better = runner(tmp_path), Cell("better", 0)
    trained(one, better, one.results.folder)
    left = [job.cell.name for job in one.jobs(["test"]) if not job.split]
    assert left == ["full-0", "better-1", "full-1", "full-2"]
    assert one.model(better) == str(one.results.folder / "arms" / "better-0" / "model")
    trained(one, better, tmp_path)  # what was trained here comes first
    assert one.model(better) == str(tmp_path / "arms" / "better-0" / "model")


@pytest.mark.parametrize("where", ["kept", "here"])
def test_a_planner_of_another_recipe_is_not_started_from(tmp_path, where):
    one = runner(tmp_path)
    trained(one, Cell("better", 0), {"kept": one.results.folder, "here": tmp_path}[where], recipe="of old")
    with pytest.raises(ConfigurationError, match=r"arms/better-0 was made by another plan or config"):
        one.jobs(["test"])


def test_a_broken_result_file_is_named(tmp_path):
    one = runner(tmp_path)
    keep(one, "base", 0, windows=[1.0])
    path = one.results.path(Cell("base", 0), "test")
    path.write_text(path.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    with pytest.raises(DataError, match=r"(?s)base-0\.json.*delete it"):
        one.results.read(Cell("base", 0), "test")


@pytest.mark.parametrize(
    ("name", "said", "told"),
    [("arm", "full", "'base'"), ("seed", 3, "0"), ("split", "development", "'test'"), ("plan", "y", "'x'")],
)
def test_a_result_of_something_else_is_refused(tmp_path, name, said, told):
    one = runner(tmp_path)
    keep(one, "base", 0, windows=[1.0])
    path = one.results.path(Cell("base", 0), "test")
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), name: said}), encoding="utf-8")
    with pytest.raises(DataError, match=rf"base-0\.json: the result says {name} {said!r} where {told} belongs"):
        as_markdown(Table(one.plan, one.results, "test"))
    with pytest.raises(DataError, match="belongs"):
        one.jobs(["test"])


def test_a_folder_in_a_results_place_is_no_result(tmp_path):
    one = runner(tmp_path)
    one.results.path(Cell("base", 0), "test").mkdir(parents=True)
    with pytest.raises(DataError, match=r"base-0\.json: this is no result"):
        one.results.read(Cell("base", 0), "test")


def test_results_of_another_recipe_are_named(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    one = runner(tmp_path)
    for arm, seed in (("base", 0), ("full", 1)):
        keep(one, arm, seed, tasks=[{**task("t", 1), "tokens": 1, "seconds": 1.0}])
    full = {"start": "base", "train": "stage1", "config": "tiny/stage1"}
    later = plan(arms={**one.plan.model_dump()["arms"], "full": full})
    line = "Made by another plan or config than is here now: full-1."
    for asked, shown in ((one.plan, False), (later, True)):
        table = Table(asked, one.results, "test")
        write_page(table, tmp_path / "page.md", tmp_path / "page")
        assert (line in as_markdown(table)) is shown
        assert (line in (tmp_path / "page.md").read_text(encoding="utf-8")) is shown


def test_a_measurement_may_be_of_the_desks_world():
    measurement = Measurement(windows=40, window_seed=9, world={"predictable": 0.5}, tasks=3, unseen=2, task_set="x")
    families = {row.source for row in held_out_rows(measurement)}
    assert {"pack_rounds", "book_day"} <= families <= set(desk.TRAINED)
    assert measurement.bundle.families()[-2:] == list(desk.UNSEEN)[:2]


def test_held_out_rows_are_those_of_the_seed():
    rows = held_out_rows(Measurement(windows=3, window_seed=9, task_set="x", horizon=4))
    again = held_out_rows(Measurement(windows=3, window_seed=9, task_set="x", horizon=4))
    assert [row.messages for row in rows] == [row.messages for row in again]
    assert all(row.score(row.reply).total == 1.0 for row in rows)


@pytest.mark.slow
def test_one_command_trains_measures_and_reports(tmp_path, capsys):
    data = {
        "name": "small",
        "seeds": [0],
        "arms": {
            "before": {"start": "tracer1-tiny"},
            "after": {
                "start": "before",
                "train": "warmstart",
                "config": "tiny/warmstart",
                "set": ["trainer.minutes=0.02", "trainer.evaluation_windows=1", "data.families=[arithmetic]"],
            },
        },
        "pairs": [["after", "before"]],
        **SPLITS,
    }
    path = tmp_path / "plan.yaml"
    path.write_text(json.dumps(data), encoding="utf-8")  # JSON is YAML
    out = tmp_path / "out"
    command = [str(path), "--out", str(out), "--results", str(tmp_path / "results"), "--split", "development"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "4 held-out windows, 2 tasks in the closed loop" in shown
    kept = tmp_path / "results" / "development" / "after-0.json"
    written = kept.stat().st_mtime_ns
    after = CellResult.model_validate_json(kept.read_text(encoding="utf-8"))
    assert after.training["updates"] >= 1
    assert set(after.windows["grounded"]) <= {0, 1}
    shutil.rmtree(out)  # planners and traces are not needed to report, nor made again
    assert main(command) == 0
    assert capsys.readouterr().out == shown
    assert kept.stat().st_mtime_ns == written
    table = Table(load_plan(str(path)), Results(tmp_path / "results"), "development")
    measures = {row["measure"] for row in as_json(table)["differences"]}
    assert measures >= {"reward", "grounded", "correct"}


def test_a_page_answers_first_and_says_what_was_not_run(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    claims = [{**CLAIM, "measure": "correct"}, {**CLAIM, "says": "full helps", "better": "full", "measure": "correct"}]
    split = {**SPLITS["test"], "tasks": 100}
    one = runner(tmp_path, claims=claims, title="Does it help?", about="A trial.", test=split)
    for arm, seeds, solved in (("base", 1, 0), ("better", 2, 1)):
        for seed in range(seeds):
            tasks = [
                {**task(f"t{at}", int(solved and at < 80)), "tokens": 10, "seconds": 0.5, "trained": True}
                for at in range(100)
            ]
            keep(one, arm, seed, tasks=tasks)
    page = tmp_path / "docs" / "results.md"
    write_page(Table(one.plan, one.results, "test"), page, page.with_suffix(""))
    text = page.read_text(encoding="utf-8")
    assert text.startswith(
        "# Does it help?\n\n**Yes, here it did.** `better`: 80.0%, `base`: 0.0% of 100 held-out items"
    )
    assert "| full helps | full - base | tasks solved | all |  | not run |" in text
    assert "3 of 6 cells" in text
    assert "| `better` | 80.0% |  |  |  | 0.0% | 4.00 | 12.5 | 0.6 |" in text  # 1,000 tokens and 50 s for 80 tasks
    drawn = sorted(path.name for path in page.with_suffix("").iterdir())
    assert drawn == ["x_cost.svg", "x_loops.svg", "x_solved.svg"]
    assert all(f"results/{name}" in text for name in drawn)
    first = {name: (page.with_suffix("") / name).read_bytes() for name in drawn}
    write_page(Table(one.plan, one.results, "test"), page, page.with_suffix(""))
    assert {name: (page.with_suffix("") / name).read_bytes() for name in drawn} == first


def test_the_page_of_an_experiment_without_whole_tasks_is_about_windows(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    one = runner(tmp_path, claims=[{**CLAIM, "measure": "first_exact"}], title="Does it help?")
    for arm, seed, right in (("base", 0, 0), ("better", 0, 1), ("better", 1, 1)):
        scores = {"reward": 0.5, "first_exact": right, "kinds_right": 0.25, "exact": f"{right}1"}
        keep(one, arm, seed, windows=[scores, {**scores, "exact": str(right)}])
    page = tmp_path / "page.md"
    write_page(Table(one.plan, one.results, "test"), page, page.with_suffix(""))
    text = page.read_text(encoding="utf-8")
    assert "`better`: 100.0%, `base`: 0.0% of 2 held-out items (first action exact)" in text
    assert "| `base` | 0.0% | 50.0% | 25.0% | 25.0% |" in text
    assert "| `better` | 100.0% |  |  |\n" in text  # one ahead, in the window that reaches so far
    assert "Long tasks" not in text
    assert "tasks solved" not in text
    assert [path.name for path in page.with_suffix("").iterdir()] == ["x_first.svg"]


def test_a_page_that_cannot_be_written_is_said_before_anything_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tracer1_agents.experiments.__main__.as_markdown", lambda table: pytest.fail("ran"))
    (tmp_path / "file").touch()
    page = tmp_path / "file" / "page.md"
    assert main(["stage1", "--only-report", "--results", str(tmp_path), "--page", str(page)]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert str(tmp_path / "file") in shown.err
    assert shown.out == ""


def test_an_arm_whose_only_seed_is_not_measured_gives_no_difference(tmp_path):
    one = runner(tmp_path)
    keep(one, "better", 0, windows=[1.0])
    keep(one, "better", 1, windows=[1.0])
    table = Table(one.plan, one.results, "test")
    assert table.difference("better", "base", "reward") is None
    assert table.difference("base", "better", "reward") is None


@pytest.mark.parametrize(("measured", "outcome"), [(1, "too early to say, 1 of 3"), (2, "confirmed, 2 of 3")])
def test_one_seed_of_several_decides_nothing_and_two_say_that_they_are_not_all(tmp_path, measured, outcome):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    arms = plan().model_dump()["arms"]
    arms["better"]["seeds"] = 3
    one = runner(tmp_path, claims=[{**CLAIM, "measure": "correct"}], arms=arms)
    for arm, seed, solved in (("base", 0, 0), *(("better", seed, 1) for seed in range(measured))):
        keep(one, arm, seed, tasks=[{**task(f"t{at}", solved), "tokens": 1, "seconds": 1.0} for at in range(40)])
    write_page(Table(one.plan, one.results, "test"), tmp_path / "page.md", tmp_path / "page")
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert f"| {outcome} seeds so far |" in page
    assert ("unknown: one seed" in page) == (measured == 1)


def test_the_line_over_horizons_is_of_the_seeds_that_all_have(tmp_path):
    figure = pytest.importorskip("matplotlib.figure", reason="matplotlib is not installed")
    arms = {name: {"start": "", "train": "warmstart", "config": "tiny/warmstart"} for name in ("one", "two")}
    one = runner(tmp_path, arms=arms, pairs=[], seeds=[0, 1], horizon_curve={1: "one", 2: "two"})
    for arm, seed, solved in (("one", 0, 1), ("one", 1, 0), ("two", 1, 1)):
        keep(one, arm, seed, tasks=[task("a", solved), task("b", 0)])
    axes = figure.Figure().subplots()
    assert horizon_curve(axes, Table(one.plan, one.results, "test"))
    *points, line = axes.lines
    assert [(point.get_xdata()[0], point.get_ydata()[0]) for point in points] == [(1, 50.0), (1, 0.0), (2, 50.0)]
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([1, 2], [0.0, 50.0])


def test_mistakes_of_a_reactive_planner_are_told_apart(tmp_path):
    arms = {"base": {"start": "tracer1-tiny", "horizon": 1}}
    one = runner(tmp_path, arms=arms, pairs=[], claims=[{**CLAIM, "better": "base"}])
    rows = [{"kinds_right": kind, "first_exact": exact} for kind, exact in ((1, 1), (1, 1), (1, 0), (1, 0), (0, 0))]
    keep(one, "base", 0, windows=rows)
    assert "| `base` | 60.0% | 67% |" in what_would_show_more(Table(one.plan, one.results, "test"))


def test_windows_that_are_drawn_differently_are_not_paired(tmp_path):
    arms = {"base": {"start": "tracer1-tiny"}, "short": {"start": "tracer1-tiny", "agent": {"history_window": 1}}}
    one = runner(tmp_path, arms=arms, pairs=[])
    for arm in arms:
        keep(one, arm, 0, windows=[1.0, 0.0], tasks=[task("a", 1), task("b", 0)])
    table = Table(one.plan, one.results, "test")
    assert table.difference("base", "short", "reward") is None
    assert table.difference("base", "short", "correct").items == 2
    recorded = {**SPLITS["test"], "data": {"sources": [{"reader": "store", "path": "a.jsonl"}]}}
    table = Table(plan(arms=arms, pairs=[], test=recorded), one.results, "test")
    assert table.difference("base", "short", "reward").items == 2  # parts of recorded data are the same for all


@pytest.mark.parametrize(("streams", "seeds"), [("own", [2120, 2221]), ("shared", [2019, 2019])])
def test_what_goes_on_from_an_arm_draws_rows_of_its_own(tmp_path, monkeypatch, streams, seeds):
    one, commands = runner(tmp_path, streams=streams, seeds=[2], arms=CHAIN, pairs=[]), []
    monkeypatch.setattr(
        Runner,
        "_process",
        lambda self, what, command, log: commands.append(command) or log.parent.mkdir(parents=True, exist_ok=True),
    )
    for arm in CHAIN:
        one.train(Cell(arm, 2))
    drawn = [int(part.partition("=")[2]) for part in commands[1] + commands[2] if part.startswith("trainer.seed=")]
    assert drawn == seeds
    assert "trainer.seed=2019" in commands[0]


CHAIN = {
    "first": {"start": "", "train": "warmstart", "config": "tiny/warmstart"},
    "second": {"start": "first", "train": "warmstart", "config": "tiny/warmstart"},
    "third": {"start": "second", "train": "stage1", "config": "tiny/stage1"},
}


def test_more_seeds_or_another_group_change_no_recipe():
    arms = plan().model_dump()["arms"]
    grown = plan(arms={**arms, "better": {**arms["better"], "seeds": 3, "group": "sweeps"}})
    for cell in (Cell("base", 0), Cell("better", 0), Cell("better", 1), Cell("full", 0)):
        assert grown.recipe(cell, "test") == plan().recipe(cell, "test")
    assert grown.recipe(Cell("full", 2)) != plan().recipe(Cell("full", 2))  # starts from another planner now


def test_one_arm_and_one_seed_can_be_asked_for(tmp_path):
    one = runner(tmp_path)
    jobs = one.jobs(["development"], one.plan.choose(arm="full", seed=1))
    assert [(job.cell.name, job.split) for job in jobs] == [("better-1", ""), ("full-1", ""), ("full-1", "development")]
    with pytest.raises(ConfigurationError, match="no arm of any name in group sweeps with any seed; groups: core"):
        one.plan.choose(group="sweeps")
    with pytest.raises(ConfigurationError, match="no arm base in group of any name with seed 2"):
        one.plan.choose(arm="base", seed=2)


def test_a_comment_in_a_config_changes_no_recipe(tmp_path):
    config = tmp_path / "config.yaml"
    arms = {"a": {"start": "tracer1-tiny", "train": "stage1", "config": str(config)}}
    recipes = []
    for text in ("trainer: {max_steps: 1}", "# why\ntrainer: {max_steps: 1}", "trainer: {max_steps: 2}"):
        config.write_text(text, encoding="utf-8")
        recipes.append(plan(arms=arms, pairs=[]).recipe(Cell("a", 0), "test"))
    assert recipes[0] == recipes[1] != recipes[2]


def test_a_run_is_the_same_from_wherever_it_is_started(tmp_path, monkeypatch):
    (tmp_path / "runs" / "arms" / "a").mkdir(parents=True)
    out = Path("runs", "measured", "test", "a", "tasks.jsonl")
    monkeypatch.chdir(tmp_path)
    assert seen_from(out, "runs/arms/a") == "../../../arms/a"
    assert seen_from(tmp_path / out, str(tmp_path / "runs" / "arms" / "a")) == "../../../arms/a"
    assert seen_from(out, "tracer1-tiny") == "tracer1-tiny"


def test_a_log_that_a_full_disk_cut_off_is_summed_up(tmp_path):
    lines = [json.dumps({"step": step, "seconds": 2.0 * step, "reward": 0.5}) for step in (1, 2, 3)]
    torn = lines[1][:20] + json.dumps({"event": "start", "step": 1, "seconds": 2.0})
    (tmp_path / "log.jsonl").write_text("\n".join([lines[0], torn, lines[1], lines[2], ""]), encoding="utf-8")
    size, curve = training_summary(tmp_path)
    assert size == {"updates": 3.0, "seconds": 6.0}
    assert curve == [(2.0, 0.5), (4.0, 0.5), (6.0, 0.5)]


def test_a_line_separator_in_an_answer_ends_no_record(tmp_path):
    (tmp_path / "tasks").mkdir()
    row = {"task_id": "a", "Annotator Metadata": {"number_of_steps": 3}}
    (tmp_path / "tasks" / "metadata.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    answer = TaskResult(task_id="a", status="finished", correct=True, prediction="one\u2028two")
    ResultsFile(tmp_path / "tasks.jsonl").append(answer)
    assert condense(tmp_path, tmp_path / "tasks")["tasks"]["correct"] == [1]


def test_an_old_measurement_is_not_taken_for_one_of_a_new_plan(tmp_path, monkeypatch):
    """The result is moved away, as the message says; what it was made from still lies there."""
    one = runner(tmp_path)
    monkeypatch.setattr(Runner, "_process", lambda *_: None)
    monkeypatch.setattr("tracer1_agents.experiments.runner.condense", lambda *_: {})
    base = Cell("base", 0)
    one.measure(base, "test")
    one.results.path(base, "test").unlink()
    other = plan(test={**SPLITS["test"], "window_seed": 77})
    changed = Runner(other, "unused", tmp_path, one.results, workers=1, say=lambda _: None)
    with pytest.raises(ConfigurationError, match=r"measured/test/base-0 was made by another plan or config"):
        changed.measure(base, "test")
    one.measure(base, "test")
    assert one.results.read(base, "test") is not None


def test_tasks_that_were_lost_are_no_result(tmp_path, monkeypatch):
    """Counted as not solved, they would be the arm's failure."""
    measurement = Measurement(windows=0, tasks=2, task_set="lost")
    write_tasks(measurement, tmp_path / "tasks")
    statuses = {"lost-000": "finished", "lost-001": "infrastructure_error"}

    async def run(self, tasks, output):
        for one in tasks:
            output.append(TaskResult(task_id=one.task_id, correct=False, status=statuses[one.task_id], detail="gone"))

    monkeypatch.setattr("tracer1_agents.evals.run.Runner.run", run)
    out = tmp_path / "tasks.jsonl"
    with pytest.raises(TrainingError, match=r"1 tasks were lost .* The first: lost-001: infrastructure_error, gone"):
        measure_tasks("tracer1-tiny", measurement, tmp_path / "tasks", out)
    statuses["lost-001"] = "finished"
    measure_tasks("tracer1-tiny", measurement, tmp_path / "tasks", out)
    assert len(out.read_text(encoding="utf-8").splitlines()) == 2


def test_a_reader_that_has_seen_enough_is_no_traceback(tmp_path):
    """`python -m tracer1_agents.experiments ... | head -1`"""
    command = [
        sys.executable,
        "-m",
        "tracer1_agents.experiments",
        "stage1",
        "--only-report",
        "--results",
        str(tmp_path),
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603  (our own code)
        command, stdout=pipe, stderr=pipe, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(120) == 1
