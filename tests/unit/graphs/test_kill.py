"""Runs that are killed (SIGKILL) in each phase and resumed by another process, on a SQLite file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from loop_helpers import FINISH, TASK, THREE, TWO, make_agent

from tracer1_agents import Tracer1Context, create_tracer1_agent
from tracer1_agents.graphs.once import issue_ticket, redeem_ticket
from tracer1_agents.testing import RecordingExecutor, ScriptedModel

pytest.importorskip("langgraph.checkpoint.sqlite", reason="langgraph-checkpoint-sqlite is not installed")

PROGRAM = Path(__file__).with_name("episode.py")
SOURCES = str(Path(__file__).parents[3] / "src")
TWICE = "may have run twice: the run was interrupted in this step"


def episode(folder, *arguments):
    return subprocess.run(  # noqa: S603  (our own program)
        [sys.executable, "-W", "error:::tracer1_agents", str(PROGRAM), str(folder), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": SOURCES, "LANGGRAPH_STRICT_MSGPACK": "true"},
    )


def lines(folder, name):
    return (folder / name).read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("where", "planned", "ran", "doubtful"),
    [
        ("plan", ["0", "1", "1", "2", "3"], ["write", "order", "write"], []),
        ("execute", ["0", "1", "2", "3"], ["write", "order", "write", "write"], [3]),
        ("execute-once", ["0", "1", "2", "3"], ["write", "order", "write"], []),
        ("observe", ["0", "1", "2", "3"], ["write", "order", "write"], []),
    ],
)
def test_killed_and_resumed(tmp_path, where, planned, ran, doubtful):
    killed = episode(tmp_path, "start", where)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = episode(tmp_path, "resume")
    assert resumed.returncode == 0, resumed.stderr
    result = json.loads(resumed.stdout)
    assert result["status"] == "finished"
    assert lines(tmp_path, "planned") == planned  # a plan that is durable is not made again
    assert [line.split()[0] for line in lines(tmp_path, "ran")] == ran
    assert [entry["step"] for entry in result["log"] if TWICE in entry["events"]] == doubtful
    refused = [entry["step"] for entry in result["log"] if "is not run again" in entry["execution"]["text"]]
    assert refused == ([2] if where == "execute-once" else [])
    assert "Warning" not in resumed.stderr


class TestInOneProcess:
    def test_the_key_is_the_loops_and_differs_by_step(self):
        seen = []

        def order(item: str, idempotency_key: str) -> str:
            """Order an item."""
            seen.append(idempotency_key)
            return f"ordered {item} as number {len(seen)}"

        script = ['order(item="x", idempotency_key="mine") # "a"', 'order(item="x") # "b"', FINISH]
        model = ScriptedModel(script=script)
        create_tracer1_agent(model, [order], profile="generic", max_reasks=0).invoke(TASK)
        assert "idempotency_key" not in model.prompts[0][0].text
        agent = create_tracer1_agent(ScriptedModel(script=script), [order], profile="compact")
        result = agent.invoke(TASK)
        assert result["status"] == "finished"
        assert len(set(seen)) == 2
        assert "mine" not in seen

    def test_a_tool_that_raised_in_the_host_is_not_run_again(self):
        saver, thread, ran = InMemorySaver(), {"configurable": {"thread_id": "1"}}, []

        def order(item: str, idempotency_key: str) -> str:
            """Order an item."""
            ran.append((item, idempotency_key))
            raise KeyboardInterrupt

        agent = create_tracer1_agent(
            ScriptedModel(script=['order(item="x") # "a"', FINISH]), [order], profile="compact", checkpointer=saver
        )
        with pytest.raises(KeyboardInterrupt):
            agent.invoke(TASK, thread)
        result = agent.invoke(None, thread)
        assert (len(ran), result["status"]) == (1, "finished")
        assert ran[0][1] in result["forecast_log"][0]["execution"]["text"]

    def test_waiting_before_the_tool_is_no_doubt(self):
        saver, thread = InMemorySaver(), {"configurable": {"thread_id": "1"}}
        agent, _ = make_agent([THREE, FINISH], checkpointer=saver)
        context = Tracer1Context(toolbox=RecordingExecutor())
        agent.invoke(TASK, thread, context=context, interrupt_before=["toolbox"])
        result = agent.invoke(None, thread, context=context)
        assert TWICE not in result["forecast_log"][0]["events"]

    def test_tickets(self):
        ticket = issue_ticket()
        assert redeem_ticket(ticket)
        assert not redeem_ticket(ticket)
        assert not redeem_ticket("of another process")


def test_fork_from_an_earlier_forecast():
    saver, thread = InMemorySaver(), {"configurable": {"thread_id": "1"}}
    agent, model = make_agent([THREE, TWO, FINISH, FINISH], checkpointer=saver)
    box = RecordingExecutor(["one", "two", "three"])
    agent.invoke(TASK, thread, context=Tracer1Context(toolbox=box))
    planned = [state for state in agent.get_state_history(thread) if state.next == ("toolbox",)][-1]
    forecast = dict(planned.values["forecast"])
    forecast["pairs"] = [{"action": {"kind": "tool", "name": "z", "arguments": {}}, "instruction": "instead"}]
    fork = agent.update_state(planned.config, {"forecast": forecast}, as_node="plan")
    result = agent.invoke(None, fork, context=Tracer1Context(toolbox=box))
    assert [action.name for action, _ in box.calls] == ["a", "b", "z"]
    assert [entry["executed"].get("name") for entry in result["forecast_log"]] == ["z", None]
    assert (result["status"], len(model.prompts)) == ("finished", 4)


def test_a_fork_with_a_ticket_of_its_own_runs_what_was_started_before():
    ordered, thread = [], {"configurable": {"thread_id": "1"}}

    def order(item: str, idempotency_key: str) -> str:
        """Order an item."""
        assert idempotency_key
        ordered.append(item)
        return f"ordered {item}"

    script = ['order(item="cake") # "Order"', FINISH]
    agent, _ = make_agent(script, tools=[order], checkpointer=InMemorySaver())
    agent.invoke(TASK, thread)
    planned = next(state for state in agent.get_state_history(thread) if state.next == ("toolbox",))
    pair = {"action": {"kind": "tool", "name": "order", "arguments": {"item": "tea"}}, "instruction": "instead"}
    for more, text in (({}, "is not run again"), ({"ticket": issue_ticket()}, "ordered tea")):
        fork = agent.update_state(planned.config, {"forecast": {"pairs": [pair]}, **more}, as_node="plan")
        result = agent.invoke(None, fork)
        assert text in result["forecast_log"][0]["execution"]["text"]
    assert ordered == ["cake", "tea"]
