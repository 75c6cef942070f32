"""The compiled agent inside a graph with another state and another context.

A node of the parent calls the agent and translates: its own question becomes the instruction, the answer its own field.
The parent's context has nothing to do with the planner's, but may carry it as `tracer1`. (Where the parent's state
has `messages`, `add_node("agent", agent)` is enough; the planner alone as a node: `examples/embed_in_langgraph.py`.)

    python examples/embed/parent_graph.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime  # noqa: TC002  (LangGraph reads the annotations)
from typing_extensions import TypedDict

from tracer1_agents import Tracer1Context, create_tracer1_agent
from tracer1_agents.testing import ScriptedModel

PRICES = {"tea": 3, "cake": 5}
SCRIPT = [
    'price_of(item="cake") # "Look up cake"\nfinish(answer="5") # "Tell"',
    'finish(answer="5") # "Tell"',
]


class Desk(TypedDict, total=False):
    """The parent's state; none of it is the agent's."""

    question: str
    reply: str


@dataclass
class Visitor:
    """The parent's context."""

    name: str
    tracer1: Tracer1Context | None = None


def price_of(item: str) -> int:
    """Price of one item on the menu, in euros."""
    return PRICES[item]


def build_app() -> Any:
    """One node that asks the agent, one that writes the reply."""
    agent = create_tracer1_agent(ScriptedModel(script=SCRIPT), [price_of], profile="compact")

    def ask(state: Desk, runtime: Runtime[Visitor]) -> Desk:
        result = agent.invoke({"instruction": state["question"]}, context=runtime.context)  # type: ignore[arg-type]
        steps = len(result["forecast_log"])
        return {"reply": f"{runtime.context.name}: {result['answer']} euros, after {steps} steps ({result['status']})"}

    graph = StateGraph(Desk, context_schema=Visitor)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    return graph.compile()


if __name__ == "__main__":
    for limits in (None, Tracer1Context(max_steps=1)):
        context = Visitor("Ada", limits)
        print(build_app().invoke({"question": "What does a cake cost?"}, context=context)["reply"])  # noqa: T201
