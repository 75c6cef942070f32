"""The page of MiniWoB++ results: what is kept of a run, numbers by hand, and that the page is what its files say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.evals.miniwob_page import keep, main, measured_in, page_of
from tracer1_agents.evals.results import ResultsFile, TaskResult

ROOT = Path(__file__).parents[3]


def run_of(path, solved, horizon):
    file = ResultsFile(path)
    file.resume({"model": f"{path.parent}/planner", "horizon": horizon, "info_seeds": 2})
    for task, seed, raw in solved:
        file.append(
            TaskResult(
                task_id=f"{task}/{seed}",
                family=task,
                status="finished",
                correct=raw > 0,
                raw_reward=raw,
                discounted_reward=raw / 2,
                tokens=10,
                planner_calls=seed + 1,
            )
        )
    return path


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    episodes = [
        ("enter-text", 1, -1.0),
        ("click-test", 0, 1.0),
        ("enter-text", 0, 1.0),
        ("click-test+click-link", 0, 1.0),
    ]
    keep("anticipatory", run_of(tmp_path / "a.jsonl", episodes, 1), folder)
    keep("b", run_of(tmp_path / "b.jsonl", [("click-test", 0, -1.0), ("enter-text", 0, 1.0)], 8), folder)
    (folder / "about.md").write_text("# MiniWoB++\n\nWords.\n")
    return folder


def test_what_is_kept_is_read_back_in_the_order_of_the_tasks(results):
    first, second = measured_in(results)
    assert [one.task_id for one in first.results] == [
        "click-test/0",
        "enter-text/0",
        "enter-text/1",
        "click-test+click-link/0",
    ]
    assert [one.raw_reward for one in first.results] == [1.0, 1.0, -1.0, 1.0]
    assert second.setup == {"model": "planner", "horizon": 8}
    assert str(results.parent) not in (results / "anticipatory.json").read_text()


def test_numbers_of_the_page_by_hand(results):
    page = page_of(results)
    assert "| `anticipatory` | one task | 1 | 2 | 3 | 75.0% (" in page  # 1 of 1 and 1 of 2
    assert "| `anticipatory` | several tasks | 1 | 1 | 1 | 100.0% (" in page
    assert "| 1.3 |" in page  # planner calls of the three: 1, 2 and 1
    # only the two episodes that both have: b loses one of them
    assert "| `b` - `anticipatory` | one task | 2 | -50.0% (" in page
    assert "| enter-text | typing | 1 of 2 (9% to 91%) | 1 of 1 (21% to 100%) |" in page
    assert page.startswith("# MiniWoB++\n\nWords.\n\n## Means")


def test_the_command_keeps_and_writes(results, tmp_path):
    page = tmp_path / "page.md"
    main(["--results", str(results), "--page", str(page), "--keep", f"c={tmp_path / 'b.jsonl'}"])
    assert "`c`" in page.read_text()
    (tmp_path / "broken.jsonl").write_text("{\n")
    with pytest.raises(ConfigurationError, match="no results"):
        keep("d", tmp_path / "broken.jsonl", results)


def test_the_page_is_what_its_files_say():
    folder = ROOT / "results" / "miniwob"
    assert (ROOT / "docs" / "miniwob.md").read_text(encoding="utf-8") == page_of(folder)
    for one in measured_in(folder):
        seeds = {int(result.task_id.rpartition("/")[2]) for result in one.results}
        assert max(seeds) < 20, one.name  # held out
    assert json.loads(next(folder.glob("*.json")).read_text(encoding="utf-8"))["setup"]["suite"] == "miniwob"
