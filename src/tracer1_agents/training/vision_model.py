"""Qwen3-VL from its architecture's own config, small or in the published size, with random weights: for rehearsals.

It knows nothing and nothing is downloaded; what it shares with the published checkpoints is the code path, from chat
template and image tokens to the vision tower. `load_planner` loads the folder that is written here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from pydantic import Field
from transformers import GenerationConfig, Qwen2VLImageProcessorPil, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from tracer1_agents.serving.screenshots import ImageQwen3VLProcessor, with_memory
from tracer1_agents.training.config import BaseConfig
from tracer1_agents.training.models import Planner
from tracer1_agents.training.tiny_model import train_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast

_IMAGE, _VIDEO, _START, _END = "<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"
_CHAT_TEMPLATE: Final = (
    "{%- for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\n' }}"
    "{%- if message.content is string %}{{ message.content }}"
    "{%- else %}{%- for part in message.content %}"
    "{%- if part.type == 'image' %}{{ '" + _START + _IMAGE + _END + "' }}"
    "{%- else %}{{ part.text }}{%- endif %}"
    "{%- endfor %}{%- endif %}"
    "{{ '<|im_end|>\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{%- endif %}"
)
_MERGE: Final = 2  # patches along one side of an image token, as in the published checkpoints


class VisionModelConfig(BaseConfig):
    """Sizes of the network; the smallest that has every part of the published one."""

    vocab_size: int = Field(512, description="entries of the BPE, special tokens included")
    embeddings: int = Field(0, description="rows of the embedding table, where there are more than entries")
    tied: bool = Field(default=True, description="whether the table is the output layer, too")
    hidden_size: int = Field(64, description="width of the residual stream")
    layers: int = Field(2, ge=1, description="transformer blocks")
    heads: int = Field(4, description="query heads")
    key_value_heads: int = Field(2, description="key/value heads")
    head_size: int = Field(16, description="width of one head; a multiple of 16")
    mlp_size: int = Field(128, description="width of the feed-forward layer")
    max_positions: int = Field(8192, description="longest prompt plus reply, tokens")
    rope_theta: float = Field(10_000.0, description="base of the rotary frequencies")
    vision_hidden_size: int = Field(32, description="width of the vision tower")
    vision_depth: int = Field(2, ge=1, description="blocks of the vision tower")
    vision_heads: int = Field(2, description="of the vision tower")
    vision_mlp_size: int = Field(64, description="of the vision tower")
    vision_positions: int = Field(64, description="learnt positions of patches; a square")
    deepstack: tuple[int, ...] = Field((0,), description="blocks of the vision tower that feed the language model too")
    patch_size: int = Field(16, description="side of a patch, pixels; an image token covers two by two")
    min_pixels: int = Field(32 * 32, description="smaller pictures are scaled up")
    max_pixels: int = Field(512 * 512, description="larger pictures are scaled down")
    seed: int = Field(0, description="of the weights")


# Sizes of Qwen/Qwen3-VL-8B-Thinking: config.json and preprocessor_config.json
QWEN3_VL_8B: Final = VisionModelConfig(
    vocab_size=151_936,
    embeddings=151_936,
    tied=False,
    hidden_size=4096,
    layers=36,
    heads=32,
    key_value_heads=8,
    head_size=128,
    mlp_size=12_288,
    max_positions=262_144,
    rope_theta=5_000_000.0,
    vision_hidden_size=1152,
    vision_depth=27,
    vision_heads=16,
    vision_mlp_size=4304,
    vision_positions=2304,
    deepstack=(8, 16, 24),
    min_pixels=65_536,
    max_pixels=16_777_216,
)


def build_vision_planner(config: VisionModelConfig | None = None, texts: Iterable[str] = ()) -> Planner:
    """A planner with random weights, in float32.

    Args:
        config: Sizes; the default has about 0.2 million parameters. Inside `torch.device("meta")` there are none.
        texts: What the tokenizer's merges are learnt from; none leaves the 256 bytes.
    """
    config = config or VisionModelConfig()
    tokenizer = train_tokenizer(
        texts, config.vocab_size, special_tokens=(_START, _END, _IMAGE, _VIDEO), chat_template=_CHAT_TEMPLATE
    )
    tokenizer.padding_side = "left"
    image_processor: Any = Qwen2VLImageProcessorPil(
        patch_size=config.patch_size,
        merge_size=_MERGE,
        temporal_patch_size=2,
        size={"shortest_edge": config.min_pixels, "longest_edge": config.max_pixels},
    )
    processor = ImageQwen3VLProcessor(with_memory(image_processor), tokenizer, chat_template=_CHAT_TEMPLATE)
    torch.manual_seed(config.seed)
    model: Any = Qwen3VLForConditionalGeneration(_architecture(config, tokenizer))
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    return Planner(model, processor, reads_images=True)


def save_vision_planner(folder: Path, config: VisionModelConfig | None = None, texts: Iterable[str] = ()) -> Path:
    """Write what `build_vision_planner` makes; returns the folder, for `ModelConfig(path=...)`."""
    build_vision_planner(config, texts).save(folder)
    return folder


def _architecture(config: VisionModelConfig, tokenizer: PreTrainedTokenizerFast) -> Qwen3VLConfig:
    token_id: Any = tokenizer.convert_tokens_to_ids
    return Qwen3VLConfig(
        text_config=_language(config, tokenizer),
        vision_config={
            "depth": config.vision_depth,
            "hidden_size": config.vision_hidden_size,
            "intermediate_size": config.vision_mlp_size,
            "num_heads": config.vision_heads,
            "patch_size": config.patch_size,
            "spatial_merge_size": _MERGE,
            "temporal_patch_size": 2,
            "out_hidden_size": config.hidden_size,
            "num_position_embeddings": config.vision_positions,
            "deepstack_visual_indexes": list(config.deepstack),
        },
        image_token_id=token_id(_IMAGE),
        video_token_id=token_id(_VIDEO),
        vision_start_token_id=token_id(_START),
        vision_end_token_id=token_id(_END),
        tie_word_embeddings=config.tied,
    )


def _language(config: VisionModelConfig, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    across = 5 * config.head_size // 32  # rotary pairs for height and for width; time has the rest of head_size / 2
    return {
        "vocab_size": max(config.embeddings, len(tokenizer)),
        "hidden_size": config.hidden_size,
        "intermediate_size": config.mlp_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_value_heads,
        "head_dim": config.head_size,
        "max_position_embeddings": config.max_positions,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": config.rope_theta,
            "mrope_section": [config.head_size // 2 - 2 * across, across, across],
            "mrope_interleaved": True,
        },
    }
