"""Interval rules of sin, cos, tan, asin, acos, atan, atan2, exp and ln, on (lower, upper, may_nan) triples.

Sound because the computed functions are nearly monotone where the true ones are. Let v <= w be true values,
and a, b what is computed for them.

- binary32: a and b are v and w, off by less than 2^-40 of themselves, then rounded. Before rounding they
  cross by less than 2^-39 of themselves, far less than the 2^-24 between floats, so at most one rounding
  boundary is passed: a is at most one float above b. End points move out by one float.
- binary64: the error is below one ulp, so a is at most the float above v, b at least the float below w, and
  a at most one float above b. End points move out by two.

Then they are clamped to the function's range, which no computed value leaves (sign included, for relative
errors below 1 keep it). Extrema and poles are found conservatively.
"""

from __future__ import annotations

from absint.ops.basic import max_ as greater
from absint.ops.basic import min_ as lesser
from absint.ops.intervals import contains_zero, touches_infinity
from absint.ops.libm.binary32 import acos32, asin32, atan2_32, atan32, cos32, exp32, ln32, sin32, tan32
from absint.ops.libm.binary64 import acos64, asin64, atan2_64, atan64, cos64, exp64, ln64, sin64, tan64
from absint.ops.libm.tables import HALF_PI, PI, TWO_BY_PI
from absint.ops.primitives import Bool, Real, Wide, floor, inf, narrow, next_down, next_up, wide

FAR = 2.0**20
"""Beyond, sin, cos and tan are not followed."""

SLACK = 2.0**-30
"""More than the error of a number of turns within `FAR` (2^-33), less than what moves sin off 1."""

TAN_BOUND32 = 2.0**32
"""No binary32 number is within 2^-30 of a pole of tan (the nearest, 16367173 * 2^72, keeps 2^-29.2)."""

TAN_BOUND64 = 2.0**62
"""No binary64 number is within 2^-61 of a pole of tan (the nearest, 6381956970095103 * 2^797: 2^-60.9)."""


def outward32(lower: Real, upper: Real) -> tuple[Real, Real]:
    """One float."""
    return next_down(lower), next_up(upper)


def outward64(lower: Wide, upper: Wide) -> tuple[Wide, Wide]:
    """Two floats."""
    return next_down(next_down(lower)), next_up(next_up(upper))


def contains_integer(lower: Wide, upper: Wide) -> Bool:
    """Whether an integer may be between the two, computed with errors below SLACK."""
    return floor(upper + SLACK) >= lower - SLACK


def wave(
    a_lower: Real, a_upper: Real, a_nan: Bool, at_lower: Real, at_upper: Real, maximum: Wide
) -> tuple[Real, Real, Bool]:
    """Range of sin or cos, whose maxima are at `maximum` and whole turns from there.

    `at_lower`, `at_upper`: bounds of the values at the end points. Infinite operands give NaN, never a
    number, and as end points they are far.
    """
    first = wide(a_lower) * (TWO_BY_PI * 0.25) - maximum
    last = wide(a_upper) * (TWO_BY_PI * 0.25) - maximum
    far = abs(a_lower) > FAR or abs(a_upper) > FAR
    top = 1.0 if far or contains_integer(first, last) else lesser(at_upper, 1.0)
    bottom = -1.0 if far or contains_integer(first - 0.5, last - 0.5) else greater(at_lower, -1.0)
    empty = a_lower == inf or a_upper == -inf  # no number, or one infinity alone
    return inf if empty else bottom, -inf if empty else top, a_nan or touches_infinity(a_lower, a_upper)


def between_poles(
    a_lower: Real, a_upper: Real, a_nan: Bool, at_lower: Real, at_upper: Real, bound: Real
) -> tuple[Real, Real, Bool]:
    """Range of tan, which is finite at every number: next to a pole, or far away, it is within `bound`."""
    first = wide(a_lower) * (TWO_BY_PI * 0.5) - 0.5
    last = wide(a_upper) * (TWO_BY_PI * 0.5) - 0.5
    pole = abs(a_lower) > FAR or abs(a_upper) > FAR or contains_integer(first, last)
    empty = a_lower == inf or a_upper == -inf
    return (
        inf if empty else -bound if pole else at_lower,
        -inf if empty else bound if pole else at_upper,
        a_nan or touches_infinity(a_lower, a_upper),
    )


def increasing(
    lower: Real, upper: Real, at_lower: Real, at_upper: Real, zero: Real, limit: Real
) -> tuple[Real, Real]:
    """Range of a function with values in [-limit, limit], negative below `zero` and positive above."""
    empty = not lower <= upper
    bottom = greater(at_lower, 0.0 if lower >= zero else -limit)
    top = lesser(at_upper, 0.0 if upper <= zero else limit)
    return inf if empty else bottom, -inf if empty else top


def sin_interval32(a_lower: Real, a_upper: Real, a_nan: Bool) -> tuple[Real, Real, Bool]:
    """Sine; NaN at infinity."""
    first = sin32(a_lower)
    last = sin32(a_upper)
    at_lower, at_upper = outward32(lesser(first, last), greater(first, last))
    return wave(a_lower, a_upper, a_nan, at_lower, at_upper, 0.25)


def sin_interval64(a_lower: Wide, a_upper: Wide, a_nan: Bool) -> tuple[Wide, Wide, Bool]:
    """Sine; NaN at infinity."""
    first = sin64(a_lower)
    last = sin64(a_upper)
    at_lower, at_upper = outward64(lesser(first, last), greater(first, last))
    return wave(a_lower, a_upper, a_nan, at_lower, at_upper, 0.25)


def cos_interval32(a_lower: Real, a_upper: Real, a_nan: Bool) -> tuple[Real, Real, Bool]:
    """Cosine; NaN at infinity."""
    first = cos32(a_lower)
    last = cos32(a_upper)
    at_lower, at_upper = outward32(lesser(first, last), greater(first, last))
    return wave(a_lower, a_upper, a_nan, at_lower, at_upper, 0.0)


def cos_interval64(a_lower: Wide, a_upper: Wide, a_nan: Bool) -> tuple[Wide, Wide, Bool]:
    """Cosine; NaN at infinity."""
    first = cos64(a_lower)
    last = cos64(a_upper)
    at_lower, at_upper = outward64(lesser(first, last), greater(first, last))
    return wave(a_lower, a_upper, a_nan, at_lower, at_upper, 0.0)


def tan_interval32(a_lower: Real, a_upper: Real, a_nan: Bool) -> tuple[Real, Real, Bool]:
    """Tangent, increasing between poles; NaN at infinity."""
    at_lower, at_upper = outward32(tan32(a_lower), tan32(a_upper))
    return between_poles(a_lower, a_upper, a_nan, at_lower, at_upper, TAN_BOUND32)


def tan_interval64(a_lower: Wide, a_upper: Wide, a_nan: Bool) -> tuple[Wide, Wide, Bool]:
    """Tangent, increasing between poles; NaN at infinity."""
    at_lower, at_upper = outward64(tan64(a_lower), tan64(a_upper))
    return between_poles(a_lower, a_upper, a_nan, at_lower, at_upper, TAN_BOUND64)


def asin_interval32(a_lower: Real, a_upper: Real, a_nan: Bool) -> tuple[Real, Real, Bool]:
    """Arc sine of the part in [-1, 1]; NaN outside."""
    inner_lower = greater(a_lower, -1.0)
    inner_upper = lesser(a_upper, 1.0)
    at_lower, at_upper = outward32(asin32(inner_lower), asin32(inner_upper))
    lower, upper = increasing(inner_lower, inner_upper, at_lower, at_upper, 0.0, narrow(HALF_PI))
    return lower, upper, a_nan or a_lower < -1.0 or a_upper > 1.0


def asin_interval64(a_lower: Wide, a_upper: Wide, a_nan: Bool) -> tuple[Wide, Wide, Bool]:
    """Arc sine of the part in [-1, 1]; NaN outside."""
    inner_lower = greater(a_lower, -1.0)
    inner_upper = lesser(a_upper, 1.0)
    at_lower, at_upper = outward64(asin64(inner_lower), asin64(inner_upper))
    lower, upper = increasing(inner_lower, inner_upper, at_lower, at_upper, 0.0, HALF_PI)
    return lower, upper, a_nan or a_lower < -1.0 or a_upper > 1.0


def acos_interval32(a_lower: Real, a_upper: Real, a_nan: Bool) -> tuple[Real, Real, Bool]:
    """Arc cosine, decreasing, of the part in [-1, 1]; NaN outside."""
    inner_lower = greater(a_lower, -1.0)
    inner_upper = lesser(a_upper, 1.0)
    empty = not inner_lower <= inner_upper
    lower, upper = outward32(acos32(inner_upper), acos32(inner_lower))
    nan = a_nan or a_lower < -1.0 or a_upper > 1.0
    return inf if empty else greater(lower, 0.0), -inf if empty else lesser(upper, narrow(PI)), nan


def acos_interval64(a_lower: Wide, a_upper: Wide, a_nan: Bool) -> tuple[Wide, Wide, Bool]:
    """Arc cosine, decreasing, of the part in [-1, 1]; NaN outside."""
    inner_lower = greater(a_lower, -1.0)
    inner_upper = lesser(a_upper, 1.0)
    empty = not inner_lower <= inner_upper
    lower, upper = outward64(acos64(inner_upper), acos64(inner_lower))
    nan = a_nan or a_lower < -1.0 or a_upper > 1.0
    return inf if empty else greater(lower, 0.0), -inf if empty else lesser(upper, PI), nan


def atan_interval32(a_lower: Real, a_upper: Real, a_nan: Bool) -> tuple[Real, Real, Bool]:
    """Arc tangent, increasing."""
    at_lower, at_upper = outward32(atan32(a_lower), atan32(a_upper))
    lower, upper = increasing(a_lower, a_upper, at_lower, at_upper, 0.0, narrow(HALF_PI))
    return lower, upper, a_nan


def atan_interval64(a_lower: Wide, a_upper: Wide, a_nan: Bool) -> tuple[Wide, Wide, Bool]:
    """Arc tangent, increasing."""
    at_lower, at_upper = outward64(atan64(a_lower), atan64(a_upper))
    lower, upper = increasing(a_lower, a_upper, at_lower, at_upper, 0.0, HALF_PI)
    return lower, upper, a_nan


def exp_interval32(a_lower: Real, a_upper: Real, a_nan: Bool) -> tuple[Real, Real, Bool]:
    """e^a, increasing and never negative."""
    lower, upper = outward32(exp32(a_lower), exp32(a_upper))
    empty = a_lower > a_upper
    return inf if empty else greater(lower, 0.0), -inf if empty else upper, a_nan


def exp_interval64(a_lower: Wide, a_upper: Wide, a_nan: Bool) -> tuple[Wide, Wide, Bool]:
    """e^a, increasing and never negative."""
    lower, upper = outward64(exp64(a_lower), exp64(a_upper))
    empty = a_lower > a_upper
    return inf if empty else greater(lower, 0.0), -inf if empty else upper, a_nan


def ln_interval32(a_lower: Real, a_upper: Real, a_nan: Bool) -> tuple[Real, Real, Bool]:
    """Natural logarithm, increasing, of the part from zero on; NaN below."""
    inner_lower = greater(a_lower, 0.0)
    at_lower, at_upper = outward32(ln32(inner_lower), ln32(a_upper))
    lower, upper = increasing(inner_lower, a_upper, at_lower, at_upper, 1.0, inf)
    return lower, upper, a_nan or a_lower < 0.0


def ln_interval64(a_lower: Wide, a_upper: Wide, a_nan: Bool) -> tuple[Wide, Wide, Bool]:
    """Natural logarithm, increasing, of the part from zero on; NaN below."""
    inner_lower = greater(a_lower, 0.0)
    at_lower, at_upper = outward64(ln64(inner_lower), ln64(a_upper))
    lower, upper = increasing(inner_lower, a_upper, at_lower, at_upper, 1.0, inf)
    return lower, upper, a_nan or a_lower < 0.0


def first_corner(y_lower: Real, y_upper: Real, x_lower: Real, x_upper: Real) -> tuple[Real, Real]:
    """The (y, x) of a box with the least angle, where the box does not meet the cut (y = 0, x <= 0).

    Along a line of constant y the angle falls in x above the axis and grows below; along one of constant
    x it grows in y to the right of the axis and falls to the left.
    """
    above = y_lower > 0.0
    x = x_upper if above else x_lower
    return y_lower if x > 0.0 else y_upper, x


def last_corner(y_lower: Real, y_upper: Real, x_lower: Real, x_upper: Real) -> tuple[Real, Real]:
    """The (y, x) of the box with the greatest angle; the mirror image of `first_corner`."""
    y, x = first_corner(-y_upper, -y_lower, x_lower, x_upper)
    return -y, x


def angles(
    a_lower: Real, a_upper: Real, a_nan: Bool, b_lower: Real, b_upper: Real, b_nan: Bool,
    at_first: Real, at_last: Real, half_turn: Real,
) -> tuple[Real, Real, Bool]:  # fmt: skip
    """Range of atan2, within the rounded `half_turn` π, from bounds of the angles at the two corners.

    An interval that contains zero contains both zeros, and atan2(±0, x) = ±π for x <= 0, -0 included: a box
    that touches the cut from either side reaches both ends.
    """
    empty = a_lower > a_upper or b_lower > b_upper
    cut = contains_zero(a_lower, a_upper) and b_lower <= 0.0
    bottom = greater(at_first, 0.0 if a_lower >= 0.0 else -half_turn)
    top = lesser(at_last, 0.0 if a_upper <= 0.0 else half_turn)
    return (
        inf if empty else -half_turn if cut else bottom,
        -inf if empty else half_turn if cut else top,
        a_nan or b_nan,
    )


def atan2_interval32(
    a_lower: Real, a_upper: Real, a_nan: Bool, b_lower: Real, b_upper: Real, b_nan: Bool
) -> tuple[Real, Real, Bool]:
    """The angle of points (x, y) = (b, a)."""
    first_y, first_x = first_corner(a_lower, a_upper, b_lower, b_upper)
    last_y, last_x = last_corner(a_lower, a_upper, b_lower, b_upper)
    at_first, at_last = outward32(atan2_32(first_y, first_x), atan2_32(last_y, last_x))
    return angles(a_lower, a_upper, a_nan, b_lower, b_upper, b_nan, at_first, at_last, narrow(PI))


def atan2_interval64(
    a_lower: Wide, a_upper: Wide, a_nan: Bool, b_lower: Wide, b_upper: Wide, b_nan: Bool
) -> tuple[Wide, Wide, Bool]:
    """The angle of points (x, y) = (b, a)."""
    first_y, first_x = first_corner(a_lower, a_upper, b_lower, b_upper)
    last_y, last_x = last_corner(a_lower, a_upper, b_lower, b_upper)
    at_first, at_last = outward64(atan2_64(first_y, first_x), atan2_64(last_y, last_x))
    return angles(a_lower, a_upper, a_nan, b_lower, b_upper, b_nan, at_first, at_last, PI)
