"""Shapes are below zero exactly inside, and what they say of their value holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from absint.base.errors import ExpressionError
from absint.frontend.expr import Expr, X, Y, Z, exp
from absint.ir.interpreter import interpret_concrete
from absint.ops.precision import Precision
from absint.shapes import solids as shapes

Points = NDArray[np.float64]

COUNT = 20_000
TRIANGLE = [(-0.5, -0.5), (0.7, -0.4), (-0.2, 0.6)]


def points(seed: int = 1, size: float = 1.5, count: int = COUNT) -> Points:
    """float64[3, count]: positions that binary32 holds exactly."""
    scattered = np.random.default_rng(seed).uniform(-size, size, (3, count))
    return scattered.astype(np.float32).astype(np.float64)


def values(shape: Expr, at: Points, precision: Precision = Precision.F64) -> Points:
    variables = dict(zip("xyz", at.astype(precision.dtype), strict=True))
    result = interpret_concrete(shape.graph(), precision, variables)[-1]
    return np.broadcast_to(result, at.shape[1:]).astype(np.float64)


def distance_to_segment(at: Points, a: Sequence[float], b: Sequence[float]) -> Points:
    """To the nearer end, or to the line where the foot lies between them."""
    start, end = (np.array([*point, 0.0][:3]) for point in (a, b))
    seen = np.array([*at[: len(a)], np.zeros(COUNT)][:3]).T
    along, length = end - start, math.dist(a, b)
    ahead = (seen - start) @ along / length
    to_line = np.linalg.norm(np.cross(seen - start, along), axis=1) / length
    to_ends = np.minimum(*(np.linalg.norm(seen - point, axis=1) for point in (start, end)))
    return np.where((ahead > 0) & (ahead < length), to_line, to_ends)


def outside_box(at: Points, lower: Sequence[float], upper: Sequence[float]) -> Points:
    """The distance to a box, 0 inside."""
    return np.sqrt(
        sum(np.maximum(np.maximum(a - c, c - b), 0) ** 2 for a, b, c in zip(lower, upper, at, strict=False))
    )


def inside_box(at: Points, lower: Sequence[float], upper: Sequence[float]) -> NDArray[np.bool_]:
    return np.all([(c > a) & (c < b) for a, b, c in zip(lower, upper, at, strict=False)], axis=0)


def turned(at: Points, angle: float, first: int, second: int) -> Points:
    """The points turned by an angle from one axis towards another."""
    result = at.copy()
    result[first] = math.cos(angle) * at[first] - math.sin(angle) * at[second]
    result[second] = math.sin(angle) * at[first] + math.cos(angle) * at[second]
    return result


def at_offset(at: Points, *by: float) -> Points:
    return at + np.reshape(by, (3, 1))


LOW, HIGH = (-0.7, -0.4, -0.9), (0.5, 0.8, -0.1)
A3, B3 = (-0.6, 0.2, -0.5), (0.4, -0.3, 0.7)
PRISM = shapes.polygon(TRIANGLE)

# name: (shape, distance that it must have where `where` holds)
DISTANCES: dict[str, tuple[Expr, Callable[[Points], Points]]] = {
    "circle": (shapes.circle(0.6, (0.1, -0.2)), lambda p: np.hypot(p[0] - 0.1, p[1] + 0.2) - 0.6),
    "circle about the origin": (shapes.circle(1), lambda p: np.hypot(p[0], p[1]) - 1),
    "sphere": (
        shapes.sphere(0.7, (0.1, 0, -0.3)),
        lambda p: np.sqrt((p[0] - 0.1) ** 2 + p[1] ** 2 + (p[2] + 0.3) ** 2) - 0.7,
    ),
    "half_plane": (shapes.half_plane((0.2, 0.1), (3, 4)), lambda p: (p[0] - 0.2) * 0.6 + (p[1] - 0.1) * 0.8),
    "half_plane below": (shapes.half_plane((0.2, 0.1), (0, -5)), lambda p: 0.1 - p[1]),
    "half_plane in space": (
        shapes.half_plane((0, 0, 0.5), (2, -1, 2)),
        lambda p: (2 * p[0] - p[1] + 2 * (p[2] - 0.5)) / 3,
    ),
    "capsule": (
        shapes.capsule((-0.5, 0.1), (0.6, 0.4), 0.3),
        lambda p: distance_to_segment(p, (-0.5, 0.1), (0.6, 0.4)) - 0.3,
    ),
    "capsule upright": (
        shapes.capsule((0.3, 0), (0.3, 0.4), 0.2),
        lambda p: distance_to_segment(p, (0.3, 0), (0.3, 0.4)) - 0.2,
    ),
    "capsule in space": (shapes.capsule(A3, B3, 0.25), lambda p: distance_to_segment(p, A3, B3) - 0.25),
    "capsule of a point": (shapes.capsule((0.1, 0), (0.1, 0), 1), lambda p: np.hypot(p[0] - 0.1, p[1]) - 1),
    "scaled": (shapes.scale(shapes.circle(1, (1, 0)), 0.25), lambda p: np.hypot(p[0] - 0.25, p[1]) - 0.25),
    "moved": (
        shapes.move(shapes.sphere(0.5), 0.25, -0.5, 0.125),
        lambda p: np.sqrt((p[0] - 0.25) ** 2 + (p[1] + 0.5) ** 2 + (p[2] - 0.125) ** 2) - 0.5,
    ),
    "revolved": (
        shapes.revolve(shapes.circle(0.3, (0.7, 0.1))),
        lambda p: np.hypot(np.hypot(p[0], p[2]) - 0.7, p[1] - 0.1) - 0.3,
    ),
    "mirrored": (
        shapes.mirror(shapes.circle(0.2, (0.5, 0.4)), "x", "y"),
        lambda p: np.hypot(abs(p[0]) - 0.5, abs(p[1]) - 0.4) - 0.2,
    ),
    "offset": (shapes.offset(shapes.circle(0.5), 0.25), lambda p: np.hypot(p[0], p[1]) - 0.75),
    "shell": (shapes.shell(shapes.circle(0.5), 0.2), lambda p: abs(np.hypot(p[0], p[1]) - 0.5) - 0.1),
}


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("precision", Precision)
def test_a_distance_is_the_distance(name: str, precision: Precision) -> None:
    shape, reference = DISTANCES[name]
    at = points()
    # some tens of roundings at values up to 4
    assert np.abs(values(shape, at, precision) - reference(at)).max() < 100 * precision.epsilon


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_rounded_box_is_a_distance(dimensions: int) -> None:
    lower, upper, radius = LOW[:dimensions], HIGH[:dimensions], 0.3
    core = [a + radius for a in lower], [b - radius for b in upper]
    at = points()
    got = values(shapes.rounded_box(lower, upper, radius), at)
    outside = outside_box(at, *core) > 0
    assert np.abs(got - (outside_box(at, *core) - radius))[outside].max() < 1e-14
    depth = np.min([np.minimum(c - a, b - c) for a, b, c in zip(lower, upper, at, strict=False)], axis=0)
    assert np.abs(got + depth)[~outside].max() < 1e-14


def test_a_box_that_is_all_rounding() -> None:
    at = points()
    pill = values(shapes.rounded_box((-0.5, -0.25), (0.5, 0.25), 0.25), at)
    assert np.abs(pill - values(shapes.capsule((-0.25, 0), (0.25, 0), 0.25), at)).max() < 1e-15


MEMBERS: dict[str, tuple[Expr, Callable[[Points], NDArray[np.bool_]]]] = {
    "box": (shapes.box(LOW[:2], HIGH[:2]), lambda p: inside_box(p, LOW[:2], HIGH[:2])),
    "box in space": (shapes.box(LOW, HIGH), lambda p: inside_box(p, LOW, HIGH)),
    "union": (
        shapes.union(shapes.circle(0.5), shapes.box((0, 0), (1, 1)), shapes.circle(0.3, (-0.5, 0.5))),
        lambda p: (
            (np.hypot(p[0], p[1]) < 0.5)
            | inside_box(p, (0, 0), (1, 1))
            | (np.hypot(p[0] + 0.5, p[1] - 0.5) < 0.3)
        ),
    ),
    "intersection": (
        shapes.intersection(shapes.circle(0.9), shapes.circle(0.9, (0.5, 0)), shapes.box((0, -1), (1, 0.2))),
        lambda p: (
            (np.hypot(p[0], p[1]) < 0.9)
            & (np.hypot(p[0] - 0.5, p[1]) < 0.9)
            & inside_box(p, (0, -1), (1, 0.2))
        ),
    ),
    "difference": (
        shapes.difference(shapes.circle(1), shapes.circle(0.5), shapes.box((0, -2), (2, 0))),
        lambda p: (np.hypot(p[0], p[1]) < 1) & ~(np.hypot(p[0], p[1]) <= 0.5) & ~((p[0] >= 0) & (p[1] <= 0)),
    ),
    "complement": (shapes.complement(shapes.circle(0.5)), lambda p: np.hypot(p[0], p[1]) > 0.5),
    "scaled per axis": (
        shapes.scale(shapes.circle(1), (0.5, 1.2)),
        lambda p: (p[0] / 0.5) ** 2 + (p[1] / 1.2) ** 2 < 1,
    ),
    "scaled in space": (
        shapes.scale(shapes.sphere(1), (0.5, 1.2, 0.8)),
        lambda p: (p[0] / 0.5) ** 2 + (p[1] / 1.2) ** 2 + (p[2] / 0.8) ** 2 < 1,
    ),
    "extruded": (
        shapes.extrude(shapes.circle(0.8), -0.5, 0.25),
        lambda p: (np.hypot(p[0], p[1]) < 0.8) & (p[2] > -0.5) & (p[2] < 0.25),
    ),
    "turned about z": (
        shapes.rotate(shapes.box(LOW, HIGH), 0.7),
        lambda p: inside_box(turned(p, -0.7, 0, 1), LOW, HIGH),
    ),
    "turned about x": (
        shapes.rotate(shapes.box(LOW, HIGH), 0.7, "x"),
        lambda p: inside_box(turned(p, -0.7, 1, 2), LOW, HIGH),
    ),
    "turned about y": (
        shapes.rotate(shapes.box(LOW, HIGH), -2.1, "y"),
        lambda p: inside_box(turned(p, 2.1, 2, 0), LOW, HIGH),
    ),
    "turned by a quarter": (
        shapes.rotate(shapes.box(LOW, HIGH), math.pi / 2),
        lambda p: inside_box(turned(p, -math.pi / 2, 0, 1), LOW, HIGH),
    ),
    "all of it": (
        shapes.move(shapes.rotate(shapes.scale(shapes.box(LOW, HIGH), 1.5), 1.0, "x"), 0.1, 0.2, 0.3),
        lambda p: inside_box(turned(at_offset(p, -0.1, -0.2, -0.3), -1.0, 1, 2) / 1.5, LOW, HIGH),
    ),
}


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize("precision", Precision)
def test_below_zero_is_inside(name: str, precision: Precision) -> None:
    shape, member = MEMBERS[name]
    at = points()
    got, exact = values(shape, at, precision), values(shape, at)
    wrong = (got < 0) != member(at)
    assert not wrong[np.abs(exact) > 100 * precision.epsilon].any()
    assert 0 < np.count_nonzero(got < 0) < COUNT


BLOB = shapes.capsule((0.3, 0.2, 0.1), (-0.4, 0.5, -0.6), 0.3)
BOUNDS = {
    **{name: shape for name, (shape, _) in (DISTANCES | MEMBERS).items()},
    "smooth_union": shapes.smooth_union(shapes.sphere(0.6), BLOB, 0.4),
    "exponential_union": shapes.exponential_union(shapes.sphere(0.6), BLOB, 0.2),
    "polygon": PRISM,
    "mirror through a shape": shapes.mirror(BLOB, "x"),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_a_bound_changes_no_faster_than_the_position(name: str) -> None:
    # Such a function, zero on the boundary, is never farther from zero than the boundary is away.
    here = points(1)
    for there in (points(2), here + points(3) * 1e-3):
        change = np.abs(values(BOUNDS[name], here) - values(BOUNDS[name], there))
        assert (change <= np.sqrt(np.sum((here - there) ** 2, axis=0)) * (1 + 1e-9) + 1e-14).all()


@pytest.mark.parametrize(
    ("joined", "deepest"),
    [
        (shapes.smooth_union(shapes.sphere(0.6), BLOB, 0.4), 0.1),
        (shapes.exponential_union(shapes.sphere(0.6), BLOB, 0.2), 0.2 * math.log(2)),
    ],
)
def test_a_blend_fills_the_crease_and_no_more(joined: Expr, deepest: float) -> None:
    at = points()
    a, b = values(shapes.sphere(0.6), at), values(BLOB, at)
    filled = np.minimum(a, b) - values(joined, at)
    assert (filled >= -1e-15).all()
    assert 0.95 * deepest < filled.max() <= deepest + 1e-15


def test_a_smooth_union_is_the_union_away_from_the_crease() -> None:
    at = points()
    a, b = values(shapes.sphere(0.6), at), values(BLOB, at)
    joined = values(shapes.smooth_union(shapes.sphere(0.6), BLOB, 0.4), at)
    apart = np.abs(a - b) >= 0.4
    assert (joined == np.minimum(a, b))[apart].all()


def test_an_exponential_union_does_not_overflow() -> None:
    at = points() * 1e5
    joined = values(shapes.exponential_union(shapes.sphere(0.6), BLOB, 0.01), at, Precision.F32)
    assert np.isfinite(joined).all()


def test_quarter_turns_are_exact() -> None:
    at = points()
    turned_at = at.copy()
    for quarters in range(9):
        box = shapes.rotate(shapes.box(LOW, HIGH), quarters * math.pi / 2)
        assert (values(box, turned_at) == values(shapes.box(LOW, HIGH), at)).all()
        turned_at[0], turned_at[1] = -turned_at[1], turned_at[0].copy()
    assert shapes.direction(math.pi) == (-1.0, 0.0)
    assert shapes.direction(3 * math.pi / 2 * (1 + 2e-16)) == (0.0, -1.0)


@pytest.mark.parametrize("angle", [0.1, -1.0, 2.5, 1e-9, 100.0, 1e6, 1e22])
def test_directions(angle: float) -> None:
    x, y = shapes.direction(angle)
    assert (x, y) == pytest.approx((math.cos(angle), math.sin(angle)), rel=4e-16)


def test_lengths_do_not_overflow() -> None:
    assert repr(shapes.half_plane((0, 0), (3 * 2.0**1000, 4 * 2.0**1000))) == "x * 0.6 + y * 0.8"
    assert repr(shapes.half_plane((0, 0), (3 * 2.0**-1000, 4 * 2.0**-1000))) == "x * 0.6 + y * 0.8"


def test_void_terms_are_left_out() -> None:
    assert repr(shapes.circle(1)) == "sqrt(square(x) + square(y)) - 1.0"
    assert shapes.move(PRISM) is PRISM
    assert shapes.scale(PRISM, 1) is PRISM
    assert shapes.rotate(PRISM, 0) is PRISM
    assert shapes.union(PRISM) is PRISM
    assert repr(shapes.box((0, 0), (1, 1))) == "maximum(maximum(-x, x - 1.0), maximum(-y, y - 1.0))"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: shapes.circle(0), "circle: radius: must be above 0, not 0.0"),
        (lambda: shapes.circle("1"), "circle: radius: expected a finite number, not '1'"),
        (lambda: shapes.circle(1, (0, 0, 0)), "circle: center: expected 2 coordinates, not (0, 0, 0)"),
        (lambda: shapes.circle(1, 0), "circle: center: expected 2 coordinates, not 0"),
        (lambda: shapes.sphere(float("inf")), "sphere: radius: expected a finite number, not inf"),
        (lambda: shapes.sphere(10**400), "too large"),
        (lambda: shapes.box((0, 0), (1, 0)), "box: upper: 0.0 along y is not above the lower 0.0"),
        (lambda: shapes.box((0, 0), (1, 1, 1)), "box: upper: has 3 coordinates, box: lower has 2"),
        (lambda: shapes.box((0, X), (1, 1)), "box: lower[1]: expected a finite number, not x"),
        (lambda: shapes.rounded_box((0, 0), (1, 1), 0.6), "rounded_box: radius: twice 0.6 does not fit"),
        (lambda: shapes.capsule((0, 0), (1e-320, 0), 1), "capsule: b: is too near to a"),
        (lambda: shapes.capsule((-1e308, 0), (1e308, 0), 1), "too far away"),
        (lambda: shapes.half_plane((0, 0), (0, 0)), "half_plane: normal: must not be zero"),
        (lambda: shapes.union(), "union: needs at least one shape"),
        (lambda: shapes.intersection(X, 2), "intersection: shape 1: expected a shape (an expression), not 2"),
        (lambda: shapes.difference(X, None), "difference: shape 1: expected a shape"),
        (lambda: shapes.smooth_union(X, Y, -1), "smooth_union: radius: must be above 0"),
        (lambda: shapes.exponential_union(X, Y, 0), "exponential_union: radius: must be above 0"),
        (lambda: shapes.offset(X, float("nan")), "offset: distance: expected a finite number, not nan"),
        (lambda: shapes.shell(X, 0), "shell: thickness: must be above 0"),
        (lambda: shapes.move(X, dz="1"), "move: dz: expected a finite number"),
        (lambda: shapes.scale(X, 0), "scale: factor: must be above 0"),
        (lambda: shapes.scale(X, (1, -1)), "scale: factor: must be above 0"),
        (lambda: shapes.scale(X, 5e-324), "scale: factor: 5e-324 is too small"),
        (lambda: shapes.rotate(X, float("inf")), "rotate: angle: expected a finite number"),
        (lambda: shapes.rotate(X, 1, "w"), "rotate: axis: expected 'x', 'y' or 'z', not 'w'"),
        (lambda: shapes.mirror(X, "xy"), "mirror: axes: expected 'x', 'y' or 'z', not 'xy'"),
        (lambda: shapes.extrude(X, 1, 1), "extrude: z1: 1.0 is not above z0, 1.0"),
        (lambda: shapes.revolve(3), "revolve: shape: expected a shape"),
    ],
)
def test_errors_name_the_argument(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        make()
    assert message in str(caught.value)


def test_coordinates_may_be_arrays() -> None:
    plain = shapes.capsule((0, 0.5), (1, 1), 0.25)
    array = shapes.capsule(np.array([0, 0.5]), np.array([1, 1], np.int32), np.float32(0.25))
    assert repr(array) == repr(plain)


def test_any_expression_is_a_shape() -> None:
    at = points()
    got = values(shapes.move(shapes.complement(exp(X) - Y * Z), dx=1), at)
    assert got == pytest.approx(-(np.exp(at[0] - 1) - at[1] * at[2]), rel=1e-14, abs=1e-14)


@pytest.mark.parametrize("size", [2.0**-1074, 2.0**-1030, 1.0, 2.0**1000, 2.0**1023])
def test_a_normal_of_any_length(size: float) -> None:
    """Powers of two change no bit, also where the length overflows or is too small for its digits."""
    assert repr(shapes.half_plane((0, 0), (size, size))) == repr(shapes.half_plane((0, 0), (1, 1)))
    assert repr(shapes.half_plane((0, 0), (size, 0))) == "x"
