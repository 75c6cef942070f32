"""Which rows an update learns from: groups of G equal rows, drawn by the mixture's weights, exact after a resume.

The order is a function of (seed, epoch) alone. TRL's own sampler keeps a generator that starts over when a run is
resumed, so that a later epoch silently repeats the order of the first; here `set_epoch` decides, which `TellEpoch`
calls before every epoch.
"""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Any

from torch.utils.data import Sampler
from transformers import TrainerCallback

from tracer1_agents.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from transformers import TrainerControl, TrainerState, TrainingArguments


class MixtureSampler(Sampler[int]):
    """Row numbers, each `group_size` times in a row.

    Args:
        sizes: Rows of each source; sources follow one another in the row numbers.
        weights: Share of each source in the draws, summing to 1.
        group_size: Completions of one prompt (G).
        groups_per_batch: Prompts of one generation batch, over all processes.
        repeats: How often a batch is repeated, one pass for each optimiser step taken on it.
        seed: Of the order.

    A source is gone through in a shuffled order, whole, before any of its rows comes again; an epoch holds as many
    groups as there are rows.

    Raises:
        ConfigurationError: There are fewer rows than groups in a batch.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        weights: Sequence[float],
        *,
        group_size: int,
        groups_per_batch: int,
        repeats: int = 1,
        seed: int = 0,
    ) -> None:
        self.sizes, self.weights = list(sizes), list(weights)
        self.group_size, self.groups_per_batch, self.repeats, self.seed = group_size, groups_per_batch, repeats, seed
        self.epoch = 0
        self.batches = sum(self.sizes) // groups_per_batch
        if not self.batches:
            msg = (
                f"an update draws {groups_per_batch} prompts and there are {sum(self.sizes)} rows; lower "
                "rollout.prompts_per_update or add data"
            )
            raise ConfigurationError(msg)

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next iteration is."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches * self.groups_per_batch * self.group_size * self.repeats

    def __iter__(self) -> Iterator[int]:
        rows = self.epoch_order(self.epoch)
        for start in range(0, len(rows), self.groups_per_batch):
            batch = rows[start : start + self.groups_per_batch]
            for _ in range(self.repeats):
                for row in batch:
                    yield from [row] * self.group_size

    def epoch_order(self, epoch: int) -> list[int]:
        """Row numbers of the groups of one epoch."""
        before, counts = self._counts(epoch)
        chosen: list[int] = []
        offset = 0
        for source, size in enumerate(self.sizes):
            chosen += [offset + row for row in self._stretch(source, size, before[source], counts[source])]
            offset += size
        Random(f"mixture/{self.seed}/{epoch}").shuffle(chosen)  # noqa: S311  (reproducible, not secret)
        return chosen

    def _counts(self, epoch: int) -> tuple[list[int], list[int]]:
        """Groups of each source before an epoch and in it: its share, rounded so that they sum to an epoch's groups.

        What rounding takes from a source in one epoch is added to its share of the next, so that no weight means never.
        """
        groups = self.batches * self.groups_per_batch
        before, counts, owed = [0] * len(self.sizes), [0] * len(self.sizes), [0.0] * len(self.sizes)
        for _ in range(epoch + 1):
            before = [past + count for past, count in zip(before, counts, strict=True)]
            exact = [weight * groups + more for weight, more in zip(self.weights, owed, strict=True)]
            counts = _rounded(exact, groups)
            owed = [wanted - given for wanted, given in zip(exact, counts, strict=True)]
        return before, counts

    def _stretch(self, source: int, size: int, start: int, count: int) -> list[int]:
        """Positions start..start+count of the source's endless shuffled order."""
        found: list[int] = []
        while len(found) < count:
            lap, at = divmod(start + len(found), size)
            order = list(range(size))
            Random(f"lap/{self.seed}/{source}/{lap}").shuffle(order)  # noqa: S311  (reproducible, not secret)
            found += order[at : at + count - len(found)]
        return found


def _rounded(exact: Sequence[float], total: int) -> list[int]:
    """Whole numbers from 0 near these, with this sum."""
    counts = [max(0, math.floor(value)) for value in exact]
    while (missing := total - sum(counts)) != 0:
        step = 1 if missing > 0 else -1
        possible = [at for at in range(len(exact)) if counts[at] + step >= 0]
        counts[max(possible, key=lambda at: step * (exact[at] - counts[at]))] += step
    return counts


class TellEpoch(TrainerCallback):
    """Tells a sampler which epoch begins.

    accelerate should, and does on one process. On several it loses the sampler in the epoch that a resumed run goes on
    with, under what skips the batches already seen.
    """

    def __init__(self, sampler: MixtureSampler) -> None:
        self.sampler = sampler

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Hand on the number; within an epoch `state.epoch` is a fraction further."""
        del args, control, kwargs
        self.sampler.set_epoch(int(state.epoch or 0))
