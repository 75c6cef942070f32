"""How long prompts, pictures and reference replies are in a planner's tokens.

As TRL will make them: chat template, tokenizer, and the image processor's own rule from sizes to patches. No picture is
opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracer1_agents.training.models import Planner
    from tracer1_agents.training.rows import TrainingRow
    from tracer1_agents.types import ImageRef

_SLICE: Final = 100  # prompts tokenized at once


@dataclass(frozen=True)
class RowTokens:
    """A row in tokens.

    Attributes:
        key: Of the row.
        prompt: With its pictures.
        pictures: Of each picture.
        patches: Of all pictures together.
        reply: Of the reference, as the planner would write it.
    """

    key: str
    prompt: int
    pictures: tuple[int, ...]
    patches: int
    reply: int


def count_tokens(rows: Sequence[TrainingRow], planner: Planner) -> list[RowTokens]:
    """Prompts and references in tokens, as the planner's tokenizer and processor make them.

    Raises:
        ConfigurationError: The rows show pictures to a planner that reads text only.
    """
    shown = next((row.key for row in rows if row.images), None)
    if shown and not planner.reads_images:
        msg = f"the planner reads text only and row {shown} shows a picture; set data.images: false"
        raise ConfigurationError(msg)
    counted: list[RowTokens] = []
    for start in range(0, len(rows), _SLICE):
        counted += _counted(rows[start : start + _SLICE], planner)
    return counted


def _counted(rows: Sequence[TrainingRow], planner: Planner) -> list[RowTokens]:
    tokenizer = planner.tokenizer
    prompts = tokenizer.apply_chat_template(
        [row.chat() for row in rows],
        chat_template=planner.processor.chat_template,
        add_generation_prompt=True,
        tokenize=False,
    )
    prompt_ids = tokenizer(prompts, add_special_tokens=False)["input_ids"]
    reply_ids = tokenizer([row.reply for row in rows], add_special_tokens=False)["input_ids"]
    counted = []
    for row, prompt, reply in zip(rows, prompt_ids, reply_ids, strict=True):
        patches = [_patches(image, planner.processor.image_processor) for image in row.images]
        pictures = tuple(count // planner.processor.image_processor.merge_size**2 for count in patches)
        extra = sum(pictures) - len(pictures)  # the template writes one token where the processor puts a picture's
        counted.append(RowTokens(row.key, len(prompt) + extra, pictures, sum(patches), len(reply) + 1))
    return counted


def _patches(image: ImageRef, image_processor: Any) -> int:
    return int(image_processor.get_number_of_image_patches(image.height, image.width, {}))
