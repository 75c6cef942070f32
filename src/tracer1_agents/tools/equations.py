"""Equations in one unknown, solved by sympy in the process behind `confined`.

Exact methods come first: polynomials up to a degree, and a few other functions. One power with a large denominator in
its exponent (compound interest over 12.5 years) would become a polynomial of a high degree; its real root is computed
instead, where signs show that there is one only. What none of this keeps short ends with the process.
"""

from __future__ import annotations

import math
import operator
import re
from itertools import pairwise
from typing import Any, Final

from tracer1_agents.tools.expressions import Algebra, ExpressionError, parse_expression, walk
from tracer1_agents.tools.workspace import optional

BITS_LIMIT: Final = 3_322  # a number of 1000 decimal digits
DEGREE_LIMIT: Final = 12
_EXPANSION_LIMIT: Final = 60  # factors of a product of powers before it is expanded
_SPECIAL_LIMIT: Final = 2  # roots, absolute values, logarithms and unknown exponents in one equation
_EQUATION_LENGTH: Final = 200
_IMPLICIT_PRODUCT: Final = re.compile(
    r"((?<![\w.])[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\))\s*(?=[A-Za-z(])(?![eE][+-]?[0-9])"
)
_RADICALS: Final = 4  # the highest degree with a formula
_ZERO: Final = 1e-9  # an imaginary part below this is rounding
_WIDEST: Final = 700.0  # logarithm of the largest root looked for; a float holds e**709


def find_roots(equation: str, variable: str) -> list[int | float | list[float]]:
    """The distinct roots of an equation as JSON: real ones ascending, then complex ones as [real, imaginary].

    Args:
        equation: Two sides with "=", or one expression meant to be zero; "2x" is a product.
        variable: Its only unknown.

    Raises:
        ValueError: It is not such an equation, or is out of bounds.
        MissingExtraError: sympy is not installed.
    """
    sympy = optional("sympy", "the equation solver")
    try:
        roots = _ordered(_roots(sympy, _difference(sympy, equation, variable), sympy.Symbol(variable)))
    except ExpressionError:
        raise
    except (ArithmeticError, ValueError, TypeError, NotImplementedError) as error:
        msg = "no method is known for this equation"
        raise ValueError(msg) from error
    if any(isinstance(root, int) and root.bit_length() > BITS_LIMIT for root in roots):
        msg = "a root is too large"
        raise ValueError(msg)
    return [[root.real, root.imag] if isinstance(root, complex) else root for root in roots]


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
    elif (found := _real_roots(sympy, numerator, symbol)) is not None:
        roots = found
    elif _special_parts(sympy, numerator, symbol) <= _SPECIAL_LIMIT:
        real = sympy.Symbol(symbol.name, real=True)  # absolute values are solved over the real numbers only
        over = real if numerator.has(sympy.Abs) else symbol
        roots = set(sympy.solve(numerator.subs(symbol, over), over))
    else:
        msg = f"at most {_SPECIAL_LIMIT} roots, absolute values, logarithms or unknown exponents"
        raise ExpressionError(msg)
    return {root for root in roots if not _vanishes(sympy, denominator, symbol, root)}


def _real_roots(sympy: Any, numerator: Any, symbol: Any) -> set[Any] | None:
    """The real roots where one power has a large denominator in its exponent and signs show how many roots there are.

    With u for the base of that power, the equation is a sum of c * u**r. Below u = 0 just one term of it is not real,
    so that no root lies there; above, there are as many roots as the coefficients change their signs, ordered by
    exponent, or fewer by an even number (Descartes' rule, which holds for any real exponents).

    Returns:
        The roots, or None where exact methods may be shorter or the rule says too little.
    """
    powers = {part for part in numerator.atoms(sympy.Pow) if symbol in part.free_symbols and not part.exp.is_Integer}
    base = next(iter(powers)).base if powers else symbol
    line = sympy.Poly(base, symbol) if base.is_polynomial(symbol) else None
    if line is None or line.degree() != 1 or any(part.base != base or not part.exp.is_Rational for part in powers):
        return None
    slope, start = line.all_coeffs()
    if not (slope.is_real and start.is_real):  # sqrt(-1) is a number here
        return None
    above = sympy.Dummy(positive=True)
    turned = numerator.xreplace({part: above**part.exp for part in powers}).subs(symbol, (above - start) / slope)
    terms = _terms(sympy, sympy.expand(turned), above)
    broken = [exponent for exponent in terms or {} if not exponent.is_Integer]
    if terms is None or len(broken) != 1 or _is_short(len(terms), max(terms) * broken[0].q):
        return None
    signs = [terms[exponent] > 0 for exponent in sorted(terms)]
    changes = sum(one != other for one, other in pairwise(signs))
    if changes > 1:
        return None
    found = {_crossing({float(exponent): float(factor) for exponent, factor in terms.items()})} if changes else set()
    zero = {sympy.Integer(0)} if min(terms) > 0 else set()
    return {(root - start) / slope for root in zero | {sympy.Float(value, 17) for value in found}}


def _is_short(terms: int, degree: int) -> bool:
    """Whether sympy is quick with the polynomial that the equation becomes: few roots, or those of one number."""
    return degree <= _RADICALS or (terms <= 2 and degree <= DEGREE_LIMIT)  # noqa: PLR2004  (c * u**r = d)


def _terms(sympy: Any, expression: Any, unknown: Any) -> dict[Any, Any] | None:
    """Exponent -> coefficient of a sum of powers with real coefficients; None where it is no such sum."""
    terms: dict[Any, Any] = {}
    for term in sympy.Add.make_args(expression):
        factor, exponent = term.as_coeff_exponent(unknown)
        if not (factor.is_real and factor.is_number and exponent.is_Rational):
            return None
        terms[exponent] = terms.get(exponent, 0) + factor
    return {exponent: factor for exponent, factor in terms.items() if factor != 0}


def _crossing(terms: dict[float, float]) -> float:
    """Where a sum of c * u**r with one change of sign is zero, for u > 0."""
    logs = [(exponent, math.log(abs(factor)), math.copysign(1.0, factor)) for exponent, factor in terms.items()]

    def value(place: float) -> float:
        # Over its largest term: the sign is all that is looked at, and nothing overflows.
        sizes = [size + exponent * place for exponent, size, _ in logs]
        return sum(sign * math.exp(size - max(sizes)) for (_, _, sign), size in zip(logs, sizes, strict=True))

    low, high = -_WIDEST, _WIDEST
    rising = value(high) > 0
    if (value(low) > 0) == rising:
        msg = "its root is too large or too close to 0"
        raise ExpressionError(msg)
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if (value(middle) > 0) == rising else (middle, high)
    return math.exp(high)


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


def _vanishes(sympy: Any, denominator: Any, symbol: Any, root: Any) -> bool:
    value = denominator.subs(symbol, root)
    if value.is_Rational:
        return bool(value == 0)  # exact, however small: 1.6e-19 is not zero
    if value.has(sympy.zoo, sympy.nan):
        return True
    # What is rounding shows beside the parts of a sum: x - 1 may have some at 1, x has none at 1.4e-10.
    terms = sympy.Add.make_args(sympy.expand(denominator)) if denominator.is_polynomial(symbol) else ()
    size = sum(abs(complex(term.subs(symbol, root))) for term in terms) or 1.0
    return abs(complex(value)) < _ZERO * size


def _ordered(roots: set[Any]) -> list[int | float | complex]:
    numbers = [_as_number(complex(root.evalf(20)), root) for root in roots]
    real = sorted({number for number in numbers if not isinstance(number, complex)})
    rest = {number for number in numbers if isinstance(number, complex)}
    return [*real, *sorted(rest, key=lambda number: (number.real, number.imag))]


def _as_number(value: complex, root: Any) -> int | float | complex:
    if abs(value.imag) > _ZERO * max(1.0, abs(value)) or root.is_imaginary:
        return value
    return int(root) if root.is_Integer else value.real
