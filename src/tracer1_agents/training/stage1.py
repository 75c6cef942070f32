"""Stage 1: anticipatory trajectory optimisation (paper, section 3). Nothing is executed.

    python -m tracer1_agents.training.stage1 --config tiny/stage1 [--set trainer.max_steps=20] [--resume] [--dry-run]

The planner forecasts T pairs for each prompt, G times; a forecast earns the discounted trajectory reward against the
reference; GRPO updates the weights.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tracer1_agents.training.grpo import Assembly, GrpoRun, command, end_ids, run
from tracer1_agents.training.rollouts import LocalRollouts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tracer1_agents.rewards.trajectory import RewardConfig
    from tracer1_agents.training.mixture import Mixture
    from tracer1_agents.training.models import Planner


class Stage1Config(GrpoRun):
    """The whole run."""


def train(config: Stage1Config, *, resume: bool = False) -> Path:
    """Run, or go on with, stage 1; see `grpo.run`."""
    return run(config, assemble, resume=resume)


def assemble(config: Stage1Config, planner: Planner, mixture: Mixture) -> Assembly:
    """Replies are drawn and scored against references."""
    reward = trajectory_rewards(mixture, config.reward, end_ids(planner), planner.reply)
    if config.rollout.engine != "local":
        return Assembly(None, reward)
    own = config.data.history == "own"
    collector = LocalRollouts(mixture.rows, config.rollout, config.reward, seed=config.trainer.seed, own_history=own)
    return Assembly(collector, reward)


def trajectory_rewards(
    mixture: Mixture, config: RewardConfig, ends: frozenset[int], read: Callable[[Sequence[int]], str]
) -> Callable[..., list[float]]:
    """The reward of replies that TRL has drawn, as TRL calls it; parts go to the log."""

    def trajectory(
        completion_ids: Sequence[Sequence[int]],
        row: Sequence[int],
        log_metric: Callable[[str, float], None],
        **_: Any,
    ) -> list[float]:
        totals = []
        for ids, number in zip(completion_ids, row, strict=True):
            truncated = not ids or ids[-1] not in ends
            scored = mixture.rows[number].score(read(ids), config, truncated=truncated)
            totals.append(scored.trajectory.total)
            for name, value in scored.metrics.items():
                log_metric(name, value)
        return totals

    return trajectory


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `python -m tracer1_agents.training.stage1`."""
    program = "Stage 1: GRPO with the trajectory reward; nothing is executed."
    return command(Stage1Config, "training.stage1", program, train, argv)


if __name__ == "__main__":
    sys.exit(main())
