"""The record of an operation: all that is known of it, from which everything else is derived.

Evaluators, interval bounds, demand, lowering, contraction, parsing, the Python function, random programs and
tests read records. `unary` and `binary` make one; `absint.ops.table` gives it its number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag
from typing import Any, TypedDict, Unpack

from absint.ops.demand import DemandRule
from absint.ops.derivatives import FLAT, Derivative
from absint.ops.precision import Precision

Body = Callable[..., Any]
IntervalRule = Callable[..., Any]
PerPrecision = tuple[Body, Body]
PerOperand = Body | tuple[Body | None, ...]


class Trait(IntFlag):
    """What kernels ask of an operation by its code; see `absint.ops.table.TRAITS`."""

    IS_STEP = 1
    IS_EVEN = 2
    KEEPS_NAN = 4
    IS_LEAST = 8
    IS_GREATEST = 16


class ZeroSign(Enum):
    """The sign of a result that is zero, where not every operand is a zero or an infinity."""

    EITHER = "either"
    PLUS = "plus"
    OF_OPERANDS = "of operands"
    """The product of the operands' signs, also where the result underflows."""


class Extremum(IntEnum):
    """Which of its two operands a result is, where it is always one of them and NaN wins."""

    LEAST = -1
    NEITHER = 0
    GREATEST = 1


@dataclass(frozen=True, slots=True)
class Op:
    """One operation. What a rule gets and returns is said where the rules of the format's operations are.

    - `name`: its opcode in `.vm` text. `called`: the name of its Python function, where that is not `name`.
    - `code`: its number in a graph, the index in `OPS`.
    - `demand`: what it needs of its operands, see `absint.ops.demand`.
    - `derivative`: see `absint.ops.derivatives`.
    - `bodies`, `interval_rules`: see `absint.ops.basic` and `absint.ops.intervals`.
    - `monotone`, `inverse`: for each operand, where the result rises or falls with it, and about where the
      result takes a value; see `absint.ops.monotone`. Comparisons are pushed through such an operation.
    - `backward`: from bounds on the result to bounds on the operands, see `absint.ops.backward`.
    - `extremum`: whether the result is the lesser or greater operand.
    - `zero_sign`: which zeros the result can be.
    - `diagonal`: the name of the operation of one operand that on `a` has the bits of this one on `a, a`.
    - `commutative`: in bits, NaN aside. `even`: f(-a) = f(a) in bits.
    - `keeps_nan`: a NaN among the operands makes the result NaN.
    - `spicy`: operands near which the body changes its mind, beside the values that are special for every
      operation (`SPICY`).
    - `cost`: nanoseconds for 256 values in binary32, roughly; it decides only between ways to compute the
      same.
    """

    name: str
    code: int
    arity: int
    demand: DemandRule
    bodies: PerPrecision | None = None
    interval_rules: PerPrecision | None = None
    derivative: Derivative = FLAT
    monotone: tuple[Body | None, ...] = ()
    inverse: tuple[Body | None, ...] = ()
    backward: Body | None = None
    extremum: Extremum = Extremum.NEITHER
    zero_sign: ZeroSign = ZeroSign.EITHER
    diagonal: str = ""
    commutative: bool = False
    even: bool = False
    keeps_nan: bool = True
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

    def tangent(
        self, precision: Precision, operands: Sequence[Any], result: Any, tangents: Sequence[Any]
    ) -> Any:
        """The tangent of a result: the scalar definition.

        `operands` and `result`: numbers of the precision. `tangents`: those of the operands, None where the
        operand does not depend on the variable; then the answer may be None likewise.
        """
        return self.derivative.tangent(precision, operands, result, tangents)

    @property
    def is_step(self) -> bool:
        """Comparisons may be pushed through it, where its operands allow."""
        return any(self.monotone) or self.extremum != Extremum.NEITHER

    @property
    def traits(self) -> Trait:
        """What kernels ask of it."""
        traits = Trait(0)
        for trait, holds in (
            (Trait.IS_STEP, self.is_step),
            (Trait.IS_EVEN, self.even),
            (Trait.KEEPS_NAN, self.keeps_nan),
            (Trait.IS_LEAST, self.extremum is Extremum.LEAST),
            (Trait.IS_GREATEST, self.extremum is Extremum.GREATEST),
        ):
            if holds:
                traits |= trait
        return traits

    @property
    def function(self) -> str:
        """The name of its Python function."""
        return self.called or self.name

    @property
    def is_leaf(self) -> bool:
        """A constant or a variable."""
        return self.bodies is None


class Options(TypedDict, total=False):
    """What may be said of an operation besides; see `Op`. A rule for `monotone` or `inverse` alone is that of
    every operand.
    """

    monotone: PerOperand
    inverse: PerOperand
    backward: Body
    extremum: Extremum
    zero_sign: ZeroSign
    diagonal: str
    commutative: bool
    even: bool
    keeps_nan: bool
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
    derivative: Derivative,
    **options: Unpack[Options],
) -> Op:
    """An operation of one operand. One body or rule serves both precisions, a pair has one for each."""
    return _record(name, 1, body, interval, demand, derivative, options)


def binary(
    name: str,
    body: Body | PerPrecision,
    interval: IntervalRule | PerPrecision,
    demand: DemandRule,
    derivative: Derivative,
    **options: Unpack[Options],
) -> Op:
    """An operation of two operands, as `unary`."""
    return _record(name, 2, body, interval, demand, derivative, options)


def leaf(name: str, demand: DemandRule) -> Op:
    """A constant or a variable."""
    return Op(name, UNNUMBERED, 0, demand)


def _record(
    name: str,
    arity: int,
    body: Body | PerPrecision,
    interval: IntervalRule | PerPrecision,
    demand: DemandRule,
    derivative: Derivative,
    options: Options,
) -> Op:
    given: dict[str, Any] = dict(options)
    for per_operand in {"monotone", "inverse"} & set(given):
        rule = given[per_operand]
        given[per_operand] = rule if isinstance(rule, tuple) else (rule,) * arity
    return Op(name, UNNUMBERED, arity, demand, _both(body), _both(interval), derivative, **given)


def _both(given: Body | PerPrecision) -> PerPrecision:
    return given if isinstance(given, tuple) else (given, given)
