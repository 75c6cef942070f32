"""What goes wrong around an embedded agent: each a clear error, or a step that is recovered."""

from __future__ import annotations

import asyncio
import shutil

import pytest
from langchain_core.tools import StructuredTool
from langgraph.checkpoint.memory import InMemorySaver
from loop_helpers import FINISH, TASK, make_agent

from tracer1_agents import create_tracer1_agent
from tracer1_agents.blobs import BlobStore
from tracer1_agents.errors import ConfigurationError, DataError
from tracer1_agents.testing import ScriptedModel


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

    def test_without_a_word_about_arguments(self):
        model = ScriptedModel(script=['t() # "x"', FINISH])
        agent = create_tracer1_agent(model, [schema_tool({"type": "object"})], profile="compact")
        result = agent.invoke(TASK)
        assert result["forecast_log"][0]["execution"]["text"] == "done"


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
