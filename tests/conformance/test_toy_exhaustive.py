"""All intervals of a 6-bit float format, all pairs of them, with and without NaN: 2.7 million pairs per rule
and choice of flags; and all sets of sign classes, all pairs of them.

Soundness is checked always. Optimality (an interval's ends and flag are those of the values, a set's classes
are all reached) except where `NOT_TIGHT` or `NOT_REACHED` says of which operands it is not so, and why; a
rule that is tight there is struck off the list by the same test. The format: `toy_arrays`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from absint.domains.sign import CLASSES, classify, transfer_table
from absint.ops import basic
from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form
from absint.ops.table import BY_NAME, Op
from tests.conformance.toy_arrays import (
    COUNT,
    PLACES,
    SMALL,
    TOYS,
    VALUES,
    ToyArray,
    codes_of,
    encode,
)
from tests.support.operands import OPERATIONS

BASIC = [op for op in OPERATIONS if op.body(Precision.F32).__module__ == basic.__name__]
EVERY_BASIC_OP = pytest.mark.parametrize("op", BASIC, ids=lambda op: op.name)
NAN = len(SMALL.numbers)
"""The place of NaN, after those of the numbers."""

FIRST, LAST = np.triu_indices(NAN)
"""Places of the ends of each interval."""
LOWER, UPPER = (ToyArray(np.array([encode(v) for v in SMALL.numbers], np.uint8)[i]) for i in (FIRST, LAST))


class Hulls(NamedTuple):
    """The numbers' hulls, and whether NaN is among the values. Empty: (inf, -inf)."""

    lower: NDArray[Any]
    upper: NDArray[Any]
    may_nan: NDArray[Any]


def reduced(hulls: Hulls, axis: int, join: Callable[[np.ufunc, NDArray[Any], int], NDArray[Any]]) -> Hulls:
    """`join` says what of an axis is joined, with minimum, maximum and or."""
    ufuncs = (np.minimum, np.maximum, np.logical_or)
    return Hulls(*(join(ufunc, part, axis) for ufunc, part in zip(ufuncs, hulls, strict=True)))


def _by_place(ufunc: np.ufunc, part: NDArray[Any], axis: int) -> NDArray[Any]:
    """From bit patterns to numbers and NaN."""
    return np.stack([ufunc.reduce(np.take(part, codes, axis), axis) for codes in PLACES], axis)


def _by_interval(ufunc: np.ufunc, part: NDArray[Any], axis: int) -> NDArray[Any]:
    """From numbers to intervals, in the order of `FIRST` and `LAST`."""
    rows = [ufunc.accumulate(np.take(part, range(i, NAN), axis), axis) for i in range(NAN)]
    return np.concatenate(rows, axis)


def _with_nan(ufunc: np.ufunc, part: NDArray[Any], axis: int) -> NDArray[Any]:
    """From intervals to intervals or NaN, given a last entry that is NaN alone."""
    joined: NDArray[Any] = ufunc(part, np.take(part, [-1], axis))
    return joined


def results(op: Op) -> NDArray[np.float64]:
    """What the body gives on each bit pattern, or on each pair of them."""
    codes = np.arange(COUNT, dtype=np.uint8)
    grids = np.meshgrid(*[codes] * op.arity, indexing="ij")
    found: ToyArray = array_form(op.body(Precision.F32), Precision.F32, TOYS)(*map(ToyArray, grids))
    return found.values


def best(op: Op, *may_nan: bool) -> Hulls:
    """The hull of the values for each interval, or pair of them, or NaN alone as the last one."""
    values = results(op)
    nan = np.isnan(values)
    hulls = Hulls(
        np.where(nan, np.inf, values).astype(np.float32),
        np.where(nan, -np.inf, values).astype(np.float32),
        nan,
    )
    for axis in range(op.arity):
        hulls = reduced(hulls, axis, _by_place)
        only_nan = [np.take(part, [NAN], axis) for part in hulls]
        intervals = reduced(hulls, axis, _by_interval)
        hulls = Hulls(*(np.concatenate(parts, axis) for parts in zip(intervals, only_nan, strict=True)))
        if may_nan[axis]:
            hulls = reduced(hulls, axis, _with_nan)
    return hulls


def operand(axis: int, arity: int, may_nan: bool) -> tuple[ToyArray, ToyArray, Any]:
    """Each interval along an axis, and after them the empty one, which is NaN alone if `may_nan`."""
    shape = [1] * arity
    shape[axis] = -1
    ends = [
        ToyArray(np.append(end.codes, np.uint8(encode(nothing))).reshape(shape))
        for end, nothing in ((LOWER, np.inf), (UPPER, -np.inf))
    ]
    return ends[0], ends[1], np.bool_(may_nan)


def found(op: Op, *may_nan: bool) -> Hulls:
    """What the rule says of the same."""
    arguments = [part for axis in range(op.arity) for part in operand(axis, op.arity, may_nan[axis])]
    lower, upper, nan = array_form(op.interval(Precision.F32), Precision.F32, TOYS)(*arguments)
    shape = (len(FIRST) + 1,) * op.arity
    ends = (np.take(VALUES.astype(np.float32), codes_of(end)) for end in (lower, upper))
    return Hulls(*(np.broadcast_to(part, shape) for part in (*ends, nan)))


class Loose(NamedTuple):
    """Where a rule is wider than the values somewhere.

    `where`: of the places of the ends of both intervals, as numbers, which pairs may be loose. `pairs`: how
    many pairs of intervals without NaN are, so that no change makes it more.
    """

    where: Callable[[Any, Any, Any, Any], Any]
    pairs: int
    reason: str


def zero_by_zero(a_lower: Any, a_upper: Any, b_lower: Any, b_upper: Any) -> Any:
    return (a_lower == 0) & (a_upper == 0) & (b_lower <= 0) & (b_upper >= 0)


def one_end_is_zero(a_lower: Any, a_upper: Any, b_lower: Any, b_upper: Any) -> Any:
    return ((a_lower == 0) != (a_upper == 0)) & (b_lower == b_lower)


def quotient_not_zero(a_lower: Any, a_upper: Any, b_lower: Any, b_upper: Any) -> Any:
    return ~((a_lower >= 0) & (a_upper < np.maximum(np.maximum(b_lower, -b_upper), 0)))


NOT_TIGHT = {
    "div": Loose(
        zero_by_zero, 841, "a divisor that touches zero reaches both infinities, and 0/0 is NaN alone"
    ),
    "or": Loose(
        one_end_is_zero, 22_736, "an end that is 0 is left out of the result, and its neighbour not named"
    ),
    "mod": Loose(quotient_not_zero, 1_034_270, "the quotient may be the same, and not 0, for all operands"),
}


@EVERY_BASIC_OP
def test_interval_rules_are_sound_and_tight(op: Op) -> None:
    for flags in itertools.product((False, True), repeat=op.arity):
        # the last row is NaN alone, of which an operand without NaN has none
        rows = tuple(slice(None if flag else -1) for flag in flags)
        values = Hulls(*(part[rows] for part in best(op, *flags)))
        ours = Hulls(*(part[rows] for part in found(op, *flags)))
        empty = values.lower > values.upper
        inside = (ours.lower <= values.lower) & (values.upper <= ours.upper)
        sound = (inside | empty) & (ours.may_nan | ~values.may_nan)
        assert sound.all(), explained(~sound, values, ours)
        tight = (ours.lower == values.lower) & (ours.upper == values.upper)
        tight |= empty & (ours.lower > ours.upper)
        loose = ~(tight & (ours.may_nan == values.may_nan))
        known = NOT_TIGHT.get(op.name)
        if known is None:
            assert not loose.any(), explained(loose, values, ours)
            continue
        places = [part.values for axis in range(2) for part in operand(axis, 2, True)[:2]]
        unnamed = loose & ~known.where(*places)[rows]
        assert not unnamed.any(), explained(unnamed, values, ours)
        if not any(flags):
            assert np.count_nonzero(loose) == known.pairs, "the count in NOT_TIGHT is to be kept right"


def explained(wrong: NDArray[np.bool_], values: Hulls, ours: Hulls) -> str:
    """The first intervals that a mask marks."""
    index = tuple(np.argwhere(wrong)[0])
    intervals = [
        (SMALL.numbers[FIRST[i]], SMALL.numbers[LAST[i]]) if i < len(FIRST) else "no number" for i in index
    ]
    best_one, our_one = ([part[index].item() for part in hulls] for hulls in (values, ours))
    return (
        f"{np.count_nonzero(wrong)} pairs, first {intervals}: the values give {best_one}, the rule {our_one}"
    )


def test_every_loose_rule_is_a_basic_operation() -> None:
    assert set(NOT_TIGHT) | set(NOT_REACHED) <= {op.name for op in BASIC}


def test_the_format_has_six_bits() -> None:
    assert COUNT == 64 and len(FIRST) == 1653
    assert [len(codes) for codes in PLACES if len(codes) > 1] == [2, 6]
    assert all(encode(VALUES[i]) == i for i in range(COUNT) if VALUES[i] == VALUES[i])
    assert SMALL.finite[:2] == [0.0, 2.0**-4] and SMALL.finite[-1] == 14.0


@pytest.mark.parametrize("wrong", ["recip", "sqrt"])
def test_a_wrong_rule_is_caught(wrong: str) -> None:
    """With the rule of another operation the ends are wrong, and for one of them the flag."""
    ours, values = found(BY_NAME[wrong], False), best(BY_NAME["abs"], False)
    assert (ours.lower > values.lower)[:-1].any()
    assert (ours.may_nan != values.may_nan)[:-1].any() == (wrong == "sqrt")


# Signs

NAMES = dict(zip(("-inf", "neg", "-0", "+0", "pos", "+inf", "nan"), CLASSES, strict=True))

NOT_REACHED = {
    "div": ("neg -0, neg +0, pos -0, pos +0", "through intervals, a divisor +0 is also -0"),
    "min": ("-0 pos, +0 pos, pos -0, pos +0", "an interval that contains 0 contains both zeros"),
    "max": ("-0 neg, +0 neg, neg -0, neg +0", "the same"),
    "and": ("neg -0, neg +0, -0 neg, -0 pos, +0 neg, +0 pos, pos -0, pos +0", "the same"),
    "mod": (
        "-inf neg, -inf pos, +inf neg, +inf pos, neg -inf, neg +inf, neg neg, neg pos, neg -0, neg +0, "
        "pos neg, pos pos, pos -0, pos +0, -0 neg, -0 pos, +0 neg, +0 pos",
        "the remainder is bounded by [0, |b|], whatever the dividend and also where it is NaN alone",
    ),
}
"""Classes of operands for which a sign table names a class that no value reaches, and why."""


def reached(op: Op) -> NDArray[np.uint8]:
    """The classes that values of each pair of classes give, as a table over `CLASSES`."""
    classes = classify(VALUES)
    table: NDArray[np.uint8] = classify(results(op)).astype(np.uint8)
    for axis in range(op.arity):
        members = [np.take(table, np.flatnonzero(classes == c), axis) for c in CLASSES]
        table = np.stack([np.bitwise_or.reduce(part, axis) for part in members], axis)
    return table


def over_sets(table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """From classes to sets of classes, along every axis: the union over the members."""
    for axis in range(table.ndim):
        rows = []
        for members in range(128):
            places = [i for i, c in enumerate(CLASSES) if c & members]
            rows.append(np.bitwise_or.reduce(np.take(table, places, axis), axis))
        table = np.stack(rows, axis)
    return table


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@EVERY_BASIC_OP
def test_sign_tables_are_sound_and_tight(op: Op, precision: Precision) -> None:
    """For every pair of sets of classes, NaN among them: what 6 bits reach, no other format loses."""
    ours = transfer_table(op, precision)
    values = over_sets(reached(op))
    assert ours.shape == values.shape
    missing = np.argwhere(values & ~ours)
    assert not len(missing), f"sets {missing[0]} miss classes"
    single = np.ix_(*[CLASSES] * op.arity)
    loose = np.argwhere(ours[single] != values[single])
    pairs, _ = NOT_REACHED.get(op.name, ("", ""))
    named = {tuple(pair.split()) for pair in pairs.split(",") if pair}
    assert {tuple(list(NAMES)[i] for i in index) for index in loose} == named
    assert np.array_equal(ours, over_sets(ours[single])), "a set is more than its members"
