"""Threads that other versions wrote: taken up where this one can read them, refused with a message where it cannot.

`threads_of_before.db.gz` is a SQLite file of two threads, written while state still held the loop guard's trail and the
log whole: one stopped after two steps that did and saw the same, one waits for somebody to approve its forecast.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command
from loop_helpers import FINISH, TASK, THREE, TWO, make_agent

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.graphs.settings import Tracer1Context
from tracer1_agents.graphs.state import GROWING, TRAIL
from tracer1_agents.testing import RecordingExecutor

WRITTEN = Path(__file__).with_name("threads_of_before.db.gz")
THREAD = {"configurable": {"thread_id": "1"}}


@pytest.fixture
def saver(tmp_path):
    sqlite = pytest.importorskip(
        "langgraph.checkpoint.sqlite", reason="langgraph-checkpoint-sqlite is not installed (extra dev)"
    )
    file = tmp_path / "threads.db"
    file.write_bytes(gzip.decompress(WRITTEN.read_bytes()))
    with sqlite.SqliteSaver.from_conn_string(str(file)) as opened:
        opened.serde = JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)
        yield opened


def context(*answers):
    return Tracer1Context(toolbox=RecordingExecutor(list(answers)))


class TestOfBefore:
    def test_a_stopped_run_goes_on_and_knows_what_it_did(self, saver):
        thread = {"configurable": {"thread_id": "stopped"}}
        agent, model = make_agent(['a(x=1) # "a third time"', FINISH], checkpointer=saver)
        assert [kind for kind, *_ in agent.get_state(thread).values["trail"]] == ["tool:a", "tool:a"]
        result = agent.invoke(None, thread, context=context("never run"))
        assert (result["status"], [entry["step"] for entry in result["forecast_log"]]) == ("finished", [1, 2, 3])
        assert result["forecast_log"][2]["events"], "the third time was no repeat: the old marks were not compared"
        assert len(model.prompts) == 2

    def test_a_waiting_run_can_be_answered(self, saver):
        thread = {"configurable": {"thread_id": "waiting"}}
        agent, _ = make_agent([FINISH], checkpointer=saver)
        result = agent.invoke(Command(resume={"decision": "approve"}), thread, context=context("done"))
        assert [entry["execution"]["text"] for entry in result["forecast_log"]] == ["done", ""]

    def test_a_new_task_begins_anew(self, saver):
        thread = {"configurable": {"thread_id": "stopped"}}
        agent, _ = make_agent([FINISH], checkpointer=saver)
        result = agent.invoke({"instruction": "another"}, thread, context=context())
        assert (result["task"], len(result["forecast_log"])) == ("another", 1)
        assert agent.get_state(thread).values["trail"] == []

    def test_logs_and_trails_that_were_kept_whole_are_read(self):
        log = [{"step": 1}, {"step": 2}]
        assert GROWING.from_checkpoint(log).get() == log
        assert TRAIL.from_checkpoint([["a", "b", "c"]]).get() == [["a", "b", "c"]]


@pytest.mark.parametrize(
    ("update", "words"),
    [
        (
            {"forecast": {"pairs": [{"action": {"kind": "teleport"}, "instruction": "x"}]}},
            r"Forecast cannot be read \(pairs\.0\.action.*'teleport'.*begin on a new thread",
        ),
        ({"forecast": "a(x=1)"}, r"Forecast cannot be read \(all of it"),
        ({"history": [{"step": "one"}]}, r"HistoryEntry cannot be read \(step"),
        ({"usage": {"tokens": 3}}, r"Usage cannot be read \(tokens"),
    ],
)
def test_what_cannot_be_read_is_refused(update, words):
    agent, _ = make_agent([THREE, TWO, FINISH], checkpointer=InMemorySaver())
    agent.invoke(TASK, THREAD, context=context("one", "two"), interrupt_before=["toolbox"])
    agent.update_state(THREAD, update, as_node="observe")
    with pytest.raises(ConfigurationError, match=words):
        agent.invoke(None, THREAD, context=context("one", "two"))
