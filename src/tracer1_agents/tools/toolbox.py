"""The whole toolbox for one workspace folder, in the order a prompt lists it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracer1_agents.tools.code import code_tools
from tracer1_agents.tools.documents import document_tools
from tracer1_agents.tools.images import image_tools
from tracer1_agents.tools.maths import maths_tools
from tracer1_agents.tools.plots import plot_tools
from tracer1_agents.tools.search import Corpus, search_tools
from tracer1_agents.tools.table_tools import table_tools
from tracer1_agents.tools.vision import vision_tools
from tracer1_agents.tools.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_core.tools import BaseTool

    from tracer1_agents.tools.code import CodeSession
    from tracer1_agents.tools.search import WebBackend
    from tracer1_agents.tools.vision import VisionModel


def default_toolbox(
    workspace: Path | str,
    *,
    corpus: Path | Corpus | None = None,
    web: WebBackend | None = None,
    sandbox: CodeSession | None = None,
    vision_model: VisionModel | None = None,
) -> list[BaseTool]:
    """Every tool of this room, confined to one folder.

    A tool whose backend is not given stays in the list and answers what to configure, so that the prompt, and with it
    the planner, is the same on every machine.

    Args:
        workspace: The task's folder; the tools see nothing else.
        corpus: A JSONL file of `title`, `url`, `text` for the search tools, or one already loaded.
        web: Search and fetch on the web; none by default, so nothing here uses the network.
        sandbox: A session for `python`.
        vision_model: For `visualizer` and `objectlocation`.

    Returns:
        LangChain tools; `ToolRegistry` runs them by name.

    Raises:
        ConfigurationError: There is no such folder.
        DataError: The corpus cannot be read.
    """
    folder = Workspace(workspace)
    loaded = corpus if corpus is None or isinstance(corpus, Corpus) else Corpus.load(corpus)
    return [
        *document_tools(folder),
        *table_tools(folder),
        *image_tools(folder),
        *vision_tools(folder, vision_model),
        *maths_tools(),
        *search_tools(loaded, web),
        *plot_tools(folder),
        *code_tools(sandbox),
    ]
