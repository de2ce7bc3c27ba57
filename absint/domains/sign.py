"""Which of seven classes a value may be in: -inf, negative, -0, +0, positive, +inf, NaN.

Elements are sets of classes, as bits of a number from 0 to 127. Unlike intervals they tell the zeros apart.
A transfer is one look-up: the table of an operation holds the union, over all pairs of classes in the
operands' sets, of what that pair can give. Where both classes are a single value the operation's body says;
else its interval rule does, and what is known of the sign of a zero result sharpens that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.domains.lattice import Interval
from absint.ops.precision import Precision
from absint.ops.table import Op

MINUS_INF, NEGATIVE, MINUS_ZERO, PLUS_ZERO, POSITIVE, PLUS_INF, NAN = (1 << i for i in range(7))
CLASSES = (MINUS_INF, NEGATIVE, MINUS_ZERO, PLUS_ZERO, POSITIVE, PLUS_INF, NAN)
NUMBERS = 127 - NAN
ZEROS = MINUS_ZERO | PLUS_ZERO

_POINTS = {MINUS_INF: -math.inf, MINUS_ZERO: -0.0, PLUS_ZERO: 0.0, PLUS_INF: math.inf, NAN: math.nan}
"""Classes of one value."""

_CLASSES = np.array(
    [POSITIVE, NEGATIVE, PLUS_ZERO, MINUS_ZERO, PLUS_INF, MINUS_INF, NAN, NAN], np.uint8
)  # fmt: skip
"""Classes of ordinary numbers, zeros, infinities and NaN, each without and with the sign bit."""


class SignDomain:
    """Sets of sign classes. Batched elements are arrays of uint8."""

    name = "sign"
    relational = False

    def __init__(self, precision: Precision, batched: bool = False) -> None:
        self.precision = precision
        self.batched = batched
        # lower and upper end by set of classes: what a table look-up turns elements into intervals with
        self._lower, self._upper = _hulls(precision)

    def top(self) -> Any:
        """Any value, NaN included."""
        return np.uint8(127)

    def bottom(self) -> Any:
        """No value."""
        return np.uint8(0)

    def constant(self, value: float) -> Any:
        """The class of this value, rounded to the precision."""
        return np.uint8(classify(self.precision.round(value)))

    def variable(self, name: str, bounds: Interval) -> Any:
        """The classes that the bounds reach."""
        return self.from_interval(bounds)

    def from_interval(self, bounds: Interval) -> Any:
        """The classes that an interval reaches; one that holds a zero holds both."""
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
        """The classes that both reach."""
        return element & self.from_interval(bounds)

    def join(self, a: Any, b: Any) -> Any:
        """The union."""
        return a | b

    def leq(self, a: Any, b: Any) -> Any:
        """A subset."""
        return (a | b) == b

    def contains(self, element: Any, value: Any) -> Any:
        """The value's class is in the set."""
        return (element & classify(value)) != 0

    def transfer(self, op: Op, operands: Sequence[Any]) -> Any:
        """One look-up in the operation's table."""
        table = transfer_table(op, self.precision)
        return table[operands[0]] if len(operands) == 1 else table[operands[0], operands[1]]

    def less(self, a: Any, b: Any) -> Any:
        """The sets are apart, a below b."""
        p, q = self.to_interval(a), self.to_interval(b)
        return p.upper < q.lower

    def less_equal(self, a: Any, b: Any) -> Any:
        """The sets at most touch, a below b."""
        p, q = self.to_interval(a), self.to_interval(b)
        return p.upper <= q.lower


def classify(value: Any) -> Any:
    """The class of a float, or an array of the classes of an array."""
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
    """float[128]: ends of the hull of each set of classes; (+inf, -inf) for a set without numbers."""
    ends = _ends(precision)
    members = [[ends[c] for c in CLASSES if c & element & NUMBERS] for element in range(128)]
    lower = [min((low for low, _ in held), default=math.inf) for held in members]
    upper = [max((high for _, high in held), default=-math.inf) for held in members]
    return np.array(lower, precision.dtype), np.array(upper, precision.dtype)


@cache
def transfer_table(op: Op, precision: Precision) -> NDArray[np.uint8]:
    """uint8[128] or uint8[128, 128]: the classes of the results for each set, or pair of sets."""
    shape = (7,) * op.arity
    by_class = np.zeros(shape, np.uint8)
    with np.errstate(all="ignore"):
        for index in np.ndindex(shape):
            by_class[index] = _of_classes(op, precision, tuple(CLASSES[i] for i in index))
    return _of_sets(by_class)


def _of_sets(by_class: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Extend a table of classes to sets of classes, one axis after the other, by unions."""
    for axis in range(by_class.ndim):
        rows = np.moveaxis(by_class, axis, 0)
        sets = np.zeros((128, *rows.shape[1:]), np.uint8)
        for element in range(1, 128):
            lowest = element & -element
            sets[element] = sets[element ^ lowest] | rows[lowest.bit_length() - 1]
        by_class = np.moveaxis(sets, 0, axis)
    return by_class


def _of_classes(op: Op, precision: Precision, classes: tuple[int, ...]) -> int:
    """The classes that an operation can give on values of these classes."""
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
    sharper = _ZERO_SIGNS.get(op.name)
    return found & ~ZEROS | found & sharper(*classes) if sharper is not None else found


def _negative(sign_class: int) -> bool:
    return sign_class in (MINUS_INF, NEGATIVE, MINUS_ZERO)


def _by_product(a: int, b: int) -> int:
    """Signs multiply and divide exactly, also when the result underflows."""
    return MINUS_ZERO if _negative(a) != _negative(b) else PLUS_ZERO


def _kept(a: int) -> int:
    """Rounding to whole numbers keeps the sign."""
    return MINUS_ZERO if _negative(a) else PLUS_ZERO


def _always_plus(*classes: int) -> int:
    """Sums that cancel give +0 (those of two zeros are points); squares, magnitudes and answers are +0."""
    return PLUS_ZERO


_ZERO_SIGNS: dict[str, Callable[..., int]] = {
    "mul": _by_product,
    "div": _by_product,
    "recip": _kept,
    "add": _always_plus,
    "sub": _always_plus,
    "square": _always_plus,
    "abs": _always_plus,
    "not": _always_plus,
    "compare": _always_plus,
    "sqrt": _kept,
    "floor": _kept,
    "ceil": _kept,
    "round": _kept,
}
"""Which zeros an operation can give on classes that are not all single values, for the operations where one
zero is excluded."""
