"""Backward rules of the basic operations: where the operands can be, given where the result is.

In: the ends of the result's interval, then the ends of each operand's. Out: for each operand the ends of an
interval that contains all its values from which, with some value of the other operand, the result lies where
it is said to; the caller intersects. An interval whose lower end is above the upper one holds nothing. No
value is NaN: a result that is a number comes of numbers, see `Op.keeps_nan`.

Sound though the rules invert real operations under rounded ones: each widens the result by one float outward,
which covers what rounding may have moved, inverts, and widens by one float again for its own rounding. HC4
(Benhamou, Goualard, Granvilliers, Puget 1999).
"""

from __future__ import annotations

from absint.ops.basic import max_ as greater
from absint.ops.basic import min_ as lesser
from absint.ops.primitives import Real, inf, next_down, next_up
from absint.ops.primitives import sqrt as root


def outward(lower: Real, upper: Real) -> tuple[Real, Real]:
    """One float further on both sides; no bound where an end is NaN."""
    return next_down(lower) if lower == lower else -inf, next_up(upper) if upper == upper else inf


def everywhere(like: Real) -> tuple[Real, Real]:
    """No bounds."""
    return -inf, inf


def corners(p: Real, q: Real, r: Real, s: Real) -> tuple[Real, Real]:
    """The least and greatest of four results, one float further; no bounds where one is NaN."""
    lower, upper = (
        everywhere(p)
        if p != p or q != q or r != r or s != s
        else outward(lesser(lesser(p, q), lesser(r, s)), greater(greater(p, q), greater(r, s)))
    )
    return lower, upper


def quotient(lower: Real, upper: Real, b_lower: Real, b_upper: Real) -> tuple[Real, Real]:
    """Where a / b can be, for a in [lower, upper] and b in [b_lower, b_upper] other than 0."""
    low, high = (
        everywhere(lower)
        if b_lower <= 0.0 and b_upper >= 0.0
        else corners(lower / b_lower, lower / b_upper, upper / b_lower, upper / b_upper)
    )
    return low, high


def neg(lower: Real, upper: Real, a_lower: Real, a_upper: Real) -> tuple[Real, Real]:
    """Exact."""
    return -upper, -lower


def abs_(lower: Real, upper: Real, a_lower: Real, a_upper: Real) -> tuple[Real, Real]:
    """On the one side of zero that the operand can be on; exact."""
    positive = lower > 0.0 and a_lower > -lower
    negative = lower > 0.0 and a_upper < lower and not positive
    return lower if positive else -upper, -lower if negative else upper


def recip(lower: Real, upper: Real, a_lower: Real, a_upper: Real) -> tuple[Real, Real]:
    """The reciprocals of the result."""
    low, high = outward(lower, upper)
    first, last = quotient(1.0, 1.0, low, high)
    return first, last


def sqrt(lower: Real, upper: Real, a_lower: Real, a_upper: Real) -> tuple[Real, Real]:
    """The squares of the result; nothing if that is negative."""
    low, high = outward(lower, upper)
    near = next_down(low * low) if low > 0.0 else 0.0
    return inf if upper < 0.0 else near, -inf if upper < 0.0 else next_up(high * high)


def square(lower: Real, upper: Real, a_lower: Real, a_upper: Real) -> tuple[Real, Real]:
    """Between the roots of the result, on the one side of zero that the operand can be on."""
    low, high = outward(lower, upper)
    near = next_down(root(low)) if low > 0.0 else 0.0
    far = next_up(root(high))
    positive = near > 0.0 and a_lower > -near
    negative = near > 0.0 and a_upper < near and not positive
    first = near if positive else -far
    last = -near if negative else far
    return inf if upper < 0.0 else first, -inf if upper < 0.0 else last


def floor(lower: Real, upper: Real, a_lower: Real, a_upper: Real) -> tuple[Real, Real]:
    """Less than one above the result."""
    return lower, next_up(upper + 1.0)


def ceil(lower: Real, upper: Real, a_lower: Real, a_upper: Real) -> tuple[Real, Real]:
    """Less than one below the result."""
    return next_down(lower - 1.0), upper


def round_(lower: Real, upper: Real, a_lower: Real, a_upper: Real) -> tuple[Real, Real]:
    """Less than one beside the result."""
    return next_down(lower - 1.0), next_up(upper + 1.0)


def add(
    lower: Real, upper: Real, a_lower: Real, a_upper: Real, b_lower: Real, b_upper: Real
) -> tuple[Real, Real, Real, Real]:
    """The result less the other operand."""
    low, high = outward(lower, upper)
    a_first, a_last = outward(low - b_upper, high - b_lower)
    b_first, b_last = outward(low - a_upper, high - a_lower)
    return a_first, a_last, b_first, b_last


def sub(
    lower: Real, upper: Real, a_lower: Real, a_upper: Real, b_lower: Real, b_upper: Real
) -> tuple[Real, Real, Real, Real]:
    """The result plus the subtrahend, and the minuend less the result."""
    low, high = outward(lower, upper)
    a_first, a_last = outward(low + b_lower, high + b_upper)
    b_first, b_last = outward(a_lower - high, a_upper - low)
    return a_first, a_last, b_first, b_last


def mul(
    lower: Real, upper: Real, a_lower: Real, a_upper: Real, b_lower: Real, b_upper: Real
) -> tuple[Real, Real, Real, Real]:
    """The result divided by the other operand."""
    low, high = outward(lower, upper)
    a_first, a_last = quotient(low, high, b_lower, b_upper)
    b_first, b_last = quotient(low, high, a_lower, a_upper)
    return a_first, a_last, b_first, b_last


def div(
    lower: Real, upper: Real, a_lower: Real, a_upper: Real, b_lower: Real, b_upper: Real
) -> tuple[Real, Real, Real, Real]:
    """The result times the divisor, and the dividend divided by the result."""
    low, high = outward(lower, upper)
    a_first, a_last = corners(low * b_lower, low * b_upper, high * b_lower, high * b_upper)
    b_first, b_last = quotient(a_lower, a_upper, low, high)
    return a_first, a_last, b_first, b_last


def min_(
    lower: Real, upper: Real, a_lower: Real, a_upper: Real, b_lower: Real, b_upper: Real
) -> tuple[Real, Real, Real, Real]:
    """No operand below the result; and not above it where the other one is."""
    a_last = upper if b_lower > upper else inf
    b_last = upper if a_lower > upper else inf
    return lower, a_last, lower, b_last


def max_(
    lower: Real, upper: Real, a_lower: Real, a_upper: Real, b_lower: Real, b_upper: Real
) -> tuple[Real, Real, Real, Real]:
    """No operand above the result; and not below it where the other one is."""
    a_first = lower if b_upper < lower else -inf
    b_first = lower if a_upper < lower else -inf
    return a_first, upper, b_first, upper
