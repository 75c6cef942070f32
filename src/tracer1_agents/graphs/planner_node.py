"""The planner as one node: observation -> forecast. Alone in a host graph, or the `plan` node of the whole loop.

One generator holds the logic (prompt, parsing, re-asks, loop guard, budgets); a sync and an async driver feed it, so
that both are the same code. The node never raises for what a model says or an endpoint does: a run that cannot go on
gets a `status`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.runtime import get_runtime

from tracer1_agents.actions.match import similarity
from tracer1_agents.errors import ConfigurationError, PlannerError
from tracer1_agents.graphs.commitment import COMMITTED, standing_forecast
from tracer1_agents.graphs.loop_guard import mark, trail_in
from tracer1_agents.graphs.once import issue_ticket
from tracer1_agents.graphs.replies import (
    asampled,
    first_pair_is_complete,
    goes_ahead,
    keep_rest,
    read_reply,
    sampled,
    those_that_came,
)
from tracer1_agents.graphs.safeguards import Situation, concerns
from tracer1_agents.graphs.state import (
    STEPS_PER_TURN,
    PlannerState,
    fresh_run,
    no_room,
    observation_of,
    out_of_steps,
    stored,
    taken_in,
    task_of,
    usage_in,
)
from tracer1_agents.planner.agreement import most_agreed
from tracer1_agents.planner.history import last_k
from tracer1_agents.planner.prompt import build_messages
from tracer1_agents.types import Execution, Forecast, HistoryEntry, Observation, Status, Usage, an_execution

if TYPE_CHECKING:
    from tracer1_agents.graphs.settings import Settings
    from tracer1_agents.planner.policy import StreamingPolicy
    from tracer1_agents.planner.prompt import Message
    from tracer1_agents.planner.streaming import StreamedReply


@dataclass(frozen=True)
class _Ask:
    """Effect: put these messages to the policy once for each of `again`, which numbers the answers of this step.

    With `enough`, an answer may come back as soon as that is true of its text.
    """

    messages: list[Message]
    again: range
    enough: Callable[[str], bool] | None = None


@dataclass(frozen=True)
class _Wait:
    """Effect: wait for the rest of a reply."""

    rest: StreamedReply


@dataclass(frozen=True)
class _Work:
    """Effect: run something that may block."""

    call: Callable[[], Any]


_Effect = _Ask | _Wait | _Work
_Planning = Generator[_Effect, Any, dict[str, Any]]


@dataclass
class _Tally:
    """What planning one step has cost so far, and what of its reply is still being written."""

    rest: StreamedReply | None = None
    usage: Usage = field(default_factory=Usage)
    calls: int = 0
    events: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)

    def as_json(self, state: PlannerState) -> dict[str, Any]:
        """The cost, with that of forecasts of this step that somebody rejected, and when the newest was made."""
        rejections, seconds = state.get("rejections") or [], time.perf_counter() - self.began
        spent = (state.get("planning") or {}) if rejections else {}
        events = [*spent.get("events", []), f"rejected: {rejections[-1]}"] if rejections else []
        return {
            "usage": (usage_in(spent) + self.usage).model_dump(),
            "planner_calls": spent.get("planner_calls", 0) + self.calls,
            "events": [*events, *self.events],
            "seconds": round(spent.get("seconds", 0.0) + seconds, 4),
            "until": time.time(),
        }


class PlannerNode(Runnable[PlannerState, dict[str, Any]]):
    """Forecasts the next steps; executes nothing.

    Add it to any StateGraph with ``add_node("plan", node)``; it takes `PlannerState`, whatever the graph's own state
    is. It reads the task from `instruction` or the last human message, and `observation` where the host sets it; it
    writes `forecast`, `step`, `planning`, `usage` and, when it cannot go on, `status` and `detail`. Two things are the
    host's: the node that carries out the first pair returns ``planner.observe(state, result)``, and the one that ends
    a run writes a `status`, such as "finished". Without it the next run on the thread goes on with this one's steps
    and history.

    Args:
        settings: How to plan; a run's context overrides them.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.name = "plan"

    def __call__(self, state: PlannerState) -> dict[str, Any]:
        """Plan one step; by this signature LangGraph knows what the node takes."""
        return self.invoke(state)

    def invoke(self, input: PlannerState, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002  (name set by Runnable)
        """Plan one step."""
        del kwargs
        settings, emit = self._runtime()
        planning = self._plan(input, settings, emit)

        def answer(effect: _Effect) -> Any:
            if isinstance(effect, _Work):
                return effect.call()
            if isinstance(effect, _Wait):
                return effect.rest.whole()
            if effect.enough is not None:
                start = cast("StreamingPolicy", settings.policy).start
                again, horizon = effect.again[0], settings.horizon
                return [start(effect.messages, horizon=horizon, enough=effect.enough, again=again, config=config)]
            ask = partial(settings.policy.sample, effect.messages, horizon=settings.horizon, config=config)
            return sampled(ask, effect.again)

        value: Any = None
        step = planning.send
        while True:
            try:
                effect = step(value)
            except StopIteration as done:
                return dict(done.value)
            try:
                value, step = answer(effect), planning.send
            except PlannerError as error:
                value, step = error, planning.throw

    async def ainvoke(self, input: PlannerState, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002  (name set by Runnable)
        """Plan one step without blocking the event loop."""
        del kwargs
        settings, emit = self._runtime()
        planning = self._plan(input, settings, emit)

        async def answer(effect: _Effect) -> Any:
            if isinstance(effect, _Work):
                return await asyncio.to_thread(effect.call)
            if isinstance(effect, _Wait):
                return await effect.rest.awhole()
            if effect.enough is not None:
                start = cast("StreamingPolicy", settings.policy).astart
                again, horizon = effect.again[0], settings.horizon
                return [await start(effect.messages, horizon=horizon, enough=effect.enough, again=again, config=config)]
            ask = partial(settings.policy.asample, effect.messages, horizon=settings.horizon, config=config)
            return await asampled(ask, effect.again)

        value: Any = None
        step = planning.send
        while True:
            try:
                effect = step(value)
            except StopIteration as done:
                return dict(done.value)
            try:
                value, step = await answer(effect), planning.send
            except PlannerError as error:
                value, step = error, planning.throw

    def observe(self, state: PlannerState, result: Execution | str) -> dict[str, Any]:
        """What a host's node returns when it has carried out the first pair of the forecast.

        The next step is planned from it: what is seen (in place of `observation`), the history of the prompt, what the
        loop guard compares.

        Args:
            state: What that node was given.
            result: What came back; a text is the result of a success.
        """
        execution = Execution(text=result) if isinstance(result, str) else an_execution(result, "the host's node")
        settings, _ = self._runtime()
        return {**taken_in(state, execution, settings), "execution": execution.model_dump(mode="json")}

    def _runtime(self) -> tuple[Settings, Callable[[dict[str, Any]], None]]:
        runtime = get_runtime()
        return self.settings.with_context(runtime.context), runtime.stream_writer

    def _plan(self, state: PlannerState, settings: Settings, emit: Callable[[dict[str, Any]], None]) -> _Planning:
        """The whole of planning one step; yields effects, returns the state update."""
        state, opening = _begin(state)
        if ended := _over_budget(state, settings, opening["started_at"]):
            return {**opening, **ended}
        step, tally = state.get("step", 0) + 1, _Tally()
        problem = None
        forecast = standing_forecast(state, settings, observation_of(state))
        if forecast is None:
            forecast, problem = yield from _forecast(state, settings, tally, emit)
        else:
            tally.events.append(COMMITTED)
        usage = usage_in(state) + tally.usage
        calls = state.get("planner_calls", 0) + tally.calls
        committed = 0 if tally.calls else state.get("committed", 0) + 1
        update = {**opening, "usage": usage.model_dump(), "planner_calls": calls, "committed": committed}
        if problem:
            status, detail = problem
            return {**update, "planning": tally.as_json(state), "status": status.value, "detail": detail}
        previous = stored(Forecast, state["forecast"]) if state.get("forecast") else None
        if previous is not None and _diverges(previous, forecast):
            tally.events.append("replan")
            emit({"type": "replan", "step": step})
        reasons = (yield _Work(partial(_concerns, state, settings, forecast))) if settings.confirm else []
        history = yield from _finalise_history(state, settings, forecast)
        emit({"type": "forecast", "step": step, "pairs": [pair.model_dump(mode="json") for pair in forecast.pairs]})
        ticket = issue_ticket()
        if tally.rest is not None:
            keep_rest(ticket, tally.rest)
        return {
            **update,
            "planning": {**tally.as_json(state), "unfinished": tally.rest is not None},
            "ticket": ticket,
            "to_review": settings.approve_plan or bool(reasons),
            "concerns": reasons,
            "history": history,
            "forecast": forecast.model_dump(mode="json"),
            "step": step,
        }


def _forecast(
    state: PlannerState, settings: Settings, tally: _Tally, emit: Callable[[dict[str, Any]], None]
) -> Generator[_Effect, Any, tuple[Forecast, tuple[Status, str] | None]]:
    """Ask until there is a forecast whose first pair can run, or say why there is none."""
    step, observation = state.get("step", 0) + 1, observation_of(state)
    grammar = settings.profile.grammar_for(observation.image, platform=settings.platform)
    rejections = state.get("rejections") or []
    note, nudges, reasks = f"your last plan was rejected: {rejections[-1]}" if rejections else None, 0, 0
    enough = first_pair_is_complete(grammar, step) if goes_ahead(settings) else None
    while True:
        asked = (len(rejections) + reasks + nudges) * settings.best_of
        try:
            came = yield _Ask(_prompt(state, settings, note), range(asked, asked + settings.best_of), enough)
            replies = those_that_came(came, tally.events, settings.policy)
            if (rest := replies[0].rest) is not None:
                tally.calls += 1
                forecast = read_reply(replies[0], grammar, step, settings)
                if forecast.ok and not _loops(state, settings, forecast, observation):
                    tally.rest = rest
                    return forecast.model_copy(update={"pairs": forecast.pairs[:1]}), None
                replies = [(yield _Wait(rest))]
                tally.calls -= 1
        except PlannerError as error:
            return Forecast(), (Status.MODEL_ERROR, str(error))
        tally.usage = sum((reply.usage for reply in replies), start=tally.usage)
        tally.calls += len(replies)
        forecasts = [read_reply(reply, grammar, step, settings) for reply in replies]
        forecast = forecasts[most_agreed(forecasts, settings.agreement_discount)]
        if not forecast.ok:
            tally.events.append(f"re-asked: {forecast.outcome.value}: {forecast.problem}")
            if reasks == settings.max_reasks:
                return forecast, (Status.PARSE_ERROR, f"{reasks + 1} replies could not be used: {forecast.problem}")
            reasks, note = reasks + 1, f"your last reply could not be used: {forecast.problem}"
            continue
        if not _loops(state, settings, forecast, observation):
            return forecast, None
        wording = grammar.render_action(forecast.pairs[0].action)
        tally.events.append(f"loop: {wording}")
        emit({"type": "loop", "step": step, "action": wording})
        if settings.loop_guard is None or nudges == settings.loop_guard.max_nudges:
            return forecast, (Status.LOOP, f"the planner keeps repeating {wording} although nothing changed")
        nudges, note = nudges + 1, f"{wording} was tried before and changed nothing; do something else"


def _prompt(state: PlannerState, settings: Settings, note: str | None) -> list[Message]:
    """The messages that ask for this step's forecast; `note` says why it is asked again."""
    history = [stored(HistoryEntry, entry) for entry in state.get("history", [])]
    shown = state.get("forecast") if settings.show_last_forecast else None
    return build_messages(
        settings.profile,
        instruction=state.get("task") or task_of(state),
        observation=observation_of(state),
        history=last_k(history, settings.history_window),
        horizon=settings.horizon,
        tools=settings.tools,
        platform=settings.platform,
        previous=stored(Forecast, shown) if shown else None,
        note=note,
        step=state.get("step", 0) + 1,
    )


def _begin(state: PlannerState) -> tuple[PlannerState, dict[str, Any]]:
    """The state to plan from, and what the update must say about the run as a whole.

    A status at this point is that of an earlier run in a host graph: then everything starts anew.
    """
    fresh = fresh_run() if state.get("status") else {}
    state = {**state, **fresh}  # type: ignore[typeddict-item]
    return state, {**fresh, "started_at": state.get("started_at") or time.time()}


def _over_budget(state: PlannerState, settings: Settings, started: float) -> dict[str, Any] | None:
    """Status and detail when a limit of the run is reached."""
    usage = usage_in(state)
    tokens, seconds = usage.input_tokens + usage.output_tokens, time.time() - started
    if state.get("step", 0) >= settings.max_steps:
        return out_of_steps(settings.max_steps)
    needed = STEPS_PER_TURN + (settings.approve_plan or bool(settings.confirm))
    if state.get("remaining_steps", needed) < needed:
        return no_room()
    if settings.time_limit is not None and seconds >= settings.time_limit:
        return {"status": Status.TIME_LIMIT.value, "detail": f"{seconds:.1f} of {settings.time_limit:g} seconds used"}
    if settings.token_limit is not None and tokens >= settings.token_limit:
        return {"status": Status.TOKEN_LIMIT.value, "detail": f"{tokens} of {settings.token_limit} tokens used"}
    return None


def _loops(state: PlannerState, settings: Settings, forecast: Forecast, observation: Observation) -> bool:
    if settings.loop_guard is None:
        return False
    first = forecast.pairs[0]
    return settings.loop_guard.repeats(trail_in(state), mark(first.action, first.instruction, observation))


def _concerns(state: PlannerState, settings: Settings, forecast: Forecast) -> list[str]:
    """Why somebody should look before the first pair runs."""
    first, history = forecast.pairs[0], state.get("history") or [{}]
    before = history[-1].get("instruction", "")
    return concerns(settings.confirm, Situation(first.action, first.instruction, observation_of(state), before))


def _diverges(previous: Forecast, forecast: Forecast) -> bool:
    """Whether the new first pair is not what the last forecast expected next; placeholders agree with anything."""
    if len(previous.pairs) < 2:  # noqa: PLR2004  (nothing was expected)
        return False
    expected, got = previous.pairs[1], forecast.pairs[0]
    agreement = similarity(
        expected.action, got.action, instruction=expected.instruction, reference_instruction=got.instruction
    )
    return agreement < 1.0


def _finalise_history(
    state: PlannerState, settings: Settings, forecast: Forecast
) -> Generator[_Effect, Any, list[dict[str, Any]]]:
    """Write the newest entry's summary, now that the planner has seen and described what it returned."""
    history = list(state.get("history", []))
    if not history or not state.get("execution"):
        return history
    newest = stored(HistoryEntry, history[-1])
    execution = stored(Execution, state["execution"])
    summary = yield _Work(lambda: settings.summarizer.summarize(newest.action, execution, forecast))
    if not isinstance(summary, str):
        msg = f"the summarizer {type(settings.summarizer).__name__} gave {type(summary).__name__}, not a text"
        raise ConfigurationError(msg)
    history[-1] = newest.model_copy(update={"summary": summary}).model_dump()
    return history
