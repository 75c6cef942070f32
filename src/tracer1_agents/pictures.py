"""Pictures that nobody has looked at: which formats are opened, and how many pixels are decoded at most.

Everything is decided by the header, before a pixel is decoded. Decoding itself is the caller's: screenshots that our
own environments made are decoded where they are needed, files of strangers in a process of their own
(`tools.confined`).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.errors import MissingExtraError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

FORMATS: Final = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")
PIXEL_LIMIT: Final = 50_000_000  # ours: 200 MB as RGBA


@contextmanager
def opened(
    file: Path | str | io.BytesIO,
    *,
    pixels: int = PIXEL_LIMIT,
    feature: str = "reading images",
    extra: str = "tools",
) -> Iterator[Any]:
    """A Pillow image, not yet decoded.

    Args:
        file: Where it is, or its bytes.
        pixels: How many it may have.
        feature: What needs it, as a user would say.
        extra: That brings Pillow.

    Raises:
        MissingExtraError: Pillow is not installed.
        OSError: There is no such file, or it is no picture of a known format.
        ValueError: It has too many pixels, by its header.
    """
    try:
        from PIL import Image  # noqa: PLC0415  (an extra)
    except ImportError:
        raise MissingExtraError(feature, extra) from None
    try:
        image = Image.open(file, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(_too_many(pixels)) from None
    with image:
        if image.width * image.height > pixels:
            raise ValueError(_too_many(pixels))
        try:
            yield image
        except (SyntaxError, EOFError) as error:  # what Pillow raises for a broken body
            msg = f"it is broken: {error}"
            raise OSError(msg) from error


def _too_many(pixels: int) -> str:
    return f"it has more than {pixels / 1_000_000:g} megapixels"
