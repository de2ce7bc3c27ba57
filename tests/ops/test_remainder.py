"""The quick remainder has the bits of `fmod` wherever it says that it may be used, and may be used mostly."""

from __future__ import annotations

import numpy as np
import pytest

from absint.ops.libm.remainder import remainder32, remainder64
from absint.ops.precision import Precision
from absint.ops.printers.translate import array_form
from absint.ops.table import BY_NAME
from tests.support.operands import Column, random_bits, random_moderate, same, scaled, spicy

QUICK = {Precision.F32: remainder32, Precision.F64: remainder64}
PRECISIONS = pytest.mark.parametrize("precision", list(Precision), ids=lambda p: p.value)


def usable(precision: Precision, a: Column, b: Column) -> Column:
    """Check the quick remainders that may be used. Returns which may."""
    with np.errstate(all="ignore"):
        found, good = array_form(QUICK[precision], precision)(a, b)
        wrong = good & ~same(found, np.fmod(a, b), precision)
    i = int(np.argmax(wrong))
    assert not wrong.any(), f"fmod({a[i]!r}, {b[i]!r}) is not {found[i]!r}"
    return np.asarray(good)


@PRECISIONS
def test_special_values(precision: Precision) -> None:
    values = spicy(BY_NAME["mod"], precision)
    a, b = (axis.ravel() for axis in np.meshgrid(values, values))
    good = usable(precision, a, b)
    assert not good[np.isnan(a) | np.isinf(a) | np.isnan(b) | np.isinf(b) | (b == 0)].any()


@PRECISIONS
def test_any_bits(precision: Precision) -> None:
    rng = np.random.default_rng(1)
    count = scaled(200_000)
    usable(precision, random_bits(rng, precision, count), random_bits(rng, precision, count))


@PRECISIONS
def test_everyday_numbers(precision: Precision) -> None:
    rng = np.random.default_rng(2)
    count = scaled(200_000)
    a, b = random_moderate(rng, precision, count), random_moderate(rng, precision, count)
    assert usable(precision, a, b)[np.isfinite(a) & (b != 0)].all()


@PRECISIONS
@pytest.mark.parametrize("exponent", ["ordinary", "smallest", "largest"])
def test_next_to_multiples(precision: Precision, exponent: str) -> None:
    """`a` is a multiple of `b`, rounded, or a float or two beside: the quotient rounds to an integer."""
    rng = np.random.default_rng(3)
    count = scaled(200_000)
    info = np.finfo(precision.dtype)
    lowest, highest = {
        "ordinary": (-20, 20),
        "smallest": (info.minexp - info.nmant, info.minexp + 3),
        "largest": (info.maxexp - 60, info.maxexp - 1),
    }[exponent]
    digits = rng.integers(1, 1 << (info.nmant + 1), count).astype(precision.dtype)
    with np.errstate(all="ignore"):
        b = np.ldexp(digits, rng.integers(lowest, highest, count) - info.nmant)
        n = np.floor(np.exp2(rng.uniform(0, 52, count)))
        a = (n * b.astype(np.float64)).astype(precision.dtype)
        for _ in range(3):
            usable(precision, a, b)
            usable(precision, -a, b)
            a = np.nextafter(a, rng.choice([0, np.inf], count).astype(precision.dtype))
