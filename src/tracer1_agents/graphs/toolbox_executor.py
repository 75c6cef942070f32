"""The frozen tool agent for text tasks: tool calls by name, code in a sandbox session of the episode."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.space import Code, ToolCall
from tracer1_agents.errors import ConfigurationError
from tracer1_agents.tools.base import ToolRegistry, arun_tool, run_tool
from tracer1_agents.tools.code import code_tools
from tracer1_agents.tools.definition import injected_arguments
from tracer1_agents.types import Execution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from langchain_core.tools import BaseTool

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
        timeout: Seconds for one execution; a synchronous tool call is waited for, since nothing can end its thread.
        close: Called when a run is cancelled in mid-execution, to end what it started (kill the sandbox).

    Raises:
        ConfigurationError: A tool needs an argument that only LangGraph's ToolNode can fill.
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
        for tool in self.registry.values():
            _check_fillable(tool)
        self.timeout, self._close = timeout, close
        self._python = code_tools(session, timeout=timeout)[0]

    def execute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """Run one action in the calling thread."""
        del instruction, observation
        try:
            match action:
                case ToolCall():
                    return self.registry.run(action.name, action.arguments)
                case Code():
                    return run_tool(self._python, {"code": action.source})
            return _refused(action)
        except KeyboardInterrupt:
            self._abandon()
            raise

    async def aexecute(self, action: Action, instruction: str, observation: Observation) -> Execution:
        """Run one action without blocking the event loop; cancelling it ends the sandbox too."""
        del instruction, observation
        try:
            match action:
                case ToolCall():
                    return await self.registry.arun(action.name, action.arguments, timeout=self.timeout)
                case Code():
                    return await arun_tool(self._python, {"code": action.source})
            return _refused(action)
        except asyncio.CancelledError:
            self._abandon()
            raise

    def takes_key(self, action: Action) -> bool:
        """Whether the action calls a tool that declares an idempotency key."""
        return isinstance(action, ToolCall) and self.registry.takes_key(action.name)

    def _abandon(self) -> None:
        if self._close is not None:
            self._close()


def _check_fillable(tool: BaseTool) -> None:
    """Refuse a tool that could never succeed here, before a planner is blamed for it."""
    schema: Any = tool.get_input_schema()
    needed = sorted(name for name in injected_arguments(tool) if schema.model_fields[name].is_required())
    if needed:
        msg = (
            f'tool "{tool.name}": nothing fills its argument "{needed[0]}" here, only ToolNode does; close '
            "over the value, or use AnticipatoryPlanningMiddleware with create_agent"
        )
        raise ConfigurationError(msg)


def _refused(action: Action) -> Execution:
    return Execution(ok=False, text=f"error: the toolbox cannot carry out {action.kind}; use a tool or code")
