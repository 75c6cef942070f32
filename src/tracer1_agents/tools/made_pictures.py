"""Pictures from words, and pictures changed by words: T3's `image_generator` and `image_edit`.

What a model or an endpoint returns is decoded in the worker and written anew before it lies in the folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tracer1_agents.errors import ToolError
from tracer1_agents.tools.decoding import clean_png
from tracer1_agents.tools.definition import Output, make_tool
from tracer1_agents.tools.formatting import short
from tracer1_agents.tools.images import ImagePath, load_png
from tracer1_agents.tools.vision import needed
from tracer1_agents.tools.workspace import free_name

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from tracer1_agents.tools.backends import Backends
    from tracer1_agents.tools.workspace import Workspace

Prompt = Annotated[str, Field(min_length=1, max_length=4_000, description="What the picture shall show, in words")]


def made_picture_tools(workspace: Workspace, backends: Backends) -> list[BaseTool]:
    """`image_generator` and `image_edit` over one folder."""

    def image_generator(prompt: Prompt) -> Output:
        """Make a picture from a description and save it."""
        return generate_picture(workspace, backends, prompt)

    def image_edit(
        prompt: Annotated[str, Field(min_length=1, max_length=4_000, description="What to change, in words")],
        image_path: ImagePath,
    ) -> Output:
        """Change an image by an instruction and save the result as a new file."""
        return edit_picture(workspace, backends, prompt, image_path)

    return [make_tool(image_generator), make_tool(image_edit)]


def generate_picture(workspace: Workspace, backends: Backends, prompt: str) -> Output:
    """A new picture; raises `ToolError` where the model gave none."""
    return _saved(workspace, needed(backends.generator, "image_generator").generate(prompt), "generated")


def edit_picture(workspace: Workspace, backends: Backends, prompt: str, image_path: str) -> Output:
    """A changed copy of a picture; raises `ToolError` where there is none, or the model gave none."""
    editor = needed(backends.editor, "image_edit")
    return _saved(workspace, editor.edit(prompt, load_png(workspace, image_path)), "edited")


def _saved(workspace: Workspace, content: bytes, stem: str) -> Output:
    try:
        width, height, png = clean_png(content)
    except ValueError as error:
        msg = f"the model gave no picture: {short(str(error), 120)}"
        raise ToolError(msg) from error
    name = free_name(workspace, stem, ".png")
    workspace.write(workspace.output(name, (".png",)), png)
    return f"saved {name}, {width} x {height} pixels", name
