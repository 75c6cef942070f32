"""`calculator` and `solver`: exact arithmetic with bounds, and equations in one unknown.

Bounds come before work: a power is sized up before it is computed. Equations are solved in another process (see
`confined`), since no bound on an equation bounds the time that its solution takes.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from tracer1_agents.errors import ToolError
from tracer1_agents.tools.confined import TooSlowError, parser
from tracer1_agents.tools.definition import Output, make_tool
from tracer1_agents.tools.equations import BITS_LIMIT
from tracer1_agents.tools.expressions import Algebra, ExpressionError, parse_expression, walk
from tracer1_agents.tools.formatting import format_number, short, without_noise

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

_SECONDS: Final = 15.0  # for one equation
_ZERO: Final = 1e-9  # a real part this much smaller than the imaginary one is rounding


def maths_tools() -> list[BaseTool]:
    """`calculator` and `solver`."""

    def calculator(
        expression: Annotated[str, Field(description="For example (12 + 3.5) * 4 or sqrt(2) ** 3 or max(3, 7)")],
    ) -> Output:
        """Compute a number: + - * / // % ** ( ), sqrt, abs, round, min, max, pi, e."""
        value = calculate(expression)
        return format_number(value), value

    def solver(
        equation: Annotated[str, Field(description="For example x**2 - 5*x + 6 = 0")],
        variable: Annotated[str, Field(description="The unknown")] = "x",
    ) -> Output:
        """Solve an equation in one unknown."""
        roots = solve(equation, variable)
        text = ", ".join(f"{variable} = {_root_text(root)}" for root in roots) or "no solution"
        return text, [_root_text(root) if isinstance(root, complex) else root for root in roots]

    return [make_tool(calculator), make_tool(solver)]


def calculate(expression: str) -> int | float:
    """The value of an arithmetic expression.

    Raises:
        ToolError: It is not one, or its value is not a number of reasonable size.
    """
    reasons: dict[type[Exception], str] = {
        ZeroDivisionError: "division by zero",
        OverflowError: "the result is too large",
    }
    try:
        value: int | float = _bounded(walk(parse_expression(expression), _ARITHMETIC))
    except (ExpressionError, ArithmeticError, ValueError, TypeError) as error:
        msg = f'cannot calculate "{short(expression)}": {reasons.get(type(error), str(error))}'
        raise ToolError(msg) from error
    return value


def _bounded(value: Any) -> Any:
    if isinstance(value, complex) or (isinstance(value, float) and math.isnan(value)):
        msg = "the result is not a real number"
        raise ExpressionError(msg)
    if (isinstance(value, int) and value.bit_length() > BITS_LIMIT) or (isinstance(value, float) and math.isinf(value)):
        raise OverflowError
    return value


def _power(base: float, exponent: float) -> Any:
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and abs(exponent) * max(int(base).bit_length(), 1) > BITS_LIMIT and abs(base) > 1:
        raise OverflowError
    return _bounded(base**exponent)


def _round(value: float, digits: int = 0) -> int | float:
    rounded = round(value, max(-30, min(30, int(digits))))
    return int(rounded) if digits <= 0 else rounded


_ARITHMETIC: Final = Algebra(
    number=lambda value: value,
    names={"pi": math.pi, "e": math.e},
    functions={"sqrt": math.sqrt, "abs": abs, "round": _round, "min": min, "max": max},
    binary={
        "+": lambda left, right: without_noise(left + right, left, right),
        "-": lambda left, right: without_noise(left - right, left, right),
        "*": lambda left, right: _bounded(left * right),
        "/": operator.truediv,
        "//": operator.floordiv,
        "%": operator.mod,
        "**": _power,
    },
)


def solve(equation: str, variable: str = "x") -> list[int | float | complex]:
    """The distinct roots of an equation: real ones ascending, then complex ones.

    Args:
        equation: Two sides with "=", or one expression meant to be zero; "2x" is a product.
        variable: Its only unknown.

    Raises:
        ToolError: It is not such an equation, is out of bounds, or takes too long.
        ConfigurationError: sympy is not installed.
        SandboxError: No process for it can be started, or none was free in time.
    """
    try:
        found = parser.work("solve", seconds=_SECONDS, equation=equation, variable=variable)
    except ValueError as error:
        advice = (
            "; write it in a simpler form, or try values with calculator" if isinstance(error, TooSlowError) else ""
        )
        msg = f'cannot solve "{short(equation)}": {error}{advice}'
        raise ToolError(msg) from error
    return [complex(*root) if isinstance(root, list) else root for root in found]


def _root_text(root: complex) -> str:
    if not isinstance(root, complex):
        return format_number(root)
    size = format_number(abs(root.imag))
    imaginary = "i" if size == "1" else f"{size}i"
    sign = "-" if root.imag < 0 else ""
    if abs(root.real) < _ZERO * abs(root.imag):
        return f"{sign}{imaginary}"
    return f"{format_number(root.real)} {sign or '+'} {imaginary}"
