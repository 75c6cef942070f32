"""Stage 1's reward: how well a forecast agrees with what a reference does next.

R = sum over t of gamma^(t-1) (lambda_align align_t - lambda_rep rep_t), divided by the reference window's own sum of
gamma^(t-1) and clipped to [-lambda_rep, lambda_align] (form: the paper's trajectory reward; constants and details:
ours). The reference itself scores lambda_align and nothing scores more; a wrong step costs what it could have earned,
only going in circles, going on past the end and unreadable replies cost more than that. Nothing is executed here, and
no reply, however odd, raises.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import mul
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from tracer1_agents.actions.match import kind_of, operation, repetitions, similarity
from tracer1_agents.actions.space import pending_results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.actions.space import Action
    from tracer1_agents.types import Forecast, ForecastPair, ReferenceStep, ReferenceWindow


class RewardConfig(BaseModel):
    """Constants and choices of the trajectory reward; the defaults are ours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gamma: Annotated[float, Field(ge=0, le=1, description="discount of each further step; 0 leaves the first")] = 0.9
    lambda_align: Annotated[float, Field(ge=0, description="weight of agreement with the reference")] = 1.0
    lambda_rep: Annotated[float, Field(ge=0, description="weight of repeated, surplus and unreadable steps")] = 0.5
    similarity: Annotated[
        Literal["full", "kind"], Field(description="full: kind and arguments; kind: the kind alone")
    ] = "full"
    repetition: Annotated[
        Literal["reference", "naive"],
        Field(description="reference: more often than the reference does it; naive: any operation seen before"),
    ] = "reference"
    alternatives: Annotated[
        bool, Field(description="whether a reference step's alternatives count as much as its action")
    ] = False


DEFAULT_REWARD: Final = RewardConfig()


@dataclass(frozen=True)
class RewardParts:
    """Where a total comes from: the parts sum to it.

    Attributes:
        align: Earned by agreement.
        repetition: Lost (negative) by steps that repeat.
        overrun: Lost by pairs after the reference's end.
        unparsable: Lost by a reply whose first pair cannot run.
        clipped: Given back by the lower bound.
    """

    align: float = 0.0
    repetition: float = 0.0
    overrun: float = 0.0
    unparsable: float = 0.0
    clipped: float = 0.0


@dataclass(frozen=True)
class TrajectoryReward:
    """A forecast's reward, step by step; the tuples are as long as the window or the forecast, whichever is longer.

    Attributes:
        total: Within [-lambda_rep, lambda_align].
        align: Agreement of each step with the reference, in [0, 1]; 0 where either has none.
        rep: 1.0 where a step repeats or goes on past the reference's end, else 0.0.
        weights: gamma^(t-1) over the reference window's sum of it.
        parts: The total by cause.
    """

    total: float
    align: tuple[float, ...]
    rep: tuple[float, ...]
    weights: tuple[float, ...]
    parts: RewardParts


def trajectory_reward(
    forecast: Forecast, reference: ReferenceWindow, config: RewardConfig = DEFAULT_REWARD
) -> TrajectoryReward:
    """Reward of one forecast.

    Missing steps score 0. Pairs beyond the window score nothing while the reference goes on unseen, and cost lambda_rep
    each once it has finished. A reply whose first pair is broken, or waits for a result, costs lambda_rep; a pair that
    breaks later scores 0 and ends the forecast.

    Args:
        forecast: As `planner.forecast.read_forecast` read it.
        reference: What happens next, as `data.windows.windows_of` cut it.
        config: Constants and choices.
    """
    window = len(reference.steps)
    if not _can_run(forecast, reference.steps[0]):
        return _unparsable(window, config)
    length = max(window, len(forecast.pairs))
    align = _padded(_agreements(forecast.pairs, reference, config), length)
    repeated = _padded(_repeated(forecast.pairs[:window], reference.steps, config), window)
    rep = (*repeated, *[float(reference.finished)] * (length - window))
    discounts = [config.gamma**at for at in range(length)]
    norm = sum(discounts[:window])  # divided by last, so that the reference scores lambda_align to the last digit
    parts = RewardParts(
        align=config.lambda_align * (sum(map(mul, align, discounts)) / norm),
        repetition=0.0 - config.lambda_rep * (sum(map(mul, repeated, discounts)) / norm),
        overrun=0.0 - config.lambda_rep * (sum(map(mul, rep[window:], discounts[window:])) / norm),
    )
    total, parts = _clipped(parts, config)
    return TrajectoryReward(total, align, rep, tuple(discount / norm for discount in discounts), parts)


def _can_run(forecast: Forecast, reference: ReferenceStep) -> bool:
    """Whether the first pair can be executed; one that waits for a result cannot, unless the reference's text is so."""
    if not forecast.ok:
        return False
    return set(pending_results(forecast.pairs[0].action)) <= set(pending_results(reference.action))


def _unparsable(window: int, config: RewardConfig) -> TrajectoryReward:
    nothing, loss = (0.0,) * window, 0.0 - config.lambda_rep
    discounts = [config.gamma**at for at in range(window)]
    weights = tuple(discount / sum(discounts) for discount in discounts)
    return TrajectoryReward(loss, nothing, nothing, weights, RewardParts(unparsable=loss))


def _agreements(pairs: Sequence[ForecastPair], reference: ReferenceWindow, config: RewardConfig) -> list[float]:
    return [
        max(
            _agreement(pair, action, step.instruction, reference.known_text, config, first=at == 0)
            for action in _accepted(step, config)
        )
        for at, (pair, step) in enumerate(zip(pairs, reference.steps, strict=False))
    ]


def _accepted(step: ReferenceStep, config: RewardConfig) -> tuple[Action, ...]:
    return (step.action, *step.alternatives) if config.alternatives else (step.action,)


def _agreement(
    pair: ForecastPair, action: Action, instruction: str, known_text: str, config: RewardConfig, *, first: bool
) -> float:
    if config.similarity == "kind":
        return float(kind_of(pair.action) == kind_of(action))
    return similarity(
        pair.action,
        action,
        instruction=pair.instruction,
        reference_instruction=instruction,
        first=first,
        known_text=known_text,
    )


def _repeated(pairs: Sequence[ForecastPair], steps: Sequence[ReferenceStep], config: RewardConfig) -> list[float]:
    wanted = [operation(step.action, step.instruction) for step in steps]
    done = [operation(pair.action, pair.instruction) for pair in pairs]
    if config.alternatives:  # an alternative stands for the step it replaces
        done = [
            want if any(own == operation(other, step.instruction) for other in step.alternatives) else own
            for own, want, step in zip(done, wanted, steps, strict=False)
        ]
    return [float(flag) for flag in repetitions(done, wanted if config.repetition == "reference" else None)]


def _padded(values: Sequence[float], length: int) -> tuple[float, ...]:
    return (*values, *[0.0] * (length - len(values)))


def _clipped(parts: RewardParts, config: RewardConfig) -> tuple[float, RewardParts]:
    """The total within its bounds, and what the lower one gave back; agreement alone cannot pass the upper one."""
    total = parts.align + parts.repetition + parts.overrun
    bounded = max(-config.lambda_rep, total)
    return bounded, replace(parts, clipped=bounded - total)
