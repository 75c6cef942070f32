"""A trained checkpoint as it ships: bfloat16 weights, tokenizer, checksums.

    python -m tracer1_agents.training.export runs/warmstart/model src/tracer1_agents/assets/tracer1-tiny

The card beside them is written by `evals.card` from measured results.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tracer1_agents.serving.local import write_checksums
from tracer1_agents.serving.tiny import tiny_folder

if TYPE_CHECKING:
    from collections.abc import Sequence


def export(source: Path, target: Path) -> None:
    """Write the checkpoint as it ships.

    Args:
        source: A folder made by `save_pretrained`, in float32.
        target: Replaced except for its card.
    """
    model: Any = AutoModelForCausalLM.from_pretrained(source, dtype=torch.bfloat16, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)
    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        if old.name != "README.md":
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    write_checksums(target)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `python -m tracer1_agents.training.export`."""
    parser = argparse.ArgumentParser(
        prog="python -m tracer1_agents.training.export", description="Write bfloat16 weights and checksums."
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path, nargs="?", default=tiny_folder())
    arguments = parser.parse_args(argv)
    export(arguments.source, arguments.target)


if __name__ == "__main__":
    main()
