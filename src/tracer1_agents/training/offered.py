"""What prompts of tool tasks say can be called: one list for training rows and for the graph that makes rollouts."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from tracer1_agents.tools.desk.tools import desk_tools
from tracer1_agents.tools.search import Corpus
from tracer1_agents.tools.toolbox import default_toolbox
from tracer1_agents.tools.workspace import Workspace

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from tracer1_agents.training.mixture import MixtureConfig


def offered_tools(config: MixtureConfig) -> list[BaseTool]:
    """The toolbox of this machine, with what generated tasks bring: a corpus to search, and the desk of those with one.

    The tools are for names and schemas alone: the folder that they were made for is gone.

    Args:
        config: Whose sources they are for.
    """
    generated = [source for source in config.sources if source.reader == "taskgen"]
    has_desk = any(getattr(source, "world", None) is not None for source in generated)
    with tempfile.TemporaryDirectory() as nowhere:
        tools = default_toolbox(nowhere, corpus=Corpus([]) if generated else None)
        return [*tools, *(desk_tools(Workspace(nowhere)) if has_desk else [])]
