"""A float format so small that everything can be tried: all values, all intervals, all pairs of intervals.

Three bits of exponent or fewer, and one or two of fraction, rounded as IEEE 754 says: gradual underflow, ties
to even, overflow to infinity. `Toy` works wherever a body or an interval rule is called as the plain function
it is; every result is looked up in tables that were computed once with binary64 and rounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

EXPONENT_BITS, FRACTION_BITS = 2, 1


def _magnitudes() -> list[float]:
    """All finite magnitudes in order; even indices have an even last bit."""
    bias = 2 ** (EXPONENT_BITS - 1) - 1
    steps = 2**FRACTION_BITS
    subnormal = [i / steps * 2.0 ** (1 - bias) for i in range(steps)]
    normal = [
        (1 + i / steps) * 2.0 ** (e - bias) for e in range(1, 2**EXPONENT_BITS - 1) for i in range(steps)
    ]
    return subnormal + normal


_FINITE = _magnitudes()
_OVERFLOW = _FINITE[-1] + (_FINITE[-1] - _FINITE[-2]) / 2


def round_to_toy(value: float) -> float:
    """The nearest value of the format, ties to even; `value` must be within 2^-40 of exact, relatively."""
    magnitude = abs(value)
    if value != value or magnitude == math.inf:
        return value
    if magnitude >= _OVERFLOW:
        return math.copysign(math.inf, value)
    nearest = min(range(len(_FINITE)), key=lambda i: (abs(_FINITE[i] - magnitude), i % 2))
    return math.copysign(_FINITE[nearest], value)


NUMBERS = sorted({sign * v for v in (*_FINITE[1:], math.inf) for sign in (1, -1)} | {0.0})
"""Every number of the format once, both zeros as one."""


def _apply(function: Callable[..., float], *operands: float) -> Toy:
    return _result(function, operands, *(math.copysign(1, v) for v in operands))


@cache
def _result(function: Callable[..., float], operands: tuple[float, ...], *signs: float) -> Toy:
    """`signs`: of the operands, for the cache must tell the zeros apart."""
    try:
        return Toy(round_to_toy(function(*operands)))
    except ZeroDivisionError:
        a, b = operands
        sign = math.copysign(1, a) * math.copysign(1, b)
        return Toy(math.nan if a == 0 or a != a else sign * math.inf)
    except (ValueError, OverflowError):  # the math module raises where IEEE 754 says NaN
        return Toy(math.nan)


def _add(a: float, b: float) -> float:
    return a + b


def _sub(a: float, b: float) -> float:
    return a - b


def _mul(a: float, b: float) -> float:
    return a * b


def _div(a: float, b: float) -> float:
    return a / b


def _sqrt(a: float) -> float:
    return math.sqrt(a) if a != 0 else a


def _floor(a: float) -> float:
    return math.copysign(math.floor(a), a) if math.isfinite(a) and a != 0 else a


def _trunc(a: float) -> float:
    return math.copysign(math.trunc(a), a) if math.isfinite(a) else a


class Toy:
    """One value; arithmetic with Python's numbers is fine as long as they are in the format."""

    __slots__ = ("value",)

    def __init__(self, value: float) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Toy({self.value!r})"

    def __neg__(self) -> Toy:
        return Toy(-self.value)

    def __abs__(self) -> Toy:
        return Toy(abs(self.value))

    def __add__(self, other: Any) -> Toy:
        return _apply(_add, self.value, plain(other))

    def __radd__(self, other: Any) -> Toy:
        return _apply(_add, plain(other), self.value)

    def __sub__(self, other: Any) -> Toy:
        return _apply(_sub, self.value, plain(other))

    def __mul__(self, other: Any) -> Toy:
        return _apply(_mul, self.value, plain(other))

    def __truediv__(self, other: Any) -> Toy:
        return _apply(_div, self.value, plain(other))

    def __rtruediv__(self, other: Any) -> Toy:
        return _apply(_div, plain(other), self.value)

    def __eq__(self, other: object) -> bool:
        return self.value == plain(other)

    def __ne__(self, other: object) -> bool:
        return self.value != plain(other)

    def __lt__(self, other: Any) -> bool:
        return self.value < plain(other)

    def __le__(self, other: Any) -> bool:
        return self.value <= plain(other)

    def __gt__(self, other: Any) -> bool:
        return self.value > plain(other)

    def __ge__(self, other: Any) -> bool:
        return self.value >= plain(other)

    __hash__ = None  # type: ignore[assignment]  # compared like floats, so never a key

    def sqrt(self) -> Toy:
        return _apply(_sqrt, self.value)

    def floor(self) -> Toy:
        return _apply(_floor, self.value)

    def trunc(self) -> Toy:
        return _apply(_trunc, self.value)

    def fmod(self, other: Any) -> Toy:
        return _apply(math.fmod, self.value, plain(other))

    def copysign(self, other: Any) -> Toy:
        return Toy(math.copysign(plain(self), plain(other)))


def plain(value: Any) -> float:
    """The number itself."""
    return value.value if isinstance(value, Toy) else float(value)
