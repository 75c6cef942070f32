"""The processes that share one run (one, unless torchrun started it)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Workers:
    """This process's number, and how many there are."""

    rank: int = 0
    count: int = 1

    @classmethod
    def join(cls) -> Workers:
        """Meet the other processes that torchrun started."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        torch.distributed.init_process_group("gloo")
        return cls(torch.distributed.get_rank(), count)

    def average_gradients(self, model: PreTrainedModel) -> None:
        """Give every process the mean gradient."""
        if self.count == 1:
            return
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        torch.distributed.all_reduce(flat)
        for gradient, mean in zip(
            gradients, torch.split(flat, [gradient.numel() for gradient in gradients]), strict=True
        ):
            gradient.copy_(mean.view_as(gradient) / self.count)

    def agree(self, value: float) -> float:
        """The first process's value, in every process."""
        if self.count == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        torch.distributed.broadcast(shared, 0)
        return float(shared.item())
