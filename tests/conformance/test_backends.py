"""Every backend computes every operation as its scalar body defines it, bit for bit, NaN payloads aside.

The body is called as the plain Python function that it is, on one operand after the other. Backends are found
through the registry; one that is not available here is skipped with the reason that its probe gives.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from absint.base.errors import BackendError
from absint.base.registry import names
from absint.domains.interval import IntervalDomain
from absint.domains.lattice import Interval
from absint.evaluation.backend import Backend, find_backend
from absint.evaluation.view import View
from absint.ir.graph import Graph, GraphBuilder
from absint.ir.interpreter import interpret_concrete
from absint.ir.program import Program
from absint.ops.precision import Precision
from absint.ops.table import Op
from tests.support.operands import OPERATIONS, Column, random_bits, random_moderate, same, scaled, spicy

PRECISIONS = pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
EVERY_OP = pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)


@pytest.fixture(params=names("backends"))
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend that can be used here."""
    try:
        return find_backend(request.param)
    except BackendError as error:
        pytest.skip(str(error))


@cache
def operands(op: Op, precision: Precision) -> tuple[Column, ...]:
    """All special values, or all pairs of them, and random ones."""
    rng = np.random.default_rng(op.code)
    special = spicy(op, precision)
    grids = np.meshgrid(*[special] * op.arity, indexing="ij")
    count = scaled(150)
    return tuple(
        np.concatenate(
            [grid.ravel(), random_bits(rng, precision, count), random_moderate(rng, precision, count)]
        )
        for grid in grids
    )


@cache
def defined(op: Op, precision: Precision) -> Column:
    """What the scalar body gives on `operands`."""
    body: Callable[..., Any] = op.body(precision)
    with np.errstate(all="ignore"):
        results = [body(*values) for values in zip(*operands(op, precision), strict=True)]
    return np.array(results, precision.dtype)


def graph_of(op: Op, constants: dict[int, float] | None = None) -> Graph:
    """The program `op(x, y)`, with constants in the positions given."""
    builder = GraphBuilder()
    given = constants or {}
    nodes = [
        builder.append(0, value=given[i]) if i in given else builder.variable("xy"[i])
        for i in range(op.arity)
    ]
    return builder.build(builder.apply(op, *nodes))


def assert_same(got: Any, expected: Any, precision: Precision, columns: tuple[Column, ...]) -> None:
    assert got.dtype == precision.dtype
    wrong = np.flatnonzero(~same(got, expected, precision))
    assert not len(wrong), (
        f"{len(wrong)} differ, first at {[column[wrong[0]] for column in columns]}: "
        f"expected {expected[wrong[0]]!r}, got {got[wrong[0]]!r}"
    )


@PRECISIONS
@EVERY_OP
def test_values_are_those_of_the_scalar_body(backend: Backend, op: Op, precision: Precision) -> None:
    columns = operands(op, precision)
    executable = backend.prepare(Program(graph_of(op), precision))
    got = executable.values(*columns, *[np.zeros(1)] * (2 - op.arity))
    assert_same(got, defined(op, precision), precision, columns)


@PRECISIONS
@EVERY_OP
def test_constant_operands_are_no_different(backend: Backend, op: Op, precision: Precision) -> None:
    """Also where all operands are constants, which an array backend may hold as scalars."""
    columns = operands(op, precision)
    expected = defined(op, precision)
    rng = np.random.default_rng(1)
    for i in rng.choice(len(expected), scaled(25), replace=False):
        for fixed in {(0,), tuple(range(op.arity)), (op.arity - 1,)}:
            graph = graph_of(op, {position: float(columns[position][i]) for position in fixed})
            point = [column[i] for column in columns] + [0.0] * (2 - op.arity)
            got = backend.prepare(Program(graph, precision)).values(*point)
            assert_same(
                np.reshape(got, 1), expected[i : i + 1], precision, tuple(c[i : i + 1] for c in columns)
            )


@PRECISIONS
@EVERY_OP
def test_all_operands_the_same_node(backend: Backend, op: Op, precision: Precision) -> None:
    builder = GraphBuilder()
    x = builder.variable("x")
    graph = builder.build(builder.apply(op, *[x] * op.arity))
    values = spicy(op, precision)
    with np.errstate(all="ignore"):
        expected = np.array([op.body(precision)(*[v] * op.arity) for v in values], precision.dtype)
    assert_same(
        backend.prepare(Program(graph, precision)).values(values, 0.0), expected, precision, (values,)
    )


@PRECISIONS
def test_interpreting_a_graph_gives_the_same(precision: Precision) -> None:
    """The walk over the graph that promises are checked with is no second meaning."""
    for op in OPERATIONS:
        columns = operands(op, precision)
        variables = dict(zip("xy", columns, strict=False))
        got = interpret_concrete(graph_of(op), precision, variables)[-1]
        expected = defined(op, precision)
        assert_same(np.broadcast_to(got, expected.shape), expected, precision, columns)


@PRECISIONS
@EVERY_OP
def test_images_show_where_the_value_is_negative(backend: Backend, op: Op, precision: Precision) -> None:
    view = View.square(16, scale=3.0)
    image = backend.prepare(Program(graph_of(op), precision)).image(view)
    with np.errstate(all="ignore"):
        points = [(y, x) for y in view.ys(precision) for x in view.xs(precision)]
        inside = [op.body(precision)(*(x, y)[: op.arity]) < 0 for y, x in points]
    assert image.dtype == np.uint8
    assert np.array_equal(image, np.where(inside, 255, 0).reshape(16, 16))


@PRECISIONS
@EVERY_OP
def test_bounds_are_those_of_the_interval_domain(backend: Backend, op: Op, precision: Precision) -> None:
    """For boxes with special and random ends, and for variables that are not bounded at all."""
    columns = operands(op, precision)
    rng = np.random.default_rng(2)
    numbers = [column[~np.isnan(column)] for column in columns]
    ends = [np.sort(rng.choice(column, (2, scaled(60))), axis=0) for column in numbers]
    program = Program(graph_of(op), precision)
    boxes = {name: (low, high) for name, (low, high) in zip("xy", ends, strict=False)}
    domain = IntervalDomain(precision)
    executable = backend.prepare(program)
    with np.errstate(all="ignore"):
        for bounded in (dict(boxes), {"x": boxes["x"]}):
            got = executable.bounds(bounded)
            for i in range(ends[0].shape[1]):
                known = [
                    Interval(bounded[name][0][i], bounded[name][1][i], False)
                    if name in bounded
                    else domain.top()
                    for name in "xy"[: op.arity]
                ]
                expected = domain.transfer(op, known)
                found = [np.asarray(part)[i] for part in got]
                for p, q in zip(found, expected, strict=True):
                    # the sign of a zero end is of no meaning
                    assert p == q or (p != p and q != q), (known, found, expected)
