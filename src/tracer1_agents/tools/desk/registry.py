"""A tool registry at a desk: every call of an episode counts, and what has to wait is refused.

A call passes in this order: the fault of the task, if it is this call's turn (it times out, reaches no tool and is not
counted); the budget; finished conversions, whose results are put into the folder; files that are not there yet or
sealed, however their path is spelled; then the tool itself. A call that is refused or fails was made all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracer1_agents.tools.base import ToolRegistry
from tracer1_agents.tools.desk.state import DeskState, DeskStore
from tracer1_agents.tools.desk.tools import desk_tools
from tracer1_agents.types import Execution

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tracer1_agents.tools.bridges import ToolLike
    from tracer1_agents.tools.workspace import Workspace


class DeskRegistry(ToolRegistry):
    """Tools of a workspace with a desk, for one episode and one call at a time.

    Args:
        tools: The other tools; the desk's own are added.
        workspace: Whose desk.
    """

    def __init__(self, tools: Iterable[ToolLike], workspace: Workspace) -> None:
        super().__init__([*tools, *desk_tools(workspace)])
        self._store = DeskStore(workspace)

    def run(self, name: str, arguments: Mapping[str, Any]) -> Execution:
        """Call a tool by name, unless the desk refuses; an unknown name is a failed execution."""
        return self._refusal(name, arguments) or super().run(name, arguments)

    async def arun(self, name: str, arguments: Mapping[str, Any], *, timeout: float | None = None) -> Execution:  # noqa: ASYNC109  (as ToolRegistry)
        """`run` for async callers."""
        return self._refusal(name, arguments) or await super().arun(name, arguments, timeout=timeout)

    def _refusal(self, name: str, arguments: Mapping[str, Any]) -> Execution | None:
        """Count the call; what the planner reads where it goes no further."""
        state = self._store.read()
        if state.fault and state.fault == state.made + 1:
            state.fault = 0
            self._store.write(state)
            return _failed(f"{name} failed: TimeoutError: no answer within 30 seconds")
        if state.calls is not None and state.made >= state.calls:
            return _failed(f"all {state.calls} calls are used up")
        state.made += 1
        self._deliver(state)
        self._store.write(state)
        named = {self._store.workspace.listed_name(value) for value in arguments.values() if isinstance(value, str)}
        for output in named & {job.output for job in state.jobs}:
            return _failed(f'"{output}" is not ready')
        for archive in named & set(state.sealed):
            return _failed(f'"{archive}" is sealed')
        return None

    def _deliver(self, state: DeskState) -> None:
        """Put finished conversions into the folder."""
        for job in [job for job in state.jobs if job.due < state.made]:
            self._store.pending(job.output).replace(self._store.workspace.root / job.output)
            state.jobs.remove(job)


def _failed(message: str) -> Execution:
    return Execution(ok=False, text=f"error: {message}")
