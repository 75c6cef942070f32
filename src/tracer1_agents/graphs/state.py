"""What flows through the graph: plain JSON, so that any checkpointer can keep it and any program can read it.

The current forecast is replaced each step; `forecast_log` only grows, by one `StepRecord` a step. Screenshots are
references. `messages` is there for host graphs: the task comes in as its last human message, the answer goes out as an
AI message.
"""

from __future__ import annotations

from typing import Annotated, Any

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages
from langgraph.managed import RemainingSteps
from typing_extensions import TypedDict

Json = dict[str, Any]


def grow_log(log: list[Json], newer: list[Json]) -> list[Json]:
    """Append to the log of a run; the first step of a new run on the same thread begins a new one."""
    return newer if newer and newer[0]["step"] == 1 else log + newer


class PlannerState(TypedDict, total=False):
    """What the planner node reads and writes; a host graph needs none of it but `messages` or `instruction`.

    Keys: `instruction` (the task as handed in), `task` (the task of this run), `observation` (`types.Observation`), `history` (newest K `types.HistoryEntry`),
    `execution` (what the newest entry returned), `forecast` (`types.Forecast`), `step` (steps planned so far),
    `trail` (operations and what was seen before each, for the loop guard), `planning` (events, tokens, seconds of the
    newest planner call), `usage` (`types.Usage` so far), `planner_calls` so far, `started_at` (seconds since the epoch), `status`, `detail`.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    instruction: str
    task: str
    observation: Json
    history: list[Json]
    execution: Json | None
    forecast: Json | None
    step: int
    trail: list[list[str]]
    planning: Json
    usage: Json
    planner_calls: int
    started_at: float
    status: str | None
    detail: str
    remaining_steps: RemainingSteps


class AgentState(PlannerState, total=False):
    """State of the whole loop: `forecast_log` (`types.StepRecord`, one a step), `answer`, `tool_errors` in a row."""

    forecast_log: Annotated[list[Json], grow_log]
    answer: str | None
    tool_errors: int


class AgentInput(TypedDict, total=False):
    """What starts a run: a task as `instruction` or as the last human message, and what is seen first."""

    messages: Annotated[list[AnyMessage], add_messages]
    instruction: str
    observation: Json


class AgentOutput(TypedDict, total=False):
    """What a run returns."""

    messages: Annotated[list[AnyMessage], add_messages]
    task: str
    forecast_log: Annotated[list[Json], grow_log]
    status: str | None
    answer: str | None
    detail: str
    usage: Json
    planner_calls: int
