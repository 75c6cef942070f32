"""The planner as a sub-agent of a deep agent (`pip install deepagents`).

python examples/embed/deep_agent.py
"""

from __future__ import annotations

from typing import Any

from deepagents import CompiledSubAgent, create_deep_agent
from langchain_core.messages import AIMessage

from tracer1_agents import create_tracer1_agent
from tracer1_agents.testing import ScriptedModel

PRICES = {"tea": 3, "cake": 5}
SCRIPT = ['price_of(item="cake") # "Look up cake"\nfinish(answer="5") # "Tell"', 'finish(answer="5 euros") # "Tell"']


def price_of(item: str) -> int:
    """Price of one item on the menu, in euros."""
    return PRICES[item]


def build_app() -> Any:
    """A deep agent that hands the task on and repeats what it hears."""
    worker = create_tracer1_agent(ScriptedModel(script=SCRIPT), [price_of], profile="compact", name="till")
    order = {"description": "What does a cake cost?", "subagent_type": "till"}
    call = {"name": "task", "args": order, "id": "1"}
    boss = ScriptedModel(script=[AIMessage("", tool_calls=[call]), AIMessage("A cake costs 5 euros.")])
    till = CompiledSubAgent(name="till", description="Knows the prices; plans ahead.", runnable=worker)
    return create_deep_agent(boss, subagents=[till])


if __name__ == "__main__":
    for message in build_app().invoke({"messages": [("user", "Ask the till what a cake costs.")]})["messages"]:
        print(f"{message.type}: {message.text}")  # noqa: T201
