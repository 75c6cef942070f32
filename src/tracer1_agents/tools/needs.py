"""What each tool needs to work, in one table.

The toolboxes offer by it (a tool that is off is not in the list), the registry explains by it why a name is not there,
and `tracer1 doctor` prints it. Kinds of things handed in are named as `Backends` and `default_toolbox` name them.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

HAND_IN: Final[Mapping[str, str]] = {
    "questions": "a vision model",
    "detector": "a vision model",
    "faces": "a face detector",
    "segmenter": "a segmentation model",
    "formulas": "a formula reader",
    "generator": "an image generator",
    "editor": "an image editor",
    "speech": "a speech model",
    "reader": "a reader",
    "corpus": "a corpus file",
    "web": "a web backend",
    "search": "a web backend that searches",
    "download": "a web backend that downloads",
    "sandbox": "a sandbox",
}
"""What may be handed in, as a sentence says it."""

OPENCV: Final = "opencv-python-headless"
_EXTRA_OF: Final = {OPENCV: "vision"}


@dataclass(frozen=True)
class Need:
    """What some tools need.

    Attributes:
        names: Of the tools.
        distributions: Without these they are off.
        program: Without it, they are off.
        any_of: What must be handed in, one of them; empty where nothing must.
        instead: A distribution that does without.
        partly: Distribution, or kind of thing handed in -> what is refused without it.
    """

    names: tuple[str, ...]
    distributions: tuple[str, ...] = ()
    program: str = ""
    any_of: tuple[str, ...] = ()
    instead: str = ""
    partly: Mapping[str, str] = field(default_factory=dict)

    def missing(
        self,
        given: Collection[str],
        version: Callable[[str], str | None] | None = None,
        which: Callable[[str], str | None] | None = None,
    ) -> str:
        """What keeps the tools off, as words after "configure" or "install"; "" where they are live.

        Args:
            given: Kinds that are handed in.
            version: Of a distribution, None where it is not installed.
            which: Path of a program, None where it is not there.
        """
        version, which = version or installed_version, which or shutil.which
        absent = [item for item in self.distributions if version(item) is None]
        if absent:
            return f'install {", ".join(absent)} (pip install "tracer1-agents[{extra_of(absent[0])}]")'
        if self.program and which(self.program) is None:
            return f"install the program {self.program}"
        if not self.any_of or set(self.any_of) & set(given) or (self.instead and version(self.instead)):
            return ""
        wanted = " or ".join(dict.fromkeys(HAND_IN[kind] for kind in self.any_of))
        return f"configure {wanted}" + (f", or install {self.instead}" if self.instead else "")


def extra_of(distribution: str) -> str:
    """The extra of this package that brings it."""
    return _EXTRA_OF.get(distribution, "tools")


@cache
def installed_version(distribution: str) -> str | None:
    """Of a distribution, None where it is missing; looked up once a process."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


NEEDS: Final = (
    Need(
        ("inspect_file_as_text",),
        partly={
            "pypdf": "pdf",
            "python-docx": "docx",
            "python-pptx": "pptx",
            "openpyxl": "xlsx",
            "beautifulsoup4": "html",
            "pillow": "images",
            "speech": "sound",
        },
    ),
    Need(("table_columns", "table_aggregate", "table_filter", "table_sort", "table_join"), partly={"openpyxl": "xlsx"}),
    Need(("ocr",), ("pillow",), "tesseract"),
    Need(("crop_image", "draw_box"), ("pillow",)),
    Need(("visualizer",), ("pillow",), any_of=("questions",)),
    Need(("objectlocation",), ("pillow",), any_of=("detector",)),
    Need(("facedetection",), ("pillow",), any_of=("faces", "detector"), instead=OPENCV),
    Need(("segmentation",), ("pillow",), any_of=("segmenter",), instead=OPENCV),
    Need(("image_generator",), ("pillow",), any_of=("generator",)),
    Need(("image_edit",), ("pillow",), any_of=("editor",)),
    Need(("calculator",)),
    Need(("solver",), ("sympy",)),
    Need(("ask_search_agent", "search"), any_of=("corpus", "search")),
    Need(("visit_page",), any_of=("corpus", "web")),
    Need(("navigational_web_search",), any_of=("search",)),
    Need(("download_file",), any_of=("download",)),
    Need(("page_down", "page_up", "find_on_page_ctrl_f", "find_next"), any_of=("web",)),
    Need(("plot",), ("matplotlib",)),
    Need(("python",), any_of=("sandbox",)),
)
"""The tools of `default_toolbox`, in the order a prompt lists them."""

GTA_NEEDS: Final = (
    Need(("OCR",), ("pillow",), "tesseract"),
    Need(("ImageDescription", "RegionAttributeDescription"), ("pillow",), any_of=("questions",)),
    Need(("MathOCR",), ("pillow",), any_of=("formulas", "questions")),
    Need(("TextToBbox", "CountGivenObject"), ("pillow",), any_of=("detector",)),
    Need(("DrawBox", "AddText"), ("pillow",)),
    Need(("Calculator",)),
    Need(("Solver",), ("sympy",), partly={"sandbox": "programs"}),
    Need(("Plot",), any_of=("sandbox",)),
    Need(("GoogleSearch",), any_of=("corpus", "search")),
    Need(("TextToImage",), ("pillow",), any_of=("generator",)),
    Need(("ImageStylization",), ("pillow",), any_of=("editor",)),
)
"""The tools of `gta_toolbox`, under GTA's names."""

_BY_NAME: Final = {name: need for need in (*NEEDS, *GTA_NEEDS) for name in need.names}


def is_live(name: str, given: Collection[str]) -> bool:
    """Whether a tool of ours has what it needs.

    Args:
        name: Of the tool.
        given: Kinds that are handed in.
    """
    return not _BY_NAME[name].missing(given)


def why_off(name: str) -> str | None:
    """What to do for a tool of ours that is off unless something is handed in; None for other names."""
    need = _BY_NAME.get(name)
    missing = need.missing(()) if need is not None else ""
    return f"{name} is off here: {missing}" if missing else None
