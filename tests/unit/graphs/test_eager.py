"""`eager_first`: the first pair runs while the rest of the forecast is being written, and nothing is lost by it."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from loop_helpers import FINISH, QUICK, TASK, THREE, TWO, make_agent

from tracer1_agents import create_tracer1_agent
from tracer1_agents.actions.coordinates import THOUSAND, Screen, Size
from tracer1_agents.actions.grammars.canonical import CanonicalGrammar
from tracer1_agents.actions.grammars.generic import GenericGrammar
from tracer1_agents.actions.grammars.qwen import QwenGrammar
from tracer1_agents.actions.grammars.ui_tars import UiTarsGrammar
from tracer1_agents.actions.space import Click, Code, Finish, Hotkey, Point, ToolCall, Type, Wait
from tracer1_agents.errors import ConfigurationError, PlannerError
from tracer1_agents.graphs import replies
from tracer1_agents.graphs.settings import Tracer1Context
from tracer1_agents.planner.forecast import read_forecast
from tracer1_agents.planner.policy import ChatModelPolicy, ReplayPolicy, read_message
from tracer1_agents.planner.prompt import Message
from tracer1_agents.planner.retries import Retries
from tracer1_agents.planner.streaming import StreamedReply
from tracer1_agents.testing import RecordingExecutor, StreamingModel
from tracer1_agents.types import Execution

SCREEN = Screen(THOUSAND, Size(1000, 1000))


def run(script, answers=None, *, asynchronous=False, eager=True, pause=0.0, executor=None, **options):
    model = StreamingModel(script=script, pause=pause)
    agent = create_tracer1_agent(model, profile="compact", retries=QUICK, eager_first=eager, **options)
    executor = executor or RecordingExecutor(answers)
    context = Tracer1Context(toolbox=executor)
    if asynchronous:
        return asyncio.run(agent.ainvoke(TASK, context=context)), executor, model
    return agent.invoke(TASK, context=context), executor, model


def timeless(result):
    logs = [{key: value for key, value in entry.items() if key != "seconds"} for entry in result["forecast_log"]]
    for entry in logs:
        entry["execution"] = {**entry["execution"], "seconds": 0}
    return logs, result["status"], result["answer"], result["usage"], result["planner_calls"]


@pytest.mark.parametrize("asynchronous", [False, True])
class TestTheSameRun:
    def test_everything_but_time_is_as_without(self, asynchronous):
        script = [THREE, TWO, FINISH]
        plain, _, _ = run(script, ["one", "two"], asynchronous=asynchronous, eager=False)
        eager, executor, _ = run(script, ["one", "two"], asynchronous=asynchronous)
        assert timeless(eager) == timeless(plain)
        assert len(executor.calls) == 2

    def test_an_unusable_reply_is_asked_for_again(self, asynchronous):
        script = ["nothing to see", THREE, FINISH]
        plain, _, _ = run(script, asynchronous=asynchronous, eager=False)
        eager, _, _ = run(script, asynchronous=asynchronous)
        assert timeless(eager) == timeless(plain)

    def test_a_loop_is_noticed_on_the_first_pair(self, asynchronous):
        again = 'a(x=1) # "first"\nb(y=2) # "second"'
        script = [again, again, again, FINISH]
        plain, _, _ = run(script, ["same"] * 9, asynchronous=asynchronous, eager=False)
        eager, _, _ = run(script, ["same"] * 9, asynchronous=asynchronous)
        assert timeless(eager) == timeless(plain)

    def test_committing_uses_the_rest(self, asynchronous):
        long = 'a(x=1) # "first"\nb(y=2) # "second"\nc(z=3) # "third"\nfinish(answer="4") # "tell"'
        eager, executor, _ = run([long, FINISH], list("abc"), asynchronous=asynchronous, commitment=3)
        assert [action.name for action, _ in executor.calls] == ["a", "b", "c"]
        assert eager["planner_calls"] == 2

    def test_a_stream_that_breaks_later_costs_the_rest_only(self, asynchronous):
        broken = ['a(x=1) # "first"\nb(', ConnectionError("gone")]
        result, executor, _ = run([broken, FINISH], asynchronous=asynchronous)
        first = result["forecast_log"][0]
        assert len(executor.calls) == len(first["forecast"]) == 1
        assert "rest of the forecast was lost: " in first["events"][0]
        assert result["status"] == "finished"

    def test_a_stream_that_breaks_early_is_asked_whole(self, asynchronous):
        result, _, model = run([["a(", ConnectionError("gone")], FINISH], asynchronous=asynchronous)
        assert (result["status"], len(model.prompts)) == ("finished", 2)

    def test_a_model_that_does_not_stream(self, asynchronous):
        agent, _ = make_agent([THREE, FINISH], eager_first=True)
        context = Tracer1Context(toolbox=RecordingExecutor(["one"]))
        result = (
            asyncio.run(agent.ainvoke(TASK, context=context)) if asynchronous else agent.invoke(TASK, context=context)
        )
        assert [len(entry["forecast"]) for entry in result["forecast_log"]] == [3, 1]


class Noting:
    """Sets an event when the first action runs."""

    def __init__(self):
        self.ran = threading.Event()

    def execute(self, action, instruction, observation):
        self.ran.set()
        return Execution(text="done")

    async def aexecute(self, action, instruction, observation):
        return self.execute(action, instruction, observation)


class WaitingModel(StreamingModel):
    """Does not say the end of its forecast before the first action has run."""

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        for piece in super()._stream(messages, stop, run_manager, **kwargs):
            if str(piece.message.content).startswith("finish"):
                assert self.metadata["ran"].wait(10)
            yield piece

    async def _astream(self, messages, stop=None, run_manager=None, **kwargs):
        async for piece in super()._astream(messages, stop, run_manager, **kwargs):
            if str(piece.message.content).startswith("finish"):
                assert await asyncio.to_thread(self.metadata["ran"].wait, 10)
            yield piece


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_first_action_runs_before_the_reply_is_whole(asynchronous):
    pieces = ['a(x=1) # "first"\n', 'b(y=2) # "second"\n', 'finish(answer="3") # "tell"']
    executor = Noting()
    model = WaitingModel(script=[pieces, FINISH], metadata={"ran": executor.ran})
    agent = create_tracer1_agent(model, profile="compact", eager_first=True)
    context = Tracer1Context(toolbox=executor)
    result = asyncio.run(agent.ainvoke(TASK, context=context)) if asynchronous else agent.invoke(TASK, context=context)
    assert [len(entry["forecast"]) for entry in result["forecast_log"]] == [3, 1]
    assert result["forecast_log"][0]["events"] == []


def test_a_stream_that_says_nothing_in_time_is_left_alone():
    """It is asked anew, whole, and nobody goes on reading what comes after all."""
    script = [['a(x=1) # "late"\n', 'b(y=2) # "later"\n', "c"], FINISH]
    model = StreamingModel(script=script, pause=0.4)
    policy = ChatModelPolicy(model, retries=Retries(attempts=1, timeout=0.2))
    tasks = []

    async def ask():
        reply = await policy.astart([Message("user", [])], horizon=2, enough=lambda _: False)
        await asyncio.sleep(0)
        tasks.extend(task for task in asyncio.all_tasks() if task is not asyncio.current_task())
        return reply

    assert asyncio.run(ask()).text == FINISH
    assert tasks == []


def test_a_long_reply_is_not_read_whole_at_every_piece():
    looks = []

    def enough(text):
        looks.append(len(text))
        return len(text) >= 9000

    reply = StreamedReply(enough, read_message).follow(AIMessageChunk("abc") for _ in range(4000))
    assert 9000 <= len(reply.head()) <= 9000 * 1.011
    assert len(looks) < 600


def test_cancelling_ends_the_sampling():
    model = StreamingModel(script=[['a(x=1) # "late"'] * 1000], pause=0.02)
    policy = ChatModelPolicy(model, retries=Retries(attempts=1, timeout=60))
    complaints = []

    async def left_over():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
        asked = asyncio.ensure_future(policy.astart([Message("user", [])], horizon=2, enough=lambda _: False))
        await asyncio.sleep(0.1)
        asked.cancel()
        await asyncio.wait([asked])
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)
        found = asked.cancelled(), [task for task in others if not task.done()]
        del asked, others
        await asyncio.sleep(0.05)
        gc.collect()
        return found

    assert asyncio.run(left_over()) == (True, [])
    assert complaints == []


def test_cancelling_while_the_first_action_runs_ends_the_sampling():
    said = []

    class Noticed(StreamingModel):
        async def _astream(self, *arguments, **options):
            async for piece in super()._astream(*arguments, **options):
                said.append(piece)
                yield piece

    pieces = [THREE, *(f'c(z={number}) # "more"\n' for number in range(1000))]
    agent = create_tracer1_agent(Noticed(script=[pieces], pause=0.01), profile="compact", eager_first=True)
    context = Tracer1Context(toolbox=RecordingExecutor(delay=30))

    async def cancelled():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await agent.ainvoke(TASK, context=context)
        await asyncio.sleep(0.05)
        until_then = len(said)
        await asyncio.sleep(0.1)
        return len(said) - until_then

    assert asyncio.run(cancelled()) == 0
    assert len(said) > 1


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_scripted_stream_says_what_a_script_may_hold(way):
    call = {"name": "look", "args": {"place": "a"}, "id": "1", "type": "tool_call"}
    model = StreamingModel(script=["two words", AIMessage("", tool_calls=[call]), ["a", "b"], ConnectionError("down")])

    async def streamed():
        return [piece async for piece in model.astream("x")]

    def said():
        pieces = asyncio.run(streamed()) if way == "async" else list(model.stream("x"))
        return sum(pieces[1:], pieces[0])

    assert said().text == "two words"
    assert said().tool_calls == [call]
    assert said().text == "ab"
    with pytest.raises(ConnectionError, match="down"):
        said()


def test_another_process_keeps_the_first_pair(monkeypatch):
    monkeypatch.setattr(replies, "_rests", type("Forgetful", (dict,), {"__setitem__": lambda *_: None})())
    result, _, _ = run([THREE, FINISH], ["one"])
    assert result["forecast_log"][0]["events"] == ["the rest of the forecast was lost"]
    assert len(result["forecast_log"][0]["forecast"]) == 1


def test_a_policy_that_cannot_stream_is_refused():
    with pytest.raises(ConfigurationError, match="eager_first needs a policy that streams"):
        create_tracer1_agent(ReplayPolicy([FINISH]), eager_first=True)


def test_nothing_within_the_time_limit():
    with pytest.raises(PlannerError, match=r"within 0\.05 seconds"):
        StreamedReply(lambda _: True, lambda _: None, timeout=0.05).head()


PAIRS = [
    (Click(point=Point(0.25, 0.5)), "press the button"),
    (Type(content='say "hi", it\'s\nnew'), "write"),
    (Hotkey(keys=("ctrl", "s")), "save"),
    (Wait(), "let it settle"),
    (Finish(answer="42"), "tell"),
]
CALLS = [
    (ToolCall(name="look", arguments={"path": "a#b.csv", "deep": {"k": [1, 2]}}), "see # it"),
    (Code(source="for x in range(3):\n    print('a', \"b\")\n"), "compute"),
    (Finish(answer="a\nb"), "tell"),
]


@pytest.mark.parametrize(
    ("grammar", "pairs"),
    [
        (CanonicalGrammar(), CALLS),
        (CanonicalGrammar(), PAIRS),
        (GenericGrammar(SCREEN), CALLS),
        (GenericGrammar(SCREEN), PAIRS),
        (UiTarsGrammar(SCREEN), PAIRS),
        (QwenGrammar(SCREEN, "computer"), PAIRS),
    ],
    ids=lambda value: getattr(value, "name", str(len(value)) if isinstance(value, list) else ""),
)
def test_what_is_called_complete_never_changes(grammar, pairs):
    for start in range(len(pairs) - 1):
        text = grammar.render(pairs[start:])
        whole = read_forecast(text, grammar=grammar, horizon=5, step=1)
        enough = replies.first_pair_is_complete(grammar, 1)
        early = [cut for cut in range(len(text)) if enough(text[:cut])]
        assert early, f"{grammar.name} never knows its first pair before the end: {text}"
        for cut in early:
            head = read_forecast(text[:cut], grammar=grammar, horizon=1, step=1)
            assert head.pairs[0] == whole.pairs[0], text[:cut]
