"""Supervised training of a small planner: references imitated, from random or given weights.

    python -m tracer1_agents.training.warmstart --config tiny/warmstart --set trainer.output_dir=runs/warmstart

Learns from a mixture (`data.sources`), or without one from the task generator's endless stream. Reads top to bottom:
config, updates, what is started from, the run. A run stops after `trainer.minutes` of training time, writes a
checkpoint every `trainer.checkpoint_minutes` and goes on from the last one when it is started again on the same folder;
`model/` is the newest planner, `best/` the one that earned most reward where it was measured. `torchrun
--nproc_per_node 2 -m ...` splits the batches over processes. It only imitates: no tools, no graph, and rewards only
measure.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import torch
from pydantic import Field
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from tracer1_agents.data.taskgen.desk.options import WorldOptions  # noqa: TC001  (pydantic reads it)
from tracer1_agents.data.taskgen.windows import WindowOptions
from tracer1_agents.errors import ConfigurationError, TrainingError
from tracer1_agents.training.batches import BatchSize, batches, encode, generated_pools, generated_rows, mixture_pools
from tracer1_agents.training.checkpoints import claimed, writing
from tracer1_agents.training.config import BaseConfig, Clock, parse_arguments, reading
from tracer1_agents.training.evaluate import evaluate_rows, held_out_rows, summary
from tracer1_agents.training.mixture import Mixture, MixtureConfig, Source, announce, evenly_spread, load_mixture
from tracer1_agents.training.models import load_planner
from tracer1_agents.training.processes import exit_status
from tracer1_agents.training.progress import STATE, Checkpoints, Progress
from tracer1_agents.training.settings import ModelConfig
from tracer1_agents.training.tiny_model import TinyModelConfig, build_model, train_tokenizer
from tracer1_agents.training.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

    from tracer1_agents.training.batches import Batch, Pools
    from tracer1_agents.training.rows import TrainingRow


_GO_ON: Final = "the same command goes on from the last checkpoint that is whole"
_SHOWN_UPDATES: Final = 100  # between two lines of the log, and what their loss is the mean of


class DataConfig(MixtureConfig):
    """What is learnt from."""

    sources: tuple[Source, ...] = Field((), description="reader, path, weight, ... of each; none: the task generator")
    evaluation: tuple[Source, ...] = Field(
        (), description="sources that planners are measured on; none: generated tasks with held-out names"
    )
    seed: int = Field(1, description="of the order of rows, and of the generator's stream")
    horizon: int = Field(8, ge=1, description="pairs per reply at most (T)")
    history: Literal["reference"] = Field("reference", description="past actions are the reference's")
    images: Literal[False] = Field(default=False, description="text only")
    families: tuple[str, ...] = Field(
        (),
        description="without sources: task families, one named twice drawn twice; none: the training mix of the world",
    )
    world: WorldOptions | None = Field(
        None, description="without sources: the desk's world and its dials; none: the plain families"
    )
    mishap_rate: float = Field(
        0.1, description="without sources: chance of a failed call before each step of the history"
    )
    tokenizer_windows: int = Field(8000, description="rows the BPE is trained on")
    prompt_weight: float = Field(
        0.0,
        ge=0,
        description="loss weight of the prompt's tokens; above 0 a new planner learns to read too",
    )
    first_pair_weight: float = Field(2.0, description="loss weight of the executed pair; later pairs weigh 1")


class TrainerConfig(BaseConfig):
    """How it is learnt."""

    output_dir: Path = Field(Path("runs/warmstart"), description="checkpoints and logs; an old run there is resumed")
    start_from: str = Field(
        "", description="weights and tokenizer to go on from: a folder, or tracer1-tiny; empty: new"
    )
    seed: int = Field(0, description="of the initial weights")
    clock: Clock = Field("wall", description="what training time is counted by: wall, or the processor of this process")
    minutes: float = Field(60.0, gt=0, description="training time; the learning rate falls to a twentieth by then")
    updates: int | None = Field(None, ge=1, description="the run ends after so many updates, however long they take")
    tokens_per_batch: int = Field(3072, ge=1, description="padded tokens per update and process")
    reply_tokens_per_batch: int | None = Field(
        None,
        ge=1,
        description="reply tokens per update and process; wins over padded tokens",
    )
    muon_learning_rate: float = Field(0.01, gt=0, description="of the matrices (Muon); ours")
    adam_learning_rate: float = Field(0.002, gt=0, description="of embeddings and norms (AdamW); ours")
    warmup_steps: int = Field(60, ge=0, description="updates until the full learning rate")
    decay_from: float = Field(0.5, ge=0, le=1, description="fraction of the time after which the learning rate falls")
    clip: float = Field(1.0, gt=0, description="largest gradient norm")
    threads: int = Field(1, ge=1, description="torch threads")
    checkpoint_minutes: float = Field(5.0, gt=0, description="between checkpoints and evaluations")
    evaluation_windows: int = Field(
        96, ge=0, description="rows per evaluation, evenly spread over data.evaluation; 0: no evaluation, and no best/"
    )


class WarmstartConfig(BaseConfig):
    """The whole run."""

    model: TinyModelConfig = TinyModelConfig()
    data: DataConfig = DataConfig()
    trainer: TrainerConfig = TrainerConfig()


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


def share_done(config: TrainerConfig, progress: Progress) -> float:
    """How much of the run is over: of its updates where they are set, else of its time."""
    return progress.step / config.updates if config.updates else progress.seconds / (config.minutes * 60)


def learning_rate_scale(config: TrainerConfig, progress: Progress) -> float:
    """Warm-up by updates, then constant, then linear down to a twentieth."""
    done = min(1.0, share_done(config, progress))
    cooled = 1.0 if done < config.decay_from else max(0.05, (1 - done) / (1 - config.decay_from))
    return min(1.0, (progress.step + 1) / max(1, config.warmup_steps)) * cooled


def loss_of(model: Qwen3ForCausalLM, batch: Batch) -> tuple[torch.Tensor, float]:
    """Weighted cross entropy of the tokens with a weight; the unweighted mean beside it for the log."""
    targets = batch.weights_BL[:, 1:] > 0
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(batch.ids_BL[:, :-1]).last_hidden_state[targets]
        logits = model.lm_head(hidden)
    losses = cross_entropy(logits.float(), batch.ids_BL[:, 1:][targets], reduction="none")
    weights = batch.weights_BL[:, 1:][targets]
    return (losses * weights).sum() / weights.sum(), losses.detach().mean().item()


def prepare(config: WarmstartConfig, rows: Sequence[TrainingRow]) -> tuple[PreTrainedTokenizerFast, Qwen3ForCausalLM]:
    """Tokenizer and model: those of the output folder, those to start from, or fresh ones.

    Args:
        config: The whole run.
        rows: The mixture's; a fresh tokenizer learns their text, or the task generator's where there are none.

    Raises:
        ConfigurationError: `trainer.start_from` cannot be loaded, or reads images.
    """
    folder = config.trainer.output_dir / "model"
    if (config.trainer.output_dir / STATE).exists():
        saved: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        return cast("PreTrainedTokenizerFast", AutoTokenizer.from_pretrained(folder)), saved
    if config.trainer.start_from:
        planner = load_planner(ModelConfig(path=config.trainer.start_from))
        if planner.reads_images:
            msg = f"trainer.start_from {config.trainer.start_from!r} reads images; name a text-only planner"
            raise ConfigurationError(msg)
        return planner.tokenizer, cast("Qwen3ForCausalLM", planner.model)
    texts = (
        "".join(message.text for message in row.messages) + row.reply
        for row in islice(
            rows or generated_rows(config.data.seed, _options(config), thoughts=config.data.thoughts),
            config.data.tokenizer_windows,
        )
    )
    tokenizer = train_tokenizer(texts, config.model.vocab_size)
    torch.manual_seed(config.trainer.seed)
    return tokenizer, build_model(config.model, tokenizer)


def _options(config: WarmstartConfig) -> WindowOptions:
    data = config.data
    return WindowOptions(
        data.horizon, data.history_window, data.mishap_rate, data.world, previous=data.show_last_forecast
    )


def _pools(config: WarmstartConfig, mixture: Mixture) -> Pools:
    if mixture.rows:
        return mixture_pools(mixture, config.data.seed)
    return generated_pools(config.data.seed, _options(config), config.data.families, thoughts=config.data.thoughts)


def evaluation_rows(config: WarmstartConfig) -> list[TrainingRow]:
    """At most `trainer.evaluation_windows` rows of `data.evaluation`, evenly spread, or of held-out generated tasks."""
    wanted = config.trainer.evaluation_windows
    if not config.data.evaluation:
        return held_out_rows(_options(config), wanted, thoughts=config.data.thoughts)
    return evenly_spread(load_mixture(config.data.model_copy(update={"sources": config.data.evaluation})).rows, wanted)


@dataclass
class Run:
    """A run under way."""

    config: WarmstartConfig
    workers: Workers
    tokenizer: PreTrainedTokenizerFast
    model: Qwen3ForCausalLM
    measured: list[TrainingRow]
    checkpoints: Checkpoints

    def __post_init__(self) -> None:
        self.optimizers = make_optimizers(self.model, self.config.trainer)
        self.progress = self.checkpoints.load(self.model, self.optimizers)
        self.next_checkpoint = self.progress.seconds + self.config.trainer.checkpoint_minutes * 60
        self.losses: deque[float] = deque(maxlen=_SHOWN_UPDATES)

    @property
    def done(self) -> bool:
        """Whether the updates or the training time are used up."""
        return share_done(self.config.trainer, self.progress) >= 1.0

    def announce(self, mixture: Mixture) -> None:
        """Say what is trained on what."""
        announce(mixture)
        millions = sum(parameter.numel() for parameter in self.model.parameters()) / 1e6
        self.log("start", processes=self.workers.count, parameters_millions=round(millions, 2))

    def learn(self, batch: Batch, pool: int) -> None:
        """One update; only updates count as training time."""
        progress, workers = self.progress, self.workers
        began = reading(self.config.trainer.clock)
        self.losses.append(update(self.model, batch, self.optimizers, self.config.trainer, progress, workers))
        progress.step, progress.pool = progress.step + 1, pool - workers.rank + workers.count
        progress.seconds = workers.agree(progress.seconds + reading(self.config.trainer.clock) - began)
        progress.tokens += batch.ids_BL.numel() * workers.count
        progress.rows += len(batch.ids_BL) * workers.count
        progress.taught_tokens += int((batch.weights_BL > 0).sum()) * workers.count
        if workers.rank == 0 and progress.step % _SHOWN_UPDATES == 0:
            self.log("train", loss=round(statistics.fmean(self.losses), 4))

    def keep(self) -> None:
        """Measure and save when it is time to; one process does."""
        if not (self.done or self.progress.seconds >= self.next_checkpoint):
            return
        self.next_checkpoint += self.config.trainer.checkpoint_minutes * 60
        if self.workers.rank != 0:
            return
        self.save()
        if not self.measured:
            self.log("checkpoint")
            return
        scores = summary(evaluate_rows(self.model, self.tokenizer, self.measured))
        if scores["reward"] > self.progress.best:
            self.progress.best = scores["reward"]
            self.save(best=True)
        self.log("evaluation", **scores)

    def save(self, *, best: bool = False) -> None:
        """Write a checkpoint, with the planner as the best one first where it is that.

        Raises:
            TrainingError: The disk is full; the checkpoint before stays.
        """
        what = f"the checkpoint at update {self.progress.step}"
        with writing(what, self.config.trainer.output_dir, _GO_ON):
            if best:
                self.checkpoints.save_best(self.model, self.tokenizer)
            self.checkpoints.save(self.model, self.tokenizer, self.optimizers, self.progress)

    def log(self, event: str, **fields: Any) -> None:
        """A line of log.jsonl, shown too."""
        line = json.dumps({"event": event, **fields, **vars(self.progress)})
        print(line, flush=True)  # noqa: T201  (the progress a person watches)
        folder = self.config.trainer.output_dir
        with writing("log.jsonl", folder, _GO_ON), (folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(line + "\n")


def train(config: WarmstartConfig) -> None:
    """Run, or go on with, a warm start.

    Raises:
        ConfigurationError: A source gives no rows, `trainer.start_from` does not fit, or another run holds the folder.
        DataError: There is nothing at a source's path.
        TrainingError: The loss is not a number; the last checkpoint stays.
    """
    torch.set_num_threads(config.trainer.threads)
    workers = Workers.join()
    with claimed(config.trainer.output_dir) if workers.rank == 0 else nullcontext():
        _train(config, workers)


def _train(config: WarmstartConfig, workers: Workers) -> None:
    mixture = load_mixture(config.data) if config.data.sources else Mixture()
    checkpoints = Checkpoints(config.trainer.output_dir)
    tokenizer, model = prepare(config, mixture.rows)
    run = Run(config, workers, tokenizer, model, evaluation_rows(config), checkpoints)
    if workers.rank == 0:
        run.announce(mixture)
    if run.done:
        run.log("end")
        return
    data = config.data
    encoder = partial(
        encode, tokenizer=tokenizer, first_pair_weight=data.first_pair_weight, prompt_weight=data.prompt_weight
    )
    start, pools = run.progress.pool + workers.rank, _pools(config, mixture)
    size = BatchSize(config.trainer.tokens_per_batch, config.trainer.reply_tokens_per_batch)
    for pool, batch in batches(pools, encoder, size, start=start, every=workers.count):
        run.learn(batch, pool)
        run.keep()
        if run.done:
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
        TrainingError: The loss is not a number; the last checkpoint stays.
    """
    scale = learning_rate_scale(config, progress)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * scale
    loss, shown = loss_of(model, batch)
    if not math.isfinite(shown):
        msg = f"the loss is {shown} at update {progress.step}; the last checkpoint in {config.output_dir} is kept"
        raise TrainingError(msg)
    loss.backward()
    workers.average_gradients(model)
    torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    return shown


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `python -m tracer1_agents.training.warmstart`."""
    program = "Supervised training of a small planner: references imitated."

    def work() -> None:
        train(parse_arguments(WarmstartConfig, "training.warmstart", program, argv))

    return exit_status(work, go_on="the same command goes on")


if __name__ == "__main__":
    sys.exit(main())
