"""Reading task sets: a broken line is a problem, the rest is read."""

from __future__ import annotations

import json

import pytest

from tracer1_agents.errors import DataError
from tracer1_agents.evals.gaia import GaiaTask, TaskSet, read_tasks
from tracer1_agents.evals.run import select_tasks


def row(task_id, **fields):
    return json.dumps({"task_id": task_id, "Question": f"question {task_id}", **fields})


@pytest.fixture
def write(tmp_path):
    def write(*lines):
        (tmp_path / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return read_tasks(tmp_path)

    return write


class TestReading:
    def test_fields(self, write, tmp_path):
        notes = {"family": "x", "trained_family": False, "unseen_style": True, "unseen_phrase": False}
        full = row("a", Level="2", file_name="f/a.csv", **{"Final answer": 17, "Annotator Metadata": notes})
        tasks = write(full, row("b"), row("c", **{"Final answer": "?", "Level": 1, "Annotator Metadata": "none"}))
        assert tasks.problems == ()
        assert tasks.tasks == (
            GaiaTask(
                "a", "question a", 2, "17", tmp_path / "f/a.csv", "x", trained_family=False, traits=("unseen_style",)
            ),
            GaiaTask("b", "question b"),
            GaiaTask("c", "question c", 1),
        )

    def test_a_mark_of_windows_in_front(self, tmp_path):
        (tmp_path / "metadata.jsonl").write_text(row("a") + "\n", encoding="utf-8-sig")
        assert [one.task_id for one in read_tasks(tmp_path).tasks] == ["a"]

    def test_a_missing_attachment_is_no_reading_problem(self, write):
        assert write(row("a", file_name="gone.csv")).problems == ()

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("{", "not JSON"),
            ("17", "expected an object with task_id and Question, got int"),
            ("[" * 100_000, "not JSON"),
            ('{"task_id": ' + "9" * 5_000 + "}", "not JSON"),
            ('{"task_id": "x"}', "field 'Question' is missing or empty, got None"),
            ('{"task_id": 5, "Question": "q"}', "field 'task_id' is missing or empty, got 5"),
            ('{"task_id": " ", "Question": "q"}', "field 'task_id' is missing"),
            (row("x", Level="hard"), "field 'Level' must be a number, got 'hard'"),
            (row("x", Level=[1]), "field 'Level' must be a number"),
            (row("x", file_name="/etc/passwd"), "must name a file beside metadata.jsonl"),
            (row("x", file_name="a/../../b"), "must name a file beside metadata.jsonl"),
            (row("a"), "task_id 'a' stands on an earlier line too"),
            ('{"task_id": "x", "Question": "\udcff"', "not JSON"),
        ],
    )
    def test_a_broken_line(self, tmp_path, line, words):
        text = "\n".join([row("a"), "", line, row("b")])
        (tmp_path / "metadata.jsonl").write_bytes(text.encode("utf-8", "surrogateescape"))
        tasks = read_tasks(tmp_path)
        assert [task.task_id for task in tasks.tasks] == ["a", "b"]
        (problem,) = tasks.problems
        assert words in str(problem)
        assert f"{tmp_path / 'metadata.jsonl'}:3: " in str(problem)
        assert problem.line == 3

    def test_no_set(self, tmp_path):
        with pytest.raises(DataError, match="no task set; expected a folder with metadata"):
            read_tasks(tmp_path)
        with pytest.raises(DataError, match="no task set"):
            read_tasks(tmp_path / "gone.jsonl")

    def test_a_file_of_another_name(self, tmp_path):
        (tmp_path / "tasks.jsonl").write_text(row("a"))
        assert len(read_tasks(tmp_path / "tasks.jsonl").tasks) == 1

    @pytest.mark.parametrize(("name", "count", "unseen"), [("demo", 40, 6), ("measure", 300, 40)])
    def test_bundled(self, name, count, unseen):
        tasks = read_tasks(name)
        assert tasks.problems == ()
        assert len(tasks.tasks) == count
        assert sum(not task.trained_family for task in tasks.tasks) == unseen
        assert all(task.attachment is None or task.attachment.is_file() for task in tasks.tasks)
        assert all(task.truth for task in tasks.tasks)
        assert tasks.corpus is not None


class TestSelecting:
    @pytest.fixture
    def tasks(self, tmp_path):
        return TaskSet(tmp_path, tuple(GaiaTask(str(k), "q", level=1 + k % 3) for k in range(12)))

    @pytest.mark.parametrize(
        ("options", "ids"),
        [
            ({}, range(12)),
            ({"limit": 99}, range(12)),
            ({"limit": 3}, (0, 4, 8)),
            ({"limit": 5}, (0, 2, 4, 7, 9)),
            ({"limit": 0}, ()),
            ({"level": 2}, (1, 4, 7, 10)),
            ({"level": 2, "limit": 2}, (1, 7)),
            ({"level": 9}, ()),
        ],
    )
    def test_table(self, tasks, options, ids):
        assert [task.task_id for task in select_tasks(tasks, **options)] == [str(number) for number in ids]
