"""The other nodes of the loop.

`begin` clears the table, `toolbox` and `ground` carry out the first pair, `observe` takes in what came back.
"""

from __future__ import annotations

import asyncio
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.errors import GraphBubbleUp
from langgraph.runtime import get_runtime
from pydantic_core import PydanticSerializationError

from tracer1_agents.actions.space import Code, Finish, ToolCall
from tracer1_agents.errors import ConfigurationError, PlannerError
from tracer1_agents.graphs.conversation import last_words
from tracer1_agents.graphs.once import prepare_execution, return_ticket
from tracer1_agents.graphs.replies import complete, take_rest
from tracer1_agents.graphs.state import (
    STEPS_PER_TURN,
    AgentState,
    first_pair,
    fresh_run,
    no_room,
    observation_of,
    out_of_steps,
    stored,
    taken_in,
    task_of,
    usage_in,
    without_the_wait,
)
from tracer1_agents.tools.executor import LOST, lost
from tracer1_agents.types import (
    Execution,
    Forecast,
    HistoryEntry,
    Observation,
    Status,
    StepRecord,
    an_execution,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracer1_agents.actions.space import Action
    from tracer1_agents.graphs.settings import Settings
    from tracer1_agents.planner.policy import PolicyReply
    from tracer1_agents.tools.executor import Executor

_LEAST_STEPS: Final = 3  # super-steps from here to the end of a run that plans once
_NO_TOOLBOX: Final = "error: there are no tools here; answer with finish"
_NO_SCREEN: Final = "error: there is no screen to act on here; use the tools or finish"


class AtOnce(Runnable[AgentState, Any]):
    """A plain function that takes microseconds, called where it is: LangGraph would send it to a thread in async runs.

    Args:
        function: State to update, or to the next node's name.
    """

    def __init__(self, function: Callable[[AgentState], Any]) -> None:
        self.function = function
        self.name = function.__name__

    def invoke(self, input: AgentState, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002  (name set by Runnable)
        """Call it."""
        del config, kwargs
        return self.function(input)

    async def ainvoke(self, input: AgentState, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002  (name set by Runnable)
        """Call it."""
        return self.invoke(input, config, **kwargs)


def begin(state: AgentState) -> dict[str, Any]:
    """Start an episode: runs once for every input, so that nothing but messages is left of earlier runs of a thread.

    Raises:
        ConfigurationError: There is no task.
    """
    task = task_of(state)
    past = [stored(HistoryEntry, entry).model_dump() for entry in state.get("past") or []]
    taken_over = {
        "task": task,
        "instruction": "",
        "seen": state.get("observation") or {},
        "observation": {},
        "history": past,
        "step": past[-1]["step"] if past else 0,
        "past": [],
    }
    ended = no_room() if state.get("remaining_steps", STEPS_PER_TURN) < _LEAST_STEPS else {}
    return {
        **fresh_run(),
        **taken_over,
        "planning": {},
        "episode": uuid.uuid4().hex,
        "answer": None,
        "tool_errors": 0,
        "forecast_log": None,
        **ended,
    }


def plan_or_end(state: AgentState) -> Literal["plan", "__end__"]:
    """On to the next step, unless the run has ended or may not even begin."""
    return "__end__" if state.get("status") else "plan"


def after_plan(state: AgentState) -> Literal["review", "toolbox", "ground", "observe", "__end__"]:
    """Where a new forecast goes: to somebody who approves it, or straight on."""
    return "review" if state.get("to_review") and not state.get("status") else after_approval(state)


def after_approval(state: AgentState) -> Literal["toolbox", "ground", "observe", "__end__"]:
    """Where the first pair of an approved forecast goes."""
    if state.get("status"):
        return "__end__"
    action = first_pair(state).action
    if isinstance(action, Finish):
        return "observe"
    return "toolbox" if isinstance(action, ToolCall | Code) else "ground"


class ExecutorNode(Runnable[AgentState, dict[str, Any]]):
    """Carries out the first pair of the forecast, and nothing else.

    Args:
        settings: Who executes; a run's context overrides it.
        role: Which executor: "toolbox" for tool calls and code, "grounder" for GUI actions.
    """

    def __init__(self, settings: Settings, role: Literal["toolbox", "grounder"]) -> None:
        self.settings, self.role = settings, role
        self.name = "toolbox" if role == "toolbox" else "ground"

    def invoke(self, input: AgentState, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002  (name set by Runnable)
        """Execute."""
        del config, kwargs
        begun = self._begin(input)
        if isinstance(begun, dict):
            return begun
        with begun.cleaned_up(input):
            try:
                given = begun.executor.execute(*begun.asked)
            except LOST as error:
                given = lost(error)
        return begun.result(given)

    async def ainvoke(self, input: AgentState, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002  (name set by Runnable)
        """Execute without blocking the event loop."""
        del config, kwargs
        begun = self._begin(input)
        if isinstance(begun, dict):
            return begun
        with begun.cleaned_up(input):
            try:
                given = await begun.executor.aexecute(*begun.asked)
            except LOST as error:
                given = lost(error)
        return begun.result(given)

    def _begin(self, state: AgentState) -> _Begun | dict[str, Any]:
        """What is to be carried out, or the update of a step in which nothing is."""
        executor: Executor | None = getattr(self.settings.with_context(get_runtime().context), self.role)
        if executor is None:
            text = _NO_TOOLBOX if self.role == "toolbox" else _NO_SCREEN
            return {"execution": Execution(ok=False, text=text).model_dump(mode="json")}
        first, resumed = first_pair(state), without_the_wait(state)
        action, doubt, refused = prepare_execution({**state, **resumed}, executor, first.action)  # type: ignore[typeddict-item]
        if refused is not None:
            return {**resumed, "execution": refused.model_dump(mode="json")}
        asked = action, first.instruction, observation_of(state)
        return _Begun(executor, asked, {**resumed, **doubt}, again=bool(doubt))


@dataclass(frozen=True)
class _Begun:
    """An execution under way.

    Attributes:
        executor: Who carries it out.
        asked: Action, step instruction and observation.
        update: What else the node writes.
        again: Whether the step may have been started before.
    """

    executor: Executor
    asked: tuple[Action, str, Observation]
    update: dict[str, Any]
    again: bool

    @contextmanager
    def cleaned_up(self, state: AgentState) -> Iterator[None]:
        """What an execution leaves in this process when it does not come to its end."""
        try:
            yield
        except GraphBubbleUp:  # the tool asks somebody: a first try stays one, and is begun anew with the answer
            if not self.again:
                return_ticket(state.get("ticket", ""))
            raise
        except (asyncio.CancelledError, KeyboardInterrupt):
            if rest := take_rest(state):
                rest.give_up()
            raise

    def result(self, given: Any) -> dict[str, Any]:
        """The update of a step that was carried out."""
        return {**self.update, "execution": _as_json(given, self.executor)}


def _as_json(given: Any, executor: Executor) -> dict[str, Any]:
    """What an executor gave, as state holds it.

    Raises:
        ConfigurationError: It is no execution, or its value is no JSON.
    """
    name = type(executor).__name__
    try:
        return an_execution(given, f"the executor {name}").model_dump(mode="json")
    except (PydanticSerializationError, UnicodeDecodeError) as error:
        msg = f"the executor {name} gave an Execution whose value is no JSON: {error}"
        raise ConfigurationError(msg) from error


class ObserveNode(Runnable[AgentState, dict[str, Any]]):
    """Takes in what came back: the log, the history, the next observation, and whether the run is over.

    Args:
        settings: Limits and grammar; a run's context overrides them.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.name = "observe"

    async def ainvoke(self, input: AgentState, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002  (name set by Runnable)
        """Observe; waits for nothing but the rest of a forecast that is still being written."""
        del config, kwargs
        under_way = take_rest(input)
        rest: PolicyReply | PlannerError | None
        try:
            rest = await under_way.awhole() if under_way else None
        except PlannerError as error:
            rest = error
        return self._observe(input, rest)

    def invoke(self, input: AgentState, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002  (name set by Runnable)
        """Observe."""
        del config, kwargs
        under_way = take_rest(input)
        rest: PolicyReply | PlannerError | None
        try:
            rest = under_way.whole() if under_way else None
        except PlannerError as error:
            rest = error
        return self._observe(input, rest)

    def _observe(self, state: AgentState, rest: PolicyReply | PlannerError | None) -> dict[str, Any]:
        runtime = get_runtime()
        settings = self.settings.with_context(runtime.context)
        completed = complete(state, rest, settings)
        state = {**state, **completed}  # type: ignore[typeddict-item]
        if completed:
            pairs = completed["forecast"]["pairs"]
            runtime.stream_writer({"type": "forecast", "step": state["step"], "pairs": pairs})
        forecast = stored(Forecast, state["forecast"])
        first = forecast.pairs[0]
        finish = first.action if isinstance(first.action, Finish) else None
        execution = Execution() if finish else stored(Execution, state["execution"])
        record = _record(state, forecast, execution)
        runtime.stream_writer({"type": "executed", **record.model_dump(mode="json", exclude={"forecast"})})
        update: dict[str, Any] = {**completed, "forecast_log": [record.model_dump(mode="json")]}
        if finish:
            return {**update, **_finished(finish)}
        errors = 0 if execution.ok else state.get("tool_errors", 0) + 1
        return {
            **update,
            **_stopped(execution, errors, record.step, settings),
            **taken_in(state, execution, settings),
            "tool_errors": errors,
        }


def _record(state: AgentState, forecast: Forecast, execution: Execution) -> StepRecord:
    planning, seen = state.get("planning") or {}, observation_of(state)
    first = forecast.pairs[0]
    return StepRecord(
        step=state["step"],
        observation=None if state.get("forecast_log") or seen == Observation() else seen,
        forecast=forecast.pairs,
        executed=first.action,
        instruction=first.instruction,
        execution=execution,
        events=tuple(planning.get("events", ())),
        usage=usage_in(planning),
        planner_calls=planning.get("planner_calls", 1),
        seconds=round(planning.get("seconds", 0.0) + execution.seconds, 4),
    )


def _finished(finish: Finish) -> dict[str, Any]:
    message = AIMessage(last_words(finish))
    detail = "" if finish.status == "success" else "the planner says the task cannot be done"
    return {"status": Status.FINISHED.value, "answer": finish.answer, "detail": detail, "messages": [message]}


def _stopped(execution: Execution, errors: int, step: int, settings: Settings) -> dict[str, Any]:
    """Status and detail when a failed execution, or the number of steps, ends the run."""
    if errors < settings.max_tool_errors:
        return out_of_steps(settings.max_steps) if step >= settings.max_steps else {}
    status = Status.INFRASTRUCTURE_ERROR if execution.infrastructure else Status.TOOL_ERROR
    return {"status": status.value, "detail": f"{errors} executions in a row failed; the last: {execution.text[:300]}"}
