"""Loading the planner to train, with its tokenizer or processor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoTokenizer

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.serving.screenshots import FLAT_OUTPUTS, load_processor
from tracer1_agents.serving.tiny import SHIPPED, tiny_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transformers import PreTrainedConfig, PreTrainedModel

    from tracer1_agents.training.settings import LoraConfig, ModelConfig

_PEFT: Final = "base_model.model."  # with which peft's names of weights begin
_SIZES: Final = (
    "hidden_size",
    "intermediate_size",
    "max_position_embeddings",
    "num_attention_heads",
    "num_hidden_layers",
    "vocab_size",
)


@dataclass(frozen=True)
class Planner:
    """What is trained.

    Attributes:
        model: Causal language model, with or without images.
        processor: Tokenizer of a text model, processor of one that reads images.
        reads_images: Which of the two it is.
    """

    model: PreTrainedModel
    processor: Any
    reads_images: bool

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, wherever it is."""
        return self.processor.tokenizer if self.reads_images else self.processor

    def reply(self, ids: Sequence[int]) -> str:
        """Token ids to the text of a reply, whole.

        TRL hands over what a tokenizer with a response template of its own leaves of it: no thought, no tool calls.
        """
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def save(self, folder: Path) -> None:
        """Write weights and processor as transformers reads them."""
        self.model.save_pretrained(folder)
        self.processor.save_pretrained(folder)


def load_planner(config: ModelConfig) -> Planner:
    """Read a checkpoint.

    Raises:
        ConfigurationError: There is none, or it is of no known kind.
    """

    def read(kind: Any, path: str, _architecture: PreTrainedConfig) -> Any:
        return kind.from_pretrained(path, dtype=getattr(torch, config.dtype), **_attention(config))

    return _planner(config, read)


def outline_planner(config: ModelConfig) -> Planner:
    """A checkpoint without its weights, on torch's meta device: config, tokenizer and processor files are enough.

    Raises:
        ConfigurationError: One of them is missing, or the model is of no known kind.
    """

    def outline(kind: Any, _path: str, architecture: PreTrainedConfig) -> Any:
        with torch.device("meta"):
            return kind.from_config(architecture, **_attention(config))

    return _planner(config, outline)


def _attention(config: ModelConfig) -> dict[str, Any]:
    return {"attn_implementation": config.attention} if config.attention else {}


def _planner(config: ModelConfig, build: Callable[[Any, str, PreTrainedConfig], Any]) -> Planner:
    path = str(tiny_folder(config.path)) if config.path in SHIPPED else config.path
    if not Path(path).is_dir() and (path.count("/") > 1 or path.startswith(("/", ".", "~"))):  # a hub's has one
        msg = f"no planner in {path!r}: there is no such folder; name the model/ that a run wrote, or a model of a hub"
        raise ConfigurationError(msg)
    try:
        architecture = AutoConfig.from_pretrained(path)
        _check_family(config.path, architecture)
        if hasattr(architecture, "vision_config"):
            model = build(AutoModelForImageTextToText, path, architecture)
            allow_text_only_batches(model)
            planner = Planner(model, load_processor(path), reads_images=True)
        else:
            model = build(AutoModelForCausalLM, path, architecture)
            planner = Planner(model, AutoTokenizer.from_pretrained(path, padding_side="left"), reads_images=False)
    except SafetensorError as error:
        msg = f"the weights (*.safetensors) of {config.path!r} are damaged or cut off ({error}); copy the folder again"
        raise ConfigurationError(msg) from error
    except (OSError, ValueError) as error:
        said = str(error).partition("Model type should be one of")[0].strip()  # of hundreds
        msg = f"the planner {config.path!r} cannot be loaded: {said}"
        raise ConfigurationError(msg) from error
    if not planner.processor.chat_template:
        msg = (
            f"the planner {config.path!r} has no chat template, with which prompts are written; take an instruct or "
            "chat model, or put its chat_template.jinja into the folder"
        )
        raise ConfigurationError(msg)
    return planner


def _check_family(path: str, architecture: PreTrainedConfig) -> None:
    """Refuse architectures that memory and arithmetic cannot be reckoned for."""
    text = architecture.get_text_config()
    lacking = [name for name in _SIZES if not hasattr(text, name)]
    if architecture.is_encoder_decoder or lacking:
        why = f"has no {', '.join(lacking)} in its config" if lacking else "has an encoder of its own"
        msg = (
            f"the planner {path!r} is of the family {architecture.model_type}, which {why}; choose a model.path with a "
            "decoder built like those of Llama and Qwen2, or one of Qwen's vision-language models"
        )
        raise ConfigurationError(msg)


def allow_text_only_batches(model: Any) -> None:
    """Let a vision-language model take a batch in which no prompt has a picture.

    A mixture has such prompts. TRL then passes pixel values without rows, on which Qwen3-VL's vision tower fails; they
    are left out here. With several processes DDP needs `find_unused_parameters`, since the tower gets no gradient.
    """
    model.base_model.register_forward_pre_hook(_without_empty_pictures, with_kwargs=True)


def _without_empty_pictures(
    _model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    pixels = kwargs.get("pixel_values")
    if pixels is not None and not pixels.numel():
        kwargs = {name: value for name, value in kwargs.items() if name not in FLAT_OUTPUTS}
    return args, kwargs


def lora_config(config: LoraConfig | None) -> Any:
    """The adapters as peft takes them, None for all weights."""
    if config is None:
        return None
    from peft import LoraConfig as PeftLora  # noqa: PLC0415  (slow to import, seldom needed)

    targets = config.targets if config.targets == "all-linear" else config.targets.split(",")
    return PeftLora(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )


def merged_weights(adapters: Any, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The planner's own weights with its adapters merged in, from whole tensors alone.

    peft merges in the model, where a process holds only its part of weights that are spread over several.

    Args:
        adapters: peft's config of them; those of linear layers, as `lora_config` makes them.
        weights: Of the planner with its adapters, under peft's names.
    """
    scale = adapters.lora_alpha / adapters.r
    merged = {}
    for name, weight in weights.items():
        layer, wrapped, kind = name.rpartition(".base_layer.")
        if ".lora_" in name:
            continue
        if kind == "weight":
            down, up = (weights[f"{layer}.lora_{side}.default.weight"].float() for side in "AB")
            merged[f"{layer}.weight".removeprefix(_PEFT)] = (weight.float() + scale * (up @ down)).to(weight.dtype)
        else:
            merged[(f"{layer}.{kind}" if wrapped else name).removeprefix(_PEFT)] = weight
    return merged
