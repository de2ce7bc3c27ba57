"""Accuracy and special values of sin ... ln, measured against mpmath.

Bounds are contracts with a little room: binary32 functions have a relative error below 2^-40 before their
one rounding (2^-43 here), binary64 functions below one ulp (0.9 here). ABSINT_TEST_SCALE raises the number
of samples; at 4096 every binary32 number is compared.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

from absint.ops.libm import (
    binary32 as libm32,
)
from absint.ops.libm import (
    functions as libm,
)
from absint.ops.libm import (
    generate_tables,
)
from absint.ops.libm import (
    intervals as libm_intervals,
)
from absint.ops.libm import (
    tables as libm_tables,
)
from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form

SCALE = float(os.environ.get("ABSINT_TEST_SCALE", "1"))
UNARY = ("sin", "cos", "tan", "asin", "acos", "atan", "exp", "ln")
PERIODIC = ("sin", "cos", "tan")
WIDE_ERROR = 2.0**-43
ULPS = 0.9

PRECISIONS = pytest.mark.parametrize("precision", list(Precision), ids=lambda p: p.value)
EVERY_UNARY = pytest.mark.parametrize("name", UNARY)

Array = np.ndarray


def function(name: str, precision: Precision) -> Callable[..., Any]:
    """The array form of a body, quiet about overflow and the like."""
    suffix = "_" if name == "atan2" else ""
    form = array_form(getattr(libm, f"{name}{suffix}{precision.value[1:]}"), precision)
    return quiet(form)


def wide_function(name: str) -> Callable[..., Any]:
    """The array form of what binary32 rounds, on binary64 arrays of binary32 numbers."""
    return quiet(array_form(getattr(libm32, f"{name}_wide"), Precision.F32))


def quiet(form: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return form(*arguments)

    return call


def neighbours(values: Array, reach: int = 3) -> Array:
    """The values and `reach` floats to either side."""
    rows = [values]
    up = down = values
    with np.errstate(all="ignore"):
        for _ in range(reach):
            up, down = (
                np.nextafter(up, values.dtype.type(np.inf)),
                np.nextafter(down, values.dtype.type(-np.inf)),
            )
            rows += [up, down]
    return np.concatenate(rows)


@functools.cache
def hardest(precision: Precision) -> Array:
    """The numbers m 2^e closest to a multiple of π/2, of each exponent e.

    |m a - k| with a = 2^e 2/π is least, among all m below a bound, for the denominators m of a's convergents:
    so this finds the closest number of the format, and the test below proves what rests on it.
    """
    digits, top = (24, 104) if precision is Precision.F32 else (53, 971)
    found = []
    with mp.workprec(1400):
        for exponent in range(-digits, top + 1):
            rest = mpf(2) ** exponent * 2 / mp.pi
            before, denominator = 0, 1
            while True:
                rest -= mp.floor(rest)
                rest = 1 / rest
                before, denominator = denominator, int(mp.floor(rest)) * denominator + before
                if denominator >= 1 << digits:
                    break
            found.append(float(before) * 2.0**exponent)
    return np.array(found).astype(precision.dtype)


@functools.cache
def samples(name: str, precision: Precision) -> Array:
    """All binades, ordinary values, and where the function is hard; within its domain."""
    random = np.random.default_rng([UNARY.index(name), precision is Precision.F64])
    count = int(2000 * SCALE)
    patterns = random.integers(0, 1 << 64, 3 * count, np.uint64).astype(precision.bits_dtype)
    everywhere = patterns.view(precision.dtype)
    near_one = 1.0 + random.normal(size=count) * 2.0 ** random.integers(-52, 0, count)
    parts = [random.uniform(-1.0, 1.0, count), random.uniform(-30.0, 30.0, count), near_one, -near_one]
    if name in PERIODIC:
        quarters = [k * np.pi / 2 for k in (*range(1, 40), *random.integers(40, 1 << 22, 40).tolist())]
        parts += [neighbours(np.array(quarters).astype(precision.dtype)), hardest(precision)]
        parts += [np.array([2.0**20, 1e22]), neighbours(np.array([2.0**20]).astype(precision.dtype))]
    if name in ("asin", "acos"):
        parts += [neighbours(np.array([0.5, -0.5, 1.0, -1.0]).astype(precision.dtype))]
    if name == "atan":
        octants = [np.tan(np.pi / 8), 1 / np.tan(np.pi / 8), 1.0]
        parts += [neighbours(np.array(octants).astype(precision.dtype))]
    if name == "exp":
        parts += [random.uniform(-104.0, 89.0, count), random.uniform(-746.0, 710.0, count)]
        parts += [random.uniform(-746.0, -707.0, count), (np.arange(-300, 300) + 0.5) * np.log(2.0)]
    if name == "ln":
        parts += [neighbours(np.sqrt(np.array([0.5, 1.0, 2.0])).astype(precision.dtype))]
    with np.errstate(all="ignore"):
        values = np.concatenate([everywhere, *(part.astype(precision.dtype) for part in parts)])
    inside = np.isfinite(values)
    if name in ("asin", "acos"):
        inside &= np.abs(values) <= 1.0
    if name == "ln":
        inside &= values > 0.0
    if name == "exp":
        inside &= (values > -760.0) & (values < 709.78)
    return values[inside]


def true_value(name: str, x: float) -> Any:
    """The function by mpmath, with digits to spare for what cancels."""
    with mp.workprec(1250 if name in PERIODIC and abs(x) > 2.0**100 else 330 if name in PERIODIC else 130):
        return getattr(mp, name)(mpf(x))


def ulps(found: float, true: Any) -> float:
    """The error in units of the last place of the true value, as binary64 would hold it."""
    with mp.workprec(130):
        _, exponent = mp.frexp(true)
        return float(abs(mpf(found) - true) / mpf(2) ** max(int(exponent) - 53, -1074))


def relative(found: float, true: Any) -> float:
    with mp.workprec(130):
        return float(abs(mpf(found) / true - 1))


@EVERY_UNARY
def test_error_before_rounding(name: str) -> None:
    x = samples(name, Precision.F32)
    found = wide_function(name)(x.astype(np.float64))
    rounded = function(name, Precision.F32)(x)
    with np.errstate(all="ignore"):
        assert np.array_equal(rounded, found.astype(np.float32))
    pairs = [(float(a), float(b), true_value(name, float(a))) for a, b in zip(x, found, strict=True)]
    worst = max(
        (relative(b, true) if true else abs(b), a) for a, b, true in pairs if abs(a) < 104.0 or name != "exp"
    )
    assert worst[0] < WIDE_ERROR, worst


@EVERY_UNARY
def test_error_in_ulps(name: str) -> None:
    x = samples(name, Precision.F64)
    found = function(name, Precision.F64)(x)
    worst = max((ulps(b, true_value(name, a)), a) for a, b in zip(x.tolist(), found.tolist(), strict=True))
    assert worst[0] < ULPS, worst


@functools.cache
def points(precision: Precision) -> tuple[Array, Array]:
    """(y, x): all binades, all octants, quotients that overflow, underflow or are subnormal."""
    random = np.random.default_rng([9, precision is Precision.F64])
    count = int(10_000 * SCALE)
    patterns = random.integers(0, 1 << 64, (2, count), np.uint64).astype(precision.bits_dtype)
    y, x = patterns.view(precision.dtype).copy()
    with np.errstate(all="ignore"):
        size = np.abs(x[: count // 3])
        ratio = 2.0 ** random.uniform(-2.0, 2.0, count // 3)
        y[: count // 3] = np.copysign(size * ratio, y[: count // 3])
        angle = random.uniform(-np.pi, np.pi, count // 3)
        y[-(count // 3) :] = np.sin(angle)
        x[-(count // 3) :] = np.cos(angle)
    finite = np.isfinite(x) & np.isfinite(y) & (x != 0.0) & (y != 0.0)
    return y[finite], x[finite]


@PRECISIONS
def test_atan2_error(precision: Precision) -> None:
    y, x = points(precision)
    form = wide_function("atan2") if precision is Precision.F32 else function("atan2", precision)
    found = form(y.astype(np.float64), x.astype(np.float64))
    error = relative if precision is Precision.F32 else ulps
    worst = (0.0, 0.0, 0.0)
    for b, a, r in zip(y.tolist(), x.tolist(), found.tolist(), strict=True):
        with mp.workprec(130):
            true = mp.atan2(mpf(b), mpf(a))
        worst = max(worst, (error(r, true), b, a))
    assert worst[0] < (WIDE_ERROR if precision is Precision.F32 else ULPS), worst


@EVERY_UNARY
def test_the_two_algorithms_agree_on_binary32(name: str) -> None:
    """Every 4096th binary32 number: the binary64 function is the reference for what binary32 rounds."""
    stride = max(1, int(4096 / SCALE))
    for start in range(0, 1 << 32, 1 << 30):
        encodings = np.arange(start + start // 977 % stride, start + (1 << 30), stride, np.uint64)
        for chunk in np.array_split(encodings, max(1, len(encodings) >> 18)):
            with np.errstate(invalid="ignore"):  # signaling NaN
                x = chunk.astype(np.uint32).view(np.float32).astype(np.float64)
            found, expected = wide_function(name)(x), function(name, Precision.F64)(x)
            if name == "exp":  # beyond, only what binary32 makes of it is promised
                found, expected = (np.where(np.abs(x) > 104.0, 0.0, r) for r in (found, expected))
            with np.errstate(all="ignore"):
                error = np.abs(found / expected - 1.0)
            fine = (error < 2.0**-42) | (found == expected) | np.isnan(found) & np.isnan(expected)
            assert fine.all(), x[~fine][:5]


@PRECISIONS
class TestShape:
    """Ranges, symmetries and near-monotonicity, on which interval rules and facts rest."""

    def values(self, precision: Precision) -> Array:
        random = np.random.default_rng(3)
        count = int(200_000 * SCALE)
        patterns = random.integers(0, 1 << 64, count, np.uint64).astype(precision.bits_dtype)
        values = patterns.view(precision.dtype)
        ordinary = random.normal(size=count) * 2.0 ** random.integers(-20, 10, count)
        with np.errstate(all="ignore"):
            return np.concatenate([values, ordinary.astype(precision.dtype), neighbours(hardest(precision))])

    def test_range(self, precision: Precision) -> None:
        x = self.values(precision)
        x = np.concatenate(
            [x, neighbours(precision.dtype.type(np.pi / 2) * np.arange(-50, 50, dtype=precision.dtype))]
        )
        half_turn, right_angle = precision.real(libm_tables.PI), precision.real(libm_tables.HALF_PI)
        ranges = {
            "sin": (-1.0, 1.0),
            "cos": (-1.0, 1.0),
            "asin": (-right_angle, right_angle),
            "acos": (0.0, half_turn),
            "atan": (-right_angle, right_angle),
            "exp": (0.0, np.inf),
        }
        for name, (lower, upper) in ranges.items():
            found = function(name, precision)(x)
            assert np.all((found >= lower) & (found <= upper) | np.isnan(found)), name
        found = function("atan2", precision)(x, x[::-1].copy())
        assert np.all((np.abs(found) <= half_turn) | np.isnan(found))

    def test_symmetry(self, precision: Precision) -> None:
        x = self.values(precision)
        x = x[~np.isnan(x)]
        for name in ("sin", "tan", "asin", "atan"):
            a, b = function(name, precision)(x), function(name, precision)(-x)
            number = ~np.isnan(a)
            assert np.array_equal(
                a[number].view(precision.bits_dtype), (-b[number]).view(precision.bits_dtype)
            ), name
        a, b = function("cos", precision)(x), function("cos", precision)(-x)
        assert np.array_equal(a, b, equal_nan=True)

    def test_a_step_up_is_at_most_a_float_down(self, precision: Precision) -> None:
        x = self.values(precision)
        for name in ("asin", "atan", "exp", "ln", "acos"):
            with np.errstate(all="ignore"):
                a, b = (
                    function(name, precision)(x),
                    function(name, precision)(np.nextafter(x, precision.real(np.inf))),
                )
                a, b = (b, a) if name == "acos" else (a, b)
                fine = (b >= np.nextafter(a, precision.real(-np.inf))) | np.isnan(a) | np.isnan(b)
            assert fine.all(), (name, x[~fine][:5])


@PRECISIONS
def test_tan_stays_within_its_bound(precision: Precision) -> None:
    """The bound of the interval rule holds for all numbers, as `hardest` finds the closest to a pole."""
    bound = libm_intervals.TAN_BOUND32 if precision is Precision.F32 else libm_intervals.TAN_BOUND64
    largest = max(abs(true_value("tan", x)) for x in hardest(precision).astype(float).tolist())
    assert 1.0 < largest < bound
    assert largest > bound / 8


inf, nan = float("inf"), float("nan")
QUARTER, HALF, THREE = libm_tables.QUARTER_PI, libm_tables.HALF_PI, libm_tables.THREE_QUARTER_PI
PI = libm_tables.PI

SPECIAL = {
    "sin": [
        (0.0, 0.0),
        (-0.0, -0.0),
        (inf, nan),
        (-inf, nan),
        (nan, nan),
        (5e-324, 5e-324),
        (-1e-40, -1e-40),
    ],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (inf, nan), (-inf, nan), (nan, nan), (1e-30, 1.0)],
    "tan": [
        (0.0, 0.0),
        (-0.0, -0.0),
        (inf, nan),
        (-inf, nan),
        (nan, nan),
        (5e-324, 5e-324),
        (-1e-40, -1e-40),
    ],
    "asin": [(0.0, 0.0), (-0.0, -0.0), (1.0, HALF), (-1.0, -HALF), (1.0000002, nan), (-inf, nan), (nan, nan)],
    "acos": [
        (1.0, 0.0),
        (0.0, HALF),
        (-0.0, HALF),
        (-1.0, PI),
        (1.0000002, nan),
        (-2.0, nan),
        (inf, nan),
        (nan, nan),
    ],
    "atan": [(0.0, 0.0), (-0.0, -0.0), (inf, HALF), (-inf, -HALF), (1.0, QUARTER), (nan, nan), (1e38, HALF)],
    "exp": [
        (0.0, 1.0),
        (-0.0, 1.0),
        (inf, inf),
        (-inf, 0.0),
        (nan, nan),
        (710.0, inf),
        (-746.0, 0.0),
        (1e30, inf),
    ],
    "ln": [
        (0.0, -inf),
        (-0.0, -inf),
        (1.0, 0.0),
        (inf, inf),
        (-inf, nan),
        (-1.0, nan),
        (-1e-45, nan),
        (nan, nan),
    ],
}


def same(found: Any, expected: Any) -> bool:
    """Equal with the same sign of zero, or both NaN."""
    return bool(np.isnan(found) and np.isnan(expected)) or bool(
        found == expected and np.signbit(found) == np.signbit(expected)
    )


@PRECISIONS
@EVERY_UNARY
def test_special_values(name: str, precision: Precision) -> None:
    for x, expected in SPECIAL[name]:
        found = function(name, precision)(precision.real(x))
        assert same(found, precision.real(expected)), (x, found)


ATAN2 = [
    (0.0, -0.0, PI), (0.0, 0.0, 0.0), (0.0, -1.0, PI), (0.0, 1.0, 0.0), (0.0, -inf, PI), (0.0, inf, 0.0),
    (1.0, 0.0, HALF), (1.0, -0.0, HALF), (1.0, inf, 0.0), (1.0, -inf, PI), (inf, 1.0, HALF),
    (inf, -1.0, HALF), (inf, 0.0, HALF), (inf, -0.0, HALF), (inf, inf, QUARTER), (inf, -inf, THREE),
    (1.0, 1.0, QUARTER),
    (1.0, -1.0, THREE), (1e38, inf, 0.0), (1e-45, -inf, PI), (inf, 1e38, HALF), (1e38, 1e-38, HALF),
    (1e-38, -1e38, PI), (nan, 1.0, nan), (1.0, nan, nan), (nan, inf, nan), (inf, nan, nan), (nan, 0.0, nan),
    (0.0, nan, nan),
]  # fmt: skip


@PRECISIONS
def test_atan2_special_values(precision: Precision) -> None:
    for y, x, expected in ATAN2:
        for sign in (1.0, -1.0):  # the angle has the sign of y, that of zero too
            found = function("atan2", precision)(precision.real(sign * y), precision.real(x))
            assert same(found, precision.real(sign * expected)), (sign * y, x, found)


def test_scalars_by_direct_call() -> None:
    with np.errstate(all="ignore"):
        assert libm.sin32(np.float32(1e38)) == np.float32(mp.sin(mpf(float(np.float32(1e38)))))
        assert libm.exp64(np.float64(1.0)) == np.e
        assert libm.ln64(np.float64(10.0)) == float(mp.ln(10))
        assert type(libm.atan2_32(np.float32(1.0), np.float32(2.0))) is np.float32


def test_tables_are_what_the_generator_writes() -> None:
    assert generate_tables.text() == Path(libm_tables.__file__).read_text(encoding="utf-8")
