"""Implicit shapes: expressions that are below zero inside.

Lengths are in model units, angles in radians, counterclockwise. A shape of x and y alone is an infinite prism
along z; `extrude` cuts it. Each shape's documentation says what its value is:

- *distance*: the signed distance to the boundary;
- *bound*: of the distance's sign, and never farther from zero than the distance, so that `offset` gives the
  right sign near the boundary, and a region with a large value contains no boundary;
- *sign*: only the sign is meaningful.

Combining, moving and rotating turn distances into distances or bounds. Constants are computed with correctly
rounded basic operations and absint's own sin and cos, so that the same arguments give the same program on
every machine. All numbers must be finite; a bad argument raises `ExpressionError`, which names the argument.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from absint.base.arguments import elements
from absint.base.errors import ExpressionError, shown
from absint.frontend.expr import (
    Expr,
    X,
    Y,
    Z,
    absolute,
    as_number,
    const,
    exp,
    ln,
    maximum,
    minimum,
    sqrt,
    square,
    substitute,
)
from absint.ops.precision import Precision
from absint.ops.table import COS, SIN
from absint.shapes.polygon import AND, find_formula

Vector = Sequence[float]
AXES = (X, Y, Z)

# Arguments.


def _finite(value: object, what: str) -> float:
    number = as_number(value)
    if number is None or not math.isfinite(number):
        raise ExpressionError(f"{what}: expected a finite number, not {shown(value)}")
    return number


def _positive(value: object, what: str) -> float:
    number = _finite(value, what)
    if number <= 0:
        raise ExpressionError(f"{what}: must be above 0, not {number!r}")
    return number


def _vector(value: object, what: str, *sizes: int) -> tuple[float, ...]:
    """The coordinates of a point or direction with one of these numbers of them."""
    parts = elements(value, max(sizes)) or ()
    if len(parts) not in sizes:
        expected = " or ".join(str(size) for size in sizes)
        raise ExpressionError(f"{what}: expected {expected} coordinates, not {shown(value)}")
    return tuple(_finite(part, f"{what}[{i}]") for i, part in enumerate(parts))


def _pair(a: object, b: object, first: str, second: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Two points of the plane or two of space."""
    one, other = _vector(a, first, 2, 3), _vector(b, second, 2, 3)
    if len(one) != len(other):
        raise ExpressionError(f"{second}: has {len(other)} coordinates, {first} has {len(one)}")
    return one, other


def _shape(value: object, what: str) -> Expr:
    if not isinstance(value, Expr):
        raise ExpressionError(f"{what}: expected a shape (an expression), not {shown(value)}")
    return value


def _shapes(values: tuple[object, ...], what: str) -> list[Expr]:
    if not values:
        raise ExpressionError(f"{what}: needs at least one shape")
    return [_shape(value, f"{what}: shape {i}") for i, value in enumerate(values)]


def _axis(value: object, what: str) -> str:
    if not isinstance(value, str) or value not in ("x", "y", "z"):
        raise ExpressionError(f"{what}: expected 'x', 'y' or 'z', not {shown(value)}")
    return value


# Arithmetic. Additions of zero and multiplications by one are left out, which keeps the value's bits.


def _less(a: Expr, b: float) -> Expr:
    return a - b if b > 0 else a + -b if b else a


def _from_constant(a: float, b: Expr) -> Expr:
    return a - b if a else -b


def _times(a: Expr, b: float) -> Expr:
    return a if b == 1 else -a if b == -1 else a * b


def _sum(terms: Sequence[Expr]) -> Expr:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _greatest(shapes: Sequence[Expr]) -> Expr:
    return shapes[0] if len(shapes) == 1 else maximum(*shapes)


def _least(shapes: Sequence[Expr]) -> Expr:
    return shapes[0] if len(shapes) == 1 else minimum(*shapes)


def _length(vector: Sequence[float]) -> float:
    """The length of a vector, scaled by a power of two so that no square overflows. Only basic operations,
    which give the same bits everywhere; math.hypot and sum differ between versions of Python.
    """
    exponent = math.frexp(max(abs(part) for part in vector))[1]
    total = 0.0
    for part in vector:
        scaled = math.ldexp(part, -exponent)
        total += scaled * scaled
    return math.ldexp(math.sqrt(total), exponent - 1) * 2.0


def _norm(vector: Sequence[Expr]) -> Expr:
    return sqrt(_sum([square(part) for part in vector]))


def _relative_to(point: Sequence[float]) -> list[Expr]:
    """The position relative to a point."""
    return [_less(axis, part) for axis, part in zip(AXES, point, strict=False)]


def direction(angle: float) -> tuple[float, float]:
    """The point on the unit circle at an angle in radians; exact for multiples of a quarter turn, up to the
    angle's rounding. Raises `ExpressionError` for an angle that is not finite.
    """
    angle = _finite(angle, "direction: angle")
    quarters = round(angle / (math.pi / 2))
    if abs(quarters) < 1000 and abs(angle - quarters * (math.pi / 2)) <= 4e-16 * max(1.0, abs(angle)):
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[quarters % 4]
    cosine, sine = (op.body(Precision.F64)(np.float64(angle)) for op in (COS, SIN))
    return float(cosine), float(sine)


# Solids.


def circle(radius: float, center: Vector = (0.0, 0.0)) -> Expr:
    """sqrt(dx² + dy²) − radius. A distance.

    `radius` above 0 and `center`, 2 coordinates, in model units. Raises `ExpressionError` for others.
    """
    at = _vector(center, "circle: center", 2)
    return _norm(_relative_to(at)) - _positive(radius, "circle: radius")


def sphere(radius: float, center: Vector = (0.0, 0.0, 0.0)) -> Expr:
    """sqrt(dx² + dy² + dz²) − radius. A distance.

    `radius` above 0 and `center`, 3 coordinates, in model units. Raises `ExpressionError` for others.
    """
    at = _vector(center, "sphere: center", 3)
    return _norm(_relative_to(at)) - _positive(radius, "sphere: radius")


def half_plane(point: Vector, normal: Vector) -> Expr:
    """(p − point)·normal / |normal|: inside is the side that `normal` points away from. A distance.

    `point` and `normal` have 2 or 3 coordinates. The expression is a sum of a function of x, one of y and one
    of z, which are zero at `point`. `normal` may have any length but 0. Raises `ExpressionError` for others,
    and for different numbers of coordinates.
    """
    at, given = _pair(point, normal, "half_plane: point", "half_plane: normal")
    if not any(given):
        raise ExpressionError("half_plane: normal: must not be zero")
    exponent = math.frexp(max(abs(part) for part in given))[1]
    outward = [math.ldexp(part, -exponent) for part in given]  # exact; now the length cannot overflow
    length = _length(outward)
    return _sum(
        [
            _from_constant(x, axis) if n == -length else _times(_less(axis, x), n / length)
            for axis, x, n in zip(AXES, at, outward, strict=False)
            if n
        ]
    )


def box(lower: Vector, upper: Vector) -> Expr:
    """The greatest of lower − p and p − upper over 2 or 3 axes.

    A distance inside and beside the faces, a bound beyond edges and corners. Raises `ExpressionError` unless
    `upper` is above `lower` along every axis.
    """
    low, high = _pair(lower, upper, "box: lower", "box: upper")
    faces = []
    for axis, a, b in zip(AXES, low, high, strict=False):
        if not a < b:
            raise ExpressionError(f"box: upper: {b!r} along {axis} is not above the lower {a!r}")
        faces += [_from_constant(a, axis), _less(axis, b)]
    return maximum(*faces)


def rounded_box(lower: Vector, upper: Vector, radius: float) -> Expr:
    """A box whose edges and corners are rounded, 2 or 3 axes. A distance.

    |max(q, 0)| + min(greatest q, 0) − radius with q = max(lower − p, p − upper) + radius on each axis; all in
    model units. Raises `ExpressionError` for a radius that is not above 0, or more than half of an edge.
    """
    low, high = _pair(lower, upper, "rounded_box: lower", "rounded_box: upper")
    r = _positive(radius, "rounded_box: radius")
    q = []
    for axis, a, b in zip(AXES, low, high, strict=False):
        if not 2 * r <= b - a:
            raise ExpressionError(f"rounded_box: radius: twice {r!r} does not fit between {a!r} and {b!r}")
        q.append(maximum(_from_constant(a + r, axis), _less(axis, b - r)))
    return _norm([maximum(part, 0.0) for part in q]) + minimum(_greatest(q), 0.0) - r


def capsule(a: Vector, b: Vector, radius: float) -> Expr:
    """All points within `radius` of the segment from a to b, with 2 or 3 coordinates. A distance.

    |p − a − t·(b − a)| − radius with t = (p − a)·(b − a) / |b − a|², clamped to 0 … 1; all in model units. A
    disc or ball if a equals b. Raises `ExpressionError` for a radius that is not above 0, and for ends so
    near to or far from each other that t would not be finite.
    """
    start, end = _pair(a, b, "capsule: a", "capsule: b")
    r = _positive(radius, "capsule: radius")
    along = [q - p for p, q in zip(start, end, strict=True)]
    length = _length(along)
    seen = _relative_to(start)
    if length == 0:
        return _norm(seen) - r
    pace = [part / length / length for part in along]
    if not all(math.isfinite(part) for part in (length, *pace)):
        raise ExpressionError("capsule: b: is too near to a, or too far away")
    t = _sum([_times(part, p) for part, p in zip(seen, pace, strict=True) if p])
    t = minimum(maximum(t, 0.0), 1.0)
    return _norm([p - _times(t, d) if d else p for p, d in zip(seen, along, strict=True)]) - r


MOST_CORNERS = 1 << 20
"""Largest number of a polygon's points; the limit also stops endless iterators."""


def polygon(points: Sequence[Vector]) -> Expr:
    """A simple polygon, convex or not, with points given clockwise or counterclockwise. A bound.

    One half-plane per edge, joined by min and max as `absint.shapes.polygon` describes, without further
    edges. For a convex polygon the value is the distance inside and beside the edges. Rounding changes the
    value by a few units in the last place of the position, so the sign is right unless the exact value is
    that near to zero. Raises `ExpressionError` if edges cross or touch, and for more than `MOST_CORNERS`
    points.
    """
    given = elements(points, MOST_CORNERS)
    if given is not None and len(given) > MOST_CORNERS:
        raise ExpressionError(f"polygon: points: expected at most {MOST_CORNERS}")
    if given is None:
        raise ExpressionError(f"polygon: points: expected a sequence, not {shown(points)}")
    corners = [_vector(point, f"polygon: points[{i}]", 2) for i, point in enumerate(given)]
    formula = find_formula([(x, y) for x, y in corners])
    values: list[Expr] = []
    for item in formula.postfix:
        if item >= 0:
            (x0, y0), (x1, y1) = formula.corners[item], formula.corners[(item + 1) % len(formula.corners)]
            values.append(half_plane((x0, y0), (y1 - y0, x0 - x1)))
        else:
            b, a = values.pop(), values.pop()
            values.append(maximum(a, b) if item == AND else minimum(a, b))
    return values[0]


# Combining.


def union(*shapes: Expr) -> Expr:
    """min, as a balanced tree in the given order (see `minimum`).

    A bound if the shapes are bounds; outside, a distance if they are distances. Raises `ExpressionError` for
    no shapes.
    """
    return _least(_shapes(shapes, "union"))


def intersection(*shapes: Expr) -> Expr:
    """max, as a balanced tree in the given order.

    A bound if the shapes are bounds; inside, a distance if they are distances. Raises `ExpressionError` for
    no shapes.
    """
    return _greatest(_shapes(shapes, "intersection"))


def complement(shape: Expr) -> Expr:
    """−shape: outside becomes inside. The boundary, where the value is 0, is inside neither.

    Raises `ExpressionError` if `shape` is not an expression.
    """
    return -_shape(shape, "complement")


def difference(shape: Expr, *others: Expr) -> Expr:
    """max(shape, −other, …): the first shape without all others. A bound if the shapes are bounds.

    Raises `ExpressionError` if an argument is not an expression.
    """
    first, *cut = _shapes((shape, *others), "difference")
    return _greatest([first, *(-other for other in cut)])


def smooth_union(a: Expr, b: Expr, radius: float) -> Expr:
    """min(a, b) − max(radius − |a − b|, 0)² / (4·radius): the crease is filled where |a − b| < radius.

    The quadratic polynomial minimum: smooth, exactly min elsewhere, and at most radius / 4 below the union. A
    bound if the shapes are bounds. `radius` in model units; raises `ExpressionError` unless it is above 0.
    """
    one, other = _shapes((a, b), "smooth_union")
    r = _positive(radius, "smooth_union: radius")
    depth = maximum(r - absolute(one - other), 0.0)
    return minimum(one, other) - square(depth) * (0.25 / r)


def exponential_union(a: Expr, b: Expr, radius: float) -> Expr:
    """min(a, b) − radius·ln(1 + exp(−|a − b| / radius)): −radius·ln(exp(−a/radius) + exp(−b/radius)).

    Blends everywhere, less with distance, at most radius·ln 2 below the union, and is associative up to
    rounding. This form does not overflow. A bound if the shapes are bounds. `radius` in model units; raises
    `ExpressionError` unless it is above 0.
    """
    one, other = _shapes((a, b), "exponential_union")
    r = _positive(radius, "exponential_union: radius")
    return minimum(one, other) - r * ln(1.0 + exp(absolute(one - other) * (-1.0 / r)))


def offset(shape: Expr, distance: float) -> Expr:
    """shape − distance: all points within `distance` of the shape, if its value is a distance.

    A negative `distance`, in model units, shrinks the shape. Raises `ExpressionError` unless it is finite.
    """
    return _less(_shape(shape, "offset: shape"), _finite(distance, "offset: distance"))


def shell(shape: Expr, thickness: float) -> Expr:
    """|shape| − thickness / 2: a wall of that thickness along the boundary, if the shape is a distance.

    `thickness` in model units; raises `ExpressionError` unless it is above 0.
    """
    return absolute(_shape(shape, "shell: shape")) - _positive(thickness, "shell: thickness") / 2


# Placing.


def move(shape: Expr, dx: float = 0.0, dy: float = 0.0, dz: float = 0.0) -> Expr:
    """The shape moved by `dx`, `dy` and `dz` model units. A distance stays a distance.

    Raises `ExpressionError` for numbers that are not finite.
    """
    by = [_finite(d, f"move: {name}") for d, name in zip((dx, dy, dz), ("dx", "dy", "dz"), strict=True)]
    x, y, z = _relative_to(by)
    return substitute(_shape(shape, "move: shape"), x=x, y=y, z=z)


def scale(shape: Expr, factor: float | Vector) -> Expr:
    """The shape scaled about the origin, by one factor above 0, or by one for each of 2 or 3 axes.

    The value is multiplied by the (least) factor. With one factor a distance stays a distance, with several
    it becomes a bound. Raises `ExpressionError` for a factor that is not above 0, or whose reciprocal is not
    finite.
    """
    given = _shape(shape, "scale: shape")
    factors: tuple[float, ...]
    if as_number(factor) is not None:
        factors = (_positive(factor, "scale: factor"),) * 3
    else:
        parts = _vector(factor, "scale: factor", 2, 3)
        factors = (*(_positive(part, "scale: factor") for part in parts), 1.0)[:3]
    if math.isinf(1.0 / min(factors)):
        raise ExpressionError(f"scale: factor: {min(factors)!r} is too small, its reciprocal is infinite")
    x, y, z = (_times(axis, 1.0 / part) for axis, part in zip(AXES, factors, strict=True))
    return _times(substitute(given, x=x, y=y, z=z), min(factors))


def rotate(shape: Expr, angle: float, axis: str = "z") -> Expr:
    """The shape rotated about an axis, by an angle in radians, counterclockwise as seen from the axis's
    positive end.

    Quarter turns are exact. A distance stays a distance, up to rounding. Raises `ExpressionError` for an
    angle that is not finite, and an axis other than "x", "y" and "z".
    """
    given = _shape(shape, "rotate: shape")
    axis = _axis(axis, "rotate: axis")
    cosine, sine = direction(_finite(angle, "rotate: angle"))
    first, second = {"x": ("y", "z"), "y": ("z", "x"), "z": ("x", "y")}[axis]
    u, v = (AXES["xyz".index(name)] for name in (first, second))

    def combine(a: float, b: float) -> Expr:
        return _sum([_times(part, factor) for part, factor in ((u, a), (v, b)) if factor])

    return substitute(given, **{first: combine(cosine, sine), second: combine(-sine, cosine)})


def mirror(shape: Expr, *axes: str) -> Expr:
    """The half with positive coordinates and its mirror image: for each axis named, |x| replaces x.

    A distance stays a distance if the shape is symmetric or does not touch the mirror; else it becomes a
    bound. Raises `ExpressionError` for an axis other than "x", "y" and "z".
    """
    given = _shape(shape, "mirror: shape")
    names = [_axis(axis, "mirror: axes") for axis in axes]
    return substitute(given, **{name: absolute(AXES["xyz".index(name)]) for name in names})


def extrude(shape: Expr, z0: float, z1: float) -> Expr:
    """max(shape, z0 − z, z − z1): the part between two heights, in model units. A bound if the shape is one.

    Raises `ExpressionError` unless z1 is above z0.
    """
    given = _shape(shape, "extrude: shape")
    low, high = _finite(z0, "extrude: z0"), _finite(z1, "extrude: z1")
    if not low < high:
        raise ExpressionError(f"extrude: z1: {high!r} is not above z0, {low!r}")
    return maximum(given, maximum(_from_constant(low, Z), _less(Z, high)))


def revolve(shape: Expr) -> Expr:
    """The half of a plane shape with x ≥ 0, revolved about the y axis: sqrt(x² + z²) replaces x.

    A distance stays a distance under the same conditions as in `mirror`. Raises `ExpressionError` if `shape`
    is not an expression.
    """
    return substitute(_shape(shape, "revolve: shape"), x=_norm([X, Z]), z=const(0.0))
