"""Looking at images with a model that the caller hands in; without one, the tools say what to configure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, NamedTuple, Protocol

from pydantic import Field

from tracer1_agents.errors import ToolUnavailableError
from tracer1_agents.tools.definition import Output, make_tool
from tracer1_agents.tools.formatting import collapse, short
from tracer1_agents.tools.images import ImagePath, load_png

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.tools import BaseTool

    from tracer1_agents.tools.workspace import Workspace

_OFF: Final = "is off here: configure a vision model"


class PixelBox(NamedTuple):
    """A rectangle in pixels of the image it was found in."""

    left: int
    top: int
    right: int
    bottom: int


class VisionModel(Protocol):
    """What the vision tools need of a model; images come as upright PNG bytes of at most 50 megapixels."""

    def answer(self, question: str, image: bytes) -> str:
        """Answer a question about an image."""
        ...

    def locate(self, target: str, image: bytes) -> Sequence[PixelBox]:
        """Every place where the named thing is seen, best first."""
        ...


def vision_tools(workspace: Workspace, model: VisionModel | None) -> list[BaseTool]:
    """`visualizer` and `objectlocation` over one folder."""

    def visualizer(
        question: Annotated[str, Field(description="What you want to know about the image")],
        image_path: ImagePath,
    ) -> Output:
        """Ask a question about an image."""
        return _configured(model, "visualizer").answer(question, load_png(workspace, image_path)).strip(), None

    def objectlocation(
        object: Annotated[str, Field(description="The thing to find")],  # noqa: A002  (T3's argument name)
        image_path: ImagePath,
    ) -> Output:
        """Find where a thing is in an image: boxes [left, top, right, bottom] in pixels."""
        found = _configured(model, "objectlocation").locate(object, load_png(workspace, image_path))
        boxes = [[int(edge) for edge in box] for box in found]
        return (str(boxes) if boxes else f"no {short(collapse(object))} found"), boxes

    return [make_tool(visualizer), make_tool(objectlocation)]


def _configured(model: VisionModel | None, name: str) -> VisionModel:
    if model is None:
        msg = f"{name} {_OFF}"
        raise ToolUnavailableError(msg)
    return model
