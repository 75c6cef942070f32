"""A policy's replies as forecasts, and the rest of replies that are still being written (`eager_first`).

With `eager_first` the plan node goes on once the first pair of a reply is complete. The rest is kept here, by the
ticket of the step, until the observe node takes it in. Another process has no rest: a run that is resumed there keeps
the first pair alone, and the step's events say so.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.codec import ParseOutcome
from tracer1_agents.actions.thoughts import split_thought
from tracer1_agents.errors import ConfigurationError, PlannerError
from tracer1_agents.graphs.state import first_pair, observation_of, usage_in
from tracer1_agents.planner.forecast import read_forecast
from tracer1_agents.planner.history import cut
from tracer1_agents.planner.policy import PolicyReply
from tracer1_agents.types import Forecast, Usage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from tracer1_agents.actions.codec import Grammar
    from tracer1_agents.graphs.settings import Settings
    from tracer1_agents.graphs.state import PlannerState
    from tracer1_agents.planner.streaming import StreamedReply

REST_LOST: Final = "the rest of the forecast was lost"
_REFUSAL: Final = 300  # characters of it that are told
_MOST_OPEN: Final = 1_000  # rests of runs that never went on; the oldest are forgotten
_rests: dict[str, StreamedReply] = {}
_lock = threading.Lock()


def sampled(ask: Callable[..., PolicyReply], again: Iterable[int]) -> list[PolicyReply | PlannerError]:
    """A reply for each number of `again`, or why there is none."""

    def one(number: int) -> PolicyReply | PlannerError:
        try:
            return ask(again=number)
        except PlannerError as error:
            return error

    return [one(number) for number in again]


async def asampled(
    ask: Callable[..., Awaitable[PolicyReply]], again: Iterable[int]
) -> list[PolicyReply | PlannerError]:
    """As `sampled`, at one time; once cancelled, or after an error of another kind, none is waited and paid for."""

    async def one(number: int) -> PolicyReply | PlannerError:
        try:
            return await ask(again=number)
        except PlannerError as error:
            return error

    tasks = [asyncio.ensure_future(one(number)) for number in again]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def those_that_came(came: Iterable[PolicyReply | PlannerError], events: list[str], policy: object) -> list[PolicyReply]:
    """The replies; that others did not come is added to the step's events.

    Args:
        came: One for each question.
        events: Of the step.
        policy: Whose replies they are, for messages.

    Raises:
        PlannerError: Not one came.
        ConfigurationError: The policy gave something else than a `PolicyReply`.
    """
    replies: list[PolicyReply] = []
    lost: list[PlannerError] = []
    for one in came:
        lost.append(one) if isinstance(one, PlannerError) else replies.append(_checked(one, policy))
    if not replies:
        raise lost[0]
    if lost:
        events.append(f"{len(lost)} of {len(replies) + len(lost)} forecasts did not come: {lost[0]}")
    return replies


def _checked(reply: Any, policy: object) -> PolicyReply:
    """A reply, where it is one: policies are whatever a host hands in."""
    if isinstance(reply, PolicyReply) and isinstance(reply.text, str):
        return reply
    what = f"a PolicyReply whose text is {reply.text!r:.60}" if isinstance(reply, PolicyReply) else type(reply).__name__
    msg = f"the policy {type(policy).__name__} gave {what}; sample and asample give PolicyReply(text=...)"
    raise ConfigurationError(msg)


def read_reply(reply: PolicyReply, grammar: Grammar, step: int, settings: Settings) -> Forecast:
    """A reply as the forecast of a step, without more of its thought than the state keeps."""
    forecast = read_forecast(
        reply.text,
        grammar=grammar,
        horizon=settings.horizon,
        step=step,
        reasoning=reply.reasoning,
        truncated=reply.truncated,
    )
    if reply.refusal and not forecast.ok:
        problem = f"the model would not answer: {cut(reply.refusal, _REFUSAL)}"
        forecast = forecast.model_copy(update={"problem": problem})
    if len(forecast.thought) <= settings.thought_chars:
        return forecast
    kept = {"thought": cut(forecast.thought, settings.thought_chars), "text": split_thought(forecast.text).rest}
    return forecast.model_copy(update=kept)


def first_pair_is_complete(grammar: Grammar, step: int) -> Callable[[str], bool]:
    """Whether a reply's text so far holds its first pair whole: the second one has begun.

    Args:
        grammar: Of the reply.
        step: That the first pair would be.
    """

    def enough(text: str) -> bool:
        found = read_forecast(text, grammar=grammar, horizon=2, step=step)
        return len(found.pairs) > 1 or found.tail_outcome is not ParseOutcome.OK

    return enough


def keep_rest(ticket: str, rest: StreamedReply) -> None:
    """Put by what is still being written."""
    with _lock:
        _rests[ticket] = rest
        if len(_rests) > _MOST_OPEN:
            del _rests[next(iter(_rests))]


def take_rest(state: PlannerState) -> StreamedReply | None:
    """What was put by for the step that a run is at, once; None where nothing was, or another process has it."""
    with _lock:
        return _rests.pop(state.get("ticket", ""), None)


def complete(state: PlannerState, rest: PolicyReply | PlannerError | None, settings: Settings) -> dict[str, Any]:
    """The update by which a step has its whole forecast and what that cost; empty where it has them already.

    Args:
        state: After the first pair ran.
        rest: The whole reply, why it did not come, or None where nobody has it.
        settings: Of the run.
    """
    planning = state.get("planning") or {}
    if not planning.get("unfinished"):
        return {}
    forecast, usage, events = state["forecast"] or {}, Usage(), list(planning.get("events", []))
    if rest is None or isinstance(rest, PlannerError):
        events.append(f"{REST_LOST}: {rest}" if rest else REST_LOST)
    else:
        seen = observation_of(state)
        grammar = settings.profile.grammar_for(seen.image, platform=settings.platform)
        whole, usage = read_reply(rest, grammar, state["step"], settings), rest.usage
        if whole.pairs and whole.pairs[0] == first_pair(state):
            forecast = whole.model_dump(mode="json")
    spent = {"usage": _sum(planning, usage), "events": events, "unfinished": False}
    return {"forecast": forecast, "planning": {**planning, **spent}, "usage": _sum(state, usage)}


def _sum(holder: Any, usage: Usage) -> dict[str, Any]:
    return (usage_in(holder) + usage).model_dump()


def goes_ahead(settings: Settings) -> bool:
    """Whether the first pair may run before the rest is written: whoever approves or chooses needs whole forecasts."""
    return settings.eager_first and not (settings.approve_plan or settings.confirm) and settings.best_of == 1
