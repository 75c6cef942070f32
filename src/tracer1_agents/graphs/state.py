"""What flows through the graph: plain JSON, so that any checkpointer can keep it and any program can read it.

The current forecast is replaced each step; `forecast_log` only grows, by one `StepRecord` a step. Screenshots are
references. What comes in (`instruction`, `observation`) is taken over by the first node and emptied, so that the next
run on the same thread cannot mistake it for its own. `messages` is there for host graphs: the task comes in as its last
human message, the answer goes out as an AI message.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from langchain_core.messages import AnyMessage, HumanMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.graph.message import add_messages
from langgraph.managed import RemainingSteps  # noqa: TC002  (LangGraph reads the annotations)
from pydantic import BaseModel, ValidationError
from typing_extensions import TypedDict

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.graphs.loop_guard import keep_trail, mark
from tracer1_agents.planner.history import last_k
from tracer1_agents.types import Forecast, HistoryEntry, Observation, Status, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer1_agents.graphs.settings import Settings
    from tracer1_agents.types import Execution, ForecastPair

Json = dict[str, Any]
STEPS_PER_TURN: Final = 4  # super-steps of the graph that one more turn of the loop needs, with one to say how it ended


def grow_log(log: list[Json], writes: Sequence[list[Json] | None]) -> list[Json]:
    """Append to the log of a run, write after write; None begins a new one."""
    for newer in writes:
        log = [] if newer is None else log + newer
    return log


_AT_ONCE: Final = 1.0  # seconds: more than lies between two nodes of a run that waits for nobody
_WHOLE_COPIES: Final = 500  # updates between whole copies: each is as long as the episode, but bounds what is read back
GROWING: Final = DeltaChannel(grow_log, list, snapshot_frequency=_WHOLE_COPIES)
"""Of a log: only what is new is checkpointed, so that bytes a step stay the same."""
TRAIL: Final = DeltaChannel(keep_trail, list, snapshot_frequency=_WHOLE_COPIES)
"""Of the loop guard's trail: likewise."""


class PlannerState(TypedDict, total=False):
    """What the planner node reads and writes; a host graph needs none of it but `messages` or `instruction`.

    Keys: `instruction` (the task as handed in), `task` (the task of this run, where the whole loop runs), `observation`
    (`types.Observation` as handed in), `seen` (what came back since, to plan from instead), `history` (newest K
    `types.HistoryEntry`), `execution` (what the newest entry returned), `forecast` (`types.Forecast`), `step` (steps
    planned so far), `trail` (marks of what was done, for the loop guard), `planning` (events, tokens and seconds of the
    newest planner call, and since when nobody has been waited for), `committed` (steps since the planner was asked),
    `usage` (`types.Usage`) and `planner_calls` so far, `started_at` (seconds since the epoch, later by what somebody
    took to answer), `rejections` (why forecasts of this step were rejected), `ticket` (see `graphs.once`), `to_review`
    (whether somebody has to approve the forecast; see `graphs.review`), `concerns` (why a safeguard asks), `status`,
    `detail`.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    instruction: str
    task: str
    observation: Json
    seen: Json
    history: list[Json]
    execution: Json | None
    forecast: Json | None
    step: int
    trail: Annotated[list[list[str]], TRAIL]
    planning: Json
    committed: int
    usage: Json
    planner_calls: int
    started_at: float
    rejections: list[str]
    ticket: str
    to_review: bool
    concerns: list[str]
    status: str | None
    detail: str
    remaining_steps: RemainingSteps


Noun = TypeVar("Noun", bound=BaseModel)


def stored(noun: type[Noun], value: Any) -> Noun:
    """A noun of `types.py` that state holds as JSON.

    Raises:
        ConfigurationError: It is none: a host, `update_state` or another version of this package wrote something else.
    """
    try:
        return noun.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        msg = (
            f"the state's {noun.__name__} cannot be read ({where}: {first['msg']}). If you handed it in, it takes "
            f"{', '.join(noun.model_fields)}. Was it written by another version of tracer1-agents, or by hand? Resume "
            "it with that version, mend it with update_state, or begin on a new thread"
        )
        raise ConfigurationError(msg) from error


def observation_of(state: PlannerState) -> Observation:
    """What the agent sees now."""
    return stored(Observation, state.get("seen") or state.get("observation") or {})


def usage_in(holder: Mapping[str, Any]) -> Usage:
    """The tokens that a state, or its `planning`, has counted; none where nobody has counted yet."""
    return stored(Usage, holder.get("usage") or {})


def first_pair(state: PlannerState) -> ForecastPair:
    """What the newest forecast says to do now.

    Raises:
        ConfigurationError: It says nothing: somebody wrote a forecast without a pair.
    """
    pairs = stored(Forecast, state["forecast"]).pairs
    if not pairs:
        msg = 'the state\'s forecast has no pair to run; it takes {"pairs": [{"action": {...}, "instruction": ""}]}'
        raise ConfigurationError(msg)
    return pairs[0]


def task_of(state: PlannerState) -> str:
    """The task: as handed in, or the last human message.

    Raises:
        ConfigurationError: There is neither, or it is no text.
    """
    messages = reversed(state.get("messages", []))
    said = (str(message.text) for message in messages if isinstance(message, HumanMessage))
    task = state.get("instruction") or next(said, "")
    if not isinstance(task, str):
        msg = f'the task has to be text, got {type(task).__name__}: {{"instruction": "..."}}'
        raise ConfigurationError(msg)
    if not task.strip():
        msg = 'there is no task: invoke the graph with {"instruction": "..."} or with a human message'
        raise ConfigurationError(msg)
    return task


def taken_in(state: PlannerState, execution: Execution, settings: Settings) -> Json:
    """What is seen, remembered and watched for loops when the first pair of the forecast was carried out.

    Args:
        state: That of the node that carried it out, or of one behind it.
        execution: What came back.
        settings: Those of this run.
    """
    first, before = first_pair(state), observation_of(state)
    grammar = settings.profile.grammar_for(before.image, platform=settings.platform)
    line = grammar.render_action(first.action)
    entry = HistoryEntry(step=state["step"], action=line, instruction=first.instruction)
    history = [stored(HistoryEntry, old) for old in state.get("history", [])]
    return {
        "seen": Observation(text=execution.text, image=execution.image).model_dump(mode="json"),
        "history": [old.model_dump() for old in last_k([*history, entry], max(1, settings.history_window))],
        "trail": [list(mark(first.action, first.instruction, before))],
        "rejections": [],
    }


def without_the_wait(state: PlannerState) -> Json:
    """Update of a node that ran only when somebody had answered: that time is not the run's.

    Empty where nobody was waited for, which is told by the time since the plan was ready.
    """
    planning, now = state.get("planning") or {}, time.time()
    waited = now - planning.get("until", now)
    if waited < _AT_ONCE:
        return {}
    return {"started_at": state["started_at"] + waited, "planning": {**planning, "until": now}}


def fresh_run() -> Json:
    """What the planner's keys hold when a run begins."""
    return {
        "seen": {},
        "step": 0,
        "history": [],
        "execution": None,
        "forecast": None,
        "trail": None,
        "committed": 0,
        "usage": Usage().model_dump(),
        "planner_calls": 0,
        "rejections": [],
        "status": None,
        "detail": "",
        "started_at": 0.0,
    }


def no_room() -> Json:
    """Status and detail when LangGraph's own limit comes before those of this package."""
    detail = "the graph's recursion_limit leaves no room for another step; raise it above 3 * max_steps + 2"
    return {"status": Status.STEP_LIMIT.value, "detail": detail}


def out_of_steps(max_steps: int) -> Json:
    """Status and detail when a run has used its steps."""
    return {"status": Status.STEP_LIMIT.value, "detail": f"{max_steps} steps were not enough"}


class AgentState(PlannerState, total=False):
    """State of the whole loop.

    Keys besides the planner's: `forecast_log` (`types.StepRecord`, one a step), `answer`, `tool_errors` in a row,
    `episode` (a name of this run's own, part of idempotency keys).
    """

    past: list[Json]
    forecast_log: Annotated[list[Json], GROWING]
    answer: str | None
    tool_errors: int
    episode: str


class AgentInput(TypedDict, total=False):
    """What starts a run: a task as `instruction` or as the last human message, and what is seen first.

    A run may begin in the middle of an episode: `past` holds the steps that were taken before it (`types.HistoryEntry`,
    oldest first), and `observation` what the newest of them returned. They count towards `max_steps`.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    instruction: str
    observation: Json
    past: list[Json]


class AgentOutput(TypedDict, total=False):
    """What a run returns."""

    messages: Annotated[list[AnyMessage], add_messages]
    task: str
    forecast_log: Annotated[list[Json], GROWING]
    status: str | None
    answer: str | None
    detail: str
    usage: Json
    planner_calls: int
