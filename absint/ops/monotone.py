"""Where an operation is monotone in an operand, and about where it takes a value.

A monotone rule gets the bounds of one operand and, of an operation with two, the number `other` that the
other operand is fixed to. It returns a direction, 1 where the result rises, -1 where it falls, 0 where
neither is known, and the ends of the part of the bounds on which that is so. What the rule claims is exact:

- from any float of that part to the next the rounded result does not fall (rise);
- on the rest of the bounds, and for a NaN, the result is NaN, and nowhere on the part;
- all of this whichever sign a zero `other` has.

An inverse returns about where the result takes `value`, in binary64 for either precision. It is approximate:
the search for exact thresholds begins there, and finds the same ones from anywhere.
"""

from __future__ import annotations

from absint.ops.basic import max_ as greater
from absint.ops.primitives import Int, Real, Wide, inf
from absint.ops.primitives import sqrt as root


def rising(lower: Real, upper: Real) -> tuple[Int, Real, Real]:
    """Everywhere."""
    return 1, lower, upper


def falling(lower: Real, upper: Real) -> tuple[Int, Real, Real]:
    """Everywhere."""
    return -1, lower, upper


def rising_from_zero(lower: Real, upper: Real) -> tuple[Int, Real, Real]:
    """NaN below zero."""
    return 1, greater(lower, 0.0), upper


def rising_with_size(lower: Real, upper: Real) -> tuple[Int, Real, Real]:
    """Falling below zero and rising above, as abs and square are."""
    return 1 if lower >= 0.0 else -1 if upper <= 0.0 else 0, lower, upper


def falling_beside_zero(lower: Real, upper: Real) -> tuple[Int, Real, Real]:
    """Falling on either side of a pole at zero."""
    return -1 if lower > 0.0 or upper < 0.0 else 0, lower, upper


def rising_by_finite(lower: Real, upper: Real, other: Real) -> tuple[Int, Real, Real]:
    """Rising for a finite other operand; an infinite one would make NaN of an infinity."""
    return 1 if other - other == 0.0 else 0, lower, upper


def falling_by_finite(lower: Real, upper: Real, other: Real) -> tuple[Int, Real, Real]:
    """Falling for a finite other operand."""
    return -1 if other - other == 0.0 else 0, lower, upper


def rising_by_sign(lower: Real, upper: Real, other: Real) -> tuple[Int, Real, Real]:
    """Rising for a positive other operand, falling for a negative one; zero and infinity make NaN."""
    positive = other > 0.0 and other < inf
    negative = other < 0.0 and other > -inf
    return 1 if positive else -1 if negative else 0, lower, upper


def divisor(lower: Real, upper: Real, other: Real) -> tuple[Int, Real, Real]:
    """`other / v` on either side of the pole: falling for a positive dividend, rising for a negative one."""
    direction, _, _ = rising_by_sign(lower, upper, other)
    return -direction if lower > 0.0 or upper < 0.0 else 0, lower, upper


def negated(value: Wide) -> Wide:
    """-v = value."""
    return -value


def reciprocal(value: Wide) -> Wide:
    """1 / v = value."""
    return 1.0 / value


def squared(value: Wide) -> Wide:
    """sqrt(v) = value."""
    return value * value


def square_root(value: Wide) -> Wide:
    """v * v = value, for the v that is not negative."""
    return root(value)


def summand(value: Wide, other: Wide) -> Wide:
    """v + other = value."""
    return value - other


def minuend(value: Wide, other: Wide) -> Wide:
    """v - other = value."""
    return value + other


def subtrahend(value: Wide, other: Wide) -> Wide:
    """other - v = value."""
    return other - value


def factor(value: Wide, other: Wide) -> Wide:
    """v * other = value."""
    return value / other


def dividend(value: Wide, other: Wide) -> Wide:
    """v / other = value."""
    return value * other


def divisor_of(value: Wide, other: Wide) -> Wide:
    """other / v = value."""
    return other / value
