"""How sharp the interval and sign domains are on basic operations: exactly as sharp as their elements allow.

Intervals: all of a toy format's intervals and pairs of intervals, with and without NaN, against all values
in them. That checks soundness too, without luck. Signs: a class that a table names must be reached by
some float. Exemptions are named, with the reason.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest

from absint.domains.sign import CLASSES, classify, transfer_table
from absint.ops import basic
from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form
from absint.ops.table import SPICY, Op
from tests.conformance import toy
from tests.conformance.toy import NUMBERS, Toy, plain
from tests.support.operands import OPERATIONS, distinct, random_bits, random_moderate

BASIC = [op for op in OPERATIONS if op.body(Precision.F32).__module__ == basic.__name__]
EVERY_BASIC_OP = pytest.mark.parametrize("op", BASIC, ids=lambda op: op.name)

NOT_TIGHT = {
    "mod": "the quotient may be the same for all operands; the rule looks for quotient 0 only",
    "or": "an end of the first operand that is 0 is left out of the result, and its neighbour not named",
    "div": "a divisor that touches zero is said to reach both infinities, also where the dividend is zero",
}
"""Interval rules that are sound, but wider than the values somewhere, and why."""


class Hull(NamedTuple):
    """The numbers' hull, and whether NaN is among the values. Empty: (inf, -inf)."""

    lower: float
    upper: float
    may_nan: bool


NOTHING = Hull(math.inf, -math.inf, False)
INTERVALS = [
    *(Hull(low, high, nan) for low in NUMBERS for high in NUMBERS if low <= high for nan in (False, True)),
    Hull(math.inf, -math.inf, True),
]


def joined(hulls: list[Hull]) -> Hull:
    return Hull(
        min((h.lower for h in hulls), default=math.inf),
        max((h.upper for h in hulls), default=-math.inf),
        any(h.may_nan for h in hulls),
    )


@cache
def by_number(op: Op) -> dict[tuple[float, ...], Hull]:
    """The hull of the results for each choice of numbers, of which 0 stands for both zeros, and NaN."""
    body = op.body(Precision.F32)
    found: dict[tuple[float, ...], Hull] = {}
    values = [*((v,) if v else (0.0, -0.0) for v in NUMBERS), (math.nan,)]
    for choice in itertools.product(values, repeat=op.arity):
        results = [plain(body(*map(Toy, operands))) for operands in itertools.product(*choice)]
        key = tuple(0.0 if v[0] == 0 else v[0] for v in choice)
        found[key] = joined(
            [Hull(r, r, False) if r == r else Hull(math.inf, -math.inf, True) for r in results]
        )
    return {tuple(_place(v) for v in key): hull for key, hull in found.items()}


def _place(value: float) -> int:
    """The index of a number, and that of NaN after them."""
    return NUMBERS.index(value) if value == value else len(NUMBERS)


@cache
def members(interval: Hull) -> tuple[int, ...]:
    """The places of an interval's values."""
    inside = tuple(i for i, v in enumerate(NUMBERS) if interval.lower <= v <= interval.upper)
    return (*inside, len(NUMBERS)) if interval.may_nan else inside


def cases(op: Op) -> Any:
    """Each choice of intervals with the hull of the results."""
    single = by_number(op)
    if op.arity == 1:
        for a in INTERVALS:
            yield (a,), joined([single[i,] for i in members(a)])
        return
    for a in INTERVALS:
        row = {j: joined([single[i, j] for i in members(a)]) for j in range(len(NUMBERS) + 1)}
        for b in INTERVALS:
            yield (a, b), joined([row[j] for j in members(b)])


@EVERY_BASIC_OP
def test_interval_rules_are_sound_and_optimal(op: Op) -> None:
    rule = op.interval(Precision.F32)
    loose = 0
    for operands, best in cases(op):
        arguments = [part for h in operands for part in (Toy(h.lower), Toy(h.upper), h.may_nan)]
        lower, upper, may_nan = rule(*arguments)
        found = Hull(plain(lower), plain(upper), bool(may_nan))
        sound = found.lower <= best.lower and best.upper <= found.upper and found.may_nan >= best.may_nan
        assert sound or (best.lower > best.upper and found.may_nan >= best.may_nan), (operands, best, found)
        empty = best.lower > best.upper and found.lower > found.upper
        loose += not ((empty or found[:2] == best[:2]) and found.may_nan == best.may_nan)
        assert not loose or op.name in NOT_TIGHT, (operands, best, found)
    assert bool(loose) == (op.name in NOT_TIGHT), "this rule is optimal: strike it off the list"


def test_toy_arithmetic_rounds_to_nearest_even() -> None:
    largest = max(v for v in NUMBERS if v < math.inf)
    smallest = min(v for v in NUMBERS if v > 0)
    for a, b in itertools.product(NUMBERS, repeat=2):
        for exact, got in (
            (a + b, Toy(a) + Toy(b)),
            (a * b if abs(a * b) >= 0 else math.nan, Toy(a) * Toy(b)),
        ):
            if exact == exact and abs(exact) <= largest:
                distance = min(abs(exact - v) for v in NUMBERS)
                assert abs(exact - got.value) == distance, (a, b)
    assert toy.round_to_toy(smallest / 2) == 0 and toy.round_to_toy(smallest * 1.5) == 2 * smallest
    assert (Toy(largest) + Toy(largest)).value == math.inf
    assert math.copysign(1, (-Toy(smallest) * Toy(smallest) / Toy(math.inf)).value) == -1
    assert Toy(math.nan) != Toy(math.nan)


# Signs

NOT_REACHED = {
    "div": "through intervals, a divisor +0 is also -0",
    "and": "an interval that contains 0 is taken to contain both zeros",
    "min": "the same",
    "max": "the same",
    "mod": "the rule bounds the remainder by the divisor's magnitude, which may be infinite",
}
"""Operations whose sign table names a class that no float reaches, and why."""


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@EVERY_BASIC_OP
def test_sign_tables_are_optimal(op: Op, precision: Precision) -> None:
    """Each class that the table names for two classes of operands is reached by floats of these classes."""
    rng = np.random.default_rng(8)
    values = np.concatenate(
        [distinct(SPICY, precision), random_bits(rng, precision, 100), random_moderate(rng, precision, 100)]
    )
    columns = [grid.ravel() for grid in np.meshgrid(*[values] * op.arity)]
    with np.errstate(all="ignore"):
        results = array_form(op.body(precision), precision)(*columns)
    reached: dict[tuple[int, ...], int] = defaultdict(int)
    for *classes, result in zip(*map(classify, columns), classify(results), strict=True):
        reached[tuple(map(int, classes))] |= int(result)
    table = transfer_table(op, precision)
    loose = []
    for operands in itertools.product(CLASSES, repeat=op.arity):
        named = int(table[operands])
        assert reached[operands] | named == named, (operands, reached[operands], named)
        if named != reached[operands]:
            loose.append((operands, named & ~reached[operands]))
    assert bool(loose) == (op.name in NOT_REACHED), loose
