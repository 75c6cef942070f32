"""How much memory a run will take, part by part: an estimate, ours, from the architecture's sizes alone.

Formulae (P parameters, b bytes of one in memory, L tokens of a padded sequence, B sequences of a micro-batch, N
completions of a generation batch on one process; V vocabulary, h hidden size):

    weights       P b, with LoRA 4 bytes more for each adapter weight (peft keeps adapters in float32)
    reference     P b, when beta > 0 and all weights are trained (adapters are switched off instead)
    gradients     as many bytes as the trained weights
    optimiser     AdamW twice the trained weights, SGD nothing
    pixel values  N pictures' patches, 4 bytes a value: TRL keeps those of the whole generation batch
    activations   B L a_layer layers; with checkpointing B L (h layers + a_layer); the vision tower likewise.
                  a_layer = 5h + 5 queries + 5 keys + 4 MLP (2 where it is not gated), in values of one token, 2 or 4
                  bytes each; eager attention adds heads L
    logits        TRL projects in tiles: B x reply x h in float32, a tile, and a float32 gradient of a trained V x h
    sampling      KV cache: N L 2 layers kv_heads head_size b; vLLM beside the trainer takes its share of the card
    prefill       D prompts are read at once (a group's once by our engine, every copy by `generate`), first by the
                  vision tower, then by the language model, a layer at a time, nothing kept for a backward pass:
                  b D max(patches u_vision, L u_text) + b D patches/4 (1 + deepstack levels) h, the mask's D L^2 bytes,
                  and the pixel values once more, end to end. u = 2h + the larger of 3 (queries + keys) and 3 MLP (2
                  where it is not gated); eager attention adds heads L

Left out: the allocator's waste, buffers of libraries, sharding over processes. Sampling and training take turns, except
that a colocated vLLM keeps its share.
"""

from __future__ import annotations

import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from tracer1_agents.training.settings import LoraConfig, ModelConfig, RolloutConfig, TrainerConfig

GIB: Final = 1 << 30
_ADAPTER_BYTES: Final = 4
_TILE: Final = 4096 * 32768  # logits that TRL 1.16 holds at once, at most
_CGROUP: Final = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Workload:
    """Sizes of what one process handles at once.

    Attributes:
        completions: Of a generation batch.
        prompts: Different ones of a generation batch.
        prompt_tokens: Of the longest prompt.
        patches: Of the pictures of one prompt, the most.
        mean_patches: Of the pictures of one prompt, the mean.
    """

    completions: int
    prompts: int
    prompt_tokens: int
    patches: int = 0
    mean_patches: float = 0.0


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes by part; see the module's formulae.

    Attributes:
        kept: Held all the time.
        training: On top of it, during a forward and backward pass.
        sampling: On top of it, while completions are drawn.
        together: Whether sampling's part is held during training, too.
    """

    kept: dict[str, float]
    training: dict[str, float]
    sampling: dict[str, float]
    together: bool = False

    @property
    def parts(self) -> dict[str, float]:
        """Every part by name."""
        return {**self.kept, **self.training, **self.sampling}

    @property
    def peak(self) -> float:
        """Bytes at the worst moment."""
        turns = [sum(self.training.values()), sum(self.sampling.values())]
        return sum(self.kept.values()) + (sum(turns) if self.together else max(turns))


def device_memory() -> tuple[str, int]:
    """Where training would run on this machine, and the bytes it could have there."""
    if torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info()
        return torch.cuda.get_device_name(), free + torch.cuda.memory_reserved()
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = _CGROUP.read_text(encoding="ascii").strip() if _CGROUP.is_file() else "max"
    return "CPU", physical if limit == "max" else min(physical, int(limit))


def peak_memory() -> int:
    """The most bytes that this process has held at once: on its GPU, or without one in all."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else held * 1024  # Linux counts KiB


def estimate_memory(  # noqa: PLR0917  (what memory depends on)
    model: PreTrainedModel,
    config: ModelConfig,
    rollout: RolloutConfig,
    trainer: TrainerConfig,
    work: Workload,
    device_bytes: int,
) -> MemoryEstimate:
    """Memory of one process.

    Args:
        model: With or without weights (meta device).
        config: Of the model.
        rollout: How completions are sampled.
        trainer: How weights are updated.
        work: Sizes of prompts and batches.
        device_bytes: Of the card, of which a colocated vLLM takes its share.
    """
    weight = getattr(torch, config.dtype).itemsize
    count = sum(parameter.numel() for parameter in model.parameters())
    adapters = adapter_parameters(model, config.lora) if config.lora else 0
    trained = adapters * _ADAPTER_BYTES if adapters else count * weight
    text = model.config.get_text_config()
    head = 0 if adapters else text.vocab_size * text.hidden_size
    return MemoryEstimate(
        kept={
            "weights": count * weight + adapters * _ADAPTER_BYTES,
            "reference": count * weight if trainer.beta > 0 and not adapters else 0,
            "gradients": trained,
            "optimiser": 0 if trainer.optimizer == "sgd" else 2 * trained,
            "pixel values": work.completions * work.mean_patches * _patch_values(model.config) * 4,
        },
        training={
            "activations": _activations(model.config, config, rollout, trainer, work),
            "logits": 4 * (trainer.micro_batch * rollout.max_new_tokens * text.hidden_size + head)
            + weight * min(_TILE, trainer.micro_batch * rollout.max_new_tokens * text.vocab_size),
        },
        sampling={
            "sampling": _sampling(text, rollout, work, weight, device_bytes),
            "prefill": _prefill(model.config, config, rollout, work, weight),
        },
        together=rollout.engine == "vllm" and rollout.vllm_mode == "colocate",
    )


def vllm_tokens(model: PreTrainedModel, config: ModelConfig, rollout: RolloutConfig, device_bytes: int) -> int:
    """Tokens that the key/value cache of a colocated vLLM holds at most: its share of the card beside the weights."""
    weight = getattr(torch, config.dtype).itemsize
    text = model.config.get_text_config()
    head_size, key_value_heads = heads_of(text)
    share = rollout.vllm_memory * device_bytes - weight * sum(one.numel() for one in model.parameters())
    return max(0, int(share / (2 * text.num_hidden_layers * key_value_heads * head_size * weight)))


def adapter_parameters(model: PreTrainedModel, lora: LoraConfig) -> int:
    """Weights of the adapters: rank (in + out) for each module that peft would adapt."""
    head = model.get_output_embeddings()
    wanted = None if lora.targets == "all-linear" else lora.targets.split(",")
    return sum(
        lora.rank * (module.in_features + module.out_features)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and (module is not head if wanted is None else name.rpartition(".")[2] in wanted)
    )


def _patch_values(architecture: Any) -> int:
    vision = getattr(architecture, "vision_config", None)
    return vision.in_channels * vision.temporal_patch_size * vision.patch_size**2 if vision else 0


def _activations(
    architecture: Any, config: ModelConfig, rollout: RolloutConfig, trainer: TrainerConfig, work: Workload
) -> float:
    size = 2 if trainer.bf16 or config.dtype == "bfloat16" else 4
    length = work.prompt_tokens + rollout.max_new_tokens
    text, vision = architecture.get_text_config(), getattr(architecture, "vision_config", None)
    values = length * _values_per_token(text, trainer, length if config.attention == "eager" else 0)
    if vision is not None:
        values += work.patches * _values_per_token(vision, trainer, work.patches if config.attention == "eager" else 0)
    return float(trainer.micro_batch * values * size)


def _values_per_token(tower: Any, trainer: TrainerConfig, attended: int) -> int:
    """Values kept for the backward pass through a tower, for one of its tokens."""
    hidden, heads, layers = int(tower.hidden_size), int(tower.num_attention_heads), layers_of(tower)
    head_size, key_value_heads = heads_of(tower)
    mlp = (4 if _is_gated(tower) else 2) * int(tower.intermediate_size)
    layer = 5 * hidden + 5 * (heads + key_value_heads) * head_size + mlp + heads * attended
    return hidden * layers + layer if trainer.gradient_checkpointing else layer * layers


def layers_of(tower: Any) -> int:
    """Layers of a tower; a vision tower calls them `depth`, in transformers 5.17 by no other name."""
    return int(tower.depth if hasattr(tower, "depth") else tower.num_hidden_layers)


def heads_of(tower: Any) -> tuple[int, int]:
    """Size of a head, and how many heads keys and values have."""
    heads = tower.num_attention_heads
    size = getattr(tower, "head_dim", None) or tower.hidden_size // heads
    return size, getattr(tower, "num_key_value_heads", None) or heads


def _sampling(text: Any, rollout: RolloutConfig, work: Workload, weight: int, device_bytes: int) -> float:
    if rollout.engine == "vllm":
        return rollout.vllm_memory * device_bytes if rollout.vllm_mode == "colocate" else 0.0
    head_size, key_value_heads = heads_of(text)
    length = work.prompt_tokens + rollout.max_new_tokens
    return float(work.completions * length * 2 * text.num_hidden_layers * key_value_heads * head_size * weight)


def _prefill(architecture: Any, config: ModelConfig, rollout: RolloutConfig, work: Workload, weight: int) -> float:
    """What is alive at once while prompts and pictures are read, beside the cache that is being filled."""
    if rollout.engine == "vllm":
        return 0.0  # part of its share
    text, vision = architecture.get_text_config(), getattr(architecture, "vision_config", None)
    eager = config.attention == "eager"
    reading = work.prompt_tokens * _values_while_reading(text, work.prompt_tokens if eager else 0)
    seen = 0
    if vision is not None and work.patches:
        reading = max(reading, work.patches * _values_while_reading(vision, work.patches if eager else 0))
        levels = 1 + len(getattr(vision, "deepstack_visual_indexes", ()))
        seen = work.patches // vision.spatial_merge_size**2 * levels * text.hidden_size
    prompts = work.prompts if rollout.engine == "local" else work.completions
    around = work.prompt_tokens**2 + work.patches * _patch_values(architecture) * 4
    return float(prompts * ((reading + seen) * weight + around))


def _values_while_reading(tower: Any, attended: int) -> int:
    """Values alive inside one layer without a backward pass, for one of its tokens."""
    head_size, key_value_heads = heads_of(tower)
    heads = int(tower.num_attention_heads)
    mlp = (3 if _is_gated(tower) else 2) * int(tower.intermediate_size)
    return 2 * int(tower.hidden_size) + max(3 * (heads + key_value_heads) * head_size, mlp) + heads * attended


def _is_gated(tower: Any) -> bool:
    """Language models have a gated MLP, vision towers a plain one."""
    return hasattr(tower, "num_key_value_heads")
