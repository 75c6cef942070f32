"""From a typed function to a LangChain tool, and from a model's arguments to a refusal that helps.

A tool function returns `(text, value)`: what the planner reads, and the same result as plain JSON. Its signature is the
only description of its arguments: names the schema does not have are refused, with the right names in the message.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.utils.pydantic import get_fields
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from tracer1_agents.errors import ToolError
from tracer1_agents.tools.formatting import short

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import CodeType

Output = tuple[str, Any]

# A model that writes expression=5 means "5": refusing it would teach nothing.
_CONFIG: Final = ConfigDict(extra="forbid", coerce_numbers_to_str=True, arbitrary_types_allowed=True)
_patterns: dict[tuple[str, str, CodeType], tuple[str, StructuredTool]] = {}
_SUBJECT: Final = re.compile(r"^\w+ should")  # "Input should", "List should": the argument's name says more


def arguments_model(name: str, fields: Mapping[str, Any]) -> type[BaseModel]:
    """A pydantic model that refuses unknown names.

    Args:
        name: Of the tool.
        fields: Argument name -> (type, default or field).
    """
    return create_model(f"{name}_arguments", __config__=_CONFIG, **dict(fields))


def make_tool(
    function: Callable[..., Output],
    *,
    coroutine: Callable[..., Awaitable[Output]] | None = None,
    name: str = "",
) -> StructuredTool:
    """A tool of this toolbox.

    Args:
        function: Annotated arguments (`Annotated[type, Field(description=...)]`), a docstring for the model, and
            `(text, value)` as its result.
        coroutine: The same for async callers, where cancelling must reach further than a thread.
        name: Of the tool; by default that of the function.
    """
    return _pattern(function, name or function.__name__).model_copy(update={"func": function, "coroutine": coroutine})


def _pattern(function: Callable[..., Output], name: str) -> StructuredTool:
    """A tool with its schemas made: every episode makes its tools anew, from the same functions over other folders."""
    hints = get_type_hints(function, include_extras=True)
    fields = {
        argument: (hints[argument], ... if parameter.default is parameter.empty else parameter.default)
        for argument, parameter in inspect.signature(function).parameters.items()
    }
    description = inspect.getdoc(function) or ""
    known, pattern = _patterns.get((name, description, function.__code__), ("", None))
    if pattern is None or known != repr(fields):
        pattern = StructuredTool(
            name=name,
            description=description,
            args_schema=arguments_model(name, fields),
            func=function,
            response_format="content_and_artifact",
        )
        pattern.args  # noqa: B018  (made when it is asked for, and kept by its copies)
        _patterns[name, description, function.__code__] = repr(fields), pattern
    return pattern


def check_arguments(tool: BaseTool, arguments: Mapping[str, Any]) -> None:
    """Refuse arguments the tool cannot take, in words a model can act on.

    Raises:
        ToolError: An unknown or missing name, or a value of the wrong type.
    """
    takes = f"{tool.name} takes {', '.join(tool.args) or 'no arguments'}"
    unknown = [name for name in arguments if name not in tool.args]
    if unknown and not _takes_anything(tool):
        msg = f'no argument "{short(unknown[0], 40)}"; {takes}'
        raise ToolError(msg)
    schema = tool.args_schema
    if isinstance(schema, dict):
        missing = [name for name in schema.get("required", ()) if name not in arguments]
        if missing:
            msg = f'argument "{missing[0]}" is missing; {takes}'
            raise ToolError(msg)
    elif isinstance(schema, type) and issubclass(schema, BaseModel):
        try:
            schema.model_validate(dict(arguments))
        except ValidationError as error:
            raise ToolError(_explain(error, takes)) from None


def injected_arguments(tool: BaseTool) -> set[str]:
    """The arguments in a tool's schema that LangGraph's ToolNode fills, and that no model is told about."""
    told: Any = tool.tool_call_schema
    return set() if isinstance(told, dict) else set(get_fields(tool.get_input_schema())) - set(get_fields(told))


def _takes_anything(tool: BaseTool) -> bool:
    schema = tool.args_schema
    if isinstance(schema, dict):
        return bool(schema.get("additionalProperties"))
    return isinstance(schema, type) and issubclass(schema, BaseModel) and schema.model_config.get("extra") == "allow"


def _explain(error: ValidationError, takes: str) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "arguments"
    if first["type"] == "missing":
        return f'argument "{name}" is missing; {takes}'
    problem = _SUBJECT.sub("should", first["msg"]).removeprefix("Value error, ")
    return f'argument "{name}" {problem}, got {short(repr(first["input"]))}; {takes}'
