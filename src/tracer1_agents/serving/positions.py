"""Where tokens stand: one number each, or three where a picture's tokens are numbered by time, row and column.

Qwen's vision-language models number what follows a picture from the largest number inside it, so a row's next token
does not stand at its length: the difference (`shift`) belongs to the row and goes with it from batch to batch. The
model's own memory of it (`rope_deltas`) is of its latest call only, whoever made that, and is not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from tracer1_agents.serving.chat import Pictures


class Positions:
    """Position ids for the batches of a model.

    Args:
        model: With or without images.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._numbering: Any = next((part for part in model.modules() if hasattr(type(part), "get_rope_index")), None)
        config: Any = model.config
        self.image_token: int | None = getattr(config, "image_token_id", None)
        self._merge: int = getattr(getattr(config, "vision_config", None), "spatial_merge_size", 1)

    @property
    def takes_pictures(self) -> bool:
        """Whether prompts may have pictures."""
        return self._numbering is not None and self.image_token is not None

    def tokens(self, pictures: Pictures | None) -> int:
        """Image tokens that a prompt with these pictures has."""
        return 0 if pictures is None else int(pictures.grid.prod(-1).sum()) // self._merge**2

    def of_prompts(
        self, ids: torch.Tensor, mask: torch.Tensor, grid: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Positions of prompts, and each row's shift.

        Args:
            ids: (rows, tokens), padded on the left.
            mask: The same shape, 0 for padding.
            grid: Of all pictures, row after row, (pictures, 3); None without any.

        Returns:
            Positions, (rows, tokens) or (4, rows, tokens): plain, time, height, width; shifts, (rows, 1).
        """
        plain = (mask.cumsum(1) - 1).clamp_min(0)
        if self._numbering is None:
            return plain, torch.zeros(len(ids), 1, dtype=torch.long)
        kinds = torch.eq(ids, -1 if self.image_token is None else self.image_token).int()
        across, shifts = self._numbering.get_rope_index(
            input_ids=ids, mm_token_type_ids=kinds, image_grid_thw=grid, attention_mask=mask
        )
        return torch.cat([plain[None], across]), shifts

    def of_next(self, lengths: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
        """Positions of one more token of each row; lengths and shifts are (rows, 1)."""
        if self._numbering is None:
            return lengths
        return torch.stack([lengths, *[lengths + shifts] * 3])
