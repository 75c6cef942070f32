"""Sampling for stage 1 with our own engine: groups of replies, and other prompts for groups that teach nothing.

A group whose replies all earn the same has no advantage. `resample_rounds` replaces such prompts by the next ones of a
stream of their own before anything is learnt; what could not be replaced stays and is counted. Every reply has a seed
made of (run seed, update, prompt, place in its group), so that a run gives the same replies on one process or several,
and again after a resume.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from tracer1_agents.serving.engine import SamplingEngine
from tracer1_agents.serving.sampling import SampleRequest
from tracer1_agents.training.rows import TrainingRow, with_history

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from transformers import PreTrainedModel

    from tracer1_agents.rewards.trajectory import RewardConfig, TrajectoryReward
    from tracer1_agents.serving.sampling import Sample
    from tracer1_agents.training.settings import RolloutConfig
    from tracer1_agents.types import Forecast, ForecastPair

_AT_ONCE = 256  # rows under way: bounds the key/value cache


@dataclass(frozen=True)
class Rollout:
    """One reply with what it was drawn for.

    Attributes:
        row: Number of its training row.
        example: The row as the policy saw it.
        sample: Token ids and log-probabilities, as they were drawn.
        forecast: The reply, read.
        reward: What it earns.
    """

    row: int
    example: TrainingRow
    sample: Sample
    forecast: Forecast
    reward: TrajectoryReward


@dataclass(frozen=True)
class Place:
    """A completion to be drawn: its row, and its number within the row's group."""

    row: int
    member: int


class LocalRollouts:
    """Draws and scores the replies of a generation batch.

    Args:
        rows: Of the mixture.
        config: How to sample.
        reward: How replies are scored.
        seed: Of the run.
        own_history: Whether past actions are those the policy itself would have taken (greedily, on the reference's
            observations) instead of the reference's.
    """

    def __init__(
        self,
        rows: Sequence[TrainingRow],
        config: RolloutConfig,
        reward: RewardConfig,
        *,
        seed: int,
        own_history: bool = False,
    ) -> None:
        self.rows, self.config, self.reward, self.seed = rows, config, reward, seed
        self.own_history = own_history
        self.replaced = 0

    def collect(self, model: PreTrainedModel, tokenizer: object, places: Sequence[Place], update: int) -> list[Rollout]:
        """One rollout for each place, in order; groups that taught nothing have become groups of other rows.

        Args:
            model: The policy as it is now, in evaluation mode.
            tokenizer: Its tokenizer.
            places: Whole groups one after another where groups are to be replaced.
            update: Number of the optimiser step that they are for.
        """
        engine = SamplingEngine(model, tokenizer)  # type: ignore[arg-type]
        rollouts = self._draw(engine, places, update)
        self.replaced = 0
        spare = self._spare_rows(update, {place.row for place in places})
        for _ in range(self.config.resample_rounds):
            constant = [at for at, group in enumerate(_groups(rollouts, self.config.group_size)) if _is_constant(group)]
            if not constant:
                break
            fresh = [next(spare) for _ in constant]
            members = range(self.config.group_size)
            drawn = self._draw(engine, [Place(row, member) for row in fresh for member in members], update)
            for at, group in zip(constant, _groups(drawn, self.config.group_size), strict=True):
                if not _is_constant(group):
                    rollouts[at * self.config.group_size : (at + 1) * self.config.group_size] = group
                    self.replaced += 1
        return rollouts

    def _spare_rows(self, update: int, taken: set[int]) -> Iterator[int]:
        """Other rows, in an order of this update's own; it never ends."""
        rng = Random(f"spare/{self.seed}/{update}/{min(taken)}")  # noqa: S311  (reproducible, not secret)
        while True:
            row = rng.randrange(len(self.rows))
            if row not in taken or len(taken) >= len(self.rows):
                taken.add(row)
                yield row

    def _draw(self, engine: SamplingEngine, places: Sequence[Place], update: int) -> list[Rollout]:
        examples = self._examples(engine, [place.row for place in places])
        prompts = {row: engine.encode_chat(example.chat()) for row, example in examples.items()}
        requests = [
            SampleRequest(
                prompt_ids=prompts[place.row],
                max_new_tokens=self.config.max_new_tokens,
                temperature=self.config.temperature,
                seed=_seed(self.seed, update, self.rows[place.row].key, place.member),
            )
            for place in places
        ]
        samples: list[Sample] = []
        for start in range(0, len(requests), _AT_ONCE):
            samples += engine.sample(requests[start : start + _AT_ONCE])
        return [self._scored(place, examples[place.row], sample) for place, sample in zip(places, samples, strict=True)]

    def _scored(self, place: Place, example: TrainingRow, sample: Sample) -> Rollout:
        forecast, reward = example.score(sample.text, self.reward, truncated=sample.finish_reason == "length")
        return Rollout(place.row, example, sample, forecast, reward)

    def _examples(self, engine: SamplingEngine, numbers: Sequence[int]) -> dict[int, TrainingRow]:
        """The rows as the policy will see them."""
        examples = {number: self.rows[number] for number in numbers}
        if not self.own_history:
            return examples
        recorded = {number: example for number, example in examples.items() if example.recorded is not None}
        own: dict[int, dict[int, ForecastPair]] = {number: {} for number in recorded}
        longest = max((row.recorded.options.history_window for row in recorded.values() if row.recorded), default=0)
        for back in range(longest, 0, -1):  # oldest step first: each is asked with what was done before it
            asked = {number: past for number, row in recorded.items() if (past := earlier(row, back)) is not None}
            shown = {number: with_history(past, own[number]) for number, past in asked.items()}
            requests = [
                SampleRequest(engine.encode_chat(row.chat()), max_new_tokens=self.config.max_new_tokens)
                for row in shown.values()
            ]
            for (number, row), sample in zip(shown.items(), engine.sample(requests), strict=True):
                forecast = row.read(sample.text)
                if forecast.ok:
                    own[number][row.number - 1] = forecast.pairs[0]
        return {**examples, **{number: with_history(row, own[number]) for number, row in recorded.items()}}


def earlier(row: TrainingRow, back: int) -> TrainingRow | None:
    """The row of the step `back` steps before, None before the beginning or beyond what history shows."""
    if row.recorded is None or row.recorded.at < back or back > row.recorded.options.history_window:
        return None
    recorded = replace(row.recorded, at=row.recorded.at - back)
    return replace(row, number=row.number - back, recorded=recorded)


def _groups(rollouts: Sequence[Rollout], size: int) -> list[list[Rollout]]:
    return [list(rollouts[start : start + size]) for start in range(0, len(rollouts), size)]


def _is_constant(group: Sequence[Rollout]) -> bool:
    return max(one.reward.total for one in group) - min(one.reward.total for one in group) < 1e-6  # noqa: PLR2004


def _seed(*parts: object) -> int:
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8]) >> 1
