"""What flows through the graph: plain JSON, so that any checkpointer can keep it and any program can read it.

The current forecast is replaced each step; `forecast_log` only grows, by one `StepRecord` a step. Screenshots are
references. `messages` is there for host graphs: the task comes in as its last human message, the answer goes out as an
AI message.
"""

from __future__ import annotations

import operator
from typing import Annotated, Any

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages
from langgraph.managed import RemainingSteps
from typing_extensions import TypedDict

Json = dict[str, Any]


class PlannerState(TypedDict, total=False):
    """What the planner node reads and writes; a host graph needs none of it but `messages` or `instruction`.

    Keys: `instruction` (the task), `observation` (`types.Observation`), `history` (newest K `types.HistoryEntry`),
    `execution` (what the newest entry returned), `forecast` (`types.Forecast`), `step` (steps planned so far),
    `trail` (operations and what was seen before each, for the loop guard), `planning` (events, tokens, seconds of the
    newest planner call), `usage` (`types.Usage` so far), `started_at` (seconds since the epoch), `status`, `detail`.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    instruction: str
    observation: Json
    history: list[Json]
    execution: Json | None
    forecast: Json | None
    step: int
    trail: list[list[str]]
    planning: Json
    usage: Json
    started_at: float
    status: str | None
    detail: str
    remaining_steps: RemainingSteps


class AgentState(PlannerState, total=False):
    """State of the whole loop: `forecast_log` (`types.StepRecord`, one a step), `answer`, `tool_errors` in a row."""

    forecast_log: Annotated[list[Json], operator.add]
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
    instruction: str
    forecast_log: Annotated[list[Json], operator.add]
    status: str | None
    answer: str | None
    detail: str
    usage: Json
