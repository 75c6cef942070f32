"""Supervised warm start of the shipped planner: windows of synthetic references, from random weights.

    python -m tracer1_agents.training.warmstart --config tiny/warmstart --set trainer.output_dir=runs/warmstart

Reads top to bottom: tokenizer, batches, updates, evaluation, checkpoints. A run stops after `trainer.minutes` of
training time, writes a checkpoint every `trainer.checkpoint_minutes` and goes on from the last one when it is started
again with the same output folder. `torchrun --nproc_per_node 2 -m ...` splits the batches over processes. It only
imitates: no rewards, no tools, no graph.
"""

from __future__ import annotations

import json
import math
import os
import random
import statistics
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from pydantic import Field
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from tracer1_agents.data.taskgen.families import TRAINING_MIX
from tracer1_agents.data.taskgen.windows import Window, WindowOptions, stream_windows
from tracer1_agents.training.config import BaseConfig, parse_arguments
from tracer1_agents.training.evaluate import evaluate_windows, window_messages
from tracer1_agents.training.tiny_model import TinyModelConfig, build_model, train_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM


class DataConfig(BaseConfig):
    """What is learnt from."""

    seed: int = Field(1, description="of the window stream")
    horizon: int = Field(8, description="pairs per reply at most (T)")
    history_window: int = Field(5, description="past steps in the prompt (K)")
    families: tuple[str, ...] = Field(
        TRAINING_MIX, description="task families; one named twice is drawn twice as often"
    )
    mishap_rate: float = Field(0.1, description="chance of a failed call before each step of the history")
    tokenizer_windows: int = Field(8000, description="windows the BPE is trained on")
    first_pair_weight: float = Field(2.0, description="loss weight of the executed pair; later pairs weigh 1")


class TrainerConfig(BaseConfig):
    """How it is learnt."""

    output_dir: Path = Field(Path("runs/warmstart"), description="checkpoints and logs; an old run there is resumed")
    seed: int = Field(0, description="of the initial weights")
    minutes: float = Field(60.0, description="training time; the learning rate falls to a twentieth by then")
    tokens_per_batch: int = Field(3072, description="padded tokens per update and process")
    muon_learning_rate: float = Field(0.01, description="of the matrices (Muon); ours")
    adam_learning_rate: float = Field(0.002, description="of embeddings and norms (AdamW); ours")
    warmup_steps: int = Field(60, description="updates until the full learning rate")
    decay_from: float = Field(0.5, description="fraction of the time after which the learning rate falls")
    clip: float = Field(1.0, description="largest gradient norm")
    threads: int = Field(1, description="torch threads")
    checkpoint_minutes: float = Field(5.0, description="between checkpoints and evaluations")
    evaluation_windows: int = Field(96, description="held-out windows per evaluation")


class WarmstartConfig(BaseConfig):
    """The whole run."""

    model: TinyModelConfig = TinyModelConfig()
    data: DataConfig = DataConfig()
    trainer: TrainerConfig = TrainerConfig()


@dataclass(frozen=True)
class Workers:
    """The processes that share one run (one, unless torchrun started it)."""

    rank: int = 0
    count: int = 1

    @classmethod
    def join(cls) -> Workers:
        """Meet the other processes that torchrun started."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        torch.distributed.init_process_group("gloo")
        return cls(torch.distributed.get_rank(), count)

    def average_gradients(self, model: Qwen3ForCausalLM) -> None:
        """Give every process the mean gradient."""
        if self.count == 1:
            return
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        torch.distributed.all_reduce(flat)
        for gradient, mean in zip(
            gradients, torch.split(flat, [gradient.numel() for gradient in gradients]), strict=True
        ):
            gradient.copy_(mean.view_as(gradient) / self.count)

    def agree(self, value: float) -> float:
        """The first process's value, in every process."""
        if self.count == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        torch.distributed.broadcast(shared, 0)
        return float(shared.item())


@dataclass
class Batch:
    """Token ids and loss weights, padded to the longest row (shape suffixes: B rows, L tokens)."""

    ids_BL: torch.Tensor  # noqa: N815
    weights_BL: torch.Tensor  # noqa: N815


def encode(
    window: Window, tokenizer: PreTrainedTokenizerFast, first_pair_weight: float
) -> tuple[list[int], list[float]]:
    """Token ids of prompt and reply, and a loss weight for each (0 on the prompt)."""
    template: Any = tokenizer.apply_chat_template
    prompt_ids = template(window_messages(window), add_generation_prompt=True, return_dict=True)["input_ids"]
    first, newline, rest = window.reply.partition("\n")
    ids, weights = list(prompt_ids), [0.0] * len(prompt_ids)
    for text, weight in ((first + newline, first_pair_weight), (rest, 1.0)):
        piece = tokenizer(text, add_special_tokens=False)["input_ids"]
        ids += piece
        weights += [weight] * len(piece)
    return [*ids, tokenizer.eos_token_id], [*weights, 1.0 if rest else first_pair_weight]


def batches(
    config: WarmstartConfig, tokenizer: PreTrainedTokenizerFast, start_pool: int, workers: Workers
) -> Iterator[tuple[int, Batch]]:
    """Batches of similar length without end, with the number of the pool they come from.

    Windows are drawn in pools of 512, each with a seed of its own, so that a resumed run goes on with the next pool.
    """
    options = WindowOptions(config.data.horizon, config.data.history_window, config.data.mishap_rate)
    pool_number = start_pool + workers.rank
    while True:
        stream = stream_windows(config.data.seed * 1_000_003 + pool_number, options, families=config.data.families)
        rows = [encode(window, tokenizer, config.data.first_pair_weight) for window in islice(stream, 512)]
        rows.sort(key=lambda row: len(row[0]))
        groups: list[list[tuple[list[int], list[float]]]] = [[]]
        for row in rows:
            if groups[-1] and len(row[0]) * (len(groups[-1]) + 1) > config.trainer.tokens_per_batch:
                groups.append([])
            groups[-1].append(row)
        random.Random(pool_number).shuffle(groups)  # noqa: S311  (order of batches)
        for group in groups:
            yield pool_number, _pad(group)
        pool_number += workers.count


def _pad(rows: list[tuple[list[int], list[float]]]) -> Batch:
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    weights = torch.zeros(len(rows), longest)
    for at, (row_ids, row_weights) in enumerate(rows):
        ids[at, : len(row_ids)] = torch.tensor(row_ids)
        weights[at, : len(row_weights)] = torch.tensor(row_weights)
    return Batch(ids, weights)


def make_optimizers(model: Qwen3ForCausalLM, config: TrainerConfig) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for embeddings and norms."""
    named = list(model.named_parameters())
    matrices = [p for name, p in named if p.ndim == 2 and "embed" not in name]  # noqa: PLR2004  (matrices)
    others = [p for name, p in named if not (p.ndim == 2 and "embed" not in name)]  # noqa: PLR2004
    muon, adam = config.muon_learning_rate, config.adam_learning_rate
    return [
        torch.optim.Muon(
            [{"params": matrices, "initial_lr": muon}],
            lr=muon,
            weight_decay=0.0,
            momentum=0.95,
            adjust_lr_fn="original",
        ),
        torch.optim.AdamW(
            [{"params": others, "initial_lr": adam}], lr=adam, betas=(0.9, 0.95), weight_decay=0.0, fused=True
        ),
    ]


def learning_rate_scale(config: TrainerConfig, step: int, seconds: float) -> float:
    """Warm-up by updates, then constant, then linear in time down to a twentieth."""
    done = min(1.0, seconds / (config.minutes * 60))
    cooled = 1.0 if done < config.decay_from else max(0.05, (1 - done) / (1 - config.decay_from))
    return min(1.0, (step + 1) / config.warmup_steps) * cooled


def loss_of(model: Qwen3ForCausalLM, batch: Batch) -> tuple[torch.Tensor, float]:
    """Weighted cross entropy of the reply tokens; the unweighted mean beside it for the log."""
    targets = batch.weights_BL[:, 1:] > 0
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(batch.ids_BL[:, :-1]).last_hidden_state[targets]
        logits = model.lm_head(hidden)
    losses = cross_entropy(logits.float(), batch.ids_BL[:, 1:][targets], reduction="none")
    weights = batch.weights_BL[:, 1:][targets]
    return (losses * weights).sum() / weights.sum(), losses.detach().mean().item()


@dataclass
class Progress:
    """Where a run stands; saved with every checkpoint."""

    step: int = 0
    pool: int = 0
    seconds: float = 0.0
    tokens: int = 0


class Checkpoints:
    """The newest checkpoint of an output folder, replaced atomically."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state.pt"
        folder.mkdir(parents=True, exist_ok=True)

    def save(
        self,
        model: Qwen3ForCausalLM,
        tokenizer: PreTrainedTokenizerFast,
        optimizers: list[torch.optim.Optimizer],
        progress: Progress,
    ) -> None:
        """Write everything that resuming needs; the old checkpoint stays until the new one is whole."""
        tokenizer.save_pretrained(self.folder / "model")
        model.save_pretrained(self.folder / "model")
        state = {
            "model": model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "progress": vars(progress),
        }
        fresh = self.state.with_suffix(".new")
        torch.save(state, fresh)
        os.replace(fresh, self.state)  # noqa: PTH105  (atomic on one file system, said as such)

    def load(self, model: Qwen3ForCausalLM, optimizers: list[torch.optim.Optimizer]) -> Progress:
        """Restore the newest checkpoint; a fresh `Progress` where there is none."""
        if not self.state.exists():
            return Progress()
        state: dict[str, Any] = torch.load(self.state, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        return Progress(**state["progress"])


def prepare(config: WarmstartConfig) -> tuple[PreTrainedTokenizerFast, Qwen3ForCausalLM]:
    """Tokenizer and model: those of the output folder, or fresh ones."""
    folder = config.trainer.output_dir / "model"
    if (folder / "config.json").exists():
        saved: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        return cast("PreTrainedTokenizerFast", AutoTokenizer.from_pretrained(folder)), saved
    options = WindowOptions(config.data.horizon, config.data.history_window, config.data.mishap_rate)
    stream = islice(stream_windows(config.data.seed, options), config.data.tokenizer_windows)
    texts = ("".join(message["content"] for message in window_messages(window)) + window.reply for window in stream)
    tokenizer = train_tokenizer(texts, config.model.vocab_size)
    torch.manual_seed(config.trainer.seed)
    return tokenizer, build_model(config.model, tokenizer)


def train(config: WarmstartConfig) -> None:
    """Run, or go on with, a warm start."""
    trainer = config.trainer
    torch.set_num_threads(trainer.threads)
    workers = Workers.join()
    tokenizer, model = prepare(config)
    optimizers = make_optimizers(model, trainer)
    checkpoints = Checkpoints(trainer.output_dir)
    progress = checkpoints.load(model, optimizers)
    next_checkpoint = progress.seconds + trainer.checkpoint_minutes * 60
    size = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    if workers.rank == 0:
        _log(trainer, event="start", processes=workers.count, parameters_millions=round(size, 2), **vars(progress))
    recent: list[float] = []
    for pool, batch in batches(config, tokenizer, progress.pool, workers):
        began = time.perf_counter()
        recent.append(update(model, batch, optimizers, trainer, progress, workers))
        progress.step, progress.pool = progress.step + 1, pool - workers.rank + workers.count
        progress.seconds = workers.agree(progress.seconds + time.perf_counter() - began)
        progress.tokens += batch.ids_BL.numel() * workers.count
        if workers.rank == 0 and progress.step % 100 == 0:
            _log(trainer, event="train", loss=round(statistics.fmean(recent[-100:]), 4), **vars(progress))
        done = progress.seconds >= trainer.minutes * 60
        due = done or progress.seconds >= next_checkpoint
        next_checkpoint += trainer.checkpoint_minutes * 60 * due
        if due and workers.rank == 0:
            checkpoints.save(model, tokenizer, optimizers, progress)
            scores = evaluate_windows(model, tokenizer, config.data.horizon, trainer.evaluation_windows)
            _log(trainer, event="evaluation", **scores, **vars(progress))
        if done:
            return


def update(  # noqa: PLR0917  (what an update is made of)
    model: Qwen3ForCausalLM,
    batch: Batch,
    optimizers: list[torch.optim.Optimizer],
    config: TrainerConfig,
    progress: Progress,
    workers: Workers,
) -> float:
    """One step down the gradient of one batch (of one batch a process); returns the mean loss of this process's.

    Raises:
        FloatingPointError: The loss is not a number; the last checkpoint stays.
    """
    scale = learning_rate_scale(config, progress.step, progress.seconds)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * scale
    loss, shown = loss_of(model, batch)
    if not math.isfinite(shown):
        msg = f"the loss is {shown} at update {progress.step}; the last checkpoint in {config.output_dir} is kept"
        raise FloatingPointError(msg)
    loss.backward()
    workers.average_gradients(model)
    torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    return shown


def _log(config: TrainerConfig, **fields: Any) -> None:
    line = json.dumps(fields)
    print(line, flush=True)  # noqa: T201  (the progress a person watches)
    with (config.output_dir / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(line + "\n")


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `python -m tracer1_agents.training.warmstart`."""
    train(parse_arguments(WarmstartConfig, "Supervised warm start of the shipped planner.", argv))


if __name__ == "__main__":
    main()
