"""The host's side of the workspace: files go in and come back as bytes, never as paths that the sandbox could bend.

Reading and writing both walk from the workspace's own descriptor without following links, and touch regular files only.
Hidden names are carried neither way: going in they tend to hold secrets (".env"), coming out they tend to be executed
(".git/config"). A file that comes back replaces its predecessor in one step, without its execute bits.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from unicodedata import category

from tracer1_agents.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer1_agents.sandboxes.base import Limits

MOST_NOTES: Final = 10_000  # files named with a reason, in one run and one direction
_MAX_DEPTH: Final = 16
_MAX_NAME: Final = 255
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class Pending:
    """Files to carry in, and those that stay out with their reasons."""

    files: list[tuple[str, bytes]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


class Workspace:
    """A folder of the host whose regular files a session shares by copy.

    Args:
        root: The folder; must exist.
        limits: Sizes and counts.

    Raises:
        ConfigurationError: It is not a folder.
    """

    def __init__(self, root: Path, limits: Limits) -> None:
        if not root.is_dir():
            problem = f"the workspace must be an existing folder, got {root}"
            raise ConfigurationError(problem)
        self._root, self._limits = root, limits
        self._carried: dict[str, tuple[int, int, int]] = {}

    def forget(self) -> None:
        """A fresh interpreter has none of the files: carry all of them again."""
        self._carried.clear()

    def pending(self) -> Pending:
        """Files that are new or changed on the host since they were last carried in."""
        pending, total, count = Pending(), 0, 0
        for path, folder, status in self._walk():
            known = self._carried.get(path) == _signature(status)
            if not known and not all(map(_is_plain, path.split("/"))):
                shown = path.encode("utf-8", "replace").decode()
                pending.dropped.append(f"{shown}: its name has characters that are not carried; rename it")
            elif not known and count >= self._limits.files:
                pending.dropped.append(f"{path}: more than {self._limits.files} files in the workspace")
            elif not known and (
                status.st_size > self._limits.file_bytes or total + status.st_size > self._limits.disk_bytes
            ):
                pending.dropped.append(f"{path}: {status.st_size} bytes do not fit into the sandbox")
            else:
                total, count = total + status.st_size, count + 1
                if not known:
                    self._add(pending, path, folder, status)
            if len(pending.dropped) >= MOST_NOTES:
                break
        return pending

    def _add(self, pending: Pending, path: str, folder: int, status: os.stat_result) -> None:
        try:
            data = _read(PurePosixPath(path).name, folder, self._limits.file_bytes)
        except OSError as error:
            pending.dropped.append(f"{path}: {error.strerror}")
            return
        pending.files.append((path, data))
        self._carried[path] = _signature(status)

    def write(self, path: str, data: bytes) -> str | None:
        """Put a file that came back in its place.

        Args:
            path: As the sandbox named it. Untrusted.
            data: Its content.

        Returns:
            None, or why it was refused.
        """
        parts = path.split("/")
        refused = len(parts) > _MAX_DEPTH or any(not _is_plain(part) for part in parts)
        if refused:
            return "not a plain relative path"
        try:
            with _folder(self._root, parts[:-1]) as folder:
                self._carried[path] = _signature(_replace(parts[-1], data, folder))
        except OSError as error:
            return error.strerror or str(error)
        return None

    def _walk(self) -> Iterator[tuple[str, int, os.stat_result]]:
        for folder, folders, names, descriptor in os.fwalk(self._root, follow_symlinks=False):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                try:
                    status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                except FileNotFoundError:
                    # It went away since the folder was read.
                    continue
                if not name.startswith(".") and stat.S_ISREG(status.st_mode):
                    yield (Path(folder).relative_to(self._root) / name).as_posix(), descriptor, status


def _is_plain(name: str) -> bool:
    return bool(name) and not name.startswith(".") and is_printable(name) and len(name.encode()) <= _MAX_NAME


def is_printable(name: str) -> bool:
    """Whether a file's name can be shown as it is: other blanks than " " may be in it, macOS has U+202F in times."""
    return name.isprintable() or all(letter.isprintable() or category(letter) == "Zs" for letter in name)


def _signature(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(name: str, folder: int, limit: int) -> bytes:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit)


@contextmanager
def _folder(root: Path, parts: list[str]) -> Iterator[int]:
    """Descriptor of a folder below the workspace, made where missing, reached without following links."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            with suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=descriptor)
            inner = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _replace(name: str, data: bytes, folder: int) -> os.stat_result:
    temporary = f".{secrets.token_hex(8)}.part"
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        os.unlink(temporary, dir_fd=folder)
        raise
    return os.stat(name, dir_fd=folder, follow_symlinks=False)
