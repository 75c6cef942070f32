"""Sampling for stage 1 with our own engine: groups of replies, and other prompts for groups that teach nothing.

A group whose replies all earn the same has no advantage. `resample_rounds` replaces such prompts by the next ones of a
stream of their own before anything is learnt; what could not be replaced stays and is counted. Every reply has a seed
made of (run seed, update, prompt, place in its group), and for the further groups of a prompt that comes more than once
in an update their count, so that a run gives the same replies on one process or several, and again after a resume.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from tracer1_agents.serving.engine import SamplingEngine
from tracer1_agents.serving.sampling import SampleRequest
from tracer1_agents.training.encoding import PromptEncoder
from tracer1_agents.training.processes import process_count, rank
from tracer1_agents.training.rows import ScoredReply, TrainingRow, with_history

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from transformers import PreTrainedModel

    from tracer1_agents.rewards.trajectory import RewardConfig
    from tracer1_agents.serving.sampling import Sample
    from tracer1_agents.training.settings import RolloutConfig
    from tracer1_agents.types import ForecastPair

_SAME = 1e-6  # rewards that are closer give no advantage
_AT_ONCE = 256  # rows under way: bounds the key/value cache


@dataclass(frozen=True)
class Rollout:
    """One reply with what it was drawn for.

    Attributes:
        row: Number of its training row.
        example: The row as the policy saw it.
        sample: Token ids and log-probabilities, as they were drawn.
        scored: The reply, read, with what it earns.
    """

    row: int
    example: TrainingRow
    sample: Sample
    scored: ScoredReply


@dataclass(frozen=True)
class Place:
    """A completion to be drawn.

    Attributes:
        row: Number of its training row.
        member: Its number within the group, from 0.
        occurrence: The group's number among those of the row in this update, from 0.
    """

    row: int
    member: int
    occurrence: int = 0


def places_of(rows: Iterable[int], size: int, seen: Counter[int]) -> list[Place]:
    """Whole groups one after another.

    Args:
        rows: One for each group.
        size: Of a group.
        seen: Groups of each row so far in this update; counted on.
    """
    places: list[Place] = []
    for row in rows:
        places += [Place(row, member, seen[row]) for member in range(size)]
        seen[row] += 1
    return places


class GroupCollector(ABC):
    """Draws the replies of a generation batch, and replaces groups that would teach nothing.

    Args:
        rows: Of the mixture.
        config: How to sample.
        seed: Of the run.

    Attributes:
        shares: Rows and weight of each source, source after source; what takes a row's place is drawn by them. One
            source until told otherwise.
        replaced: Groups of the newest batch that became groups of other rows.
        asks_server: Whether replies come from a server, to which the trainer sends the weights before it collects.
    """

    asks_server: ClassVar[bool] = False

    def __init__(self, rows: Sequence[TrainingRow], config: RolloutConfig, *, seed: int) -> None:
        self.rows, self.config, self.seed = rows, config, seed
        self.shares: Sequence[tuple[int, float]] = [(len(rows), 1.0)]
        self.replaced = 0

    def collect(self, model: PreTrainedModel, processor: Any, places: Sequence[Place], update: int) -> list[Rollout]:
        """One rollout for each place, in order; groups that taught nothing have become groups of other rows.

        Args:
            model: The policy as it is now, in evaluation mode.
            processor: Its tokenizer, or the processor of a planner that reads images.
            places: Whole groups one after another where groups are to be replaced.
            update: Number of the optimiser step that they are for.
        """
        engine = SamplingEngine(model, processor)
        rollouts = self._draw(engine, places, update)
        self.replaced = 0
        size, spare = self.config.group_size, self._spare_rows(update, {place.row for place in places})
        seen: Counter[int] = Counter()
        for place in places:
            seen[place.row] = max(seen[place.row], place.occurrence + 1)
        apart = (rank() + 1) * len(places) if process_count() > 1 else 0  # another process may draw the same rows
        for _ in range(self.config.resample_rounds):
            constant = [at for at, group in enumerate(_groups(rollouts, size)) if _is_constant(group)]
            if not constant:
                break
            others = places_of(islice(spare, len(constant)), size, seen)
            others = [replace(place, occurrence=place.occurrence + apart) for place in others]
            drawn = self._draw(engine, others, update)
            for at, group in zip(constant, _groups(drawn, size), strict=True):
                if not _is_constant(group):
                    rollouts[at * size : (at + 1) * size] = group
                    self.replaced += 1
        return rollouts

    def metrics(self) -> dict[str, float]:
        """Counts of the newest batch, for the log."""
        return {"groups/replaced": float(self.replaced)}

    @abstractmethod
    def _draw(self, engine: SamplingEngine, places: Sequence[Place], update: int) -> list[Rollout]:
        """One rollout for each place, in order."""

    def _spare_rows(self, update: int, taken: set[int]) -> Iterator[int]:
        """Other rows, drawn by their sources' shares, in an order of this update's own; it never ends."""
        rng = Random(f"spare/{self.seed}/{update}/{min(taken)}")  # noqa: S311  (reproducible, not secret)
        sizes, weights = zip(*self.shares, strict=True)
        starts = list(accumulate(sizes, initial=0))
        free = [size - sum(at <= row < at + size for row in taken) for at, size in zip(starts, sizes, strict=False)]
        while True:
            source = rng.choices(range(len(sizes)), weights)[0] if len(sizes) > 1 else 0
            row = starts[source] + rng.randrange(sizes[source])
            if row not in taken or free[source] <= 0:  # a source that is used up begins again
                free[source] -= row not in taken
                taken.add(row)
                yield row

    def _seed(self, place: Place, update: int) -> int:
        """Decides the reply at a place; the same on one process or many, and after a resume."""
        again = (place.occurrence,) if place.occurrence else ()
        return seed_of(self.seed, update, self.rows[place.row].key, place.member, *again)


class LocalRollouts(GroupCollector):
    """Stage 1: replies are drawn and scored, nothing is executed.

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
        super().__init__(rows, config, seed=seed)
        self.reward, self.own_history = reward, own_history

    def _draw(self, engine: SamplingEngine, places: Sequence[Place], update: int) -> list[Rollout]:
        encoder = PromptEncoder(engine)
        examples = self._examples(engine, encoder, [place.row for place in places])
        prompts = {row: encoder.encode(example.messages) for row, example in examples.items()}
        requests = [
            SampleRequest(
                prompt_ids=prompts[place.row].ids,
                pictures=prompts[place.row].pictures,
                max_new_tokens=self.config.max_new_tokens,
                max_thought_tokens=self.config.max_thought_tokens,
                temperature=self.config.temperature,
                seed=self._seed(place, update),
            )
            for place in places
        ]
        samples: list[Sample] = []
        for start in range(0, len(requests), _AT_ONCE):
            samples += engine.sample(requests[start : start + _AT_ONCE])
        return [self._scored(place, examples[place.row], sample) for place, sample in zip(places, samples, strict=True)]

    def _scored(self, place: Place, example: TrainingRow, sample: Sample) -> Rollout:
        scored = example.score(sample.text, self.reward, truncated=sample.finish_reason == "length")
        return Rollout(place.row, example, sample, without_cut_thoughts(scored, sample))

    def _examples(
        self, engine: SamplingEngine, encoder: PromptEncoder, numbers: Sequence[int]
    ) -> dict[int, TrainingRow]:
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
            prompts = [encoder.encode(row.messages) for row in shown.values()]
            requests = [
                SampleRequest(
                    prompt_ids=prompt.ids,
                    pictures=prompt.pictures,
                    max_new_tokens=self.config.max_new_tokens,
                    max_thought_tokens=self.config.max_thought_tokens,
                )
                for prompt in prompts
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


def without_cut_thoughts(scored: ScoredReply, sample: Sample) -> ScoredReply:
    """The score, or none for a reply whose thought went beyond its budget: it says nothing of the plan."""
    cut = sample.finish_reason == "thought"
    metrics = {**scored.metrics, "forecast/thought_cut": float(cut)}
    return replace(scored, total=None if cut else scored.total, metrics=metrics)


def _groups(rollouts: Sequence[Rollout], size: int) -> list[list[Rollout]]:
    return [list(rollouts[start : start + size]) for start in range(0, len(rollouts), size)]


def _is_constant(group: Sequence[Rollout]) -> bool:
    totals = [one.scored.total for one in group if one.scored.total is not None]
    return not totals or max(totals) - min(totals) < _SAME


def seed_of(*parts: object) -> int:
    """A seed for what the parts name."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8]) >> 1
