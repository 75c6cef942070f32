"""The planner as one node of an ordinary LangGraph app, beside nodes that know nothing of it.

The app has its own state and its own way of acting: here a till that takes orders. The planner node forecasts, the
app's `act` node carries out the first pair with the app's functions and reports back, a last node writes the receipt.

    python examples/embed_in_langgraph.py
"""

from __future__ import annotations

from typing import Any

from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from tracer1_agents import PlannerNode, create_planner_node
from tracer1_agents.graphs.state import PlannerState, first_pair
from tracer1_agents.testing import ScriptedModel
from tracer1_agents.tools.base import ToolRegistry

PRICES = {"tea": 3, "cake": 5}


def price_of(item: str) -> int:
    """Price of one item on the menu, in euros."""
    return PRICES[item]


class Till(TypedDict, total=False):
    """The app's own state; the planner's keys are added by the planner node."""

    instruction: str
    receipt: str


def make_planner() -> PlannerNode:
    """A planner node over a scripted model; put any chat model, or "tracer1-tiny", in its place."""
    tea, cake, done = (
        'price_of(item="tea") # "Look up tea"',
        'price_of(item="cake") # "Look up cake"',
        'finish(answer="8")',
    )
    script = [f"{tea}\n{cake}\nfinish(answer=Result(step=2))", f"{cake}\n{done}", done]
    return create_planner_node(ScriptedModel(script=script), [price_of], horizon=3, profile="compact")


def write_receipt(state: PlannerState) -> dict[str, Any]:
    """The app's last node; with a status, the next run on this thread begins anew."""
    answer = first_pair(state).action.answer  # type: ignore[union-attr]
    return {"receipt": f"{state['instruction']} -> {answer} euros", "status": "finished"}


def after_plan(state: PlannerState) -> str:
    """Act until the planner wants to finish; stop when it cannot go on."""
    if state.get("status"):
        return END
    return "receipt" if first_pair(state).action.kind == "finish" else "act"


def build_app(checkpointer: Any = None) -> Any:
    """Planner, act, receipt."""
    planner = make_planner()

    def act(state: PlannerState) -> dict[str, Any]:
        """Carry out the first pair of the forecast, and tell the planner what came back."""
        first, ahead = first_pair(state), len(state["forecast"]["pairs"])  # type: ignore[index]
        print(f"step {state['step']}: {ahead} pairs ahead, doing: {first.instruction}")  # noqa: T201
        return planner.observe(state, ToolRegistry([price_of]).run(first.action.name, first.action.arguments))  # type: ignore[union-attr]

    graph = StateGraph(Till)
    graph.add_node("plan", planner)
    graph.add_node("act", act, input_schema=PlannerState)
    graph.add_node("receipt", write_receipt, input_schema=PlannerState)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", after_plan, ["act", "receipt", END])
    graph.add_edge("act", "plan")
    graph.add_edge("receipt", END)
    return graph.compile(checkpointer=checkpointer)


if __name__ == "__main__":
    print(build_app().invoke({"instruction": "What do a tea and a cake cost?"})["receipt"])  # noqa: T201
