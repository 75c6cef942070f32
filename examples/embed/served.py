"""The agent behind LangGraph's server, with its context schema and its interrupts: `langgraph dev` in this repository.

`langgraph.json` names `graph`. The planner is `TRACER1_MODEL`: a name that `init_chat_model` knows, a folder, or
tracer1-tiny (the default); "scripted" needs no model at all. The server keeps the threads, so there is no checkpointer.

    pip install -e ".[agents]" "langgraph-cli[inmem]"
    TRACER1_MODEL=scripted langgraph dev --no-browser
"""

from __future__ import annotations

import os

from tracer1_agents import create_tracer1_agent
from tracer1_agents.testing import ScriptedModel

PRICES = {"tea": 3, "cake": 5}
SCRIPT = [
    'price_of(item="cake") # "Look up cake"\nfinish(answer=Result(step=1)) # "Tell"',
    'finish(answer="5") # "Tell"',
]


def price_of(item: str) -> int:
    """What an item costs."""
    return PRICES[item]


name = os.environ.get("TRACER1_MODEL", "tracer1-tiny")
planner = ScriptedModel(script=SCRIPT * 100) if name == "scripted" else name
graph = create_tracer1_agent(planner, [price_of], profile="compact" if name == "scripted" else None)
