"""Zip archives, unpacked so that a hostile one can do no harm.

Everything is checked on the directory of the archive before a byte is written: names that lead elsewhere, links,
encrypted members, and caps on how many files there are, how large they are and how far they expand. `zipfile` stops a
member at the size it declared, so the declared sizes bound what is really written.
"""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from tracer1_agents.sandboxes.files import is_printable
from tracer1_agents.tools.formatting import short

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEMBER_LIMIT: Final = 200
SIZE_LIMIT: Final = 100_000_000  # bytes, all members together
OFFICE_LIMIT: Final = 200_000_000  # bytes of XML and media inside one xlsx, docx or pptx
RATIO_LIMIT: Final = 200  # deflate reaches 1032 only on constant data
_SMALL: Final = 1_000_000  # below this a high ratio is harmless
_NAME_LIMIT: Final = 200  # bytes


def unpack(archive: Path, root: Path) -> list[str]:
    """Unpack an archive beside the other files of a folder.

    Each member goes to `root` under its base name, or, where another file has that name, into a folder named by the
    archive's stem. A file that is already there with the same content is left alone: unpacking again changes nothing.

    Args:
        archive: The zip file.
        root: The folder.

    Returns:
        The paths of the files relative to `root`, in archive order.

    Raises:
        ValueError: The archive is unsafe or too large.
        zipfile.BadZipFile: It is corrupt.
    """
    with zipfile.ZipFile(archive) as opened:
        members = _checked_members(opened)
        return [_place(opened.read(member), base, archive.stem, root) for member, base in members]


def check_office_archive(path: Path) -> None:
    """Refuse an office file that would expand beyond reason.

    Raises:
        ValueError: It would.
        zipfile.BadZipFile: It is no zip archive at all.
    """
    with zipfile.ZipFile(path) as opened:
        size = sum(member.file_size for member in opened.infolist())
    if size > OFFICE_LIMIT:
        msg = f"it expands to more than {OFFICE_LIMIT // 1_000_000} MB"
        raise ValueError(msg)


def _checked_members(opened: zipfile.ZipFile) -> list[tuple[zipfile.ZipInfo, str]]:
    members = [(member, _base_name(member)) for member in opened.infolist() if _wanted(member)]
    total = sum(member.file_size for member, _ in members)
    problem = ""
    if len(members) > MEMBER_LIMIT:
        problem = f"more than {MEMBER_LIMIT} files"
    elif total > SIZE_LIMIT:
        problem = f"it expands to more than {SIZE_LIMIT // 1_000_000} MB"
    elif any(m.file_size > _SMALL and m.file_size > RATIO_LIMIT * m.compress_size for m, _ in members):
        problem = f"a member expands more than {RATIO_LIMIT} times"
    elif any(member.flag_bits & 1 for member, _ in members):
        problem = "it is encrypted"
    if problem:
        raise ValueError(problem)
    return members


def _wanted(member: zipfile.ZipInfo) -> bool:
    hidden = _member_path(member).name.startswith(".")
    return not (member.is_dir() or hidden or member.filename.startswith("__MACOSX/"))  # resource forks, not content


def _member_path(member: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(member.filename.replace("\\", "/"))  # some Windows programs write backslashes


def _base_name(member: zipfile.ZipInfo) -> str:
    path = _member_path(member)
    unsafe = path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or not is_printable(path.name)
    if unsafe or len(path.name.encode()) > _NAME_LIMIT:
        msg = f'unsafe member name "{short(member.filename, 60)}"'
        raise ValueError(msg)
    if stat.S_ISLNK(member.external_attr >> 16):
        msg = f'member "{short(member.filename, 60)}" is a link'
        raise ValueError(msg)
    return path.name


def _place(data: bytes, base: str, stem: str, root: Path) -> str:
    for name in _candidates(base, stem):
        path = root / name
        folder = path.parent
        if path.is_symlink() or folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            continue
        if not path.exists():
            folder.mkdir(exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            with os.fdopen(os.open(path, flags, 0o644), "wb") as stream:
                stream.write(data)
            return name
        if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
            return name
    msg = f'no free name for member "{short(base, 60)}"'
    raise ValueError(msg)


def _candidates(base: str, stem: str) -> Iterator[str]:
    path = PurePosixPath(base)
    folder = stem.strip(".") or "archive"  # "...zip" has the stem ".."
    yield base
    yield f"{folder}/{base}"
    for copy in range(2, MEMBER_LIMIT + 2):
        yield f"{folder}/{path.stem}_{copy}{path.suffix}"
