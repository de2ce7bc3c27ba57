"""The protocol of abstract domains, and the interval through which domains exchange bounds.

An element describes a set of values, possibly NaN among them, that contains every value of a node at the
points of a box. The same code handles scalar elements, of one box, for passes, and batched elements, of many
boxes, for tiles and a backend's `bounds`: there every field is an array, and arrays broadcast.

The invariant is soundness: for all operands in the operands' elements, the element that `transfer` returns
contains the rounded result of the operation. After Cousot and Cousot (1977).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from absint.ops.precision import Precision
from absint.ops.table import Op

E = TypeVar("E")


class Interval(NamedTuple):
    """A set of floats: the numbers in [lower, upper] and, if `may_nan`, NaN.

    `lower` and `upper`: floats of the program's precision; `may_nan`: bool; or arrays of these. An end does
    not distinguish -0 from +0. The empty set of numbers is (+inf, -inf).
    """

    lower: Any
    upper: Any
    may_nan: Any


class Domain(Protocol[E]):
    """A lattice of elements `E` with a sound transfer function for every operation."""

    name: str
    relational: bool
    """Whether `less` and `less_equal` can prove more than a comparison of the two elements' intervals."""
    precision: Precision
    batched: bool

    def top(self) -> E:
        """Any value, NaN included."""

    def bottom(self) -> E:
        """No value."""

    def constant(self, value: float) -> E:
        """This value alone, rounded to the precision."""

    def variable(self, name: str, bounds: Interval) -> E:
        """A variable within bounds; at one point, elements of the same name have the same value."""

    def from_interval(self, bounds: Interval) -> E:
        """The smallest element that contains an interval."""

    def to_interval(self, element: E) -> Interval:
        """The smallest interval that contains an element."""

    def refine(self, element: E, bounds: Interval) -> E:
        """An element no larger than `element` that contains every value common to `element` and `bounds`."""

    def join(self, a: E, b: E) -> E:
        """An element that contains the values of both."""

    def leq(self, a: E, b: E) -> Any:
        """Whether every value of `a` is certainly a value of `b`: bool or array."""

    def contains(self, element: E, value: Any) -> Any:
        """Whether a float, which may be NaN, is among the values: bool or array."""

    def transfer(self, op: Op, operands: Sequence[E]) -> E:
        """The element of an operation's results; `op` takes at least one operand."""

    def less(self, a: E, b: E) -> Any:
        """Whether a < b is certain at every point where both are numbers: bool or array."""

    def less_equal(self, a: E, b: E) -> Any:
        """Whether a <= b is certain at every point where both are numbers: bool or array."""
