"""Files that appear whole or not at all, in the place of what was there.

Only a file can be replaced: a pipe or a device that is named as an output is refused, since a file would stand in its
place afterwards. A link stays a link, and what it leads to is replaced.
"""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tracer1_agents.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO


@contextmanager
def replacing(path: Path, *, private: bool = False) -> Iterator[TextIO]:
    """A file to write UTF-8 text to; at the end it takes the place of `path`, unless an exception comes first.

    Args:
        path: The output.
        private: Whether its owner alone may read it.

    Raises:
        ConfigurationError: A pipe or a device is there.
        OSError: A folder is there, or the file cannot be written; what was at `path` stays.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        msg = f"{path} is a pipe or a device, and a file would take its place; name a file"
        raise ConfigurationError(msg)
    place = Path(os.path.realpath(path)) if path.is_symlink() else path
    fresh = place.with_name(f"{place.name}.{secrets.token_hex(4)}.tmp")  # two may write to one place
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            yield file
        fresh.replace(place)
    finally:
        fresh.unlink(missing_ok=True)
