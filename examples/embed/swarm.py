"""The planner in a swarm (`pip install langgraph-swarm`).

python examples/embed/swarm.py
"""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langgraph_swarm import create_handoff_tool, create_swarm

from tracer1_agents import create_tracer1_agent
from tracer1_agents.testing import ScriptedModel

PRICES = {"tea": 3, "cake": 5}
SCRIPT = ['price_of(item="cake") # "Look up cake"\nfinish(answer="5") # "Tell"', 'finish(answer="5 euros") # "Tell"']


def price_of(item: str) -> int:
    """Price of one item on the menu, in euros."""
    return PRICES[item]


def build_app() -> Any:
    """A waiter that hands over to the planner, which answers."""
    till = create_tracer1_agent(ScriptedModel(script=SCRIPT), [price_of], profile="compact", name="till")
    call = {"name": "transfer_to_till", "args": {}, "id": "1"}
    model = ScriptedModel(script=[AIMessage("", tool_calls=[call])])
    waiter = create_agent(model, [create_handoff_tool(agent_name="till")], name="waiter")
    return create_swarm([waiter, till], default_active_agent="waiter").compile()


if __name__ == "__main__":
    for message in build_app().invoke({"messages": [("user", "What does a cake cost?")]})["messages"]:
        print(f"{message.type}: {message.text}")  # noqa: T201
