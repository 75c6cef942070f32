"""The planner and the loop guard inside `langchain.agents.create_agent`, beside its own middleware."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Annotated

import pytest

pytest.importorskip("langchain.agents", reason="langchain is not installed (extra agents)")

from langchain.agents import create_agent
from langchain.agents.middleware import (
    HumanInTheLoopMiddleware,
    ModelCallLimitMiddleware,
    ModelRetryMiddleware,
    SummarizationMiddleware,
    ToolCallLimitMiddleware,
    wrap_model_call,
)
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.prebuilt import InjectedState, ToolRuntime
from langgraph.types import Command

from tracer1_agents import AnticipatoryPlanningMiddleware, LoopGuardMiddleware, Tracer1Context, find_loop
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.graphs.build import tool_specs
from tracer1_agents.graphs.conversation import read_turns
from tracer1_agents.graphs.loop_guard import LoopGuard
from tracer1_agents.planner.history import ModelSummary
from tracer1_agents.planner.retries import Retries
from tracer1_agents.testing import ScriptedModel
from tracer1_agents.tools.base import ToolRegistry

PLAN = [
    'look(place="a") # "Look at a"\nlook(place="b") # "Then at b"',
    'look(place="b") # "Look at b"',
    'finish(answer="ab")',
]
ASK = {"messages": [HumanMessage("What is where?")]}
THREAD = {"configurable": {"thread_id": "1"}}


def look(place: str) -> str:
    """Look at a place."""
    return f"seen {place}"


def stuck(place: str) -> str:
    """Never changes."""
    return f"nothing at {place}"[:7]


def calls(*places, name="look", start=0):
    listed = [{"name": name, "args": {"place": place}, "id": f"c{start + k}"} for k, place in enumerate(places)]
    return AIMessage("", tool_calls=listed)


def never():
    return ScriptedModel(script=[RuntimeError("the agent's model was called")])


def planning(script, **options):
    options = {"profile": "compact", "retries": Retries(attempts=1), **options}
    return AnticipatoryPlanningMiddleware(ScriptedModel(script=script), **options)


def replacing(script, *others, checkpointer=None, **options):
    middleware = [planning(script, mode="replace", **options), *others]
    return create_agent(never(), [look, stuck], middleware=middleware, checkpointer=checkpointer)


def tool_texts(result):
    return [message.text for message in result["messages"] if isinstance(message, ToolMessage)]


def peek(place: str, runtime: ToolRuntime) -> str:
    """Look at a place."""
    return f"{place} after {len(runtime.state['messages'])} messages"


def recall(place: str, state: Annotated[dict, InjectedState]) -> str:
    """Recall a place."""
    return f"{place} after {len(state['messages'])} messages"


@pytest.mark.parametrize("tool", [peek, recall])
@pytest.mark.parametrize("mode", ["advise", "replace"])
def test_the_planner_is_not_told_of_injected_arguments(tool, mode):
    plan = [f'{tool.__name__}(place="a") # "Look at a"', 'finish(answer="a")']
    acting = ScriptedModel(script=[calls("a", name=tool.__name__), AIMessage("a")]) if mode == "advise" else never()
    planner = planning(plan, mode=mode)
    assert tool_texts(create_agent(acting, [tool], middleware=[planner]).invoke(ASK)) == ["a after 2 messages"]
    assert list(tool_specs(ToolRegistry([tool]))[0].parameters["properties"]) == ["place"]


def test_a_scripted_message_that_is_repeated_is_another_message():
    model = ScriptedModel(script=[calls("a")])
    assert model.invoke("a").id != model.invoke("a").id
    assert model.script[0].id is None


class TestReplace:
    @pytest.mark.parametrize("way", ["sync", "async"])
    def test_the_planner_is_the_model(self, way):
        agent = replacing(PLAN)
        result = agent.invoke(ASK) if way == "sync" else asyncio.run(agent.ainvoke(ASK))
        assert result["messages"][-1].text == "ab"
        assert tool_texts(result) == ["seen a", "seen b"]
        assert [len(entry["pairs"]) for entry in result["forecast_log"]] == [2, 1, 1]
        assert [entry["step"] for entry in result["forecast_log"]] == [1, 2, 3]
        assert result["forecast"]["pairs"][0]["action"] == {"kind": "finish", "answer": "ab"}

    def test_the_planner_sees_history_and_observation(self):
        model = ScriptedModel(script=PLAN)
        planner = AnticipatoryPlanningMiddleware(model, mode="replace", profile="compact")
        create_agent(never(), [look], middleware=[planner]).invoke(ASK)
        prompt = model.prompts[2][-1].text
        assert prompt.startswith("Task: What is where?")
        assert '1. look(place="a") -> seen a' in prompt
        assert prompt.rstrip().endswith("seen b")

    @pytest.mark.parametrize("way", ["sync", "async"])
    def test_only_what_the_prompt_shows_is_summarized(self, way):
        """A summarizer may be a model: a step costs the same however many came before it, and nobody's event loop."""
        written, loops = [], []

        def write(action, execution):
            written.append(action)
            loops.append(asyncio._get_running_loop())
            return execution.text

        model = ScriptedModel(script=[*(f'look(place="{k}") # "Look"' for k in range(10)), 'finish(answer="x")'])
        planner = AnticipatoryPlanningMiddleware(
            model, mode="replace", profile="compact", summarizer=ModelSummary(write), history_window=2
        )
        agent = create_agent(never(), [look], middleware=[planner])
        result = agent.invoke(ASK) if way == "sync" else asyncio.run(agent.ainvoke(ASK))
        assert [entry["step"] for entry in result["forecast_log"]] == list(range(1, 12))
        assert '\n9. look(place="8") -> seen 8\n10. look(place="9")\n' in model.prompts[-1][-1].text
        assert (len(written), set(loops)) == (1 + 9 * 2, {None})

    def test_tools_of_the_agent_are_shown(self):
        model = ScriptedModel(script=['{"pairs": []}'])
        planner = AnticipatoryPlanningMiddleware(model, mode="replace", profile="generic", max_reasks=0)
        create_agent(never(), [look], middleware=[planner]).invoke(ASK)
        assert '"name": "look"' in model.prompts[0][0].text

    def test_token_usage_is_on_the_reply(self):
        result = replacing(PLAN).invoke(ASK)
        replies = [message for message in result["messages"] if isinstance(message, AIMessage)]
        assert all(reply.usage_metadata["output_tokens"] > 0 for reply in replies)
        assert replies[0].usage_metadata["output_tokens"] == len(PLAN[0].split())

    @pytest.mark.parametrize(
        ("script", "options", "status", "words"),
        [
            (["gibberish("], {"max_reasks": 0}, "parse_error", "could not be used"),
            (PLAN, {"max_steps": 1}, "step_limit", "1 steps were not enough"),
            (PLAN, {"token_limit": 3}, "token_limit", "of 3 tokens used"),
            ([ValueError("no such model")], {}, "model_error", "no such model"),
            (['stuck(place="x") # "x"'], {}, "loop", "keeps repeating"),
        ],
    )
    def test_a_planner_that_cannot_go_on_ends_the_agent(self, script, options, status, words):
        result = replacing(script, **options).invoke(ASK)
        assert result["messages"][-1].text.startswith("Stopped: ")
        assert words in result["messages"][-1].text
        assert result["forecast_log"][-1]["status"] == status
        assert result["forecast"] is None

    def test_a_second_task_on_a_thread_begins_anew(self):
        agent = replacing([*PLAN, *PLAN], checkpointer=InMemorySaver(), max_steps=3, token_limit=200)
        agent.invoke(ASK, THREAD)
        result = agent.invoke({"messages": [HumanMessage("Once more?")]}, THREAD)
        assert [entry["step"] for entry in result["forecast_log"]] == [1, 2, 3] * 2
        assert result["messages"][-1].text == "ab"

    def test_context_of_the_run(self):
        agent = create_agent(
            never(), [look], middleware=[planning(PLAN, mode="replace")], context_schema=Tracer1Context
        )
        result = agent.invoke(ASK, context=Tracer1Context(horizon=1))
        assert [len(entry["pairs"]) for entry in result["forecast_log"]] == [1, 1, 1]

    def test_an_action_the_agent_has_no_tool_for_is_an_observation(self):
        result = replacing(['code(source="1") # "run"', 'finish(answer="x")']).invoke(ASK)
        assert "python is not a valid tool" in tool_texts(result)[0]
        assert result["messages"][-1].text == "x"

    def test_a_tool_with_an_idempotency_key_gets_one(self):
        keys = []

        def pay(euros: int, idempotency_key: str) -> str:
            """Pay."""
            keys.append(idempotency_key)
            return f"paid {euros}"

        script = ['pay(euros=1) # "x"', 'pay(euros=2) # "y"', 'finish(answer="done")']
        agent = create_agent(never(), [pay], middleware=[planning(script, mode="replace")])
        assert tool_texts(agent.invoke(ASK)) == ["paid 1", "paid 2"]
        assert len({*keys}) == 2
        assert all(len(key) == 32 for key in keys)

    def test_a_key_is_neither_shown_nor_makes_a_repeated_call_another_one(self):
        def pay(euros: int, idempotency_key: str) -> str:
            """Pay."""
            return "paid"

        model = ScriptedModel(script=['pay(euros=1) # "x"'])
        planner = AnticipatoryPlanningMiddleware(model, mode="replace", profile="compact")
        result = create_agent(never(), [pay], middleware=[planner]).invoke(ASK)
        assert result["messages"][-1].text.startswith("Stopped: the planner keeps repeating pay(euros=1)")
        assert not any("idempotency_key" in messages[-1].text for messages in model.prompts)

    def test_a_tool_without_a_schema_of_its_own(self):
        class Bare(BaseTool):
            name: str = "look"
            description: str = "Look at a place."

            def _run(self, place: str) -> str:
                return f"seen {place}"

        agent = create_agent(never(), [Bare()], middleware=[planning(PLAN, mode="replace")])
        assert tool_texts(agent.invoke(ASK)) == ["seen a", "seen b"]

    @pytest.mark.parametrize("way", ["sync", "async"])
    def test_tokens_of_the_planner_are_marked_in_the_stream(self, way):
        """As LangChain marks those of its own middleware, so that an app shows the answer alone."""
        agent = replacing(PLAN)

        async def streamed():
            return [piece async for piece in agent.astream(ASK, stream_mode="messages")]

        pieces = list(agent.stream(ASK, stream_mode="messages")) if way == "sync" else asyncio.run(streamed())
        shown = [message.text for message, metadata in pieces if metadata.get("lc_source") != "planning"]
        assert shown == ["Look at a", "seen a", "Look at b", "seen b", "ab"]
        assert [message.text for message, metadata in pieces if metadata.get("lc_source") == "planning"] == PLAN

    def test_forecasts_are_streamed(self):
        events = list(replacing(PLAN).stream(ASK, stream_mode="custom"))
        assert [event["step"] for event in events if event["type"] == "forecast"] == [1, 2, 3]


class TestAdvise:
    def test_shows_the_forecast_and_keeps_the_first_call_only(self):
        actor = ScriptedModel(script=[calls("a", "b"), AIMessage("a and b")])
        agent = create_agent(actor, [look], system_prompt="Be brief.", middleware=[planning(PLAN)])
        result = agent.invoke(ASK)
        assert tool_texts(result) == ["seen a"]
        system = actor.prompts[0][0].text
        assert system.startswith("Be brief.")
        assert "1. look(place='a')  Look at a\n2. look(place='b')  Then at b\n" in system
        assert result["messages"][-1].text == "a and b"

    def test_calls_are_trimmed_wherever_the_provider_repeats_them(self):
        both = calls("a", "b")
        blocks = [
            {"type": "tool_use", "id": call["id"], "name": "look", "input": call["args"]} for call in both.tool_calls
        ]
        raw = {"tool_calls": [{"id": call["id"]} for call in both.tool_calls]}
        said = both.model_copy(update={"content": [{"type": "text", "text": "hm"}, *blocks], "additional_kwargs": raw})
        agent = create_agent(ScriptedModel(script=[said, AIMessage("x")]), [look], middleware=[planning(PLAN)])
        kept = agent.invoke(ASK)["messages"][1]
        assert [block.get("id") for block in kept.content] == [None, "c0"]
        assert kept.additional_kwargs["tool_calls"] == [{"id": "c0"}]

    def test_goes_on_without_a_forecast(self):
        actor = ScriptedModel(script=[AIMessage("I know")])
        result = create_agent(actor, [look], middleware=[planning(["?"], max_reasks=0)]).invoke(ASK)
        assert result["messages"][-1].text == "I know"
        assert result["forecast_log"][0]["status"] == "parse_error"
        assert [message.type for message in actor.prompts[0]] == ["human"]

    def test_a_message_without_words(self):
        picture = HumanMessage([{"type": "image", "url": "https://shop.example/a.png"}])
        actor = ScriptedModel(script=[AIMessage("a lamp")])
        result = create_agent(actor, [look], middleware=[planning(PLAN)]).invoke({"messages": [picture]})
        assert result["messages"][-1].text == "a lamp"

    def test_async(self):
        actor = ScriptedModel(script=[calls("a", "b"), AIMessage("done")])
        result = asyncio.run(create_agent(actor, [look], middleware=[planning(PLAN)]).ainvoke(ASK))
        assert tool_texts(result) == ["seen a"]

    def test_a_model_without_tool_calling(self):
        agent = create_agent(FakeListChatModel(responses=["x"]), [look], middleware=[planning(PLAN)])
        with pytest.raises(ConfigurationError, match=r"FakeListChatModel cannot call tools .* mode=\"replace\""):
            agent.invoke(ASK)

    def test_what_other_middleware_lacks_is_not_blamed_on_the_model(self):
        @wrap_model_call
        def only_sync(request, handler):
            return handler(request)

        agent = create_agent(ScriptedModel(script=["x"]), [look], middleware=[planning(PLAN), only_sync])
        with pytest.raises(NotImplementedError, match="awrap_model_call"):
            asyncio.run(agent.ainvoke(ASK))


class TestBesideStockMiddleware:
    def test_human_in_the_loop(self):
        saver = InMemorySaver()
        agent = replacing(PLAN, HumanInTheLoopMiddleware(interrupt_on={"look": True}), checkpointer=saver)
        result = agent.invoke(ASK, THREAD)
        assert result["__interrupt__"][0].value["action_requests"][0]["args"] == {"place": "a"}
        edit = {"type": "edit", "edited_action": {"name": "look", "args": {"place": "z"}}}
        agent.invoke(Command(resume={"decisions": [edit]}), THREAD)
        result = agent.invoke(Command(resume={"decisions": [{"type": "reject", "message": "not b"}]}), THREAD)
        assert tool_texts(result)[0].endswith("seen z")
        assert "not b" in tool_texts(result)[1]
        assert result["messages"][-1].text == "ab"

    def test_call_limits(self):
        result = replacing(PLAN, ModelCallLimitMiddleware(run_limit=2, exit_behavior="end")).invoke(ASK)
        assert len(result["forecast_log"]) == 2
        result = replacing(PLAN, ToolCallLimitMiddleware(run_limit=1, exit_behavior="end")).invoke(ASK)
        assert tool_texts(result)[0] == "seen a"
        assert "limit" in tool_texts(result)[1]

    def test_retries_inside_ask_the_planner_once(self):
        planner = ScriptedModel(script=PLAN)
        actor = ScriptedModel(script=[ConnectionError("busy"), AIMessage("ok")])
        advice = AnticipatoryPlanningMiddleware(planner, profile="compact")
        retry = ModelRetryMiddleware(max_retries=1, initial_delay=0.0, jitter=False)
        result = create_agent(actor, [look], middleware=[advice, retry]).invoke(ASK)
        assert result["messages"][-1].text == "ok"
        assert len(planner.prompts) == 1

    @pytest.mark.parametrize("way", ["sync", "async"])
    def test_a_task_that_is_summarised_away_stays_the_task(self, way):
        """And with it the run: its steps, its budgets, and the keys of steps that do the same."""
        keys = []

        def order(item: str, idempotency_key: str) -> str:
            """Order."""
            keys.append(idempotency_key)
            return f"order number {len(keys)}"

        planner = ScriptedModel(script=['order(item="x") # "Once more"'])
        summary = SummarizationMiddleware(
            model=ScriptedModel(script=["The user orders things."]), trigger=("messages", 6), keep=("messages", 3)
        )
        advice = AnticipatoryPlanningMiddleware(planner, mode="replace", profile="compact", max_steps=7)
        agent = create_agent(never(), [order], middleware=[summary, advice], checkpointer=InMemorySaver())
        for number, task in enumerate(("What is where?", "And now?")):
            start = {"messages": [HumanMessage(task)]}
            result = agent.invoke(start, THREAD) if way == "sync" else asyncio.run(agent.ainvoke(start, THREAD))
            prompts = [messages[-1].text for messages in planner.prompts[7 * number :]]
            assert {prompt.splitlines()[0] for prompt in prompts} == {f"Task: {task}"}
            assert '\n6. order(item="x")\n' in prompts[-1]
            assert prompts[-1].endswith(f"Now: order number {7 * number + 6}")
            assert [entry["step"] for entry in result["forecast_log"][8 * number :]] == [1, 2, 3, 4, 5, 6, 7, 8]
            assert result["messages"][-1].text == "Stopped: 7 steps were not enough."
        assert len({*keys}) == len(keys) == 14


class TestLoopGuard:
    def test_speaks_up_then_stops(self):
        script = [calls("x", name="stuck", start=k) for k in range(9)]
        agent = create_agent(ScriptedModel(script=script), [stuck], middleware=[LoopGuardMiddleware()])
        for result in (agent.invoke(ASK), asyncio.run(create_agent(
            ScriptedModel(script=script), [stuck], middleware=[LoopGuardMiddleware()]).ainvoke(ASK))):  # fmt: skip
            texts = tool_texts(result)
            assert texts[:2] == ["nothing", "nothing"]  # the first saw nothing, the second what the first returned
            assert texts[2].startswith("error: stuck was called like this before")
            assert len(texts) == 4
            assert result["messages"][-1].text.startswith("Stopped: the agent keeps repeating stuck")

    def test_a_server_that_gives_every_call_the_same_id(self):
        script = [calls("a", name="stuck") for _ in range(30)]  # c0, c0, c0, ...
        agent = create_agent(ScriptedModel(script=script), [stuck], middleware=[LoopGuardMiddleware()])
        assert agent.invoke(ASK)["messages"][-1].text.startswith("Stopped: ")

    def test_two_calls_of_one_id_in_a_message(self):
        both = AIMessage("", tool_calls=[{"name": "look", "args": {"place": place}, "id": "c"} for place in "ab"])
        answers = [ToolMessage(f"seen {place}", tool_call_id="c") for place in "ab"]
        turn = read_turns([HumanMessage("x"), both, *answers])[0]
        assert [answer.text for answer in turn.answers] == ["seen a", "seen b"]

    def test_a_model_that_listens_goes_on(self):
        script = [calls("x", name="stuck", start=k) for k in range(3)] + [calls("a", start=7), AIMessage("fine")]
        agent = create_agent(ScriptedModel(script=script), [stuck, look], middleware=[LoopGuardMiddleware()])
        assert agent.invoke(ASK)["messages"][-1].text == "fine"

    def test_trying_again_after_something_changed_is_no_loop(self):
        number = iter(range(10))

        def clock() -> str:
            """The time."""
            return str(next(number))

        same = [AIMessage("", tool_calls=[{"name": "clock", "args": {}, "id": f"t{k}"}]) for k in range(5)]
        agent = create_agent(
            ScriptedModel(script=[*same, AIMessage("late")]), [clock], middleware=[LoopGuardMiddleware()]
        )
        assert agent.invoke(ASK)["messages"][-1].text == "late"

    def test_as_a_function(self):
        first, second, third = (calls("x", name="stuck", start=k) for k in range(3))
        told = [ToolMessage("nothing", tool_call_id=f"c{k}") for k in range(2)]
        told_all = [HumanMessage("go"), first, told[0], second, told[1], third]
        assert find_loop(told_all[:-2]) is None
        assert find_loop(told_all).name == "stuck"
        assert find_loop(told_all, LoopGuard(allowance={"stuck": 2, "tool:stuck": 2, "tool": 2})) is None
        assert find_loop([*told_all[:-1], HumanMessage("again"), third]) is None
        assert find_loop([]) is None

    def test_a_call_twice_in_one_message(self):
        assert find_loop([HumanMessage("go"), calls("a", "a")]).arguments == {"place": "a"}
        assert find_loop([HumanMessage("go"), calls("a", "b")]) is None


class TestRefusals:
    def test_mode(self):
        with pytest.raises(ConfigurationError, match='mode must be "advise" or "replace", got \'both\''):
            AnticipatoryPlanningMiddleware(ScriptedModel(script=[""]), mode="both")

    @pytest.mark.parametrize(
        "options", [{"approve_plan": True}, {"confirm": ("purchase",)}, {"commitment": 3}, {"eager_first": True}]
    )
    def test_what_only_the_graph_heeds(self, options):
        with pytest.raises(ConfigurationError, match=f"{next(iter(options))} is for create_tracer1_agent"):
            planning(PLAN, mode="replace", **options)

    def test_an_approval_that_the_context_asks_for(self):
        agent = create_agent(
            never(), [look], middleware=[planning(PLAN, mode="replace")], context_schema=Tracer1Context
        )
        with pytest.raises(ConfigurationError, match="take HumanInTheLoopMiddleware"):
            agent.invoke(ASK, context=Tracer1Context(confirm=("purchase",)))

    def test_an_approval_that_the_context_does_not_ask_for(self):
        agent = create_agent(
            never(), [look], middleware=[planning(PLAN, mode="replace")], context_schema=Tracer1Context
        )
        result = agent.invoke(ASK, context={"confirm": [], "approve_plan": False})  # as a server hands it on
        assert result["messages"][-1].text == "ab"

    @pytest.mark.parametrize("mode", ["advise", "replace"])
    def test_a_tool_that_the_dialect_takes_for_an_action(self, mode):
        def press(key: str) -> str:
            """Press a key of the machine."""
            return f"pressed {key}"

        agent = create_agent(never(), [press], middleware=[planning(PLAN, mode=mode, profile="generic")])
        with pytest.raises(ConfigurationError, match='"press": with profile generic that name means the action hotkey'):
            agent.invoke(ASK)

    def test_unknown_option(self):
        with pytest.raises(ConfigurationError, match="no argument 'horizons'"):
            AnticipatoryPlanningMiddleware(ScriptedModel(script=[""]), horizons=3)

    def test_structured_output_of_a_replaced_model(self):
        agent = create_agent(
            never(),
            [look],
            middleware=[planning(PLAN, mode="replace")],
            response_format={"title": "x", "type": "object"},
        )
        with pytest.raises(ConfigurationError, match="take response_format away"):
            agent.invoke(ASK)

    def test_twice_in_one_agent(self):
        with pytest.raises(AssertionError, match="duplicate middleware"):
            create_agent(never(), [look], middleware=[planning(PLAN), planning(PLAN)])

    def test_one_instance_in_two_agents(self):
        shared = planning([*PLAN, *PLAN], mode="replace")
        for _ in range(2):
            result = create_agent(never(), [look], middleware=[shared]).invoke(ASK)
            assert result["messages"][-1].text == "ab"

    def test_without_langchain_the_extra_is_named(self):
        hide = "import sys; sys.modules['langchain.agents.middleware'] = None"
        code = f"{hide}; import tracer1_agents; tracer1_agents.LoopGuardMiddleware"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
        assert 'needs the optional extra "agents"' in done.stderr
