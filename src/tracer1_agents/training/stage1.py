"""Stage 1: anticipatory trajectory optimisation (paper, section 3). Nothing is executed.

    python -m tracer1_agents.training.stage1 --config tiny/stage1 [--set trainer.max_steps=20] [--resume] [--dry-run]

The planner forecasts T pairs for each prompt, G times; a forecast earns the discounted trajectory reward against the
reference; GRPO updates the weights. Reads top to bottom: config, rows, preflight, trainer, run.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, ProgressCallback
from trl.trainer.grpo_config import GRPOConfig

from tracer1_agents.errors import ConfigurationError, Tracer1Error
from tracer1_agents.rewards.trajectory import RewardConfig
from tracer1_agents.training.checkpoints import check_fresh, claimed, newest_checkpoint
from tracer1_agents.training.config import parse_run
from tracer1_agents.training.mixture import MixtureConfig, announce, load_mixture
from tracer1_agents.training.models import load_planner, lora_config, outline_planner
from tracer1_agents.training.monitor import Monitor
from tracer1_agents.training.preflight import preflight
from tracer1_agents.training.rollouts import LocalRollouts
from tracer1_agents.training.settings import ModelConfig, RolloutConfig, RunConfig, TrainerConfig
from tracer1_agents.training.trainer import ForecastTrainer, check_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tracer1_agents.training.mixture import Mixture
    from tracer1_agents.training.models import Planner
    from tracer1_agents.training.preflight import Preflight


class Stage1Config(RunConfig):
    """The whole run."""

    model: ModelConfig = ModelConfig()
    data: MixtureConfig
    reward: RewardConfig = RewardConfig()
    rollout: RolloutConfig = RolloutConfig()
    trainer: TrainerConfig = TrainerConfig()


def train(config: Stage1Config, *, resume: bool = False) -> Path:
    """Run, or go on with, stage 1.

    Returns:
        The folder of the trained model.

    Raises:
        ConfigurationError: The config cannot work; said before anything is trained.
        TrainingError: The run had to stop; the last checkpoint is kept.
    """
    folder = config.trainer.output_dir
    torch.set_num_threads(config.trainer.threads)
    check_engine(config)
    with claimed(folder):
        checkpoint = newest_checkpoint(folder) if resume else None
        if not resume:
            check_fresh(folder)
        planner, mixture = load_planner(config.model), load_mixture(config.data)
        trainer = build_trainer(config, planner, mixture)
        found = look_ahead(config, planner, mixture)
        if trainer.accelerator.is_main_process:
            announce(mixture)
            print(found.text())  # noqa: T201  (what is about to happen)
        found.check()
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if trainer.accelerator.is_main_process:
            trainer.accelerator.unwrap_model(trainer.model).save_pretrained(folder / "model")
            planner.processor.save_pretrained(folder / "model")
        return folder / "model"


def look_ahead(config: Stage1Config, planner: Planner, mixture: Mixture) -> Preflight:
    """What the run is about to do, and what cannot work."""
    return preflight(
        mixture,
        planner,
        model=config.model,
        rollout=config.rollout,
        trainer=config.trainer,
        processes=int(os.environ.get("WORLD_SIZE", "1")),
    )


def dry_run(config: Stage1Config) -> None:
    """Print what a run would do; the planner's weights are not needed.

    Raises:
        ConfigurationError: It could not work.
    """
    check_engine(config)
    mixture = load_mixture(config.data)
    announce(mixture)
    found = look_ahead(config, outline_planner(config.model), mixture)
    print(found.text())  # noqa: T201  (the answer)
    found.check()


def check_engine(config: Stage1Config) -> None:
    """Refuse combinations of options that would be silently ignored.

    Raises:
        ConfigurationError: Which, and what to change.
    """
    if config.rollout.engine == "local":
        return
    needs_local = {
        "rollout.resample_rounds": config.rollout.resample_rounds > 0,
        "data.history: own": config.data.history == "own",
    }
    for option, wanted in needs_local.items():
        if wanted:
            msg = f"{option} works with rollout.engine: local only, got {config.rollout.engine}"
            raise ConfigurationError(msg)


def build_trainer(config: Stage1Config, planner: Planner, mixture: Mixture) -> ForecastTrainer:
    """The trainer with its data, sampler and reward."""
    local = config.rollout.engine == "local"
    collector = LocalRollouts(
        mixture.rows,
        config.rollout,
        config.reward,
        seed=config.trainer.seed,
        own_history=config.data.history == "own",
    )
    trainer: ForecastTrainer
    monitor = Monitor(
        config.trainer.output_dir,
        lambda: trainer.rollouts,
        sample_steps=config.trainer.sample_steps,
        max_minutes=config.trainer.max_minutes,
    )
    trainer = ForecastTrainer(
        mixture=mixture,
        collector=collector if local else None,
        max_logprob_gap=config.trainer.max_logprob_gap,
        max_ratio=config.trainer.max_ratio,
        model=planner.model,
        processing_class=planner.processor,
        reward_funcs=[trajectory_rewards(mixture, config.reward, planner.tokenizer.eos_token_id)],
        args=grpo_config(config),
        train_dataset=as_dataset(mixture),
        peft_config=lora_config(config.model.lora),
        callbacks=[monitor],
    )
    for shown in (PrinterCallback, ProgressCallback):  # the monitor shows progress
        trainer.remove_callback(shown)
    return trainer


def trajectory_rewards(mixture: Mixture, config: RewardConfig, end: int) -> Callable[..., list[float]]:
    """The reward as TRL calls it; parts go to the log, and each source has a mean of its own."""

    def trajectory(
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]],
        row: Sequence[int],
        log_metric: Callable[[str, float], None],
        **_: Any,
    ) -> list[float]:
        totals = []
        for completion, ids, number in zip(completions, completion_ids, row, strict=True):
            example = mixture.rows[number]
            truncated = not ids or ids[-1] != end
            forecast, reward = example.score(completion[0]["content"], config, truncated=truncated)
            totals.append(reward.total)
            for name, value in vars(reward.parts).items():
                log_metric(f"parts/{name}", value)
            log_metric(f"reward/{example.source}", reward.total)
            log_metric("forecast/first_align", reward.align[0])
            log_metric("forecast/pairs", float(len(forecast.pairs)))
            log_metric("forecast/unreadable", float(not forecast.ok))
        return totals

    return trajectory


def as_dataset(mixture: Mixture) -> Dataset:
    """Row numbers, with prompts and screenshots written when they are asked for."""
    pictured = any(row.images for row in mixture.rows)

    def shown(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        rows = [mixture.rows[number] for number in batch["row"]]
        columns: dict[str, list[Any]] = {"row": batch["row"], "prompt": [row.chat() for row in rows]}
        if pictured:
            from tracer1_agents.training.screenshots import load_picture  # noqa: PLC0415  (Pillow)

            columns["images"] = [[load_picture(image) for image in row.images] for row in rows]
        return columns

    return Dataset.from_dict({"row": list(range(len(mixture.rows)))}).with_transform(shown)


def grpo_config(config: Stage1Config) -> GRPOConfig:
    """Our options under TRL's names."""
    rollout, trainer = config.rollout, config.trainer
    processes = int(os.environ.get("WORLD_SIZE", "1"))
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
        gradient_accumulation_steps=check_batch(config, processes),
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
        use_cpu=not torch.cuda.is_available(),
        disable_tqdm=True,
        remove_unused_columns=False,
        use_vllm=rollout.engine == "vllm",
        vllm_mode=rollout.vllm_mode,
        vllm_server_base_url=rollout.vllm_server_url or None,
        vllm_gpu_memory_utilization=rollout.vllm_memory,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `python -m tracer1_agents.training.stage1`."""
    try:
        run = parse_run(Stage1Config, "Stage 1: GRPO with the trajectory reward; nothing is executed.", argv)
        if run.dry_run:
            dry_run(run.config)
        else:
            print(f"model written to {train(run.config, resume=run.resume)}")  # noqa: T201
    except Tracer1Error as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print("interrupted; go on with --resume", file=sys.stderr)  # noqa: T201
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
