"""Rows to batches for supervised training: pools of rows, sorted by length, padded, with a weight for every token.

Rows are drawn in pools of 512. A pool is a function of (seed, its number), so that a resumed run goes on with the next
one and several processes share a run by taking turns. Nothing here knows how weights are updated.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import torch

from tracer1_agents.data.prompts import PromptOptions
from tracer1_agents.data.taskgen.windows import WindowOptions, stream_windows
from tracer1_agents.training.rows import generated_row
from tracer1_agents.training.sampler import MixtureSampler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from transformers import PreTrainedTokenizerBase

    from tracer1_agents.data.taskgen.names import Split
    from tracer1_agents.training.mixture import Mixture
    from tracer1_agents.training.rows import TrainingRow

POOL: Final = 512
Pools: TypeAlias = "Callable[[int], Sequence[TrainingRow]]"  # by number
Encoded: TypeAlias = tuple[list[int], list[float]]


@dataclass
class Batch:
    """Token ids and loss weights, padded to the longest row (shape suffixes: B rows, L tokens)."""

    ids_BL: torch.Tensor  # noqa: N815
    weights_BL: torch.Tensor  # noqa: N815


def generated_rows(
    seed: int,
    options: WindowOptions,
    families: tuple[str, ...] = (),
    *,
    split: Split = "train",
    thoughts: bool = False,
) -> Iterator[TrainingRow]:
    """Rows of generated tasks without end, the same for the same arguments."""
    prompt = PromptOptions(horizon=options.horizon, history_window=options.history_window, thoughts=thoughts)
    for number, window in enumerate(stream_windows(seed, options, split=split, families=families)):
        yield generated_row(window, prompt, source="taskgen", key=f"taskgen/{window.family}/{seed}-{number}")


def generated_pools(seed: int, options: WindowOptions, families: tuple[str, ...], *, thoughts: bool = False) -> Pools:
    """Pools of generated tasks, no row ever twice."""

    def pool(number: int) -> list[TrainingRow]:
        return list(islice(generated_rows(seed * 1_000_003 + number, options, families, thoughts=thoughts), POOL))

    return pool


def mixture_pools(mixture: Mixture, seed: int) -> Pools:
    """Pools of a mixture: its endless order, sources drawn by weight, each gone through whole before it repeats."""
    order = MixtureSampler(mixture.sizes, mixture.weights, group_size=1, groups_per_batch=1, seed=seed)

    def rows_from(start: int) -> Iterator[TrainingRow]:
        epoch, skipped = divmod(start, len(mixture.rows))
        for number in count(epoch):
            yield from (mixture.rows[at] for at in order.epoch_order(number)[skipped:])
            skipped = 0

    def pool(number: int) -> list[TrainingRow]:
        return list(islice(rows_from(number * POOL), POOL))

    return pool


def encode(
    row: TrainingRow, tokenizer: PreTrainedTokenizerBase, first_pair_weight: float, prompt_weight: float = 0.0
) -> Encoded:
    """Token ids of prompt and reply, and a loss weight for each: `prompt_weight` on the prompt, 1 on the reply.

    The first pair, which is executed, weighs `first_pair_weight` where its grammar writes one pair a line; in other
    grammars all pairs weigh the same.
    """
    template: Any = tokenizer.apply_chat_template
    prompt_ids = template(row.chat(), add_generation_prompt=True, return_dict=True)["input_ids"]
    if row.grammar.name == "canonical":
        first, newline, rest = row.reply.partition("\n")
    else:
        first, newline, rest = "", "", row.reply
    ids, weights = list(prompt_ids), [prompt_weight] * len(prompt_ids)
    for text, weight in ((first + newline, first_pair_weight), (rest, 1.0)):
        piece = tokenizer(text, add_special_tokens=False)["input_ids"]
        ids += piece
        weights += [weight] * len(piece)
    return [*ids, tokenizer.eos_token_id], [*weights, 1.0 if rest else first_pair_weight]


@dataclass(frozen=True)
class BatchSize:
    """When a batch is full; a row that is larger is a batch of its own.

    Attributes:
        tokens: Padded tokens at most.
        reply_tokens: Tokens with a weight, at most; None: padded tokens count. Planners that forecast at different
            lengths then learn from the same number of tokens an update.
    """

    tokens: int
    reply_tokens: int | None = None

    def deal(self, rows: Sequence[Encoded]) -> list[list[Encoded]]:
        """Rows, sorted by length, to batches."""
        groups: list[list[Encoded]] = [[]]
        taught = 0
        for row in rows:
            own = sum(weight > 0 for weight in row[1])
            if self.reply_tokens is None:
                full = len(row[0]) * (len(groups[-1]) + 1) > self.tokens
            else:
                full = taught + own > self.reply_tokens
            if groups[-1] and full:
                groups.append([])
                taught = 0
            groups[-1].append(row)
            taught += own
        return groups


def batches(
    pools: Pools, encoder: Callable[[TrainingRow], Encoded], size: BatchSize, *, start: int = 0, every: int = 1
) -> Iterator[tuple[int, Batch]]:
    """Batches of similar length without end, with the number of the pool they come from.

    Args:
        pools: Where rows come from.
        encoder: A row as token ids and weights.
        size: When a batch is full.
        start: Number of the first pool.
        every: Distance to the next; the processes that share a run take every n-th.
    """
    for number in count(start, every):
        encoded = sorted((encoder(row) for row in pools(number)), key=lambda row: len(row[0]))
        groups = size.deal(encoded)
        random.Random(number).shuffle(groups)  # noqa: S311  (order of batches)
        for group in groups:
            yield number, pad(group)


def pad(rows: Sequence[Encoded]) -> Batch:
    """Rows side by side; what is padded has id 0 and weight 0."""
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    weights = torch.zeros(len(rows), longest)
    for at, (row_ids, row_weights) in enumerate(rows):
        ids[at, : len(row_ids)] = torch.tensor(row_ids)
        weights[at, : len(row_weights)] = torch.tensor(row_weights)
    return Batch(ids, weights)
