"""Interval rules of sin ... ln: every value of every operand inside is inside, and simple cases are tight.

`absint.ops.table` names the rules; the functions are run in their array form. ABSINT_TEST_SCALE raises the
number of intervals.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from absint.ops.libm.tables import HALF_PI, PI
from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form
from absint.ops.table import BY_NAME, SPICY

SCALE = float(os.environ.get("ABSINT_TEST_SCALE", "1"))
UNARY = ("sin", "cos", "tan", "asin", "acos", "atan", "exp", "ln")
INTERVALS = int(20_000 * SCALE)
INSIDE = 12
"""Random operands inside of each interval, beside its ends and what is special in it."""

PRECISIONS = pytest.mark.parametrize("precision", list(Precision), ids=lambda p: p.value)
EVERY_UNARY = pytest.mark.parametrize("name", UNARY)
inf = float("inf")

Array = np.ndarray


def quiet(form: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return form(*arguments)

    return call


def body(name: str, precision: Precision) -> Callable[..., Any]:
    return quiet(array_form(BY_NAME[name].body(precision), precision))


def rule(name: str, precision: Precision) -> Callable[..., Any]:
    return quiet(array_form(BY_NAME[name].interval(precision), precision))


def order(values: Array) -> Array:
    """Integers in the order of the floats; equal for the two zeros, one apart for neighbours."""
    bits = (
        np.ascontiguousarray(values)
        .view(np.int32 if values.dtype == np.float32 else np.int64)
        .astype(np.int64)
    )
    lowest = np.int64(-(1 << 31)) if values.dtype == np.float32 else np.int64(-(1 << 63))
    return np.where(bits < 0, lowest - bits, bits)


def unorder(ranks: Array, precision: Precision) -> Array:
    """The floats of such integers; +0 for the zeros."""
    kind = np.int32 if precision is Precision.F32 else np.int64
    magnitude = np.abs(ranks).astype(kind).view(precision.dtype)
    return np.where(ranks < 0, -magnitude, magnitude).astype(precision.dtype)


def special(precision: Precision) -> Array:
    """Ends, extrema, poles and the like, with their neighbours."""
    many = [100, 1000, 667544, 667545, 667547, 10**7 + 1, 10**9 + 1, 10**9 + 3, 10**11 + 1, 10**13 + 3]
    turns = np.concatenate([np.arange(-9, 10), many]) * (np.pi / 2)
    values = np.concatenate(
        [SPICY, turns, [0.5, -0.5, 1.0, -1.0, 88.7, -104.0, 709.7, -745.2, 2.0**20, 1e22]]
    )
    with np.errstate(all="ignore"):
        values = values.astype(precision.dtype)
        rows = [values, np.nextafter(values, precision.real(inf)), np.nextafter(values, precision.real(-inf))]
    values = np.concatenate(rows)
    return values[~np.isnan(values)]


@functools.cache
def intervals(precision: Precision, seed: int) -> tuple[Array, Array]:
    """Of all binades; ordinary; narrow; points; with special ends."""
    random = np.random.default_rng([seed, precision is Precision.F64])
    patterns = random.integers(0, 1 << 64, (2, INTERVALS), np.uint64).astype(precision.bits_dtype)
    ends = patterns.view(precision.dtype).copy()
    ends[np.isnan(ends)] = 1.0
    kind = random.integers(0, 6, INTERVALS)
    size = 2.0 ** random.integers(-12, 12, INTERVALS)
    with np.errstate(all="ignore"):
        ordinary = (random.normal(size=(2, INTERVALS)) * size).astype(precision.dtype)
        narrow = (ordinary[0] * (1.0 + 2.0 ** random.integers(-50, 0, INTERVALS))).astype(precision.dtype)
    ends[:, kind < 3] = ordinary[:, kind < 3]
    ends[1, kind == 1] = narrow[kind == 1]
    for end, chance in enumerate((0.3, 0.3)):
        chosen = random.random(INTERVALS) < chance
        ends[end, chosen] = random.choice(special(precision), np.count_nonzero(chosen))
    ends[1, kind == 5] = ends[0, kind == 5]
    return np.minimum(*ends), np.maximum(*ends)


def operands(lower: Array, upper: Array, precision: Precision, seed: int) -> list[Array]:
    """Columns of values in the intervals: ends, zeros, special values, random ones by rank and by size."""
    random = np.random.default_rng(seed)
    low, high = order(lower).astype(np.float64), order(upper).astype(np.float64)
    has_zero = (lower <= 0.0) & (upper >= 0.0)
    columns = [lower, upper, *(np.where(has_zero, precision.real(zero), lower) for zero in (0.0, -0.0))]
    for _ in range(INSIDE // 2):
        rank = (low + random.random(len(lower)) * (high - low)).astype(np.int64)
        columns.append(unorder(np.clip(rank, order(lower), order(upper)), precision))
        with np.errstate(all="ignore"):
            blend = (lower + random.random(len(lower)) * (upper.astype(float) - lower)).astype(
                precision.dtype
            )
        columns.append(np.where((blend >= lower) & (blend <= upper), blend, lower))
        pick = random.choice(special(precision), len(lower))
        columns.append(np.where((pick >= lower) & (pick <= upper), pick, upper))
    return columns


def escapes(found: tuple[Array, Array, Array], value: Array) -> Array:
    """Where a value is not in the triple."""
    lower, upper, may_nan = found
    return ~np.where(np.isnan(value), may_nan, (lower <= value) & (value <= upper))


@PRECISIONS
@EVERY_UNARY
def test_contains_every_value(name: str, precision: Precision) -> None:
    lower, upper = intervals(precision, UNARY.index(name))
    found = rule(name, precision)(lower, upper, np.zeros(len(lower), bool))
    for column in operands(lower, upper, precision, 5):
        bad = escapes(found, body(name, precision)(column))
        assert not bad.any(), [
            (lower[i], upper[i], column[i], [f[i] for f in found]) for i in np.flatnonzero(bad)[:3]
        ]


@PRECISIONS
def test_atan2_contains_every_value(precision: Precision) -> None:
    y, x = intervals(precision, 20), intervals(precision, 21)
    none = np.zeros(len(y[0]), bool)
    found = rule("atan2", precision)(*y, none, *x, none)
    random = np.random.default_rng(6)
    columns_y, columns_x = operands(*y, precision, 7), operands(*x, precision, 8)
    for i, j in [(i, j) for i in range(4) for j in range(4)] + random.integers(
        0, len(columns_y), (40, 2)
    ).tolist():
        value = body("atan2", precision)(columns_y[i], columns_x[j])
        bad = escapes(found, value)
        assert not bad.any(), [
            (y[0][k], y[1][k], x[0][k], x[1][k], value[k]) for k in np.flatnonzero(bad)[:3]
        ]


@PRECISIONS
@EVERY_UNARY
def test_every_float_of_narrow_intervals(name: str, precision: Precision) -> None:
    """All of 64 neighbours, around values where the function turns or is hardest to follow."""
    centre = special(precision)
    centre = centre[
        np.isfinite(centre) & (np.abs(centre) < precision.real(np.finfo(precision.dtype).max) / 2)
    ]
    rank = order(centre)
    columns = [unorder(rank + step, precision) for step in range(-32, 33)]
    found = rule(name, precision)(columns[0], columns[-1], np.zeros(len(centre), bool))
    for column in columns:
        assert not escapes(found, body(name, precision)(column)).any()


def one(name: str, precision: Precision, *triple: Any) -> tuple[float, float, bool]:
    """The rule on single numbers."""
    arguments = [precision.real(v) if isinstance(v, float) else np.bool_(v) for v in triple]
    lower, upper, may_nan = rule(name, precision)(*arguments)
    assert lower.dtype == upper.dtype == precision.dtype
    return float(lower), float(upper), bool(may_nan)


@PRECISIONS
@pytest.mark.parametrize("flag", [False, True])
def test_empty_stays_empty(precision: Precision, flag: bool) -> None:
    for name in UNARY:
        assert one(name, precision, inf, -inf, flag) == (inf, -inf, flag)
    assert one("atan2", precision, inf, -inf, flag, 1.0, 2.0, False) == (inf, -inf, flag)
    assert one("atan2", precision, 1.0, 2.0, False, inf, -inf, flag) == (inf, -inf, flag)
    assert one("atan2", precision, inf, -inf, False, inf, -inf, flag) == (inf, -inf, flag)


@PRECISIONS
@EVERY_UNARY
def test_nan_is_carried(name: str, precision: Precision) -> None:
    assert one(name, precision, 0.25, 0.5, True)[2]
    assert not one(name, precision, 0.25, 0.5, False)[2]
    assert one(name, precision, 0.25, 0.5, True)[:2] == one(name, precision, 0.25, 0.5, False)[:2]


@PRECISIONS
def test_nan_is_made(precision: Precision) -> None:
    for name in ("sin", "cos", "tan"):
        assert one(name, precision, -inf, 0.0, False)[2]
        assert one(name, precision, 0.0, inf, False)[2]
        assert one(name, precision, inf, inf, False) == (inf, -inf, True)
        assert one(name, precision, -inf, -inf, False) == (inf, -inf, True)
    for name in ("asin", "acos"):
        assert one(name, precision, 0.0, 1.5, False)[2]
        assert one(name, precision, -1.5, 0.0, False)[2]
        assert one(name, precision, 1.5, inf, False) == (inf, -inf, True)
        assert one(name, precision, -3.0, -1.5, False) == (inf, -inf, True)
    assert one("ln", precision, -2.0, -1.0, False) == (inf, -inf, True)
    assert one("ln", precision, -1.0, 1.0, False) == (-inf, 0.0, True)
    assert one("ln", precision, 0.0, 1.0, False) == (-inf, 0.0, False)
    assert one("ln", precision, -0.0, 1.0, False) == (-inf, 0.0, False)
    assert not one("exp", precision, -inf, inf, False)[2]
    assert not one("atan", precision, -inf, inf, False)[2]
    assert not one("atan2", precision, -inf, inf, False, -inf, inf, False)[2]


@PRECISIONS
def test_ranges(precision: Precision) -> None:
    right_angle, half_turn = float(precision.real(HALF_PI)), float(precision.real(PI))
    for name in ("sin", "cos"):
        assert one(name, precision, 0.0, 10.0, False) == (-1.0, 1.0, False)
        assert one(name, precision, 1e30, 1e30, False) == (-1.0, 1.0, False)
    assert one("sin", precision, 1.0, 2.0, False)[1] == 1.0
    assert one("sin", precision, -2.0, -1.0, False)[0] == -1.0
    assert one("cos", precision, -0.5, 0.5, False)[1] == 1.0
    assert one("cos", precision, 3.0, 3.5, False)[0] == -1.0
    assert one("asin", precision, -1.0, 1.0, False) == (-right_angle, right_angle, False)
    assert one("asin", precision, 0.0, 7.0, False) == (0.0, right_angle, True)
    assert one("acos", precision, -7.0, 1.0, False) == (0.0, half_turn, True)
    assert one("atan", precision, -inf, 0.0, False) == (-right_angle, 0.0, False)
    assert one("exp", precision, -inf, inf, False) == (0.0, inf, False)
    assert one("exp", precision, -inf, -1e30, False)[0] == 0.0
    lower, upper, may_nan = one("tan", precision, 1.0, 2.0, False)
    assert lower == -upper and upper < 1e19 and not may_nan


@PRECISIONS
def test_atan2_cases(precision: Precision) -> None:
    half_turn, right_angle = float(precision.real(PI)), float(precision.real(HALF_PI))
    whole = (-half_turn, half_turn, False)

    def angles(*ends: float) -> tuple[float, float, bool]:
        return one("atan2", precision, *ends[:2], False, *ends[2:], False)

    assert angles(0.0, 0.0, 0.0, 1.0) == whole  # atan2(±0, -0) = ±π
    assert angles(0.0, 1.0, -1.0, 1.0) == whole  # atan2(-0, -1) = -π
    assert angles(-1.0, -0.0, -2.0, -1.0) == whole
    assert angles(-1.0, 1.0, -1.0, 1.0) == whole
    assert angles(-inf, inf, -inf, inf) == whole
    lower, upper, _ = angles(0.0, 1.0, 1.0, 2.0)
    assert lower == 0.0 and 0.0 < upper - np.pi / 4 < 1e-6
    lower, upper, _ = angles(-2.0, 0.0, 1.0, inf)
    assert upper == 0.0 and 0.0 < -np.arctan(2.0) - lower < 1e-6
    lower, upper, _ = angles(1.0, 2.0, -1.0, 1.0)
    assert lower == pytest.approx(np.pi / 4) and upper == pytest.approx(3 * np.pi / 4)
    lower, upper, _ = angles(1.0, 2.0, -inf, inf)
    assert lower == 0.0 and upper == half_turn
    lower, upper, _ = angles(inf, inf, 1.0, 2.0)
    assert lower < right_angle < upper


@PRECISIONS
@EVERY_UNARY
def test_points_are_tight(name: str, precision: Precision) -> None:
    """A point's image is a few floats wide, but next to a pole or beyond what the rule follows."""
    step = 1 if precision is Precision.F32 else 2
    lower, upper = intervals(precision, 30)
    x = np.concatenate([lower, upper])
    x = x[np.isfinite(x) & (np.abs(x) <= 2.0**20)]
    low, high, _ = rule(name, precision)(x, x, np.zeros(len(x), bool))
    number = low <= high
    width = order(high[number]) - order(low[number])
    near_pole = (name == "tan") & (np.abs(np.cos(x[number].astype(float))) < 2.0**-27)
    assert np.all((width <= 2 * step) | near_pole)
    assert np.count_nonzero(number) > 0.2 * len(x)


@PRECISIONS
@EVERY_UNARY
def test_monotone_pieces_are_tight(name: str, precision: Precision) -> None:
    """On an interval without extrema the ends are the function's, moved out by one float or two."""
    step = 1 if precision is Precision.F32 else 2
    ends = np.array([0.25, 0.625], precision.dtype)
    values = np.sort(body(name, precision)(ends))
    lower, upper, may_nan = rule(name, precision)(ends[:1], ends[1:], np.zeros(1, bool))
    assert order(values)[0] - order(lower)[0] == step
    assert order(upper)[0] - order(values)[1] == step
    assert not may_nan[0]
