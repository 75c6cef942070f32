"""Runs over task sets: each task in a folder of its own, resumable, no failure but its own."""

from __future__ import annotations

import asyncio
import json

import pytest

from tracer1_agents import create_tracer1_agent
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.evals.gaia import GaiaTask
from tracer1_agents.evals.results import ResultsFile, TaskResult, read_results
from tracer1_agents.evals.run import Runner
from tracer1_agents.planner.policy import PolicyReply
from tracer1_agents.types import Status, Trace

SETUP = {"model": "scripted", "horizon": 8, "info_date": "today"}


def result(task_id, status="finished", **fields):
    return TaskResult(task_id=task_id, status=status, **fields)


class TestResultsFile:
    def test_fresh(self, tmp_path):
        output = ResultsFile(tmp_path / "runs" / "one.jsonl")
        assert output.resume(SETUP) == {}
        assert json.loads((tmp_path / "runs" / "one.meta.json").read_text()) == SETUP

    def test_skips_what_is_done_and_redoes_what_failed_outside(self, tmp_path):
        output = ResultsFile(tmp_path / "one.jsonl")
        output.resume(SETUP)
        for number, status in enumerate([*Status, "data_error"]):
            output.append(result(str(number), str(status)))
        done = output.resume(SETUP)
        redone = {"model_error", "infrastructure_error", "cancelled"}
        assert {entry.status for entry in done.values()} == {*map(str, Status), "data_error"} - redone
        assert {entry.task_id for entry in read_results(output.path)[0]} == set(done)

    def test_a_line_cut_off_is_dropped(self, tmp_path):
        output = ResultsFile(tmp_path / "one.jsonl")
        output.resume(SETUP)
        output.append(result("a"))
        output.append(result("b"))
        output.path.write_bytes(output.path.read_bytes()[:-9])
        assert len(read_results(output.path)[1]) == 1
        assert set(output.resume(SETUP)) == {"a"}
        output.append(result("c"))
        assert [entry.task_id for entry in read_results(output.path)[0]] == ["a", "c"]

    def test_any_text_survives(self, tmp_path):
        output = ResultsFile(tmp_path / "one.jsonl")
        output.resume(SETUP)
        odd = "a\u2028b\x85c\x1cd\r\ne\x00"
        trace = Trace(instruction=odd, status=Status.FINISHED, answer=odd)
        output.append(result("a", prediction=odd, trace=trace))
        output.append(result("b", prediction="half \ud800 a pair"))
        done = output.resume(SETUP)
        assert done["a"] == result("a", prediction=odd, trace=trace)
        assert done["b"].prediction == "half ? a pair"

    @pytest.mark.parametrize(
        ("setup", "words"),
        [
            ({**SETUP, "horizon": 4}, "horizon was 8 and is 4"),
            ({**SETUP, "max_steps": 4}, "max_steps was None and is 4"),
            ({"model": "scripted"}, "horizon was 8 and is None"),
        ],
    )
    def test_another_setup_is_refused(self, tmp_path, setup, words):
        output = ResultsFile(tmp_path / "one.jsonl")
        output.resume(SETUP)
        output.append(result("a"))
        with pytest.raises(ConfigurationError, match=f"belongs to another run \\({words}\\); name another file"):
            output.resume(setup)
        assert len(read_results(output.path)[0]) == 1
        assert set(output.resume({**SETUP, "info_date": "tomorrow"})) == {"a"}

    def test_a_file_that_windows_wrote_is_whole(self, tmp_path):
        lines = "".join(result(name).model_dump_json() + "\r\n" for name in "ab")
        (tmp_path / "one.jsonl").write_bytes(f"\ufeff{lines}\r\n".encode())
        results, problems = read_results(tmp_path / "one.jsonl")
        assert ([entry.task_id for entry in results], problems) == (["a", "b"], [])

    def test_results_of_unknown_making_are_refused(self, tmp_path):
        (tmp_path / "one.jsonl").write_text("{}\n")
        with pytest.raises(ConfigurationError, match="does not say how it was made"):
            ResultsFile(tmp_path / "one.jsonl").resume(SETUP)

    def test_no_file(self, tmp_path):
        with pytest.raises(ConfigurationError, match="no such results file"):
            read_results(tmp_path / "gone.jsonl")


class ByTask:
    """A policy that knows what to do for every task, and fails where it is told to."""

    def __init__(self, scripts):
        self.scripts = {key: list(script) for key, script in scripts.items()}

    def sample(self, messages, *, horizon, again=0, config=None):
        text = messages[-1].text
        key = next(key for key in self.scripts if key in text)
        reply = self.scripts[key].pop(0)
        if isinstance(reply, BaseException):
            raise reply
        return PolicyReply(reply)

    async def asample(self, messages, *, horizon, again=0, config=None):
        return self.sample(messages, horizon=horizon, config=config)


@pytest.fixture
def tasks(tmp_path):
    (tmp_path / "sales.csv").write_text("city,qty\nRome,2\nOslo,5\n")
    (tmp_path / "note.txt").write_text("The code word is heron.\n")
    return (
        GaiaTask("sum", "Total qty?", 1, "7", tmp_path / "sales.csv"),
        GaiaTask("word", "Which code word?", 1, "falcon", tmp_path / "note.txt"),
        GaiaTask("gone", "Nothing here?", 2, "x", tmp_path / "gone.txt"),
        GaiaTask("hidden", "No truth?", 3, None),
    )


SCRIPTS = {
    "Total qty?": [
        'table_aggregate(file_path="sales.csv", column="qty", operation="sum") # "Sum"',
        'finish(answer="7") # "Tell"',
    ],
    "Which code word?": [
        'inspect_file_as_text(file_path="sales.csv") # "Look for the other task\'s file"',
        'inspect_file_as_text(file_path="note.txt") # "Read"',
        'finish(answer="heron") # "Tell"',
    ],
    "No truth?": ['finish(answer="?") # "Tell"'],
}


def run_tasks(scripts, tasks, output, **options):
    agent = create_tracer1_agent(ByTask(scripts), profile="compact")
    asyncio.run(Runner(agent, **options).run(tasks, output))
    return {entry.task_id: entry for entry in read_results(output.path)[0]}


class TestRunner:
    def test_end_to_end(self, tasks, tmp_path):
        seen = []
        output = ResultsFile(tmp_path / "out.jsonl")
        output.resume(SETUP)
        results = run_tasks(SCRIPTS, tasks, output, on_result=seen.append)
        assert len(seen) == 4
        assert (results["sum"].correct, results["sum"].prediction, results["sum"].planner_calls) == (True, "7", 2)
        assert results["sum"].trace.steps[0].execution.text == "7"
        assert (results["word"].correct, results["word"].prediction) == (False, "heron")
        texts = [step.execution.text for step in results["word"].trace.steps]
        assert texts[0] == 'error: no file "sales.csv" in this folder; files: note.txt'  # a folder of its own
        assert texts[1] == "The code word is heron."
        assert (results["gone"].status, results["gone"].correct) == ("data_error", False)
        assert "gone.txt" in results["gone"].detail
        assert (results["hidden"].correct, results["hidden"].level) == (None, 3)

    def test_the_attachment_itself_is_never_touched(self, tasks, tmp_path):
        before = (tmp_path / "sales.csv").read_bytes()
        join = 'table_join(left_path="sales.csv", right_path="sales.csv", on="city", output="sales.csv") # "Overwrite"'
        output = ResultsFile(tmp_path / "out.jsonl")
        run_tasks({"Total qty?": [join, 'finish(answer="7") # "Tell"']}, tasks[:1], output)
        assert (tmp_path / "sales.csv").read_bytes() == before

    def test_a_task_that_breaks_is_only_its_own_result(self, tasks, tmp_path):
        scripts = {**SCRIPTS, "No truth?": [RuntimeError("a bug")]}
        output = ResultsFile(tmp_path / "out.jsonl")
        results = run_tasks(scripts, tasks, output)
        assert results["hidden"].status == "infrastructure_error"
        assert results["hidden"].detail == "RuntimeError: a bug"
        assert results["sum"].correct

    def test_going_on(self, tasks, tmp_path):
        output = ResultsFile(tmp_path / "out.jsonl")
        output.resume(SETUP)
        run_tasks({**SCRIPTS, "Total qty?": [RuntimeError("lost")]}, tasks, output)
        done = output.resume(SETUP)
        assert set(done) == {"word", "gone", "hidden"}
        left = tuple(task for task in tasks if task.task_id not in done)
        results = run_tasks(SCRIPTS, left, output)
        assert results["sum"].correct
        assert len(results) == 4

    def test_an_interrupt_keeps_what_is_finished(self, tasks, tmp_path):
        class Stuck(ByTask):
            async def asample(self, messages, *, horizon, again=0, config=None):
                if "Total qty?" in messages[-1].text:
                    await asyncio.sleep(60)
                return self.sample(messages, horizon=horizon, config=config)

        async def interrupted():
            agent = create_tracer1_agent(Stuck(SCRIPTS), profile="compact")
            finished = asyncio.Semaphore(0)
            runner = Runner(agent, on_result=lambda _: finished.release())
            run = asyncio.create_task(runner.run(tasks, output))
            for _ in range(3):
                await finished.acquire()
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)

        output = ResultsFile(tmp_path / "out.jsonl")
        output.resume(SETUP)
        asyncio.run(interrupted())
        assert set(output.resume(SETUP)) == {"word", "gone", "hidden"}

    def test_one_at_a_time(self, tasks, tmp_path):
        results = run_tasks(SCRIPTS, tasks, ResultsFile(tmp_path / "out.jsonl"), concurrency=1)
        assert len(results) == 4
        with pytest.raises(ConfigurationError, match="concurrency must be at least 1, got 0"):
            Runner(None, concurrency=0)
