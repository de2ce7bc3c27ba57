"""Operands that tests try: special values, values near which an operation changes its mind, random bits.

Also what it means that two results agree: equal bits, or both NaN.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.ops.precision import Precision
from absint.ops.table import OPS, SPICY, Op

SCALE = float(os.environ.get("ABSINT_TEST_SCALE", "1"))
"""Multiplies how much random input the tests try."""

OPERATIONS = tuple(op for op in OPS if not op.is_leaf)

Column = NDArray[Any]
"""Floats of one precision, one entry for each case."""


def scaled(count: int) -> int:
    """`count` at the usual scale, at least 1."""
    return max(1, int(count * SCALE))


def distinct(values: Iterable[float], precision: Precision) -> Column:
    """The values rounded to the precision, each bit pattern once, one NaN."""
    with np.errstate(over="ignore"):
        column = np.array(list(values), np.float64).astype(precision.dtype)
    column = np.where(np.isnan(column), precision.real(np.nan), column)
    return np.unique(column.view(precision.bits_dtype)).view(precision.dtype)


def spicy(op: Op | None, precision: Precision) -> Column:
    """Values that are special for every operation, and for this one."""
    return distinct((*SPICY, *(op.spicy if op is not None else ())), precision)


def random_bits(rng: np.random.Generator, precision: Precision, count: int) -> Column:
    """Any bit pattern with the same probability: all binades, subnormals, infinities and NaN."""
    return rng.integers(0, np.iinfo(precision.bits_type).max, count, precision.bits_type, True).view(
        precision.dtype
    )


def random_moderate(rng: np.random.Generator, precision: Precision, count: int) -> Column:
    """Numbers of everyday size, whole ones among them."""
    values = rng.uniform(-2, 2, count) * np.exp2(rng.integers(-6, 7, count))
    return np.where(rng.random(count) < 0.25, np.round(values), values).astype(precision.dtype)


def same(a: Any, b: Any, precision: Precision) -> Any:
    """Equal bits, or both NaN; element by element."""
    p, q = (np.ascontiguousarray(np.asarray(v, precision.dtype)) for v in (a, b))
    return (p.view(precision.bits_dtype) == q.view(precision.bits_dtype)) | (np.isnan(p) & np.isnan(q))
