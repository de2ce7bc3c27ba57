"""Arrays of 6-bit floats, so that interval rules run on all pairs of all intervals at once.

A `ToyArray` holds bit patterns; every operation is a look-up in a table of 64 or 64 x 64 results. `TOYS`
stands in for NumPy where `array_form` prints a function.

| bits | 5 | 4 3 2 | 1 0 |
|---|---|---|---|
| meaning | sign | exponent, bias 3 | fraction |
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.conformance.toy import Format, exact, floor_of, sqrt_of, trunc_of

SMALL = Format(exponent_bits=3, fraction_bits=2)
COUNT = 2 * SMALL.sign_bit
"""How many bit patterns there are."""

_MAGNITUDES = [*SMALL.finite, math.inf]
VALUES = np.full(COUNT, np.nan)
"""The number of each bit pattern; those that `_MAGNITUDES` leaves are NaN."""
VALUES[: len(_MAGNITUDES)] = _MAGNITUDES
VALUES[SMALL.sign_bit : SMALL.sign_bit + len(_MAGNITUDES)] = [-v for v in _MAGNITUDES]

PLACES = [np.flatnonzero(v == VALUES) for v in SMALL.numbers] + [np.flatnonzero(np.isnan(VALUES))]
"""The bit patterns of each number, of which zero has two, and those of NaN."""


def encode(value: float) -> int:
    """The bit pattern of a value of the format."""
    if value != value:
        return COUNT - 1
    magnitude = _MAGNITUDES.index(abs(value))
    return magnitude + SMALL.sign_bit * (math.copysign(1, value) < 0)


@cache
def _table(function: Callable[..., float], arity: int) -> NDArray[np.uint8]:
    """The result for each bit pattern, or for each `first * COUNT + second`."""
    operands = itertools.product(VALUES.tolist(), repeat=arity)
    return np.array([encode(SMALL.round(exact(function, *each))) for each in operands], np.uint8)


@cache
def _truths(function: Callable[..., bool]) -> NDArray[np.bool_]:
    operands = itertools.product(VALUES.tolist(), repeat=2)
    return np.array([function(*each) for each in operands])


class ToyArray:
    """Bit patterns, `uint8[...]`. Numbers beside them are values of the format."""

    __array_ufunc__ = None  # NumPy's scalars leave operators to this class

    def __init__(self, codes: NDArray[np.uint8]) -> None:
        self.codes = codes

    @property
    def values(self) -> NDArray[np.float64]:
        """As binary64."""
        return VALUES[self.codes]

    def __getitem__(self, index: tuple[()]) -> ToyArray:
        return self

    def __neg__(self) -> ToyArray:
        return ToyArray(self.codes ^ np.uint8(SMALL.sign_bit))

    def __abs__(self) -> ToyArray:
        return ToyArray(self.codes & np.uint8(SMALL.sign_bit - 1))

    def __add__(self, other: Any) -> ToyArray:
        return _looked_up(operator.add, self, other)

    def __radd__(self, other: Any) -> ToyArray:
        return _looked_up(operator.add, other, self)

    def __sub__(self, other: Any) -> ToyArray:
        return _looked_up(operator.sub, self, other)

    def __mul__(self, other: Any) -> ToyArray:
        return _looked_up(operator.mul, self, other)

    def __truediv__(self, other: Any) -> ToyArray:
        return _looked_up(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> ToyArray:
        return _looked_up(operator.truediv, other, self)

    def __eq__(self, other: object) -> Any:
        return _compared(operator.eq, self, other)

    def __ne__(self, other: object) -> Any:
        return _compared(operator.ne, self, other)

    def __lt__(self, other: Any) -> Any:
        return _compared(operator.lt, self, other)

    def __le__(self, other: Any) -> Any:
        return _compared(operator.le, self, other)

    def __gt__(self, other: Any) -> Any:
        return _compared(operator.gt, self, other)

    def __ge__(self, other: Any) -> Any:
        return _compared(operator.ge, self, other)

    __hash__ = None  # type: ignore[assignment]  # compared element by element, so never a key


def codes_of(value: Any) -> NDArray[np.uint8]:
    """The bit patterns of an array or of a number."""
    return value.codes if isinstance(value, ToyArray) else np.array(encode(float(value)), np.uint8)


def _pairs(a: Any, b: Any) -> NDArray[np.uint16]:
    pairs: NDArray[np.uint16] = codes_of(a).astype(np.uint16) * np.uint16(COUNT) + codes_of(b)
    return pairs


def _looked_up(function: Callable[..., float], *operands: Any) -> ToyArray:
    index = _pairs(*operands) if len(operands) == 2 else codes_of(operands[0])
    return ToyArray(np.take(_table(function, len(operands)), index))


def _compared(function: Callable[..., bool], a: Any, b: Any) -> NDArray[np.bool_]:
    return np.take(_truths(function), _pairs(a, b))


def _where(test: Any, a: Any, b: Any) -> Any:
    if np.asarray(a).dtype == bool:
        return np.where(test, a, b)
    return ToyArray(np.where(test, codes_of(a), codes_of(b)))


TOYS = ModuleType("toys", "What `array_form` takes of NumPy, on `ToyArray`s.")
vars(TOYS).update(
    where=_where,
    trunc=lambda a: _looked_up(trunc_of, a),
    floor=lambda a: _looked_up(floor_of, a),
    sqrt=lambda a: _looked_up(sqrt_of, a),
    fmod=lambda a, b: _looked_up(math.fmod, a, b),
    copysign=lambda a, b: _looked_up(math.copysign, a, b),
    abs=abs,
    nextafter=None,  # of sin … ln alone, which are not defined in six bits
    logical_not=np.logical_not,
)
