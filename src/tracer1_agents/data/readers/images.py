"""Screenshots that a source names by path: where they are on this machine, and how large.

Samples often come without their pictures, and paths in published files are those of somebody else's machine. So a
missing image is a problem only where images were to be expected: in a folder that was named, or in a source of which
some images were found. Only headers are read, never pixels.

Pictures that stand inside the source (TFRecord, Parquet) go into a blob store where one was asked for. Otherwise their
references say where they stand, as "file#name", and open nothing.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer1_agents.blobs import BlobStore
from tracer1_agents.errors import DataError
from tracer1_agents.pictures import opened
from tracer1_agents.types import ImageRef

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer1_agents.actions.coordinates import Size


class ImageFinder:
    """Looks for the images of one source file.

    Args:
        source: The file that names them.
        root: Folder to look in, None: beside the source.
        blobs: Folder of the blob store for pictures inside the source, None: they stay where they are.
        expected: Whether a missing one is a problem from the start.
    """

    def __init__(self, source: Path, root: Path | None, blobs: Path | None = None, *, expected: bool = False) -> None:
        self.source = source
        self.blobs = BlobStore(blobs) if blobs else None
        self.roots = [root] if root else [source.parent, source.parent / "images"]
        self.expected = expected or root is not None
        self._unreported = 0  # missing before the first was found
        self._problems: list[DataError] = []
        self._folders: dict[str, list[tuple[str, frozenset[str]]]] = {}  # where a record's folder may be, and its names

    def find(self, name: str, line: int | None = None) -> ImageRef | None:
        """The image a record names, None when it is not here or no image; `problems` then has it.

        Args:
            name: As the record has it.
            line: Of the record, for the message.

        Raises:
            MissingExtraError: An image is there and Pillow is not.
        """
        path = next(self._matches(name), None)
        if path is None:
            self._missing(name, line)
            return None
        self._expect(line)
        try:
            width, height = _size(path)
        except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises for files that are no images
            self._problems.append(DataError(f"the image {path} cannot be read: {error}", path=self.source, line=line))
            return None
        return ImageRef(ref=str(path), width=width, height=height)

    def picture(self, value: Any, name: str, line: int | None = None) -> ImageRef | None:
        """A picture as rows have it: a path, ``{"bytes", "path"}``, or nothing.

        Args:
            value: What the row has.
            name: Of the picture in the source, should it stand there.
            line: Of the record, for the message.
        """
        if isinstance(value, dict) and isinstance(value.get("bytes"), bytes):
            return self.embedded(value["bytes"], name, line=line)
        path = value.get("path") if isinstance(value, dict) else value
        return self.find(path, line) if isinstance(path, str) and path else None

    def embedded(self, content: bytes, name: str, size: Size | None = None, line: int | None = None) -> ImageRef | None:
        """A picture that stands inside the source, None when it is no image; `problems` then has it.

        Args:
            content: Its file, as bytes.
            name: Of the picture in the source.
            size: Where the source tells it; None: read from the content.
            line: Of the record, for the message.

        Raises:
            MissingExtraError: The size is not told and Pillow is not installed.
        """
        try:
            width, height = size or _size(io.BytesIO(content))
        except (OSError, ValueError, SyntaxError) as error:
            self._problems.append(DataError(f"the picture {name} is no image: {error}", path=self.source, line=line))
            return None
        ref = self.blobs.put(content) if self.blobs else f"{self.source.name}#{name}"
        return ImageRef(ref=ref, width=width, height=height)

    def problems(self) -> Iterator[DataError]:
        """Those met since the last call."""
        yield from self._problems
        self._problems.clear()

    def _matches(self, name: str) -> Iterator[Path]:
        """Files that the name may mean: its path, or the end of it, under one of the roots."""
        given, _, file_name = name.replace("\\", "/").rpartition("/")
        if given not in self._folders:
            self._folders[given] = list(self._listings(given))
        for folder, names in self._folders[given]:
            if file_name in names and (path := Path(folder, file_name)).is_file():
                yield path

    def _listings(self, given: str) -> Iterator[tuple[str, frozenset[str]]]:
        """Folders that are here under the path a record gives, or the end of it, with the names in them."""
        parts = [part for part in given.split("/") if part not in {"", "..", "."}]  # never above the folder it is in
        for root in self.roots:
            for begin in range(len(parts) + 1):
                folder = root.joinpath(*parts[begin:])
                if folder.is_dir():
                    yield str(folder), frozenset(path.name for path in folder.iterdir())

    def _missing(self, name: str, line: int | None) -> None:
        if not self.expected:
            self._unreported += 1
            return
        where = " or ".join(str(root) for root in self.roots)
        self._problems.append(DataError(f"the image {name!r} is not in {where}", path=self.source, line=line))

    def _expect(self, line: int | None) -> None:
        self.expected = True
        if self._unreported:
            msg = f"images named before this place are missing: {self._unreported}"
            self._problems.append(DataError(msg, path=self.source, line=line))
            self._unreported = 0


def _size(file: Path | io.BytesIO) -> tuple[int, int]:
    with opened(file, feature="reading screenshots", extra="agents") as image:
        width, height = image.size
    return width, height
