"""How well a planner continues references: greedy replies, scored pair by pair, one record a row.

Records, not averages, are what checkpoints are compared with: the same rows asked of two planners give paired
differences. A pair is exact when its action equals the reference's and, for a pointing action, the step instruction
names the same target: two actions without a point would otherwise always agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from statistics import fmean
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.match import kind_of, operation
from tracer1_agents.rewards.trajectory import DEFAULT_REWARD
from tracer1_agents.serving.engine import SampleRequest, SamplingEngine
from tracer1_agents.serving.screenshots import load_picture
from tracer1_agents.training.batches import generated_rows
from tracer1_agents.training.rows import chat_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

    from tracer1_agents.data.taskgen.windows import WindowOptions
    from tracer1_agents.rewards.trajectory import RewardConfig
    from tracer1_agents.serving.sampling import Sample
    from tracer1_agents.training.rows import TrainingRow
    from tracer1_agents.types import ForecastPair, ReferenceStep

_BATCH: Final = 32
_SLACK: Final = 24
_EVALUATION_SEED: Final = 777_000


@dataclass(frozen=True)
class WindowScore:
    """How one reply compares with its reference window.

    Attributes:
        key: Of the row.
        source: Its source in the mixture.
        reward: Trajectory reward.
        align: Agreement of the first pair, the one that is executed, in [0, 1].
        first_exact: Whether the first pair is exact.
        plan_exact: Whether every pair of the window is exact and no pair is left over.
        kinds_right: Share of the window's steps whose action has the right kind (the right tool).
        exact: By distance, whether that pair is exact; as long as the window.
        repeats: Share of steps that repeat or go on past the end.
        unreadable: Whether the first pair cannot be run.
        tokens: Length of the reply.
    """

    key: str
    source: str
    reward: float
    align: float
    first_exact: bool
    plan_exact: bool
    kinds_right: float
    exact: tuple[bool, ...]
    repeats: float
    unreadable: bool
    tokens: int


def evaluate_rows(
    model: PreTrainedModel,
    processor: PreTrainedTokenizerBase | ProcessorMixin,
    rows: Sequence[TrainingRow],
    reward: RewardConfig = DEFAULT_REWARD,
) -> list[WindowScore]:
    """Greedy replies to the rows' prompts, scored; one record a row, in order.

    A reply may be a little longer than its reference; a wrong one is not read to its end.
    """
    samples = greedy_samples(model, processor, rows)
    return [score_reply(row, sample, reward) for row, sample in zip(rows, samples, strict=True)]


def greedy_samples(
    model: PreTrainedModel, processor: PreTrainedTokenizerBase | ProcessorMixin, rows: Sequence[TrainingRow]
) -> list[Sample]:
    """Greedy replies to the rows' prompts, in order; each a little longer than its reference at most."""
    engine = SamplingEngine(model, processor)
    was_training = model.training
    model.train(mode=False)
    samples: list[Sample] = []
    for at in range(0, len(rows), _BATCH):
        samples += engine.sample([_request(engine, row) for row in rows[at : at + _BATCH]])
    model.train(was_training)
    return samples


def _request(engine: SamplingEngine, row: TrainingRow) -> SampleRequest:
    prompt = engine.encode_chat(chat_of(row.messages, load_picture))
    room = len(engine.tokenizer(row.reply)["input_ids"]) + _SLACK
    return SampleRequest(prompt.ids, max_new_tokens=room, pictures=prompt.pictures)


def score_reply(row: TrainingRow, sample: Sample, config: RewardConfig = DEFAULT_REWARD) -> WindowScore:
    """The record of one reply."""
    scored = row.score(sample.text, config, truncated=sample.finish_reason == "length")
    forecast, reward = scored.forecast, scored.trajectory
    steps, pairs = row.window.steps, forecast.pairs
    exact = [is_exact(pair, step) for pair, step in zip(pairs, steps, strict=False)]
    exact += [False] * (len(steps) - len(exact))
    kinds = sum(kind_of(pair.action) == kind_of(step.action) for pair, step in zip(pairs, steps, strict=False))
    return WindowScore(
        key=row.key,
        source=row.source,
        reward=reward.total,
        align=reward.align[0],
        first_exact=exact[0],
        plan_exact=all(exact) and len(pairs) == len(steps),
        kinds_right=kinds / len(steps),
        exact=tuple(exact),
        repeats=fmean(reward.rep),
        unreadable=not forecast.ok,
        tokens=len(sample.completion_ids),
    )


def is_exact(pair: ForecastPair, step: ReferenceStep) -> bool:
    """Whether a pair is the reference's step (see the module)."""
    same = operation(pair.action, pair.instruction) == operation(step.action, step.instruction)
    return same and pair.action == step.action


def summary(scores: Sequence[WindowScore]) -> dict[str, float]:
    """Means over windows; `pairs_exact` and `kinds_right` over all their pairs.

    Raises:
        ValueError: There are no scores.
    """
    if not scores:
        msg = "no scores to summarise; were any rows evaluated?"
        raise ValueError(msg)
    pairs = sum(len(score.exact) for score in scores)
    return {
        "windows": len(scores),
        "reward": round(fmean(score.reward for score in scores), 4),
        "first_align": round(fmean(score.align for score in scores), 4),
        "first_exact": round(fmean(score.first_exact for score in scores), 4),
        "plan_exact": round(fmean(score.plan_exact for score in scores), 4),
        "pairs_exact": round(sum(sum(score.exact) for score in scores) / pairs, 4),
        "kinds_right": round(sum(score.kinds_right * len(score.exact) for score in scores) / pairs, 4),
        "repeats": round(fmean(score.repeats for score in scores), 4),
        "unreadable": round(fmean(score.unreadable for score in scores), 4),
        "reply_tokens": round(fmean(score.tokens for score in scores), 1),
    }


def held_out_rows(options: WindowOptions, count: int, *, thoughts: bool = False) -> list[TrainingRow]:
    """Rows of generated tasks with names that no training row has."""
    return list(islice(generated_rows(_EVALUATION_SEED, options, split="held_out", thoughts=thoughts), count))
