"""Arithmetic written by a model, read as a syntax tree and walked node by node; nothing is evaluated as Python.

`walk` knows the grammar and takes what numbers, names and operations mean from an `Algebra`, so that the calculator
(Python numbers) and the equation solver (sympy) read the very same notation: + - * / // % ** ( ), functions and names.
"^" is a power, as in mathematics.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LENGTH_LIMIT: Final = 500  # characters; deep enough nesting needs more than this
_SIGNS: Final = str.maketrans({"^": "**", "\u00d7": "*", "\u00f7": "/", "\u2212": "-", "\u00b7": "*"})
_SIGN_AFTER_PERCENT: Final = re.compile(r"%\s*[-+]")
_BINARY: Final[dict[type[ast.operator], str]] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}


class ExpressionError(ValueError):
    """The text is not an expression of this notation; says what is wrong."""


@dataclass(frozen=True)
class Algebra:
    """What the notation means.

    Attributes:
        number: From an int or float literal.
        names: Constants and variables.
        functions: Name -> function of positional arguments.
        binary: Operator sign -> function of two.
    """

    number: Callable[[int | float], Any]
    names: Mapping[str, Any]
    functions: Mapping[str, Callable[..., Any]]
    binary: Mapping[str, Callable[[Any, Any], Any]]


def parse_expression(text: str) -> ast.expr:
    """The syntax tree of one expression.

    Raises:
        ExpressionError: Too long, or not an expression; "10% + 5", where % looks like a unit and is an operation.
    """
    if len(text) > LENGTH_LIMIT:
        msg = f"it is longer than {LENGTH_LIMIT} characters"
        raise ExpressionError(msg)
    text = text.translate(_SIGNS).strip()
    if _SIGN_AFTER_PERCENT.search(text):
        msg = "% is the remainder of a division; for per cent write 0.10, for a remainder 7 % (-3)"
        raise ExpressionError(msg)
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        msg = "write it like (2 + 3) * 4, numbers without thousands separators or units"
        raise ExpressionError(msg) from None


def walk(node: ast.expr, algebra: Algebra) -> Any:
    """The value of a tree in an algebra.

    Raises:
        ExpressionError: A name, function or construct the algebra lacks.
    """
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return algebra.number(value)
        case ast.Name(id=name) if name in algebra.names:
            return algebra.names[name]
        case ast.Name(id=name):
            raise ExpressionError(_unknown(name, (*algebra.names, *algebra.functions)))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -walk(operand, algebra)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return walk(operand, algebra)
        case ast.BinOp(left=left, op=operator, right=right) if _BINARY.get(type(operator)) in algebra.binary:
            return algebra.binary[_BINARY[type(operator)]](walk(left, algebra), walk(right, algebra))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in algebra.functions:
            return algebra.functions[name](*(walk(argument, algebra) for argument in arguments))
        case ast.Call(func=ast.Name(id=name)):
            raise ExpressionError(_unknown(name, tuple(algebra.functions)))
        case ast.Tuple():
            msg = "a comma stands between arguments only; write 1234, not 1,234"
            raise ExpressionError(msg)
    msg = f"{type(node).__name__} is not arithmetic; it takes {' '.join(algebra.binary)} ( ) and numbers"
    raise ExpressionError(msg)


def _unknown(name: str, known: tuple[str, ...]) -> str:
    return f'unknown name "{name[:40]}"; known: {", ".join(known)}'
