"""Blocks of ReAct code as actions: one tool call, a final answer, or plain code. Read by `ast`, never evaluated.

A block counts as one tool call when it is exactly that: ``tool(...)`` with literal arguments (or names that got a
literal just before), bare or printed or assigned and then printed. Then the recorded output is the tool's own result.
A block that computes, calls twice or assigns a name that later blocks use stays code.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tracer1_agents.actions.space import ToolCall
from tracer1_agents.data.readers.base import RecordError, build

if TYPE_CHECKING:
    from tracer1_agents.actions.space import Action

FINAL: Final = "final_answer"
TOOLS: Final[dict[str, tuple[str, ...]]] = {  # names and argument order: mat-agent/MAT-Agent
    "ask_search_agent": ("query",),
    "visualizer": ("question", "image_path"),
    "inspect_file_as_text": ("file_path", "question"),
    "objectlocation": ("object", "image_path"),
    "facedetection": ("image_path",),
    "segmentation": ("image_path", "prompt"),
    "image_generator": ("prompt",),
    "image_edit": ("prompt", "image_path"),
    "ocr": ("image_path",),
}


@dataclass(frozen=True)
class Block:
    """One block of code.

    Attributes:
        source: As written.
        tree: Parsed, None when it is no Python.
    """

    source: str
    tree: ast.Module | None

    @property
    def names_used(self) -> frozenset[str]:
        """Names that the block reads."""
        nodes = ast.walk(self.tree) if self.tree else ()
        return frozenset(node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))

    @property
    def hands_over(self) -> bool:
        """Whether it calls ``final_answer`` somewhere, nested or indented too."""
        return bool(_final_calls(self.tree))


def parse_block(source: str) -> Block:
    """Parse without running; what is no Python gives a block without a tree."""
    try:
        return Block(source, ast.parse(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Block(source, None)


def tool_call(block: Block, used_later: frozenset[str]) -> ToolCall | None:
    """The one tool call that the block is, None when it is more or something else.

    Args:
        block: The block.
        used_later: Names that later blocks read; a result they need cannot be dropped.
    """
    constants, rest = _leading_constants(block.tree.body if block.tree else [])
    call, name = _single_call(rest)
    if call is None or not isinstance(call.func, ast.Name) or call.func.id not in TOOLS:
        return None
    if used_later & {*constants, name}:
        return None
    order = TOOLS[call.func.id]
    if len(call.args) > len(order):
        return None
    arguments: dict[str, Any] = {}
    for key, node in [*zip(order, call.args, strict=False), *((item.arg, item.value) for item in call.keywords)]:
        value = constants.get(node.id) if isinstance(node, ast.Name) else node
        if key is None or key in arguments or value is None or not _is_literal(value):
            return None
        arguments[key] = ast.literal_eval(value)
    try:
        action = build("tool", name=call.func.id, arguments=arguments)
    except RecordError:  # a literal that JSON does not have, such as a set
        return None
    return action if isinstance(action, ToolCall) else None


def final_answer(block: Block) -> Action | None:
    """The end that the block is, when it does nothing but hand over a literal; None otherwise."""
    body = block.tree.body if block.tree else []
    calls = _final_calls(block.tree)
    if len(body) != 1 or len(calls) != 1 or not isinstance(body[0], ast.Expr) or body[0].value is not calls[0]:
        return None
    values = [*calls[0].args, *(item.value for item in calls[0].keywords)]
    if len(values) != 1 or not _is_literal(values[0]):
        return None
    return build("finish", answer=str(ast.literal_eval(values[0])))


def printed_instead(block: Block) -> str:
    """The block with ``print`` in the place of ``final_answer``: what it worked out before it handed over."""
    lines = block.source.split("\n")
    for call in sorted(_final_calls(block.tree), key=lambda call: (call.lineno, call.col_offset), reverse=True):
        row, column = call.func.lineno - 1, call.func.col_offset
        line = lines[row].encode()  # ast counts columns in bytes
        lines[row] = (line[:column] + b"print" + line[column + len(FINAL) :]).decode()
    return "\n".join(lines)


def _final_calls(tree: ast.Module | None) -> list[ast.Call]:
    nodes = ast.walk(tree) if tree else ()
    return [n for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == FINAL]


def _leading_constants(body: list[ast.stmt]) -> tuple[dict[str, ast.expr], list[ast.stmt]]:
    """Names that the first statements give to literals, and the statements after those."""
    constants: dict[str, ast.expr] = {}
    for position, statement in enumerate(body):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_literal(value):
                constants[name] = value
            case _:
                return constants, body[position:]
    return constants, []


def _single_call(body: list[ast.stmt]) -> tuple[ast.Call | None, str | None]:
    """The call that a body of one statement, or of an assignment and its print, makes; the name it is given."""
    match body:
        case [ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=[ast.Call() as call], keywords=[]))]:
            return call, None
        case [ast.Expr(value=ast.Call() as call)]:
            return call, None
        case [
            ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call),
            ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=[ast.Name(id=shown)], keywords=[])),
        ] if name == shown:
            return call, name
    return None, None


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True
