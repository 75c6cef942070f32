"""Where the planner that ships lies. Importing this loads nothing heavy."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

TINY_NAME: Final = "tracer1-tiny"


def tiny_folder() -> Path:
    """Folder of the shipped checkpoint, card and checksums beside the weights."""
    return Path(str(resources.files("tracer1_agents") / "assets" / TINY_NAME))
