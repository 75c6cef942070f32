"""Screenshots on their way into a page: each content once, made small, up to a total size.

A run file is somebody else's text, and its references may name any file of this machine. Only what begins as a PNG,
JPEG, WebP or GIF is taken, so that looking at a run copies no other file into a page that is then handed on. A picture
that cannot be shown is told with its reason, and never ends the view.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.blobs import ImageFiles
from tracer1_agents.errors import ConfigurationError, DataError
from tracer1_agents.viewer.plain import one_line

if TYPE_CHECKING:
    from tracer1_agents.blobs import BlobStore
    from tracer1_agents.types import ImageRef

TOTAL_MB: Final = 64  # of pictures in one page; ours: a browser still opens it at once
_MEGABYTE: Final = 1_000_000
_FILE_BYTES: Final = 32 * _MEGABYTE  # of one picture as it came
_LARGE_BYTES: Final = 200_000  # above it a picture is written anew
_LONG_SIDE: Final = 1280  # pixels of a picture that is written anew: text on a screen can still be read
_MOST_PIXELS: Final = 50_000_000  # decoding more would take gigabytes
_QUALITY: Final = 80
_KINDS: Final = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"))


@dataclass(frozen=True)
class Picture:
    """The bytes of one picture and their kind, such as "image/png"."""

    content: bytes
    kind: str


class Pictures:
    """The pictures of a page.

    Args:
        blobs: The store that references by content hash point into; None where there are only paths.
        total_mb: How many megabytes are taken altogether; what comes later is left out and told.

    Attributes:
        taken: Pictures by key.

    Raises:
        ConfigurationError: `total_mb` is negative or not a number.
    """

    def __init__(self, blobs: BlobStore | None = None, *, total_mb: float = TOTAL_MB) -> None:
        if not total_mb >= 0:
            msg = f"--pictures counts megabytes from 0 (inf takes them all), got {total_mb:g}"
            raise ConfigurationError(msg)
        self._source = ImageFiles(blobs)
        self._left = total_mb * _MEGABYTE
        self._total_mb = total_mb
        self._known: dict[str, dict[str, Any]] = {}
        self._keys: dict[str, str] = {}
        self.taken: dict[str, Picture] = {}

    def take(self, image: ImageRef) -> dict[str, Any]:
        """What a page says of a picture: its key, or why it cannot be shown; and its size in pixels."""
        if image.ref not in self._known:
            try:
                self._known[image.ref] = {"key": self._key(image.ref)}
            except (DataError, OSError, ValueError) as error:
                reason = error.problem if isinstance(error, DataError) else str(error)
                self._known[image.ref] = {"why": one_line(f"{reason}: {image.ref}", 300)}
        return {**self._known[image.ref], "width": image.width, "height": image.height}

    def _key(self, ref: str) -> str:
        content = self._read(ref)
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self._keys:
            picture = _small(Picture(content, _kind(content)))
            if len(picture.content) > self._left:
                msg = f"left out, the page already holds {self._total_mb:g} MB of pictures (--pictures takes more)"
                raise ValueError(msg)
            self._left -= len(picture.content)
            self._keys[digest] = f"p{len(self.taken)}"
            self.taken[self._keys[digest]] = picture
        return self._keys[digest]

    def _read(self, ref: str) -> bytes:
        path = Path(ref)
        # a pipe or a device would never end
        if path.exists() and (not path.is_file() or path.stat().st_size > _FILE_BYTES):
            msg = f"not a picture file of at most {_FILE_BYTES // _MEGABYTE} MB"
            raise ValueError(msg)
        return self._source.get(ref)


def _kind(content: bytes) -> str:
    for start, kind in _KINDS:
        if content.startswith(start):
            return f"image/{kind}"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    msg = "not a PNG, JPEG, WebP or GIF"
    raise ValueError(msg)


def _small(picture: Picture) -> Picture:
    """The picture as WebP where it is large and Pillow is here, else as it came."""
    if len(picture.content) <= _LARGE_BYTES:
        return picture
    try:
        from PIL import Image  # noqa: PLC0415  (an extra)
    except ImportError:
        return picture
    try:
        with Image.open(io.BytesIO(picture.content)) as file:
            if file.width * file.height > _MOST_PIXELS:
                msg = f"{file.width} x {file.height} pixels are too many to show"
                raise ValueError(msg)
            file.thumbnail((_LONG_SIDE, _LONG_SIDE), reducing_gap=2.0)
            fresh = io.BytesIO()
            file.convert("RGB").save(fresh, "WEBP", quality=_QUALITY, method=2)
    except (OSError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        msg = f"a damaged picture ({error})"
        raise ValueError(msg) from None
    content = fresh.getvalue()
    return Picture(content, "image/webp") if len(content) < len(picture.content) else picture
