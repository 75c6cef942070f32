"""Pictures decoded in the process behind `confined`, handed over as bare pixels.

What reaches the host is a size, a mode and a file of exactly so many bytes (or a PNG that the worker wrote): no format
of a stranger is decoded there. The worker half runs with the limits on memory and time that documents have.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any, Final, Literal

from tracer1_agents.pictures import PIXEL_LIMIT, opened
from tracer1_agents.tools.confined import parser
from tracer1_agents.tools.workspace import optional

Form = Literal["size", "pixels", "grey", "png"]
_BANDS: Final = {"L": 1, "RGB": 3, "RGBA": 4}
_UPRIGHT: Final = 0x0112  # the EXIF tag that says how a photo was held


def write_picture(path: Path, output: str, form: Form, pixels: int) -> dict[str, Any]:
    """The worker's half: decode a picture, upright, and write it.

    Args:
        path: Of the picture.
        output: Of the file to write.
        form: "size" writes nothing; "pixels" bare grey, RGB or RGBA; "grey" bare grey on white; "png" an RGB file.
            Deeper greys become 8 bits: 16 bits lose the lower 8, others are scaled by their range (`_scale`).
        pixels: How many it may have.

    Returns:
        `width`, `height` and `mode` of what was written.

    Raises:
        OSError: It is no picture, or is cut off.
        ValueError: It has too many pixels.
    """
    with opened(path, pixels=pixels) as image:
        if form == "size":
            turned = image.getexif().get(_UPRIGHT, 1) in {5, 6, 7, 8}
            width, height = image.size[::-1] if turned else image.size
            return {"width": width, "height": height, "mode": ""}
        optional("PIL.ImageOps", "reading images").exif_transpose(image, in_place=True)
        plain = _plain(image, form)
    if form == "png":
        plain.save(output, "PNG", compress_level=1)
    else:
        Path(output).write_bytes(plain.tobytes())
    return {"width": plain.width, "height": plain.height, "mode": plain.mode}


def _plain(image: Any, form: Form) -> Any:
    image = _eight_bits(image)
    if form == "png":
        return image.convert("RGB")
    clear = image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info
    if form == "grey":
        return on_white(image).convert("L") if clear else image.convert("L")
    if image.mode in _BANDS and not (clear and image.mode != "RGBA"):
        return image
    return image.convert("RGBA" if clear else "L" if image.mode == "1" else "RGB")


def _eight_bits(image: Any) -> Any:
    """Deeper greys as 8 bits; Pillow's own conversion makes everything above 255 white."""
    sixteen = image.mode.startswith("I;16")
    if not sixteen and image.mode not in {"I", "F"}:
        return image
    whole = image.convert("I") if sixteen else image
    black, scale = (0.0, 1 / 256) if sixteen else _scale(image)
    grey = whole.convert("F").point(lambda value: value * scale - black * scale).convert("L")
    clear = image.info.get("transparency")
    if not sixteen or not isinstance(clear, int):
        return grey
    seen = whole.point([0 if value == clear else 255 for value in range(1 << 16)], "L")
    return optional("PIL.Image", "reading images").merge("LA", (grey, seen))


def _scale(image: Any) -> tuple[float, float]:
    """Which value is black, and how many of 255 steps one more of it is.

    White is the first of 1 (fractions only), 255 and 65535 that no value is above; values outside all of these are
    stretched from the smallest to the largest.
    """
    smallest, largest = image.getextrema()
    if not (math.isfinite(smallest) and math.isfinite(largest)):
        return 0.0, 1.0  # measurements with gaps: no range to go by
    scales = {1.0: 255.0, 255.0: 1.0, 65535.0: 1 / 256}
    for white in list(scales)[image.mode == "I" :]:
        if smallest >= 0 and largest <= white:
            return 0.0, scales[white]
    return smallest, 255 / ((largest - smallest) or 1)


def on_white(image: Any) -> Any:
    """A picture that may be transparent, on white, as RGBA."""
    pillow = optional("PIL.Image", "reading images")
    rgba = image.convert("RGBA")
    return pillow.alpha_composite(pillow.new("RGBA", rgba.size, "white"), rgba)


def read_picture(path: Path, form: Form, *, pixels: int = PIXEL_LIMIT) -> tuple[int, int, str, bytes]:
    """The host's half: a picture as the worker decoded it.

    Args:
        path: Of a file that nobody has looked at.
        form: As for `write_picture`.
        pixels: How many it may have.

    Returns:
        Width, height, mode, and the bytes of that form (none for "size").

    Raises:
        ValueError: It cannot be read, or is over a limit.
        ConfigurationError: Pillow is missing.
        SandboxError: The worker cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="tracer1-picture-") as folder:
        output = Path(folder, "pixels")
        found = parser.read("picture", path, output=str(output), form=form, pixels=pixels)
        width, height, mode = int(found["width"]), int(found["height"]), str(found["mode"])
        content = output.read_bytes() if form != "size" else b""
    expected = width * height * _BANDS.get(mode, 0)
    if width < 1 or height < 1 or width * height > pixels or (form in {"pixels", "grey"} and len(content) != expected):
        msg = f"its parser gave {len(content)} bytes for {width} x {height} pixels ({mode})"
        raise ValueError(msg)
    return width, height, mode, content


def decoded(path: Path, *, grey: bool = False, pixels: int = PIXEL_LIMIT) -> Any:
    """The picture as a Pillow image, upright; raises as `read_picture`."""
    width, height, mode, content = read_picture(path, "grey" if grey else "pixels", pixels=pixels)
    return optional("PIL.Image", "reading images").frombytes(mode, (width, height), content)


def clean_png(content: bytes, *, pixels: int = PIXEL_LIMIT) -> tuple[int, int, bytes]:
    """A picture that came from outside as bytes, decoded and written anew as an RGB PNG.

    Args:
        content: Of a picture file, from an endpoint or a page.
        pixels: How many it may have.

    Returns:
        Width, height and the PNG; raises as `read_picture`.
    """
    with tempfile.TemporaryDirectory(prefix="tracer1-picture-") as folder:
        path = Path(folder, "picture")
        path.write_bytes(content)
        width, height, _, png = read_picture(path, "png", pixels=pixels)
    return width, height, png
