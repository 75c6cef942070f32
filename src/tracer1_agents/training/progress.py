"""Where a supervised run stands, and the newest checkpoint of its output folder.

A checkpoint is replaced as a whole or not at all. `model/` and `best/` hold planners as transformers reads them;
`state.pt` is what resuming needs, with the weights once more: a run that is killed between the two goes on by it.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

STATE: Final = "state.pt"


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
        self.state = folder / STATE
        folder.mkdir(parents=True, exist_ok=True)
        for planner in (folder / "model", folder / "best"):
            if not planner.exists():  # killed while it was being replaced
                with suppress(FileNotFoundError):  # never written, or another process was faster
                    _old(planner).rename(planner)

    def save(
        self,
        model: Qwen3ForCausalLM,
        tokenizer: PreTrainedTokenizerFast,
        optimizers: list[torch.optim.Optimizer],
        progress: Progress,
    ) -> None:
        """Write everything that resuming needs; the old checkpoint stays until the new one is whole."""
        _write_planner(self.folder / "model", model, tokenizer)
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
        _write_planner(self.folder / "best", model, tokenizer)

    def load(self, model: Qwen3ForCausalLM, optimizers: list[torch.optim.Optimizer]) -> Progress:
        """Restore the newest checkpoint; a fresh `Progress` where there is none."""
        if not self.state.exists():
            return Progress()
        state: dict[str, Any] = torch.load(self.state, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        return Progress(**state["progress"])


def _write_planner(folder: Path, model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Replace a planner's folder by a whole one."""
    fresh = folder.with_name(f"{folder.name}.new")
    for left in (fresh, _old(folder)):
        shutil.rmtree(left, ignore_errors=True)
    tokenizer.save_pretrained(fresh)
    model.save_pretrained(fresh)
    if folder.exists():
        folder.rename(_old(folder))
    fresh.rename(folder)
    shutil.rmtree(_old(folder), ignore_errors=True)


def _old(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.old")
