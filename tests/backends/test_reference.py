"""The reference evaluator, alone: what it returns, what it refuses, and what memory it takes."""

from __future__ import annotations

import math
import tracemalloc
import warnings
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from absint.api import run_pipeline
from absint.backends.arrays import ArrayEngine
from absint.base.errors import DomainError, PromiseError
from absint.domains.interval import IntervalDomain
from absint.domains.lattice import Interval
from absint.evaluation.backend import find_backend
from absint.evaluation.engine import Engine
from absint.evaluation.image_files import pgm
from absint.evaluation.view import Grid, View
from absint.frontend.vm import parse_vm, read_vm
from absint.ir.box import Box
from absint.ir.graph import Graph
from absint.ir.interpreter import interpret_abstract, interpret_concrete
from absint.ir.program import Program, Promise
from absint.ops.precision import Precision
from absint.ops.table import SPICY
from tests.domains.containment import random_box, random_graph, random_points
from tests.support import challenge

PRECISIONS = list(Precision)
F32, F64 = PRECISIONS

DISC = parse_vm("x var-x\ny var-y\nxx square x\nyy square y\ns add xx yy\nr const 0.5\nd sub s r\n")
SOLID = parse_vm(
    "x var-x\ny var-y\nz var-z\na square x\nb square y\nc add a b\nr sqrt c\nd sub r z\ne sub z x\n"
    "f max d e\ng const 0.3\nh sub r g\nm min f h\ni div m x\n"
)
"""Of x alone, of y alone, of all three; NaN or infinite where x is 0."""
SEEDS = st.integers(0, 2**32)


def executable(graph: Graph, precision: Precision = F32, chunk: int | None = None, **fields: Any) -> Engine:
    program = Program(graph, precision, **fields)
    return find_backend("reference").prepare(program) if chunk is None else ArrayEngine(program, np, chunk)


def assert_same(got: NDArray[Any], expected: NDArray[Any]) -> None:
    """In bits, or both NaN."""
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    bits = f"u{got.dtype.itemsize}"
    same = np.ascontiguousarray(got).view(bits) == np.ascontiguousarray(expected).view(bits)
    assert (same | (np.isnan(got) & np.isnan(expected))).all()


# Values


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("x", "y", "shape"),
    [
        (0.5, 0.25, ()),
        (1, np.float64(2), ()),
        ([1, 2, 3], 0, (3,)),
        (np.zeros((4, 1)), np.zeros(3), (4, 3)),
        (np.zeros((2, 1, 1), np.float32), np.zeros((3, 1), int), (2, 3, 1)),
        (np.zeros(0), 1.0, (0,)),
        (np.zeros((3, 0)), np.zeros((3, 1)), (3, 0)),
    ],
)
def test_shapes(precision: Precision, x: Any, y: Any, shape: tuple[int, ...]) -> None:
    values = executable(DISC, precision).values(x, y)
    assert (values.shape, values.dtype) == (shape, precision.dtype)
    exact = np.square(x, dtype=float) + np.square(y, dtype=float) - 0.5  # which these points allow
    assert values.tolist() == np.broadcast_to(exact, shape).tolist()


@pytest.mark.parametrize("text", ["a const 0.1", "a const 3\nb neg a", "a var-z", "a var-x\nb const nan"])
def test_programs_that_need_no_point(text: str) -> None:
    """The shape is that of the points all the same."""
    graph = parse_vm(text)
    values = executable(graph).values(np.zeros((2, 1)), np.zeros(3), 7.0)
    one = interpret_concrete(graph, F32, {"x": np.float32(0), "z": np.float32(7)})[-1]
    assert_same(values, np.full((2, 3), one, np.float32))


@given(SEEDS, st.sampled_from(PRECISIONS))
def test_values_are_those_of_the_definition(seed: int, precision: Precision) -> None:
    """Of every op's scalar body, at points that are special for every op."""
    graph = random_graph(Random(seed), 12)
    rng = np.random.default_rng(seed)
    with np.errstate(over="ignore"):
        points = {name: rng.choice(SPICY, 5).astype(precision.dtype) for name in "xyz"}
    values = executable(graph, precision).values(**points)
    for i in range(5):
        assert_same(
            values[i, ...], np.asarray(scalar_value(graph, precision, {n: p[i] for n, p in points.items()}))
        )


def scalar_value(graph: Graph, precision: Precision, point: dict[str, Any]) -> Any:
    values: list[Any] = []
    with np.errstate(all="ignore"):
        for node in range(len(graph)):
            op = graph.record(node)
            if op.is_leaf:
                name = graph.variables.get(node)
                values.append(precision.real(graph.values[node]) if name is None else point[name])
            else:
                values.append(precision.real(op.body(precision)(*(values[o] for o in graph.operands(node)))))
    return values[-1]


def test_points_are_rounded_to_the_precision() -> None:
    graph = parse_vm("a var-x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = executable(graph).values(np.array([0.1, 1e300, -1e300, 1e-300, math.nan]), 0.0)
    assert_same(values, np.array([0.1, math.inf, -math.inf, 0.0, math.nan], np.float32))


def test_constants_that_the_precision_cannot_hold() -> None:
    run = executable(parse_vm("a const 1e300\nb neg a\nc var-x\nd mul b c\n"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run.values([1.0, 0.0], 0.0).tolist()[0] == -math.inf
        assert run.bounds({"x": (1.0, 2.0)}) == Interval(-math.inf, -math.inf, False)
        assert run.image(View.square(2)).tolist() == [[0, 255]] * 2


def test_further_variables() -> None:
    run = executable(parse_vm("a var-time\nb var-x\nc mul a b\n"))
    assert run.values([1.0, 2.0], 0.0, time=3.0).tolist() == [3.0, 6.0]
    with pytest.raises(DomainError, match="no value given for the variable 'time'"):
        run.values(1.0, 0.0)
    with pytest.raises(DomainError, match="the program has no variable 'tim'"):
        run.values(1.0, 0.0, time=1.0, tim=1.0)


def test_a_variable_that_the_root_does_not_need() -> None:
    run = executable(parse_vm("a var-time\nb var-x"))
    assert run.values(2.0, 0.0).tolist() == 2.0
    assert run.values(2.0, 0.0, time=1.0).tolist() == 2.0


@pytest.mark.parametrize("chunk", [1, 2, 7, 20, 59, 60, 61])
def test_values_do_not_depend_on_chunks(chunk: int) -> None:
    rng = np.random.default_rng(0)
    x, y, z = rng.normal(size=(3, 1, 4)), rng.normal(size=(5, 1)), rng.normal(size=(3, 5, 4))
    expected = executable(SOLID).values(x, y, z)
    assert len(np.unique(expected)) == expected.size == 60
    assert_same(executable(SOLID, chunk=chunk).values(x, y, z), expected)


# The program's box and promise

UNIT = Box({"x": (-1.0, 1.0), "y": (-1.0, 1.0), "z": (0.0, 0.0)})


def test_points_outside_the_box() -> None:
    run = executable(DISC, box=UNIT)
    assert run.values([-1.0, 1.0], [[1.0], [-0.0]], 5.0).shape == (2, 2)  # it does not depend on z
    assert run.values(np.zeros(0), 7.0).shape == (0,)  # no point, so none outside
    assert run.values(1.0 + 1e-9, 0.0).tolist() == 0.5  # which rounds to 1
    for x in (1.0000001, -2.0, math.inf, math.nan):
        with pytest.raises(DomainError, match=r"the program holds for [xy] from -1.0 to 1.0; here it "):
            run.values([0.0, x], 0.0)
    with pytest.raises(DomainError):
        executable(DISC, F64, box=UNIT).values(1.0 + 1e-9, 0.0)


def test_a_box_that_says_nothing_of_a_variable_admits_nan() -> None:
    run = executable(DISC, box=Box({"x": (-1.0, 1.0)}))
    assert math.isnan(run.values(0.0, math.nan))


def test_sign_programs_have_no_values() -> None:
    run = executable(DISC, promise=Promise.SIGN)
    with pytest.raises(PromiseError, match="promises only its sign, not its values: optimise it with -O1"):
        run.values(0.0, 0.0)
    with pytest.raises(PromiseError):
        run.bounds({"x": (0.0, 1.0)})
    assert run.image(View.square(3)).tolist() == [[0, 0, 0], [0, 255, 0], [0, 0, 0]]


def test_views_outside_the_box() -> None:
    run = executable(DISC, box=UNIT)
    assert run.image(View.square(5)).shape == (5, 5)
    assert run.image(View.square(5, z=3.0)).shape == (5, 5)  # it does not depend on z
    for view in (View.square(5, scale=1.001), View(6, 5), View.square(5, center=(0.0, 0.1))):
        with pytest.raises(DomainError, match="the program holds for"):
            run.image(view)


def test_no_image_of_other_variables() -> None:
    with pytest.raises(
        DomainError, match="an image has no position for the variable 't', only for x, y and z"
    ):
        executable(parse_vm("a var-x\nb var-t\nc add a b\n")).image(View.square(2))


# Bounds


@given(SEEDS, st.sampled_from(PRECISIONS))
def test_bounds_are_the_interval_domain(seed: int, precision: Precision) -> None:
    """Many boxes at once or each alone: the same bits. And they contain values from inside the boxes.

    The graphs have one node per variable. With two for x, the tape, which has one register for it, takes
    their product as a square; the walk over the graph does not.
    """
    random = Random(seed)
    graph = random_graph(random, 15)
    boxes = [random_box(random, precision, EXTENTS) for _ in range(4)]
    run = executable(graph, precision)
    ends = {name: ends_of([box[name] for box in boxes]) for name in boxes[0]}
    got = run.bounds(ends)
    domain = IntervalDomain(precision)
    for i, box in enumerate(boxes):
        expected = interpret_abstract(graph, domain, box)[-1]
        for part, alone in zip(got, expected, strict=True):
            assert_same(part[i, ...], np.asarray(alone))
        points = random_points(random, precision, box, 12)
        values = run.values(**points)
        inside = (values >= got.lower[i]) & (values <= got.upper[i])
        assert (inside | (np.isnan(values) & got.may_nan[i])).all()


def ends_of(intervals: list[Interval]) -> tuple[Any, Any]:
    return np.array([float(i.lower) for i in intervals]), np.array([float(i.upper) for i in intervals])


EXTENTS = ("unit", "tiny", "point", "huge", "subnormal", "scaled")
"""Of boxes whose variables are numbers."""


def test_bounds_broadcast() -> None:
    run = executable(DISC)
    lower = np.array([0.0, 1.0, 2.0])
    bounds = run.bounds({"x": (lower[:, None], lower[:, None] + 1), "y": (0.0, lower[:2] * 0)})
    assert [part.shape for part in bounds] == [(3, 2)] * 3
    assert bounds.lower.tolist() == [[-0.5] * 2, [0.5] * 2, [3.5] * 2]
    assert bounds.upper.tolist() == [[0.5] * 2, [3.5] * 2, [8.5] * 2]
    assert not bounds.may_nan.any()
    assert (bounds.lower.dtype, bounds.may_nan.dtype) == (np.float32, bool)


def test_bounds_of_what_is_not_named() -> None:
    assert executable(DISC).bounds({"x": (0.0, 1.0)}) == Interval(-0.5, math.inf, True)
    assert executable(DISC).bounds({}) == Interval(-0.5, math.inf, True)


def test_bounds_keep_to_the_box() -> None:
    run = executable(DISC, box=UNIT)
    assert run.bounds({"x": (-1.0, 1.0), "y": (0.0, 1.0)}) == Interval(-0.5, 1.5, False)
    for boxes in (
        {"x": (-1.0, 1.0), "y": (0.0, 1.5)},
        {"x": (-1.0, 1.0)},  # y may be anything
        {},
        {"x": (np.array([0.0, -2.0]), 1.0), "y": (0.0, 1.0)},
    ):
        with pytest.raises(DomainError, match="the program holds for"):
            run.bounds(boxes)


@pytest.mark.parametrize("ends", [(1.0, 0.0), (math.nan, 1.0), (0.0, math.nan), ([0.0, 1.0], 0.5)])
def test_bounds_of_no_box(ends: tuple[Any, Any]) -> None:
    with pytest.raises(DomainError, match="a box is empty along x: the lower end is above"):
        executable(DISC).bounds({"x": ends})


def test_bounds_of_an_unknown_variable() -> None:
    with pytest.raises(DomainError, match="the program has no variable 'w'"):
        executable(DISC).bounds({"w": (0.0, 1.0)})
    assert executable(DISC).bounds({"z": (0.0, 1.0)}).upper == math.inf  # as values does


# Images


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("grid", list(Grid))
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (13, 7), (7, 13), (64, 31)])
@pytest.mark.parametrize("chunk", [1, 5, 13, 90, None])
def test_image_is_where_the_values_are_negative(
    size: tuple[int, int], grid: Grid, precision: Precision, chunk: int | None
) -> None:
    view = View(*size, center=(0.1, -0.05), scale=0.9, z=0.3, grid=grid)
    run = executable(SOLID, precision, chunk)
    image = run.image(view)
    values = run.values(view.xs(precision), view.ys(precision)[:, None], view.height_z(precision))
    assert image.dtype == np.uint8
    assert image.shape == (view.height, view.width)
    assert np.array_equal(image, np.where(values < 0, 255, 0))


@pytest.mark.parametrize(
    ("text", "pixel"),
    [
        *(
            ("a const nan", 0),
            ("a const -0.0", 0),
            ("a const 0", 0),
            ("a const -5e-324", 0),
            ("a const inf", 0),
        ),
        *(("a const -1", 255), ("a const -inf", 255), ("a const -1e-45", 255), ("a var-z", 255)),
    ],
)
def test_pixels(text: str, pixel: int) -> None:
    """Strictly below zero, in the precision of the run."""
    image = executable(parse_vm(text)).image(View(3, 2, z=-1.0))
    assert image.tolist() == [[pixel] * 3] * 2


@pytest.mark.parametrize("precision", PRECISIONS)
def test_prospero_is_the_challenge_script(models_dir: Path, precision: Precision) -> None:
    source = read_vm(models_dir / "prospero.vm")
    sign, _ = run_pipeline(Program(source), precision=precision)
    expected = challenge.draw((models_dir / "prospero.vm").read_text(), 256, precision.real)
    for program in (Program(source, precision), sign):
        assert pgm(find_backend("reference").prepare(program).image(View.square(256))) == expected


def test_memory_does_not_grow_with_the_picture() -> None:
    """300 operations on 2²⁰ pixels are 1.2 GB at once; a few registers in bands are a few MB."""
    lines = ["x var-x", "y var-y", "v0 mul x y"]
    lines += [f"v{i} {('add', 'sub', 'mul')[i % 3]} v{i - 1} {'xy'[i % 2]}" for i in range(1, 300)]
    run = executable(parse_vm("\n".join(lines)))
    tracemalloc.start()
    try:
        image = run.image(View.square(1024))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < image.nbytes + 4 * 2**20
