"""Where the planners that ship lie. Importing this loads nothing heavy."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

TINY_NAME: Final = "tracer1-tiny"
GUI_TINY_NAME: Final = "tracer1-gui-tiny"
SHIPPED: Final = {TINY_NAME: "text tasks with the default toolbox", GUI_TINY_NAME: "MiniWoB++ pages, read as text"}
"""What each of them can do."""


def tiny_folder(name: str = TINY_NAME) -> Path:
    """Folder of a shipped checkpoint, card and checksums beside the weights."""
    return Path(str(resources.files("tracer1_agents") / "assets" / name))


def checkpoint_folder(model: str) -> Path:
    """Where a checkpoint lies: one that ships by its name, any other by its path."""
    return tiny_folder(model) if model in SHIPPED else Path(model)
