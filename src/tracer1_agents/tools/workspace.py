"""The one folder a toolbox may see.

Every path that a model writes passes through `Workspace`: absolute paths, ".." and links that lead out of the folder
are refused before anything is opened, and so are hidden files, where the folder's own records are kept. It confines the
*tools*; code that a model wrote is confined by a sandbox.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
from contextlib import contextmanager
from itertools import islice
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, Final
from unicodedata import normalize

from tracer1_agents.errors import ConfigurationError, MissingExtraError, SandboxError, ToolError
from tracer1_agents.tools.formatting import short

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE_LIMIT: Final = 50_000_000  # bytes
_LISTED: Final = 20
_SCANNED: Final = 10_000  # entries looked at when files are listed
_HIDDEN: Final = re.compile(r"\.[^.]")  # "...zip" is only an odd name
EXTRA: Final = "tools"


class Workspace:
    """A folder and the names in it.

    Args:
        root: An existing folder.

    Raises:
        ConfigurationError: There is no such folder.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).resolve()
        if not self.root.is_dir():
            msg = f'the workspace must be an existing folder, got "{root}"'
            raise ConfigurationError(msg)

    def files(self) -> list[str]:
        """Names of the files here and in sub-folders, sorted; hidden files and links are left out."""
        names = []
        for path in islice(self.root.rglob("*"), _SCANNED):
            relative = path.relative_to(self.root)
            if path.is_file() and not path.is_symlink() and not any(part.startswith(".") for part in relative.parts):
                names.append(relative.as_posix())
        return sorted(names)

    def digests(self) -> dict[str, str]:
        """SHA-256 (hex) of every file that `files` lists, by name."""
        found = {}
        for name in self.files():
            with (self.root / name).open("rb") as stream:
                found[name] = hashlib.file_digest(stream, "sha256").hexdigest()
        return found

    def written_since(self, before: Mapping[str, str]) -> dict[str, str]:
        """Files that are new or changed since `digests` gave `before`, with the hash of what they hold now."""
        return {name: digest for name, digest in self.digests().items() if before.get(name) != digest}

    def listed_name(self, name: str) -> str | None:
        """The one name that `files` has for a path, however it is spelled; None where tools may not go."""
        try:
            return self._inside(name).relative_to(self.root).as_posix()
        except (ToolError, OSError):
            return None

    def contains(self, name: str) -> bool:
        """Whether `name` is a file of this folder."""
        try:
            return self._inside(name).is_file()
        except (ToolError, OSError):
            return False

    def file(self, name: str) -> Path:
        """The existing file of that name.

        Raises:
            ToolError: It is outside the folder, hidden, does not exist, or is too large.
        """
        path = self._inside(name)
        try:
            found, size = path.is_file(), path.stat().st_size if path.is_file() else 0
        except OSError:  # a name longer than the file system allows
            found, size = False, 0
        if not found:
            listed = ", ".join(self.files()[:_LISTED]) or "none"
            msg = f'no file "{short(name)}" in this folder; files: {listed}'
            raise ToolError(msg)
        if size > FILE_LIMIT:
            msg = f'"{name}" is larger than {FILE_LIMIT // 1_000_000} MB'
            raise ToolError(msg)
        return path

    def output(self, name: str, suffixes: tuple[str, ...]) -> Path:
        """Where a tool may write a result of that name.

        Args:
            name: As the model gave it.
            suffixes: Allowed endings, lower case with the dot.

        Raises:
            ToolError: The name is outside the folder, hidden, has another ending, or cannot be a file.
        """
        path = self._inside(name)
        if path.suffix.lower() not in suffixes:
            msg = f'output must be a {" or ".join(suffixes)} name, got "{short(name)}"'
            raise ToolError(msg)
        if os.path.isdir(path) or not os.path.isdir(path.parent):  # noqa: PTH112  (Path.is_dir raises for a long name)
            msg = f'"{short(name)}" cannot be written: give the name of a file in this folder'
            raise ToolError(msg)
        return path

    def write(self, path: Path, data: bytes) -> None:
        """Write a file that `output` allowed, never through a link put there in the meantime.

        Raises:
            ToolError: The system refuses: a name that is too long, a full disk.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
        try:
            with os.fdopen(os.open(path, flags, 0o644), "wb") as stream:
                stream.write(data)
        except OSError as error:
            msg = f'"{short(path.name)}" cannot be written: {error.strerror}'
            raise ToolError(msg) from error

    def _inside(self, name: str) -> Path:
        pure = PurePosixPath(name)
        allowed = not (pure.is_absolute() or PureWindowsPath(name).drive or ".." in pure.parts or "\0" in name)
        if allowed:
            try:
                path = (self._spelled(pure) or self.root / pure).resolve()
            except (OSError, RuntimeError, ValueError):  # a loop of links, half a surrogate pair
                allowed = False
            else:
                allowed = path.is_relative_to(self.root)
        if not allowed:
            msg = f'"{short(name)}" is outside this task\'s folder'
            raise ToolError(msg)
        if any(_HIDDEN.match(part) for part in (*pure.parts, *path.relative_to(self.root).parts)):
            msg = f'"{short(name)}" is hidden; name a file without a leading dot'
            raise ToolError(msg)
        return path

    def _spelled(self, pure: PurePosixPath) -> Path | None:
        """The one file whose name looks the same in other code points: macOS writes "\u00e9" as two, models as one."""
        wanted = pure.as_posix()
        if wanted.isascii() or os.path.lexists(self.root / pure):
            return None
        alike = [name for name in self.files() if normalize("NFC", name) == normalize("NFC", wanted)]
        return self.root / alike[0] if len(alike) == 1 else None


@contextmanager
def reading(path: Path, name: str, kind: str) -> Iterator[None]:
    """Turn whatever a parser throws at a broken file into one `ToolError`.

    Args:
        path: The file; its folder is cut out of the message.
        name: The file as the model named it.
        kind: What it was read as, for example "xlsx".
    """
    try:
        yield
    except (ToolError, ConfigurationError, SandboxError):
        raise
    except Exception as error:  # parsers raise anything on hostile bytes
        reason = short(str(error).replace(f"{path.parent}{os.sep}", "") or type(error).__name__, 120)
        msg = f'"{name}" cannot be read as {kind}: {reason}'
        raise ToolError(msg) from error


def free_name(workspace: Workspace, stem: str, suffix: str) -> str:
    """A name that no file of the folder has: "stem.png", else "stem-2.png" and so on."""
    number, name = 1, f"{stem}{suffix}"
    while (workspace.root / name).exists() or (workspace.root / name).is_symlink():
        number += 1
        name = f"{stem}-{number}{suffix}"
    return name


def optional(module: str, feature: str, extra: str = EXTRA) -> Any:
    """Import a library of the optional extra when it is first needed.

    Args:
        module: Dotted name.
        feature: What needs it, as a user would say.
        extra: That brings it.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(feature, extra) from error
