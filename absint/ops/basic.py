"""Bodies of the basic operations: the meaning of a program, once.

Each is written in the subset that `translate` prints for NumPy, Numba and C, and is the scalar definition
when called with NumPy scalars. Every float step is rounded to nearest even in the program's precision.
"""

from __future__ import annotations

from absint.ops.primitives import Real, copysign, floor, fmod, nan, trunc
from absint.ops.primitives import sqrt as correctly_rounded_sqrt


def neg(a: Real) -> Real:
    """Flip the sign bit, that of zero and NaN too."""
    return -a


def abs_(a: Real) -> Real:
    """Clear the sign bit."""
    return abs(a)


def recip(a: Real) -> Real:
    """One division; 1/±0 is ±inf."""
    return 1.0 / a


def sqrt(a: Real) -> Real:
    """Correctly rounded; NaN below zero, -0 at -0."""
    return correctly_rounded_sqrt(a)


def square(a: Real) -> Real:
    """One multiplication."""
    return a * a


def floor_(a: Real) -> Real:
    """Round down to an integer; keeps -0."""
    return floor(a)


def ceil(a: Real) -> Real:
    """Round up to an integer; values in (-1, -0] give -0."""
    return -floor(-a)


def round_(a: Real) -> Real:
    """Round half away from zero, free of the double rounding in floor(a + 0.5)."""
    t = trunc(a)
    return t if abs(a - t) < 0.5 else t + copysign(1.0, a)


def not_(a: Real) -> Real:
    """1 for either zero, 0 for all else, NaN included."""
    return 1.0 if a == 0.0 else 0.0


def add(a: Real, b: Real) -> Real:
    """IEEE addition."""
    return a + b


def sub(a: Real, b: Real) -> Real:
    """IEEE subtraction."""
    return a - b


def mul(a: Real, b: Real) -> Real:
    """IEEE multiplication."""
    return a * b


def div(a: Real, b: Real) -> Real:
    """IEEE division."""
    return a / b


def min_(a: Real, b: Real) -> Real:
    """NaN wins; a tie gives the second operand, so min(+0, -0) is -0 and min(-0, +0) is +0."""
    return a if a < b or a != a else b


def max_(a: Real, b: Real) -> Real:
    """NaN wins; a tie gives the second operand."""
    return a if a > b or a != a else b


def compare(a: Real, b: Real) -> Real:
    """-1, 0 or 1 as a is below, equal to or above b; NaN when unordered."""
    return -1.0 if a < b else 1.0 if a > b else 0.0 if a == b else nan


def mod(a: Real, b: Real) -> Real:
    """Euclidean remainder in [0, |b|]; it reaches |b| when a tiny negative remainder is absorbed."""
    r = fmod(a, b)
    return r + abs(b) if r < 0.0 else r


def and_(a: Real, b: Real) -> Real:
    """`a` if it is zero, else `b`; a NaN counts as true."""
    return a if a == 0.0 else b


def or_(a: Real, b: Real) -> Real:
    """`a` unless it is zero, else `b`; a NaN counts as true."""
    return a if a != 0.0 else b
