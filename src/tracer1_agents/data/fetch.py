"""Published samples at pinned commits, fetched file by file and checked before they are there.

What there is stands in `samples.json`: repository, commit, licence, and size and SHA-256 of every file. A file appears
whole and right or not at all; one that is right already is left as it is, so a fetch that broke off goes on where it
stopped. Nothing is unpacked, and nothing that was fetched is run. Whole data sets are not fetched: see docs/data.md.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from http.client import HTTPException
from importlib import resources
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import urlopen

from tracer1_agents.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASE_URL: Final = "https://raw.githubusercontent.com"
_TIMEOUT: Final = 30.0  # seconds without an answer
_CHUNK: Final = 1 << 16


@dataclass(frozen=True)
class SampleFile:
    """One file of a sample.

    Attributes:
        path: In the repository.
        name: Under the sample's folder here.
        size: Bytes.
        sha256: Of its content, in hexadecimal digits.
    """

    path: str
    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Sample:
    """A published sample.

    Attributes:
        name: As `tracer1 data fetch` takes it.
        title: What it is.
        repository: "owner/name" on GitHub.
        commit: The full hash; a commit never changes, so the files do not.
        licence: SPDX identifier of the repository that publishes it.
        reader: The format's name for `tracer1 data validate`, "" where there is no reader.
        note: What to know before using it.
        files: All of them, the licence first.
    """

    name: str
    title: str
    repository: str
    commit: str
    licence: str
    reader: str
    note: str
    files: tuple[SampleFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def url(self, file: SampleFile) -> str:
        """Where a file is published."""
        return f"{BASE_URL}/{self.repository}/{self.commit}/{quote(file.path)}"


def samples() -> dict[str, Sample]:
    """The samples by name."""
    table = json.loads(resources.files(__package__).joinpath("samples.json").read_text(encoding="utf-8"))
    return {
        name: Sample(name=name, **{**entry, "files": tuple(SampleFile(**file) for file in entry["files"])})
        for name, entry in table.items()
    }


def sample_named(name: str) -> Sample:
    """The sample of this name.

    Raises:
        ConfigurationError: There is none.
    """
    known = samples()
    if name not in known:
        msg = f"there is no sample {name!r}; choose one of: {', '.join(known)}"
        raise ConfigurationError(msg)
    return known[name]


def fetch(sample: Sample, out: Path) -> Iterator[tuple[Path, bool]]:
    """Fetch a sample into the folder ``out/<name>``.

    Yields:
        Each file once it is there and right, and whether it had to be downloaded.

    Raises:
        DataError: It could not be downloaded, is not what was pinned, or cannot be written. What came before it stays,
            and the next call goes on from there.
    """
    for file in sample.files:
        path = out / sample.name / file.name
        try:
            fresh = not _is_right(path, file)
            if fresh:
                path.parent.mkdir(parents=True, exist_ok=True)
                _download(sample.url(file), file, path)
        except OSError as error:
            msg = f"cannot be written: {error}; choose another folder with --out"
            raise DataError(msg, path=path) from error
        yield path, fresh


def listing() -> str:
    """What `tracer1 data fetch` prints: every sample with licence, size, origin and note."""
    lines = []
    for sample in samples().values():
        files = f"{len(sample.files)} files, {megabytes(sample.size)}"
        lines.append(f"{sample.name:<16}{sample.title}")
        lines.append(f"{'':<16}{sample.licence}, {files}, {sample.repository} at {sample.commit[:7]}")
        if sample.note:
            lines.append(f"{'':<16}{sample.note}")
    return "\n".join([*lines, "", "get one with: tracer1 data fetch NAME --out DIR"])


def megabytes(size: int) -> str:
    """A number of bytes for people."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"  # noqa: PLR2004  (0.1 MB)


def _is_right(path: Path, file: SampleFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256


def _download(url: str, file: SampleFile, path: Path) -> None:
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("wb") as target:
            for chunk in _content(url, file, path):
                target.write(chunk)
        if not _is_right(partial, file):
            got = partial.stat().st_size
            msg = (
                f"what came is not the pinned file ({got} bytes for {file.size}, SHA-256 {file.sha256[:12]}... wanted) "
                "and was not kept. Try again; a proxy may have put its own page in its place"
            )
            raise DataError(msg, path=url)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _content(url: str, file: SampleFile, path: Path) -> Iterator[bytes]:
    """The bytes behind a URL, one more than the pinned size at most."""
    left = file.size + 1
    try:
        # the scheme is that of BASE_URL, never a caller's
        with urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310
            while left > 0 and (chunk := answer.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk
    except (OSError, HTTPException) as error:  # no network, refused, broken off; URLError is an OSError
        why = error.reason if isinstance(error, URLError) and not isinstance(error, HTTPError) else error
        msg = (
            f"could not be downloaded ({why or type(error).__name__}). Run it again to go on, or download the file by "
            f"hand to {path}: a file that is there and right is left as it is"
        )
        raise DataError(msg, path=url) from error
