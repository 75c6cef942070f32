"""The kernel's own limit on all processes of a sandbox together: a control group each, where one can be made.

Version 2 of control groups needs a folder that is delegated (the host's own or its parent, with the memory and pids
controllers handed down; systemd's user sessions have one), version 1 one that can be written (root, as a rule). Where
there is neither, the watchdog's samples are all there is, and `Capabilities` says so.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_NAMES: Final = count()
_CONTROLLERS: Final = ("memory", "pids")
_SLACK: Final = 64 << 20  # bytes: bwrap itself, and what the kernel counts for a group besides its processes
_GONE_SECONDS: Final = 5.0
_FIRST_PAUSE: Final = 0.0002  # seconds
_LONGEST_PAUSE: Final = 0.02


class Total:
    """One sandbox's control group.

    Args:
        folders: Where groups can be made, by controller: one folder for both is version 2, two are version 1.
        memory_bytes: Of all processes, and of the files they keep in memory.
        processes: At one time.

    Raises:
        OSError: It cannot be made after all.
    """

    def __init__(self, folders: Mapping[str, Path], memory_bytes: int, processes: int) -> None:
        name = f"tracer1-{os.getpid()}-{next(_NAMES)}"
        self._groups = {controller: folder / name for controller, folder in folders.items()}
        try:
            for group in set(self._groups.values()):
                group.mkdir()
            limit = "memory.max" if len(set(self._groups.values())) == 1 else "memory.limit_in_bytes"
            (self._groups["memory"] / limit).write_text(str(memory_bytes + _SLACK), encoding="ascii")
            (self._groups["pids"] / "pids.max").write_text(str(processes), encoding="ascii")
        except OSError:
            self.close()
            raise

    def add(self, process: int) -> None:
        """Put a process in; what it starts from now on is in it too.

        Raises:
            OSError: It has ended, or may not be moved.
        """
        for group in set(self._groups.values()):
            (group / "cgroup.procs").write_text(str(process), encoding="ascii")

    @property
    def memory_ran_out(self) -> bool:
        """Whether the kernel has ended a process of it for its memory."""
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError):
                found = re.search(r"^oom_kill (\d+)", (self._groups["memory"] / name).read_text("ascii"), re.MULTILINE)
                return found is not None and int(found[1]) > 0
        return False

    def close(self) -> None:
        """Remove it; its processes are gone or about to be."""
        end, pause = time.monotonic() + _GONE_SECONDS, _FIRST_PAUSE
        for group in set(self._groups.values()):
            while group.exists():
                try:
                    group.rmdir()
                except OSError:  # a process of it has not been reaped yet
                    if time.monotonic() > end:
                        break
                    time.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)


@cache
def group_folders() -> Mapping[str, Path] | None:
    """Where this process can make groups, by controller; None: nowhere. Tried out, not guessed."""
    for folders in _candidates(Path("/proc/self/mounts"), Path("/proc/self/cgroup")):
        try:
            _try(folders)
        except OSError:
            continue
        _sweep(folders.values())
        return folders
    return None


def _try(folders: Mapping[str, Path]) -> None:
    """Make a group and put a process in, which takes more rights than making it.

    Raises:
        OSError: One of them cannot be done.
    """
    total = Total(folders, 1 << 30, 16)
    try:
        with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as waiting:
            try:
                total.add(waiting.pid)
            finally:
                waiting.kill()
    finally:
        total.close()


def _sweep(folders: Iterable[Path]) -> None:
    """Remove the empty groups of hosts that were killed."""
    for folder in set(folders):
        for group in folder.glob("tracer1-*-*"):
            if not Path("/proc", group.name.split("-")[1]).exists():
                with suppress(OSError):
                    group.rmdir()


def _candidates(mounts: Path, own: Path) -> Iterator[dict[str, Path]]:
    """Folders that may do, those of version 2 first."""
    try:
        mounted = [line.split() for line in mounts.read_text(encoding="utf-8").splitlines()]
        groups = [line.split(":", 2) for line in own.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return
    paths = {name: path for _, names, path in groups for name in names.split(",")}
    for _, place, kind, *_ in mounted:
        if kind == "cgroup2" and "" in paths:
            here = Path(place, paths[""].strip("/"))
            for folder in (here, here.parent):
                if folder.is_relative_to(place) and _hands_down(folder):
                    yield dict.fromkeys(_CONTROLLERS, folder)
    v1: dict[str, Path] = {
        controller: Path(place)
        for _, place, kind, options, *_ in mounted
        for controller in _CONTROLLERS
        if kind == "cgroup" and controller in options.split(",")
    }
    if len(set(v1.values())) == len(_CONTROLLERS):
        yield {name: place / paths.get(name, "").strip("/") for name, place in v1.items()}
        yield v1


def _hands_down(folder: Path) -> bool:
    try:
        return set(_CONTROLLERS) <= set((folder / "cgroup.subtree_control").read_text(encoding="ascii").split())
    except OSError:
        return False


def new_total(memory_bytes: int, processes: int) -> Total | None:
    """A group for a sandbox, None where none can be made."""
    folders = group_folders()
    if folders is None:
        return None
    try:
        return Total(folders, memory_bytes, processes)
    except OSError:
        return None
