"""Interval rules of the basic operations, on plain (lower, upper, may_nan) triples.

In: one triple per operand, flattened. Out: a triple that contains every result of every pair of values.
A triple means `lower <= v <= upper` for each value that is a number, and that NaN may occur if `may_nan`.
End points do not tell the zeros apart, and may be infinite as values. No number at all is (+inf, -inf).

Sound without directed rounding: rounding to nearest is monotone, so the same rounded operation on the end
points bounds every rounded value in between. NaN is a fact of its own, for corners alone hide it.
"""

from __future__ import annotations

from absint.ops.basic import max_ as greater
from absint.ops.basic import min_ as lesser
from absint.ops.basic import round_
from absint.ops.primitives import Bool, Real, floor, inf, sqrt


def touches_infinity(lower: Real, upper: Real) -> Bool:
    """An infinity is among the values; false of the empty interval."""
    return lower == -inf or upper == inf


def contains_zero(lower: Real, upper: Real) -> Bool:
    """Both zeros are among the values; false of the empty interval."""
    return lower <= 0.0 and upper >= 0.0


def neg(a_lower: Real, a_upper: Real, a_nan: Bool) -> tuple[Real, Real, Bool]:
    """Decreasing, exact."""
    return -a_upper, -a_lower, a_nan


def abs_(a_lower: Real, a_upper: Real, a_nan: Bool) -> tuple[Real, Real, Bool]:
    """Exact; the empty interval counts as positive and stays empty."""
    lower = a_lower if a_lower >= 0.0 else -a_upper if a_upper <= 0.0 else 0.0
    upper = a_upper if a_lower >= 0.0 else -a_lower if a_upper <= 0.0 else greater(-a_lower, a_upper)
    return lower, upper, a_nan


def square(a_lower: Real, a_upper: Real, a_nan: Bool) -> tuple[Real, Real, Bool]:
    """The square of |a|, which is never negative; sound also where a straddles zero."""
    lower, upper, nan = abs_(a_lower, a_upper, a_nan)
    return lower * lower, upper if lower > upper else upper * upper, nan


def sqrt_(a_lower: Real, a_upper: Real, a_nan: Bool) -> tuple[Real, Real, Bool]:
    """Increasing where defined; NaN below zero."""
    lower = sqrt(greater(a_lower, 0.0)) if a_upper >= 0.0 else inf
    upper = sqrt(greater(a_upper, 0.0)) if a_upper >= 0.0 else -inf
    return lower, upper, a_nan or a_lower < 0.0


def recip(a_lower: Real, a_upper: Real, a_nan: Bool) -> tuple[Real, Real, Bool]:
    """Decreasing on either side of zero; one that touches zero reaches both infinities."""
    pole = contains_zero(a_lower, a_upper)
    empty = a_lower > a_upper
    lower = inf if empty else -inf if pole else 1.0 / a_upper
    upper = -inf if empty else inf if pole else 1.0 / a_lower
    return lower, upper, a_nan


def floor_(a_lower: Real, a_upper: Real, a_nan: Bool) -> tuple[Real, Real, Bool]:
    """Increasing, exact."""
    return floor(a_lower), floor(a_upper), a_nan


def ceil(a_lower: Real, a_upper: Real, a_nan: Bool) -> tuple[Real, Real, Bool]:
    """Increasing, exact."""
    return -floor(-a_lower), -floor(-a_upper), a_nan


def round_interval(a_lower: Real, a_upper: Real, a_nan: Bool) -> tuple[Real, Real, Bool]:
    """Increasing: `a - trunc(a)` is exact, so only true halves move away from zero."""
    return round_(a_lower), round_(a_upper), a_nan


def not_(a_lower: Real, a_upper: Real, a_nan: Bool) -> tuple[Real, Real, Bool]:
    """1 for a zero, 0 for any other value and for NaN, which it absorbs."""
    zero = contains_zero(a_lower, a_upper)
    other = a_nan or (a_lower < 0.0 and a_lower <= a_upper) or (a_upper > 0.0 and a_lower <= a_upper)
    lower = 0.0 if other else 1.0 if zero else inf
    upper = 1.0 if zero else 0.0 if other else -inf
    return lower, upper, False


def add(
    a_lower: Real, a_upper: Real, a_nan: Bool, b_lower: Real, b_upper: Real, b_nan: Bool
) -> tuple[Real, Real, Bool]:
    """Increasing in both; inf - inf is NaN. Finite ends come from finite ends, the common and cheap case."""
    lower = a_lower + b_lower
    upper = a_upper + b_upper
    low, high, nan = (
        finite_sum(lower, upper, a_nan, b_nan)
        if upper - lower < inf
        else infinite_sum(a_lower, a_upper, a_nan, b_lower, b_upper, b_nan)
    )
    return low, high, nan


def finite_sum(lower: Real, upper: Real, a_nan: Bool, b_nan: Bool) -> tuple[Real, Real, Bool]:
    """The end points are numbers, and NaN comes from the operands only."""
    return lower, upper, a_nan or b_nan


def infinite_sum(
    a_lower: Real, a_upper: Real, a_nan: Bool, b_lower: Real, b_upper: Real, b_nan: Bool
) -> tuple[Real, Real, Bool]:
    """An end point that is NaN comes from opposite infinities, of which one is the only value on its side or
    the operand is empty: no number is there, so it takes the empty interval's end.
    """
    lower = a_lower + b_lower
    upper = a_upper + b_upper
    nan = a_nan or b_nan or (a_lower == -inf and b_upper == inf) or (a_upper == inf and b_lower == -inf)
    return lower if lower == lower else inf, upper if upper == upper else -inf, nan


def sub(
    a_lower: Real, a_upper: Real, a_nan: Bool, b_lower: Real, b_upper: Real, b_nan: Bool
) -> tuple[Real, Real, Bool]:
    """a - b = a + (-b), exactly."""
    return add(a_lower, a_upper, a_nan, -b_upper, -b_lower, b_nan)


def mul(
    a_lower: Real, a_upper: Real, a_nan: Bool, b_lower: Real, b_upper: Real, b_nan: Bool
) -> tuple[Real, Real, Bool]:
    """The extremes lie at the corners. Finite corners come from finite ends, the common and cheap case."""
    p = a_lower * b_lower
    q = a_lower * b_upper
    r = a_upper * b_lower
    s = a_upper * b_upper
    total = (p + q) + (r + s)
    low, high, nan = (
        finite_product(p, q, r, s, a_nan, b_nan)
        if total - total == 0.0
        else infinite_product(a_lower, a_upper, a_nan, b_lower, b_upper, b_nan)
    )
    return low, high, nan


def finite_product(p: Real, q: Real, r: Real, s: Real, a_nan: Bool, b_nan: Bool) -> tuple[Real, Real, Bool]:
    """The least and greatest of the corners, and NaN comes from the operands only."""
    return lesser(lesser(p, q), lesser(r, s)), greater(greater(p, q), greater(r, s)), a_nan or b_nan


def infinite_product(
    a_lower: Real, a_upper: Real, a_nan: Bool, b_lower: Real, b_upper: Real, b_nan: Bool
) -> tuple[Real, Real, Bool]:
    """0 * inf is NaN, and hides at corners.

    A corner that is NaN has finite neighbours, whose product is 0, unless an operand is an infinite point.
    """
    empty = a_lower > a_upper or b_lower > b_upper
    point = a_lower == a_upper and touches_infinity(a_lower, a_upper)
    point = point or (b_lower == b_upper and touches_infinity(b_lower, b_upper))
    p = a_lower * b_lower
    q = a_lower * b_upper
    r = a_upper * b_lower
    s = a_upper * b_upper
    low = inf if point else 0.0
    high = -inf if point else 0.0
    lower = lesser(
        lesser(p if p == p else low, q if q == q else low), lesser(r if r == r else low, s if s == s else low)
    )
    upper = greater(
        greater(p if p == p else high, q if q == q else high),
        greater(r if r == r else high, s if s == s else high),
    )
    nan = contains_zero(a_lower, a_upper) and touches_infinity(b_lower, b_upper)
    nan = nan or (contains_zero(b_lower, b_upper) and touches_infinity(a_lower, a_upper))
    return inf if empty else lower, -inf if empty else upper, nan or a_nan or b_nan


def div(
    a_lower: Real, a_upper: Real, a_nan: Bool, b_lower: Real, b_upper: Real, b_nan: Bool
) -> tuple[Real, Real, Bool]:
    """The extremes lie at the corners, unless the divisor touches zero: then both infinities are reached.

    A corner inf/inf is NaN. A finite neighbour in `a` gives 0 there, unless `a` is an infinite point; then
    what the corner hides is infinite and lies at another one.
    """
    empty = a_lower > a_upper or b_lower > b_upper
    pole = contains_zero(b_lower, b_upper)
    point = a_lower == a_upper
    p = a_lower / b_lower
    q = a_lower / b_upper
    r = a_upper / b_lower
    s = a_upper / b_upper
    low = inf if point else 0.0
    high = -inf if point else 0.0
    lower = lesser(
        lesser(p if p == p else low, q if q == q else low), lesser(r if r == r else low, s if s == s else low)
    )
    upper = greater(
        greater(p if p == p else high, q if q == q else high),
        greater(r if r == r else high, s if s == s else high),
    )
    nan = pole and contains_zero(a_lower, a_upper)
    nan = nan or (touches_infinity(a_lower, a_upper) and touches_infinity(b_lower, b_upper))
    return (
        inf if empty else -inf if pole else lower,
        -inf if empty else inf if pole else upper,
        nan or a_nan or b_nan,
    )


def min_(
    a_lower: Real, a_upper: Real, a_nan: Bool, b_lower: Real, b_upper: Real, b_nan: Bool
) -> tuple[Real, Real, Bool]:
    """Increasing in both; NaN wins, so an operand without numbers leaves none."""
    empty = a_lower > a_upper or b_lower > b_upper
    lower = inf if empty else lesser(a_lower, b_lower)
    upper = -inf if empty else lesser(a_upper, b_upper)
    return lower, upper, a_nan or b_nan


def max_(
    a_lower: Real, a_upper: Real, a_nan: Bool, b_lower: Real, b_upper: Real, b_nan: Bool
) -> tuple[Real, Real, Bool]:
    """Increasing in both; NaN wins, so an operand without numbers leaves none."""
    empty = a_lower > a_upper or b_lower > b_upper
    lower = inf if empty else greater(a_lower, b_lower)
    upper = -inf if empty else greater(a_upper, b_upper)
    return lower, upper, a_nan or b_nan


def compare(
    a_lower: Real, a_upper: Real, a_nan: Bool, b_lower: Real, b_upper: Real, b_nan: Bool
) -> tuple[Real, Real, Bool]:
    """Exact: each of -1, 0, 1 is reached when the end points allow it."""
    empty = a_lower > a_upper or b_lower > b_upper
    lower = -1.0 if a_lower < b_upper else 0.0 if a_lower == b_upper else 1.0
    upper = 1.0 if a_upper > b_lower else 0.0 if a_upper == b_lower else -1.0
    return inf if empty else lower, -inf if empty else upper, a_nan or b_nan


def mod(
    a_lower: Real, a_upper: Real, a_nan: Bool, b_lower: Real, b_upper: Real, b_nan: Bool
) -> tuple[Real, Real, Bool]:
    """In [0, |b|], and a itself while 0 <= a < |b|; NaN for an infinite dividend or a zero divisor.

    Not tight where the quotient is the same for all of a and b, but not 0.
    """
    empty = a_lower > a_upper or b_lower > b_upper
    size_lower, size_upper, _ = abs_(b_lower, b_upper, b_nan)
    unchanged = a_lower >= 0.0 and a_upper < size_lower
    lower = a_lower if unchanged else 0.0
    upper = lesser(a_upper, size_upper) if a_lower >= 0.0 else size_upper
    nan = touches_infinity(a_lower, a_upper) or contains_zero(b_lower, b_upper)
    return inf if empty else lower, -inf if empty else upper, nan or a_nan or b_nan


def and_(
    a_lower: Real, a_upper: Real, a_nan: Bool, b_lower: Real, b_upper: Real, b_nan: Bool
) -> tuple[Real, Real, Bool]:
    """Zero if `a` may be one, joined with `b` if `a` may be anything else; a NaN in `a` is absorbed."""
    zero = contains_zero(a_lower, a_upper)
    other = a_nan or (a_lower < 0.0 and a_lower <= a_upper) or (a_upper > 0.0 and a_lower <= a_upper)
    lower = b_lower if other else inf
    upper = b_upper if other else -inf
    return lesser(lower, 0.0) if zero else lower, greater(upper, 0.0) if zero else upper, b_nan and other


def or_(
    a_lower: Real, a_upper: Real, a_nan: Bool, b_lower: Real, b_upper: Real, b_nan: Bool
) -> tuple[Real, Real, Bool]:
    """`a` if it may be other than zero, joined with `b` if `a` may be zero.

    Not tight where an end of `a` is zero: the values next to it are left unnamed.
    """
    zero = contains_zero(a_lower, a_upper)
    only_zero = zero and a_lower == 0.0 and a_upper == 0.0
    lower = inf if only_zero else a_lower
    upper = -inf if only_zero else a_upper
    return (
        lesser(lower, b_lower) if zero else lower,
        greater(upper, b_upper) if zero else upper,
        a_nan or (zero and b_nan),
    )
