"""What goes wrong around an embedded agent: each a clear error, or a step that is recovered."""

from __future__ import annotations

import asyncio
import shutil
import time
import warnings
from collections.abc import Callable  # noqa: TC003  (pydantic reads the annotation)

import pytest
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command, interrupt
from loop_helpers import FINISH, QUICK, TASK, make_agent
from pydantic import BaseModel, ConfigDict, Field

from tracer1_agents import create_tracer1_agent
from tracer1_agents.blobs import BlobStore
from tracer1_agents.errors import ConfigurationError, DataError
from tracer1_agents.testing import ScriptedModel

PIXEL = (
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)


class NotJson(BaseModel):
    key: Callable[[int], int]


def look(page: int) -> str:
    """Look at a page."""
    return f"page {page}"


def schema_tool(schema):
    return StructuredTool(name="t", description="d", args_schema=schema, func=lambda **_: "done")


class TestTwoRunsOnOneThread:
    def test_each_keeps_to_its_task(self):
        saver, script = InMemorySaver(), ['look(page=1) # "x"'] * 2 + [FINISH] * 2
        agent = create_tracer1_agent(
            ScriptedModel(script=script, delay=0.05), [look], profile="compact", checkpointer=saver
        )
        thread = {"configurable": {"thread_id": "1"}}

        async def both():
            return await asyncio.gather(*(agent.ainvoke({"instruction": task}, thread) for task in ("one", "other")))

        results = asyncio.run(both())
        assert [result["task"] for result in results] == ["one", "other"]
        for result in results:
            assert result["status"] == "finished"
            assert [entry["step"] for entry in result["forecast_log"]] == [1, 2]
        assert agent.get_state(thread).values["task"] in {"one", "other"}


class TestToolSchemas:
    @pytest.mark.parametrize("schema", [{"type": "array"}, {"type": "object", "properties": "no"}, {"type": "objekt"}])
    def test_that_describe_no_object(self, schema):
        with pytest.raises(ConfigurationError, match=r'tool "t": its arguments have to be .* got \{'):
            create_tracer1_agent(ScriptedModel(script=[FINISH]), [schema_tool(schema)])

    @pytest.mark.parametrize("spec", [{"type": "strin"}, {"$ref": "#/$defs/gone"}, "string"])
    def test_whose_arguments_are_none(self, spec):
        tool = schema_tool({"type": "object", "properties": {"good": {"type": "string"}, "x": spec}})
        with pytest.raises(ConfigurationError, match='tool "t": argument "x" has no valid JSON schema'):
            create_tracer1_agent(ScriptedModel(script=[FINISH]), [tool])

    def test_that_json_cannot_write(self):
        with pytest.raises(ConfigurationError, match='tool "t": its arguments cannot be written as a JSON schema'):
            create_tracer1_agent(ScriptedModel(script=[FINISH]), [schema_tool(NotJson)])

    def test_with_an_argument_that_only_its_alias_gives(self):
        class ByAlias(BaseModel):
            source: str = Field(alias="from")

        class ByBoth(ByAlias):
            model_config = ConfigDict(populate_by_name=True)

        with pytest.raises(ConfigurationError, match='tool "t": its argument "source" is shown by that name and taken'):
            create_tracer1_agent(ScriptedModel(script=[FINISH]), [schema_tool(ByAlias)])
        model = ScriptedModel(script=['t(source="here") # "x"', FINISH])
        result = create_tracer1_agent(model, [schema_tool(ByBoth)], profile="compact").invoke(TASK)
        assert result["forecast_log"][0]["execution"]["text"] == "done"

    def test_without_a_word_about_arguments(self):
        model = ScriptedModel(script=['t() # "x"', FINISH])
        agent = create_tracer1_agent(model, [schema_tool({"type": "object"})], profile="compact")
        result = agent.invoke(TASK)
        assert result["forecast_log"][0]["execution"]["text"] == "done"


class TestInput:
    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"instruction": 5}, "the task has to be text, got int"),
            ({"observation": "a screen"}, r"Observation cannot be read \(all of it"),
            ({"observation": {"txt": "a screen"}}, r"Observation cannot be read \(txt: Extra inputs"),
            ({"past": [{"a": 1}]}, r"HistoryEntry cannot be read \(step: Field required"),
        ],
    )
    def test_of_another_shape(self, wrong, words):
        agent, _ = make_agent([FINISH])
        with pytest.raises(ConfigurationError, match=words):
            agent.invoke({**TASK, **wrong})

    @pytest.mark.parametrize("tools", [look, "look"])
    def test_one_tool_that_is_no_list(self, tools):
        with pytest.raises(ConfigurationError, match=r"tools have to be a list of tools, got \w+; write \[tool\]"):
            create_tracer1_agent(ScriptedModel(script=[FINISH]), tools)

    def test_a_model_that_takes_no_images(self, tmp_path):
        class TextOnly(ScriptedModel):
            def _next(self, messages):
                if any(isinstance(message.content, list) for message in messages):
                    msg = "Error code: 400 - this model does not take image_url"
                    raise ValueError(msg)
                return super()._next(messages)

        store = BlobStore(str(tmp_path / "blobs"))
        image = {"ref": store.put(bytes.fromhex(PIXEL)), "width": 1, "height": 1}
        agent = create_tracer1_agent(TextOnly(script=[FINISH]), profile="generic", blobs=store, retries=QUICK)
        result = agent.invoke({**TASK, "observation": {"image": image}})
        assert result["status"] == "model_error"
        assert "this model does not take image_url" in result["detail"]


class TestToolsThatAsk:
    """A tool that stops to ask somebody has not run yet."""

    @pytest.mark.parametrize("keyed", [False, True])
    @pytest.mark.parametrize("way", ["sync", "async"])
    def test_it_runs_once_after_the_answer(self, keyed, way):
        paid = []

        def pay(euros: int) -> str:
            """Pay."""
            answer = interrupt({"really": euros})
            paid.append((euros, answer))
            return f"paid {euros}"

        def pay_once(euros: int, idempotency_key: str) -> str:
            """Pay."""
            assert idempotency_key
            return pay(euros)

        name = "pay_once" if keyed else "pay"
        script, thread = [f'{name}(euros=5) # "x"', FINISH], {"configurable": {"thread_id": "1"}}
        agent, _ = make_agent(script, tools=[pay_once if keyed else pay], checkpointer=InMemorySaver())
        for value in (TASK, Command(resume="yes")):
            result = asyncio.run(agent.ainvoke(value, thread)) if way == "async" else agent.invoke(value, thread)
        assert paid == [(5, "yes")]
        first = result["forecast_log"][0]
        assert (first["execution"]["text"], first["events"]) == ("paid 5", [])

    def test_somebody_may_think_longer_than_the_run_may_last(self, monkeypatch):
        def pay(euros: int) -> str:
            """Pay."""
            return f"{interrupt('really?')}, {interrupt('really, really?')}"

        clock, thread = time.time, {"configurable": {"thread_id": "1"}}
        script = ['pay(euros=5) # "x"', 'pay(euros=6) # "x"', FINISH]
        agent, _ = make_agent(script, tools=[pay], checkpointer=InMemorySaver(), time_limit=60, approve_plan=True)
        result, hours = agent.invoke(TASK, thread), 0
        while "__interrupt__" in result:
            asked = result["__interrupt__"][0].value
            hours += 1
            monkeypatch.setattr(time, "time", lambda hours=hours: clock() + 3600 * hours)
            answer = "yes" if isinstance(asked, str) else {"decision": "approve"}
            result = agent.invoke(Command(resume=answer), thread)
        assert (result["status"], result["detail"], hours) == ("finished", "", 7)


class TestNothingIsHidden:
    @pytest.mark.parametrize("way", ["sync", "async"])
    def test_no_warning_and_no_type_that_strict_msgpack_refuses(self, tmp_path, way):
        """An episode with a picture, an approval and a crash, read back from SQLite; any warning is an error."""
        sqlite = pytest.importorskip("langgraph.checkpoint.sqlite.aio", reason="langgraph-checkpoint-sqlite is missing")
        serde = JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)
        script, thread = ['look(page=1) # "x"', FINISH], {"configurable": {"thread_id": "1"}}

        async def episode():
            async with sqlite.AsyncSqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as saver:
                saver.serde = serde
                agent = create_tracer1_agent(
                    ScriptedModel(script=script), [look], profile="compact", checkpointer=saver, approve_plan=True
                )
                result = await agent.ainvoke(TASK, thread)
                while "__interrupt__" in result:
                    result = await agent.ainvoke(Command(resume={"decision": "approve"}), thread)
                history = [state.values async for state in agent.aget_state_history(thread)]
                return result, history

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if way == "async":
                result, history = asyncio.run(episode())
            else:
                agent, _ = make_agent(script, checkpointer=InMemorySaver(serde=serde))
                result = agent.invoke(TASK, thread)
                history = [state.values for state in agent.get_state_history(thread)]
        assert result["status"] == "finished"
        assert len(history) > 5


class TestAStoreThatVanished:
    def test_takes_new_screenshots(self, tmp_path):
        store = BlobStore(tmp_path / "blobs")
        shutil.rmtree(store.folder)
        assert store.get(store.put(b"new")) == b"new"

    def test_says_which_old_ones_are_gone(self, tmp_path):
        store = BlobStore(tmp_path / "blobs")
        ref = store.put(b"old")
        shutil.rmtree(store.folder)
        image = {"ref": ref, "width": 10, "height": 10}
        agent, _ = make_agent([FINISH], profile="generic", platform="computer", blobs=store)
        with pytest.raises(DataError, match="is not there; was the folder cleaned or moved"):
            agent.invoke({**TASK, "observation": {"image": image}})
