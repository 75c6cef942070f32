"""One episode's workplace: a folder, the toolbox confined to it, a sandbox session, and the executor over all three.

with open_workbench(folder) as executor:
    agent.invoke({"instruction": task}, context=Tracer1Context(toolbox=executor))
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tracer1_agents.errors import SandboxUnavailableError
from tracer1_agents.graphs.toolbox_executor import ToolboxExecutor
from tracer1_agents.sandboxes.base import DEFAULT_LIMITS
from tracer1_agents.sandboxes.choose import default_sandbox
from tracer1_agents.sandboxes.lazy import LazySession
from tracer1_agents.tools.base import ToolRegistry
from tracer1_agents.tools.code import host_calls
from tracer1_agents.tools.desk import DeskRegistry, has_desk
from tracer1_agents.tools.toolbox import default_toolbox
from tracer1_agents.tools.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracer1_agents.sandboxes.base import Limits, Sandbox
    from tracer1_agents.tools.backends import Backends, VisionModel
    from tracer1_agents.tools.search import Corpus, WebBackend


def find_sandbox() -> tuple[Sandbox | None, str]:
    """A sandbox that works here, or None and the reason.

    Returns:
        The sandbox and "", or None and a message that says what to install.
    """
    try:
        return default_sandbox(), ""
    except SandboxUnavailableError as error:
        return None, str(error)


@contextmanager
def open_workbench(
    workspace: Path | str,
    *,
    sandbox: Sandbox | None = None,
    corpus: Path | str | Corpus | None = None,
    web: WebBackend | None = None,
    vision_model: VisionModel | None = None,
    backends: Backends | None = None,
    timeout: float = 60.0,
    limits: Limits | None = None,
) -> Iterator[ToolboxExecutor]:
    """The default toolbox over one folder, for one episode; with the desk tools where the folder has a desk.

    Args:
        workspace: The task's folder; tools see and write nothing else.
        sandbox: Where `python` and code blocks run, started at first use; None turns them off.
        corpus: For the search tools.
        web: Search and fetch on the web; none by default.
        vision_model: For the tools that look at pictures.
        backends: Further models for tools; see `default_toolbox`.
        timeout: See `ToolboxExecutor`.
        limits: Of the sandbox: memory, and how many files of which size go in and come back (what does not is named in
            the result of the code); None: `sandboxes.base.DEFAULT_LIMITS`.

    Yields:
        An executor; leaving the block ends the sandbox.
    """
    registry: ToolRegistry
    workspace = Path(workspace)

    session = None
    if sandbox is not None:
        session = LazySession(lambda: sandbox.open(workspace, host_calls(registry), limits or DEFAULT_LIMITS))
    tools = default_toolbox(
        workspace, corpus=corpus, web=web, sandbox=session, vision_model=vision_model, backends=backends
    )
    registry = DeskRegistry(tools, Workspace(workspace)) if has_desk(workspace) else ToolRegistry(tools)
    close = session.close if session is not None else None
    try:
        yield ToolboxExecutor(registry, session=session, timeout=timeout, close=close)
    finally:
        if close is not None:
            close()
