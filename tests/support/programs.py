"""Random programs with their boxes, and points of a box: what passes are tried on.

Graphs hold all operations, special constants, sharing, duplicates and dead nodes. Boxes are ordinary, tiny,
points, huge, with special ends, or leave variables unbounded, which may then be NaN or infinite.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from absint.ir.box import Box
from absint.ir.graph import AXES, Graph, GraphBuilder
from absint.ir.program import Program, Promise
from absint.ops.precision import Precision
from absint.ops.table import BY_NAME, CONST, SPICY
from tests.support.operands import OPERATIONS, distinct, random_bits

NUMBERS = [value for value in SPICY if value == value]
CONSTANTS = st.sampled_from([*SPICY, 0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, 4.0]) | st.floats(-4, 4)
_REWRITTEN = "min max neg abs add sub mul div square sqrt floor recip and or not mod"
REWRITTEN = [BY_NAME[name] for name in _REWRITTEN.split()]
"""The operations that rules speak of."""

DOMAINS = st.sampled_from([("interval",), ("interval", "sign"), ("interval", "affine", "sign")])


@st.composite
def graphs(draw: st.DrawFn, max_size: int = 16) -> Graph:
    """One to three variables and up to `max_size` more nodes, the last of which is the root."""
    builder = GraphBuilder()
    for name in AXES[: draw(st.integers(1, 3))]:
        builder.append_variable(name)
    operations = draw(st.sampled_from([OPERATIONS, REWRITTEN]))
    for _ in range(draw(st.integers(1, max_size))):
        op = draw(st.sampled_from([CONST, *operations, *operations]))
        if op is CONST:
            builder.append(op.code, value=draw(CONSTANTS))
        else:
            # near nodes shrink to the last one
            last = len(builder) - 1
            operands = [last - draw(st.integers(0, last) | st.integers(0, min(3, last))) for _ in range(2)]
            builder.append(op.code, operands[0], operands[1] if op.arity == 2 else -1)
    return builder.build()


@st.composite
def bounds(draw: st.DrawFn) -> tuple[float, float]:
    """An ordinary, tiny, huge or point range, or one with special ends."""
    kind = draw(st.sampled_from(["unit", "ordinary", "tiny", "point", "special", "huge"]))
    if kind == "unit":
        return -1.0, 1.0
    if kind == "tiny":
        lower = draw(st.floats(-2, 2))
        return lower, float(np.nextafter(np.float32(lower), np.float32(np.inf)))
    if kind == "point":
        point = draw(st.sampled_from(NUMBERS) | st.floats(-2, 2))
        return point, point
    limits = {
        "ordinary": st.floats(-4, 4),
        "special": st.sampled_from(NUMBERS),
        "huge": st.floats(-1e38, 1e38),
    }
    ends = sorted([draw(limits[kind]), draw(limits[kind])])
    return ends[0], ends[1]


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A source program restricted to a box, in a precision, with a promise to keep."""
    precision = draw(st.sampled_from(Precision))
    bounded = {name: draw(st.none() | bounds() | bounds()) for name in AXES}
    box = Box(
        {
            # what overflows in binary32 is infinite here; `Box.rounded` refuses it
            name: (precision.round(ends[0]) + 0.0, precision.round(ends[1]) + 0.0)
            for name, ends in bounded.items()
            if ends is not None
        }
    )
    return Program(draw(graphs()), precision, box, draw(st.sampled_from(Promise)))


def points_of(box: Box, precision: Precision, count: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Points of a box: its ends and their neighbours, special values, random bits where it has no bounds."""
    rng = np.random.default_rng(seed)
    return {name: _positions(*box.of_variable(name), precision, count, rng) for name in AXES}


def _positions(
    lower: float, upper: float, unbounded: bool, precision: Precision, count: int, rng: np.random.Generator
) -> NDArray[Any]:
    special = rng.choice(distinct(SPICY, precision), count)
    if unbounded:
        anything = random_bits(rng, precision, count)
        ordinary = rng.uniform(-4, 4, count).astype(precision.dtype)
        return np.choose(rng.integers(0, 3, count), [special, anything, ordinary])
    low, high = precision.real(lower), precision.real(upper)
    with np.errstate(all="ignore"):
        ends = [low, high, np.nextafter(low, high), np.nextafter(high, low)]
        t = rng.random(count)
        between = (lower * (1 - t) + upper * t).astype(precision.dtype)
        crowded = (between * np.exp2(-rng.integers(0, 140, count))).astype(precision.dtype)
        # a third of the points at the ends of an axis or special, the others all over it
        kinds = rng.choice(9, count, p=[0.05, 0.05, 0.05, 0.05, 0.1, 0.1, 0.2, 0.2, 0.2])
        values = np.choose(kinds, [*ends, special, crowded, between, between, between])
        values = np.clip(np.where(np.isnan(values), low, values), low, high)
    # a zero in a box may have either sign
    return np.where((values == 0) & (rng.random(count) < 0.5), -values, values)


def is_inside(box: Box, points: dict[str, NDArray[Any]]) -> bool:
    """Whether all points are in a box."""
    return all(
        bool(np.all((points[name] >= lower) & (points[name] <= upper)))
        for name, (lower, upper) in box.bounds.items()
    )
