"""A run's folder: one run at a time, and the newest checkpoint that is whole.

A checkpoint counts once a marker stands in it, written after everything else. What a killed run left half-written is
put aside, so that a resumed run neither trusts nor overwrites it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from safetensors import SafetensorError

from tracer1_agents.errors import ConfigurationError, TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MARKER: Final = "complete"
_NAME: Final = re.compile(r"checkpoint-(\d+)")


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a run's folder; the lock goes with the process, however it ends.

    Raises:
        ConfigurationError: Another run holds it, or nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w", encoding="utf-8")
    except OSError as error:
        msg = f"nothing can be written to {folder}: {error.strerror}; choose another trainer.output_dir"
        raise ConfigurationError(msg) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"another run is writing to {folder}; wait for it, or choose another trainer.output_dir"
            raise ConfigurationError(msg) from None
        yield


@contextmanager
def writing(what: str, folder: Path, go_on: str) -> Iterator[None]:
    """Name what could not be written, such as on a full disk.

    Args:
        what: Is written in the block.
        folder: Where room is needed.
        go_on: How to go on when there is some.

    Raises:
        TrainingError: It could not be written.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors have errors of their own
        msg = f"{what} could not be written: {error}. Make room in {folder}, and {go_on}"
        raise TrainingError(msg) from error


def mark_complete(checkpoint: Path) -> None:
    """Say that a checkpoint is whole; its files are on the disk first."""
    for path in checkpoint.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    (checkpoint / _MARKER).touch()


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint; half-written ones are renamed to `partial-*`, which transformers does not count."""
    whole: dict[int, Path] = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match and (path / _MARKER).exists():
            whole[int(match[1])] = path
        elif match:
            aside = path.with_name(f"partial-{path.name}")
            shutil.rmtree(aside, ignore_errors=True)  # of an earlier kill
            path.rename(aside)
    return whole[max(whole)] if whole else None


def check_fresh(folder: Path) -> None:
    """Refuse to begin anew in the folder of an earlier run.

    Raises:
        ConfigurationError: It has checkpoints.
    """
    if folder.is_dir() and any(_NAME.fullmatch(path.name) for path in folder.iterdir()):
        msg = f"{folder} has checkpoints of an earlier run; go on with --resume, or choose another trainer.output_dir"
        raise ConfigurationError(msg)
