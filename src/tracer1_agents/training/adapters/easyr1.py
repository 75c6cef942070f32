"""Our rewards as EasyR1 asks for them: a batch function in a file, named in its config.

    worker.reward.reward_type: batch
    worker.reward.reward_function: .../tracer1_agents/training/adapters/easyr1.py:compute_score
    worker.reward.reward_function_kwargs: {way: trajectory, max_response_length: 2048}

The data set's answer column holds `ground_truth.ground_truth(row)`. EasyR1 hands over the reply and that column, and
nothing of the prompt: stage 2 replays the recorded result of the first action, as `RecordWorld` does, and runs no tool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from tracer1_agents.rewards.grounded import GroundedConfig, GroundedOutcome, grounded_reward
from tracer1_agents.rewards.trajectory import RewardConfig, trajectory_reward
from tracer1_agents.tools.replay import Recordings
from tracer1_agents.training.adapters.ground_truth import load_ground_truth
from tracer1_agents.types import Observation, ReferenceTrajectory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracer1_agents.training.adapters.ground_truth import GroundTruth
    from tracer1_agents.types import Forecast

REWARD_NAME: Final = "tracer1"
REWARD_TYPE: Final = "batch"


def compute_score(
    reward_inputs: Sequence[Mapping[str, Any]],
    *,
    way: Literal["trajectory", "grounded"] = "trajectory",
    max_response_length: int | None = None,
    **choices: Any,
) -> list[dict[str, float]]:
    """Score a batch of replies (contract: EasyR1's `BatchRewardFunction`, verl/workers/reward/function.py).

    Args:
        reward_inputs: `response`, `response_length` (tokens) and `ground_truth` of each reply.
        way: Stage 1's reward of the whole forecast, or stage 2's of the first action.
        max_response_length: Replies that are this long were cut off; None: none was.
        choices: Fields of `RewardConfig` or, for stage 2, of `GroundedConfig`.

    Returns:
        For each reply `overall` (what is trained on), `format` (1 where the first pair can be read) and `accuracy`
        (agreement with the reference, in [0, 1]); for stage 2 also `scored`, which is 0 where the reference does not
        say enough. Such a row scores 0 for every reply, so that its group teaches nothing.

    Raises:
        DataError: A `ground_truth` is not ours.
        ValidationError: Unknown or impossible `choices`.
    """
    grounded = GroundedConfig.model_validate(choices) if way == "grounded" else None
    trajectory = RewardConfig.model_validate(choices) if way == "trajectory" else None
    scores = []
    for one in reward_inputs:
        truth = load_ground_truth(one["ground_truth"])
        truncated = max_response_length is not None and one["response_length"] >= max_response_length
        forecast = truth.read(one["response"], truncated=truncated)
        if trajectory is not None:
            scores.append(_along_the_way(forecast, truth, trajectory))
        elif grounded is not None:
            scores.append(_carried_out(forecast, truth, grounded))
    return scores


def _along_the_way(forecast: Forecast, truth: GroundTruth, config: RewardConfig) -> dict[str, float]:
    reward = trajectory_reward(forecast, truth.window, config)
    accuracy = reward.parts.align / config.lambda_align if config.lambda_align else 0.0
    return {"overall": reward.total, "format": float(forecast.ok), "accuracy": accuracy}


def _carried_out(forecast: Forecast, truth: GroundTruth, config: GroundedConfig) -> dict[str, float]:
    reward = grounded_reward(_replayed(forecast, truth), truth.window.steps[0], config)
    total = reward.total or 0.0
    scored = float(reward.total is not None)
    return {"overall": total, "format": float(forecast.ok), "accuracy": total, "scored": scored}


def _replayed(forecast: Forecast, truth: GroundTruth) -> GroundedOutcome:
    """What the record has for the first action; `Finish` is not executed."""
    if not forecast.ok:
        return GroundedOutcome(None)
    first = forecast.pairs[0]
    if first.action.kind == "finish":
        return GroundedOutcome(first.action)
    record = ReferenceTrajectory(id=truth.key, source="", instruction="", steps=truth.window.steps)
    executor = Recordings([record]).executor(truth.key, 1)
    return GroundedOutcome(first.action, executor.execute(first.action, first.instruction, Observation()))
