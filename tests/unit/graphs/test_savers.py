"""The same threads on every kind of checkpointer: kept, taken up by another process, forked from an earlier forecast.

Postgres is a real server, started for these tests where its programs are installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Overwrite
from loop_helpers import FINISH, TASK, THREE, TWO, always_new, different_texts, make_agent

from tracer1_agents.graphs.settings import Tracer1Context
from tracer1_agents.testing import RecordingExecutor

THREAD = {"configurable": {"thread_id": "1"}}
SIZES = ("select sum(length(checkpoint)) from checkpoints", "select sum(length(value)) from writes")
STRICT = JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)


def context(*answers):
    return Tracer1Context(toolbox=RecordingExecutor(list(answers) or None))


@contextmanager
def same_memory(saver):
    yield saver


@contextmanager
def sqlite(path):
    module = pytest.importorskip("langgraph.checkpoint.sqlite", reason="langgraph-checkpoint-sqlite is not installed")
    with module.SqliteSaver.from_conn_string(path) as saver:
        saver.serde = STRICT
        yield saver


@contextmanager
def postgres(address):
    module = pytest.importorskip("langgraph.checkpoint.postgres", reason="langgraph-checkpoint-postgres is missing")
    with module.PostgresSaver.from_conn_string(address) as saver:
        saver.serde = STRICT
        saver.setup()
        yield saver


@pytest.fixture(scope="session")
def postgres_address():
    """A server on a Unix socket in a folder of its own; it refuses to run as root, so then it runs as nobody."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if not all(map(shutil.which, ("initdb", "postgres"))):
        pytest.skip("no postgres here: its programs initdb and postgres are not on the path")
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    if user:
        shutil.chown(folder, user)
    data = folder / "data"
    run = partial(subprocess.run, check=True, capture_output=True, user=user, cwd=folder)
    run(["initdb", "-D", str(data), "-U", "tester", "--no-sync"])
    server = subprocess.Popen(  # noqa: S603
        ["postgres", "-D", str(data), "-k", str(folder), "-c", "listen_addresses=", "-F"],  # noqa: S607
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=user,
        cwd=folder,
    )
    address = f"postgresql://tester@/postgres?host={folder}"
    try:
        _wait_for(address)
        yield address
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(address):
    import time  # noqa: PLC0415

    import psycopg  # noqa: PLC0415

    for _ in range(300):
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("postgres did not come up within 30 seconds")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def opened(request, tmp_path):
    """Opens the same store anew each time, as another process would."""
    if request.param == "memory":
        return partial(same_memory, InMemorySaver(serde=STRICT))
    if request.param == "sqlite":
        return partial(sqlite, str(tmp_path / "threads.db"))
    address = request.getfixturevalue("postgres_address")
    with postgres(address) as saver:
        saver.delete_thread("1")
    return partial(postgres, address)


def test_a_finished_thread_is_found_again(opened):
    with opened() as saver:
        agent, _ = make_agent([THREE, TWO, FINISH], checkpointer=saver)
        agent.invoke(TASK, THREAD, context=context("one", "two"))
    with opened() as saver:
        agent, _ = make_agent([FINISH], checkpointer=saver)
        kept = agent.get_state(THREAD).values
        assert (kept["answer"], len(kept["forecast_log"])) == ("42", 3)
        result = agent.invoke({"instruction": "another"}, THREAD, context=context())
    assert (result["task"], len(result["forecast_log"])) == ("another", 1)


def test_a_thread_is_taken_up_where_it_stopped(opened):
    with opened() as saver:
        agent, _ = make_agent([THREE, TWO], checkpointer=saver)
        agent.invoke(TASK, THREAD, context=context("one"), interrupt_after=["observe"], durability="sync")
    with opened() as saver:
        agent, model = make_agent([TWO, FINISH], checkpointer=saver)
        result = agent.invoke(None, THREAD, context=context("two"))
    assert len(model.prompts) == 2
    assert [entry["execution"]["text"] for entry in result["forecast_log"]] == ["one", "two", ""]


def test_a_fork_from_an_earlier_forecast(opened):
    with opened() as saver:
        agent, _ = make_agent([THREE, TWO, FINISH, 'finish(answer="forked") # "tell"'], checkpointer=saver)
        agent.invoke(TASK, THREAD, context=context("one", "two"))
        planned = [state for state in agent.get_state_history(THREAD) if state.next == ("toolbox",)]
        second = next(state for state in planned if state.values["step"] == 2)
        forecast = {"pairs": [{"action": {"kind": "tool", "name": "other", "arguments": {}}, "instruction": "else"}]}
        forked = agent.update_state(second.config, {"forecast": forecast}, as_node="plan")
        result = agent.invoke(None, forked, context=context("three"))
    executed = [entry["executed"].get("name") for entry in result["forecast_log"]]
    assert executed == ["a", "other", None]
    assert result["answer"] == "forked"


def test_a_long_log_comes_back_whole(opened):
    """Longer than the distance between two whole copies of it."""
    with opened() as saver:
        agent, _ = make_agent(always_new(), checkpointer=saver, max_steps=130)
        agent.invoke(TASK, THREAD, context=context(*different_texts()))
    with opened() as saver:
        agent, _ = make_agent([FINISH], checkpointer=saver)
        log = agent.get_state(THREAD).values["forecast_log"]
    assert [entry["step"] for entry in log] == list(range(1, 131))


def test_a_log_can_be_set_anew(opened):
    with opened() as saver:
        agent, _ = make_agent([THREE, TWO, FINISH, FINISH], checkpointer=saver)
        agent.invoke(TASK, THREAD, context=context("one", "two"))
        log = agent.get_state(THREAD).values["forecast_log"]
        agent.update_state(THREAD, {"forecast_log": Overwrite(log[:1])}, as_node="observe")
        assert agent.get_state(THREAD).values["forecast_log"] == log[:1]


def test_what_a_step_stores_does_not_grow(tmp_path):
    """Not even where every action is a page of code: the loop guard looks back 64 steps."""
    stored, page = {}, "print('a line of a long program')\n" * 40
    script = [f'code(source={json.dumps(f"{page}{number:06}")}) # "step"' for number in range(150)]
    with sqlite(str(tmp_path / "threads.db")) as saver:

        class Looks(RecordingExecutor):
            def execute(self, action, instruction, observation):
                stored[len(stored)] = sum(saver.conn.execute(size).fetchone()[0] or 0 for size in SIZES)
                return super().execute(action, instruction, observation)

        agent, _ = make_agent(script, checkpointer=saver, max_steps=140)
        agent.invoke(TASK, THREAD, context=Tracer1Context(toolbox=Looks(different_texts())), durability="sync")
    early, late = (stored[end] - stored[end - 30] for end in (50, 139))
    assert late <= 1.02 * early
