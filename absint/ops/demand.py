"""How much of a value is looked at: the demand lattice and the rules that carry it from result to operands.

none < (`< 0` or `> 0`) < both < all but the sign of a zero < bits. The join is bitwise or. Two values agree
under a demand when nothing that looks only that far can tell them apart; under a sign demand the second
must also be a number wherever the first is. A rule says what an operation needs of its operands so that
operands that agree give results that agree. After Bolz-Tereick's sign demand (2025) and LLVM's DemandedBits.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from enum import IntEnum
from functools import cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Demand(IntEnum):
    """What the users of a node can see of its value; `a | b` joins, `a | b == b` compares, as plain ints."""

    NONE = 0
    NEGATIVE = 1  # only whether it is < 0, false on NaN
    POSITIVE = 2  # only whether it is > 0, false on NaN
    SIGN = 3
    VALUE = 7  # everything but the sign of a zero
    BITS = 15


LABELS: dict[int, str] = {
    Demand.NONE: "none",
    Demand.NEGATIVE: "< 0",
    Demand.POSITIVE: "> 0",
    Demand.SIGN: "sign",
    Demand.VALUE: "value",
    Demand.BITS: "bits",
}
"""How reports spell a demand."""


class Bounds(NamedTuple):
    """What is known of one operand: `lower <= v <= upper` unless it is NaN, which needs `may_nan`."""

    lower: float
    upper: float
    may_nan: bool

    @property
    def excludes_zero(self) -> bool:
        """No value is a zero of either sign."""
        return self.lower > 0 or self.upper < 0


class Operand(Protocol):
    """All that a demand rule may ask about an operand, so that four `OPERAND_KINDS` stand for all operands
    and a rule can be tabulated. `Bounds` are operands, too.
    """

    @property
    def excludes_zero(self) -> bool:
        """No value is a zero of either sign."""

    @property
    def may_nan(self) -> bool:
        """NaN may be among the values."""


DemandRule = Callable[[int, tuple[Operand, ...]], tuple[int, ...]]
"""From the demand on a result and what is known of the operands to the demand on each operand."""


def no_operands(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    """Leaves have nothing to ask of."""
    return ()


def swap_signs(demand: int) -> int:
    """The demand on `a` that `demand` on `-a` makes."""
    if demand in (Demand.NEGATIVE, Demand.POSITIVE):
        return Demand.NEGATIVE ^ Demand.POSITIVE ^ demand
    return demand


def of_neg(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    """-a < 0 is a > 0; everything else of -a is as visible in a."""
    return (swap_signs(demand),)


def passed_on(demand: int) -> int:
    """A result of which anything is needed needs its operand's value; only `bits` see a zero's sign."""
    return Demand.BITS if demand == Demand.BITS else Demand.VALUE if demand else Demand.NONE


def of_transparent(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    """The sign of a zero operand can change at most the sign of a zero result (mul, sqrt, floor, sin, …)."""
    return (passed_on(demand),) * len(operands)


def of_absorbing(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    """Both zeros give the same result (abs, square, cos, exp, compare, not, …)."""
    return (Demand.VALUE if demand else Demand.NONE,) * len(operands)


def of_sum(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    """Beside an operand that is never zero, the sign of a zero is lost in the sum: ±0 + b = b."""
    a, b = operands
    seen = passed_on(demand)
    hidden = seen & Demand.VALUE
    return (hidden if b.excludes_zero else seen, hidden if a.excludes_zero else seen)


def of_recip(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    """1/+0 and 1/-0 are infinitely far apart."""
    return (Demand.BITS if demand else Demand.NONE,)


def of_div(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    """The dividend's zero shows at most in a zero; the divisor's in an infinity."""
    return (passed_on(demand), Demand.BITS if demand else Demand.NONE)


def of_atan2(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    """atan2(±0, -1) = ±pi and atan2(0, ±0) = 0 or pi: both zeros show."""
    return (Demand.BITS if demand else Demand.NONE,) * 2


def of_mod(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    """A zero dividend shows as a zero of its sign; only the divisor's magnitude counts."""
    return (passed_on(demand), Demand.VALUE if demand else Demand.NONE)


def of_and(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    """`a` is tested against zero and returned only when it is one; `b` is returned as it is."""
    return (passed_on(demand), demand)


def of_or(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    """`a` is returned unless it is a zero of either sign; `b` is returned as it is."""
    return (Demand.VALUE if demand else Demand.NONE, demand)


def _of_choice(demand: int, operands: tuple[Operand, ...], conjunction: int) -> tuple[int, ...]:
    if demand & ~Demand.SIGN or not demand:
        return (demand, demand)
    # sound: NaN wins, so the conjunction of both arms' tests is exact even with NaN; the disjunction is
    # not, for a NaN in one arm hides the other arm's answer.
    if demand == conjunction or not any(operand.may_nan for operand in operands):
        return (demand, demand)
    return (Demand.VALUE, Demand.VALUE)


def of_min(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    """min(a,b) > 0 iff a > 0 and b > 0, always; min(a,b) < 0 iff a < 0 or b < 0, where neither is NaN."""
    return _of_choice(demand, operands, Demand.POSITIVE)


def of_max(demand: int, operands: tuple[Operand, ...]) -> tuple[int, ...]:
    """max(a,b) < 0 iff a < 0 and b < 0, always; max(a,b) > 0 iff a > 0 or b > 0, where neither is NaN."""
    return _of_choice(demand, operands, Demand.NEGATIVE)


class _OperandKind(NamedTuple):
    """All that a demand rule can know of an operand."""

    excludes_zero: bool
    may_nan: bool


OPERAND_KINDS = tuple(
    _OperandKind(excludes_zero, nan) for nan in (False, True) for excludes_zero in (False, True)
)
"""The operands that a demand rule can tell apart, in the order of the numbers of `operand_kinds`."""


def operand_kinds(
    lower: NDArray[np.float64], upper: NDArray[np.float64], may_nan: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """uint8[n]: the place in `OPERAND_KINDS` of operands with these bounds."""
    excludes_zero = (lower > 0) | (upper < 0)
    return excludes_zero.view(np.uint8) | may_nan.view(np.uint8) << np.uint8(1)


@cache
def demand_tables(rules: tuple[tuple[DemandRule, int], ...]) -> NDArray[np.uint8]:
    """uint8[m, 16, 4, 4, 2]: what m rules, each given with its number of operands, demand of both operands.

    Indexed by rule, demand on the result, and the kinds of the first and of the second operand. The kind of
    an absent operand is 0, and nothing is demanded of it. Read-only.
    """
    kinds = len(OPERAND_KINDS)
    tables = np.zeros((len(rules), Demand.BITS + 1, kinds, kinds, 2), np.uint8)
    for table, (rule, arity) in zip(tables, rules, strict=True):
        for demand in Demand:
            for operands in itertools.product(range(kinds), repeat=arity):
                place = (demand, *operands, 0, 0)[:3]
                table[place][:arity] = rule(demand, tuple(OPERAND_KINDS[kind] for kind in operands))
    tables.flags.writeable = False
    return tables
