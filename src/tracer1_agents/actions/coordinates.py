"""The only place that knows image sizes: what a model's numbers mean on the screen.

Actions hold fractions of the screen. Models write other numbers: fractions, thousandths (UI-TARS v1, Qwen3-VL,
GUI-Owl 1.5), pixels of the screenshot, or pixels of the screenshot as their image processor resized it (UI-TARS 1.5). A
frame says which; `Screen` binds it to one screenshot. A number outside its frame is a `Broken`, never a clamped point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from tracer1_agents.actions.codec import Broken, ParseOutcome
from tracer1_agents.actions.space import Point
from tracer1_agents.errors import ConfigurationError

_MAX_ASPECT_RATIO: Final = 200  # qwen_vl_utils/vision_process.py refuses longer images


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


def smart_resize(width: int, height: int, *, factor: int, min_pixels: int, max_pixels: int) -> Size:
    """The size to which Qwen-VL image processors bring an image (qwen_vl_utils/vision_process.py).

    Args:
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        factor: Both sides become multiples of it.
        min_pixels: Smaller images grow to at least so many pixels.
        max_pixels: Larger images shrink to at most so many pixels.

    Raises:
        ConfigurationError: A side is not positive, or one is more than 200 times the other.
    """
    if min(width, height) < 1 or max(width, height) > _MAX_ASPECT_RATIO * min(width, height):
        msg = f"an image needs sides above 0 and a ratio of at most {_MAX_ASPECT_RATIO}, got {width}x{height}"
        raise ConfigurationError(msg)
    new_width = max(factor, round(width / factor) * factor)
    new_height = max(factor, round(height / factor) * factor)
    if new_width * new_height > max_pixels:
        shrink = math.sqrt(width * height / max_pixels)
        new_width = max(factor, math.floor(width / shrink / factor) * factor)
        new_height = max(factor, math.floor(height / shrink / factor) * factor)
    elif new_width * new_height < min_pixels:
        grow = math.sqrt(min_pixels / (width * height))
        new_width = math.ceil(width * grow / factor) * factor
        new_height = math.ceil(height * grow / factor) * factor
    return Size(new_width, new_height)


class Frame(Protocol):
    """What the numbers of a dialect mean."""

    @property
    def needs_size(self) -> bool:
        """Whether points cannot be placed without the size of the screenshot."""
        ...

    def to_unit(self, x: float, y: float, size: Size | None) -> Point:
        """Place the numbers of a reply on the screen.

        Raises:
            Broken: OUT_OF_RANGE when they lie outside, BAD_ARGUMENT when a size is needed and there is no screenshot.
        """
        ...

    def from_unit(self, point: Point, size: Size | None) -> tuple[float, float]:
        """The numbers a reply would use for `point`; whole numbers (int) in every frame but `UnitFrame`.

        Raises:
            ConfigurationError: A size is needed and there is none.
        """
        ...


def _placed(x: float, y: float, width: float, height: float) -> Point:
    # written so that nan fails too
    if 0 <= x <= width and 0 <= y <= height:
        return Point(x / width, y / height)
    problem = f"the point ({x:g}, {y:g}) lies outside the image, which spans 0..{width:g} by 0..{height:g}"
    raise Broken(ParseOutcome.OUT_OF_RANGE, problem)


@dataclass(frozen=True)
class UnitFrame:
    """Fractions of the screen, 0 to 1."""

    needs_size = False

    def to_unit(self, x: float, y: float, size: Size | None = None) -> Point:  # noqa: ARG002  (protocol)
        """See `Frame`."""
        return _placed(x, y, 1, 1)

    def from_unit(self, point: Point, size: Size | None = None) -> tuple[float, float]:  # noqa: ARG002  (protocol)
        """See `Frame`."""
        return point.x, point.y


@dataclass(frozen=True)
class RelativeFrame:
    """Whole numbers from 0 to `extent` on both axes, whatever the size of the image."""

    extent: int = 1000
    needs_size = False

    def to_unit(self, x: float, y: float, size: Size | None = None) -> Point:  # noqa: ARG002  (protocol)
        """See `Frame`."""
        return _placed(x, y, self.extent, self.extent)

    def from_unit(self, point: Point, size: Size | None = None) -> tuple[int, int]:  # noqa: ARG002  (protocol)
        """See `Frame`."""
        return round(point.x * self.extent), round(point.y * self.extent)


class _Pixels:
    """What the two pixel frames share: they differ in the size in which they count."""

    needs_size = True

    def counted_in(self, size: Size) -> Size:
        """The size of the image whose pixels are counted."""
        raise NotImplementedError

    def to_unit(self, x: float, y: float, size: Size | None) -> Point:
        """See `Frame`."""
        if size is None:
            problem = "a point was given in pixels, but there is no screenshot to place it on"
            raise Broken(ParseOutcome.BAD_ARGUMENT, problem)
        return _placed(x, y, *self.counted_in(size))

    def from_unit(self, point: Point, size: Size | None) -> tuple[int, int]:
        """See `Frame`."""
        if size is None:
            msg = "pixel coordinates need the size of the screenshot: pass it when the grammar is built"
            raise ConfigurationError(msg)
        width, height = self.counted_in(size)
        return round(point.x * width), round(point.y * height)


@dataclass(frozen=True)
class PixelFrame(_Pixels):
    """Pixels of the screenshot as it was taken."""

    def counted_in(self, size: Size) -> Size:
        """The screenshot's own size."""
        return size


@dataclass(frozen=True)
class ResizedFrame(_Pixels):
    """Pixels of the screenshot as the model's image processor resized it.

    The limits must be those of the processor in use: a server started with other ones moves every point.
    """

    factor: int
    min_pixels: int
    max_pixels: int

    def counted_in(self, size: Size) -> Size:
        """The size after `smart_resize`."""
        return smart_resize(*size, factor=self.factor, min_pixels=self.min_pixels, max_pixels=self.max_pixels)


UNIT: Final = UnitFrame()
THOUSAND: Final = RelativeFrame(1000)
PIXELS: Final = PixelFrame()
# UI-TARS codes/ui_tars/action_parser.py: IMAGE_FACTOR, MIN_PIXELS, MAX_PIXELS
UI_TARS_15: Final = ResizedFrame(factor=28, min_pixels=100 * 28 * 28, max_pixels=16384 * 28 * 28)
# Qwen2.5-VL preprocessor_config.json: patches of 14 merged 2x2, min_pixels 3,136 and max_pixels 12,845,056
QWEN2_5_VL_PIXELS: Final = ResizedFrame(factor=28, min_pixels=4 * 28 * 28, max_pixels=16384 * 28 * 28)
# Qwen3-VL preprocessor_config.json: patches of 16 merged 2x2, shortest_edge 65,536 and longest_edge 16,777,216 pixels
QWEN3_VL_PIXELS: Final = ResizedFrame(factor=32, min_pixels=256 * 256, max_pixels=4096 * 4096)


@dataclass(frozen=True)
class Screen:
    """A frame bound to one screenshot: what a grammar needs to read and write points.

    Attributes:
        frame: What the numbers mean.
        size: Of the screenshot, None where there is none; `ResizedFrame` checks it here, once.
    """

    frame: Frame = THOUSAND
    size: Size | None = None

    def __post_init__(self) -> None:
        if self.size is not None:
            self.frame.from_unit(Point(0.0, 0.0), self.size)

    def place(self, x: float, y: float) -> Point:
        """The numbers of a reply as fractions; raises `Broken` as `Frame.to_unit` does."""
        return self.frame.to_unit(x, y, self.size)

    def locate(self, point: Point) -> tuple[float, float]:
        """The numbers a reply would use for `point`."""
        return self.frame.from_unit(point, self.size)
