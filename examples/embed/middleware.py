"""The planner in `langchain.agents.create_agent`: a forecast for the agent's own model, or the planner in its place.

python examples/embed/middleware.py
"""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import ModelCallLimitMiddleware
from langchain_core.messages import AIMessage

from tracer1_agents import AnticipatoryPlanningMiddleware, LoopGuardMiddleware
from tracer1_agents.testing import ScriptedModel

PRICES = {"tea": 3, "cake": 5}
QUESTION = {"messages": [("user", "What do a tea and a cake cost?")]}
SCRIPT = [
    'price_of(item="tea") # "Look up tea"\nprice_of(item="cake") # "Look up cake"\nfinish(answer="?") # "Add up"',
    'price_of(item="cake") # "Look up cake"\nfinish(answer="8") # "Add up"',
    'finish(answer="8") # "Add up"',
]


def price_of(item: str) -> int:
    """Price of one item on the menu, in euros."""
    return PRICES[item]


def replaced() -> Any:
    """The planner is the model; put any chat model, or "tracer1-tiny", in the place of the scripted ones."""
    planner = AnticipatoryPlanningMiddleware(ScriptedModel(script=SCRIPT), mode="replace", profile="compact")
    return create_agent(ScriptedModel(script=["not asked"]), [price_of], middleware=[planner])


def advised() -> Any:
    """The agent's model decides, with the forecast before it; of its parallel calls only the first is executed."""
    calls = [{"name": "price_of", "args": {"item": item}, "id": item} for item in PRICES]
    actor = ScriptedModel(script=[AIMessage("", tool_calls=calls), AIMessage("", tool_calls=calls[1:]), "8 euros"])
    planner = AnticipatoryPlanningMiddleware(ScriptedModel(script=SCRIPT), profile="compact")
    limits = [LoopGuardMiddleware(), ModelCallLimitMiddleware(run_limit=10)]
    return create_agent(actor, [price_of], middleware=[planner, *limits])


def main() -> None:
    """Ask both agents."""
    for agent in (replaced(), advised()):
        result = agent.invoke(QUESTION)
        ahead = [len(entry["pairs"]) for entry in result["forecast_log"]]
        print(f"{result['messages'][-1].text}; pairs ahead at each step: {ahead}")  # noqa: T201


if __name__ == "__main__":
    main()
