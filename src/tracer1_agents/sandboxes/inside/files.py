"""The working folder inside: what the host put there, and what the code has made or changed since.

Links, pipes and hidden names stay inside: only bytes of regular files are handed out, and the host checks again.
"""

from __future__ import annotations

import os
import stat


class Files:
    """The working folder: what the host put there, and what has changed since."""

    def __init__(self, root: str, limits: dict[str, int]) -> None:
        self._root, self._limits = root, limits
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._refused: dict[str, str] = {}

    def put(self, path: str, data: bytes, *, start: bool, last: bool) -> None:
        """Write one chunk of a file of the host; a failure is remembered for `refused`."""
        target = f"{self._root}/{path}"
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if start and os.path.lexists(target):
                os.unlink(target)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
            with os.fdopen(os.open(target, flags, 0o644), "wb") as file:
                file.write(data)
            if last:
                self._seen[path] = self._signature(os.lstat(target))
        except OSError as error:
            self._refused[path] = f"could not be put into the sandbox: {error.strerror}"

    def refused(self) -> dict[str, str]:
        """Files of the host that could not be written since the last look, with the reasons."""
        refused, self._refused = self._refused, {}
        return refused

    def changed(self) -> list[str]:
        """Regular files that are new or different since the last look; hidden names and links are left out."""
        found: list[str] = []
        for path, status in self._walk():
            if self._seen.get(path) != self._signature(status):
                self._seen[path] = self._signature(status)
                found.append(path)
        return sorted(found)

    def read(self, path: str) -> bytes:
        """Content of a regular file within the size limit; OSError otherwise."""
        limit = self._limits["file_bytes"]
        descriptor = os.open(f"{self._root}/{path}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
                problem = f"no regular file of at most {limit} bytes"
                raise OSError(problem)
            return file.read(limit)

    def _walk(self) -> list[tuple[str, os.stat_result]]:
        found: list[tuple[str, os.stat_result]] = []
        for folder, folders, names in os.walk(self._root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                path = f"{folder}/{name}"
                try:
                    status = os.lstat(path)
                except OSError:
                    # A process that the code left running has removed it.
                    continue
                if not name.startswith(".") and stat.S_ISREG(status.st_mode):
                    found.append((path.removeprefix(f"{self._root}/"), status))
            if len(found) > self._limits["inodes"]:
                break
        return found

    @staticmethod
    def _signature(status: os.stat_result) -> tuple[int, int, int]:
        return (status.st_mtime_ns, status.st_size, status.st_ino)
