"""Sign classes: whether a value may be -inf, negative, -0, +0, positive, +inf or NaN.

An element is a set of classes, held as the bits of a number from 0 to 127. Unlike an interval it
distinguishes -0 from +0. A transfer is one table look-up: an operation's table holds, for each pair of sets,
the union of the results of all pairs of classes. If each class of a pair is a single value, the operation's
body computes the result; otherwise its interval rule does, sharpened by what is known of the sign of a zero
result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.domains.lattice import Interval
from absint.ops.precision import Precision
from absint.ops.record import ZeroSign
from absint.ops.table import Op

MINUS_INF, NEGATIVE, MINUS_ZERO, PLUS_ZERO, POSITIVE, PLUS_INF, NAN = (1 << i for i in range(7))
CLASSES = (MINUS_INF, NEGATIVE, MINUS_ZERO, PLUS_ZERO, POSITIVE, PLUS_INF, NAN)
NUMBERS = 127 - NAN
ZEROS = MINUS_ZERO | PLUS_ZERO

_POINTS = {MINUS_INF: -math.inf, MINUS_ZERO: -0.0, PLUS_ZERO: 0.0, PLUS_INF: math.inf, NAN: math.nan}
"""The classes that consist of one value (one NaN), and that value."""

_CLASSES = np.array(
    [POSITIVE, NEGATIVE, PLUS_ZERO, MINUS_ZERO, PLUS_INF, MINUS_INF, NAN, NAN], np.uint8
)  # fmt: skip
"""Classes by kind and sign bit: finite nonzero numbers, zeros, infinities, NaN; sign bit clear, then set."""


class SignDomain:
    """Sets of sign classes. Batched elements are arrays of uint8."""

    name = "sign"
    relational = False

    def __init__(self, precision: Precision, batched: bool = False) -> None:
        self.precision = precision
        self.batched = batched
        # lower and upper end by set of classes: an element becomes an interval by table look-up
        self._lower, self._upper = _hulls(precision)

    def top(self) -> Any:
        """Any value, NaN included."""
        return np.uint8(127)

    def bottom(self) -> Any:
        """No value."""
        return np.uint8(0)

    def constant(self, value: float) -> Any:
        """The class of this value after rounding to the precision."""
        return np.uint8(classify(self.precision.round(value)))

    def variable(self, name: str, bounds: Interval) -> Any:
        """The classes that the bounds intersect."""
        return self.from_interval(bounds)

    def from_interval(self, bounds: Interval) -> Any:
        """The classes that an interval intersects; an interval that holds one zero holds both."""
        lower, upper = bounds.lower, bounds.upper
        zero = (lower <= 0) & (upper >= 0)
        element = (
            (lower == -np.inf) * MINUS_INF
            | ((lower < 0) & (upper > -np.inf) & (lower <= upper)) * NEGATIVE
            | zero * ZEROS
            | ((upper > 0) & (lower < np.inf) & (lower <= upper)) * POSITIVE
            | (upper == np.inf) * PLUS_INF
            | bounds.may_nan * NAN
        )
        return np.asarray(element).astype(np.uint8)[()]

    def to_interval(self, element: Any) -> Interval:
        """The hull of the classes."""
        return Interval(self._lower[element], self._upper[element], (element & NAN) != 0)

    def refine(self, element: Any, bounds: Interval) -> Any:
        """The classes of `element` that the bounds intersect."""
        return element & self.from_interval(bounds)

    def join(self, a: Any, b: Any) -> Any:
        """The union of both sets."""
        return a | b

    def leq(self, a: Any, b: Any) -> Any:
        """Whether `a` is a subset of `b`."""
        return (a | b) == b

    def contains(self, element: Any, value: Any) -> Any:
        """Whether the value's class is in the set."""
        return (element & classify(value)) != 0

    def transfer(self, op: Op, operands: Sequence[Any]) -> Any:
        """One look-up in the operation's table."""
        table = transfer_table(op, self.precision)
        return table[operands[0]] if len(operands) == 1 else table[operands[0], operands[1]]

    def less(self, a: Any, b: Any) -> Any:
        """Whether the hulls are disjoint, `a` below `b`."""
        p, q = self.to_interval(a), self.to_interval(b)
        return p.upper < q.lower

    def less_equal(self, a: Any, b: Any) -> Any:
        """Whether the hulls share at most an end, `a` below `b`."""
        p, q = self.to_interval(a), self.to_interval(b)
        return p.upper <= q.lower


def classify(value: Any) -> Any:
    """The class of a float; for an array, the array of classes."""
    kind = (value == 0) + 2 * np.isinf(value) + 3 * np.isnan(value)
    return _CLASSES[2 * kind + np.signbit(value)]


@cache
def _ends(precision: Precision) -> dict[int, tuple[float, float]]:
    """Lower and upper end of each class of numbers."""
    largest, tiny = float(np.finfo(precision.dtype).max), precision.tiny
    ends = {c: (point, point) for c, point in _POINTS.items() if c != NAN}
    return ends | {NEGATIVE: (-largest, -tiny), POSITIVE: (tiny, largest)}


@cache
def _hulls(precision: Precision) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lower and upper ends of the hull of each set of classes: two float[128]. A set without numbers has the
    hull (+inf, -inf).
    """
    ends = _ends(precision)
    members = [[ends[c] for c in CLASSES if c & element & NUMBERS] for element in range(128)]
    lower = [min((low for low, _ in held), default=math.inf) for held in members]
    upper = [max((high for _, high in held), default=-math.inf) for held in members]
    return np.array(lower, precision.dtype), np.array(upper, precision.dtype)


@cache
def transfer_table(op: Op, precision: Precision) -> NDArray[np.uint8]:
    """The classes of an operation's results by operand sets: uint8[128] if unary, else uint8[128, 128]."""
    shape = (7,) * op.arity
    by_class = np.zeros(shape, np.uint8)
    with np.errstate(all="ignore"):
        for index in np.ndindex(shape):
            by_class[index] = _transfer_classes(op, precision, tuple(CLASSES[i] for i in index))
    return _extend_to_sets(by_class)


def _extend_to_sets(by_class: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Extend a table by class to a table by set of classes: unions, one axis at a time."""
    for axis in range(by_class.ndim):
        rows = np.moveaxis(by_class, axis, 0)
        sets = np.zeros((128, *rows.shape[1:]), np.uint8)
        for element in range(1, 128):
            lowest = element & -element
            sets[element] = sets[element ^ lowest] | rows[lowest.bit_length() - 1]
        by_class = np.moveaxis(sets, 0, axis)
    return by_class


def _transfer_classes(op: Op, precision: Precision, classes: tuple[int, ...]) -> int:
    """The classes of an operation's results on operands of these classes."""
    real = precision.real
    if all(c in _POINTS for c in classes):
        return int(classify(op.body(precision)(*(real(_POINTS[c]) for c in classes))))
    ends = _ends(precision)
    triples: list[Any] = []
    for c in classes:
        low, high = ends.get(c, (math.inf, -math.inf))
        triples += [real(low), real(high), c == NAN]
    lower, upper, may_nan = op.interval(precision)(*triples)
    found = int(SignDomain(precision).from_interval(Interval(lower, upper, may_nan)))
    return found & ~ZEROS | found & _zeros(op.zero_sign, classes)


def _zeros(sign: ZeroSign, classes: tuple[int, ...]) -> int:
    """Which zeros an operation can give on operands of these classes, which are not all single values."""
    if sign is ZeroSign.EITHER:
        return ZEROS
    negative = sum(c in (MINUS_INF, NEGATIVE, MINUS_ZERO) for c in classes)
    return MINUS_ZERO if sign is ZeroSign.OF_OPERANDS and negative % 2 else PLUS_ZERO
