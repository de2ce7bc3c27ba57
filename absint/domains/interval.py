"""Intervals with a NaN flag: the domain through which all domains exchange bounds.

Elements are `Interval` triples. The transfer functions are the op table's interval rules, in their scalar
form for one box and in their array form for many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from absint.domains.lattice import Interval
from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form
from absint.ops.table import Op


class IntervalDomain:
    """Closed intervals of floats, each with a flag: whether NaN may occur."""

    name = "interval"
    relational = False

    def __init__(self, precision: Precision, batched: bool = False) -> None:
        self.precision = precision
        self.batched = batched
        self._rules: dict[int, Callable[..., tuple[Any, Any, Any]]] = {}

    def top(self) -> Interval:
        """Any value, NaN included."""
        return self._make(-np.inf, np.inf, True)

    def bottom(self) -> Interval:
        """No value."""
        return self._make(np.inf, -np.inf, False)

    def _make(self, lower: float, upper: float, may_nan: bool) -> Interval:
        real = self.precision.real
        return Interval(real(lower), real(upper), may_nan)

    def constant(self, value: float) -> Interval:
        """The interval of this value alone, rounded to the precision; for NaN, no number and `may_nan`."""
        if value != value:
            return self._make(np.inf, -np.inf, True)
        rounded = self.precision.round(value)
        return self._make(rounded, rounded, False)

    def variable(self, name: str, bounds: Interval) -> Interval:
        """The bounds: an interval does not record which variable it came from."""
        return bounds

    def from_interval(self, bounds: Interval) -> Interval:
        """The interval itself."""
        return bounds

    def to_interval(self, element: Interval) -> Interval:
        """The element itself."""
        return element

    def refine(self, element: Interval, bounds: Interval) -> Interval:
        """The intersection. Every empty intersection becomes (+inf, -inf)."""
        where = _selector(self.batched)
        lower = where(bounds.lower > element.lower, bounds.lower, element.lower)
        upper = where(bounds.upper < element.upper, bounds.upper, element.upper)
        empty = lower > upper
        real = self.precision.real
        return Interval(
            where(empty, real(np.inf), lower),
            where(empty, real(-np.inf), upper),
            element.may_nan & bounds.may_nan,
        )

    def join(self, a: Interval, b: Interval) -> Interval:
        """The hull of both intervals."""
        where = _selector(self.batched)
        return Interval(
            where(a.lower < b.lower, a.lower, b.lower),
            where(a.upper > b.upper, a.upper, b.upper),
            a.may_nan | b.may_nan,
        )

    def leq(self, a: Interval, b: Interval) -> Any:
        """Whether every value of `a` is a value of `b`."""
        inside = (a.lower > a.upper) | ((a.lower >= b.lower) & (a.upper <= b.upper))
        return inside & (np.logical_not(a.may_nan) | b.may_nan)

    def contains(self, element: Interval, value: Any) -> Any:
        """Whether a float, which may be NaN, is among the values."""
        return ((value >= element.lower) & (value <= element.upper)) | ((value != value) & element.may_nan)

    def transfer(self, op: Op, operands: Sequence[Interval]) -> Interval:
        """The result of the op table's interval rule."""
        rule = self._rules.get(op.code)
        if rule is None:
            rule = op.interval(self.precision)
            if self.batched:
                rule = array_form(rule, self.precision)
            self._rules[op.code] = rule
        result = rule(*operands[0]) if len(operands) == 1 else rule(*operands[0], *operands[1])
        return Interval(*result) if self.batched else self._round(*result)

    def _round(self, lower: Any, upper: Any, may_nan: Any) -> Interval:
        """A scalar rule's result, with its ends as floats of the precision.

        A rule may return one of its literals: a Python float, which would turn later results into binary64
        and raise an exception when divided by zero.
        """
        real = self.precision.real
        lower = lower if type(lower) is real else real(lower)
        upper = upper if type(upper) is real else real(upper)
        return Interval(lower, upper, may_nan)

    def less(self, a: Interval, b: Interval) -> Any:
        """Whether the intervals are disjoint, `a` below `b`."""
        return a.upper < b.lower

    def less_equal(self, a: Interval, b: Interval) -> Any:
        """Whether the intervals share at most an end, `a` below `b`."""
        return a.upper <= b.lower


def _selector(batched: bool) -> Callable[[Any, Any, Any], Any]:
    return np.where if batched else _select_scalar


def _select_scalar(condition: Any, a: Any, b: Any) -> Any:
    return a if condition else b
