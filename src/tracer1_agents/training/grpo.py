"""What both stages share: a config to a trainer, a run with its folder, a look ahead without one.

A stage brings an `Assembly`: who draws the replies, or how replies that TRL draws are rewarded.
"""

from __future__ import annotations

import gc
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from datasets import Dataset
from transformers import PrinterCallback, ProgressCallback
from trl.trainer.grpo_config import GRPOConfig

from tracer1_agents.errors import ConfigurationError, MissingExtraError
from tracer1_agents.rewards.trajectory import RewardConfig
from tracer1_agents.serving.screenshots import load_picture
from tracer1_agents.training.checkpoints import check_fresh, claimed, newest_checkpoint, writing
from tracer1_agents.training.config import parse_run
from tracer1_agents.training.mixture import MixtureConfig, announce, load_mixture
from tracer1_agents.training.models import (
    allow_text_only_batches,
    load_planner,
    lora_config,
    merged_weights,
    outline_planner,
)
from tracer1_agents.training.monitor import Monitor
from tracer1_agents.training.preflight import preflight
from tracer1_agents.training.processes import (
    check_same,
    exit_status,
    from_first,
    is_first,
    join,
    process_count,
    wait_for_all,
    weights_are_spread,
)
from tracer1_agents.training.refusals import check_engine, check_installed
from tracer1_agents.training.sampler import MixtureSampler
from tracer1_agents.training.sampler_check import GapLimits
from tracer1_agents.training.schedule import ConfiguredLearningRate
from tracer1_agents.training.settings import EstimateConfig, ModelConfig, RolloutConfig, RunConfig, TrainerConfig
from tracer1_agents.training.trainer import ForecastTrainer, check_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tracer1_agents.training.mixture import Mixture
    from tracer1_agents.training.models import Planner
    from tracer1_agents.training.preflight import Preflight
    from tracer1_agents.training.rollouts import GroupCollector


class GrpoRun(RunConfig):
    """Sections of every GRPO run."""

    model: ModelConfig = ModelConfig()
    data: MixtureConfig
    reward: RewardConfig = RewardConfig()
    rollout: RolloutConfig = RolloutConfig()
    trainer: TrainerConfig = TrainerConfig()
    estimate: EstimateConfig = EstimateConfig()


Run = TypeVar("Run", bound=GrpoRun)


@dataclass(frozen=True)
class Assembly:
    """What a stage brings to a run.

    Attributes:
        collector: Draws and scores the replies; None leaves drawing to TRL.
        reward: Scores replies that TRL has drawn, as TRL calls it; unused beside a collector.
        first_pair_only: Whether only the thought and the first pair are trained.
    """

    collector: GroupCollector | None
    reward: Callable[..., Any]
    first_pair_only: bool = False


def run(config: Run, assemble: Callable[[Run, Planner, Mixture], Assembly], *, resume: bool = False) -> Path:
    """Run, or go on with, a stage.

    Returns:
        The folder of the trained model.

    Raises:
        ConfigurationError: The config cannot work; said before anything is trained.
        TrainingError: The run had to stop; the last checkpoint is kept.
    """
    folder = config.trainer.output_dir
    join()
    torch.set_num_threads(config.trainer.threads)
    check_engine(config)
    check_installed(config)
    with ExitStack() as held:
        checkpoint = from_first(lambda: _open(config.trainer, held, resume=resume))
        planner, mixture = load_planner(config.model), load_mixture(config.data)
        check_same("the rows of the mixture", mixture.store.digest())
        trainer = build_trainer(config, planner, mixture, assemble(config, planner, mixture))
        from_first(lambda: _announce(config, planner, mixture))
        with frozen_heap():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        save(trainer, planner, folder)
    return folder / "model"


def _open(trainer: TrainerConfig, held: ExitStack, *, resume: bool) -> Path | None:
    """Claim the run's folder until the stack is left, and find the checkpoint to go on from."""
    held.enter_context(claimed(trainer.output_dir))
    if resume:
        checkpoint = newest_checkpoint(trainer.output_dir)
        if checkpoint:
            check_between_batches(checkpoint, trainer)
        return checkpoint
    check_fresh(trainer.output_dir)
    return None


def check_between_batches(checkpoint: Path, trainer: TrainerConfig) -> None:
    """Refuse to go on in the middle of a batch's iterations: its replies are gone, and all later rows would shift.

    Raises:
        ConfigurationError: The checkpoint's updates are no multiple of `num_iterations`, and more are to come.
    """
    step = int(checkpoint.name.rpartition("-")[2])
    if step < trainer.max_steps and step % trainer.num_iterations:
        msg = (
            f"{checkpoint} lies within the {trainer.num_iterations} updates on one batch (trainer.num_iterations), "
            "whose replies are not kept; remove it to go on from the one before, or choose another trainer.output_dir"
        )
        raise ConfigurationError(msg)


@contextmanager
def frozen_heap() -> Iterator[None]:
    """Let the garbage collector pass over what is loaded now: modules, rows and weights outlive the block.

    Searched again and again, they cost stage 2 nearly half of the graph's processor time (`benchmarks/server.py`).
    """
    outermost = gc.get_freeze_count() == 0
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        if outermost:
            gc.unfreeze()


def _announce(config: GrpoRun, planner: Planner, mixture: Mixture) -> None:
    """Print what is about to happen; refuse what cannot work."""
    announce(mixture)
    found = look_ahead(config, planner, mixture)
    print(found.text())  # noqa: T201  (what is about to happen)
    found.check()


def save(trainer: ForecastTrainer, planner: Planner, folder: Path) -> None:
    """Write `model/`, which loads like any checkpoint; adapters are kept in `adapter/` and merged into it.

    Weights that are spread over processes are put together first.

    Raises:
        TrainingError: The disk is full.
    """
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if is_first():
        with writing("model/", folder, "go on with --resume, which trains no more"):
            _write_model(trainer, planner, folder, weights)
    wait_for_all()


def _write_model(trainer: ForecastTrainer, planner: Planner, folder: Path, weights: Any) -> None:
    model = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(model, "merge_and_unload"):
        model.save_pretrained(folder / "adapter", state_dict=weights)
        if weights_are_spread():
            model, weights = model.get_base_model(), merged_weights(model.peft_config["default"], weights)
        else:
            model, weights = model.merge_and_unload(), None
    model.save_pretrained(folder / "model", state_dict=weights)
    planner.processor.save_pretrained(folder / "model")


def dry_run(config: Run, check: Callable[[Run, Mixture], None] | None = None) -> None:
    """Print what a run would do; the planner's weights are not needed.

    Args:
        config: Of the run.
        check: What the stage refuses by itself before it loads anything.

    Raises:
        ConfigurationError: It could not work.
    """
    check_engine(config)

    def look() -> None:
        planner, mixture = outline_planner(config.model), load_mixture(config.data)
        _announce(config, planner, mixture)
        check_draws(config, mixture)
        if check:
            check(config, mixture)

    from_first(look)
    try:
        check_installed(config)
    except MissingExtraError as error:
        print(f"the run itself: {error}")  # noqa: T201  (a dry run may be made on another machine)


def check_draws(config: GrpoRun, mixture: Mixture) -> None:
    """Refuse updates that cannot be drawn or dealt out, as the trainer would.

    Raises:
        ConfigurationError: There are too few rows, or micro-batches do not divide the completions.
    """
    rollout = config.rollout
    check_batch(rollout, config.trainer, process_count())
    MixtureSampler(
        mixture.sizes, mixture.weights, group_size=rollout.group_size, groups_per_batch=rollout.prompts_per_update
    )


def look_ahead(config: GrpoRun, planner: Planner, mixture: Mixture, *, device_bytes: int | None = None) -> Preflight:
    """What the run is about to do, and what cannot work."""
    return preflight(
        mixture,
        planner,
        model=config.model,
        rollout=config.rollout,
        trainer=config.trainer,
        estimate=config.estimate,
        processes=process_count(),
        device_bytes=device_bytes,
    )


def build_trainer(config: GrpoRun, planner: Planner, mixture: Mixture, assembly: Assembly) -> ForecastTrainer:
    """The trainer with its data, its sampler, and what the stage brings."""
    if assembly.collector is not None:
        assembly.collector.shares = list(zip(mixture.sizes, mixture.weights, strict=True))
    trainer: ForecastTrainer
    monitor = Monitor(
        config.trainer.output_dir,
        lambda: trainer.rollouts,
        sample_steps=config.trainer.sample_steps,
        max_minutes=config.trainer.max_minutes,
        num_iterations=config.trainer.num_iterations,
        clock=config.trainer.clock,
    )
    trainer = ForecastTrainer(
        mixture=mixture,
        collector=assembly.collector,
        first_pair_only=assembly.first_pair_only,
        gaps=GapLimits(config.trainer.max_logprob_gap, config.trainer.max_mean_logprob_gap),
        max_ratio=config.trainer.max_ratio,
        model=planner.model,
        processing_class=planner.processor,
        reward_funcs=[assembly.reward],
        args=grpo_config(config, reads_images=planner.reads_images),
        train_dataset=as_dataset(mixture, reads_images=planner.reads_images),
        peft_config=lora_config(config.model.lora),
        callbacks=[monitor, ConfiguredLearningRate()],
    )
    for shown in (PrinterCallback, ProgressCallback):  # the monitor shows progress
        trainer.remove_callback(shown)
    if planner.reads_images and trainer.ref_model is not None:
        allow_text_only_batches(trainer.ref_model)  # TRL loaded it from the folder itself
    return trainer


def as_dataset(mixture: Mixture, *, reads_images: bool) -> Dataset:
    """Row numbers, with prompts and screenshots written when they are asked for."""
    pictured = reads_images and any(row.images for row in mixture.rows)
    opened: dict[int, list[Any]] = {}  # of the newest batch: every micro-batch asks for the whole of it again

    def shown(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        rows = [mixture.rows[number] for number in batch["row"]]
        columns: dict[str, list[Any]] = {"row": batch["row"], "prompt": [row.chat() for row in rows]}
        if pictured:
            known = {number: opened[number] for number in batch["row"] if number in opened}
            opened.clear()
            opened.update(known)
            for number, row in zip(batch["row"], rows, strict=True):
                if number not in opened:
                    opened[number] = [load_picture(image) for image in row.images]
            columns["images"] = [list(opened[number]) for number in batch["row"]]
        return columns

    return Dataset.from_dict({"row": list(range(len(mixture.rows)))}).with_transform(shown)


def grpo_config(config: GrpoRun, *, reads_images: bool) -> GRPOConfig:
    """Our options under TRL's names."""
    rollout, trainer = config.rollout, config.trainer
    return GRPOConfig(
        output_dir=str(trainer.output_dir),
        max_steps=trainer.max_steps,
        seed=trainer.seed,
        learning_rate=trainer.learning_rate,
        lr_scheduler_type=trainer.schedule,
        warmup_steps=trainer.warmup_steps,
        optim=trainer.optimizer,
        weight_decay=trainer.weight_decay,
        max_grad_norm=trainer.clip,
        per_device_train_batch_size=trainer.micro_batch,
        gradient_accumulation_steps=check_batch(rollout, trainer, process_count()),
        num_generations=rollout.group_size,
        num_iterations=trainer.num_iterations,
        max_completion_length=rollout.max_new_tokens,
        temperature=rollout.temperature,
        top_p=1.0,
        top_k=0,
        loss_type=trainer.loss_type,
        scale_rewards=trainer.scale_rewards,
        beta=trainer.beta,
        epsilon=trainer.epsilon,
        mask_truncated_completions=trainer.mask_truncated,
        save_strategy="steps",
        save_steps=trainer.save_steps,
        save_total_limit=trainer.keep_checkpoints,
        logging_steps=1,
        logging_nan_inf_filter=False,
        log_completions=False,
        report_to=list(trainer.report_to) or "none",
        gradient_checkpointing=trainer.gradient_checkpointing,
        bf16=trainer.bf16,
        ddp_find_unused_parameters=None if reads_images else False,  # TRL decides where there is a vision tower
        use_cpu=not torch.cuda.is_available(),
        disable_tqdm=True,
        remove_unused_columns=False,
        use_vllm=rollout.engine == "vllm",
        vllm_mode=rollout.vllm_mode,
        vllm_server_base_url=rollout.vllm_server_url or None,
        vllm_gpu_memory_utilization=rollout.vllm_memory,
        vllm_max_model_length=rollout.vllm_length,
    )


def end_ids(planner: Planner) -> frozenset[int]:
    """Token ids that end a reply."""
    declared = planner.model.generation_config.eos_token_id if planner.model.generation_config else None
    listed = declared if isinstance(declared, list) else [declared]
    return frozenset(one for one in (*listed, planner.tokenizer.eos_token_id) if one is not None)


def command(
    config_type: type[Run],
    module: str,
    program: str,
    train: Callable[..., Path],
    argv: Sequence[str] | None,
    *,
    check: Callable[[Run, Mixture], None] | None = None,
) -> int:
    """The command line of a stage: `--config`, `--set`, `--resume`, `--dry-run` (which also asks `check`).

    Returns:
        Exit status.
    """

    def work() -> None:
        arguments = parse_run(config_type, module, program, argv)
        if arguments.dry_run:
            dry_run(arguments.config, check)
            return
        model = train(arguments.config, resume=arguments.resume)
        if is_first():
            print(f"model written to {model}")  # noqa: T201

    return exit_status(work, go_on="go on with --resume")
