"""The toolbox for one workspace folder, in the order a prompt lists it: what works here, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tracer1_agents.tools.backends import NO_BACKENDS, Backends
from tracer1_agents.tools.browsing import Paged, browsing_tools
from tracer1_agents.tools.code import code_tools
from tracer1_agents.tools.documents import document_tools
from tracer1_agents.tools.images import image_tools
from tracer1_agents.tools.made_pictures import made_picture_tools
from tracer1_agents.tools.maths import maths_tools
from tracer1_agents.tools.needs import is_live
from tracer1_agents.tools.plots import plot_tools
from tracer1_agents.tools.search import Corpus, search_tools
from tracer1_agents.tools.table_tools import table_tools
from tracer1_agents.tools.vision import vision_tools
from tracer1_agents.tools.workspace import Workspace

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from tracer1_agents.tools.backends import VisionModel
    from tracer1_agents.tools.code import CodeSession
    from tracer1_agents.tools.search import WebBackend


def default_toolbox(
    workspace: Path | str,
    *,
    corpus: Path | str | Corpus | None = None,
    web: WebBackend | None = None,
    sandbox: CodeSession | None = None,
    vision_model: VisionModel | None = None,
    backends: Backends | None = None,
) -> list[BaseTool]:
    """The tools of this room that work here, confined to one folder.

    A tool whose library, program or backend is missing is not in the list; called all the same, a registry says what it
    needs.

    Args:
        workspace: The task's folder; the tools see nothing else.
        corpus: A JSONL file of `title`, `url`, `text` for the search tools, or one already loaded.
        web: Search and fetch on the web; none by default, so nothing here uses the network.
        sandbox: A session for `python`.
        vision_model: Answers questions about pictures and finds things in them; short for both in `backends`.
        backends: Models for the other tools.

    Returns:
        LangChain tools; `ToolRegistry` runs them by name.

    Raises:
        ConfigurationError: There is no such folder.
        DataError: The corpus cannot be read.
    """
    folder = Workspace(workspace)
    loaded = load_corpus(corpus)
    models = with_vision_model(backends, vision_model)
    paged = Paged(web, loaded) if web is not None else None
    tools = [
        *document_tools(folder, models),
        *table_tools(folder),
        *image_tools(folder),
        *vision_tools(folder, models),
        *made_picture_tools(folder, models),
        *maths_tools(),
        *search_tools(loaded, web, paged.visit if paged is not None else None),
        *browsing_tools(folder, paged),
        *plot_tools(folder),
        *code_tools(sandbox),
    ]
    given = models.given() | handed_in(loaded, web, sandbox)
    return [tool for tool in tools if is_live(tool.name, given)]


def load_corpus(corpus: Path | str | Corpus | None) -> Corpus | None:
    """A corpus, read where it is a file."""
    return corpus if corpus is None or isinstance(corpus, Corpus) else Corpus.load(Path(corpus))


def with_vision_model(backends: Backends | None, vision_model: VisionModel | None) -> Backends:
    """The backends, with one model for questions and places where these have none of their own."""
    models = backends or NO_BACKENDS
    if vision_model is None:
        return models
    return replace(models, questions=models.questions or vision_model, detector=models.detector or vision_model)


def handed_in(corpus: Corpus | None, web: WebBackend | None, sandbox: CodeSession | None) -> frozenset[str]:
    """What was handed in beside models, as `needs` names it."""
    there = {
        "corpus": corpus is not None,
        "web": web is not None,
        "search": web is not None and getattr(web, "searches", True),
        "download": web is not None and hasattr(web, "download"),
        "sandbox": sandbox is not None,
    }
    return frozenset(kind for kind, given in there.items() if given)
