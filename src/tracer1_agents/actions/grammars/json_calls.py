"""Calls written as JSON objects, in the spellings of chat models: shared by the Qwen and the generic dialect.

`{"action": "click", "arguments": {...}}`, `{"tool": ..., "args": ...}`, `{"name": ..., "arguments": "<JSON text>"}`,
`{"function": {...}}`, arguments beside the name: which key means what is written here once.
"""

from __future__ import annotations

from typing import Any, Final

from tracer1_agents.actions.codec import Broken, ParseOutcome, RawCall
from tracer1_agents.actions.grammars.call_scanner import CallScanner
from tracer1_agents.actions.grammars.canonical import FINISH_NAMES
from tracer1_agents.actions.grammars.scanner import ANY_BLANKS, RESULT, Scanner
from tracer1_agents.actions.grammars.spelling import is_spelling
from tracer1_agents.actions.space import Result

NAME_KEYS: Final = ("action", "tool", "tool_name", "function", "kind", "name", "type")
_ARGUMENT_KEYS: Final = ("arguments", "args", "parameters", "params", "input", "action_input", "kwargs")
_INSTRUCTION_KEYS: Final = ("instruction", "step_instruction", "thought", "reason")
_NUMBERING: Final = ("step", "id", "index")


def read_instruction(item: Any) -> str:
    """The step instruction that stands beside a call, "" where there is none."""
    if not isinstance(item, dict):
        return ""
    return next((item[key] for key in _INSTRUCTION_KEYS if isinstance(item.get(key), str)), "")


def read_json_call(item: Any) -> RawCall:
    """The call that a JSON value means.

    Args:
        item: An object, or text of the form ``name(key=value)``.

    Raises:
        Broken: There is no name in it (SYNTAX), or its arguments are no object (BAD_ARGUMENT).
    """
    if isinstance(item, str):
        return _written_out(item)
    if not isinstance(item, dict):
        raise Broken(ParseOutcome.SYNTAX, f'expected {{"action": ..., "arguments": {{...}}}}, got {str(item)[:40]!r}')
    key = next((key for key in NAME_KEYS if item.get(key) is not None), None)
    if key == "type" and isinstance(item.get("function"), dict):
        key = "function"
    name = item.get(key) if key is not None else None
    if isinstance(name, dict):
        return read_json_call(name)
    if not isinstance(name, str) or not name.strip():
        raise Broken(ParseOutcome.SYNTAX, f'an "action" name is missing in {str(item)[:60]!r}')
    if "(" in name:
        return _written_out(name)
    beside = {other: value for other, value in item.items() if other != key}
    if name == "tool":
        return _inner_tool(beside)
    return RawCall(_plain_name(name), _arguments(name, beside))


def _plain_name(name: str) -> str:
    """Turns "Final Answer" into final_answer; a name that could be a tool's stays as it is."""
    lowered = "_".join(name.lower().split())
    return lowered if lowered in FINISH_NAMES else name


def _inner_tool(beside: dict[str, Any]) -> RawCall:
    """A tool call whose kind is written out: its name stands beside it or among its arguments."""
    inner = beside if any(key in beside for key in ("tool_name", "name")) else _arguments("tool", beside)
    name = inner.get("tool_name", inner.get("name"))
    if not isinstance(name, str) or name == "tool" or is_spelling(name):
        raise Broken(ParseOutcome.BAD_ARGUMENT, f"tool needs the name of a tool, got {str(name)[:40]!r}")
    return RawCall(name, _arguments(name, {key: value for key, value in inner.items() if key not in NAME_KEYS}))


def _arguments(name: str, beside: dict[str, Any]) -> dict[str, Any]:
    """The arguments under whichever key, or else everything that stands beside the name."""
    key = next((key for key in _ARGUMENT_KEYS if key in beside), None)
    if key is None:
        return {other: value for other, value in beside.items() if other not in _INSTRUCTION_KEYS + _NUMBERING}
    value = beside[key]
    if isinstance(value, str) and _plain_name(name) in FINISH_NAMES and not value.lstrip().startswith("{"):
        return {"answer": value}
    if isinstance(value, str) and value.strip():
        value = _whole_value(value)
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise Broken(ParseOutcome.BAD_ARGUMENT, f"{name}: {key} must be an object, got {str(value)[:40]!r}")
    return value


def _whole_value(text: str) -> Any:
    """The JSON value that `text` is, or `text` itself if it is none."""
    scanner = Scanner(text, blanks=ANY_BLANKS)
    try:
        value = scanner.value()
    except Broken:
        return text
    scanner.skip()
    return value if scanner.end() else text


def _written_out(text: str) -> RawCall:
    scanner = CallScanner(text)
    call = scanner.call()
    scanner.skip()
    if scanner.end():
        return call
    raise Broken(ParseOutcome.SYNTAX, f"one call fits here, got {scanner.rest(30)!r} after it")


def with_placeholders(value: Any) -> Any:
    """A tool's argument with texts that are nothing but ``Result(step=k)`` as `Result`; JSON has no other way."""
    if isinstance(value, str) and (match := RESULT.fullmatch(value)):
        return Result(int(match.group(1)))
    if isinstance(value, dict):
        return {key: with_placeholders(item) for key, item in value.items()}
    return [with_placeholders(item) for item in value] if isinstance(value, list) else value
