"""`calculator` and `solver`: exact arithmetic with bounds, and equations in one unknown.

Bounds come before work: a power is sized up before it is computed, and the solver takes only equations whose solution
is known to be quick (polynomials up to a degree, and a few other functions).
"""

from __future__ import annotations

import math
import operator
import re
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from tracer1_agents.errors import ToolError
from tracer1_agents.tools.definition import Output, make_tool
from tracer1_agents.tools.expressions import Algebra, ExpressionError, parse_expression, walk
from tracer1_agents.tools.formatting import format_number, short, without_noise
from tracer1_agents.tools.workspace import optional

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

BITS_LIMIT: Final = 3_322  # a number of 1000 decimal digits
DEGREE_LIMIT: Final = 12
_EXPANSION_LIMIT: Final = 60  # factors of a product of powers before it is expanded
_SPECIAL_LIMIT: Final = 2  # roots, absolute values, logarithms and unknown exponents in one equation
_EQUATION_LENGTH: Final = 200
_IMPLICIT_PRODUCT: Final = re.compile(
    r"((?<![\w.])[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\))\s*(?=[A-Za-z(])(?![eE][+-]?[0-9])"
)
_ZERO: Final = 1e-9  # an imaginary part below this is rounding, and so is a real part this much smaller than it


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
        ToolError: It is not such an equation, or is out of bounds.
        MissingExtraError: sympy is not installed.
    """
    sympy = optional("sympy", "the equation solver")
    try:
        return _ordered(_roots(sympy, _difference(sympy, equation, variable), sympy.Symbol(variable)))
    except (ExpressionError, ArithmeticError, ValueError, TypeError, NotImplementedError) as error:
        reason = str(error) if isinstance(error, ExpressionError) else "no method is known for this equation"
        msg = f'cannot solve "{short(equation)}": {reason}'
        raise ToolError(msg) from error


def _difference(sympy: Any, equation: str, variable: str) -> Any:
    if not variable.isidentifier() or len(equation) > _EQUATION_LENGTH:
        msg = f"the variable must be a name and the equation at most {_EQUATION_LENGTH} characters long"
        raise ExpressionError(msg)
    sides = equation.replace("==", "=").split("=")
    if len(sides) > 2:  # noqa: PLR2004  (left and right)
        msg = "give one equation with one ="
        raise ExpressionError(msg)
    algebra = _symbols(sympy, variable)
    left, *right = (walk(parse_expression(_IMPLICIT_PRODUCT.sub(r"\1*", side)), algebra) for side in sides)
    return left - right[0] if right else left


def _symbols(sympy: Any, variable: str) -> Algebra:
    def power(base: Any, exponent: Any) -> Any:
        if base.free_symbols and exponent.free_symbols:
            msg = f"{variable} cannot stand both in a base and in its exponent"
            raise ExpressionError(msg)
        if exponent.is_Rational:
            size, limit = (_bits(base), BITS_LIMIT) if base.is_Rational else (_degree(base), _EXPANSION_LIMIT)
            if abs(exponent) * size > limit:
                msg = "a power is too large"
                raise ExpressionError(msg)
        return base**exponent

    def divide(left: Any, right: Any) -> Any:
        if right.is_zero:
            msg = "division by zero"
            raise ExpressionError(msg)
        return left / right

    return Algebra(
        number=lambda value: sympy.Rational(str(value)),  # 0.1 is a tenth
        names={"pi": sympy.pi, "e": sympy.E, variable: sympy.Symbol(variable)},
        functions={"sqrt": sympy.sqrt, "abs": sympy.Abs, "exp": sympy.exp, "log": sympy.log, "ln": sympy.log},
        binary={"+": operator.add, "-": operator.sub, "*": operator.mul, "/": divide, "**": power},
    )


def _bits(number: Any) -> int:
    return max(int(number.p).bit_length(), int(number.q).bit_length())


def _degree(expression: Any) -> int:
    """How many factors expanding could give: an upper bound, so that nothing is expanded to find out."""
    if expression.is_Rational:
        return 0
    if expression.is_Pow and expression.exp.is_Rational:
        return _degree(expression.base) * (abs(int(expression.exp)) + 1)
    inner = [_degree(part) for part in expression.args]
    return max(sum(inner) if expression.is_Mul else max(inner, default=0), 1)


def _roots(sympy: Any, difference: Any, symbol: Any) -> set[Any]:
    numerator, denominator = sympy.fraction(sympy.together(difference))
    numerator = sympy.expand(numerator)
    if symbol not in numerator.free_symbols:
        if numerator.is_zero or numerator.equals(0):
            msg = f"it is true for every {symbol}"
            raise ExpressionError(msg)
        return set()
    if numerator.is_polynomial(symbol):
        polynomial = sympy.Poly(numerator, symbol)
        if polynomial.degree() > DEGREE_LIMIT:
            msg = f"powers go up to {DEGREE_LIMIT}"
            raise ExpressionError(msg)
        roots = _polynomial_roots(sympy, polynomial)
    elif _special_parts(sympy, numerator, symbol) <= _SPECIAL_LIMIT:
        real = sympy.Symbol(symbol.name, real=True)  # absolute values are solved over the real numbers only
        over = real if numerator.has(sympy.Abs) else symbol
        roots = set(sympy.solve(numerator.subs(symbol, over), over))
    else:
        msg = f"at most {_SPECIAL_LIMIT} roots, absolute values, logarithms or unknown exponents"
        raise ExpressionError(msg)
    return {root for root in roots if not _vanishes(sympy, denominator.subs(symbol, root))}


def _polynomial_roots(sympy: Any, polynomial: Any) -> set[Any]:
    exact = sympy.roots(polynomial, quartics=False, cubics=False)
    if sum(exact.values()) == polynomial.degree():
        return set(exact)
    return set(sympy.Poly(sympy.sqf_part(polynomial), *polynomial.gens).nroots(n=15, maxsteps=200))


def _special_parts(sympy: Any, expression: Any, symbol: Any) -> int:
    powers = [
        part
        for part in expression.atoms(sympy.Pow)
        if symbol in part.free_symbols and not (part.exp.is_integer and part.exp.is_number)
    ]
    functions = [part for part in expression.atoms(sympy.Function) if symbol in part.free_symbols]
    return len(powers) + len(functions)


def _vanishes(sympy: Any, value: Any) -> bool:
    if value.is_Rational:
        return bool(value == 0)  # exact, however small: 1.6e-19 is not zero
    return bool(value.has(sympy.zoo, sympy.nan)) or abs(complex(value)) < _ZERO


def _ordered(roots: set[Any]) -> list[int | float | complex]:
    numbers = [_as_number(complex(root.evalf(20)), root) for root in roots]
    real = sorted({number for number in numbers if not isinstance(number, complex)})
    rest = {number for number in numbers if isinstance(number, complex)}
    return [*real, *sorted(rest, key=lambda number: (number.real, number.imag))]


def _as_number(value: complex, root: Any) -> int | float | complex:
    if abs(value.imag) > _ZERO * max(1.0, abs(value)) or root.is_imaginary:
        return value
    return int(root) if root.is_Integer else value.real


def _root_text(root: complex) -> str:
    if not isinstance(root, complex):
        return format_number(root)
    size = format_number(abs(root.imag))
    imaginary = "i" if size == "1" else f"{size}i"
    sign = "-" if root.imag < 0 else ""
    if abs(root.real) < _ZERO * abs(root.imag):
        return f"{sign}{imaginary}"
    return f"{format_number(root.real)} {sign or '+'} {imaginary}"
