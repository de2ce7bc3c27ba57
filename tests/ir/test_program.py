"""Boxes, and that a program never claims to hold for more than it does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from absint.api import run_pipeline
from absint.base.errors import DomainError, ViewError
from absint.frontend.vm import parse_vm
from absint.ir.box import ANYTHING, EVERYWHERE, Box
from absint.ir.graph import GraphBuilder
from absint.ir.program import Program, Promise, describe
from absint.ops.precision import Precision
from absint.ops.table import NEG
from absint.rewriting.promise import check_promise, sample_points

F32, F64 = Precision.F32, Precision.F64
BITS, SIGN = Promise.BITS, Promise.SIGN
INF = math.inf


# Boxes


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("-1:1,-2:3", {"x": (-1, 1), "y": (-2, 3), "z": (-1, 1)}),
        ("0:0,.5:1e3,-1e-3:inf", {"x": (0, 0), "y": (0.5, 1000), "z": (-1e-3, INF)}),
        (" -1 : 1 , -inf:0 ", {"x": (-1, 1), "y": (-INF, 0), "z": (-1, 1)}),
        ("all", {}),
        (" all ", {}),
    ],
)
def test_parse_box(text: str, bounds: dict[str, tuple[float, float]]) -> None:
    assert Box.parse(text) == Box(bounds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected x0:x1,y0:y1"),
        ("-1:1", "expected x0:x1,y0:y1"),
        ("0:1,0:1,0:1,0:1", "expected x0:x1,y0:y1"),
        ("everything", "expected x0:x1,y0:y1"),
        ("0:1,0", "'0' is not a range such as -1:1"),
        ("0:1,0:1:2", "'0:1:2' is not a range"),
        ("0:1,:1", "':1' is not a range"),
        ("0:1,a:1", "'a:1' is not a range"),
        ("0:1,", "'' is not a range"),
        ("0:1,1:0", "'1:0' is empty"),
        ("0:1,nan:1", "'nan:1' is empty"),
        ("0:1,0:nan", "'0:nan' is empty"),
    ],
)
def test_parse_box_refuses(text: str, message: str) -> None:
    with pytest.raises(ViewError) as caught:
        Box.parse(text)
    assert str(caught.value).startswith(f"region {text!r}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("bounds", [(1.0, 0.0), (math.nan, 0.0), (0.0, math.nan)])
def test_box_that_holds_nothing(bounds: tuple[float, float]) -> None:
    with pytest.raises(ViewError, match=r"box: x runs from .* which is empty"):
        Box({"x": bounds})


def test_contains() -> None:
    box = Box({"x": (-1.0, 1.0), "w": (0.0, 2.0)})
    assert box.contains(box)
    assert box.contains(Box({"x": (0.0, 1.0), "w": (1.0, 1.0), "y": (5.0, 6.0)}))
    assert not box.contains(Box({"x": (0.0, 1.0)}))  # there w may be anything
    assert not box.contains(Box({"x": (0.0, 1.5), "w": (1.0, 1.0)}))
    assert not box.contains(Box({"x": (-1.5, 1.0), "w": (1.0, 1.0)}))
    assert not box.contains(EVERYWHERE)
    assert EVERYWHERE.contains(box)
    assert EVERYWHERE.contains(EVERYWHERE)
    assert not Box({"x": (-INF, INF)}).contains(EVERYWHERE)  # which has NaN too


def test_of_variable() -> None:
    box = Box.of((0.0, 1.0), (2.0, 3.0))
    assert box.of_variable("y") == (2.0, 3.0, False)
    assert box.of_variable("z") == ANYTHING == (-INF, INF, True)


@given(
    st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)).map(sorted), st.sampled_from(Precision)
)
def test_end_points_are_rounded_as_samples(ends: list[float], precision: Precision) -> None:
    with np.errstate(over="ignore"):
        expected = np.array(ends).astype(precision.dtype).astype(np.float64) + 0.0
    box = Box({"x": (ends[0], ends[1])})
    if (np.isinf(expected) & np.isfinite(ends)).any():
        with pytest.raises(ViewError, match="overflows"):
            box.rounded(precision)
        return
    lower, upper = box.rounded(precision).bounds["x"]
    assert np.array([lower, upper]).tobytes() == expected.tobytes()


def test_rounded_box_of_its_samples_may_be_larger() -> None:
    """0.1 is no binary32; a sample at 0.1 is where it rounds to, and in the box."""
    assert Box({"x": (0.1, 0.1)}).rounded(F32) == Box({"x": (float(np.float32(0.1)),) * 2})


@pytest.mark.parametrize(
    ("box", "text"),
    [
        (EVERYWHERE, "all"),
        (Box.default(), "x=-1.0:1.0,y=-1.0:1.0,z=-1.0:1.0"),
        (Box({"w": (0.0, 1.0), "z": (0.0, INF), "b": (0.1, 0.2)}), "z=0.0:inf,b=0.1:0.2,w=0.0:1.0"),
    ],
)
def test_box_as_text(box: Box, text: str) -> None:
    assert str(box) == text
    assert describe(Program(SOURCE.graph, F64, box, SIGN)) == f"precision f64, box {text}, promise sign"


# Programs

SOURCE = Program(
    parse_vm("x var-x\ny var-y\na abs x\nt const 0.1\nd sub t t\ne max a d\nf sub e t\nr max f y\n")
)
"""On positive x, `a` is x; `d` is a constant; the sign of the result needs less than its bits."""
SMALL = Box({"x": (0.5, 1.0), "y": (-1.0, 1.0), "z": (0.0, 0.0)})
SMALLER = Box({"x": (0.75, 1.0), "y": (0.0, 1.0), "z": (0.0, 0.0)})


def specialised(level: int) -> Program:
    program, _ = run_pipeline(SOURCE, level=level, region=SMALL)
    assert len(program.graph) < len(SOURCE.graph)
    return program


def test_specialised_program_knows_where_it_comes_from() -> None:
    program = specialised(1)
    assert program.origin is SOURCE
    assert (program.precision, program.box, program.promise) == (F32, SMALL, BITS)
    assert specialised(2).promise is SIGN


@pytest.mark.parametrize(
    ("level", "box", "precision", "promise", "reused"),
    [
        (1, SMALL, F32, BITS, True),
        (1, SMALLER, F32, BITS, True),
        (1, SMALLER, F32, SIGN, True),
        (2, SMALLER, F32, SIGN, True),
        (2, SMALLER, F32, BITS, False),
        (1, SMALLER, F64, BITS, False),
        (2, SMALLER, F64, SIGN, False),
        (1, Box.default(), F32, BITS, False),
        (2, Box.default(), F32, SIGN, False),
        (1, EVERYWHERE, F32, BITS, False),
        (1, Box({"x": (0.5, 1.0), "y": (-1.0, 1.0)}), F32, BITS, False),  # no word of z
        (1, Box({**SMALL.bounds, "y": (-1.0, 1.0 + 1e-12)}), F32, BITS, True),  # rounds to 1
        (1, Box({**SMALL.bounds, "y": (-1.0, 1.0 + 1e-6)}), F32, BITS, False),
    ],
)
def test_restricted_starts_from_what_holds(
    level: int, box: Box, precision: Precision, promise: Promise, reused: bool
) -> None:
    program = specialised(level)
    start = program.restricted(box, precision, promise)
    assert start.source is (program if reused else SOURCE)
    assert start.graph is (program if reused else SOURCE).graph
    assert (start.box, start.precision) == (box.rounded(precision), precision)
    assert start.origin is SOURCE
    assert start.promise is (program.promise if reused else BITS)


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("box", [SMALLER, SMALL, Box.default(), EVERYWHERE])
@pytest.mark.parametrize("precision", list(Precision))
def test_optimising_twice_keeps_the_promise(level: int, box: Box, precision: Precision) -> None:
    first = specialised(2)
    second, _ = run_pipeline(first, level=level, region=box, precision=precision)
    points = sample_points("xy", second.box, precision, 2000)
    assert check_promise(SOURCE, second, points, SIGN if level == 2 else BITS) is None


def test_a_pass_result_is_never_an_origin() -> None:
    """A program built for a box is its own origin, and holds there only; what a pass made is not."""
    built = Program(SOURCE.graph, F32, SMALL)
    builder = GraphBuilder()
    other = builder.build(builder.apply(NEG, builder.variable("x")))
    made = built.with_graph(other)
    assert made.origin is built
    assert made.restricted(SMALLER, F32).graph is other
    with pytest.raises(DomainError, match="optimise its source"):
        made.restricted(Box.default(), F32)
    assert made.with_graph(other) is made
    assert made.with_graph(SOURCE.graph).origin is built


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize(
    "ends", [(-1.0, 1.0), (2.0, 3.0), (0.0, 0.0), (-INF, -INF), (INF, INF), (-INF, -1e30), (-3e38, 3e38)]
)
def test_samples_lie_in_the_box(ends: tuple[float, float], precision: Precision) -> None:
    """Its ends, both zeros where it holds them, and beyond it nothing; NaN only where it has no bounds."""
    points = sample_points("xy", Box({"x": ends}), precision, 5000, special={"x": [*ends, 7.0]})
    x, y = points["x"], points["y"]
    assert x.dtype == y.dtype == precision.dtype
    assert ((x >= ends[0]) & (x <= ends[1])).all()
    assert {*map(precision.round, ends)} <= {*x.tolist()}
    signs = set(np.signbit(x[x == 0]).tolist())
    assert signs == ({False, True} if ends[0] <= 0 <= ends[1] else set())
    assert np.isnan(y).any() and {-INF, INF} <= {*y.tolist()}


def test_samples_of_no_variables() -> None:
    assert sample_points((), Box(), F32, 10) == {}
