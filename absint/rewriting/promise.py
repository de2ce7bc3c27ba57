"""Checking that one program keeps its promise to another, on random points and on nasty ones.

The sign that a real program answers is `f < 0`; a lowered one answers the same with the truth of its root.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.ir.box import Box
from absint.ir.graph import Graph
from absint.ir.interpreter import interpret_concrete
from absint.ir.program import Program, Promise
from absint.ops.precision import Precision
from absint.ops.table import BAND, SPICY

_SPECIAL = np.array([0.0, -0.0, *SPICY])
"""Values that points of any box are clamped from."""
_SMALLER = 140
"""Powers of two from which ordinary points take one to be made smaller by."""

Points = Mapping[str, NDArray[Any]]
"""float[m] of a program's precision for each of its variables."""


class Counterexample(NamedTuple):
    """A point at which a promise is broken. A lowered program's value is its truth."""

    point: dict[str, float]
    expected: float | bool
    got: float | bool
    promise: Promise

    def __str__(self) -> str:
        place = ", ".join(f"{name}={value!r} ({value.hex()})" for name, value in self.point.items())
        return (
            f"{self.promise.value} differ at {place or 'every point'}: "
            f"expected {self.expected!r}, got {self.got!r}"
        )


def band_ends(*graphs: Graph) -> dict[str, list[float]]:
    """By variable, the ends of bands of it: where lowered programs may change their answer."""
    ends: dict[str, set[float]] = {}
    for graph in graphs:
        if graph.logic is None:
            continue
        for node in np.flatnonzero(graph.op == BAND.code).tolist():
            if (variable := graph.variables.get(graph.rows[node][1])) is not None:
                ends.setdefault(variable, set()).update(graph.logic.bands[node].tolist())
    return {variable: sorted(found) for variable, found in ends.items()}


def sample_points(
    variables: Iterable[str],
    box: Box,
    precision: Precision,
    count: int,
    seed: int = 0,
    special: Mapping[str, Sequence[float]] | None = None,
) -> dict[str, NDArray[Any]]:
    """`count` points of a box for each variable, in the precision.

    A quarter are corners, centres and special values (NaN and infinities where the box has no bounds),
    clamped into the box; half are uniform; the rest have random exponents, so that they crowd around zero.
    `special`: numbers by variable, none of them NaN; they and their neighbours are as frequent as the other
    special values.
    """
    rng = np.random.default_rng(seed)
    names = sorted(set(variables))
    shape = len(names), count
    bounds = [box.of_variable(name) for name in names]
    ranges = np.array([(*one[:2], *_ordinary(*one)) for one in bounds]).reshape(-1, 4)
    lower, upper, low, high = ranges.T[:, :, None]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        nasty = np.empty((len(names), 3 + len(_SPECIAL)))
        nasty[:, :2], nasty[:, 2:3], nasty[:, 3:] = ranges[:, :2], low / 2 + high / 2, _SPECIAL
        kind = rng.integers(0, 4 * _SMALLER, shape)  # where a point is crowded, the power of two as well
        crowded, is_nasty = kind < _SMALLER, kind >= 3 * _SMALLER
        values = np.ldexp(low + (high - low) * rng.random(shape), -kind * crowded)
        picked = rng.integers(0, nasty.shape[1], shape)
        values = np.where(is_nasty, nasty[np.arange(len(names))[:, None], picked], values)
        bounded = np.array([not one.may_nan for one in bounds], bool)[:, None]
        values = np.where(bounded & np.isnan(values), lower, values)  # also where both ends are infinite
        values = np.clip(values, lower, upper).astype(precision.dtype)  # a tie of zeros keeps the first
        points = dict(zip(names, values, strict=True))
        for name, nasty_here, one in zip(names, is_nasty, bounds, strict=True):
            if special is not None and special.get(name):
                edges = rng.choice(np.array(special[name], precision.dtype), count)
                beside = np.nextafter(edges, rng.choice(np.array([-np.inf, np.inf], edges.dtype), count))
                near = np.where(rng.random(count) < 0.5, edges, beside)
                column = np.where(nasty_here & (rng.random(count) < 0.5), near, points[name])
                points[name] = np.clip(column, one.lower, one.upper).astype(precision.dtype)
    return points


def _ordinary(lower: float, upper: float, unbounded: bool) -> tuple[float, float]:
    """Where the ordinary points of a variable lie: in its bounds, in a few units of them if they are wide."""
    if not unbounded and math.isfinite(upper - lower):
        return lower, upper
    return max(lower, min(-4.0, upper - 8)), min(upper, max(4.0, lower + 8))


def check_promise(before: Program, after: Program, points: Points, promise: Promise) -> Counterexample | None:
    """The first point at which `after` breaks the promise to `before`; None when there is none.

    A lowered program has no bits: of it and to it either promise is that of the sign.
    """
    expected, got = (
        np.broadcast_to(interpret_concrete(program.graph, after.precision, points)[-1], _shape(points))
        for program in (before, after)
    )
    if promise is Promise.SIGN or before.graph.lowered or after.graph.lowered:
        wrong = _answers(before, expected) != _answers(after, got)
    else:
        bits = after.precision.bits_dtype
        wrong = np.ascontiguousarray(expected).view(bits) != np.ascontiguousarray(got).view(bits)
        wrong &= ~(np.isnan(expected) & np.isnan(got))
    if not wrong.any():
        return None
    i = int(np.flatnonzero(wrong)[0])
    return Counterexample(
        {name: float(values[i]) for name, values in points.items()},
        expected[i].item(),
        got[i].item(),
        promise,
    )


def _answers(program: Program, values: NDArray[Any]) -> NDArray[np.bool_]:
    """bool[m]: what the program says to `f < 0`, from its root's values."""
    return values if program.graph.lowered else values < 0


def _shape(points: Points) -> tuple[int, ...]:
    return next(iter(points.values())).shape if points else (1,)
