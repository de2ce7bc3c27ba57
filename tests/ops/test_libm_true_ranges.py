"""Interval rules of sin ... ln against the true ranges, by mpmath: no evaluation that is allowed escapes.

An evaluation may give what is within 2^-40 of the true value and rounded once (binary32), or either of the
floats around it (binary64), within the function's rounded range. The true range of an interval is that of
its ends, of the extrema between them, and of floats next to poles; values in between are tried as well. Where
the function is monotone the rule's ends are at most as far out as the contract says: one float or two.
`test_libm_intervals` holds the rules against what our functions compute.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

from absint.ops.precision import Precision
from tests.ops.test_libm import PERIODIC, hardest, neighbours
from tests.ops.test_libm_intervals import (
    EVERY_UNARY,
    PRECISIONS,
    UNARY,
    Array,
    body,
    order,
    rule,
    special,
    unorder,
)
from tests.support.operands import SCALE

COUNT = max(1, int(24 * SCALE))
"""Intervals of each kind."""

inf = math.inf
EDGES = {
    "asin": (-1.0, -0.5, 0.5, 1.0),
    "acos": (-1.0, -0.5, 0.5, 1.0),
    "atan": (-1.0, 1.0, 0.41421356),
    "exp": (88.722839, -87.33655, -103.97208, 709.7827128933841, -708.3964, -745.1332191019412),
    "ln": (0.0, 1.0),
}
"""Where a domain ends, or a result overflows, underflows or changes sign."""


def working_bits(x: float) -> int:
    """Enough for what cancels in a reduction of x."""
    return 200 if abs(x) < 2.0**60 else 1400


def value(name: str, x: float) -> Any:
    """The true value; infinite where that is the limit."""
    if name == "exp" and abs(x) > 1e5:
        x = math.copysign(1e5, x)  # overflows or underflows all the same
    with mp.workprec(working_bits(x) if name in PERIODIC else 200):
        return getattr(mp, name)(mpf(x))


def angle(y: float, x: float) -> Any:
    """The true atan2 of numbers that are not both zero, as IEEE 754 says at infinity."""
    with mp.workprec(200):
        if math.isinf(y) and math.isinf(x):
            return mpf(math.copysign(1, y)) * mp.pi * (1 if x > 0 else 3) / 4
        if math.isinf(y):
            return mpf(math.copysign(1, y)) * mp.pi / 2
        if math.isinf(x):
            return mpf(0) if x > 0 else mpf(math.copysign(1, y)) * mp.pi
        return mp.atan2(mpf(y), mpf(x))


def below(v: Any, precision: Precision) -> float:
    """The greatest float that is not above v."""
    with np.errstate(over="ignore"):
        nearest = precision.real(float(v))
    return float(nearest if mpf(float(nearest)) <= v else np.nextafter(nearest, precision.real(-inf)))


def above(v: Any, precision: Precision) -> float:
    """The least float that is not below v."""
    with mp.workprec(1500):  # a negation rounds too
        return -below(-v, precision)


def limits(name: str, precision: Precision) -> tuple[float, float]:
    """The function's range, rounded as all its values are."""
    half_turn, right_angle = (float(precision.real(v)) for v in (math.pi, math.pi / 2))
    return {
        "sin": (-1.0, 1.0),
        "cos": (-1.0, 1.0),
        "asin": (-right_angle, right_angle),
        "acos": (0.0, half_turn),
        "atan": (-right_angle, right_angle),
        "atan2": (-half_turn, half_turn),
        "exp": (0.0, inf),
    }.get(name, (-inf, inf))


def allowed(name: str, v: Any, precision: Precision) -> tuple[float, float]:
    """The least and the greatest float that an evaluation of the true value v may give."""
    if precision is Precision.F32:
        with mp.workprec(200), np.errstate(over="ignore"):
            ends = sorted(float(np.float32(float(v * (1 + sign * mpf(2) ** -40)))) for sign in (-1, 1))
    else:
        ends = [below(v, precision), above(v, precision)]
        if ends[1] == inf and v >= mpf(2) ** 1024:
            ends[0] = inf
    least, greatest = limits(name, precision)
    return max(ends[0], least), min(ends[1], greatest)


def has_whole(lower: float, upper: float, period: int, offset: int) -> bool:
    """Whether (period * k + offset) * pi/2 lies between the two, for an integer k."""
    with mp.workprec(max(working_bits(lower), working_bits(upper))):
        first, last = ((mpf(x) * 2 / mp.pi - offset) / period for x in (lower, upper))
        return bool(mp.floor(last) >= mp.ceil(first))


def within(name: str, lower: float, upper: float, precision: Precision) -> tuple[float, float] | None:
    """The part of an interval where the function is defined; None if there is none."""
    largest = float(np.finfo(precision.dtype).max)
    least, greatest = {
        "asin": (-1.0, 1.0),
        "acos": (-1.0, 1.0),
        "ln": (0.0, inf),
    }.get(name, (-largest, largest) if name in PERIODIC else (-inf, inf))
    lower, upper = max(lower, least), min(upper, greatest)
    return (lower, upper) if lower <= upper else None


def true_values(name: str, lower: float, upper: float, inside: list[float]) -> Iterator[Any]:
    """Values that span the range: at the ends, at extrema, at the operands inside."""
    for x in (lower, upper, *inside):
        yield value(name, x)
    if name in ("sin", "cos"):
        top = 1 if name == "sin" else 0
        for offset, extremum in ((top, 1), (top + 2, -1)):
            if has_whole(lower, upper, 4, offset):
                yield mpf(extremum)


def intervals(name: str, precision: Precision) -> tuple[Array, Array]:
    """Points; a few floats wide; narrow; wide; at all scales; where the function is hard; special ends."""
    random = np.random.default_rng([31, UNARY.index(name), precision is Precision.F64])
    real, bits = precision.real, precision.bits_type

    def anywhere() -> Array:
        found = random.integers(0, np.iinfo(bits).max, COUNT, bits).view(precision.dtype)
        return np.where(np.isfinite(found), found, real(1))

    def near(values: Array) -> Array:
        """A few floats from one of the values."""
        ranks = order(random.choice(values.astype(precision.dtype), COUNT)) + random.integers(-3, 4, COUNT)
        return unorder(ranks, precision)

    ordinary = random.normal(size=COUNT) * 2.0 ** random.integers(-8, 8, COUNT)
    subnormal = unorder(random.integers(-(1 << 20), 1 << 20, COUNT), precision)
    turns = (random.integers(-60, 60, COUNT) * (np.pi / 2)).astype(precision.dtype)
    far_turns = (random.integers(1, 1 << 24, COUNT) * (np.pi / 2)).astype(precision.dtype)
    hard = hardest(precision) if name in PERIODIC else anywhere()
    finite = special(precision)[np.isfinite(special(precision))]
    edges = np.array(EDGES.get(name, (0.0,)))
    first = [
        anywhere(), anywhere(), subnormal, ordinary, ordinary, turns, far_turns, near(turns), near(far_turns),
        near(hard), near(finite), near(edges), near(edges), subnormal, np.full(COUNT, -inf),
    ]  # fmt: skip
    narrow = ordinary * (1 + 2.0 ** random.integers(-40, 3, COUNT))
    with np.errstate(all="ignore"):
        second = [
            first[0], anywhere(), np.flip(subnormal), ordinary, narrow,
            near(turns), turns, near(turns), near(far_turns), near(hard), near(finite), near(edges),
            ordinary, ordinary, ordinary,
        ]  # fmt: skip
        second[6] = far_turns + np.abs(ordinary)
        second[9] = np.nextafter(first[9], real(inf))
        ends = np.stack([np.concatenate(part).astype(precision.dtype) for part in (first, second)])
    ends = np.concatenate([ends, np.array([[0, inf, -inf, inf], [inf, inf, -inf, -inf]], precision.dtype)], 1)
    ends[np.isnan(ends)] = 1  # a few floats beyond infinity
    return np.minimum(*ends), np.maximum(*ends)


def inside_of(lower: float, upper: float, name: str, precision: Precision, count: int = 6) -> list[float]:
    """Floats between the two: spread by rank and by size, and those next to poles and extrema."""
    real = precision.real
    first, last = order(np.array([lower, upper], precision.dtype)).tolist()
    ranks = np.linspace(first, last, count).astype(np.int64)
    found: list[float] = unorder(ranks, precision).tolist()
    with np.errstate(all="ignore"):
        blend = lower + np.linspace(0, 1, count) * (upper - lower)
        if name in PERIODIC and max(abs(lower), abs(upper)) < 1e6:
            quarters = np.round(np.array([lower, upper]) * 2 / np.pi) + np.array([[-1], [0], [1]])
            blend = np.append(blend, neighbours((quarters.ravel() * (np.pi / 2)).astype(real), 1))
        found += blend.astype(precision.dtype).tolist()
    return [x for x in found if lower <= x <= upper]


def expects_nan(name: str, lower: float, upper: float) -> bool:
    if name in PERIODIC:
        return lower == -inf or upper == inf
    if name in ("asin", "acos"):
        return lower < -1 or upper > 1
    return name == "ln" and lower < 0


@PRECISIONS
@EVERY_UNARY
def test_true_ranges_are_contained(name: str, precision: Precision) -> None:
    lower, upper = intervals(name, precision)
    found = rule(name, precision)(lower, upper, np.zeros(len(lower), bool))
    for low, high, least, greatest, nan in zip(
        *(part.tolist() for part in (lower, upper, *found)), strict=True
    ):
        assert nan == expects_nan(name, low, high), (low, high)
        part = within(name, low, high, precision)
        if part is None:
            assert least > greatest, (low, high)
            continue
        for v in true_values(name, *part, inside_of(*part, name, precision)):
            first, last = allowed(name, v, precision)
            assert least <= first and last <= greatest, (low, high, v, (first, last), (least, greatest))


@PRECISIONS
@pytest.mark.parametrize("name", ["asin", "acos", "atan", "exp", "ln"])
def test_ends_are_no_further_out_than_promised(name: str, precision: Precision) -> None:
    """From the floats around the true values at the ends: one float or two."""
    step = 1 if precision is Precision.F32 else 2
    lower, upper = intervals(name, precision)
    found = rule(name, precision)(lower, upper, np.zeros(len(lower), bool))
    for low, high, least, greatest in zip(
        *(part.tolist() for part in (lower, upper, *found[:2])), strict=True
    ):
        part = within(name, low, high, precision)
        if part is not None:
            ends = sorted(value(name, x) for x in part)
            exact = np.array([below(ends[0], precision), above(ends[1], precision)], precision.dtype)
            ours = np.array([least, greatest], precision.dtype)
            outward = (order(exact) - order(ours)) * np.array([1, -1])
            assert outward.max() <= step, (low, high, exact, ours)


@PRECISIONS
def test_true_angles_are_contained(precision: Precision) -> None:
    """Of boxes: corners, crossings of the axes from either zero, points inside."""
    random = np.random.default_rng(33)
    kinds = [intervals(name, precision) for name in ("ln", "atan")]
    lower, upper = (np.concatenate([kind[i] for kind in kinds]) for i in (0, 1))
    picks = random.integers(0, len(lower), (2, int(300 * SCALE)))
    boxes = [end[pick] for pick in picks for end in (lower, upper)]
    none = np.zeros(len(picks[0]), bool)
    found = rule("atan2", precision)(*boxes[:2], none, *boxes[2:], none)
    assert not np.any(found[2])
    largest = float(precision.real(math.pi))
    for y_low, y_high, x_low, x_high, least, greatest in zip(
        *(part.tolist() for part in (*boxes, *found[:2])), strict=True
    ):
        ys = [y_low, y_high, *inside_of(y_low, y_high, "atan2", precision, 3)]
        xs = [x_low, x_high, *inside_of(x_low, x_high, "atan2", precision, 3)]
        zero = y_low <= 0 <= y_high
        for y in filter(None, ys):
            for x in (*xs, *([0.0] if x_low <= 0 <= x_high else [])):
                first, last = allowed("atan2", angle(y, x), precision)
                assert least <= first and last <= greatest, (y, x, (least, greatest))
        assert not (zero and x_high >= 0) or least <= 0 <= greatest
        assert not (zero and x_low <= 0) or (least, greatest) == (-largest, largest)


def test_ends_that_are_not_moved_out_are_caught() -> None:
    """What the function gives is allowed, but not all that is. (In binary32 one in 2^16 would show it.)"""
    x, _ = intervals("atan", Precision.F64)
    computed = body("atan", Precision.F64)(x).tolist()
    spans = [allowed("atan", value("atan", operand), Precision.F64) for operand in x.tolist()]
    assert all(least <= c <= greatest for c, (least, greatest) in zip(computed, spans, strict=True))
    assert sum(least < c or c < greatest for c, (least, greatest) in zip(computed, spans, strict=True)) > 100


def test_allowed_values() -> None:
    """Of thirds, of a value beyond the largest float, and of one that a range ends."""
    with mp.workprec(200):
        third, right_angle = mpf(1) / 3, mp.pi / 2
    low, high = allowed("ln", third, Precision.F64)
    assert low < third < high == math.nextafter(low, 1)
    assert allowed("ln", third, Precision.F32) == (float(np.float32(1 / 3)),) * 2
    assert allowed("exp", mpf(2) ** 1024, Precision.F64) == (inf, inf)
    assert allowed("atan", right_angle, Precision.F64) == (math.pi / 2, math.pi / 2)
    assert has_whole(1.5, 1.6, 4, 1) and not has_whole(1.6, 7.8, 4, 1) and has_whole(1.6, 7.9, 4, 1)
