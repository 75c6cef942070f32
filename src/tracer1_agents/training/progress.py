"""Where a supervised run stands, and the newest checkpoint of its output folder.

A checkpoint is replaced as a whole or not at all. `model/` and `best/` hold planners as transformers reads them;
`state.pt` is what resuming needs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM


@dataclass
class Progress:
    """Where a run stands; saved with every checkpoint."""

    step: int = 0
    pool: int = 0
    seconds: float = 0.0
    tokens: int = 0
    rows: int = 0
    taught_tokens: int = 0
    best: float = -1.0


class Checkpoints:
    """The newest checkpoint of an output folder, replaced atomically."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state.pt"
        folder.mkdir(parents=True, exist_ok=True)

    def save(
        self,
        model: Qwen3ForCausalLM,
        tokenizer: PreTrainedTokenizerFast,
        optimizers: list[torch.optim.Optimizer],
        progress: Progress,
    ) -> None:
        """Write everything that resuming needs; the old checkpoint stays until the new one is whole."""
        tokenizer.save_pretrained(self.folder / "model")
        model.save_pretrained(self.folder / "model")
        state = {
            "model": model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "progress": vars(progress),
        }
        fresh = self.state.with_suffix(".new")
        torch.save(state, fresh)
        os.replace(fresh, self.state)  # noqa: PTH105  (atomic on one file system, said as such)

    def save_best(self, model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
        """Write the planner that earned most so far."""
        tokenizer.save_pretrained(self.folder / "best")
        model.save_pretrained(self.folder / "best")

    def load(self, model: Qwen3ForCausalLM, optimizers: list[torch.optim.Optimizer]) -> Progress:
        """Restore the newest checkpoint; a fresh `Progress` where there is none."""
        if not self.state.exists():
            return Progress()
        state: dict[str, Any] = torch.load(self.state, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        return Progress(**state["progress"])
