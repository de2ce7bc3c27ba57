"""The record of an operation: all that is known of it, from which everything else is derived.

Evaluators, interval bounds, demand, parsing, the Python function, random programs and tests read records.
`unary` and `binary` make one; `absint.ops.table` gives it its number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

from absint.ops.demand import DemandRule
from absint.ops.precision import Precision

Body = Callable[..., Any]
IntervalRule = Callable[..., Any]
PerPrecision = tuple[Body, Body]


@dataclass(frozen=True, slots=True)
class Op:
    """One operation.

    `name`: its opcode in `.vm` text. `code`: its number in a graph, the index in `OPS`. `commutative`: in
    bits, NaN aside. `even`: f(-a) = f(a) in bits. `spicy`: operands near which the body changes its mind,
    beside the values that are special for every operation (`SPICY`). `cost`: nanoseconds for 256 values in
    binary32, roughly; it decides only between ways to compute the same. `called`: the name of its Python
    function, where that is not `name`.
    """

    name: str
    code: int
    arity: int
    demand: DemandRule
    bodies: PerPrecision | None = None
    interval_rules: PerPrecision | None = None
    commutative: bool = False
    even: bool = False
    spicy: tuple[float, ...] = ()
    cost: int = 20
    called: str = ""

    def body(self, precision: Precision) -> Body:
        """The scalar definition in the translatable subset. Leaves have none."""
        assert self.bodies is not None, f"{self.name} has no body"
        return self.bodies[precision is Precision.F64]

    def interval(self, precision: Precision) -> IntervalRule:
        """The interval rule, on (lower, upper, may_nan) per operand, in the translatable subset."""
        assert self.interval_rules is not None, f"{self.name} has no interval rule"
        return self.interval_rules[precision is Precision.F64]

    @property
    def function(self) -> str:
        """The name of its Python function."""
        return self.called or self.name

    @property
    def is_leaf(self) -> bool:
        """A constant or a variable."""
        return self.bodies is None


class Traits(TypedDict, total=False):
    """What may be said of an operation besides; see `Op`."""

    commutative: bool
    even: bool
    spicy: tuple[float, ...]
    cost: int
    called: str


UNNUMBERED = -1
"""The code of a record that is in no table yet."""


def unary(
    name: str,
    body: Body | PerPrecision,
    interval: IntervalRule | PerPrecision,
    demand: DemandRule,
    **traits: Unpack[Traits],
) -> Op:
    """An operation of one operand. One body or rule serves both precisions, a pair has one for each."""
    return Op(name, UNNUMBERED, 1, demand, _both(body), _both(interval), **traits)


def binary(
    name: str,
    body: Body | PerPrecision,
    interval: IntervalRule | PerPrecision,
    demand: DemandRule,
    **traits: Unpack[Traits],
) -> Op:
    """An operation of two operands, as `unary`."""
    return Op(name, UNNUMBERED, 2, demand, _both(body), _both(interval), **traits)


def leaf(name: str, demand: DemandRule) -> Op:
    """A constant or a variable."""
    return Op(name, UNNUMBERED, 0, demand)


def _both(given: Body | PerPrecision) -> PerPrecision:
    return given if isinstance(given, tuple) else (given, given)
