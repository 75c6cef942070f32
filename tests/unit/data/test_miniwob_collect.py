"""Which demonstrations are played, and which stand already; the browser's part is in tests/browser."""

from __future__ import annotations

import pytest

from tracer1_agents.data.miniwob.collect import demonstrate, jobs_of, kept_in
from tracer1_agents.errors import ConfigurationError, DataError


def test_seeds_come_in_blocks_so_that_a_stopped_run_has_all_tasks_alike():
    jobs = jobs_of(["a", "b"], range(10, 17), {"a/10", "b/15", "b/16"})
    assert jobs == [("a", [11, 12, 13, 14]), ("b", [10, 11, 12, 13, 14]), ("a", [15, 16])]


def test_a_line_that_a_kill_cut_off_is_played_again(tmp_path):
    file = tmp_path / "miniwob.jsonl"
    assert kept_in(file) == set()
    file.write_text('{"version": 1, "id": "click-test/1000"}\n{"version": 1, "id": "clic')
    assert kept_in(file) == {"click-test/1000"}
    assert file.read_text().endswith("}\n")


def test_a_file_of_something_else_is_refused(tmp_path):
    file = tmp_path / "miniwob.jsonl"
    file.write_text('{"id": "click-test/1000"}\n[1]\n')
    with pytest.raises(DataError, match="not a trajectory"):
        kept_in(file)


@pytest.mark.parametrize(("options", "message"), [
    ({"first_seed": 15}, "for measuring"),
    ({"seeds": 0}, "for measuring"),
    ({"concurrency": 0}, "count from 1"),
    ({"tasks": ["no-such-task"]}, "no oracle"),
])  # fmt: skip
def test_what_cannot_be_played_is_refused_before_a_browser_starts(tmp_path, options, message):
    with pytest.raises(ConfigurationError, match=message):
        demonstrate(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
