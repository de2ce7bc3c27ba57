"""Polygons: the formula of half-planes is exact, its value in floats nearly so; bad ones are refused."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from absint.base.errors import ExpressionError
from absint.frontend.expr import Expr
from absint.ir.interpreter import interpret_concrete
from absint.ops.precision import Precision
from absint.shapes import solids as shapes
from absint.shapes.polygon import AND, Formula, find_formula

Points = NDArray[np.float64]
Outline = list[tuple[float, float]]

TRIANGLE = [(-0.5, -0.5), (0.7, -0.4), (-0.2, 0.6)]


def points(size: float) -> Points:
    """float64[2, 3000]: positions that binary32 holds exactly."""
    scattered = np.random.default_rng(1).uniform(-size, size, (2, 3000))
    return scattered.astype(np.float32).astype(np.float64)


def values(shape: Expr, at: Points, precision: Precision = Precision.F64) -> Points:
    variables = dict(zip("xy", at.astype(precision.dtype), strict=True))
    result: Points = interpret_concrete(shape.graph(), precision, variables)[-1].astype(np.float64)
    return result


def parity(outline: Outline, at: Points) -> NDArray[np.bool_]:
    """Inside, by the count of edges to the right: another method than the formula's."""
    inside = np.zeros(at.shape[1:], bool)
    for (x0, y0), (x1, y1) in zip(outline, outline[1:] + outline[:1], strict=True):
        crosses = (y0 > at[1]) != (y1 > at[1])
        with np.errstate(all="ignore"):
            inside ^= crosses & (at[0] < x0 + (at[1] - y0) * (x1 - x0) / (y1 - y0))
    return inside


def exact_sign(outline: Outline, x: float, y: float) -> int:
    """-1 inside, 0 on the boundary, 1 outside. Exact for small integers and their halves."""
    inside = False
    for (x0, y0), (x1, y1) in zip(outline, outline[1:] + outline[:1], strict=True):
        side = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
        if side == 0 and min(x0, x1) <= x <= max(x0, x1) and min(y0, y1) <= y <= max(y0, y1):
            return 0
        if (y0 > y) != (y1 > y) and (side > 0) == (y1 > y0):
            inside = not inside
    return -1 if inside else 1


def formula_sign(formula: Formula, x: float, y: float) -> int:
    corners = formula.corners
    stack: list[int] = []
    for item in formula.postfix:
        if item >= 0:
            (x0, y0), (x1, y1) = corners[item], corners[(item + 1) % len(corners)]
            side = (y1 - y0) * (x - x0) - (x1 - x0) * (y - y0)
            stack.append((side > 0) - (side < 0))
        else:
            b, a = stack.pop(), stack.pop()
            stack.append(max(a, b) if item == AND else min(a, b))
    assert len(stack) == 1
    return stack[0]


def is_simple(outline: Outline) -> bool:
    try:
        find_formula(outline)
    except ExpressionError:
        return False
    return True


def grown(seed: int, grid: int, corners: int) -> Outline:
    """A random simple polygon on a grid, as wild as it gets: new corners go wherever it stays simple."""
    source = random.Random(seed)

    def point() -> tuple[float, float]:
        return float(source.randrange(grid)), float(source.randrange(grid))

    outline: Outline = []
    while not is_simple(outline):
        outline = [point() for _ in range(3)]
    for _ in range(6 * corners):
        at = source.randrange(len(outline) + 1)
        wilder = [*outline[:at], point(), *outline[at:]]
        if len(wilder) <= corners and is_simple(wilder):
            outline = wilder
    return outline


def star(corners: int, seed: int) -> Outline:
    source = random.Random(seed)
    angles = sorted(source.uniform(0, 2 * math.pi) for _ in range(corners))
    radii = [source.uniform(0.1, 1.0) for _ in angles]
    return [(r * math.cos(a), r * math.sin(a)) for a, r in zip(angles, radii, strict=True)]


def spiral(turns: int) -> Outline:
    """A band that winds inward, its formula as deep as it is long."""
    steps = range(24 * turns)
    outer = [((1 - i / 24 / turns) * math.cos(i / 4), (1 - i / 24 / turns) * math.sin(i / 4)) for i in steps]
    inner = [(x * 0.97, y * 0.97) for x, y in outer]
    return outer + inner[::-1]


COMB = [(0.0, -1.0), (8.0, -1.0)] + [(8.0 - i, float(i % 4 in (1, 2))) for i in range(9)]
TEETH = [((x, 0.0), (x, 1.0), (x + 1, 1.0), (x + 1, 0.0)) for x in (0.0, 2.0, 4.0, 6.0)]
BATTLEMENTS = [*(point for tooth in TEETH for point in tooth), (7.0, -1.0), (0.0, -1.0)]


@pytest.mark.parametrize("seed", range(150))
def test_a_polygon_on_a_grid_is_exact(seed: int) -> None:
    # Small grids: edges on one line, parallel rays, corners that are level.
    grid = (3, 4, 5, 8, 12)[seed % 5]
    outline = grown(seed, grid, (5, 9, 16, 30)[seed % 4])
    formula = find_formula(outline)
    assert sorted(i for i in formula.postfix if i >= 0) == list(range(len(formula.corners)))
    for i in range(-2, 2 * grid + 1):
        for j in range(-2, 2 * grid + 1):
            assert formula_sign(formula, i / 2, j / 2) == exact_sign(outline, i / 2, j / 2), (outline, i, j)


@pytest.mark.parametrize("outline", [COMB, BATTLEMENTS], ids=["comb", "battlements"])
@pytest.mark.parametrize("turn", range(4))
def test_level_teeth_are_exact(outline: Outline, turn: int) -> None:
    for _ in range(turn):
        outline = [(-y, x) for x, y in outline]
    formula = find_formula(outline)
    for i in range(-20, 21):
        for j in range(-20, 21):
            assert formula_sign(formula, i / 2, j / 2) == exact_sign(outline, i / 2, j / 2)


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize(
    "outline",
    [TRIANGLE, star(7, 1), star(50, 2), star(400, 3), spiral(3), spiral(20), grown(7, 40, 80)],
    ids=["triangle", "star7", "star50", "star400", "spiral3", "spiral20", "grown"],
)
def test_a_polygon_in_floats(outline: Outline, precision: Precision) -> None:
    largest = max(abs(c) for point in outline for c in point)
    at = points(1.2 * largest)
    shape = shapes.polygon(outline)
    got, exact = values(shape, at, precision), values(shape, at)
    assert np.abs(got - exact).max() < 20 * largest * precision.epsilon
    wrong = (got < 0) != parity(outline, at)
    assert not wrong[np.abs(exact) > 20 * largest * precision.epsilon].any()
    on_corners = values(shape, np.transpose(outline))
    assert np.abs(on_corners).max() < 20 * largest * Precision.F64.epsilon


def test_the_direction_of_travel_does_not_matter() -> None:
    outline = star(30, 4)
    at = points(1.2)
    forward = values(shapes.polygon(outline), at)
    for other in (outline[::-1], outline[11:] + outline[:11]):
        assert (values(shapes.polygon(other), at) < 0).tolist() == (forward < 0).tolist()


def test_repeated_and_straight_points_are_dropped() -> None:
    square = [(0, 0), (1, 0), (1, 1), (0, 1)]
    more = [(0, 0), (0.5, 0), (1, 0), (1, 0), (1, 1), (0, 1), (0, 0.25), (0, 0)]
    assert find_formula([(float(x), float(y)) for x, y in more]).corners == tuple(square)
    assert repr(shapes.polygon(more)) == repr(shapes.polygon(square))


def test_an_edge_along_an_axis_is_one_operation() -> None:
    assert shapes.polygon([(0.1, 0.2), (0.8, 0.2), (0.8, 0.9), (0.1, 0.9)]).graph().operation_count == 7


@pytest.mark.parametrize(
    ("outline", "message"),
    [
        ([], "needs three corners"),
        ([(0, 0), (1, 1)], "needs three corners|turns back"),
        ([(0, 0), (1, 1), (2, 2)], "turns back on itself"),
        ([(1, 1)] * 5, "needs three corners"),
        ([(0, 0), (2, 0), (1, 0), (1, 1)], "turns back on itself at point 1"),
        ([(0, 0), (1, 1), (1, 0), (0, 1)], "edges that begin at points 0 and 2 meet"),
        ([(0, 0), (4, 0), (4, 4), (2, 0), (0, 4)], "meet"),
        ([(0, 0), (4, 0), (4, 4), (0, 0), (-4, 4), (-4, 0)], "meet"),
        ([(0, 0), (4, 0), (4, 2), (3, 0), (1, 0), (0, 2)], "meet"),
        (
            [(0, 0), (1, 0), (float("nan"), 1)],
            r"polygon: points\[2\]\[0\]: expected a finite number, not nan",
        ),
        ([(0, 0), (1, 0), (1, 1, 1)], r"polygon: points\[2\]: expected 2 coordinates"),
        (5, "polygon: points: expected a sequence, not 5"),
    ],
)
def test_what_is_no_simple_polygon_is_refused(outline: Any, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        shapes.polygon(outline)
