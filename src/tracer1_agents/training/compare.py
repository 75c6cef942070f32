"""Several planners on the same rows: rates of each, and paired differences from the first.

    python -m tracer1_agents.training.compare --config tiny/androidcontrol_test

Writes a record for each planner and row (`training.evaluate.WindowScore`) and prints a table. Differences come with two
95% bootstrap intervals: over windows, and over whole trajectories, whose windows overlap. Nothing is chosen here: which
checkpoint is measured was decided elsewhere, on other rows.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

import torch
from pydantic import Field

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.metrics.intervals import bootstrap_interval
from tracer1_agents.rewards.trajectory import RewardConfig
from tracer1_agents.training.config import BaseConfig, parse_arguments
from tracer1_agents.training.evaluate import WindowScore, evaluate_rows, summary
from tracer1_agents.training.mixture import MixtureConfig, announce, load_mixture
from tracer1_agents.training.models import load_planner
from tracer1_agents.training.settings import ModelConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.training.rows import TrainingRow

COMPARED: Final = ("reward", "first_exact", "plan_exact", "kinds_right")


class CompareConfig(BaseConfig):
    """What is measured on what."""

    data: MixtureConfig
    reward: RewardConfig = RewardConfig()
    planners: dict[str, str] = Field(
        min_length=1, description="name: tracer1-tiny or a checkpoint; the first is the base"
    )
    output: Path = Field(Path("runs/compare.jsonl"), description="records, one a planner and row; must not exist")
    threads: int = Field(1, ge=1, description="torch threads")


def compare(config: CompareConfig) -> dict[str, list[WindowScore]]:
    """Scores of every planner, in the order of the rows.

    Raises:
        ConfigurationError: The output exists, a planner cannot be loaded or reads images, or a source gives no rows.
    """
    if config.output.exists():
        msg = f"{config.output} exists; a test is measured once, name another output for another question"
        raise ConfigurationError(msg)
    torch.set_num_threads(config.threads)
    mixture = load_mixture(config.data)
    announce(mixture)
    scores = {name: _scores(path, mixture.rows, config.reward) for name, path in config.planners.items()}
    config.output.parent.mkdir(parents=True, exist_ok=True)
    records = ({"planner": name, **asdict(score)} for name, some in scores.items() for score in some)
    config.output.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return scores


def _scores(path: str, rows: Sequence[TrainingRow], reward: RewardConfig) -> list[WindowScore]:
    planner = load_planner(ModelConfig(path=path))
    return evaluate_rows(planner.model, planner.processor, rows, reward)


def differences(base: Sequence[WindowScore], other: Sequence[WindowScore], name: str) -> dict[str, Any]:
    """How one score differs, row by row: mean, interval over windows, interval over trajectories.

    Args:
        base: Scores of one planner.
        other: Scores of another on the same rows.
        name: A field of `WindowScore`.

    Raises:
        ValueError: They are not of the same rows.
    """
    if [score.key for score in base] != [score.key for score in other]:
        msg = "paired differences need scores of the same rows in the same order"
        raise ValueError(msg)
    gained = [float(getattr(b, name)) - float(getattr(a, name)) for a, b in zip(base, other, strict=True)]
    trajectories = [score.key.rpartition("/")[0] for score in base]
    return {
        "mean": fmean(gained),
        "windows": bootstrap_interval(gained),
        "trajectories": bootstrap_interval(gained, trajectories),
    }


def report(scores: dict[str, list[WindowScore]]) -> list[str]:
    """The table as lines."""
    lines = [f"{name}: {json.dumps(summary(some))}" for name, some in scores.items()]
    first, *others = scores
    for other in others:
        for name in COMPARED:
            found = differences(scores[first], scores[other], name)
            over = ", ".join(
                f"{key} [{found[key][0]:+.4f}, {found[key][1]:+.4f}]" for key in ("windows", "trajectories")
            )
            lines.append(f"{other} - {first}, {name}: {found['mean']:+.4f}; 95% over {over}")
    return lines


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `python -m tracer1_agents.training.compare`."""
    scores = compare(parse_arguments(CompareConfig, "Several planners on the same rows, once.", argv))
    print("\n".join(report(scores)))  # noqa: T201  (the result)


if __name__ == "__main__":
    main()
