"""Running tools by name, so that whatever happens is an `Execution` a planner can read.

A tool that refuses, arguments that do not fit and plain bugs all become text that starts with "error: "; only what the
sandbox or the network broke is marked as infrastructure. Nothing here knows a particular tool.
"""

from __future__ import annotations

import asyncio
import contextvars
import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, Final

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic_core import to_jsonable_python

from tracer1_agents.actions.space import RESERVED_NAMES, TOOL_NAME, encodable, is_encodable
from tracer1_agents.errors import ConfigurationError, EnvironmentFailure, SandboxError, ToolError
from tracer1_agents.tools.aliases import ALIASES, Alias
from tracer1_agents.tools.bridges import ToolLike, as_langchain_tool
from tracer1_agents.tools.definition import check_arguments
from tracer1_agents.tools.formatting import cut, format_number, short
from tracer1_agents.tools.needs import why_off
from tracer1_agents.types import Execution

IDEMPOTENCY_KEY: Final = "idempotency_key"  # a tool with this argument is run at most once a step (see graphs.once)
TEXT_LIMIT: Final = 8_000  # characters of an observation
VALUE_LIMIT: Final = 200_000  # characters of JSON; traces keep every value


def run_tool(tool: BaseTool, arguments: Mapping[str, Any]) -> Execution:
    """Call a tool and wait for it. Never raises for what the tool does.

    Args:
        tool: Any LangChain tool; an async-only one gets an event loop of its own.
        arguments: By name, as JSON.
    """
    if isinstance(tool, StructuredTool) and tool.func is None:
        context = contextvars.copy_context()
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(context.run, asyncio.run, arun_tool(tool, arguments)).result()
    started = perf_counter()
    try:
        check_arguments(tool, arguments)
        output = tool.invoke(_request(tool, arguments))
    except Exception as error:  # noqa: BLE001  (the boundary where errors become observations)
        return _failure(tool.name, error, perf_counter() - started)
    return _read(tool.name, output, perf_counter() - started)


async def arun_tool(tool: BaseTool, arguments: Mapping[str, Any], *, timeout: float | None = None) -> Execution:  # noqa: ASYNC109  (becomes an Execution, not an exception)
    """Call a tool without blocking the event loop; cancelling the task cancels the call.

    A sync tool runs in a thread. Cancelling or timing out stops waiting for it; the thread itself ends on its own.

    Args:
        tool: Any LangChain tool.
        arguments: By name, as JSON.
        timeout: Seconds; a call that takes longer is a failed execution.
    """
    started = perf_counter()
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            check_arguments(tool, arguments)
            output = await tool.ainvoke(_request(tool, arguments))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        given_up = ToolError(f"{tool.name} waited for something that was cancelled")  # within the tool: the run goes on
        return _failure(tool.name, given_up, perf_counter() - started)
    except Exception as error:  # noqa: BLE001  (the boundary where errors become observations)
        late = ToolError(f"{tool.name} took longer than {format_number(timeout or 0.0)} seconds")
        return _failure(tool.name, late if limit.expired() else error, perf_counter() - started)
    return _read(tool.name, output, perf_counter() - started)


class ToolRegistry(Mapping[str, BaseTool]):
    """Tools by name, in the order given.

    Args:
        tools: LangChain tools, smolagents tools, or functions with annotations and a docstring.
        aliases: Other names (and argument names) under which a tool can be called; those whose tool is not here, or
            whose name is taken, are left out.

    Raises:
        ConfigurationError: Two tools have one name, or a name is that of an action or none that a planner can write.
    """

    def __init__(self, tools: Iterable[ToolLike], *, aliases: Mapping[str, Alias] = ALIASES) -> None:
        self._tools: dict[str, BaseTool] = {}
        if not isinstance(tools, Iterable) or isinstance(tools, str):
            msg = f"tools have to be a list of tools, got {type(tools).__name__}; write [tool]"
            raise ConfigurationError(msg)
        for tool in map(as_langchain_tool, tools):
            if not re.fullmatch(TOOL_NAME, tool.name):
                form = "letters, digits, _, - and ., no digit first"
                msg = f'tool "{tool.name}": no planner can write that name; it takes {form}; rename it'
                raise ConfigurationError(msg)
            if tool.name in RESERVED_NAMES:
                msg = f'a tool cannot be named "{tool.name}": that is the name of an action; rename it'
                raise ConfigurationError(msg)
            if tool.name in self._tools:
                msg = f'two tools are named "{tool.name}"; rename one of them'
                raise ConfigurationError(msg)
            self._tools[tool.name] = tool
        self._elsewhere = dict(aliases)
        self._aliases = {
            name: alias for name, alias in aliases.items() if alias.tool in self._tools and name not in self._tools
        }

    def __getitem__(self, name: str) -> BaseTool:
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    def run(self, name: str, arguments: Mapping[str, Any]) -> Execution:
        """Call a tool by name or alias; an unknown name is a failed execution."""
        tool, arguments = self._resolve(name, arguments)
        return run_tool(tool, arguments) if tool else self._unknown(name)

    async def arun(self, name: str, arguments: Mapping[str, Any], *, timeout: float | None = None) -> Execution:  # noqa: ASYNC109  (as arun_tool)
        """`run` for async callers; see `arun_tool`."""
        tool, arguments = self._resolve(name, arguments)
        return await arun_tool(tool, arguments, timeout=timeout) if tool else self._unknown(name)

    def takes_key(self, name: str) -> bool:
        """Whether a tool declares an idempotency key."""
        tool, _ = self._resolve(name, {})
        return tool is not None and IDEMPOTENCY_KEY in tool.args

    def _resolve(self, name: str, arguments: Mapping[str, Any]) -> tuple[BaseTool | None, Mapping[str, Any]]:
        alias = self._aliases.get(name)
        if alias is None:
            return self._tools.get(name), arguments
        return self._tools[alias.tool], alias.translate(arguments)

    def _unknown(self, name: str) -> Execution:
        alias = self._elsewhere.get(name)
        off = why_off(name) or (why_off(alias.tool) if alias is not None else None)
        if off is not None:
            return Execution(ok=False, text=f"error: {off}")
        lowered = {known.lower(): known for known in self._tools}
        close = difflib.get_close_matches(name.lower(), lowered, n=1)
        hint = f' did you mean "{lowered[close[0]]}"?' if close else ""
        listed = ", ".join(self._tools) or "none"
        return Execution(ok=False, text=f'error: no tool "{short(name, 40)}";{hint} tools: {listed}')


def _request(tool: BaseTool, arguments: Mapping[str, Any]) -> Any:
    if tool.response_format == "content" and not tool.handle_tool_error:  # only answers to tool calls have a status
        return dict(arguments)
    return {"type": "tool_call", "id": "call", "name": tool.name, "args": dict(arguments)}


def _read(name: str, output: Any, seconds: float) -> Execution:
    """What a tool returned; output that cannot be read is a failed execution."""
    if _is_of_langgraph(output, "Command"):
        ignored = ToolError(f"{name} ran, but nothing here carries out the Command it returned; only ToolNode does")
        return _failure(name, ignored, seconds)
    if isinstance(output, ToolMessage):
        content, value = output.content, output.artifact
    else:
        content, value = output, None if isinstance(output, str) else output
    try:
        text, plain = _as_text(content), _as_json(value)
    except Exception as error:  # noqa: BLE001  (the same boundary: objects may do anything when they are written)
        told = ToolError(f"{name} ran, but its result cannot be read: {type(error).__name__}: {error}")
        return _failure(name, told, seconds)
    if isinstance(output, ToolMessage) and output.status == "error":  # the tool's own words for what it raised
        return _failure(name, ToolError(text.removeprefix("error: ")), seconds)
    return Execution(text=cut(encodable(text), TEXT_LIMIT), value=plain, seconds=seconds)


def _failure(name: str, error: Exception, seconds: float) -> Execution:
    if _is_of_langgraph(error, "GraphBubbleUp"):
        raise error  # interrupts and parent commands travel as exceptions
    expected = isinstance(error, ToolError | ToolException | ConfigurationError)
    infrastructure = isinstance(error, SandboxError | EnvironmentFailure)
    text = str(error) if expected or infrastructure else f"{name} failed: {type(error).__name__}: {error}"
    return Execution(
        ok=False,
        text=cut(encodable(f"error: {text}"), TEXT_LIMIT),
        seconds=seconds,
        infrastructure=infrastructure,
    )


def _is_of_langgraph(value: object, name: str) -> bool:
    """Whether a value is of a class of LangGraph's, which this room cannot import."""
    return any(cls.__name__ == name and cls.__module__.startswith("langgraph.") for cls in type(value).__mro__)


def _as_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, int | float) and not isinstance(content, bool):
        return format_number(content)
    if isinstance(content, list) and content and all(isinstance(block, dict) and "type" in block for block in content):
        return "\n".join(str(block["text"]) if "text" in block else f"[{block['type']}]" for block in content)
    try:
        return json.dumps(to_jsonable_python(content, fallback=str), ensure_ascii=False)
    except (ValueError, RecursionError):  # bytes that are no text, a circle, a list in a list in a list ...
        return repr(content)


def _as_json(value: Any) -> Any:
    """The value as plain JSON, None where it cannot be, or is too large to keep in every trace."""
    try:
        plain = to_jsonable_python(value, fallback=str, inf_nan_mode="null")
        written = json.dumps(plain, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
    if len(written) > VALUE_LIMIT:
        return None
    return plain if is_encodable(written) else json.loads(encodable(written))
