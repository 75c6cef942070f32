"""The planner under a supervisor (`pip install langgraph-supervisor`).

python examples/embed/supervisor.py
"""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage
from langgraph_supervisor import create_supervisor

from tracer1_agents import create_tracer1_agent
from tracer1_agents.testing import ScriptedModel

PRICES = {"tea": 3, "cake": 5}
SCRIPT = ['price_of(item="cake") # "Look up cake"\nfinish(answer="5") # "Tell"', 'finish(answer="5 euros") # "Tell"']


def price_of(item: str) -> int:
    """Price of one item on the menu, in euros."""
    return PRICES[item]


def build_app() -> Any:
    """A supervisor that hands over to the planner and then closes."""
    worker = create_tracer1_agent(ScriptedModel(script=SCRIPT), [price_of], profile="compact", name="till")
    hand_over = {"name": "transfer_to_till", "args": {}, "id": "1"}
    boss = ScriptedModel(script=[AIMessage("", tool_calls=[hand_over]), AIMessage("A cake costs 5 euros.")])
    return create_supervisor([worker], model=boss).compile()


if __name__ == "__main__":
    for message in build_app().invoke({"messages": [("user", "What does a cake cost?")]})["messages"]:
        print(f"{message.type}: {message.text}")  # noqa: T201
