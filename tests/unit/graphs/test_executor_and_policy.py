"""The toolbox executor's edges, and what a policy reads off a model's message."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Annotated, ClassVar

import langchain_core.globals
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.messages import AIMessage
from langchain_core.tools import InjectedToolCallId
from langgraph.prebuilt import InjectedState, InjectedStore, ToolRuntime
from langgraph.store.base import BaseStore  # noqa: TC002  (tools read their annotations)

from tracer1_agents import create_tracer1_agent
from tracer1_agents.actions.space import Code, ToolCall, Wait
from tracer1_agents.errors import ConfigurationError, PlannerError, SandboxError
from tracer1_agents.graphs.toolbox_executor import ToolboxExecutor
from tracer1_agents.planner.policy import ChatModelPolicy, PolicyReply, ReplayPolicy, read_message
from tracer1_agents.planner.prompt import Message
from tracer1_agents.sandboxes.base import RunResult
from tracer1_agents.testing import ScriptedModel
from tracer1_agents.types import Observation, Usage

HERE = Observation()


class Session:
    """Runs nothing: answers, fails, or waits until it is closed."""

    def __init__(self, outcome):
        self.outcome = outcome
        self.closed = threading.Event()

    def run(self, code, *, timeout):
        if self.outcome == "wait":
            self.closed.wait(10)
            msg = "closed"
            raise SandboxError(msg)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def both(executor, action):
    """The execution, which must be the same for sync and async callers."""
    sync, later = executor.execute(action, "", HERE), asyncio.run(executor.aexecute(action, "", HERE))
    assert (sync.ok, sync.text, sync.infrastructure) == (later.ok, later.text, later.infrastructure)
    return sync


def with_runtime(runtime: ToolRuntime) -> str:
    """Look."""
    return str(runtime)


def with_state(state: Annotated[dict, InjectedState]) -> str:
    """Look."""
    return str(state)


def with_store(store: Annotated[BaseStore, InjectedStore]) -> str:
    """Look."""
    return str(store)


def with_call(call: Annotated[str, InjectedToolCallId]) -> str:
    """Look."""
    return call


def with_default(place: str, state: Annotated[dict | None, InjectedState] = None) -> str:
    """Look."""
    return f"{place} {state}"


@pytest.mark.parametrize("tool", [with_runtime, with_state, with_store, with_call])
def test_a_tool_whose_arguments_nothing_fills_is_refused(tool):
    name = tool.__name__.removeprefix("with_")
    with pytest.raises(ConfigurationError, match=rf'tool "with_{name}": nothing fills its argument "{name}" here'):
        create_tracer1_agent(ScriptedModel(script=["finish()"]), [tool], profile="compact")


def test_an_empty_model_name_is_not_the_current_folder():
    with pytest.raises(ConfigurationError, match="the model's name is empty"):
        create_tracer1_agent("", profile="compact")


def test_an_injected_argument_may_be_left_out_where_it_has_a_default():
    executor = ToolboxExecutor([with_default])
    assert both(executor, ToolCall(name="with_default", arguments={"place": "a"})).text == "a None"


class TestToolboxExecutor:
    def test_code(self):
        session = Session(RunResult(ok=True, stdout="42\n"))
        assert both(ToolboxExecutor([], session=session), Code(source="print(42)")).text == "42"

    def test_code_that_fails_is_not_a_sandbox_that_fails(self):
        failed = both(ToolboxExecutor([], session=Session(RunResult(ok=False, error="NameError: x"))), Code(source="x"))
        assert (failed.ok, failed.text, failed.infrastructure) == (False, "error: NameError: x", False)
        lost = both(ToolboxExecutor([], session=Session(SandboxError("it is gone"))), Code(source="x"))
        assert (lost.ok, lost.text, lost.infrastructure) == (False, "error: it is gone", True)

    def test_no_sandbox(self):
        assert both(ToolboxExecutor([]), Code(source="x")).text == "error: python is off here: configure a sandbox"

    def test_actions_of_other_executors(self):
        assert "the toolbox cannot carry out wait" in both(ToolboxExecutor([]), Wait()).text

    def test_cancelling_ends_the_sandbox(self):
        async def cancelled():
            session = Session("wait")
            executor = ToolboxExecutor([], session=session, close=session.closed.set)
            running = asyncio.create_task(executor.aexecute(Code(source="x"), "", HERE))
            await asyncio.sleep(0.05)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return running.cancelled(), session.closed.is_set()

        began = time.perf_counter()
        assert asyncio.run(cancelled()) == (True, True)
        assert time.perf_counter() - began < 8

    def test_an_interrupt_ends_the_sandbox(self):
        session = Session(KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            ToolboxExecutor([], session=session, close=session.closed.set).execute(Code(source="x"), "", HERE)
        assert session.closed.is_set()

    def test_slow_tools_time_out_in_async_runs(self):
        def nap() -> str:
            """Sleeps."""
            time.sleep(0.3)
            return "rested"

        executor = ToolboxExecutor([nap], timeout=0.05)
        execution = asyncio.run(executor.aexecute(ToolCall(name="nap"), "", HERE))
        assert (execution.ok, execution.text) == (False, "error: nap took longer than 0.05 seconds")


class TestReadMessage:
    def test_plain(self):
        usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
        assert read_message(AIMessage("hello", usage_metadata=usage)) == PolicyReply(
            "hello", usage=Usage(input_tokens=7, output_tokens=3)
        )

    def test_a_provider_that_does_not_count(self):
        message = AIMessage("hello")
        message.usage_metadata = {"input_tokens": None, "output_tokens": 3, "total_tokens": None}
        assert read_message(message).usage == Usage(output_tokens=3)

    @pytest.mark.parametrize(
        ("metadata", "truncated"),
        [
            ({"finish_reason": "length"}, True),
            ({"stop_reason": "max_tokens"}, True),
            ({"finish_reason": "MAX_TOKENS"}, True),  # Gemini
            ({"stopReason": "max_tokens"}, True),  # Bedrock
            ({"done_reason": "length"}, True),  # Ollama
            ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, True),  # OpenAI
            ({"status": "completed", "incomplete_details": None}, False),
            ({"finish_reason": "stop"}, False),
            ({}, False),
        ],
    )
    def test_cut_off(self, metadata, truncated):
        assert read_message(AIMessage("x", response_metadata=metadata)).truncated is truncated

    @pytest.mark.parametrize(
        "message",
        [
            AIMessage("answer", additional_kwargs={"reasoning_content": "thought"}),
            AIMessage([{"type": "reasoning", "reasoning": "thought"}, {"type": "text", "text": "answer"}]),
            AIMessage([{"type": "thinking", "thinking": "thought"}, {"type": "text", "text": "answer"}]),
            AIMessage(
                [
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "thought"}]},
                    {"type": "text", "text": "answer"},
                ]
            ),
        ],
    )
    def test_reasoning_is_kept_apart(self, message):
        reply = read_message(message)
        assert (reply.text, reply.reasoning) == ("answer", "thought")

    @pytest.mark.parametrize(
        ("message", "refusal"),
        [
            (AIMessage("", additional_kwargs={"refusal": "I can't"}), "I can't"),
            (AIMessage([{"type": "refusal", "refusal": "I can't"}]), "I can't"),
            (AIMessage("", response_metadata={"finish_reason": "content_filter"}), "content_filter"),
            (AIMessage("", response_metadata={"incomplete_details": {"reason": "content_filter"}}), "content_filter"),
            (AIMessage("I can't", response_metadata={"stop_reason": "refusal"}), "refusal"),
            (AIMessage("", response_metadata={"finish_reason": "SAFETY"}), "safety"),
            (AIMessage("", response_metadata={"finish_reason": "stop"}), ""),
            (
                AIMessage("", tool_calls=[{"name": "read_file", "args": {}, "id": "1"}]),
                "it called read_file in place of writing; a planner's model goes in without bind_tools",
            ),
        ],
    )
    @pytest.mark.parametrize("profile", ["compact", "generic"])
    def test_a_refusal_is_told(self, message, refusal, profile):
        assert read_message(message).refusal == refusal
        result = create_tracer1_agent(ScriptedModel(script=[message]), profile=profile).invoke({"instruction": "x"})
        assert result["status"] == "parse_error"
        told = f"3 replies could not be used: the model would not answer: {refusal}"
        assert (result["detail"] == told) is bool(refusal)

    def test_a_reply_that_can_be_used_is_used(self):
        message = AIMessage('finish(answer="1")', response_metadata={"stop_reason": "refusal"})
        result = create_tracer1_agent(ScriptedModel(script=[message]), profile="compact").invoke({"instruction": "x"})
        assert result["answer"] == "1"

    def test_token_ids(self):
        metadata = {"prompt_token_ids": [1, 2], "token_ids": [3], "token_logprobs": [-0.5]}
        reply = read_message(AIMessage("x", response_metadata=metadata))
        assert (reply.prompt_ids, reply.completion_ids, reply.logprobs) == ((1, 2), (3,), (-0.5,))
        assert read_message(AIMessage("x")).completion_ids is None


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("everywhere", [False, True])
def test_an_answer_that_is_cached_is_not_the_next_one(way, everywhere, monkeypatch):
    model = ScriptedModel(script=["nonsense", "a()", "b()"], cache=None if everywhere else InMemoryCache())
    if everywhere:
        monkeypatch.setattr(langchain_core.globals, "_llm_cache", InMemoryCache())
    policy, prompt = ChatModelPolicy(model), [Message("user", [{"type": "text", "text": "go"}])]

    def asked(again):
        if way == "sync":
            return policy.sample(prompt, horizon=1, again=again).text
        return asyncio.run(policy.asample(prompt, horizon=1, again=again)).text

    assert [asked(again) for again in (0, 0, 1, 2)] == ["nonsense", "nonsense", "a()", "b()"]


def test_a_recording_ends():
    policy = ReplayPolicy(["a", PolicyReply("b", truncated=True)])
    assert policy.sample([], horizon=1).text == "a"
    assert asyncio.run(policy.asample([], horizon=1)).truncated
    with pytest.raises(PlannerError, match="the recording has no further reply"):
        policy.sample([], horizon=1)


def test_a_local_model_samples_when_it_is_asked_again_and_others_are_left_alone():
    asked = []

    class Local(ScriptedModel):
        samples_when_asked_again: ClassVar[bool] = True

        def _generate(self, messages, stop=None, run_manager=None, **kwargs):
            asked.append({key: kwargs.get(key) for key in ("temperature", "seed")})
            return super()._generate(messages, stop, run_manager, **kwargs)

    script = ["nonsense", "more nonsense", 'finish(answer="1") # "done"']
    for model in (Local(script=script), ScriptedModel(script=script)):
        result = create_tracer1_agent(model, profile="compact").invoke({"instruction": "x"})
        assert result["answer"] == "1"
    assert asked == [
        {"temperature": None, "seed": None},
        {"temperature": 0.7, "seed": 1},
        {"temperature": 0.7, "seed": 2},
    ]
