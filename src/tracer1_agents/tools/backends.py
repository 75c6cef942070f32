"""What the tools that need a model are handed: one protocol an ability, and which of them are there.

Pictures come as upright RGB PNG bytes of at most 50 megapixels, already decoded once by the worker (`decoding`). Boxes
are left, top, right, bottom in pixels of that picture. Nothing here builds a model: `serving` has classes for
checkpoints and endpoints, `classical` for what needs neither.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tracer1_agents.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence


class PixelBox(NamedTuple):
    """A rectangle in pixels of the image it was found in."""

    left: int
    top: int
    right: int
    bottom: int


class ImageQuestions(Protocol):
    """Answers questions about pictures."""

    def answer(self, question: str, image: bytes) -> str:
        """Answer a question about an image."""
        ...


class ObjectDetector(Protocol):
    """Finds things by their name."""

    def locate(self, target: str, image: bytes) -> Sequence[Sequence[float]]:
        """Every place where the named thing is seen, best first.

        Each has four edges and, where the model gives one, a score in [0, 1] as its fifth number.
        """
        ...


class VisionModel(ImageQuestions, ObjectDetector, Protocol):
    """One model for both."""


class FaceDetector(Protocol):
    """Finds faces of people."""

    def faces(self, image: bytes) -> Sequence[Sequence[float]]:
        """A box for each face."""
        ...


class Segmenter(Protocol):
    """Cuts out what is in a box."""

    def segment(self, image: bytes, boxes: Sequence[Sequence[float]]) -> Sequence[bytes]:
        """One mask a box: a grey PNG as large as the image, 255 where the thing is, else 0."""
        ...


class FormulaReader(Protocol):
    """Reads formulas."""

    def read_formula(self, image: bytes) -> str:
        """The formula in an image, as LaTeX."""
        ...


class ImageGenerator(Protocol):
    """Makes pictures from words."""

    def generate(self, prompt: str) -> bytes:
        """A picture file; it is decoded in the worker before anybody sees it."""
        ...


class ImageEditor(Protocol):
    """Changes pictures by an instruction."""

    def edit(self, prompt: str, image: bytes) -> bytes:
        """A picture file; see `ImageGenerator`."""
        ...


class Transcriber(Protocol):
    """Writes down what is said."""

    def transcribe(self, audio: bytes, name: str) -> str:
        """The words in a sound file.

        Args:
            audio: The file.
            name: Of the file; its ending says what it is.
        """
        ...


class TextReader(Protocol):
    """Answers questions about texts."""

    def read(self, question: str, text: str) -> str:
        """Answer a question from a text."""
        ...


@dataclass(frozen=True, kw_only=True)
class Backends:
    """What the caller hands in; a tool without its backend is not offered.

    Attributes:
        questions: For `visualizer`, and GTA's descriptions.
        detector: For `objectlocation`; for faces where `faces` is not given.
        faces: For `facedetection`; without it and a detector OpenCV, where it is installed.
        segmenter: For `segmentation`; by default OpenCV, where it is installed.
        formulas: For GTA's `MathOCR`; by default `questions`.
        generator: For `image_generator`.
        editor: For `image_edit`.
        speech: For sound files in `inspect_file_as_text`.
        reader: For the question in `inspect_file_as_text`; without one the text itself is the answer.
    """

    questions: ImageQuestions | None = None
    detector: ObjectDetector | None = None
    faces: FaceDetector | None = None
    segmenter: Segmenter | None = None
    formulas: FormulaReader | None = None
    generator: ImageGenerator | None = None
    editor: ImageEditor | None = None
    speech: Transcriber | None = None
    reader: TextReader | None = None

    def given(self) -> frozenset[str]:
        """Names of those that are there."""
        return frozenset(item.name for item in fields(self) if getattr(self, item.name) is not None)


NO_BACKENDS = Backends()


def words_of(given: Any, ability: str) -> str:
    """What a model said, without white space around it.

    Args:
        given: By the model.
        ability: Its name in `Backends`.

    Raises:
        ToolError: It is no text.
    """
    if isinstance(given, str):
        return given.strip()
    msg = f"the backend {ability} gave {type(given).__name__}, not a text"
    raise ToolError(msg)
