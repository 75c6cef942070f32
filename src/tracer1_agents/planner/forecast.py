"""A reply becomes a `Forecast`: its readable pairs up to the first broken one, and why it ends where it ends.

Only the first pair is executed, so a reply is as good as its first pair: when that one is broken, or waits for a result
nobody has seen, nothing is executed and `outcome` says why. What breaks later only shortens the forecast, and
`tail_outcome` says why. Nothing here raises on model text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer1_agents.actions.codec import ParsedPair, ParsedReply, ParseOutcome
from tracer1_agents.actions.space import Finish, encodable, pending_results
from tracer1_agents.actions.thoughts import split_thought
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.types import Forecast, ForecastPair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.actions.codec import Grammar


def read_forecast(
    reply_text: str,
    *,
    grammar: Grammar,
    horizon: int,
    step: int,
    reasoning: str = "",
    truncated: bool = False,
) -> Forecast:
    """Read one reply.

    Args:
        reply_text: The reply as the model wrote it, `<think>` block included.
        grammar: The dialect it is written in.
        horizon: At most so many pairs are kept; a longer reply is cut without a complaint.
        step: 1-based number of the step that its first pair would be.
        reasoning: Thinking that the server sent apart from the reply.
        truncated: Whether the model was stopped by its token limit; a broken last pair is then TRUNCATED.

    Returns:
        The forecast. Pairs after a `Finish` are dropped with `tail_outcome` SYNTAX: nothing can follow the end.

    Raises:
        ConfigurationError: `horizon` or `step` is below 1.
    """
    if horizon < 1 or step < 1:
        msg = f"horizon and step count from 1, got horizon={horizon} and step={step}"
        raise ConfigurationError(msg)
    reply_text, reasoning = encodable(reply_text), encodable(reasoning)
    thought, rest, closed = split_thought(reply_text)
    if closed:
        parsed = grammar.parse(rest)
    else:
        problem = "the reply ends inside its thought; think more briefly and then give the actions"
        parsed = ParsedReply((ParsedPair(ParseOutcome.TRUNCATED, problem=problem),))
    pairs = _with_truncation(parsed.pairs, truncated=truncated and closed)
    first = _first(pairs, step)
    kept, tail_outcome = _readable(pairs, horizon) if first.action is not None else ((), ParseOutcome.OK)
    return Forecast(
        pairs=kept,
        outcome=first.outcome,
        problem=first.problem,
        tail_outcome=tail_outcome,
        summary=parsed.summary,
        thought="\n".join(part.strip() for part in (reasoning, thought, parsed.thought) if part.strip()),
        text=reply_text,
    )


def _with_truncation(pairs: Sequence[ParsedPair], *, truncated: bool) -> list[ParsedPair]:
    """The pairs, the last one TRUNCATED if it is broken and the model was cut off."""
    result = list(pairs)
    if truncated and result and result[-1].action is None:
        last = result[-1]
        problem = f"the reply was cut off by its token limit: {last.problem}"
        result[-1] = ParsedPair(ParseOutcome.TRUNCATED, None, last.instruction, last.text, problem)
    return result


def _first(pairs: Sequence[ParsedPair], step: int) -> ParsedPair:
    """The pair to run now, broken if it cannot run."""
    if not pairs:
        return ParsedPair(ParseOutcome.EMPTY, problem="no action in the reply")
    first = pairs[0]
    waits_for = pending_results(first.action) if first.action is not None else ()
    if not waits_for:
        return first
    names = ", ".join(f"Result(step={number})" for number in waits_for)
    seen = all(number < step for number in waits_for)
    advice = (
        "that result has been seen: write the value itself"
        if seen
        else "it has not been seen: first take the action that returns it"
    )
    problem = f"step {step} runs now and cannot wait for {names}; {advice}"
    return ParsedPair(ParseOutcome.UNSEEN_RESULT, None, first.instruction, first.text, problem)


def _readable(pairs: Sequence[ParsedPair], horizon: int) -> tuple[tuple[ForecastPair, ...], ParseOutcome]:
    kept: list[ForecastPair] = []
    for pair in pairs[:horizon]:
        if kept and isinstance(kept[-1].action, Finish):
            return tuple(kept), ParseOutcome.SYNTAX
        if pair.action is None:
            return tuple(kept), pair.outcome
        kept.append(ForecastPair(action=pair.action, instruction=pair.instruction))
    return tuple(kept), ParseOutcome.OK
