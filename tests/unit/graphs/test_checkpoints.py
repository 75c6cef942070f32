"""Threads: state that any checkpointer can keep, a new episode for every input, and going on after a cancelled one."""

from __future__ import annotations

import asyncio
import json

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from loop_helpers import FINISH, TASK, THREE, TWO, always_new, make_agent, prompt_texts

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.graphs.build import trace_of
from tracer1_agents.graphs.settings import Tracer1Context
from tracer1_agents.testing import RecordingExecutor
from tracer1_agents.types import Execution, Observation

THREAD = {"configurable": {"thread_id": "1"}}


@pytest.fixture
def saver():
    """Only plain types and LangChain messages come back from it; no pickle."""
    return InMemorySaver(serde=JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None))


def context(*answers):
    return Tracer1Context(toolbox=RecordingExecutor(list(answers) or None))


class TestASecondRunOnAThread:
    def test_begins_anew(self, saver):
        agent, model = make_agent([THREE, TWO, FINISH, 'c(z=3) # "c"', 'finish(answer="7") # "f"'], checkpointer=saver)
        first = agent.invoke({**TASK, "observation": {"text": "the old screen"}}, THREAD, context=context("one", "two"))
        assert trace_of(first).observation.text == "the old screen"
        result = agent.invoke({"instruction": "another task"}, THREAD, context=context("three"))
        assert (result["task"], result["answer"], result["planner_calls"]) == ("another task", "7", 2)
        assert [entry["step"] for entry in result["forecast_log"]] == [1, 2]
        assert trace_of(result).observation == Observation()
        assert prompt_texts(model)[3] == "Task: another task"

    def test_a_message_replaces_an_old_instruction(self, saver):
        agent, model = make_agent([FINISH], checkpointer=saver)
        agent.invoke(TASK, THREAD)
        result = agent.invoke({"messages": [("user", "and now this")]}, THREAD)
        assert result["task"] == "and now this"
        assert prompt_texts(model)[1] == "Task: and now this"
        assert [message.type for message in result["messages"]] == ["ai", "human", "ai"]

    def test_an_early_end_shows_nothing_of_the_first(self, saver):
        agent, _ = make_agent([THREE, FINISH, "gibberish"], checkpointer=saver, max_reasks=0)
        first = agent.invoke(TASK, THREAD, context=context())
        second = agent.invoke({"instruction": "another"}, THREAD, context=context())
        assert (first["answer"], len(first["forecast_log"])) == ("42", 2)
        assert (second["answer"], second["forecast_log"], second["status"]) == (None, [], "parse_error")

    def test_errors_of_the_first_do_not_count(self, saver):
        bad = Execution(ok=False, text="error: no")
        agent, _ = make_agent(always_new(), checkpointer=saver, max_tool_errors=2, max_steps=3)
        agent.invoke(TASK, THREAD, context=context("ok", "ok", bad))
        result = agent.invoke(TASK, THREAD, context=context(bad, "ok", "ok"))
        assert result["status"] == "step_limit"

    def test_after_a_cancelled_run(self, saver):
        async def both():
            agent, model = make_agent(['a(x=1) # "a"', *[FINISH] * 3], checkpointer=saver)
            slow = RecordingExecutor(delay=30)
            first = asyncio.create_task(agent.ainvoke(TASK, THREAD, context=Tracer1Context(toolbox=slow)))
            while not slow.calls:  # noqa: ASYNC110  (the fake has no event)
                await asyncio.sleep(0.005)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            return await agent.ainvoke({"instruction": "another"}, THREAD, context=context()), model

        result, model = asyncio.run(both())
        assert (result["task"], result["status"]) == ("another", "finished")
        assert prompt_texts(model)[-1] == "Task: another"


class TestGoingOn:
    def test_a_crash_while_executing_does_not_plan_again(self, saver):
        class Crashes(RecordingExecutor):
            def execute(self, action, instruction, observation):
                super().execute(action, instruction, observation)
                msg = "a bug in the executor"
                raise RuntimeError(msg)

        agent, model = make_agent([THREE, TWO, FINISH], checkpointer=saver)
        with pytest.raises(RuntimeError, match="a bug"):
            agent.invoke(TASK, THREAD, context=Tracer1Context(toolbox=Crashes()))
        box = RecordingExecutor(["one", "two"])
        result = agent.invoke(None, THREAD, context=Tracer1Context(toolbox=box))
        assert result["status"] == "finished"
        assert len(model.prompts) == 3
        assert [entry["execution"]["text"] for entry in result["forecast_log"]] == ["one", "two", ""]

    def test_a_fork_with_a_forecast_that_says_nothing(self, saver):
        agent, _ = make_agent([THREE, FINISH], checkpointer=saver)
        agent.invoke(TASK, THREAD, context=context(), interrupt_before=["toolbox"])
        with pytest.raises(ConfigurationError, match="the state's forecast has no pair to run"):
            agent.update_state(THREAD, {"forecast": {"pairs": []}}, as_node="plan")

    def test_interrupt_before_the_tools(self, saver):
        agent, _ = make_agent([THREE, FINISH], checkpointer=saver)
        box = RecordingExecutor()
        agent.invoke(TASK, THREAD, context=Tracer1Context(toolbox=box), interrupt_before=["toolbox"])
        assert box.calls == []
        assert agent.get_state(THREAD).next == ("toolbox",)
        result = agent.invoke(None, THREAD, context=Tracer1Context(toolbox=box))
        assert (result["status"], len(box.calls)) == ("finished", 1)


class TestState:
    def test_is_plain_json(self, saver):
        agent, _ = make_agent([THREE, TWO, FINISH], checkpointer=saver)
        agent.invoke(TASK, THREAD, context=context())
        for snapshot in agent.get_state_history(THREAD):
            plain = {key: value for key, value in snapshot.values.items() if key != "messages"}
            assert json.loads(json.dumps(plain)) == plain

    def test_without_a_checkpointer_nothing_is_kept(self):
        agent, model = make_agent([THREE, TWO, FINISH, FINISH])
        agent.invoke(TASK, context=context())
        agent.invoke({"instruction": "another"}, context=context())
        assert prompt_texts(model)[-1] == "Task: another"

    def test_sqlite(self, tmp_path):
        sqlite = pytest.importorskip("langgraph.checkpoint.sqlite")
        with sqlite.SqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as saver:
            agent, _ = make_agent([THREE, TWO, FINISH, FINISH], checkpointer=saver)
            agent.invoke(TASK, THREAD, context=context())
        with sqlite.SqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as saver:
            agent, _ = make_agent([FINISH], checkpointer=saver)
            assert agent.get_state(THREAD).values["answer"] == "42"
            result = agent.invoke({"instruction": "another"}, THREAD, context=context())
        assert (result["task"], len(result["forecast_log"])) == ("another", 1)
