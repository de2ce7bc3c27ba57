"""The op table: one record per opcode, the only place where an operation is described.

Everything else is derived from it: evaluators, interval bounds, demand, parsing, Python expressions,
tests. The operations of the format stand here, by their bodies in `basic` and `libm` and their rules in
`intervals` and `libm_intervals`; those of `absint.ops.extensions` follow them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from absint.base.errors import UsageError
from absint.ops import backward, basic, demand, derivatives, extensions, intervals, monotone
from absint.ops.derivatives import FLAT
from absint.ops.libm import functions as libm
from absint.ops.libm import intervals as libm_intervals
from absint.ops.record import Extremum, ZeroSign, binary, leaf, unary
from absint.ops.record import Op as Op

P = ParamSpec("P")
I = TypeVar("I", np.uint8, np.int32)  # a whole number's type

FIRST_PREDICATE = 240
"""Codes from here on are predicates'. Kernels hold them, so they do not move when an operation is added."""

OPS: list[Op] = []
BY_NAME: dict[str, Op] = {}

REFUSED = {
    "rand": "a hash of the operand's bits, which no interval or rewrite can follow",
    "mix": "a hash of both operands' bits, which no interval or rewrite can follow",
}
"""Opcodes of the format that are recognised and refused, with the reason."""


def _add(record: Op) -> Op:
    """The record under its number, in the table."""
    op = replace(record, code=len(OPS))
    if op.code >= FIRST_PREDICATE:
        raise UsageError(f"operation {op.name!r}: codes are bytes, and there is none left")
    if op.name in BY_NAME:
        raise UsageError(f"two operations are called {op.name!r}")
    if op.name in REFUSED:
        raise UsageError(f"operation {op.name!r} is refused: {REFUSED[op.name]}")
    OPS.append(op)
    BY_NAME[op.name] = op
    return op


def _added(make: Callable[P, Op]) -> Callable[P, Op]:
    return lambda *given, **traits: _add(make(*given, **traits))


_unary, _binary = _added(unary), _added(binary)

_HALVES = (0.5, -0.5, 1.5, 2.5, -2.5, 0.49999997, 0.49999999999999994, 8388607.5, 4503599627370495.5)
_TURNS = (0.7853981633974483, 1.5707963267948966, 3.141592653589793, 6.283185307179586, 22.0, 710.0, 1e22)

CONST = _add(leaf("const", demand.no_operands))
VAR = _add(leaf("var", demand.no_operands))

NEG = _unary(
    "neg",
    basic.neg,
    intervals.neg,
    demand.of_neg,
    derivatives.terms(derivatives.of_neg),
    monotone=monotone.falling,
    inverse=monotone.negated,
    backward=backward.neg,
)
ABS = _unary(
    "abs",
    basic.abs_,
    intervals.abs_,
    demand.of_absorbing,
    derivatives.terms(derivatives.of_abs),
    monotone=monotone.rising_with_size,
    backward=backward.abs_,
    zero_sign=ZeroSign.PLUS,
    even=True,
    called="absolute",
)
RECIP = _unary(
    "recip",
    basic.recip,
    intervals.recip,
    demand.of_recip,
    derivatives.terms(derivatives.of_recip),
    monotone=monotone.falling_beside_zero,
    inverse=monotone.reciprocal,
    backward=backward.recip,
    zero_sign=ZeroSign.OF_OPERANDS,
    cost=34,
)
SQRT = _unary(
    "sqrt",
    basic.sqrt,
    intervals.sqrt_,
    demand.of_transparent,
    derivatives.terms(derivatives.of_sqrt),
    monotone=monotone.rising_from_zero,
    inverse=monotone.squared,
    backward=backward.sqrt,
    zero_sign=ZeroSign.OF_OPERANDS,
    cost=54,
)
SQUARE = _unary(
    "square",
    basic.square,
    intervals.square,
    demand.of_absorbing,
    derivatives.terms(derivatives.of_square),
    monotone=monotone.rising_with_size,
    inverse=monotone.square_root,
    backward=backward.square,
    zero_sign=ZeroSign.PLUS,
    even=True,
    spicy=(1e-23, 1e-160, 1e19, 1e154),
)
FLOOR = _unary(
    "floor",
    basic.floor_,
    intervals.floor_,
    demand.of_transparent,
    FLAT,
    monotone=monotone.rising,
    backward=backward.floor,
    zero_sign=ZeroSign.OF_OPERANDS,
    spicy=_HALVES,
)
CEIL = _unary(
    "ceil",
    basic.ceil,
    intervals.ceil,
    demand.of_transparent,
    FLAT,
    monotone=monotone.rising,
    backward=backward.ceil,
    zero_sign=ZeroSign.OF_OPERANDS,
    spicy=_HALVES,
)
ROUND = _unary(
    "round",
    basic.round_,
    intervals.round_interval,
    demand.of_transparent,
    FLAT,
    monotone=monotone.rising,
    backward=backward.round_,
    zero_sign=ZeroSign.OF_OPERANDS,
    spicy=_HALVES,
    called="round_",
)
# The functions of libm are not monotone to the last bit, so no comparison is pushed through them.
SIN = _unary(
    "sin",
    (libm.sin32, libm.sin64),
    (libm_intervals.sin_interval32, libm_intervals.sin_interval64),
    demand.of_transparent,
    derivatives.OF_SIN,
    spicy=_TURNS,
    cost=450,
)
COS = _unary(
    "cos",
    (libm.cos32, libm.cos64),
    (libm_intervals.cos_interval32, libm_intervals.cos_interval64),
    demand.of_absorbing,
    derivatives.OF_COS,
    even=True,
    spicy=_TURNS,
    cost=450,
)
TAN = _unary(
    "tan",
    (libm.tan32, libm.tan64),
    (libm_intervals.tan_interval32, libm_intervals.tan_interval64),
    demand.of_transparent,
    derivatives.terms(derivatives.of_tan),
    spicy=_TURNS,
    cost=470,
)
ASIN = _unary(
    "asin",
    (libm.asin32, libm.asin64),
    (libm_intervals.asin_interval32, libm_intervals.asin_interval64),
    demand.of_transparent,
    derivatives.terms(derivatives.of_asin),
    spicy=(0.5, -0.5, 0.99999994, 1.0000001),
    cost=530,
)
ACOS = _unary(
    "acos",
    (libm.acos32, libm.acos64),
    (libm_intervals.acos_interval32, libm_intervals.acos_interval64),
    demand.of_absorbing,
    derivatives.terms(derivatives.of_acos),
    spicy=(0.5, -0.5, 0.99999994, 1.0000001),
    cost=540,
)
ATAN = _unary(
    "atan",
    (libm.atan32, libm.atan64),
    (libm_intervals.atan_interval32, libm_intervals.atan_interval64),
    demand.of_transparent,
    derivatives.terms(derivatives.of_atan),
    spicy=(0.41421357, 2.4142135, 1e8),
    cost=480,
)
EXP = _unary(
    "exp",
    (libm.exp32, libm.exp64),
    (libm_intervals.exp_interval32, libm_intervals.exp_interval64),
    demand.of_absorbing,
    derivatives.terms(derivatives.of_exp),
    spicy=(88.72284, 88.7, -87.4, -103.97, -104.0, 709.78, -745.13, -746.0),
    cost=345,
)
LN = _unary(
    "ln",
    (libm.ln32, libm.ln64),
    (libm_intervals.ln_interval32, libm_intervals.ln_interval64),
    demand.of_absorbing,
    derivatives.terms(derivatives.of_ln),
    spicy=(0.70710677, 1.4142135, 0.99999994, 1.0000001),
    cost=313,
)
NOT = _unary(
    "not",
    basic.not_,
    intervals.not_,
    demand.of_absorbing,
    FLAT,
    zero_sign=ZeroSign.PLUS,
    keeps_nan=False,
    called="logical_not",
)

ADD = _binary(
    "add",
    basic.add,
    intervals.add,
    demand.of_sum,
    derivatives.OF_SUM,
    monotone=monotone.rising_by_finite,
    inverse=monotone.summand,
    backward=backward.add,
    zero_sign=ZeroSign.PLUS,
    commutative=True,
)
SUB = _binary(
    "sub",
    basic.sub,
    intervals.sub,
    demand.of_sum,
    derivatives.OF_DIFFERENCE,
    monotone=(monotone.rising_by_finite, monotone.falling_by_finite),
    inverse=(monotone.minuend, monotone.subtrahend),
    backward=backward.sub,
    zero_sign=ZeroSign.PLUS,
)
MUL = _binary(
    "mul",
    basic.mul,
    intervals.mul,
    demand.of_transparent,
    derivatives.OF_PRODUCT,
    monotone=monotone.rising_by_sign,
    inverse=monotone.factor,
    backward=backward.mul,
    zero_sign=ZeroSign.OF_OPERANDS,
    diagonal="square",
    commutative=True,
)
DIV = _binary(
    "div",
    basic.div,
    intervals.div,
    demand.of_div,
    derivatives.OF_QUOTIENT,
    monotone=(monotone.rising_by_sign, monotone.divisor),
    inverse=(monotone.dividend, monotone.divisor_of),
    backward=backward.div,
    zero_sign=ZeroSign.OF_OPERANDS,
    cost=36,
)
ATAN2 = _binary(
    "atan2",
    (libm.atan2_32, libm.atan2_64),
    (libm_intervals.atan2_interval32, libm_intervals.atan2_interval64),
    demand.of_atan2,
    derivatives.OF_ATAN2,
    cost=690,
)
MIN = _binary(
    "min",
    basic.min_,
    intervals.min_,
    demand.of_min,
    derivatives.OF_MIN,
    backward=backward.min_,
    extremum=Extremum.LEAST,
    called="minimum",
)
MAX = _binary(
    "max",
    basic.max_,
    intervals.max_,
    demand.of_max,
    derivatives.OF_MAX,
    backward=backward.max_,
    extremum=Extremum.GREATEST,
    called="maximum",
)
COMPARE = _binary(
    "compare", basic.compare, intervals.compare, demand.of_absorbing, FLAT, zero_sign=ZeroSign.PLUS
)
MOD = _binary("mod", basic.mod, intervals.mod, demand.of_mod, derivatives.OF_MOD, spicy=_HALVES, cost=180)
AND = _binary(
    "and",
    basic.and_,
    intervals.and_,
    demand.of_and,
    derivatives.OF_AND,
    keeps_nan=False,
    called="logical_and",
)
OR = _binary(
    "or", basic.or_, intervals.or_, demand.of_or, derivatives.OF_OR, keeps_nan=False, called="logical_or"
)

for _name in extensions.names():
    _add(extensions.record(_name))

DIAGONALS = {op.code: BY_NAME[op.diagonal] for op in OPS if op.diagonal}
"""By the code of an operation of two operands, the operation that it is where both are the same value."""


TRAITS = np.zeros(256, np.uint8)
"""By code, the `Trait` flags of each operation, for kernels."""
TRAITS[: len(OPS)] = [op.traits for op in OPS]
TRAITS.setflags(write=False)


def with_diagonals(
    op: NDArray[I], a: NDArray[np.int32], b: NDArray[np.int32]
) -> tuple[NDArray[I], NDArray[np.int32]]:
    """The codes `op` and second operands `b` of operations, with the diagonal, and -1, in place of each that
    has one and the same operand twice: `mul(a, a)` is `square(a)`.
    """
    op, b = op.copy(), b.copy()
    for code, diagonal in DIAGONALS.items():
        twice = (op == code) & (a == b)
        op[twice], b[twice] = diagonal.code, -1
    return op, b


def op_demand_tables() -> NDArray[np.uint8]:
    """The demand rules of `OPS` as tables: see `absint.ops.demand.demand_tables`."""
    return demand.demand_tables(tuple((op.demand, op.arity) for op in OPS))


@dataclass(frozen=True, slots=True)
class Predicate:
    """A kind of node that is true or false. It has no text in `.vm` files, no body and no bounds."""

    name: str
    code: int


FALSE, TRUE, BAND, ALL, ANY = PREDICATES = tuple(
    Predicate(name, FIRST_PREDICATE + i) for i, name in enumerate(("false", "true", "band", "all", "any"))
)
"""`band`: lo <= v <= hi, false on NaN, the only atom; `all` and `any` of a list."""

_BOTH: tuple[Op | Predicate, ...] = (*OPS, *PREDICATES)
RECORDS = {record.code: record for record in _BOTH}
"""What every code stands for."""

SPICY = (
    float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1.0, -1.0, 2.0, -3.0, 0.5, -0.5, 7.0,
    1.401298464324817e-45, -1.401298464324817e-45, 5e-324, -5e-324, 1.1754943508222875e-38, 1e-300, 1e-30,
    3.4028234663852886e38, -3.4028234663852886e38, 1.7976931348623157e308, -1.7976931348623157e308, 1e30,
    0.1, -0.3, 0.9999999, 1.0000001, 16777216.0, 16777217.0, 9007199254740993.0,
)  # fmt: skip
"""Values that are special for every operation."""
