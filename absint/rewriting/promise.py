"""A check, on random and special points, that one program keeps its promise to another.

A real program answers the sign question by `f < 0`, a lowered one by the truth of its root.
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
"""Special values; points take them clamped into the box."""
_SHRINKS = 140
"""Number of powers of two by which points are shrunk towards zero."""

Points = Mapping[str, NDArray[Any]]
"""float[m] of a program's precision for each of its variables."""


class Counterexample(NamedTuple):
    """A point at which a promise is broken, with both programs' values; a lowered program's is its truth."""

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
    """The ends of all bands of each variable: the places where lowered programs may change their answer."""
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
    """`count` random points of a box, as an array for each variable, in the precision.

    A quarter of the coordinates are corners, centres and special values (NaN and infinities where the box has
    no bounds), clamped into the box; half are uniform; the rest are uniform numbers shrunk by random powers
    of two, so that they crowd around zero. `special`: further numbers by variable, none of them NaN; they and
    their neighbours are as frequent as the other special values.
    """
    rng = np.random.default_rng(seed)
    names = sorted(set(variables))
    shape = len(names), count
    bounds = [box.of_variable(name) for name in names]
    ranges = np.array([(*one[:2], *_uniform_range(*one)) for one in bounds]).reshape(-1, 4)
    lower, upper, low, high = ranges.T[:, :, None]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        specials = np.empty((len(names), 3 + len(_SPECIAL)))
        specials[:, :2], specials[:, 2:3], specials[:, 3:] = ranges[:, :2], low / 2 + high / 2, _SPECIAL
        kind = rng.integers(0, 4 * _SHRINKS, shape)  # for a point that is shrunk, also the power of two
        shrunk, is_special = kind < _SHRINKS, kind >= 3 * _SHRINKS
        values = np.ldexp(low + (high - low) * rng.random(shape), -kind * shrunk)
        picked = rng.integers(0, specials.shape[1], shape)
        values = np.where(is_special, specials[np.arange(len(names))[:, None], picked], values)
        bounded = np.array([not one.may_nan for one in bounds], bool)[:, None]
        values = np.where(bounded & np.isnan(values), lower, values)  # also where both ends are infinite
        values = np.clip(values, lower, upper).astype(precision.dtype)  # a tie of zeros keeps the first
        points = dict(zip(names, values, strict=True))
        for name, special_here, one in zip(names, is_special, bounds, strict=True):
            if special is not None and special.get(name):
                edges = rng.choice(np.array(special[name], precision.dtype), count)
                beside = np.nextafter(edges, rng.choice(np.array([-np.inf, np.inf], edges.dtype), count))
                near = np.where(rng.random(count) < 0.5, edges, beside)
                column = np.where(special_here & (rng.random(count) < 0.5), near, points[name])
                points[name] = np.clip(column, one.lower, one.upper).astype(precision.dtype)
    return points


def _uniform_range(lower: float, upper: float, unbounded: bool) -> tuple[float, float]:
    """The range of a variable's uniform points: its bounds, or a few units within them if not finite."""
    if not unbounded and math.isfinite(upper - lower):
        return lower, upper
    return max(lower, min(-4.0, upper - 8)), min(upper, max(4.0, lower + 8))


def check_promise(before: Program, after: Program, points: Points, promise: Promise) -> Counterexample | None:
    """The first point at which `after` breaks the promise to `before`; None if there is none.

    If either program is lowered, only the sign is compared: a lowered program has no bits.
    """
    expected, got = (
        np.broadcast_to(interpret_concrete(program.graph, after.precision, points)[-1], _shape(points))
        for program in (before, after)
    )
    if promise is Promise.SIGN or before.graph.lowered or after.graph.lowered:
        wrong = _negative(before, expected) != _negative(after, got)
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


def _negative(program: Program, values: NDArray[Any]) -> NDArray[np.bool_]:
    """bool[m]: where `f < 0`, from the values of the program's root."""
    return values if program.graph.lowered else values < 0


def _shape(points: Points) -> tuple[int, ...]:
    return next(iter(points.values())).shape if points else (1,)
