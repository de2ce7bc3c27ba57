"""sin, cos, tan, asin, acos, atan, atan2, exp and ln of binary64 programs, with error below one ulp.

The plan of each: reduce the argument to r + (what r lost), where r is small; add a polynomial's small term,
whose own error is a tenth of an ulp of the result, last. Then nearly all of the error is the last rounding.
No operation is fused. Special values follow C99; NaN in, NaN out. `tests/ops/test_libm.py` measures errors.
"""

from __future__ import annotations

from absint.ops.libm.double_double import fast_two_sum, two_product, two_sum
from absint.ops.libm.tables import (
    ASIN64,
    ATAN64,
    COS64,
    EXP64,
    HALF_PI,
    HALF_PI_1,
    HALF_PI_2,
    HALF_PI_3,
    HALF_PI_4,
    HALF_PI_LO,
    LN2_HI,
    LN2_LO,
    LN64,
    LOG2_E,
    PI,
    PI_LO,
    QUARTER_PI,
    QUARTER_PI_LO,
    SIN64,
    TAN_EIGHTH_PI,
    THREE_QUARTER_PI,
    THREE_QUARTER_PI_LO,
    TWO_BY_PI,
    TWO_OVER_PI,
    TWO_PI,
    TWO_PI_LO,
)
from absint.ops.primitives import (
    Bool,
    Int,
    Wide,
    bits,
    copysign,
    floor,
    from_bits,
    inf,
    nan,
    scale2,
    sqrt,
    to_wide,
)

ROUNDER = 1.5 * 2.0**52
"""x + ROUNDER is x rounded to an integer, for |x| < 2^51, which its low bits hold too."""

ROUNDER_BITS = 0x4338_0000_0000_0000
SQRT_HALF_BITS = 0x3FE6_A09E_667F_3BCD

MEDIUM = 2.0**20
"""Up to here the nearest multiple of π/2 is below 2^20, so that its products with 33 bits are exact."""

SMALL = 2.0**-27
"""Below it sin(x) = tan(x) = x to a tenth of an ulp; subnormal arguments never meet a product."""

TINY_RATIO = 2.0**-30
SMALLEST_NORMAL = 2.0**-1022
TWO_54 = 2.0**54

RADIX = 2.0**24
PER_RADIX = 2.0**-24


def quadrant_medium(x: Wide) -> tuple[Int, Wide, Wide]:
    """The nearest integer k to x / (π/2), modulo 4 in its low bits, and x - k π/2 in two parts.

    |x| <= MEDIUM. The products with the first three parts are exact, and so is the first difference. The
    second part's error is kept; where the third cancels, down to 2^-62 at worst, there is none. The last
    product is below 2^-78, so its rounding is 2^-69 of the result.
    """
    shifted = x * TWO_BY_PI + ROUNDER
    k = shifted - ROUNDER
    second, error2 = two_sum(x - k * HALF_PI_1, -(k * HALF_PI_2))
    third, error3 = two_sum(second, -(k * HALF_PI_3))
    r, rest = fast_two_sum(third, (error2 + error3) - k * HALF_PI_4)
    return bits(shifted), r, rest


def turn_digit(w0: Wide, w1: Wide, w2: Wide, at: Int) -> Wide:
    """One digit, not yet carried, of w0 + w1 2^24 + w2 2^48 times digits of 2/π. Exact."""
    return (w0 * TWO_OVER_PI[at] + w1 * TWO_OVER_PI[at + 1]) + w2 * TWO_OVER_PI[at + 2]


def without_carry(digit: Wide) -> Wide:
    """The digit modulo 2^24."""
    return digit - floor(digit * PER_RADIX) * RADIX


def quadrant_huge(x: Wide) -> tuple[Int, Wide, Wide]:
    """As `quadrant_medium`, for any number from 2^20 on; NaN for infinity and NaN.

    With x / (2π) = (w0 + w1 2^24 + w2 2^48) * (digits of 2/π from `first` on), digits before `first` and
    the carries of the first sum contribute whole turns, which are dropped. w2 < 2^28, so that every product
    and sum is below 2^53 and exact. Left out are 2^-139 turns; x is never closer than 2^-64 turns to a
    multiple of π/2.
    """
    exponent = ((bits(x) >> 52) & 0x7FF) - 1023
    place = 0 if exponent < 6 else 1017 if exponent > 1023 else exponent - 6
    first = (place * 43691) >> 20  # place / 24
    scaled = abs(x) * from_bits((1023 + 46 - 24 * first) << 52)
    w2 = floor(scaled * (PER_RADIX * PER_RADIX))
    lower = scaled - w2 * (RADIX * RADIX)
    w1 = floor(lower * PER_RADIX)
    w0 = lower - w1 * RADIX
    digit7 = turn_digit(w0, w1, w2, first + 6)  # weight 2^-168; only its carry counts
    digit6 = turn_digit(w0, w1, w2, first + 5) + floor(digit7 * PER_RADIX)
    digit5 = turn_digit(w0, w1, w2, first + 4) + floor(digit6 * PER_RADIX)
    digit4 = turn_digit(w0, w1, w2, first + 3) + floor(digit5 * PER_RADIX)
    digit3 = turn_digit(w0, w1, w2, first + 2) + floor(digit4 * PER_RADIX)
    digit2 = turn_digit(w0, w1, w2, first + 1) + floor(digit3 * PER_RADIX)
    digit1 = turn_digit(w0, w1, w2, first) + floor(digit2 * PER_RADIX)
    top = without_carry(digit1) * RADIX + without_carry(digit2)  # 2^-48 turns
    middle = without_carry(digit3) * RADIX + without_carry(digit4)
    bottom = without_carry(digit5) * RADIX + without_carry(digit6)
    shifted = top * (4.0 * PER_RADIX * PER_RADIX) + ROUNDER  # in quarter turns
    top = top - (shifted - ROUNDER) * (RADIX * RADIX / 4.0)
    turns, error = two_sum(top, middle * (PER_RADIX * PER_RADIX))
    turns, error = fast_two_sum(turns, error + bottom * (PER_RADIX * PER_RADIX * PER_RADIX * PER_RADIX))
    product, rest = two_product(turns, TWO_PI)
    r, rest = fast_two_sum(product, rest + (turns * TWO_PI_LO + error * TWO_PI))
    k = bits(shifted)
    sign: Wide = -PER_RADIX * PER_RADIX if x < 0.0 else PER_RADIX * PER_RADIX
    return -k if x < 0.0 else k, r * sign + (x - x), rest * sign  # x - x makes NaN of infinity


def quadrant(x: Wide) -> tuple[Int, Wide, Wide]:
    """The nearest integer k to x / (π/2), modulo 4 in its low bits, and x - k π/2 in two parts."""
    k, r, rest = quadrant_huge(x) if abs(x) > MEDIUM else quadrant_medium(x)
    return k, r, rest


def sin_parts(r: Wide, rest: Wide) -> tuple[Wide, Wide]:
    """sin(r + rest), |r| <= π/4, as a sum whose first term carries all but a tenth."""
    z = r * r
    p = SIN64[3] + z * (SIN64[4] + z * (SIN64[5] + z * SIN64[6]))
    p = SIN64[0] + z * (SIN64[1] + z * (SIN64[2] + z * p))
    return fast_two_sum(r, r * z * p + rest * (1.0 - 0.5 * z))


def cos_parts(r: Wide, rest: Wide) -> tuple[Wide, Wide]:
    """cos(r + rest), |r| <= π/4: 1 - r²/2 without rounding errors, and the small rest."""
    z, z_error = two_product(r, r)
    p = COS64[3] + z * (COS64[4] + z * (COS64[5] + z * COS64[6]))
    p = COS64[0] + z * (COS64[1] + z * (COS64[2] + z * p))
    cosine, error = fast_two_sum(1.0, -0.5 * z)
    return fast_two_sum(cosine, error - 0.5 * z_error + (z * z * p - r * rest))


def sin64(x: Wide) -> Wide:
    """Sine; odd in bits, NaN at infinity."""
    k, r, rest = quadrant(x)
    sine, sine_rest = sin_parts(r, rest)
    cosine, cosine_rest = cos_parts(r, rest)
    value = sine + sine_rest if (k & 1) == 0 else cosine + cosine_rest
    return x if abs(x) < SMALL else value if (k & 2) == 0 else -value


def cos64(x: Wide) -> Wide:
    """Cosine; even in bits, NaN at infinity."""
    k, r, rest = quadrant(x)
    sine, sine_rest = sin_parts(r, rest)
    cosine, cosine_rest = cos_parts(r, rest)
    value = cosine + cosine_rest if (k & 1) == 0 else sine + sine_rest
    return value if ((k + 1) & 2) == 0 else -value


def tan64(x: Wide) -> Wide:
    """Tangent; odd in bits, NaN at infinity, finite everywhere else."""
    k, r, rest = quadrant(x)
    sine, sine_rest = sin_parts(r, rest)
    cosine, cosine_rest = cos_parts(r, rest)
    even = (k & 1) == 0
    n = sine if even else -cosine
    n_rest = sine_rest if even else -cosine_rest
    d = cosine if even else sine
    d_rest = cosine_rest if even else sine_rest
    quotient = n / d
    product, error = two_product(quotient, d)
    value = quotient + (((n - product) - error) + n_rest - quotient * d_rest) / d
    return x if abs(x) < SMALL else value


def asin_parts(size: Wide, large: Bool) -> tuple[Wide, Wide]:
    """asin(s) in two parts, of s = `size` or, if `large`, of s = sqrt((1 - size) / 2), where s <= 1/2.

    1 - size is exact, and the error of the square root is corrected to first order.
    """
    z = (1.0 - size) * 0.5 if large else size * size
    s = sqrt(z) if large else size
    p = ASIN64[7] + z * (
        ASIN64[8] + z * (ASIN64[9] + z * (ASIN64[10] + z * (ASIN64[11] + z * (ASIN64[12] + z * ASIN64[13]))))
    )
    p = ASIN64[0] + z * (
        ASIN64[1]
        + z * (ASIN64[2] + z * (ASIN64[3] + z * (ASIN64[4] + z * (ASIN64[5] + z * (ASIN64[6] + z * p)))))
    )
    square, error = two_product(s, s)
    lost = ((z - square) - error) / (s + s if s > 0.0 else 1.0)
    return s, s * z * p + (lost if large else 0.0)


def asin64(x: Wide) -> Wide:
    """Arc sine; NaN outside of [-1, 1]. Above 1/2 it is π/2 - 2 asin(sqrt((1-x)/2))."""
    size = abs(x)
    large = size > 0.5
    s, rest = asin_parts(size, large)
    total, error = two_sum(HALF_PI, -2.0 * s)
    outer = total + (error + (HALF_PI_LO - 2.0 * rest))
    return copysign(outer if large else s + rest, x)


def acos64(x: Wide) -> Wide:
    """Arc cosine; NaN outside of [-1, 1]. Near 1 it is 2 asin(sqrt((1-x)/2)), small without cancelling."""
    size = abs(x)
    large = size > 0.5
    s, rest = asin_parts(size, large)
    near_one = large and x > 0.0
    base: Wide = 0.0 if near_one else PI if large else HALF_PI
    base_rest: Wide = 0.0 if near_one else PI_LO if large else HALF_PI_LO
    factor = 2.0 if near_one else -2.0 if large else copysign(1.0, -x)
    total, error = two_sum(base, factor * s)
    return total + (error + (base_rest + factor * rest))


def atan2_64(y: Wide, x: Wide) -> Wide:
    """The angle of the point (x, y), in [-π, π] rounded; C99's table of zeros and infinities.

    The angle in the first quadrant is base + atan(n/d) with |n/d| <= tan(π/8): from the x axis, from the
    diagonal or from the y axis. Both operands are scaled by one power of two, which loses an operand only
    where it does not count; where it would, next to the positive x axis, the angle is the plain quotient.
    """
    far_y = abs(y)
    far_x = abs(x)
    infinite = far_y == inf or far_x == inf
    v = (1.0 if far_y == inf else 0.0) if infinite else far_y
    u = (1.0 if far_x == inf else 0.0) if infinite else far_x
    exponent = (bits(v if v > u else u) >> 52) & 0x7FF
    scale = from_bits((2046 if exponent < 60 else 2106 - exponent) << 52)  # to 2^60, or as far as it goes
    tiny = v <= u * TINY_RATIO
    quotient = v / (u if u != 0.0 else 1.0)
    v = v * scale
    u = u * scale
    low = v <= u * TAN_EIGHTH_PI
    high = u < v * TAN_EIGHTH_PI
    difference, difference_rest = two_sum(v, -u)
    total, total_rest = two_sum(v, u)
    n = v if low else -u if high else difference
    d = u if low else v if high else total
    d = d if d != 0.0 else 1.0  # atan2(0, 0) = 0
    t = n / d
    product, error = two_product(t, d)
    inexact = difference_rest - t * total_rest
    lost = ((n - product) - error) + (0.0 if low or high else inexact)
    z = t * t
    p = ATAN64[6] + z * (ATAN64[7] + z * (ATAN64[8] + z * (ATAN64[9] + z * (ATAN64[10] + z * ATAN64[11]))))
    p = ATAN64[0] + z * (
        ATAN64[1] + z * (ATAN64[2] + z * (ATAN64[3] + z * (ATAN64[4] + z * (ATAN64[5] + z * p))))
    )
    rest = lost / d + t * z * p
    behind = copysign(1.0, x) < 0.0
    far: Wide = PI if low else HALF_PI if high else THREE_QUARTER_PI
    far_rest: Wide = PI_LO if low else HALF_PI_LO if high else THREE_QUARTER_PI_LO
    near: Wide = 0.0 if low else HALF_PI if high else QUARTER_PI
    near_rest: Wide = 0.0 if low else HALF_PI_LO if high else QUARTER_PI_LO
    angle, error = two_sum(far if behind else near, -t if behind else t)
    rest = (far_rest if behind else near_rest) + (-rest if behind else rest)
    angle = quotient if tiny and not behind else angle + (error + rest)
    return copysign(nan if x != x or y != y else angle, y)


def atan64(x: Wide) -> Wide:
    """Arc tangent; ±π/2 rounded at infinity."""
    return atan2_64(x, 1.0)


def exp64(x: Wide) -> Wide:
    """e^x = 2^k e^(r + rest), |r| <= ln(2)/2; +0 at -inf. Beyond ±800 it stays 0 or inf.

    k * LN2_HI is exact (32 + 11 bits) and so is the difference, next to which LN2_LO is small.
    """
    clamped = -800.0 if x < -800.0 else 800.0 if x > 800.0 else x
    shifted = clamped * LOG2_E + ROUNDER
    k = shifted - ROUNDER
    r, rest = two_sum(clamped - k * LN2_HI, -(k * LN2_LO))
    p = EXP64[5] + r * (EXP64[6] + r * (EXP64[7] + r * (EXP64[8] + r * (EXP64[9] + r * EXP64[10]))))
    p = EXP64[0] + r * (EXP64[1] + r * (EXP64[2] + r * (EXP64[3] + r * (EXP64[4] + r * p))))
    total, error = fast_two_sum(1.0, r)
    return scale2(total + (error + (r * r * p + (rest + rest * r))), bits(shifted) - ROUNDER_BITS)


def ln64(x: Wide) -> Wide:
    """Natural logarithm: k ln 2 + ln m, sqrt(1/2) <= m < sqrt(2); -inf at either zero, NaN below.

    With f = m - 1 (exact) and s = f/(2+f), ln m = 2 atanh s = f - f²/2 + s (f²/2 + s² q(s²)), where the
    first two terms are kept without error.
    """
    subnormal = x < SMALLEST_NORMAL
    encoding = bits(x * TWO_54 if subnormal else x)
    k = (encoding - SQRT_HALF_BITS) >> 52
    f = from_bits(encoding - (k << 52)) - 1.0
    s = f / (2.0 + f)
    z = s * s
    p = LN64[4] + z * (LN64[5] + z * (LN64[6] + z * LN64[7]))
    p = LN64[0] + z * (LN64[1] + z * (LN64[2] + z * (LN64[3] + z * p)))
    square, square_error = two_product(f, f)
    half = 0.5 * square
    mantissa, mantissa_error = fast_two_sum(f, -half)
    count = to_wide(k - 54 if subnormal else k)
    total, total_error = fast_two_sum(count * LN2_HI, mantissa)  # |k ln 2| > |ln m| unless k = 0
    rest = s * (half + z * p) + (count * LN2_LO - 0.5 * square_error)
    value = total + (total_error + (mantissa_error + rest))
    # +inf and NaN are their own logarithms
    return -inf if x == 0.0 else nan if x < 0.0 else value if x < inf else x
