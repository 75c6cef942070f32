"""The frozen tool agent for text tasks: tool calls by name, code in a sandbox session of the episode."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from tracer1_agents.actions.space import Code, ToolCall
from tracer1_agents.errors import ToolError, ToolUnavailableError
from tracer1_agents.tools.base import ToolRegistry
from tracer1_agents.tools.code import run_code
from tracer1_agents.types import Execution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracer1_agents.actions.space import Action
    from tracer1_agents.tools.bridges import ToolLike
    from tracer1_agents.tools.code import CodeSession
    from tracer1_agents.types import Observation

_TOOL_TIMEOUT: Final = 60.0  # seconds


class ToolboxExecutor:
    """Runs tool calls and code blocks; whatever happens becomes an `Execution`.

    Args:
        tools: LangChain tools, smolagents tools or functions, or a registry of them.
        session: Where `Code` actions run; without one they are refused as an observation.
        timeout: Seconds for one execution.
        close: Called when a run is cancelled in mid-execution, to end what it started (kill the sandbox).
    """

    def __init__(
        self,
        tools: ToolRegistry | Iterable[ToolLike],
        *,
        session: CodeSession | None = None,
        timeout: float = _TOOL_TIMEOUT,
        close: Callable[[], None] | None = None,
    ) -> None:
        self.registry = tools if isinstance(tools, ToolRegistry) else ToolRegistry(tools)
        self.session, self.timeout, self._close = session, timeout, close

    def execute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """Run one action in the calling thread."""
        del instruction, observation
        try:
            return self._run(action)
        except KeyboardInterrupt:
            self._abandon()
            raise

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """Run one action without blocking the event loop; cancelling it ends the sandbox too."""
        del instruction, observation
        try:
            if isinstance(action, ToolCall):
                return await self.registry.arun(action.name, action.arguments, timeout=self.timeout)
            return await asyncio.to_thread(self._run, action)
        except asyncio.CancelledError:
            self._abandon()
            raise

    def _run(self, action: Action) -> Execution:
        match action:
            case ToolCall():
                return self.registry.run(action.name, action.arguments)
            case Code():
                return self._run_code(action.source)
        return Execution(ok=False, text=f"error: the toolbox cannot carry out {action.kind}; use a tool or code")

    def _run_code(self, source: str) -> Execution:
        began = time.perf_counter()
        try:
            if self.session is None:
                msg = "code cannot run here: no sandbox is configured; use the other tools"
                raise ToolUnavailableError(msg)  # noqa: TRY301  (one place turns errors into text)
            text, ok, lost = run_code(self.session, source, timeout=self.timeout), True, False
        except ToolError as error:
            text, ok, lost = f"error: {error}", False, False
        except Exception as error:  # noqa: BLE001  (the sandbox broke, not the code in it)
            text, ok, lost = f"error: the sandbox failed: {error}", False, True
        return Execution(ok=ok, text=text, seconds=time.perf_counter() - began, infrastructure=lost)

    def _abandon(self) -> None:
        if self._close is not None:
            self._close()

