"""Conversations into what a model reads: token ids, and the pictures that its image tokens stand for.

A text model's tokenizer and a vision-language model's processor are used alike. Equal pictures share their tensors for
as long as somebody holds them: GRPO asks the same prompt G times.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakValueDictionary

from transformers import ProcessorMixin

from tracer1_agents.errors import ConfigurationError
from tracer1_agents.serving.screenshots import FLAT_OUTPUTS, picture_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from transformers import PreTrainedTokenizerBase

_READ: Final = {"input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", *FLAT_OUTPUTS}


@dataclass(frozen=True)
class Pictures:
    """The pictures of one prompt, in order.

    Attributes:
        key: Equal for equal pictures; all that is compared.
        pixel_values: Their patches end to end, (patches, values of a patch).
        grid: Patches of each picture in time, height and width, (pictures, 3).
    """

    key: bytes
    pixel_values: torch.Tensor = field(compare=False, repr=False)
    grid: torch.Tensor = field(compare=False, repr=False)


@dataclass(frozen=True)
class Prompt:
    """A conversation, ready for the assistant's turn.

    Attributes:
        ids: Token ids; a picture has as many image tokens as the model makes features of it.
        pictures: None where there are none.
    """

    ids: tuple[int, ...]
    pictures: Pictures | None = None


class ChatEncoder:
    """Applies a chat template; may be used by several threads.

    Args:
        processor: Tokenizer of a text model, or processor of one that reads images.

    Attributes:
        tokenizer: The tokenizer, wherever it is.
        reads_images: Whether messages may hold pictures.
    """

    def __init__(self, processor: PreTrainedTokenizerBase | ProcessorMixin) -> None:
        self._processor: Any = processor
        self.reads_images = isinstance(processor, ProcessorMixin)
        tokenizer = self._processor.tokenizer if self.reads_images else processor
        self.tokenizer = cast("PreTrainedTokenizerBase", tokenizer)
        self._lock = threading.Lock()  # an image processor's memory takes one caller at a time
        self._in_use: WeakValueDictionary[bytes, Pictures] = WeakValueDictionary()

    def encode(self, messages: Sequence[Mapping[str, Any]]) -> Prompt:
        """A conversation as chat templates take it; an image part holds a Pillow picture under `image`.

        Raises:
            ConfigurationError: There are pictures and the model reads text only, or takes them in another way than is
                known here.
        """
        options: dict[str, Any] = {"add_generation_prompt": True, "return_dict": True}
        if not self.reads_images:
            if any(part["type"] == "image" for message in messages for part in _parts(message)):
                msg = "the model reads text only and a message holds a picture; use a prompt profile without images"
                raise ConfigurationError(msg)
            return Prompt(tuple(self._processor.apply_chat_template(list(messages), **options)["input_ids"]))
        with self._lock:
            options |= {"tokenize": True, "return_tensors": "pt"}
            encoded = dict(self._processor.apply_chat_template(list(messages), **options))
            return Prompt(tuple(encoded["input_ids"][0].tolist()), self._pictures(encoded, messages))

    def _pictures(self, encoded: dict[str, Any], messages: Sequence[Mapping[str, Any]]) -> Pictures | None:
        if unknown := encoded.keys() - _READ:
            msg = (
                "pictures are read here as Qwen's vision-language models take them, and this processor also gives "
                f"{', '.join(sorted(unknown))}; sample with rollout.engine: transformers or vllm, or from a server"
            )
            raise ConfigurationError(msg)
        if "pixel_values" not in encoded:
            return None
        shown = [part["image"] for message in messages for part in _parts(message) if part["type"] == "image"]
        key = b"".join(map(picture_key, shown))
        found = self._in_use.get(key)
        if found is None:
            found = self._in_use[key] = Pictures(key, encoded["pixel_values"], encoded["image_grid_thw"])
        return found


def _parts(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    return message["content"] if isinstance(message["content"], list) else []
