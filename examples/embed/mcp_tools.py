"""Tools of an MCP server, with one session per episode (`pip install "tracer1-agents[mcp]"`).

What a server remembers between calls belongs to its session, so every episode opens one of its own: here a basket that
starts empty each time (`mcp_server.py`).

    python examples/embed/mcp_tools.py
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools

from tracer1_agents import create_tracer1_agent
from tracer1_agents.testing import ScriptedModel

SCRIPT = ['put(item="tea") # "Put tea in"', 'put(item="cake") # "Put cake in"', 'finish(answer="both") # "Tell"']
SERVER = {"transport": "stdio", "command": sys.executable, "args": [str(Path(__file__).with_name("mcp_server.py"))]}


async def run_episode(client: MultiServerMCPClient, task: str) -> Any:
    """One episode, from the opening of its session to the end."""
    async with client.session("shop") as session:
        tools = await load_mcp_tools(session)
        agent = create_tracer1_agent(ScriptedModel(script=SCRIPT), tools, profile="compact")
        return await agent.ainvoke({"instruction": task})


async def main() -> None:
    """Two episodes; the second knows nothing of the first."""
    client = MultiServerMCPClient({"shop": SERVER})  # type: ignore[dict-item]
    for _ in range(2):
        result = await run_episode(client, "Put a tea and a cake into the basket.")
        seen = [entry["execution"]["text"] for entry in result["forecast_log"][:-1]]
        print(f"{result['status']}: {seen}")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
