"""Looks after what no process limit covers: the memory of all processes together, and the number of files.

Needs no privileges and no cgroup; the price is that it samples. It reads /proc of the host only, so nothing in the
sandbox can mislead it: mount points and the process tree are the kernel's.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer1_agents.sandboxes.base import Limits
    from tracer1_agents.sandboxes.process import WorkerProcess

_PROC: Final = Path("/proc")
# The started program, the first process inside, the worker: of these, one more than is needed shows the mounts.
_INSIDE: Final = 4
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Watchdog:
    """Samples one worker's process tree.

    Args:
        limits: `total_memory_bytes` and `inodes` are looked at.
        folders: Writable mount points, as the worker sees them.
    """

    def __init__(self, limits: Limits, folders: tuple[str, ...] = ()) -> None:
        self._limits, self._folders = limits, folders

    def __call__(self, worker: WorkerProcess) -> str | None:
        """Say why the run must end, or None."""
        processes = list(_tree(worker.pid))
        memory = sum(_private_memory(process) for process in processes)
        if memory > self._limits.total_memory_bytes:
            return f"MemoryError: the processes of the run use {memory} bytes, over {self._limits.total_memory_bytes}"
        for folder in self._folders:
            used = max((_used_inodes(process, folder) for process in processes[1:_INSIDE]), default=0)
            if used > self._limits.inodes:
                return f"OSError: {used} files in {folder}, over {self._limits.inodes}"
        return None


def _tree(root: int) -> Iterator[int]:
    """A process and all its descendants, parents first."""
    waiting = [root]
    while waiting:
        process = waiting.pop()
        yield process
        try:
            for task in (_PROC / str(process) / "task").iterdir():
                waiting.extend(int(child) for child in (task / "children").read_text().split())
        except OSError:
            # It ended meanwhile.
            continue


def _private_memory(process: int) -> int:
    try:
        _, resident, shared, *_ = (_PROC / str(process) / "statm").read_text().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * _PAGE


def _used_inodes(process: int, folder: str) -> int:
    try:
        status = os.statvfs(f"/proc/{process}/root{folder}")
    except OSError:
        return 0
    return status.f_files - status.f_ffree
