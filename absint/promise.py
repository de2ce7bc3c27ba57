"""Checking that one program keeps its promise to another, on random points and on nasty ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.interpret import interpret_concrete
from absint.ops.table import SPICY
from absint.precision import Precision
from absint.program import Box, Program, Promise

Points = Mapping[str, NDArray[Any]]
"""float[m] of a program's precision for each of its variables."""


class Counterexample(NamedTuple):
    """A point at which a promise is broken."""

    point: dict[str, float]
    expected: float
    got: float
    promise: Promise

    def __str__(self) -> str:
        place = ", ".join(f"{name}={value!r} ({value.hex()})" for name, value in self.point.items())
        return (
            f"{self.promise.value} differ at {place or 'every point'}: "
            f"expected {self.expected!r}, got {self.got!r}"
        )


def sample_points(
    variables: Iterable[str], box: Box, precision: Precision, count: int, seed: int = 0
) -> dict[str, NDArray[Any]]:
    """`count` points of a box for each variable, in the precision.

    A quarter are corners, centres and special values (NaN and infinities where the box has no bounds),
    clamped into the box; half are uniform; the rest have random exponents, so that they crowd around zero.
    """
    rng = np.random.default_rng(seed)
    points = {}
    for name in sorted(set(variables)):
        lower, upper, unbounded = box.of_variable(name)
        low, high = max(lower, min(-4.0, upper - 8)), min(upper, max(4.0, lower + 8))
        if not unbounded and math.isfinite(upper - lower):
            low, high = lower, upper
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            uniform = low + (high - low) * rng.random(count)
            crowded = uniform * np.exp2(-rng.integers(0, 140, count).astype(float))
            special = np.array([lower, upper, low / 2 + high / 2, 0.0, -0.0, *SPICY])
            kind = rng.integers(0, 4, count)
            chosen = np.where(kind == 0, rng.choice(special, count), np.where(kind == 3, crowded, uniform))
            values = chosen.astype(precision.dtype)
        if not unbounded:
            values = np.clip(np.where(np.isnan(values), low, values), lower, upper).astype(precision.dtype)
        points[name] = values
    return points


def check_promise(before: Program, after: Program, points: Points, promise: Promise) -> Counterexample | None:
    """The first point at which `after` breaks the promise to `before`; None when there is none."""
    expected, got = (
        np.broadcast_to(interpret_concrete(program.graph, after.precision, points)[-1], _shape(points))
        for program in (before, after)
    )
    if promise is Promise.SIGN:
        wrong = (expected < 0) != (got < 0)
    else:
        bits = after.precision.bits_dtype
        wrong = np.ascontiguousarray(expected).view(bits) != np.ascontiguousarray(got).view(bits)
        wrong &= ~(np.isnan(expected) & np.isnan(got))
    if not wrong.any():
        return None
    i = int(np.flatnonzero(wrong)[0])
    return Counterexample(
        {name: float(values[i]) for name, values in points.items()},
        float(expected[i]),
        float(got[i]),
        promise,
    )


def _shape(points: Points) -> tuple[int, ...]:
    return next(iter(points.values())).shape if points else (1,)
