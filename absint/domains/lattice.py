"""What every abstract domain offers, and the triple they all speak.

An element describes a set of values that a node may take, NaN included, at all points of a box. Elements
come in two shapes with the same code: scalar, one box, for the passes; and batched, where every field is an
array over many boxes, for tiles and the `bounds` of a backend. Batched fields broadcast.

Soundness is the only law: whatever the operands' elements contain, the result of `transfer` contains the
rounded result of the operation. After Cousot and Cousot (1977).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from absint.ops.precision import Precision
from absint.ops.table import Op

E = TypeVar("E")


class Interval(NamedTuple):
    """Every number among the values lies in [lower, upper]; NaN is among them only if `may_nan`.

    `lower` and `upper` are floats of the program's precision and `may_nan` a bool, or arrays of them. End
    points do not tell the zeros apart. No number at all is (+inf, -inf).
    """

    lower: Any
    upper: Any
    may_nan: Any


class Domain(Protocol[E]):
    """A lattice of elements `E` with a sound transfer function for every operation."""

    name: str
    relational: bool
    """Whether `less` and `less_equal` know more than the intervals of the two elements say."""
    precision: Precision
    batched: bool

    def top(self) -> E:
        """Any value, NaN included."""

    def bottom(self) -> E:
        """No value."""

    def constant(self, value: float) -> E:
        """Just this value, rounded to the precision."""

    def variable(self, name: str, bounds: Interval) -> E:
        """A variable of the program; the same name stands for the same value at each point."""

    def from_interval(self, bounds: Interval) -> E:
        """The best element that contains an interval."""

    def to_interval(self, element: E) -> Interval:
        """The best interval that contains an element."""

    def refine(self, element: E, bounds: Interval) -> E:
        """An element no larger than `element` that contains every value that is in both."""

    def join(self, a: E, b: E) -> E:
        """An element that contains both."""

    def leq(self, a: E, b: E) -> Any:
        """Bool or array: every value of `a` is surely a value of `b`."""

    def contains(self, element: E, value: Any) -> Any:
        """Bool or array: a float, NaN included, is among the values."""

    def transfer(self, op: Op, operands: Sequence[E]) -> E:
        """The results of an operation that is no leaf."""

    def less(self, a: E, b: E) -> Any:
        """Bool or array: at every point where both are numbers, a < b."""

    def less_equal(self, a: E, b: E) -> Any:
        """Bool or array: at every point where both are numbers, a <= b."""
