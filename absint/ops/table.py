"""The op table: one record per opcode, the only place where an operation is described.

Everything else is derived from it: evaluators, interval bounds, demand, parsing, Python expressions,
tests. The operations of the format stand here, by their bodies in `basic` and `libm` and their rules in
`intervals` and `libm_intervals`; those of `absint.ops.extensions` follow them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ParamSpec

from absint.base.errors import UsageError
from absint.ops import basic, demand, extensions, intervals
from absint.ops.libm import functions as libm
from absint.ops.libm import intervals as libm_intervals
from absint.ops.record import Op as Op
from absint.ops.record import binary, leaf, unary

P = ParamSpec("P")

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

NEG = _unary("neg", basic.neg, intervals.neg, demand.of_neg)
ABS = _unary("abs", basic.abs_, intervals.abs_, demand.of_absorbing, even=True, called="absolute")
RECIP = _unary("recip", basic.recip, intervals.recip, demand.of_recip, cost=34)
SQRT = _unary("sqrt", basic.sqrt, intervals.sqrt_, demand.of_transparent, cost=54)
SQUARE = _unary(
    "square",
    basic.square,
    intervals.square,
    demand.of_absorbing,
    even=True,
    spicy=(1e-23, 1e-160, 1e19, 1e154),
)
FLOOR = _unary("floor", basic.floor_, intervals.floor_, demand.of_transparent, spicy=_HALVES)
CEIL = _unary("ceil", basic.ceil, intervals.ceil, demand.of_transparent, spicy=_HALVES)
ROUND = _unary(
    "round", basic.round_, intervals.round_interval, demand.of_transparent, spicy=_HALVES, called="round_"
)
SIN = _unary(
    "sin",
    (libm.sin32, libm.sin64),
    (libm_intervals.sin_interval32, libm_intervals.sin_interval64),
    demand.of_transparent,
    spicy=_TURNS,
    cost=450,
)
COS = _unary(
    "cos",
    (libm.cos32, libm.cos64),
    (libm_intervals.cos_interval32, libm_intervals.cos_interval64),
    demand.of_absorbing,
    even=True,
    spicy=_TURNS,
    cost=450,
)
TAN = _unary(
    "tan",
    (libm.tan32, libm.tan64),
    (libm_intervals.tan_interval32, libm_intervals.tan_interval64),
    demand.of_transparent,
    spicy=_TURNS,
    cost=470,
)
ASIN = _unary(
    "asin",
    (libm.asin32, libm.asin64),
    (libm_intervals.asin_interval32, libm_intervals.asin_interval64),
    demand.of_transparent,
    spicy=(0.5, -0.5, 0.99999994, 1.0000001),
    cost=530,
)
ACOS = _unary(
    "acos",
    (libm.acos32, libm.acos64),
    (libm_intervals.acos_interval32, libm_intervals.acos_interval64),
    demand.of_absorbing,
    spicy=(0.5, -0.5, 0.99999994, 1.0000001),
    cost=540,
)
ATAN = _unary(
    "atan",
    (libm.atan32, libm.atan64),
    (libm_intervals.atan_interval32, libm_intervals.atan_interval64),
    demand.of_transparent,
    spicy=(0.41421357, 2.4142135, 1e8),
    cost=480,
)
EXP = _unary(
    "exp",
    (libm.exp32, libm.exp64),
    (libm_intervals.exp_interval32, libm_intervals.exp_interval64),
    demand.of_absorbing,
    spicy=(88.72284, 88.7, -87.4, -103.97, -104.0, 709.78, -745.13, -746.0),
    cost=345,
)
LN = _unary(
    "ln",
    (libm.ln32, libm.ln64),
    (libm_intervals.ln_interval32, libm_intervals.ln_interval64),
    demand.of_absorbing,
    spicy=(0.70710677, 1.4142135, 0.99999994, 1.0000001),
    cost=313,
)
NOT = _unary("not", basic.not_, intervals.not_, demand.of_absorbing, called="logical_not")

ADD = _binary("add", basic.add, intervals.add, demand.of_sum, commutative=True)
SUB = _binary("sub", basic.sub, intervals.sub, demand.of_sum)
MUL = _binary("mul", basic.mul, intervals.mul, demand.of_transparent, commutative=True)
DIV = _binary("div", basic.div, intervals.div, demand.of_div, cost=36)
ATAN2 = _binary(
    "atan2",
    (libm.atan2_32, libm.atan2_64),
    (libm_intervals.atan2_interval32, libm_intervals.atan2_interval64),
    demand.of_atan2,
    cost=690,
)
MIN = _binary("min", basic.min_, intervals.min_, demand.of_min, called="minimum")
MAX = _binary("max", basic.max_, intervals.max_, demand.of_max, called="maximum")
COMPARE = _binary("compare", basic.compare, intervals.compare, demand.of_absorbing)
MOD = _binary("mod", basic.mod, intervals.mod, demand.of_mod, spicy=_HALVES, cost=180)
AND = _binary("and", basic.and_, intervals.and_, demand.of_and, called="logical_and")
OR = _binary("or", basic.or_, intervals.or_, demand.of_or, called="logical_or")

for _name in extensions.names():
    _add(extensions.record(_name))


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
