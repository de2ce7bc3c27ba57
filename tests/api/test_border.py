"""What comes from outside is made plain or refused: sizes, numbers, names, points, graphs."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest

import absint
from absint import Box, Graph, GraphBuilder, Grid, Precision, Program, Promise, View, X, Y
from absint.base.arguments import elements, number, pair, whole, word, words
from absint.base.errors import (
    AbsintError,
    ExpressionError,
    GraphError,
    PipelineError,
    PromiseError,
    UsageError,
    ViewError,
)
from absint.evaluation.backend import find_backend
from absint.frontend.expr import OperandError
from absint.ir.graph import check_graph, mark_verified
from absint.ir.tape import make_tape
from absint.lowering.plan import make_plan
from absint.ops.table import NEG, SUB
from absint.study.specialisation import measure_regions

DISC = absint.sqrt(X * X + Y * Y) - 0.5
BACKENDS = ("reference", "numba")
INTEGERS = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64)


# Messages


# Plain arguments


@pytest.mark.parametrize("kind", INTEGERS)
def test_whole_numbers_of_any_type(kind: Any) -> None:
    assert type(whole(kind(100), "n")) is int
    view = View(kind(100), kind(64))
    assert view == View(100, 64)
    assert (type(view.width), type(view.height)) == (int, int)
    assert (absint.render(DISC, view) == absint.render(DISC, View(100, 64))).all()


def test_numbers_of_any_type() -> None:
    view = View(8, 8, [np.float32(0.25), Fraction(1, 2)], np.longdouble(2), np.int8(1), "pixel")  # type: ignore[arg-type]
    assert view == View(8, 8, (0.25, 0.5), 2.0, 1.0, Grid.PIXEL)
    assert {type(value) for value in (*view.center, view.scale, view.z)} == {float}
    box = Box({np.str_("x"): [np.int8(-1), np.float16(0.5)], "t": np.array([0.0, 1.0])})  # type: ignore[dict-item]
    assert box == Box({"x": (-1.0, 0.5), "t": (0.0, 1.0)})
    assert {type(name) for name in box.bounds} == {str}


@pytest.mark.parametrize(
    "fields",
    [
        {"width": 2.0}, {"width": "2"}, {"width": None}, {"height": np.array([1, 2])}, {"center": (0, 0, 0)},
        {"center": [1.0]}, {"center": "ab"}, {"center": {0.0, 1.0}}, {"center": (10**400, 0)}, {"scale": "1"},
        {"scale": 1j}, {"z": None}, {"grid": "square"}, {"grid": np.array(["pixel", "x"])},
        {"width": 10**5000},
    ],
)  # fmt: skip
def test_no_view_is_made_of_anything_else(fields: dict[str, Any]) -> None:
    with pytest.raises(ViewError):
        View(**({"width": 4, "height": 3} | fields))


@pytest.mark.parametrize(
    "bounds",
    [
        {"x": "ab"}, {"x": None}, {"x": (0, 10**400)}, {"x": (0.0,)}, {"x": (0.0, 1.0, 2.0)}, {1: (0.0, 1.0)},
        {"x": (np.zeros(2), 1.0)}, {"x": (float("nan"), 1.0)}, [("x", (0.0, 1.0))], None, "x=0:1",
    ],
)  # fmt: skip
def test_no_box_is_made_of_anything_else(bounds: Any) -> None:
    with pytest.raises(ViewError):
        Box(bounds)


def test_a_box_is_its_own() -> None:
    bounds = {"x": (0.0, 1.0)}
    box = Box(bounds)
    bounds["x"] = (5.0, 6.0)
    assert box == Box({"x": (0.0, 1.0)}) == pickle.loads(pickle.dumps(box)) == copy.deepcopy(box)
    with pytest.raises(TypeError):
        box.bounds["x"] = (5.0, 6.0)  # type: ignore[index]  # what is tested


def test_texts_are_no_sequences_of_names() -> None:
    assert words(["a", np.str_("b")], "names") == ("a", "b")
    assert type(word(np.str_("a"), "name")) is str
    for value in ("ab", b"ab", 5, [1]):
        with pytest.raises(UsageError):
            words(value, "names")
    assert elements(iter([1, 2, 3]), 2) == (1, 2, 3)
    assert elements({1.0}, 2) is elements("ab", 2) is elements(np.array(1.0), 2) is None
    with pytest.raises(UsageError, match="n 0: expected at least 1"):
        whole(0, "n", least=1)
    with pytest.raises(UsageError, match="too large for binary64"):
        number(10**400, "x")
    with pytest.raises(UsageError, match="two numbers"):
        pair((1.0,), "x")


def test_programs_take_names() -> None:
    graph = DISC.graph()
    program = Program(graph, "f64", promise="sign")  # type: ignore[arg-type]  # what is tested
    assert (program.precision, program.promise) == (Precision.F64, Promise.SIGN)
    for fields in ({"precision": "f16"}, {"promise": 1}, {"box": {"x": (0.0, 1.0)}}, {"source": graph}):
        with pytest.raises(UsageError):
            Program(graph, **fields)  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="expected a graph"):
        Program(DISC)  # type: ignore[arg-type]


# Points


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ma.masked_invalid([0.5, np.nan]), "mask"),
        ([np.ma.masked_equal([0.5, 1.0], 1.0)], "mask"),
        ([[0.5], [0.5, 1.0]], "not an array of numbers"),
        (["0.5"], "real numbers"),
        ([None], "real numbers"),
        (np.array([1], "M8[s]"), "real numbers"),
        ([2**70], "real numbers"),
        (np.zeros(3), "do not broadcast"),
    ],
)
def test_what_is_no_array_of_points(backend: str, x: Any, message: str) -> None:
    executable = find_backend(backend).prepare(Program(DISC.graph()))
    y = np.zeros(2)
    for call in (
        lambda: absint.evaluate(DISC, x, y, backend=backend),
        lambda: executable.values(x, y),
        lambda: executable.bounds({"x": (x, x), "y": (y, y)}),
    ):
        with pytest.raises(UsageError, match=message):
            call()


@pytest.mark.parametrize("boxes", [{"x": (0.0, 1.0, 2.0)}, {"x": "ab"}, {"x": 1.0}, [("x", 0.0)], None])
def test_what_is_no_mapping_of_boxes(boxes: Any) -> None:
    for backend in BACKENDS:
        with pytest.raises(UsageError):
            find_backend(backend).prepare(Program(DISC.graph())).bounds(boxes)


def test_points_of_any_layout() -> None:
    plain = np.linspace(-1.0, 1.0, 12)
    misaligned = np.ndarray(12, np.float64, bytes(1) + plain.tobytes(), 1)
    for backend in BACKENDS:
        expected = absint.evaluate(DISC, plain, 0.0, backend=backend)
        swapped, strided = plain.astype(">f8"), np.repeat(plain, 2)[::2]
        for points in (swapped, plain[::-1].copy()[::-1], strided, misaligned, plain.tolist()):
            assert (absint.evaluate(DISC, points, 0.0, backend=backend) == expected).all()


def test_a_picture_is_not_drawn_into_a_masked_array() -> None:
    executable: Any = find_backend("numba").prepare(Program(DISC.graph()))
    with pytest.raises(UsageError, match="found a MaskedArray"):
        executable.image(View(8, 8), out=np.ma.zeros((8, 8), np.uint8))
    with pytest.raises(UsageError, match="expected a View"):
        executable.image(None)


# Graphs


def broken() -> Graph:
    """A graph whose root is its own operand."""
    graph = DISC.graph()
    args = graph.args.copy()
    args[-1, 0] = graph.root
    return replace(graph, args=args)


def test_a_graph_that_is_not_sound_is_refused_at_every_entrance() -> None:
    graph = broken()
    program = Program(graph)
    derived = Program(graph, source=Program(DISC.graph()))
    calls: list[Callable[[], object]] = [
        partial(absint.load, graph), partial(absint.render, graph), partial(absint.load, program),
        partial(absint.render, program), partial(absint.optimize, derived), partial(make_plan, program),
        partial(make_tape, graph), partial(absint.write_vm, graph),
        partial(absint.evaluate, derived, 0.0, 0.0), partial(measure_regions, program, (2, 2, 1)),
        partial(absint.frontend.expr.from_graph, graph),
        *(partial(find_backend(name).prepare, program) for name in BACKENDS),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(GraphError, match="is not an earlier node"):
            call()


def test_a_graph_is_verified_once_and_its_copies_again() -> None:
    graph = mark_verified(broken())
    graph.verify()
    with pytest.raises(GraphError):
        replace(graph).verify()
    with pytest.raises(GraphError):
        pickle.loads(pickle.dumps(graph)).verify()
    with pytest.raises(GraphError):
        copy.copy(graph).verify()


def test_a_graph_is_its_own() -> None:
    """Not changed by what it was made of, nor by who makes its arrays writeable."""
    args = DISC.graph().args.copy()
    variables = dict(DISC.graph().variables)
    graph = replace(DISC.graph(), args=args, variables=variables)
    args[:] = 7
    variables.clear()
    graph.verify()
    assert absint.render(graph, 8).any()
    for array in (graph.op, graph.args, graph.constants, graph.lines):
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True
    again = pickle.loads(pickle.dumps(graph))
    assert again.rows == graph.rows
    assert again.variables == graph.variables


def test_arrays_of_any_layout_are_taken_and_of_other_types_not() -> None:
    graph = DISC.graph()
    twice = np.repeat(graph.args, 2, axis=0)
    strided = replace(graph, args=twice[::2], op=graph.op.copy()[::-1].copy()[::-1])
    assert strided.args.flags.c_contiguous
    assert (absint.render(strided, 16) == absint.render(graph, 16)).all()
    others = np.ma.array(graph.args), graph.args.view(np.matrix)
    for args in (graph.args.astype(">i4"), graph.args.tolist(), *others):
        with pytest.raises(GraphError, match="args is"):
            replace(graph, args=args).verify()


def test_what_a_builder_is_given_is_looked_at() -> None:
    def built(code: Any = SUB.code, a: Any = 0, b: Any = 0, value: Any = 0.0, name: Any = None) -> Graph:
        builder = GraphBuilder()
        builder.variable("x")
        builder.append(code, a, b, value, name)
        return builder.build()

    built().verify()
    for fields in (
        {"code": 250}, {"code": 300}, {"code": "a"}, {"a": 0.5}, {"a": 2**40}, {"a": 1}, {"a": -1},
        {"b": None}, {"code": NEG.code}, {"value": "1"}, {"value": 1.0}, {"name": 5}, {"name": np.str_("n")},
    ):  # fmt: skip
        with pytest.raises(GraphError):
            built(**fields).verify()
    builder = GraphBuilder()
    graph = DISC.graph()
    for call in (partial(builder.constant, "1"), partial(builder.build, 5), partial(builder.copy, graph, 99)):
        with pytest.raises(GraphError):
            call()


def test_a_lowered_program_has_no_values() -> None:
    lowered = absint.optimize(DISC, level=3).graph
    for backend in BACKENDS:
        with pytest.raises(PromiseError):
            find_backend(backend).prepare(Program(lowered)).values(0.0, 0.0)
    with pytest.raises(GraphError, match="lowered"):
        make_tape(lowered)


def test_what_has_a_graph_is_none() -> None:
    program = Program(DISC.graph())
    for value, hint in ((DISC, r"a Expr: give its graph\(\)"), (program, "a Program: give its graph$")):
        with pytest.raises(GraphError, match=hint):
            check_graph(value)


# Expressions


@pytest.mark.parametrize(
    "other", ["a", b"a", bytearray(b"a"), [1.0], (1.0,), range(2), np.ones(2), np.ma.masked]
)
def test_operators_name_an_operand_that_is_none(other: Any) -> None:
    for call in (
        lambda: X * other,
        lambda: other * X,
        lambda: X + other,
        lambda: X - other,
        lambda: X / other,
    ):
        with pytest.raises(TypeError):
            call()
    for call in (lambda: X * other, lambda: X + other):
        with pytest.raises(
            OperandError, match=f"expected an expression or a number, not {type(other).__name__}"
        ):
            call()
    assert issubclass(OperandError, ExpressionError)


def test_operators_of_others_apply() -> None:
    class Vector(tuple[float, ...]):
        def __rmul__(self, other: Any) -> str:
            return "mine"

    assert X * Vector((1.0, 2.0)) == "mine"


def test_numbers_are_substituted_into() -> None:
    assert absint.frontend.expr.substitute(2.0, x=Y).graph().values == [2.0]  # type: ignore[arg-type]


# Other arguments


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: absint.render(DISC, 8, backend=None), AbsintError),  # type: ignore[arg-type]
        (lambda: absint.render(DISC, 8, threads=0), UsageError),
        (lambda: absint.render(DISC, 8, threads="2"), UsageError),  # type: ignore[arg-type]
        (lambda: absint.render(DISC, 8, precision=np.array(["f32", "f64"])), UsageError),  # type: ignore[arg-type]
        (lambda: absint.optimize(DISC, level=[2]), UsageError),
        (lambda: absint.optimize(DISC, passes=5), PipelineError),
        (lambda: absint.optimize(DISC, domains=[5]), UsageError),
        (lambda: absint.optimize(DISC, instruments=[5]), PipelineError),
        (lambda: absint.parse_vm(b"a var-x"), UsageError),  # type: ignore[arg-type]
        (lambda: absint.read_vm(5), UsageError),  # type: ignore[arg-type]
        (lambda: absint.write_vm(DISC), GraphError),  # type: ignore[arg-type]
        (lambda: absint.write_vm(DISC.graph(), "one line"), UsageError),
        (lambda: absint.study.tiles(DISC, 0), UsageError),
        (lambda: absint.study.tiles(DISC, 10**9), UsageError),
        (lambda: absint.study.quadtree(DISC, 10**9), UsageError),
        (lambda: absint.study.explain(DISC, "0", 0.0), UsageError),  # type: ignore[arg-type]
        (lambda: absint.shapes.rotate(DISC, 1.0, np.array(["x", "y"])), ExpressionError),  # type: ignore[arg-type]
        (lambda: find_backend("numba").prepare(DISC), UsageError),  # type: ignore[arg-type]
        (lambda: find_backend("numba").prepare(Program(DISC.graph()), 0), UsageError),
        (lambda: absint.load(DISC).restricted(None, Precision.F32), UsageError),  # type: ignore[arg-type]
    ],
)
def test_arguments_of_wrong_types(call: Callable[[], object], error: type[AbsintError]) -> None:
    with pytest.raises(error) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 1
