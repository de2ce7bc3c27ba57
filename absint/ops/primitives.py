"""The primitives of op bodies, as scalar functions, and the types that bodies are annotated with.

`translate` prints each of these for NumPy, Numba and C. Called directly, with NumPy scalars and under
`np.errstate(all="ignore")`, they are the scalar definition. Any other class of number works too if it has
a method of the primitive's name (`trunc`, `sqrt`, `next_up`, ...): the toy floats of the tests do.

`Real` is a number in the program's precision, `Wide` always binary64, `Int` a 64-bit integer. For mypy they
are Python's number types, so that literals fit; `subset` keeps them strictly apart.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias, cast

import numpy as np

Real: TypeAlias = float
Wide: TypeAlias = float
Int: TypeAlias = int
Bool: TypeAlias = bool

inf = math.inf
nan = math.nan


def _apply(name: str, ufunc: Any, *operands: Any) -> Any:
    """`ufunc` on NumPy and Python numbers, the method `name` of the first operand of any other class."""
    for operand in operands:
        if not isinstance(operand, (np.generic, float, int)):
            return getattr(type(operand), name)(*operands)
    return ufunc(*operands)


def trunc(a: Real) -> Real:
    """Round toward zero to an integer; keeps the sign of zero."""
    return cast(float, _apply("trunc", np.trunc, a))


def floor(a: Real) -> Real:
    """Round down to an integer; keeps the sign of zero."""
    return cast(float, _apply("floor", np.floor, a))


def sqrt(a: Real) -> Real:
    """Correctly rounded square root."""
    return cast(float, _apply("sqrt", np.sqrt, a))


def fmod(a: Real, b: Real) -> Real:
    """Exact remainder of the truncated division, with the sign of `a`."""
    return cast(float, _apply("fmod", np.fmod, a, b))


def copysign(a: Real, b: Real) -> Real:
    """`a` with the sign bit of `b`."""
    return cast(float, _apply("copysign", np.copysign, a, b))


def next_up(a: Real) -> Real:
    """The least float above `a`; NaN and +inf stay, and above either zero is the smallest subnormal."""
    return cast(float, _apply("next_up", lambda x: np.nextafter(x, type(x)(inf)), a))


def next_down(a: Real) -> Real:
    """The greatest float below `a`; NaN and -inf stay."""
    return cast(float, _apply("next_down", lambda x: np.nextafter(x, type(x)(-inf)), a))


def wide(a: Real) -> Wide:
    """The same number in binary64; exact."""
    return np.float64(a)


def narrow(a: Wide) -> Real:
    """Round once to binary32. Only in bodies for that precision."""
    return cast(float, np.float32(a))


def bits(a: Wide) -> Int:
    """The encoding of a binary64 number as a signed integer. That of NaN is unspecified."""
    return int(np.float64(a).view(np.int64))


def from_bits(i: Int) -> Wide:
    """The binary64 number whose encoding is `i` modulo 2^64."""
    return cast(float, np.uint64(i & 0xFFFF_FFFF_FFFF_FFFF).view(np.float64))


def to_int(a: Wide) -> Int:
    """Round toward zero. `a` must be a number in the range of `Int`; anything else is unspecified."""
    return int(a)


def to_wide(i: Int) -> Wide:
    """The integer as a number; |i| <= 2^53 makes it exact."""
    return np.float64(i)


def scale2(x: Wide, k: Int) -> Wide:
    """x * 2^k, rounded once; 2^-20 <= |x| <= 2^20 (or 0, inf, NaN) and any k. Part of the subset itself.

    Two factors reach all results, subnormal ones included: the first product is exact because it stays
    normal, so only the second rounds. Beyond ±2044 nothing but 0 or inf can come of such an x.
    """
    clamped = -2044 if k < -2044 else 2044 if k > 2044 else k
    half = clamped >> 1
    return x * from_bits((half + 1023) << 52) * from_bits((clamped - half + 1023) << 52)
