"""Intervals with a NaN flag: the domain the others are reduced with.

Elements are `Interval` triples, and the transfer functions are the op table's interval rules, called as they
are for one box, in their array form for many.
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
    """Closed intervals of floats, and whether NaN may occur."""

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
        """A point, or only NaN."""
        if value != value:
            return self._make(np.inf, -np.inf, True)
        rounded = self.precision.round(value)
        return self._make(rounded, rounded, False)

    def variable(self, name: str, bounds: Interval) -> Interval:
        """The bounds themselves: intervals do not know which variable they came from."""
        return bounds

    def from_interval(self, bounds: Interval) -> Interval:
        """Itself."""
        return bounds

    def to_interval(self, element: Interval) -> Interval:
        """Itself."""
        return element

    def refine(self, element: Interval, bounds: Interval) -> Interval:
        """The intersection; empty intersections become the one empty interval."""
        where = _choose(self.batched)
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
        """The hull."""
        where = _choose(self.batched)
        return Interval(
            where(a.lower < b.lower, a.lower, b.lower),
            where(a.upper > b.upper, a.upper, b.upper),
            a.may_nan | b.may_nan,
        )

    def leq(self, a: Interval, b: Interval) -> Any:
        """Every value of `a` is a value of `b`."""
        inside = (a.lower > a.upper) | ((a.lower >= b.lower) & (a.upper <= b.upper))
        return inside & (np.logical_not(a.may_nan) | b.may_nan)

    def contains(self, element: Interval, value: Any) -> Any:
        """A float, NaN included, is among the values."""
        return ((value >= element.lower) & (value <= element.upper)) | ((value != value) & element.may_nan)

    def transfer(self, op: Op, operands: Sequence[Interval]) -> Interval:
        """The op table's interval rule."""
        rule = self._rules.get(op.code)
        if rule is None:
            rule = op.interval(self.precision)
            if self.batched:
                rule = array_form(rule, self.precision)
            self._rules[op.code] = rule
        result = rule(*operands[0]) if len(operands) == 1 else rule(*operands[0], *operands[1])
        return Interval(*result) if self.batched else self._rounded(*result)

    def _rounded(self, lower: Any, upper: Any, may_nan: Any) -> Interval:
        """A scalar rule's result. Its literals are Python's numbers, which would be binary64 from here on.

        They would also raise an exception where they divide by zero.
        """
        real = self.precision.real
        lower = lower if type(lower) is real else real(lower)
        upper = upper if type(upper) is real else real(upper)
        return Interval(lower, upper, may_nan)

    def less(self, a: Interval, b: Interval) -> Any:
        """Disjoint, a below b."""
        return a.upper < b.lower

    def less_equal(self, a: Interval, b: Interval) -> Any:
        """At most touching, a below b."""
        return a.upper <= b.lower


def _choose(batched: bool) -> Callable[[Any, Any, Any], Any]:
    return np.where if batched else _choose_scalar


def _choose_scalar(condition: Any, a: Any, b: Any) -> Any:
    return a if condition else b
