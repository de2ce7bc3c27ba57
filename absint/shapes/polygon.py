"""A simple polygon as a formula of half-planes, found with exact integer arithmetic.

Points enter; a formula leaves in which the half-plane of each edge occurs exactly once, joined by `and` and
`or`. With `max` for `and`, `min` for `or` and the signed distance to an edge's line for its half-plane, the
formula becomes a continuous function: below zero inside, zero on the boundary, above zero outside. Unlike a
triangulation it has no diagonals, so no seam can open between parts.

After Peterson (1984) and Dobkin, Guibas, Hershberger and Snoeyink, "An efficient algorithm for finding the
CSG representation of a simple polygon" (Algorithmica 10, 1993). A *chain* is a run of edges whose first and
last are extended to infinity; it does not cross itself and has the polygon's inside on its left. Cut it at a
corner of its convex hull and extend both edges beyond the corner: outside the hull they meet nothing, so two
chains result. The left side of the whole is the intersection of the parts' left sides if the corner turns
left, and their union if it turns right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from absint.base.errors import ExpressionError

Point = tuple[float, float]
Vector = tuple[int, int]

AND = -1
OR = -2


@dataclass(frozen=True, slots=True)
class Formula:
    """A polygon as a formula over its edges.

    `corners`: counterclockwise, without repeated or straight corners; edge i goes from corner i to corner i +
    1. `postfix`: numbers of edges, `AND` and `OR`, in postfix notation.
    """

    corners: tuple[Point, ...]
    postfix: tuple[int, ...]


def find_formula(points: Sequence[Point]) -> Formula:
    """The formula of the polygon with these corners, given clockwise or counterclockwise.

    Raises `ExpressionError` if the polygon is not simple: fewer than three corners, a spike, or edges that
    meet.
    """
    lattice = _to_integers(points)
    order = _corners(lattice)
    corners = [lattice[i] for i in order]
    _check_simple(corners, order)
    if sum(_cross(a, b) for a, b in zip(corners, corners[1:] + corners[:1], strict=True)) < 0:
        order.reverse()
        corners.reverse()
    # Cut at the lexicographically first and last corners. The two chains between them, extended there, run to
    # opposite sides, so neither crosses itself.
    start = corners.index(min(corners))
    corners = corners[start:] + corners[:start]
    order = order[start:] + order[:start]
    last = corners.index(max(corners))
    postfix = [*_chain(corners, 0, last - 1), *_chain(corners, last, len(corners) - 1), AND]
    return Formula(tuple(points[i] for i in order), tuple(postfix))


def _to_integers(points: Sequence[Point]) -> list[Vector]:
    """The points scaled by a power of two to integer coordinates, so that every test below is exact."""
    ratios = [(x.as_integer_ratio(), y.as_integer_ratio()) for x, y in points]
    unit = max((max(x[1], y[1]) for x, y in ratios), default=1)
    return [(x[0] * (unit // x[1]), y[0] * (unit // y[1])) for x, y in ratios]


def _minus(a: Vector, b: Vector) -> Vector:
    return a[0] - b[0], a[1] - b[1]


def _dot(a: Vector, b: Vector) -> int:
    return a[0] * b[0] + a[1] * b[1]


def _cross(a: Vector, b: Vector) -> int:
    """The cross product: above zero if b points to the left of a."""
    return a[0] * b[1] - a[1] * b[0]


def _corners(points: list[Vector]) -> list[int]:
    """The numbers of the points at which the polygon turns. Raises `ExpressionError` if it turns back on
    itself or has fewer than three such points.
    """
    distinct = [i for i, point in enumerate(points) if point != points[i - 1]]
    turning = []
    for before, i, after in zip(
        distinct[-1:] + distinct[:-1], distinct, distinct[1:] + distinct[:1], strict=True
    ):
        arriving, leaving = _minus(points[i], points[before]), _minus(points[after], points[i])
        if _cross(arriving, leaving) != 0:
            turning.append(i)
        elif _dot(arriving, leaving) < 0:
            raise ExpressionError(f"polygon: it turns back on itself at point {i}")
    if len(turning) < 3:
        raise ExpressionError(
            f"polygon: needs three corners or more, {len(points)} points make {len(turning)}"
        )
    return turning


def _check_simple(corners: list[Vector], order: list[int]) -> None:
    """Raises `ExpressionError` unless edges meet at common corners only. A sweep along x compares only edges
    whose bounding boxes overlap.
    """
    n = len(corners)
    edges = sorted(range(n), key=lambda i: min(corners[i], corners[(i + 1) % n]))
    active: list[int] = []
    for i in edges:
        a, b = corners[i], corners[(i + 1) % n]
        left, bottom, top = min(a[0], b[0]), min(a[1], b[1]), max(a[1], b[1])
        active = [j for j in active if max(corners[j][0], corners[(j + 1) % n][0]) >= left]
        for j in active:
            c, d = corners[j], corners[(j + 1) % n]
            if (i - j) % n in (1, n - 1) or max(c[1], d[1]) < bottom or min(c[1], d[1]) > top:
                continue
            if _meet(a, b, c, d):
                raise ExpressionError(
                    f"polygon: not simple: the edges that begin at points {order[min(i, j)]} and "
                    f"{order[max(i, j)]} meet"
                )
        active.append(i)


def _meet(a: Vector, b: Vector, c: Vector, d: Vector) -> bool:
    """Whether two segments whose bounding boxes overlap have a common point."""
    ab, cd = _minus(b, a), _minus(d, c)
    c_side, d_side = _cross(ab, _minus(c, a)), _cross(ab, _minus(d, a))
    a_side, b_side = _cross(cd, _minus(a, c)), _cross(cd, _minus(b, c))
    apart = (c_side > 0) == (d_side > 0) and c_side and d_side
    apart = apart or ((a_side > 0) == (b_side > 0) and a_side and b_side)
    return not apart  # segments on one line meet, since their bounding boxes overlap


def _chain(corners: list[Vector], first: int, last: int) -> list[int]:
    """The postfix formula of the chain of edges `first` … `last`. Iterative: spirals would recurse deeply."""
    postfix: list[int] = []
    work: list[int | tuple[int, int]] = [(first, last)]
    while work:
        item = work.pop()
        if isinstance(item, int):
            postfix.append(item)
        elif item[0] == item[1]:
            postfix.append(item[0])
        else:
            i, j = item
            cut = _hull_corner(corners, i, j)
            arriving, leaving = _edge(corners, cut - 1), _edge(corners, cut)
            work += [AND if _cross(arriving, leaving) > 0 else OR, (cut, j), (i, cut - 1)]
    return postfix


def _edge(corners: list[Vector], i: int) -> Vector:
    return _minus(corners[(i + 1) % len(corners)], corners[i])


def _hull_corner(corners: list[Vector], first: int, last: int) -> int:
    """A corner of the convex hull of the chain of edges `first` … `last`, including its two rays.

    It is the chain's farthest corner in a direction in which neither ray runs. Of several equally far corners
    it is the last one along their line, away from a ray on that line.
    """
    a, b = _edge(corners, first), _edge(corners, last)
    a = (-a[0], -a[1])  # both point to infinity
    inner = range(first + 1, last + 1)
    turn = _cross(a, b)
    if turn:  # `direction` has the scalar product -|turn| with either ray
        sign = 1 if turn > 0 else -1
        direction = sign * (a[1] - b[1]), sign * (b[0] - a[0])
    elif _dot(a, b) > 0:
        direction = (-a[0], -a[1])
    else:
        direction = (-a[1], a[0])
    along = (-direction[1], direction[0])
    if not turn and _dot(a, b) < 0:  # opposite rays: the farthest line may contain one, or both
        farthest = max(_dot(direction, corners[i]) for i in inner)
        on_line = [_dot(direction, corners[i]) == farthest for i in (first + 1, last)]
        if all(on_line):
            direction = (-direction[0], -direction[1])
        along = b if on_line[0] else a
    return max(inner, key=lambda i: (_dot(direction, corners[i]), _dot(along, corners[i])))
