"""Tools of other libraries as LangChain tools, and LangChain tools for smolagents.

smolagents describes arguments as a dict of JSON-schema-like entries, LangChain as a pydantic model or a JSON schema;
both directions keep names, descriptions, defaults and enums. A picture is a PIL image there, a data URL as an argument
and a content block as a result here; a LangChain tool with pictures says so in its metadata: `{"output_type": "image",
"image_arguments": ["photo"]}`. MCP tools need no bridge: langchain-mcp-adapters gives LangChain tools.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, Literal, Protocol, runtime_checkable

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field, PydanticInvalidForJsonSchema, PydanticUserError

from tracer1_agents.errors import ConfigurationError, ToolError
from tracer1_agents.tools.definition import arguments_model, check_arguments
from tracer1_agents.tools.picture_blocks import block_of, data_url_of, first_picture, picture_of
from tracer1_agents.tools.workspace import optional

_PYTHON_TYPES: Final[dict[str, Any]] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list[Any],
    "object": dict[str, Any],
    "null": None,
    "image": str,  # a data URL
}

_JSON_TYPES: Final = {"string", "integer", "number", "boolean", "array", "object", "null"}


@runtime_checkable
class SmolagentsTool(Protocol):
    """What this room uses of `smolagents.Tool`."""

    name: str
    description: str
    inputs: dict[str, dict[str, Any]]
    output_type: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the tool."""
        ...


ToolLike = BaseTool | SmolagentsTool | Callable[..., Any]


def as_langchain_tool(tool: Any) -> BaseTool:
    """Any accepted kind of tool as a LangChain tool.

    Args:
        tool: A LangChain tool, a smolagents tool, or a function (async too) with annotations and a docstring.

    Raises:
        ConfigurationError: It is none of these, a function lacks its docstring or yields, or a schema describes no
            object.
    """
    if isinstance(tool, BaseTool):
        return _with_object_schema(tool)
    if isinstance(tool, SmolagentsTool):
        return from_smolagents(tool)
    if not inspect.isroutine(tool):
        msg = f"a tool must be a LangChain tool, a smolagents tool or a function, got {type(tool).__name__}"
        raise ConfigurationError(msg)
    if not inspect.getdoc(tool):
        msg = f'function "{tool.__name__}" needs a docstring to be a tool: the planner reads it'
        raise ConfigurationError(msg)
    if inspect.isasyncgenfunction(tool) or inspect.isgeneratorfunction(tool):
        msg = f'function "{tool.__name__}" yields, and a tool returns: collect what it yields and return that'
        raise ConfigurationError(msg)
    is_async = inspect.iscoroutinefunction(tool)
    return StructuredTool.from_function(
        func=None if is_async else tool,
        coroutine=tool if is_async else None,
        parse_docstring=True,
        error_on_invalid_docstring=False,
    )


def _with_object_schema(tool: BaseTool) -> BaseTool:
    """The tool, if its arguments are described as an object; one without a word about them takes none.

    Raises:
        ConfigurationError: They are described as something else.
    """
    schema = tool.args_schema
    if not isinstance(schema, dict):
        try:
            tool.args  # noqa: B018  (made when it is asked for)
        except (PydanticInvalidForJsonSchema, PydanticUserError) as error:
            msg = f'tool "{tool.name}": its arguments cannot be written as a JSON schema: {str(error).splitlines()[0]}'
            raise ConfigurationError(msg) from error
        if hidden := _given_by_alias_alone(schema):
            msg = (
                f'tool "{tool.name}": its argument "{hidden}" is shown by that name and taken by its alias alone; set '
                "populate_by_name=True in the model_config of its arguments, or leave the alias out"
            )
            raise ConfigurationError(msg)
        return tool
    properties = schema.get("properties", {})
    if schema.get("type", "object") != "object" or not isinstance(properties, dict):
        msg = (
            f'tool "{tool.name}": its arguments have to be a JSON schema of type object with properties by name, '
            f"got {str(schema)[:80]}"
        )
        raise ConfigurationError(msg)
    unknown = [name for name, spec in properties.items() if not _is_schema(spec, schema)]
    if unknown:
        msg = (
            f'tool "{tool.name}": argument "{unknown[0]}" has no valid JSON schema: {str(properties[unknown[0]])[:80]}'
        )
        raise ConfigurationError(msg)
    return tool if "properties" in schema else tool.model_copy(update={"args_schema": {**schema, "properties": {}}})


def _given_by_alias_alone(schema: Any) -> str | None:
    """An argument that nobody could give: LangChain tells models the names of fields, pydantic takes aliases."""
    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        return None
    if schema.model_config.get("populate_by_name") or schema.model_config.get("validate_by_name"):
        return None
    return next(
        (name for name, field in schema.model_fields.items() if field.validation_alias not in (None, name)), None
    )


def _is_schema(spec: Any, document: dict[str, Any]) -> bool:
    """Whether an argument's types are JSON's and its reference leads somewhere."""
    if not isinstance(spec, dict):
        return isinstance(spec, bool)
    kinds = spec.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    section, _, name = str(spec.get("$ref", "")).removeprefix("#/").rpartition("/")
    leads = not str(spec.get("$ref", "")).startswith("#/") or name in document.get(section, {})
    return leads and all(kind in _JSON_TYPES for kind in kinds)


def from_smolagents(tool: SmolagentsTool) -> BaseTool:
    """A smolagents tool as a LangChain tool."""
    fields = {name: _field(spec) for name, spec in tool.inputs.items()}
    pictures = [name for name, spec in tool.inputs.items() if spec["type"] == "image"]

    def call(**arguments: Any) -> Any:
        given = {
            name: picture_of(value) if name in pictures else value
            for name, value in arguments.items()
            if value is not None
        }
        result = tool(**given)
        return [block_of(result)] if tool.output_type == "image" else result

    return StructuredTool(
        name=tool.name,
        description=tool.description,
        args_schema=arguments_model(tool.name, fields),
        func=call,
        metadata={"output_type": tool.output_type, "image_arguments": pictures},
    )


def to_smolagents(tool: BaseTool) -> Any:
    """A LangChain tool as a `smolagents.Tool`, failures raised as `ToolError`.

    Raises:
        MissingExtraError: smolagents is not installed.
    """
    smolagents = optional("smolagents", "a smolagents tool")
    from tracer1_agents.tools.base import run_tool  # noqa: PLC0415  (base builds on this module)

    names = list(tool.args)
    shows = (tool.metadata or {}).get("output_type") == "image"

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001  (a method)
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        arguments = {name: data_url_of(value) if hasattr(value, "save") else value for name, value in given.items()}
        if shows:
            check_arguments(tool, arguments)
            return first_picture(tool.invoke(arguments))
        execution = run_tool(tool, arguments)
        if not execution.ok:
            raise ToolError(execution.text.removeprefix("error: "))
        return execution.text

    members = {
        "name": tool.name,
        "description": tool.description,
        "inputs": _smolagents_inputs(tool),
        "output_type": "image" if shows else "string",
        "skip_forward_signature_validation": True,  # forward takes whatever `inputs` names
        "forward": forward,
    }
    return type(f"{tool.name}_bridge", (smolagents.Tool,), members)()


def _field(spec: dict[str, Any]) -> tuple[Any, Any]:
    kinds = spec["type"] if isinstance(spec["type"], list) else [spec["type"]]
    annotation: Any = Literal[tuple(spec["enum"])] if spec.get("enum") else _union(kinds)
    description = spec.get("description", "")
    if spec.get("nullable") or "default" in spec:
        return annotation | None, Field(default=spec.get("default"), description=description)
    return annotation, Field(description=description)


def _union(kinds: list[str]) -> Any:
    types = [_PYTHON_TYPES.get(kind, Any) for kind in kinds]
    union = types[0]
    for other in types[1:]:
        union = union | other
    return union


def _smolagents_inputs(tool: BaseTool) -> dict[str, dict[str, Any]]:
    schema: Any = tool.tool_call_schema  # a pydantic model or a JSON schema
    document = schema if isinstance(schema, dict) else schema.model_json_schema()
    required = set(document.get("required", ()))
    definitions = document.get("$defs", {})
    inputs: dict[str, dict[str, Any]] = {}
    pictures = (tool.metadata or {}).get("image_arguments", ())
    for name, spec in document.get("properties", {}).items():
        inputs[name] = _smolagents_input(spec, definitions)
        if name in pictures:
            inputs[name]["type"] = "image"
        if name not in required:
            inputs[name]["nullable"] = True
    return inputs


def _smolagents_input(spec: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """One argument; a choice of several types is "any", and nested fields are told in the description."""
    resolved = {**_follow(spec, definitions), **{key: value for key, value in spec.items() if key != "$ref"}}
    options = [_follow(option, definitions) for option in resolved.get("anyOf", [resolved])]
    real = [option for option in options if option.get("type") != "null"]
    kind = real[0].get("type", "any") if len(real) == 1 else "any"
    found = {"type": kind, "description": resolved.get("description") or resolved.get("title", "")}
    if len(real) == 1 and "enum" in real[0]:
        found["enum"] = real[0]["enum"]
    if len(real) == 1 and "properties" in real[0]:
        found["description"] += f" (an object with {', '.join(real[0]['properties'])})"
    if len(real) < len(options):
        found["nullable"] = True
    return found


def _follow(spec: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    reference = spec.get("$ref", "")
    return definitions.get(reference.removeprefix("#/$defs/"), {}) if reference else spec
