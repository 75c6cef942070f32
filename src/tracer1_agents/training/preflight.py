"""What a run is about to do, before it starts: rows, tokens, memory, GPU-hours, and whether all of it fits.

Counts come from the run's own prompts, tokenizer and processor; where there are many rows, from a sample spread evenly
over them. Memory and GPU-hours are estimates (see
`training.memory` and `training.compute`). A planner without weights is enough (`outline_planner`), so a
large run can be looked at on a small machine. Nothing is trained, and no picture is opened.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Final

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.training.compute import estimate_compute
from tracer1_agents.training.lengths import count_tokens
from tracer1_agents.training.memory import (
    GIB,
    MemoryEstimate,
    Workload,
    device_memory,
    estimate_memory,
    vllm_tokens,
)
from tracer1_agents.training.mixture import evenly_spread
from tracer1_agents.training.processes import weights_are_spread
from tracer1_agents.training.settings import EstimateConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.training.compute import Compute
    from tracer1_agents.training.lengths import RowTokens
    from tracer1_agents.training.mixture import Mixture
    from tracer1_agents.training.models import Planner
    from tracer1_agents.training.settings import ModelConfig, RolloutConfig, TrainerConfig

SAMPLE: Final = 2000  # rows looked at, at most; ours
_ROUNDED_AWAY: Final = 6e-5  # half a step of bfloat16 at a weight of 0.02: less added to it leaves it as it is


@dataclass(frozen=True)
class Spread:
    """Smallest, middle and largest of some counts."""

    least: int
    median: int
    most: int

    @classmethod
    def of(cls, counts: Sequence[int]) -> Spread:
        """The spread of at least one count."""
        return cls(min(counts), int(median(counts)), max(counts))

    def __str__(self) -> str:
        return f"{self.least:,} / {self.median:,} / {self.most:,}"


@dataclass(frozen=True)
class Preflight:
    """What a run is about to do.

    Attributes:
        sources: Name, rows and share of the draws of each source.
        looked_at: Rows that tokens were counted in.
        prompt: Tokens of the prompts, pictures included.
        picture: Tokens of a picture; None where there are none.
        reply: Tokens of the reference replies, end mark included.
        long_replies: References longer than `rollout.max_new_tokens`.
        memory: Estimate for one process.
        device: Where it is to fit.
        device_bytes: What is there.
        compute: Estimate of the whole run's arithmetic.
        estimate: What GPU-hours are reckoned with.
        updates_per_epoch: Optimiser updates until there were as many prompts as rows.
        problems: What cannot work, each with the key and value to change.
    """

    sources: tuple[tuple[str, int, float], ...]
    looked_at: int
    prompt: Spread
    picture: Spread | None
    reply: Spread
    long_replies: int
    memory: MemoryEstimate
    device: str
    device_bytes: int
    compute: Compute
    estimate: EstimateConfig
    updates_per_epoch: int
    problems: tuple[str, ...]

    def check(self) -> None:
        """Refuse a run that cannot work.

        Raises:
            ConfigurationError: All problems, a line each.
        """
        if self.problems:
            raise ConfigurationError("\n".join(self.problems))

    def text(self) -> str:
        """For a person, before the run."""
        rows = sum(size for _, size, _ in self.sources)
        sampled = f"{self.looked_at:,} of {rows:,} rows, evenly spread" if self.looked_at < rows else "all rows"
        lines = [f"{name}: {size:,} rows, {share:.1%} of the draws" for name, size, share in self.sources]
        lines += [
            f"tokens (least / median / most; {sampled})",
            f"  prompt {self.prompt}",
            *([f"  picture {self.picture}"] if self.picture else []),
            f"  reference reply {self.reply}; {self.long_replies:,} do not fit rollout.max_new_tokens",
            "memory of one process, GiB (estimate, ours)",
            *[f"  {name} {size / GIB:.2f}" for name, size in self.memory.parts.items() if size],
            f"  at the worst moment {self.memory.peak / GIB:.2f} of {self.device_bytes / GIB:.1f} ({self.device})",
            f"{self.updates_per_epoch:,} updates an epoch",
            self.compute.text(self.estimate),
            *[f"PROBLEM: {problem}" for problem in self.problems],
        ]
        return "\n".join(lines)


def preflight(
    mixture: Mixture,
    planner: Planner,
    *,
    model: ModelConfig,
    rollout: RolloutConfig,
    trainer: TrainerConfig,
    estimate: EstimateConfig | None = None,
    processes: int = 1,
    device_bytes: int | None = None,
) -> Preflight:
    """Look at a run before it starts.

    Args:
        mixture: Its rows.
        planner: With weights, or without (`outline_planner`).
        model: Section of the config.
        rollout: Section of the config.
        trainer: Section of the config.
        estimate: Section of the config; its defaults when None.
        processes: How many will share the run.
        device_bytes: Memory of the device that each will have; this machine's when None.

    Raises:
        ConfigurationError: The rows show pictures to a planner that reads text only.
    """
    device, here = device_memory() if device_bytes is None else ("as given", device_bytes)
    rows = count_tokens(evenly_spread(mixture.rows, SAMPLE), planner)
    memory = estimate_memory(planner.model, model, rollout, trainer, _workload(rows, rollout, processes), here)
    pictures = [count for row in rows for count in row.pictures]
    positions = planner.model.config.get_text_config().max_position_embeddings
    colocated = rollout.engine == "vllm" and rollout.vllm_mode == "colocate"
    length = min(positions, rollout.vllm_length or positions) if colocated else positions
    return Preflight(
        sources=tuple(zip(mixture.names, mixture.sizes, mixture.weights, strict=True)),
        looked_at=len(rows),
        prompt=Spread.of([row.prompt for row in rows]),
        picture=Spread.of(pictures) if pictures else None,
        reply=Spread.of([row.reply for row in rows]),
        long_replies=sum(row.reply > rollout.max_new_tokens for row in rows),
        memory=memory,
        device=device,
        device_bytes=here,
        compute=estimate_compute(planner.model, rows, model, rollout, trainer),
        estimate=estimate or EstimateConfig(),
        updates_per_epoch=len(mixture.rows) // rollout.prompts_per_update * trainer.num_iterations,
        problems=(
            *_length_problems(rows, rollout.max_new_tokens, length, "the model's" if length == positions else "vLLM's"),
            *(_vllm_problems(length, vllm_tokens(planner.model, model, rollout, here), rollout) if colocated else ()),
            *_memory_problems(memory, here, rollout, trainer),
            *(_blind_problems(rows) if weights_are_spread() else _rounding_problems(model, trainer)),
        ),
    )


def _workload(rows: Sequence[RowTokens], rollout: RolloutConfig, processes: int) -> Workload:
    return Workload(
        completions=math.ceil(rollout.prompts_per_update * rollout.group_size / processes),
        prompts=math.ceil(rollout.prompts_per_update / processes),
        prompt_tokens=max(row.prompt for row in rows),
        patches=max(row.patches for row in rows),
        mean_patches=fmean(row.patches for row in rows),
    )


def _length_problems(rows: Sequence[RowTokens], new_tokens: int, positions: int, whose: str) -> list[str]:
    over = sum(row.prompt + new_tokens > positions for row in rows)
    if not over:
        return []
    longest = max(rows, key=lambda row: row.prompt)
    room = positions - longest.prompt
    reply = f"set rollout.max_new_tokens ({new_tokens:,}) to at most {room:,}, or " if room > 0 else ""
    problem = (
        f"{over:,} of {len(rows):,} prompts leave no room for a reply in {whose} {positions:,} positions; the "
        f"longest, {longest.key}, has {longest.prompt:,} tokens: {reply}shorten prompts with data.max_pixels or "
        "data.history_window"
    )
    if whose == "vLLM's":
        problem += ", or raise rollout.vllm_length"
    return [problem]


def _vllm_problems(length: int, fit: int, rollout: RolloutConfig) -> list[str]:
    """A vLLM whose cache cannot hold one sequence of the full length does not start."""
    if length <= fit:
        return []
    problem = (
        f"vLLM makes room for sequences of {length:,} tokens, and rollout.vllm_memory ({rollout.vllm_memory}) holds at "
        f"most {fit:,} beside the weights: set rollout.vllm_length to what prompt and reply need, or raise "
        "rollout.vllm_memory"
    )
    return [problem]


def _blind_problems(rows: Sequence[RowTokens]) -> list[str]:
    """Processes that share the weights meet in every layer; one that is shown no picture skips the vision tower's."""
    blind = [row for row in rows if not row.pictures]
    if len(blind) in {0, len(rows)}:
        return []
    problem = (
        f"{len(blind):,} of {len(rows):,} prompts show no picture, such as {blind[0].key}: with FSDP or DeepSpeed a "
        "process that has only such prompts leaves the others waiting in the vision tower; leave those sources out, or "
        "train adapters (model.lora) with whole weights in each process (ddp.yaml)"
    )
    return [problem]


def _rounding_problems(model: ModelConfig, trainer: TrainerConfig) -> list[str]:
    """Whole bfloat16 weights are updated as they are; FSDP and DeepSpeed keep float32 ones, peft its adapters."""
    if model.dtype == "float32" or model.lora is not None or trainer.learning_rate >= _ROUNDED_AWAY:
        return []
    problem = (
        f"bfloat16 weights lose most updates of trainer.learning_rate {trainer.learning_rate:g} to rounding: take "
        "model.dtype: float32 with trainer.bf16: true, adapters (model.lora), or FSDP or DeepSpeed"
    )
    return [problem]


def _memory_problems(memory: MemoryEstimate, there: int, rollout: RolloutConfig, trainer: TrainerConfig) -> list[str]:
    if memory.peak <= there:
        return []
    largest = max(memory.parts, key=lambda name: memory.parts[name])
    problem = (
        f"the run needs about {memory.peak / GIB:.2f} GiB and {there / GIB:.2f} are here; the largest part is "
        f"{largest} ({memory.parts[largest] / GIB:.2f} GiB): {_advice(rollout, trainer)[largest]}"
    )
    return [problem]


def _advice(rollout: RolloutConfig, trainer: TrainerConfig) -> dict[str, str]:
    """What to change, by the part of the memory that is too large."""
    checkpointing = "" if trainer.gradient_checkpointing else ", or set trainer.gradient_checkpointing: true"
    prompts = f"rollout.prompts_per_update ({rollout.prompts_per_update})"
    return {
        "weights": "take a smaller model.path, or model.dtype: bfloat16",
        "reference": f"set trainer.beta ({trainer.beta}) to 0, or train adapters (model.lora)",
        "gradients": "train adapters (model.lora)",
        "optimiser": "train adapters (model.lora)",
        "pixel values": f"lower data.max_pixels or {prompts}",
        "activations": f"lower trainer.micro_batch ({trainer.micro_batch}){checkpointing}",
        "logits": f"lower trainer.micro_batch ({trainer.micro_batch})",
        "sampling": f"lower rollout.vllm_memory ({rollout.vllm_memory})"
        if rollout.engine == "vllm"
        else f"lower {prompts}",
        "prefill": f"lower {prompts} or data.max_pixels",
    }
