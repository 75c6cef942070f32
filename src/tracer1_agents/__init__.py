"""Plan several steps ahead, act once, look again: an anticipatory planner for LangGraph.

At each step a planner model forecasts a short trajectory of (action, step instruction) pairs; only the first pair is
executed by a frozen tool agent; then the agent observes and plans anew (TraceR1, arXiv 2603.16777).

    from tracer1_agents import create_tracer1_agent
    agent = create_tracer1_agent("tracer1-tiny", tools, horizon=8)
    result = agent.invoke({"instruction": "What is the total of qty in sales.csv?"})

Names are loaded when first used: importing the package imports neither torch nor langgraph.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tracer1_agents.blobs import BlobStore
    from tracer1_agents.errors import Tracer1Error
    from tracer1_agents.graphs.build import build_graph, create_planner_node, create_tracer1_agent, trace_of
    from tracer1_agents.graphs.conversation import find_loop, messages_of
    from tracer1_agents.graphs.loop_guard import LoopGuard
    from tracer1_agents.graphs.middleware import AnticipatoryPlanningMiddleware, LoopGuardMiddleware
    from tracer1_agents.graphs.planner_node import PlannerNode
    from tracer1_agents.graphs.safeguards import stays_within
    from tracer1_agents.graphs.settings import Settings, Tracer1Context
    from tracer1_agents.graphs.toolbox_executor import ToolboxExecutor
    from tracer1_agents.graphs.workbench import open_workbench
    from tracer1_agents.planner.policy import Policy
    from tracer1_agents.planner.retries import Retries
    from tracer1_agents.serving.local import LocalChatModel
    from tracer1_agents.serving.vllm import VllmChatModel
    from tracer1_agents.tools.toolbox import default_toolbox
    from tracer1_agents.types import Forecast, Observation, Status, StepRecord, Trace

__version__ = "0.1.0"

_HOMES: Final[dict[str, str]] = {
    "BlobStore": "blobs",
    "Tracer1Error": "errors",
    "build_graph": "graphs.build",
    "create_planner_node": "graphs.build",
    "create_tracer1_agent": "graphs.build",
    "trace_of": "graphs.build",
    "find_loop": "graphs.conversation",
    "messages_of": "graphs.conversation",
    "LoopGuard": "graphs.loop_guard",
    "AnticipatoryPlanningMiddleware": "graphs.middleware",
    "LoopGuardMiddleware": "graphs.middleware",
    "PlannerNode": "graphs.planner_node",
    "stays_within": "graphs.safeguards",
    "Settings": "graphs.settings",
    "Tracer1Context": "graphs.settings",
    "ToolboxExecutor": "graphs.toolbox_executor",
    "open_workbench": "graphs.workbench",
    "Policy": "planner.policy",
    "Retries": "planner.retries",
    "LocalChatModel": "serving.local",
    "VllmChatModel": "serving.vllm",
    "default_toolbox": "tools.toolbox",
    "Forecast": "types",
    "Observation": "types",
    "Status": "types",
    "StepRecord": "types",
    "Trace": "types",
}

__all__ = [  # noqa: RUF022  (grouped by package)
    "BlobStore",
    "Tracer1Error",
    "build_graph",
    "create_planner_node",
    "create_tracer1_agent",
    "trace_of",
    "find_loop",
    "messages_of",
    "LoopGuard",
    "AnticipatoryPlanningMiddleware",
    "LoopGuardMiddleware",
    "PlannerNode",
    "stays_within",
    "Settings",
    "Tracer1Context",
    "ToolboxExecutor",
    "open_workbench",
    "Policy",
    "Retries",
    "LocalChatModel",
    "VllmChatModel",
    "default_toolbox",
    "Forecast",
    "Observation",
    "Status",
    "StepRecord",
    "Trace",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home (PEP 562)."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
