"""The planner in other people's graphs, screenshots, and what the factories refuse."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from io import BytesIO
from typing import Annotated, Any

import pytest
from langchain_core.messages import AnyMessage  # noqa: TC002  (LangGraph reads the annotations)
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from loop_helpers import FINISH, TASK, THREE, make_agent, prompt_texts
from typing_extensions import TypedDict

from tracer1_agents import create_planner_node, create_tracer1_agent
from tracer1_agents.blobs import BlobStore
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.graphs.loop_guard import LoopGuard
from tracer1_agents.graphs.settings import Tracer1Context
from tracer1_agents.graphs.state import PlannerState
from tracer1_agents.planner.policy import ChatModelPolicy
from tracer1_agents.testing import RecordingExecutor, ScriptedModel
from tracer1_agents.types import Execution, ImageRef


class Host(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]
    notes: str
    planned: dict[str, Any]


class Seeing(Host, total=False):
    observation: dict[str, Any]


@dataclass
class HostContext:
    user: str
    tracer1: Tracer1Context | None = None


def host_graph(model):
    graph = StateGraph(Host, context_schema=HostContext)
    graph.add_node("plan", create_planner_node(model, horizon=5, profile="compact"), input_schema=PlannerState)
    graph.add_node("after", lambda state: {"notes": "done", "planned": dict(state)}, input_schema=PlannerState)
    graph.add_edge(START, "plan")
    graph.add_edge("plan", "after")
    graph.add_edge("after", END)
    return graph.compile()


class TestHostGraph:
    def test_other_schema_and_context(self):
        model = ScriptedModel(script=[THREE])
        app = host_graph(model)
        for context, pairs in (
            (HostContext("me"), 3),
            (HostContext("me", Tracer1Context(horizon=2)), 2),
            (None, 3),
        ):
            result = app.invoke({"messages": [("user", "do it")]}, context=context)
            assert result["notes"] == "done"
            assert len(result["planned"]["forecast"]["pairs"]) == pairs
            assert result["planned"]["step"] == 1
        assert prompt_texts(model)[0] == "Task: do it"

    def test_async(self):
        result = asyncio.run(host_graph(ScriptedModel(script=[THREE])).ainvoke({"messages": [("user", "do it")]}))
        assert len(result["planned"]["forecast"]["pairs"]) == 3

    def test_the_newest_message_is_the_task(self):
        from langgraph.checkpoint.memory import InMemorySaver  # noqa: PLC0415

        model = ScriptedModel(script=[THREE, THREE])
        graph = StateGraph(Host)
        graph.add_node("plan", create_planner_node(model, profile="compact"), input_schema=PlannerState)
        graph.add_edge(START, "plan")
        app = graph.compile(checkpointer=InMemorySaver())
        thread = {"configurable": {"thread_id": "1"}}
        app.invoke({"messages": [("user", "first task")]}, thread)
        app.invoke({"messages": [("user", "second task")]}, thread)
        assert prompt_texts(model)[1].startswith("Task: second task")

    def test_the_node_says_itself_what_it_takes(self):
        graph = StateGraph(Host)
        graph.add_node("plan", create_planner_node(ScriptedModel(script=[THREE]), profile="compact"))
        graph.add_node("after", lambda state: {"planned": dict(state)}, input_schema=PlannerState)
        graph.add_edge(START, "plan")
        graph.add_edge("plan", "after")
        result = graph.compile().invoke({"messages": [("user", "do it")]})
        assert len(result["planned"]["forecast"]["pairs"]) == 3

    def test_the_next_step_is_planned_from_what_the_host_observed(self):
        model = ScriptedModel(script=[THREE])
        planner = create_planner_node(model, profile="compact", history_window=1)
        results = iter(["two rows", Execution(ok=False, text="no such file")])
        graph = StateGraph(Seeing)
        graph.add_node("plan", planner)
        graph.add_node("act", lambda state: planner.observe(state, next(results)), input_schema=PlannerState)
        graph.add_edge(START, "plan")
        graph.add_conditional_edges("plan", lambda state: "act" if state["step"] < 3 else END, ["act", END])
        graph.add_edge("act", "plan")
        graph.compile().invoke({"messages": [("user", "do it")], "observation": {"text": "an empty desk"}})
        first, second, third = prompt_texts(model)
        assert "an empty desk" in first
        assert "two rows" in second
        assert "an empty desk" not in second
        assert "no such file" in third

    def test_a_bad_reply_is_a_status(self):
        result = host_graph(ScriptedModel(script=["?"])).invoke({"messages": [("user", "do it")]})
        assert result["planned"]["status"] == "parse_error"
        assert result["notes"] == "done"

    def test_the_whole_agent_as_a_subgraph(self):
        agent, _ = make_agent([FINISH])
        graph = StateGraph(Host, context_schema=HostContext)
        graph.add_node("agent", agent)
        graph.add_edge(START, "agent")
        result = graph.compile().invoke({"messages": [("user", "do it")]}, context=HostContext("me"))
        assert [message.text for message in result["messages"]] == ["do it", "42"]


@pytest.fixture
def screen():
    image = pytest.importorskip("PIL.Image")
    buffer = BytesIO()
    image.new("RGB", (320, 200), "white").save(buffer, "PNG")
    return buffer.getvalue()


def test_a_server_can_tell_what_a_run_may_set():
    agent = create_tracer1_agent(ScriptedModel(script=[FINISH]), profile="compact")
    properties = agent.get_context_jsonschema()["properties"]
    assert {"horizon", "max_steps", "time_limit", "approve_plan"} <= set(properties)
    assert not {"policy", "toolbox", "grounder"} & set(properties)
    result = agent.invoke({"instruction": "q"}, context={"horizon": 1})  # as a server hands it on
    assert result["status"] == "finished"


class TestScreenshots:
    def test_reach_a_vision_model_by_reference(self, tmp_path, screen):
        blobs = BlobStore(tmp_path / "blobs")
        ref = ImageRef(ref=blobs.put(screen), width=320, height=200)
        script = ['click(point=[0.5, 0.5]) # "Press OK"', 'finish(answer="ok") # "Tell"']
        model = ScriptedModel(script=script)
        agent = create_tracer1_agent(model, profile="generic", platform="computer", blobs=blobs, max_reasks=0)
        grounder = RecordingExecutor([Execution(text="clicked", image=ref)])
        start = {**TASK, "observation": {"text": "a screen", "image": ref.model_dump()}}
        result = agent.invoke(start, context=Tracer1Context(grounder=grounder))
        parts = [part for message in model.prompts[0] if isinstance(message.content, list) for part in message.content]
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        assert len(urls) == 1
        assert urls[0].startswith("data:image/png;base64,")
        assert str(result["forecast_log"]).count("base64") == 0

    @pytest.mark.parametrize("eager", [False, True])
    def test_are_read_outside_of_the_event_loop(self, tmp_path, screen, eager):
        """Servers refuse what blocks it."""
        loops = []

        class Store(BlobStore):
            def get(self, ref):
                loops.append(asyncio._get_running_loop())
                return super().get(ref)

        blobs = Store(tmp_path / "blobs")
        ref = ImageRef(ref=blobs.put(screen), width=320, height=200)
        options = {"profile": "generic", "platform": "computer", "max_reasks": 0}
        agent = create_tracer1_agent(ScriptedModel(script=[FINISH]), blobs=blobs, eager_first=eager, **options)
        asyncio.run(agent.ainvoke({**TASK, "observation": {"text": "a screen", "image": ref.model_dump()}}))
        assert loops == [None]

    def test_a_model_by_name_that_takes_no_images(self, monkeypatch):
        models = pytest.importorskip("langchain.chat_models")
        blind = ScriptedModel(script=[FINISH], profile={"image_inputs": False})
        monkeypatch.setattr(models, "init_chat_model", lambda name: blind)
        for model in (blind, "some:model"):
            assert not create_planner_node(model, profile="generic").settings.profile.supports_images

    def test_no_store(self, screen):
        agent, _ = make_agent([FINISH], profile="generic")
        start = {**TASK, "observation": {"image": {"ref": "0" * 64, "width": 3, "height": 2}}}
        with pytest.raises(ConfigurationError, match="no blob store was handed in; pass blobs="):
            agent.invoke(start)

    def test_profiles_without_images_say_so(self, screen):
        agent, model = make_agent([FINISH])
        agent.invoke({**TASK, "observation": {"image": {"ref": "0" * 64, "width": 3, "height": 2}}})
        assert "cannot be shown here" in prompt_texts(model)[0]


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"horizon": 0}, "horizon must be a whole number of at least 1, got 0"),
            ({"horizon": 2.5}, "horizon must be a whole number of at least 1, got 2.5"),
            ({"horizon": True}, "horizon must be a whole number"),
            ({"max_steps": 0}, "max_steps must be"),
            ({"history_window": -1}, "history_window must be a whole number of at least 0, got -1"),
            ({"max_reasks": -1}, "max_reasks must be"),
            ({"max_tool_errors": 0}, "max_tool_errors must be a whole number of at least 1, got 0"),
            ({"time_limit": 0}, "time_limit must be a number above 0, or None for no limit, got 0"),
            ({"time_limit": float("nan")}, "time_limit must be a number above 0, or None for no limit, got nan"),
            ({"time_limit": "5"}, "time_limit must be a number above 0"),
            ({"token_limit": -5}, "token_limit must be a number above 0"),
            ({"token_limit": True}, "token_limit must be a number above 0"),
            ({"agreement_discount": "x"}, "agreement_discount must be a number from 0 to 1, got 'x'"),
            ({"platform": "nokia"}, "platform must be one of computer, mobile, tools, got 'nokia'"),
            ({"loop_guard": True}, "loop_guard must be something with a method repeats, got True"),
            ({"summarizer": "x"}, "summarizer must be something with a method summarize, got 'x'"),
            ({"grounder": 5}, "grounder must be something with a method execute, got 5"),
            ({"profile": "gpt"}, "no prompt profile 'gpt'; choose one of compact, "),
        ],
    )
    def test_settings(self, options, words):
        with pytest.raises(ConfigurationError, match=words):
            create_tracer1_agent(ScriptedModel(script=[""]), **options)

    def test_model_of_no_kind(self):
        with pytest.raises(ConfigurationError, match="a name or a folder, got int"):
            create_tracer1_agent(5)

    def test_a_chat_model_in_a_wrapper(self):
        wrapped = ScriptedModel(script=[ValueError("down")]).with_fallbacks([ScriptedModel(script=[FINISH])])
        with pytest.raises(ConfigurationError, match=r"got RunnableWithFallbacks; .* as ChatModelPolicy\(model\)"):
            create_tracer1_agent(wrapped)
        agent = create_tracer1_agent(ChatModelPolicy(wrapped), profile="compact")
        assert agent.invoke(TASK)["status"] == "finished"

    def test_missing_folder(self, tmp_path):
        for name in (tmp_path / "nothing", str(tmp_path / "nothing"), "./nothing"):
            with pytest.raises(ConfigurationError, match=r"there is no checkpoint folder .*nothing"):
                create_tracer1_agent(name)

    def test_unknown_name(self):
        pytest.importorskip("langchain.chat_models")
        with pytest.raises(ConfigurationError, match="model 'no-such-provider:x': "):
            create_tracer1_agent("no-such-provider:x")

    def test_tools_of_one_name(self):
        def look(place: str) -> str:
            """Look at a place."""
            return place

        with pytest.raises(ConfigurationError, match='two tools are named "look"'):
            create_tracer1_agent(ScriptedModel(script=[""]), [look, look])

    def test_a_tool_that_the_dialect_takes_for_an_action(self):
        def press(key: str) -> str:
            """Press a key of the machine."""
            return f"pressed {key}"

        with pytest.raises(ConfigurationError, match='"press": with profile generic that name means the action hotkey'):
            create_tracer1_agent(ScriptedModel(script=[""]), [press], profile="generic")
        agent = create_tracer1_agent(ScriptedModel(script=['press(key="a")', FINISH]), [press], profile="compact")
        assert agent.invoke(TASK)["forecast_log"][0]["execution"]["text"] == "pressed a"

    def test_planner_node_names_what_it_does_not_know(self):
        with pytest.raises(ConfigurationError, match="no argument 'horizons'") as refused:
            create_planner_node(ScriptedModel(script=[""]), horizons=3)
        assert "eager_first" not in str(refused.value)  # which is refused as well
        with pytest.raises(ConfigurationError, match="no argument 'toolbox'"):  # it runs nothing
            create_planner_node(ScriptedModel(script=[""]), toolbox=None)
        same = create_planner_node(ScriptedModel(script=[""]), summarizer=None, confirm="password").settings
        assert hasattr(same.summarizer, "summarize")
        assert same.confirm == ("password",)
        node = create_planner_node(ScriptedModel(script=[""]), max_reasks=0, loop_guard=LoopGuard(max_nudges=3))
        assert node.settings.loop_guard == LoopGuard(max_nudges=3)


def test_tools_of_every_kind_run_for_real():
    def double(number: int) -> int:
        """Twice a number."""
        return 2 * number

    def fails(text: str) -> str:
        """Always refuses."""
        msg = f"cannot {text}"
        raise ValueError(msg)

    script: list[Any] = [
        'double(number=21) # "a"',
        'fails(text="fly") # "b"',
        'dubble(number=1) # "c"',
        'double(nummer=1) # "d"',
        'code(source="1") # "e"',
        FINISH,
    ]
    agent, _ = make_agent(script)
    agent = create_tracer1_agent(ScriptedModel(script=script), [double, fails], profile="compact")
    for result in (agent.invoke(TASK), asyncio.run(create_tracer1_agent(
        ScriptedModel(script=script), [double, fails], profile="compact").ainvoke(TASK))):  # fmt: skip
        texts = [entry["execution"]["text"] for entry in result["forecast_log"]]
        assert texts[0] == "42"
        assert texts[1] == "error: fails failed: ValueError: cannot fly"
        assert texts[2].startswith('error: no tool "dubble"; did you mean "double"?')
        assert texts[3].startswith('error: no argument "nummer"; double takes number')
        assert texts[4].startswith("error: python is off here")
        assert result["status"] == "finished"
