"""`fmod` without a call of the C library, for quotients that are not too large. In the subset of `subset`.

Each function returns the remainder of the truncated division with the sign of `a`, and whether it may be
used; where it may, it has the bits of `fmod`. The vector form computes the others lane by lane.
"""

from __future__ import annotations

from absint.ops.libm.double_double import two_product
from absint.ops.primitives import Bool, Real, Wide, copysign, inf, narrow, trunc, wide

LIMIT = 2.0**990
"""Up to here `two_product` does not overflow."""


def remainder32(a: Real, b: Real) -> tuple[Real, Bool]:
    """Of binary32 numbers.

    Let n = trunc(a/b) < 2^28. The rounded quotient truncates to n too: it is off by less than n 2^-53, but a
    quotient that is not n + 1 is at least half an ulp of b, 2^-25 of n + 1, below it. The product n b has at
    most 28 + 24 bits, so it is exact, and so is the difference, whose value is the remainder.
    """
    x = wide(a)
    y = wide(b)
    n = trunc(x / y)
    return narrow(copysign(x - n * y, x)), abs(n) < 268435456.0 and abs(b) < inf


def remainder64(a: Wide, b: Wide) -> tuple[Wide, Bool]:
    """Of binary64 numbers.

    Below 2^50 the rounded quotient is less than 1/2 off, and never below an integer that the true one
    reaches: n is trunc(a/b) or one more in size. n b = product + error, exactly; underflow loses nothing,
    because every term is a multiple of the smallest subnormal. The product is within a factor of 2 of `a` (or
    0), so that the first difference is exact, and the second is a - n b, which is no larger than b and has
    no finer digits than `a` and `b`. Of the wrong sign it is one b short.
    """
    n = trunc(a / b)
    product, error = two_product(n, b)
    rest = (a - product) - error
    short = (rest < 0.0 and a > 0.0) or (rest > 0.0 and a < 0.0)
    rest = rest + copysign(b, a) if short else rest
    return copysign(rest, a), abs(n) < 1125899906842624.0 and abs(a) < LIMIT and abs(b) < LIMIT
