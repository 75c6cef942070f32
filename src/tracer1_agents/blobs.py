"""Screenshots by reference: a content-addressed folder of files that graph state, traces and rows point into.

The same bytes are stored once. Files and folder are readable by their owner only, since a screenshot may show anything.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final, Protocol

from tracer1_agents.errors import DataError

_REF: Final = re.compile(r"[0-9a-f]{64}")


class ImageSource(Protocol):
    """Gives the bytes behind `ImageRef.ref`."""

    def get(self, ref: str) -> bytes:
        """The bytes; `DataError` where there are none."""
        ...


class ImageFiles:
    """Pictures by path, as the readers of recorded data refer to them, or in a store.

    Args:
        blobs: Looked into for what is not the path of a file; None where there are only files.
    """

    def __init__(self, blobs: BlobStore | None = None) -> None:
        self._blobs = blobs

    def get(self, ref: str) -> bytes:
        """The bytes of a picture.

        Raises:
            DataError: It is no file, and not in the store either.
        """
        if self._blobs is not None and _REF.fullmatch(ref):
            return self._blobs.get(ref)
        try:
            return Path(ref).read_bytes()
        except OSError as error:
            msg = f"cannot read this picture: {error.strerror or error}"
            raise DataError(msg, path=ref) from error


class BlobStore:
    """A folder of blobs.

    Args:
        folder: Where they live; created with mode 0700. None: a temporary folder that goes when this process ends.
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        if folder is None:
            folder = tempfile.mkdtemp(prefix="tracer1-blobs-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self.folder = Path(folder)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, content: bytes) -> str:
        """Store bytes; returns their reference (SHA-256, hex). A folder that vanished is made again."""
        ref = hashlib.sha256(content).hexdigest()
        path = self.folder / ref
        if not path.exists():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, fresh = tempfile.mkstemp(dir=self.folder)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(fresh).replace(path)
        return ref

    def get(self, ref: str) -> bytes:
        """The bytes behind a reference.

        Raises:
            DataError: The reference is malformed, or nothing is stored under it.
        """
        if not _REF.fullmatch(ref):
            msg = f"not a blob reference: {ref[:80]!r}; one is 64 hexadecimal digits as `put` returns"
            raise DataError(msg, path=self.folder)
        try:
            return (self.folder / ref).read_bytes()
        except FileNotFoundError:
            msg = f"blob {ref} is not there; was the folder cleaned or moved?"
            raise DataError(msg, path=self.folder) from None

    def clear(self) -> None:
        """Delete the store with everything in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def remove_blobs(folder: Path) -> int:
    """Delete the pictures of a store, and its folder where nothing else is in it.

    Args:
        folder: Of the store; files that are no blobs stay.

    Returns:
        How many pictures were deleted.
    """
    blobs = [item for item in folder.iterdir() if _REF.fullmatch(item.name) and item.is_file()]
    for item in blobs:
        item.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()
    return len(blobs)
