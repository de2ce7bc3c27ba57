"""sin, cos, tan, asin, acos, atan, atan2, exp and ln of binary32 programs.

Each is a `_wide` function in binary64 with relative error < 2^-40, rounded once by its `32` function. No
operation is fused and none depends on the platform, so every backend gives the same bits. Special values
follow C99; NaN in, NaN out.

The errors are those of the polynomials (2^-43 and less, see `generate_tables`) and of a few roundings to
binary64. `tests/ops/test_libm.py` measures them.
"""

from __future__ import annotations

from absint.ops.libm.tables import (
    ASIN32,
    ATAN32,
    COS32,
    EXP32,
    HALF_PI,
    HALF_PI_1,
    HALF_PI_2,
    HALF_PI_3,
    LN2,
    LN2_HI,
    LN2_LO,
    LN32,
    LOG2_E,
    PI,
    QUARTER_PI,
    SIN32,
    TAN_EIGHTH_PI,
    TWO_BY_PI,
    TWO_OVER_PI,
    TWO_PI,
)
from absint.ops.primitives import (
    Int,
    Real,
    Wide,
    bits,
    copysign,
    floor,
    from_bits,
    inf,
    nan,
    narrow,
    sqrt,
    to_wide,
    wide,
)

ROUNDER = 6755399441055744.0
"""1.5 * 2^52: x + ROUNDER is x rounded to an integer, for |x| < 2^51, which its low bits hold too."""

ROUNDER_BITS = 0x4338_0000_0000_0000
SQRT_HALF_BITS = 0x3FE6_A09E_667F_3BCD

MEDIUM = 2.0**20
"""Up to here the nearest multiple of π/2 is below 2^20, so that its products with 33 bits are exact."""

RADIX = 2.0**24
PER_RADIX = 2.0**-24

STAND_IN = 2.0**500
"""For an infinite operand of atan2: its quotients with binary32 numbers round to 0 or to inf."""


def quadrant_medium(x: Wide) -> tuple[Int, Wide]:
    """The nearest integer k to x / (π/2), modulo 4 in its low bits, and x - k π/2. |x| <= MEDIUM.

    The first two products and the first difference are exact, so what cancels is exact, and the last
    difference, near 2^-30 at worst, has a relative error of 2^-52.
    """
    shifted = x * TWO_BY_PI + ROUNDER
    k = shifted - ROUNDER
    return bits(shifted), ((x - k * HALF_PI_1) - k * HALF_PI_2) - k * HALF_PI_3


def quadrant_huge(x: Wide) -> tuple[Int, Wide]:
    """As `quadrant_medium`, for any binary32 number from 2^8 on; NaN for infinity and NaN.

    With x / (2π) = (w0 + w1 2^24) * (digits of 2/π from `first` on), digits before `first` and the tops of
    the sums contribute whole turns, which are dropped. Every product (48 bits) and sum is exact. Left out
    are digits below 2^-95 of a turn; x is never closer than 2^-34 turns to a multiple of π/2.
    """
    exponent = ((bits(x) >> 52) & 0x7FF) - 1023
    place = 0 if exponent < -23 else 127 + 23 if exponent > 127 else exponent + 23
    first = (place * 43691) >> 20  # place / 24
    magnitude = abs(x) * from_bits((1023 + 46 - 24 * first) << 52)
    w1 = floor(magnitude * PER_RADIX)
    w0 = magnitude - w1 * RADIX
    digit = TWO_OVER_PI[first + 1]
    sum1 = w0 * TWO_OVER_PI[first] + w1 * digit  # weight 2^-24
    next_digit = TWO_OVER_PI[first + 2]
    sum2 = w0 * digit + w1 * next_digit
    digit = TWO_OVER_PI[first + 3]
    sum3 = w0 * next_digit + w1 * digit
    next_digit = TWO_OVER_PI[first + 4]
    sum4 = w0 * digit + w1 * next_digit
    sum5 = w0 * next_digit + w1 * TWO_OVER_PI[first + 5]  # weight 2^-120
    top = (sum1 - floor(sum1 * PER_RADIX) * RADIX) * RADIX + sum2  # < 2^50
    shifted = top * (4.0 * PER_RADIX * PER_RADIX) + ROUNDER  # in quarter turns
    rest = (top - (shifted - ROUNDER) * (RADIX * RADIX / 4.0)) + sum3 * PER_RADIX
    rest = rest + (sum4 + sum5 * PER_RADIX) * (PER_RADIX * PER_RADIX)
    r = rest * (PER_RADIX * PER_RADIX) * TWO_PI + (x - x)  # x - x makes NaN of infinity
    k = bits(shifted)
    return -k if x < 0.0 else k, -r if x < 0.0 else r


def quadrant(x: Wide) -> tuple[Int, Wide]:
    """The nearest integer k to x / (π/2), modulo 4 in its low bits, and x - k π/2."""
    k, r = quadrant_huge(x) if abs(x) > MEDIUM else quadrant_medium(x)
    return k, r


def sin_polynomial(r: Wide) -> Wide:
    """sin(r), |r| <= π/4; keeps -0."""
    z = r * r
    p = SIN32[0] + z * (SIN32[1] + z * (SIN32[2] + z * (SIN32[3] + z * SIN32[4])))
    return r * (1.0 + z * p)


def cos_polynomial(r: Wide) -> Wide:
    """cos(r), |r| <= π/4."""
    z = r * r
    p = COS32[0] + z * (COS32[1] + z * (COS32[2] + z * (COS32[3] + z * COS32[4])))
    return 1.0 - z * (0.5 - z * p)


def sin_wide(x: Wide) -> Wide:
    """sin(x) of a binary32 number."""
    k, r = quadrant(x)
    sine = sin_polynomial(r)
    cosine = cos_polynomial(r)
    value = sine if (k & 1) == 0 else cosine  # both at hand: a branch would be mispredicted
    return value if (k & 2) == 0 else -value


def cos_wide(x: Wide) -> Wide:
    """cos(x) of a binary32 number."""
    k, r = quadrant(x)
    sine = sin_polynomial(r)
    cosine = cos_polynomial(r)
    value = cosine if (k & 1) == 0 else sine
    return value if ((k + 1) & 2) == 0 else -value


def tan_wide(x: Wide) -> Wide:
    """tan(x) of a binary32 number; never infinite."""
    k, r = quadrant(x)
    sine = sin_polynomial(r)
    cosine = cos_polynomial(r)
    even = (k & 1) == 0
    return (sine if even else -cosine) / (cosine if even else sine)


def asin_polynomial(s: Wide, z: Wide) -> Wide:
    """asin(s), 0 <= s <= 1/2, where z = s²."""
    p = ASIN32[5] + z * (ASIN32[6] + z * (ASIN32[7] + z * (ASIN32[8] + z * ASIN32[9])))
    p = ASIN32[0] + z * (ASIN32[1] + z * (ASIN32[2] + z * (ASIN32[3] + z * (ASIN32[4] + z * p))))
    return s * (1.0 + z * p)


def asin_wide(x: Wide) -> Wide:
    """asin(x); above 1/2 it is π/2 - 2 asin(sqrt((1-x)/2)), where 1 - x is exact."""
    size = abs(x)
    large = size > 0.5
    z = (1.0 - size) * 0.5 if large else size * size
    p = asin_polynomial(sqrt(z) if large else size, z)
    return copysign(HALF_PI - 2.0 * p if large else p, x)


def acos_wide(x: Wide) -> Wide:
    """acos(x); near 1 it is 2 asin(sqrt((1-x)/2)), small without cancelling."""
    size = abs(x)
    large = size > 0.5
    z = (1.0 - size) * 0.5 if large else size * size
    p = asin_polynomial(sqrt(z) if large else size, z)
    outer = PI - 2.0 * p if x < 0.0 else 2.0 * p
    return outer if large else HALF_PI - copysign(p, x)


def atan2_wide(y: Wide, x: Wide) -> Wide:
    """atan2(y, x) of binary32 numbers: their quotients neither overflow nor underflow in binary64.

    The angle in the first quadrant is base + atan(n/d) with |n/d| <= tan(π/8): from the x axis, from the
    diagonal or from the y axis.
    """
    far_y = abs(y)
    far_x = abs(x)
    v = STAND_IN if far_y == inf else far_y
    u = STAND_IN if far_x == inf else far_x
    low = v <= u * TAN_EIGHTH_PI
    high = u < v * TAN_EIGHTH_PI
    n = v if low else -u if high else v - u
    d = u if low else v if high else v + u
    t = n / (d if d != 0.0 else 1.0)  # atan2(0, 0) = 0
    z = t * t
    p = ATAN32[4] + z * (ATAN32[5] + z * (ATAN32[6] + z * ATAN32[7]))
    p = ATAN32[0] + z * (ATAN32[1] + z * (ATAN32[2] + z * (ATAN32[3] + z * p)))
    base: Wide = 0.0 if low else HALF_PI if high else QUARTER_PI
    angle = base + t * (1.0 + z * p)
    return copysign(PI - angle if copysign(1.0, x) < 0.0 else angle, y)


def atan_wide(x: Wide) -> Wide:
    """atan(x)."""
    return atan2_wide(x, 1.0)


def exp_wide(x: Wide) -> Wide:
    """e^x = 2^k e^r, |r| <= ln(2)/2. Beyond ±200 it stays what binary32 rounds to 0 or inf.

    k * LN2_HI is exact (32 + 9 bits) and so is the difference, next to which LN2_LO is small.
    """
    clamped = -200.0 if x < -200.0 else 200.0 if x > 200.0 else x
    shifted = clamped * LOG2_E + ROUNDER
    k = shifted - ROUNDER
    r = (clamped - k * LN2_HI) - k * LN2_LO
    p = EXP32[4] + r * (EXP32[5] + r * (EXP32[6] + r * EXP32[7]))
    p = EXP32[0] + r * (EXP32[1] + r * (EXP32[2] + r * (EXP32[3] + r * p)))
    return (1.0 + (r + r * r * p)) * from_bits((bits(shifted) - ROUNDER_BITS + 1023) << 52)


def ln_wide(x: Wide) -> Wide:
    """ln(x) of a number that is normal in binary64: k ln 2 + ln m, sqrt(1/2) <= m < sqrt(2).

    ln m = 2 atanh s with s = (m-1)/(m+1), where m - 1 is exact; where k != 0 the sum cancels no more than
    half of its first term.
    """
    encoding = bits(x)
    k = (encoding - SQRT_HALF_BITS) >> 52
    m = from_bits(encoding - (k << 52))
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    p = LN32[0] + z * (LN32[1] + z * (LN32[2] + z * (LN32[3] + z * LN32[4])))
    value = to_wide(k) * LN2 + s * (2.0 + z * p)
    # +inf and NaN are their own logarithms
    return -inf if x == 0.0 else nan if x < 0.0 else value if x < inf else x


def sin32(a: Real) -> Real:
    """Sine; odd in bits, NaN at infinity."""
    return narrow(sin_wide(wide(a)))


def cos32(a: Real) -> Real:
    """Cosine; even in bits, NaN at infinity."""
    return narrow(cos_wide(wide(a)))


def tan32(a: Real) -> Real:
    """Tangent; odd in bits, NaN at infinity, finite everywhere else."""
    return narrow(tan_wide(wide(a)))


def asin32(a: Real) -> Real:
    """Arc sine; NaN outside of [-1, 1]."""
    return narrow(asin_wide(wide(a)))


def acos32(a: Real) -> Real:
    """Arc cosine; NaN outside of [-1, 1]."""
    return narrow(acos_wide(wide(a)))


def atan32(a: Real) -> Real:
    """Arc tangent; ±π/2 rounded at infinity."""
    return narrow(atan_wide(wide(a)))


def atan2_32(a: Real, b: Real) -> Real:
    """The angle of the point (x, y) = (b, a), in [-π, π] rounded; C99's table of zeros and infinities."""
    return narrow(atan2_wide(wide(a), wide(b)))


def exp32(a: Real) -> Real:
    """e^a; +0 at -inf."""
    return narrow(exp_wide(wide(a)))


def ln32(a: Real) -> Real:
    """Natural logarithm; -inf at either zero, NaN below."""
    return narrow(ln_wide(wide(a)))
