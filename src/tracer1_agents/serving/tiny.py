"""The planners that ship, and where checkpoints lie. Importing this loads nothing heavy."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

TINY_NAME: Final = "tracer1-tiny"
GUI_TINY_NAME: Final = "tracer1-gui-tiny"


@dataclass(frozen=True)
class ShippedPlanner:
    """A planner of this package.

    Attributes:
        gives: What it can do.
        horizon: Pairs per forecast that it was trained on at most (T).
        history: Past steps in its prompts (K).
    """

    gives: str
    horizon: int
    history: int


SHIPPED: Final = {
    TINY_NAME: ShippedPlanner("text tasks with the default toolbox", horizon=8, history=5),
    GUI_TINY_NAME: ShippedPlanner("MiniWoB++ pages, read as text", horizon=8, history=6),
}


def tiny_folder(name: str = TINY_NAME) -> Path:
    """Folder of a shipped checkpoint, card and checksums beside the weights."""
    return Path(str(resources.files("tracer1_agents") / "assets" / name))


def checkpoint_folder(model: str) -> Path:
    """Where a checkpoint lies: one that ships by its name, any other by its path."""
    return tiny_folder(model) if model in SHIPPED else Path(model)


def weights_hash(model: str) -> str:
    """Which weights a name or path stands for just now; "" for models elsewhere.

    Args:
        model: As `checkpoint_folder` takes it, or the name of a hosted model.
    """
    found = hashlib.sha256()
    for path in (files := sorted(checkpoint_folder(model).glob("*.safetensors"))):
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:16] if files else ""
