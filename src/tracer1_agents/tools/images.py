"""Images: their size, text recognition, crops and boxes, all without a model.

Files are decoded in a process of their own (`decoding`); screenshots of our own environments are opened here, by
`open_picture`. Either way only known formats are, and too many pixels are refused before any is decoded. Recognition
runs the tesseract program on one thread: it is as fast on small images, and several agents share a machine.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BeforeValidator, Field

from tracer1_agents.errors import DataError, ToolError, ToolUnavailableError
from tracer1_agents.pictures import PIXEL_LIMIT, opened
from tracer1_agents.tools.decoding import decoded, on_white, read_picture
from tracer1_agents.tools.definition import Output, make_tool
from tracer1_agents.tools.formatting import collapse, short
from tracer1_agents.tools.workspace import Workspace, optional, reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from langchain_core.tools import BaseTool

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")
_OUTPUTS: Final = (".png", ".jpg", ".jpeg")
_OCR_SECONDS: Final = 60
_OCR_WIDTH: Final = 1_000  # pixels; smaller images are doubled, since tesseract wants letters some 30 pixels high
OCR_MARGIN: Final = 20  # pixels; letters at the very edge are lost


def parse_box(value: Any) -> Any:
    """Models write boxes as lists and, after GTA's habit, as "(1, 2, 3, 4)"."""
    return value.strip("()[] ").split(",") if isinstance(value, str) else value


Box = Annotated[list[float], BeforeValidator(parse_box), Field(min_length=4, max_length=4)]
ImagePath = Annotated[str, Field(description='An image, for example "photo.png"')]
BoxArgument = Annotated[Box, Field(description="Left, top, right and bottom in pixels, for example [10, 20, 110, 80]")]
OutputPath = Annotated[str, Field(description='Name to save under, for example "part.png"')]


def picture_file(workspace: Workspace, name: str) -> Path:
    """The file of a picture.

    Args:
        workspace: Where it is.
        name: Of the file.

    Raises:
        ToolError: No such file, or it is not named like a picture.
    """
    path = workspace.file(name)
    if path.suffix.lower() not in SUFFIXES:
        msg = f'"{name}" is not an image (png, jpg)'
        raise ToolError(msg)
    return path


def load_image(workspace: Workspace, name: str, *, grey: bool = False) -> Any:
    """A Pillow image, upright, decoded in a process of its own.

    Args:
        workspace: Where it is.
        name: Of the file.
        grey: Whether it is wanted in grey, on white.

    Raises:
        ToolError: No such file, not an image, corrupt, or more than 50 megapixels.
    """
    path = picture_file(workspace, name)
    with reading(path, name, _kind(path)):
        return decoded(path, grey=grey, pixels=PIXEL_LIMIT)


def load_png(workspace: Workspace, name: str) -> bytes:
    """A picture as an RGB PNG, as models take it; raises as `load_image`."""
    path = picture_file(workspace, name)
    with reading(path, name, _kind(path)):
        return read_picture(path, "png", pixels=PIXEL_LIMIT)[3]


def _kind(path: Path) -> str:
    return path.suffix.lower().removeprefix(".")


@contextmanager
def open_picture(content: bytes, ref: str) -> Iterator[Any]:
    """A Pillow image from bytes: what a screenshot is wherever it is kept.

    Args:
        content: Of an image file.
        ref: What it is called, for messages.

    Raises:
        DataError: It is no picture, or has more than 50 megapixels.
    """
    try:
        with opened(io.BytesIO(content), pixels=PIXEL_LIMIT, feature="looking at screenshots") as image:
            yield image
    except (OSError, ValueError) as error:
        unknown = type(error).__name__ == "UnidentifiedImageError"  # its text names a buffer
        msg = f"not a picture: {'no format that is known' if unknown else error}"
        raise DataError(msg, path=ref) from error


def image_size(workspace: Workspace, name: str) -> tuple[int, int]:
    """Width and height in pixels, by the header; raises as `load_image`."""
    path = picture_file(workspace, name)
    with reading(path, name, _kind(path)):
        width, height, _, _ = read_picture(path, "size", pixels=PIXEL_LIMIT)
    return width, height


def image_tools(workspace: Workspace) -> list[BaseTool]:
    """`ocr`, `crop_image` and `draw_box` over one folder."""

    def ocr(image_path: ImagePath) -> Output:
        """Read the text in an image."""
        lines = recognise(workspace, image_path)
        return "\n".join(lines) or "no text found", lines

    return [make_tool(ocr), *_editing_tools(workspace)]


def recognise(workspace: Workspace, name: str) -> list[str]:
    """The lines of text in an image.

    Raises:
        ToolUnavailableError: tesseract is not installed.
        ToolError: The image cannot be read, or recognition took too long.
    """
    image = load_image(workspace, name, grey=True)
    pixels = for_recognition(image, 2 if image.width < _OCR_WIDTH else 1)
    # One column of text first: the automatic layout overlooks lone short words. Then one block.
    for layout in ("4", "6"):
        lines = [line for line in map(collapse, run_tesseract(pixels, "--psm", layout).splitlines()) if line]
        if lines:
            return lines
    return []


def for_recognition(image: Any, scale: int) -> bytes:
    """Grey on white, so many times as large, with a margin of `OCR_MARGIN`, as PNG bytes."""
    pillow = optional("PIL.Image", "reading images")
    flat = image if image.mode == "L" else on_white(image).convert("L")
    if scale > 1:
        flat = flat.resize((flat.width * scale, flat.height * scale), pillow.Resampling.LANCZOS)
    buffer = io.BytesIO()
    optional("PIL.ImageOps", "reading images").expand(flat, OCR_MARGIN, fill=255).save(buffer, "PNG")
    return buffer.getvalue()


def run_tesseract(pixels: bytes, *options: str) -> str:
    """What tesseract says of a picture.

    Args:
        pixels: See `for_recognition`.
        options: Of the program, such as "--psm", "4", or "tsv" for words with their boxes.

    Raises:
        ToolUnavailableError: tesseract is not installed.
        ToolError: Recognition failed or took too long.
    """
    program = shutil.which("tesseract")
    if program is None:
        msg = 'ocr needs the program tesseract: install it (Debian: "apt install tesseract-ocr")'
        raise ToolUnavailableError(msg)
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    try:
        finished = subprocess.run(  # noqa: S603  (fixed arguments; the image goes through standard input)
            [program, "stdin", "stdout", *options],
            input=pixels,
            capture_output=True,
            env=environment,
            timeout=_OCR_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        msg = f"ocr took longer than {_OCR_SECONDS} seconds; crop the image to the part you need"
        raise ToolError(msg) from error
    if finished.returncode != 0:
        msg = f"tesseract failed: {short(finished.stderr.decode(errors='replace'), 200)}"
        raise ToolError(msg)
    return finished.stdout.decode(errors="replace")


def _editing_tools(workspace: Workspace) -> list[BaseTool]:
    def crop_image(image_path: ImagePath, box: BoxArgument, output: OutputPath) -> Output:
        """Cut a rectangle out of an image and save it."""
        image = load_image(workspace, image_path)
        return save_image(workspace, image.crop(inside(box, image.width, image.height)), output)

    def draw_box(
        image_path: ImagePath,
        box: BoxArgument,
        label: Annotated[str | None, Field(description="A word to write at the box")] = None,
        output: OutputPath = "boxed.png",
    ) -> Output:
        """Draw a rectangle on a copy of an image and save it."""
        return save_image(workspace, with_box(load_image(workspace, image_path), box, label), output)

    return [make_tool(crop_image), make_tool(draw_box)]


def with_box(image: Any, box: Sequence[float], label: str | None) -> Any:
    """A copy of a picture with a red rectangle, and a word in its corner.

    Raises:
        ToolError: Nothing of the box is inside.
    """
    copy = image.convert("RGB")
    edges = inside(box, copy.width, copy.height)
    canvas = optional("PIL.ImageDraw", "drawing on images").Draw(copy)
    canvas.rectangle(edges, outline="red", width=max(2, min(copy.size) // 200))
    if label:
        canvas.text((edges[0] + 4, edges[1] + 4), short(label), fill="red")
    return copy


def save_image(workspace: Workspace, image: Any, output: str) -> tuple[str, Any]:
    """Write a Pillow image and say so.

    Raises:
        ToolError: The name cannot be written.
    """
    path = workspace.output(output, _OUTPUTS)
    buffer = io.BytesIO()
    if path.suffix.lower() == ".png":
        image.save(buffer, "PNG")
    else:
        image.convert("RGB").save(buffer, "JPEG", quality=90)
    workspace.write(path, buffer.getvalue())
    return f"saved {output}, {image.width} x {image.height} pixels", output


def inside(box: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    """The box in whole pixels, cut at the edges of a picture.

    Raises:
        ToolError: Nothing of it is inside.
    """
    left, top, right, bottom = (round(edge) for edge in box)
    clipped = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if clipped[0] >= clipped[2] or clipped[1] >= clipped[3]:
        msg = f"the box [{left}, {top}, {right}, {bottom}] is empty or outside the image of {width} x {height} pixels"
        raise ToolError(msg)
    return clipped
