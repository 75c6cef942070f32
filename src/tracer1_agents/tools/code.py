"""`python`: run code in a sandbox session that the caller hands in, and the toolbox as functions inside that code.

This room knows only the shape of a session; which sandbox it is, and what it keeps out, is decided where it is built.
Code that fails is an observation; a sandbox that fails is a `SandboxError` and passes through.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol, runtime_checkable

from pydantic import Field

from tracer1_agents.errors import SandboxError, ToolError, ToolUnavailableError
from tracer1_agents.sandboxes.notes import dropped_note, missing_note
from tracer1_agents.tools.definition import Output, make_tool
from tracer1_agents.tools.formatting import cut, format_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.tools import BaseTool

    from tracer1_agents.tools.base import ToolRegistry

TIMEOUT: Final = 30.0  # seconds
_NO_OUTPUT: Final = "no output; print what you need"
_KEPT_OUTPUT: Final = 2_000  # characters of what was printed before an error


class CodeResult(Protocol):
    """What this room reads of a session's result; `sandboxes.base.RunResult` has it."""

    @property
    def ok(self) -> bool:
        """Whether the code ran to its end."""
        ...

    @property
    def stdout(self) -> str:
        """What it printed."""
        ...

    @property
    def value(self) -> str | None:
        """Its last expression, as text."""
        ...

    @property
    def error(self) -> str | None:
        """One line such as "NameError: ..."."""
        ...

    @property
    def timed_out(self) -> bool:
        """Whether its time was up."""
        ...

    @property
    def files(self) -> tuple[str, ...]:
        """Files it wrote."""
        ...

    @property
    def missing_files(self) -> tuple[str, ...]:
        """Files of the workspace that it did not see, each as "path: reason"."""
        ...

    @property
    def dropped_files(self) -> tuple[str, ...]:
        """Files it wrote that were not kept, each as "path: reason"."""
        ...

    @property
    def state_lost(self) -> bool:
        """Whether the next run starts without the variables of this one."""
        ...


class CodeSession(Protocol):
    """One interpreter whose variables live from run to run."""

    def run(self, code: str, *, timeout: float) -> CodeResult:
        """Run code, at most `timeout` seconds. Raises `SandboxError` when the sandbox itself fails."""
        ...


@runtime_checkable
class AsyncCodeSession(CodeSession, Protocol):
    """A session that can be cancelled."""

    async def arun(self, code: str, *, timeout: float) -> CodeResult:  # noqa: ASYNC109  (the session ends the code)
        """`run` without blocking; cancelling it stops the code."""
        ...


def code_tools(session: CodeSession | None, *, timeout: float = TIMEOUT) -> list[BaseTool]:
    """`python` in one session.

    Args:
        session: Where code runs; None leaves the tool in the list, answering what to configure.
        timeout: Seconds for one block.
    """

    def python(code: Annotated[str, Field(description="Python; variables stay for the next call")]) -> Output:
        """Run Python code in a sandbox; print what you need to see."""
        return _output(_configured(session).run(code, timeout=timeout), timeout)

    async def cancellable(code: str) -> Output:
        present = _configured(session)
        if isinstance(present, AsyncCodeSession):
            return _output(await present.arun(code, timeout=timeout), timeout)
        return await asyncio.to_thread(python, code)

    return [make_tool(python, coroutine=cancellable)]


def _configured(session: CodeSession | None) -> CodeSession:
    if session is None:
        msg = "python is off here: configure a sandbox"
        raise ToolUnavailableError(msg)
    return session


def _output(result: CodeResult, timeout: float) -> Output:
    return output_text(result, timeout), {"files": list(result.files)}


def output_text(result: CodeResult, timeout: float) -> str:
    """What a block of code printed, then the value of its last expression, then which files it did not see.

    Args:
        result: Of the run.
        timeout: Seconds it had.

    Raises:
        ToolError: The code failed ("NameError: ...", followed by what it had printed), or files that it wrote are lost:
            what comes after it counts on them.
    """
    printed = result.stdout.strip("\n")
    missing, dropped = missing_note(result.missing_files), dropped_note(result.dropped_files)
    if not result.ok:
        problem = f"TimeoutError: the code ran longer than {format_number(timeout)} seconds"
        if not result.timed_out:
            problem = result.error or "Error: the code failed without a message"
        if result.state_lost:
            problem += "; Python was restarted, its variables are gone"
        before = f"printed before: {cut(printed, _KEPT_OUTPUT)}" if printed else ""
        raise ToolError("\n".join(filter(None, (problem, before, dropped, missing))))
    said = "\n".join(filter(None, (printed, result.value)))
    if dropped:
        kept = f"{dropped}\nthe code ran to its end; its variables and {len(result.files)} other files are kept"
        told = f"printed: {cut(said, _KEPT_OUTPUT)}" if said else ""
        raise ToolError("\n".join(filter(None, (kept, told, missing))))
    return "\n".join(filter(None, (said or _NO_OUTPUT, missing)))


def host_calls(registry: ToolRegistry) -> dict[str, Callable[..., Any]]:
    """The tools as functions for code in a sandbox, to hand to a session as its host calls.

    Each takes JSON arguments by name or in the order of its schema and gives its JSON value, or its text where it has
    none. `python` itself is left out: code does not start code through the host.

    Args:
        registry: The toolbox.
    """
    return {name: _host_call(registry, name) for name in registry if name != "python"}


def _host_call(registry: ToolRegistry, name: str) -> Callable[..., Any]:
    order = list(registry[name].args)

    def call(*positional: Any, **arguments: Any) -> Any:
        if len(positional) > len(order):
            msg = f"{name} takes {', '.join(order) or 'no arguments'}; got {len(positional)} arguments"
            raise ToolError(msg)
        execution = registry.run(name, {**dict(zip(order, positional, strict=False)), **arguments})
        if execution.infrastructure:
            raise SandboxError(execution.text)
        if not execution.ok:
            raise ToolError(execution.text.removeprefix("error: "))
        return execution.text if execution.value is None else execution.value

    return call
