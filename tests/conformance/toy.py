"""A float format so small that everything can be tried: all values, all intervals, all pairs of intervals.

A `Format` has any number of bits, rounded as IEEE 754 says: gradual underflow, ties to even, overflow to
infinity. `Toy` works wherever a body or an interval rule is called as the plain function it is; every result
is looked up in tables that were computed once with binary64 and rounded.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import cache
from typing import Any


class Format:
    """IEEE 754 with so many bits of exponent and fraction: gradual underflow, infinities, NaN.

    `finite`: the magnitudes in order, so that even indices have an even last bit. `numbers`: every number
    once, both zeros as one.
    """

    def __init__(self, exponent_bits: int, fraction_bits: int) -> None:
        self.sign_bit = 1 << (exponent_bits + fraction_bits)
        bias = 2 ** (exponent_bits - 1) - 1
        steps = 2**fraction_bits
        subnormal = [i / steps * 2.0 ** (1 - bias) for i in range(steps)]
        exponents = range(1, 2**exponent_bits - 1)
        self.finite = subnormal + [
            (1 + i / steps) * 2.0 ** (e - bias) for e in exponents for i in range(steps)
        ]
        self._overflow = self.finite[-1] + (self.finite[-1] - self.finite[-2]) / 2
        positive = (*self.finite[1:], math.inf)
        self.numbers = sorted({sign * v for v in positive for sign in (1, -1)} | {0.0})

    def round(self, value: float) -> float:
        """The nearest value, ties to even; `value` must be within 2^-40 of exact, relatively."""
        magnitude = abs(value)
        if value != value or magnitude == math.inf:
            return value
        if magnitude >= self._overflow:
            return math.copysign(math.inf, value)
        nearest = min(range(len(self.finite)), key=lambda i: (abs(self.finite[i] - magnitude), i % 2))
        return math.copysign(self.finite[nearest], value)


TINY = Format(exponent_bits=2, fraction_bits=1)
"""Of 4 bits: what `Toy` computes in."""

NUMBERS = TINY.numbers
round_to_toy = TINY.round


def exact(function: Callable[..., float], *operands: float) -> float:
    """A function of the math module or an operator, with IEEE 754's results where Python raises."""
    try:
        return function(*operands)
    except ZeroDivisionError:
        a, b = operands
        return math.nan if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1, b)
    except (ValueError, OverflowError):  # the math module raises where IEEE 754 says NaN
        return math.nan


def _apply(function: Callable[..., float], *operands: float) -> Toy:
    return _result(function, operands, *(math.copysign(1, v) for v in operands))


@cache
def _result(function: Callable[..., float], operands: tuple[float, ...], *signs: float) -> Toy:
    """`signs`: of the operands, for the cache must tell the zeros apart."""
    return Toy(round_to_toy(exact(function, *operands)))


def sqrt_of(a: float) -> float:
    return math.sqrt(a) if a != 0 else a


def floor_of(a: float) -> float:
    return math.copysign(math.floor(a), a) if math.isfinite(a) and a != 0 else a


def trunc_of(a: float) -> float:
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
        return _apply(operator.add, self.value, plain(other))

    def __radd__(self, other: Any) -> Toy:
        return _apply(operator.add, plain(other), self.value)

    def __sub__(self, other: Any) -> Toy:
        return _apply(operator.sub, self.value, plain(other))

    def __mul__(self, other: Any) -> Toy:
        return _apply(operator.mul, self.value, plain(other))

    def __truediv__(self, other: Any) -> Toy:
        return _apply(operator.truediv, self.value, plain(other))

    def __rtruediv__(self, other: Any) -> Toy:
        return _apply(operator.truediv, plain(other), self.value)

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
        return _apply(sqrt_of, self.value)

    def floor(self) -> Toy:
        return _apply(floor_of, self.value)

    def trunc(self) -> Toy:
        return _apply(trunc_of, self.value)

    def fmod(self, other: Any) -> Toy:
        return _apply(math.fmod, self.value, plain(other))

    def copysign(self, other: Any) -> Toy:
        return Toy(math.copysign(plain(self), plain(other)))


def plain(value: Any) -> float:
    """The number itself."""
    return value.value if isinstance(value, Toy) else float(value)
