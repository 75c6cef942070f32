"""Faces and cut-outs without a model: OpenCV's Haar cascade and GrabCut.

Both are weak beside a trained model: the cascade knows upright faces seen from the front, GrabCut knows colours. They
run where OpenCV is installed (extra "vision") and nothing better is handed in.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.tools.workspace import optional

if TYPE_CHECKING:
    from collections.abc import Sequence

_CASCADE: Final = "haarcascade_frontalface_default.xml"  # comes with opencv-python-headless 4
_LONGEST: Final = 1_024  # pixels; larger pictures are searched smaller
_SMALLEST: Final = 24  # pixels of a face's side: the cascade's own window
_STEP, _NEIGHBOURS = 1.1, 6  # scale from pass to pass; hits that must agree
_ROUNDS: Final = 5  # of GrabCut


class CascadeFaces:
    """Faces by OpenCV's cascade of Haar features (Viola and Jones)."""

    def faces(self, image: bytes) -> list[list[int]]:
        """A box for each face of a PNG image, the largest first.

        Raises:
            MissingExtraError: OpenCV is not installed.
        """
        cv2 = optional("cv2", "facedetection", "vision")
        grey = _array(image, "L")
        scale = min(1.0, _LONGEST / max(grey.shape))
        small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
        cascade = cv2.CascadeClassifier(cv2.data.haarcascades + _CASCADE)
        found = cascade.detectMultiScale(small, _STEP, _NEIGHBOURS, minSize=(_SMALLEST, _SMALLEST))
        boxes = [[round(int(value) / scale) for value in box] for box in found]
        boxes.sort(key=lambda box: -box[2] * box[3])
        return [[left, top, left + width, top + height] for left, top, width, height in boxes]


class BoxSegmenter:
    """Masks by GrabCut: colours in the box that are not those around it."""

    def segment(self, image: bytes, boxes: Sequence[Sequence[float]]) -> list[bytes]:
        """A mask for each box of a PNG image.

        Raises:
            MissingExtraError: OpenCV is not installed.
        """
        optional("cv2", "segmentation", "vision")
        pixels = _array(image, "RGB")[:, :, ::-1].copy()
        return [_cut(pixels, box) for box in boxes]


def _cut(pixels: Any, box: Sequence[float]) -> bytes:
    cv2, numpy = optional("cv2", "segmentation", "vision"), optional("numpy", "segmentation", "vision")
    height, width = pixels.shape[:2]
    left, top, right, bottom = (round(edge) for edge in box)
    mask = numpy.zeros((height, width), numpy.uint8)
    if left <= 0 and top <= 0 and right >= width and bottom >= height:
        mask[:] = 255  # nothing is outside to be told apart from
    else:
        background, foreground = numpy.zeros((1, 65)), numpy.zeros((1, 65))
        edges = (left, top, right - left, bottom - top)
        cv2.setRNGSeed(0)
        cv2.grabCut(pixels, mask, edges, background, foreground, _ROUNDS, cv2.GC_INIT_WITH_RECT)
        mask = numpy.where((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD), 255, 0).astype(numpy.uint8)
    buffer = io.BytesIO()
    optional("PIL.Image", "segmentation").fromarray(mask).save(buffer, "PNG")
    return buffer.getvalue()


def _array(image: bytes, mode: str) -> Any:
    pillow, numpy = optional("PIL.Image", "reading images"), optional("numpy", "reading images", "vision")
    with pillow.open(io.BytesIO(image), formats=("PNG",)) as opened:
        return numpy.asarray(opened.convert(mode))
