"""Tools of an MCP server over HTTP; a server that dies in the middle of an episode is an observation, not the end."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time

import pytest

from tracer1_agents import create_tracer1_agent
from tracer1_agents.testing import ScriptedModel

pytest.importorskip("langchain_mcp_adapters", reason="langchain-mcp-adapters is not installed (extra mcp)")

SERVER = """
import os, sys
from mcp.server.fastmcp import FastMCP

server = FastMCP("shop", log_level="ERROR", host="127.0.0.1", port=int(sys.argv[1]))
basket = []

@server.tool()
def put(item: str) -> str:
    "Put an item into the basket."
    basket.append(item)
    return "in the basket: " + ", ".join(basket)

@server.tool()
def crash() -> str:
    "Go down."
    os._exit(1)

server.run("streamable-http")
"""


@pytest.fixture
def address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        else:
            pytest.fail("the MCP server did not come up within 60 seconds")
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.kill()
        server.wait()


def episode(address, script):
    from langchain_mcp_adapters.client import MultiServerMCPClient  # noqa: PLC0415
    from langchain_mcp_adapters.tools import load_mcp_tools  # noqa: PLC0415

    async def run():
        client = MultiServerMCPClient({"shop": {"transport": "streamable_http", "url": address}})
        tools = await client.get_tools()
        agent = create_tracer1_agent(ScriptedModel(script=script), tools, profile="compact", max_tool_errors=9)
        return await agent.ainvoke({"instruction": "Fill the basket."})

    async def in_one_session():
        client = MultiServerMCPClient({"shop": {"transport": "streamable_http", "url": address}})
        async with client.session("shop") as session:
            agent = create_tracer1_agent(
                ScriptedModel(script=script), await load_mcp_tools(session), profile="compact", max_tool_errors=9
            )
            return await agent.ainvoke({"instruction": "Fill the basket."})

    return run, in_one_session


def test_tools_over_http_in_one_session(address):
    script = ['put(item="tea") # "p"', 'put(item="cake") # "p"', 'finish(answer="both") # "t"']
    _, in_one_session = episode(address, script)
    result = asyncio.run(in_one_session())
    texts = [entry["execution"]["text"] for entry in result["forecast_log"]]
    assert texts[:2] == ["in the basket: tea", "in the basket: tea, cake"]
    assert result["status"] == "finished"


def test_a_server_that_dies(address):
    script = ['put(item="tea") # "p"', 'crash() # "c"', 'put(item="cake") # "p"', 'finish(answer="gone") # "t"']
    run, _ = episode(address, script)
    result = asyncio.run(asyncio.wait_for(run(), 120))
    oks = [entry["execution"]["ok"] for entry in result["forecast_log"]]
    assert oks == [True, False, False, True]
    assert all(entry["execution"]["text"].startswith("error: ") for entry in result["forecast_log"][1:3])
    assert (result["status"], result["answer"]) == ("finished", "gone")
