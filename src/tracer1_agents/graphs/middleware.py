"""The planner and the loop guard as middleware of `langchain.agents.create_agent`.

`AnticipatoryPlanningMiddleware` asks the planner before every call of the agent's model, with the same node that the
graph of this package runs: either the model is shown the forecast (`advise`) or the planner takes its place
(`replace`). `LoopGuardMiddleware` watches any agent for repetition. Both keep no state of their own: what they need
stands in the agent's messages and state, so that one instance may serve many runs at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from dataclasses import replace
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NotRequired, get_args

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, SystemMessage, ToolMessage
from langgraph.types import Command

from tracer1_agents.actions.space import Code, Finish, ToolCall, dump_action
from tracer1_agents.errors import ConfigurationError, MissingExtraError
from tracer1_agents.graphs.build import check_names, create_planner_node, tool_specs
from tracer1_agents.graphs.conversation import (
    NUDGE,
    count_nudges,
    find_loop,
    last_words,
    planner_state,
    read_turns,
    task_message,
)
from tracer1_agents.graphs.loop_guard import LoopGuard
from tracer1_agents.graphs.planner_node import PlannerNode
from tracer1_agents.graphs.state import GROWING, Json, usage_in
from tracer1_agents.tools.base import IDEMPOTENCY_KEY
from tracer1_agents.types import Forecast

try:
    from langchain.agents.middleware import AgentMiddleware, AgentState, ExtendedModelResponse, ModelResponse
    from langchain.agents.middleware.types import OmitFromInput, PrivateStateAttr, hook_config
except ImportError:  # pragma: no cover  (tested in an interpreter of its own)
    feature = "middleware for create_agent"
    raise MissingExtraError(feature, "agents") from None

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from langchain.agents.middleware import ModelRequest
    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import RunnableConfig
    from langgraph.runtime import Runtime

    from tracer1_agents.graphs.settings import Settings
    from tracer1_agents.planner.policy import Policy

Mode = Literal["advise", "replace"]

_ADVICE: Final = Template(files("tracer1_agents.planner.profiles").joinpath("advice.system.txt").read_text("utf-8"))
_CARRIED: Final = ("forecast", "usage", "planner_calls", "started_at")
_MARKED: Final[RunnableConfig] = {"metadata": {"lc_source": "planning"}}  # as LangChain marks its middleware's
_OF_THE_RUN: Final = ("run", "task", "done", *_CARRIED)  # kept from one planner call of a run to the next


class AnticipationState(AgentState[Any]):
    """What the middleware adds to the agent's state.

    Keys: `forecast` (`types.Forecast`, the newest one), `forecast_log` (one entry a planner call: `step`, `pairs`,
    `planning`, `status`, `detail`), `planner_run` (what the planner carries from call to call).
    """

    forecast: NotRequired[Annotated[Json | None, OmitFromInput]]
    forecast_log: NotRequired[Annotated[list[Json], OmitFromInput, GROWING]]  # the channel has to stand last
    planner_run: NotRequired[Annotated[Json, PrivateStateAttr]]


class AnticipatoryPlanningMiddleware(AgentMiddleware[AnticipationState, Any, Any]):
    """Forecasts the next steps before every model call of an agent.

    The planner reads the conversation: the last human message is the task (also when it has been summarised or trimmed
    away since), the tool calls since then are its history, the newest tool results its observation, the agent's tools
    its tools. A run's context works as in the graph (`Tracer1Context`, or an attribute or key `tracer1` of the agent's
    own context). Limits, re-asks and loop guard are the planner node's.

    In `advise`, the forecast is shown to the acting model at the end of its system message, and of several tool calls
    in its reply only the first is kept: after one action the agent looks again. When the planner has no forecast, the
    model acts without one and `forecast_log` says why. In `replace`, the first pair of the forecast is the reply: a
    tool call, or the final answer; the agent's own model is never called. When the planner cannot go on, the reply says
    why, and the agent ends.

    Args:
        model: The planner; see `create_tracer1_agent`.
        mode: "advise" or "replace".
        horizon: Pairs per forecast at most (T).
        **options: Further arguments of `create_planner_node`: `profile`, `history_window`, `max_steps`, `max_reasks`,
            `time_limit`, `token_limit`, `loop_guard`, `retries`, `summarizer`. Approval and commitment belong to the
            graph and are refused, here and in a run's context: take LangChain's `HumanInTheLoopMiddleware`.

    Raises:
        ConfigurationError: Something does not fit together; the message says what.
    """

    state_schema = AnticipationState

    def __init__(
        self, model: BaseChatModel | Policy | str | Path, *, mode: Mode = "advise", horizon: int = 10, **options: Any
    ) -> None:
        super().__init__()
        if mode not in get_args(Mode):
            msg = f'mode must be "advise" or "replace", got {mode!r}'
            raise ConfigurationError(msg)
        self.mode = mode
        self.tools = []
        self._node = create_planner_node(model, horizon=horizon, **options)
        _refuse_what_is_not_heeded(self._node.settings)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ExtendedModelResponse[Any]:
        """Plan, then let the model act on it, or act in its place."""
        node, state = self._prepare(request)
        update = {**state, **node.invoke(state, _MARKED)}
        if self.mode == "replace":
            return _respond([_reply_of(update, request)], update, state)
        try:
            response = handler(_advised(request, update))
        except NotImplementedError as error:
            _refuse_without_tool_calls(request.model, error)
            raise
        return _respond(_first_call_only(response.result), update, state, response.structured_response)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ExtendedModelResponse[Any]:
        """The same, awaitable."""
        node, state = await asyncio.to_thread(self._prepare, request)  # a summarizer may be a model
        update = {**state, **await node.ainvoke(state, _MARKED)}
        if self.mode == "replace":
            return _respond([_reply_of(update, request)], update, state)
        try:
            response = await handler(_advised(request, update))
        except NotImplementedError as error:
            _refuse_without_tool_calls(request.model, error)
            raise
        return _respond(_first_call_only(response.result), update, state, response.structured_response)

    def _prepare(self, request: ModelRequest[Any]) -> tuple[PlannerNode, Any]:
        """The planner node with the agent's tools, and the state it plans from."""
        if self.mode == "replace" and request.response_format is not None:
            msg = 'mode "replace" answers in words; take response_format away, or use mode "advise"'
            raise ConfigurationError(msg)
        of_this_run = self._node.settings.with_context(getattr(request.runtime, "context", None))
        _refuse_what_is_not_heeded(of_this_run)
        tools = {tool.name: tool for tool in request.tools if not isinstance(tool, dict)}
        check_names(tools, self._node.settings.profile)
        settings = replace(self._node.settings, tools=tool_specs(tools))
        grammar = settings.profile.grammar_for(None, platform=settings.platform)
        before, window = _last_call_of_this_run(request), of_this_run.history_window
        of_the_run: Json = {"task": before.get("task", ""), "done_before": before.get("done", 0)}
        state: Json = dict(planner_state(request.messages, grammar, settings.summarizer, window, **of_the_run))
        state |= {key: before[key] for key in _CARRIED if key in before}
        return PlannerNode(settings), {**state, "run": before.get("run", ""), "done": state["step"]}


class LoopGuardMiddleware(AgentMiddleware[AgentState[Any], Any, Any]):
    """Stops an agent that goes in circles, whatever plans in it.

    A tool call that repeats the run so far is not executed: the model is told so in the tool's place, and when it
    insists, the agent ends with a message that says why. What a repeat is, `find_loop` and `LoopGuard` say.

    Args:
        guard: When to speak up and when to stop.
    """

    def __init__(self, guard: LoopGuard = LoopGuard()) -> None:  # noqa: B008  (frozen)
        super().__init__()
        self.guard = guard
        self.tools = []

    @hook_config(can_jump_to=["model", "end"])
    def after_model(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Look at the newest tool calls before they run."""
        del runtime
        messages = state["messages"]
        repeated = find_loop(messages, self.guard)
        if repeated is None:
            return None
        advice = f"error: {repeated.name} was called like this before and changed nothing; do something else"
        newest = next(message for message in reversed(messages) if isinstance(message, AIMessage))
        told: list[BaseMessage] = [
            ToolMessage(advice, tool_call_id=call["id"], name=call["name"], status="error", artifact=dict(NUDGE))
            for call in newest.tool_calls
        ]
        if count_nudges(messages) < self.guard.max_nudges:
            return {"messages": told, "jump_to": "model"}
        stopped = AIMessage(f"Stopped: the agent keeps repeating {repeated.name} although nothing changed.")
        return {"messages": [*told, stopped], "jump_to": "end"}

    @hook_config(can_jump_to=["model", "end"])
    async def aafter_model(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        """The same; nothing here waits."""
        return self.after_model(state, runtime)


def _refuse_what_is_not_heeded(settings: Settings) -> None:
    """Nobody would be asked, and no second pair run: better to say so than to act."""
    for name, usual in (("approve_plan", False), ("confirm", ()), ("commitment", 1)):
        if (got := getattr(settings, name)) and got != usual:  # a context that came as JSON has [] for ()
            msg = f"{name} is for create_tracer1_agent, got {got!r}; in create_agent take HumanInTheLoopMiddleware"
            if name == "commitment":
                msg = f"commitment is for create_tracer1_agent, got {got!r}; in create_agent every step is planned"
            raise ConfigurationError(msg)


def _last_call_of_this_run(request: ModelRequest[Any]) -> Json:
    """What the planner left when it was last called; its name alone in a new run, which a new human message begins.

    A run goes on where that message was summarised or trimmed away since: then the tool calls behind it are still here.
    """
    left: Json = dict(request.state).get("planner_run") or {}  # type: ignore[assignment]
    task = task_message(request.messages)
    if task is None:
        return left if read_turns(request.messages) else {}
    return left if left.get("run") == str(task.id) else {"run": str(task.id)}


def _advised(request: ModelRequest[Any], update: Json) -> ModelRequest[Any]:
    """The request with the forecast at the end of its system message; as it is where there is no forecast."""
    if update.get("status"):
        return request
    pairs = Forecast.model_validate(update["forecast"]).pairs
    lines = [f"{k}. {_in_words(pair.action)}  {pair.instruction}".rstrip() for k, pair in enumerate(pairs, start=1)]
    advice = _ADVICE.substitute(forecast="\n".join(lines)).strip()
    if request.system_message is None:
        return request.override(system_message=SystemMessage(advice))
    blocks = [*request.system_message.content_blocks, {"type": "text", "text": f"\n\n{advice}"}]
    return request.override(system_message=SystemMessage(content_blocks=blocks))  # type: ignore[arg-type]


def _in_words(action: Any) -> str:
    if isinstance(action, Finish):
        return f"final answer: {action.answer}" if action.answer else "final answer"
    name, arguments = _call_of(action)
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def _call_of(action: Any) -> tuple[str, Json]:
    """An action as name and arguments of a tool call; an agent without such a tool says so to the planner."""
    if isinstance(action, ToolCall):
        return action.name, dump_action(action)["arguments"]
    if isinstance(action, Code):
        return "python", {"code": action.source}
    arguments = dump_action(action)
    return str(arguments.pop("kind")), arguments


def _reply_of(update: Json, request: ModelRequest[Any]) -> AIMessage:
    """The planner's first pair as the model's reply; a tool that declares an idempotency key gets one."""
    usage = usage_in(update.get("planning") or {})
    counts: Any = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    if update.get("status"):
        return AIMessage(f"Stopped: {update['detail']}.", usage_metadata=counts)
    first = Forecast.model_validate(update["forecast"]).pairs[0]
    if isinstance(first.action, Finish):
        return AIMessage(last_words(first.action), usage_metadata=counts)
    name, arguments = _call_of(first.action)
    if any(tool.name == name and IDEMPOTENCY_KEY in tool.args for tool in request.tools if not isinstance(tool, dict)):
        what = f"{update['run']}/{update['step']}/{first.action.model_dump_json()}"
        arguments = {**arguments, IDEMPOTENCY_KEY: hashlib.sha256(what.encode()).hexdigest()[:32]}
    call: Any = {"name": name, "args": arguments, "id": f"call_{uuid.uuid4().hex}", "type": "tool_call"}
    return AIMessage(first.instruction, tool_calls=[call], usage_metadata=counts)


def _first_call_only(result: list[BaseMessage]) -> list[BaseMessage]:
    """The model's messages with at most one tool call; a structured response, which is two messages, stays as it is."""
    newest = result[-1]
    if not isinstance(newest, AIMessage) or len(newest.tool_calls) < 2:  # noqa: PLR2004  (nothing to cut)
        return result
    dropped = {call["id"] for call in newest.tool_calls[1:]}
    changes: Json = {"tool_calls": newest.tool_calls[:1]}
    if isinstance(newest.content, list):  # some providers repeat the calls among the content blocks
        changes["content"] = [
            block
            for block in newest.content
            if not (isinstance(block, dict) and {block.get("id"), block.get("call_id")} & dropped)
        ]
    if raw := newest.additional_kwargs.get("tool_calls"):
        changes["additional_kwargs"] = {**newest.additional_kwargs, "tool_calls": raw[:1]}
    return [*result[:-1], newest.model_copy(update=changes)]


def _respond(
    result: list[BaseMessage], update: Json, state: Json, structured: Any = None
) -> ExtendedModelResponse[Any]:
    """The reply, and what the agent's state keeps of the planning."""
    known = Forecast.model_validate(update["forecast"]) if not update.get("status") else Forecast()
    entry = {
        "step": state["step"] + 1,
        "pairs": [pair.model_dump(mode="json") for pair in known.pairs],
        "planning": update.get("planning") or {},
        "status": update.get("status"),
        "detail": update.get("detail") or "",
    }
    run: Json = {key: update[key] for key in _OF_THE_RUN if key in update}
    newest = None if update.get("status") else update["forecast"]
    changes: Json = {"forecast": newest, "forecast_log": [entry], "planner_run": run}
    return ExtendedModelResponse(ModelResponse(result, structured), Command(update=changes))


def _refuse_without_tool_calls(model: BaseChatModel, error: NotImplementedError) -> None:
    """Say so where that is what is not implemented: other middleware raises the same, with words of its own."""
    if type(model).bind_tools is BaseChatModel.bind_tools:
        name = type(model).__name__
        msg = f'{name} cannot call tools (no bind_tools); give create_agent another model, or use mode="replace"'
        raise ConfigurationError(msg) from error
