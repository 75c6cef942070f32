"""Approving, editing and rejecting forecasts before they run."""

from __future__ import annotations

import asyncio
import time

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, StateGraph
from langgraph.types import Command
from loop_helpers import FINISH, TASK, THREE, TWO, make_agent, prompt_texts
from pydantic import ValidationError

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.graphs.build import trace_of
from tracer1_agents.graphs.settings import Tracer1Context
from tracer1_agents.graphs.state import AgentInput, AgentOutput
from tracer1_agents.testing import RecordingExecutor

THREAD = {"configurable": {"thread_id": "1"}}
APPROVE = {"decision": "approve"}
EDITED = {"action": {"kind": "tool", "name": "c", "arguments": {"z": 3}}, "instruction": "rather this"}


def saver():
    return InMemorySaver(serde=JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None))


@pytest.fixture
def box():
    return RecordingExecutor(["one", "two"])


def reviewed(script, **options):
    return make_agent(script, checkpointer=saver(), approve_plan=True, **options)


def question(result):
    return result["__interrupt__"][0].value


class TestReview:
    def test_approve(self, box):
        agent, model = reviewed([THREE, TWO, FINISH])
        context = Tracer1Context(toolbox=box)
        result = agent.invoke(TASK, THREAD, context=context)
        assert (question(result)["step"], question(result)["task"]) == (1, TASK["instruction"])
        assert [pair["instruction"] for pair in question(result)["pairs"]] == ["first", "second", "tell"]
        assert question(result)["reasons"] == []
        assert box.calls == []
        for _ in range(3):
            result = agent.invoke(Command(resume=APPROVE), THREAD, context=context)
        assert (result["status"], result["answer"], len(box.calls), len(model.prompts)) == ("finished", "42", 2, 3)
        assert all("may have run twice" not in str(entry["events"]) for entry in result["forecast_log"])

    def test_async(self, box):
        async def run():
            agent, _ = reviewed([THREE, FINISH])
            context = Tracer1Context(toolbox=box)
            await agent.ainvoke(TASK, THREAD, context=context)
            await agent.ainvoke(Command(resume=APPROVE), THREAD, context=context)
            return await agent.ainvoke(Command(resume=APPROVE), THREAD, context=context)

        assert asyncio.run(run())["status"] == "finished"

    def test_edit(self, box):
        agent, _ = reviewed([f"<think>A long thought.</think>\n{THREE}", FINISH])
        context = Tracer1Context(toolbox=box)
        agent.invoke(TASK, THREAD, context=context)
        agent.invoke(Command(resume={"decision": "edit", "pairs": [EDITED]}), THREAD, context=context)
        result = agent.invoke(Command(resume=APPROVE), THREAD, context=context)
        assert [(action.name, said) for action, said in box.calls] == [("c", "rather this")]
        first = result["forecast_log"][0]
        assert first["executed"]["name"] == "c"
        assert first["events"][0].startswith("edited: the planner said a(x=1)")

    def test_edit_to_the_end(self, box):
        agent, _ = reviewed([THREE])
        agent.invoke(TASK, THREAD, context=Tracer1Context(toolbox=box))
        end = {"decision": "edit", "pairs": [{"action": {"kind": "finish", "answer": "mine"}}]}
        result = agent.invoke(Command(resume=end), THREAD, context=Tracer1Context(toolbox=box))
        assert (result["answer"], box.calls) == ("mine", [])

    def test_reject_with_a_reason(self, box):
        agent, model = reviewed(['a(x=1) # "first"', TWO, FINISH])
        context = Tracer1Context(toolbox=box)
        agent.invoke(TASK, THREAD, context=context)
        result = agent.invoke(
            Command(resume={"decision": "reject", "reason": "not on\na Sunday"}), THREAD, context=context
        )
        assert question(result)["step"] == 1
        assert question(result)["pairs"][0]["action"]["name"] == "b"
        agent.invoke(Command(resume=APPROVE), THREAD, context=context)
        result = agent.invoke(Command(resume=APPROVE), THREAD, context=context)
        first = result["forecast_log"][0]
        assert first["events"] == ["rejected: not on a Sunday"]
        assert (first["planner_calls"], result["planner_calls"]) == (2, 3)
        tokens = sum(entry["usage"]["output_tokens"] for entry in result["forecast_log"])
        assert tokens == result["usage"]["output_tokens"] > 0
        assert len(model.prompts) == 3

    def test_the_planner_reads_the_reason(self):
        reply = "Thought: x\nAction: wait()"
        agent, model = make_agent(
            [reply], checkpointer=saver(), approve_plan=True, profile="ui-tars", platform="computer"
        )
        agent.invoke(TASK, THREAD)
        agent.invoke(Command(resume={"decision": "reject", "reason": "not on a Sunday"}), THREAD)
        assert "your last plan was rejected: not on a Sunday" in prompt_texts(model)[1]

    def test_somebody_may_think_longer_than_the_run_may_last(self, box, monkeypatch):
        agent, _ = reviewed([THREE, TWO, FINISH, FINISH], time_limit=60)
        context, clock = Tracer1Context(toolbox=box), time.time
        agent.invoke(TASK, THREAD, context=context)
        for hours, decision in enumerate((APPROVE, {"decision": "reject", "reason": "no"}, APPROVE), start=1):
            monkeypatch.setattr(time, "time", lambda hours=hours: clock() + 3600 * hours)
            result = agent.invoke(Command(resume=decision), THREAD, context=context)
        assert (result["status"], result["detail"]) == ("finished", "")

    def test_where_there_is_no_forecast_nobody_is_asked(self, box):
        agent, _ = reviewed([THREE, "no idea"], max_reasks=0)
        agent.invoke(TASK, THREAD, context=Tracer1Context(toolbox=box))
        result = agent.invoke(Command(resume=APPROVE), THREAD, context=Tracer1Context(toolbox=box))
        assert (result["status"], result.get("__interrupt__")) == ("parse_error", None)

    def test_too_many_rejections_end_the_run(self, box):
        agent, _ = reviewed([THREE, TWO], max_reasks=1)
        no = Command(resume={"decision": "reject", "reason": "no"})
        agent.invoke(TASK, THREAD, context=Tracer1Context(toolbox=box))
        agent.invoke(no, THREAD, context=Tracer1Context(toolbox=box))
        result = agent.invoke(no, THREAD, context=Tracer1Context(toolbox=box))
        assert (result["status"], box.calls) == ("rejected", [])
        assert result["detail"] == "2 forecasts of step 1 were rejected; the last: no"


class TestInvalidReplies:
    @pytest.mark.parametrize(
        ("reply", "words"),
        [
            ("yes", "valid dictionary or instance of PlanReview"),
            ({"decision": "maybe"}, "'approve', 'edit' or 'reject'"),
            ({"decision": "edit"}, "needs at least one"),
            ({"decision": "edit", "pairs": [{"action": {"kind": "fly"}}]}, "kind"),
            ({"decision": "reject"}, "needs one"),
            ({"decision": "approve", "pairs": [EDITED]}, "pairs belong to"),
            ({"decision": "approve", "extra": 1}, "extra"),
        ],
    )
    def test_can_be_answered_again(self, box, reply, words):
        agent, model = reviewed([THREE, FINISH])
        context = Tracer1Context(toolbox=box)
        agent.invoke(TASK, THREAD, context=context)
        with pytest.raises(ValidationError, match=words):
            agent.invoke(Command(resume=reply), THREAD, context=context)
        assert agent.get_state(THREAD).next == ("review",)
        agent.invoke(Command(resume=APPROVE), THREAD, context=context)
        assert (len(box.calls), len(model.prompts)) == (1, 2)

    def test_a_placeholder_cannot_run_now(self, box):
        agent, _ = reviewed([THREE, THREE])
        agent.invoke(TASK, THREAD, context=Tracer1Context(toolbox=box))
        waits = {"action": {"kind": "tool", "name": "c", "arguments": {"z": {"$result": 1}}}}
        with pytest.raises(ValidationError, match="cannot hold a Result placeholder"):
            agent.invoke(Command(resume={"decision": "edit", "pairs": [waits, EDITED]}), THREAD)
        result = agent.invoke(Command(resume={"decision": "edit", "pairs": [EDITED, waits]}), THREAD)
        assert len(result["__interrupt__"]) == 1  # the edited pair ran, and the next forecast is asked about

    def test_the_reply_has_a_schema(self):
        agent, _ = reviewed([THREE])
        schema = agent.invoke(TASK, THREAD)["__interrupt__"][0].response_schema
        assert schema["properties"]["decision"]["enum"] == ["approve", "edit", "reject"]


class TestWhere:
    def test_the_context_of_a_run_decides(self, box):
        agent, _ = make_agent([THREE, FINISH], checkpointer=saver())
        result = agent.invoke(TASK, THREAD, context=Tracer1Context(toolbox=box, approve_plan=True))
        assert question(result)["type"] == "approve_plan"
        agent, _ = reviewed([THREE, FINISH])
        result = agent.invoke(TASK, THREAD, context=Tracer1Context(toolbox=box, approve_plan=False))
        assert result["status"] == "finished"

    def test_through_a_parent_graph(self, box):
        agent, _ = make_agent([THREE, FINISH], approve_plan=True)
        parent = StateGraph(AgentInput, output_schema=AgentOutput, context_schema=Tracer1Context)
        parent.add_node("agent", agent)
        parent.add_edge(START, "agent")
        app = parent.compile(checkpointer=saver())
        context = Tracer1Context(toolbox=box)
        result = app.invoke({"messages": [("user", "do it")]}, THREAD, context=context)
        assert question(result)["step"] == 1
        app.invoke(Command(resume=APPROVE), THREAD, context=context)
        result = app.invoke(Command(resume=APPROVE), THREAD, context=context)
        assert result["messages"][-1].text == "42"
        assert len(box.calls) == 1

    def test_a_run_that_waits_has_no_trace_yet(self):
        agent, _ = reviewed([FINISH])
        with pytest.raises(ConfigurationError, match="this result has no status: the run waits for an answer"):
            trace_of(agent.invoke(TASK, THREAD))
        assert trace_of(agent.invoke(Command(resume=APPROVE), THREAD)).status == "finished"

    def test_either_version_of_a_result_has_a_trace(self):
        agent, _ = make_agent([FINISH])
        assert trace_of(agent.invoke(TASK, version="v2")).answer == trace_of(agent.invoke(TASK)).answer == "42"

    def test_without_a_checkpointer(self):
        agent, _ = make_agent([THREE], approve_plan=True)
        with pytest.raises(ConfigurationError, match="approve_plan needs a checkpointer"):
            agent.invoke(TASK)
        with pytest.raises(ConfigurationError, match="approve_plan needs a checkpointer"):
            agent.invoke(TASK, THREAD)  # nobody could resume it

    def test_not_a_bool(self):
        with pytest.raises(ConfigurationError, match="approve_plan must be True or False, got 'yes'"):
            make_agent([THREE], approve_plan="yes")

    def test_a_small_recursion_limit_ends_the_run(self, box):
        agent, _ = reviewed([THREE, TWO, FINISH])
        config = {**THREAD, "recursion_limit": 6}
        agent.invoke(TASK, config, context=Tracer1Context(toolbox=box))
        result = agent.invoke(Command(resume=APPROVE), config, context=Tracer1Context(toolbox=box))
        while "__interrupt__" in result:
            result = agent.invoke(Command(resume=APPROVE), config, context=Tracer1Context(toolbox=box))
        assert result["status"] in {"step_limit", "finished"}
