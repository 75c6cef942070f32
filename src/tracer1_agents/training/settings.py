"""Sections that the configs of both stages share; what each field means is what `--help` prints.

Defaults follow `docs/paper.md`: "ours" where the paper gives no value. `trainer.max_steps` counts optimiser updates.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, model_validator

from tracer1_agents.training.config import BaseConfig, Clock


class LoraConfig(BaseConfig):
    """Low-rank adapters instead of all weights."""

    rank: int = Field(32, ge=1, description="of the adapters; ours")
    alpha: int = Field(64, ge=1, description="scale, relative to the rank; ours")
    dropout: float = Field(0.0, ge=0, lt=1, description="on the adapters' input; 0 keeps sampling and training alike")
    targets: str = Field("all-linear", description="modules by name, comma-separated, or all-linear")


class ModelConfig(BaseConfig):
    """The planner that is trained."""

    path: str = Field("tracer1-tiny", description="tracer1-tiny, or a transformers checkpoint (folder or hub name)")
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="of the weights in memory")
    attention: str = Field("", description="attn_implementation of transformers; empty: its own choice")
    lora: LoraConfig | None = Field(None, description="train low-rank adapters; null trains all weights")


class RolloutConfig(BaseConfig):
    """How completions are sampled."""

    engine: Literal["local", "transformers", "vllm"] = Field(
        "local",
        description="local: this package's continuous batching; transformers: `generate`; vllm: TRL's vLLM modes "
        "(docs/serving.md)",
    )
    group_size: int = Field(8, ge=2, description="completions of one prompt (G); ours, as common practice")
    prompts_per_update: int = Field(16, ge=1, description="prompts of one generation batch, over all processes")
    max_new_tokens: int = Field(512, ge=1, description="longest reply")
    max_thought_tokens: int | None = Field(
        None, ge=1, description="a thought still open after so many tokens ends the reply, which then teaches nothing"
    )
    temperature: float = Field(1.0, gt=0, description="of sampling; top_p is 1: what is drawn is what is scored")
    resample_rounds: int = Field(
        0, ge=0, description="how often prompts whose completions all earn the same are replaced by others (local only)"
    )
    vllm_mode: Literal["colocate", "server"] = Field("colocate", description="vLLM in the trainer, or a server beside")
    vllm_server_url: str = Field("", description="of the server, such as http://localhost:8000")
    vllm_memory: float = Field(0.3, gt=0, lt=1, description="share of the card that a colocated vLLM takes")
    vllm_length: int | None = Field(
        None,
        ge=2,
        description="longest prompt and reply together that a colocated vLLM makes room for, in tokens; null: all "
        "positions of the model, which vLLM refuses where its share of the card does not hold one such sequence",
    )


class TrainerConfig(BaseConfig):
    """How the weights are updated."""

    output_dir: Path = Field(Path("runs/stage1"), description="checkpoints, log.jsonl, samples.jsonl, model/")
    max_steps: int = Field(100, ge=1, description="optimiser updates")
    max_minutes: float | None = Field(None, gt=0, description="stop after so much training time, whatever max_steps")
    clock: Clock = Field("wall", description="what training time is counted by: wall, or the processor of this process")
    seed: int = Field(0, description="of order and sampling")
    learning_rate: float = Field(
        1e-6,
        gt=0,
        description="ours, for all weights of an 8B model; 1e-5 for its adapters, tiny ones take 1e-4 to 4e-4",
    )
    schedule: Literal["constant_with_warmup", "linear", "cosine"] = Field(
        "constant_with_warmup", description="of the learning rate"
    )
    warmup_steps: int = Field(0, ge=0, description="updates until the full learning rate")
    optimizer: Literal["adamw_torch", "adamw_torch_fused", "sgd"] = Field("adamw_torch", description="of transformers")
    weight_decay: float = Field(0.0, ge=0, description="ours")
    clip: float = Field(1.0, ge=0, description="largest gradient norm, 0 for none")
    micro_batch: int = Field(8, ge=1, description="completions per forward pass and process")
    num_iterations: int = Field(1, ge=1, description="updates on each generation batch (mu of GRPO)")
    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo"] = Field("grpo", description="as TRL names them")
    scale_rewards: Literal["group", "batch", "none"] = Field("group", description="what advantages are divided by")
    beta: float = Field(0.01, ge=0, description="weight of the KL to the starting weights (k3 estimate); ours")
    epsilon: float = Field(0.2, gt=0, description="clip of the probability ratio")
    mask_truncated: bool = Field(default=False, description="leave replies that hit max_new_tokens out of the loss")
    save_steps: int = Field(50, ge=1, description="updates between checkpoints; a multiple of num_iterations")
    keep_checkpoints: int = Field(
        2, ge=2, description="older ones are deleted; two at least, since the newest may be half-written"
    )
    sample_steps: int = Field(10, ge=1, description="updates between sample replies in samples.jsonl")
    gradient_checkpointing: bool = Field(default=False, description="less memory, about a third more time")
    bf16: bool = Field(default=False, description="autocast to bfloat16 (GPU)")
    threads: int = Field(1, ge=1, description="torch threads of each process")
    report_to: tuple[str, ...] = Field((), description="trackio, wandb: where installed")
    max_logprob_gap: float | None = Field(
        1e-3,
        gt=0,
        description="refuse to train when sampler and trainer differ more at a token of the first batch (natural log); "
        "float32 on CPU was measured up to 2.5e-4, since the trainer's rows are padded; null: single tokens, which "
        "other kernels in bfloat16 draw far apart, are not looked at",
    )
    max_mean_logprob_gap: float = Field(
        1e-3,
        gt=0,
        description="the same of the mean, on the first batch and with vLLM on every one; float32 on CPU: 4e-7",
    )
    max_ratio: float = Field(100.0, gt=1, description="stop when a probability ratio exceeds it")


GPU_PEAKS: Final = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
"""Operations a second in dense bfloat16, from NVIDIA's data sheets of the SXM cards."""


class EstimateConfig(BaseConfig):
    """What GPU-hours are reckoned with; nothing is trained differently."""

    gpu: Literal["H200", "H100", "A100"] = Field("H200", description="whose hours are counted")
    sampling_utilisation: float = Field(0.05, gt=0, le=1, description="of the card's peak while sampling; ours")
    training_utilisation: float = Field(0.35, gt=0, le=1, description="of the card's peak while training; ours")


class RunConfig(BaseConfig):
    """Base of both stages' configs: it refuses a bare max_steps."""

    @model_validator(mode="before")
    @classmethod
    def _names_its_steps(cls, data: Any) -> Any:
        if isinstance(data, dict) and "max_steps" in data:
            msg = "say which: trainer.max_steps counts optimiser updates, rollout.max_steps the steps of an episode"
            raise ValueError(msg)
        return data
