"""The pass `contract`: boxes that hold every point at which an operand is true, and not much more."""

from __future__ import annotations

import math

import numpy as np
import pytest

from absint.frontend.vm import dump_vm, parse_vm
from absint.ir.box import Box
from absint.ir.interpreter import interpret_concrete
from absint.ir.program import Program, Promise
from absint.ops.precision import Precision
from absint.ops.table import OPS, Op
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassManager, parse_pipeline
from absint.rewriting.promise import band_ends
from tests.support.lowered import (
    answers,
    applied,
    lowered_program,
    neighbour,
    points_around,
    points_near,
    random_lowered,
    settled,
    shape,
)
from tests.support.operands import random_moderate, scaled, spicy

DISC = "xx square x; yy square y; q add xx yy"
UNIT = Box.default()


def boxes(program: Program) -> dict[str, list[float]]:
    """The ends of all bands of each variable."""
    return band_ends(program.graph)


def test_a_disc_gets_the_square_around_it() -> None:
    after = applied("contract", lowered_program(f"x var-x; y var-y; {DISC}; b band q -inf 0.25"))
    assert shape(after).startswith("all(add -inf 0.25, x -0.5000") and set(boxes(after)) == {"x", "y"}
    for lower, upper in boxes(after).values():
        assert -0.500001 < lower <= -0.5 and 0.5 <= upper < 0.500001


def test_each_operand_of_an_any_has_its_own() -> None:
    """One is at the left, one in the corner, and one outside of the box, which is dropped."""
    parts = []
    for i, (x, y) in enumerate([(-0.5, 0), (1.0, 1.0), (3.0, 0)]):
        parts += [
            f"cx{i} const {x}; cy{i} const {y}; dx{i} sub x cx{i}; dy{i} sub y cy{i}; xx{i} square dx{i}"
        ]
        parts += [f"yy{i} square dy{i}; q{i} add xx{i} yy{i}"]
    bands = "; ".join(f"b{i} band q{i} -inf 0.0625" for i in range(3))
    start = lowered_program(f"x var-x; y var-y; {'; '.join(parts)}; {bands}; r any b0 b1 b2")
    result = parse_pipeline("contract")[0].run(start, Analyses())
    after = result.program
    assert {rewrite.rule: uses for rewrite, uses in result.rewrites.items()} == {
        "boxed": 2,
        "proved-empty": 1,
    }
    terms = after.graph.operands(after.graph.root)
    assert len(terms) == 2
    ends = {round(end, 3) for values in boxes(after).values() for end in values}
    assert ends == {-0.75, -0.25, 0.25, 0.75, math.inf}
    assert settled("contract", after)


def test_inner_operands_say_only_what_the_outer_box_does_not() -> None:
    text = (
        f"x var-x; y var-y; {DISC}; d sub x y; a band q -inf 0.25; b band x -inf -0.25; c band d 0 inf; "
        "e band y 0.25 inf; i all b c; j any i e; r all a j"
    )
    start = lowered_program(text)
    after = applied("contract", start)
    points = points_around(np.random.default_rng(0), start, start.graph, after.graph, count=4000)
    assert (answers(start, points) == answers(after, points)).all()
    assert "all(sub 0.0 inf, x -inf -0.25, y -inf " in shape(after)
    assert settled("contract", after)


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        # a box that is hardly smaller than the one around it is not written, but what was there stays
        ("a band x -0.984375 0.984375; p mul x y; b band p -inf 0.01; r all a b", "-1:1,-1:1",
         "x -0.984375 0.984375"),
        ("a band x -inf <0.0; p mul x y; b band p -inf 0.01; r all a b", "-inf:inf,-1:1", "x -inf <0.0"),
        ("p add x y; a band p -inf 0; b band y -0.984375 inf; c band x 0.5 1; q all a b; r any c q",
         "-1:1,-1:1", "y -0.984375 inf"),
        # also of a variable that may be NaN
        ("a band x -inf inf; p mul y y; b band p -inf 0.01; r all a b", "all", "x -inf inf"),
        ("a band x -0.5 0.5; p mul y y; b band p -inf 0.01; r all a b", "all", "x -0.5 0.5"),
    ],
)  # fmt: skip
def test_no_band_is_lost(text: str, region: str, expected: str) -> None:
    text = text.replace("<0.0", "-1.401298464324817e-45")
    start = lowered_program(f"x var-x; y var-y; {text}", Box.parse(region))
    after = applied("contract", start)
    points = points_around(np.random.default_rng(0), start, start.graph, after.graph, count=2000)
    assert (answers(start, points) == answers(after, points)).all()
    assert expected in shape(after)
    assert settled("contract", after)


def test_a_program_that_loses_its_variables() -> None:
    """The first sweep drops the only operand with a variable; the second finds no axis to shrink."""
    for ends, truth in (("-0.5 0.5", True), ("0 0.5", False)):
        start = lowered_program(f"x var-x; k const -0.5; a band k {ends}; b band x 1.5 2; p any a b")
        after = applied("contract", start)
        assert answers(after, {"x": np.zeros(1, np.float32)}).tolist() == [truth]
        assert settled("contract", after)


def test_shared_lists_do_not_multiply() -> None:
    """Each level has two users of the one below it, so that the tree of 40 levels is endless."""
    lines = ["x var-x; y var-y; v add x y; bx band x 0 0.5; b band v -inf 0; p0 any bx b"]
    for level in range(1, 40):
        lines += [
            f"s{level} band v {-level} {level}; t{level} band y {-level} inf; u{level} band x {-level} 0"
        ]
        lines += [f"q{level} all p{level - 1} s{level}; r{level} all p{level - 1} t{level}"]
        lines += [f"p{level} any q{level} r{level} u{level}"]
    start = lowered_program("; ".join(lines))
    after = applied("contract", start)
    points = points_around(np.random.default_rng(2), start, start.graph, count=1000)
    assert (answers(start, points) == answers(after, points)).all()


def test_no_band_is_lost_behind_very_many() -> None:
    """A round looks at some number of bands only."""
    bands = "; ".join(f"b{i} band y{i} {-2 - i} 2" for i in range(10_100))
    values = "; ".join(f"k{i} const {1 + i * 1e-4}; y{i} mul y k{i}" for i in range(10_100))
    names = " ".join(f"b{i}" for i in range(10_100))
    start = lowered_program(f"x var-x; y var-y; {values}; {bands}; b band x -0.25 0.25; r all {names} b")
    after = applied("contract", start)
    points = {"x": np.array([0.0, 0.5, -0.25], np.float32), "y": np.zeros(3, np.float32)}
    assert answers(after, points).tolist() == [True, False, True]


def test_a_variable_without_bounds_may_be_nan_where_it_has_no_band() -> None:
    """Only one side of the `any` says something of t; at a NaN the other may be true."""
    text = "x var-x; t var-t; s add x t; a band s -inf 0.5; b band x 0.5 inf; r any a b"
    start = lowered_program(text, Box({"x": (-1.0, 1.0)}))
    after = applied("contract", start)
    points = {"x": np.array([0.75, 0.0], np.float32), "t": np.array([math.nan, math.nan], np.float32)}
    assert answers(after, points).tolist() == [True, False]


@pytest.mark.parametrize(
    ("value", "band", "hole"),
    [
        ("s sqrt x; v not s", "0 0", -0.5),  # not(NaN) is 0
        ("z const 0; s sqrt x; v and z s", "0 0", -0.5),  # 0 and anything is 0
        ("o const 1; s sqrt x; v or o s", "1 1", -0.5),
        ("d div x x; v not d", "0 0", 0.0),
    ],
)
def test_what_absorbs_a_nan_is_not_looked_through(value: str, band: str, hole: float) -> None:
    start = lowered_program(f"x var-x; {value}; b band v {band}")
    assert answers(applied("contract", start), {"x": np.array([hole, 0.5], np.float32)}).tolist() == [
        True,
        True,
    ]


def test_points_as_boxes_and_boxes_without_an_end() -> None:
    """z = [0, 0] stays as it is, and an infinite side may be cut."""
    values = "x var-x; y var-y; z var-z; xz add x z; s add xz y; p square y"
    text = f"{values}; a band s -1 1; b band p 0 4; r all a b"
    for region in ("-1:1,-1:1,0:0", "-inf:inf,0:inf,0:0", "all"):
        box = Box.parse(region)
        start = lowered_program(text, box)
        after = applied("contract", start)
        points = points_around(np.random.default_rng(5), start, start.graph, after.graph, count=2000)
        assert (answers(start, points) == answers(after, points)).all()
        assert "z" not in boxes(after) or not box.bounds
        assert settled("contract", after)
    assert boxes(after)["y"][0] > -2.1 and boxes(after)["y"][-1] < 2.1


def test_other_variables_have_sides_too() -> None:
    text = "x var-x; w var-wind; s add x w; a band s 4 inf; b band x -inf 0; r all a b"
    after = applied("contract", lowered_program(text, Box({"x": (-1.0, 1.0), "wind": (-9.0, 9.0)})))
    (lower, upper) = boxes(after)["wind"]
    assert 3.99999 < lower <= 4 and upper == math.inf


def test_rounds_are_an_option() -> None:
    start = lowered_program(f"x var-x; y var-y; {DISC}; b band q -inf 0.25")
    assert applied("contract{rounds=0}", start) is start
    assert applied("contract{rounds=1}", start) is not start


# Soundness of every operation's backward rule


def operands_for(op: Op, precision: Precision, rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Special values, and numbers of everyday size."""
    special = spicy(op, precision)
    return [
        np.where(rng.random(count) < 0.5, rng.choice(special, count), random_moderate(rng, precision, count))
        for _ in range(2)
    ]


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@pytest.mark.parametrize("op", [op for op in OPS if not op.is_leaf], ids=lambda op: op.name)
def test_boxes_hold_the_points_that_bands_are_made_of(op: Op, precision: Precision) -> None:
    """A band around the value at a point, in a box around the point: the point is in the contracted box."""
    rng = np.random.default_rng(op.code)
    text = f"x var-x; y var-y; v {op.name} x{' y' * (op.arity == 2)}"
    graph = parse_vm(text.replace("; ", "\n") + "\n")
    count = scaled(60)
    xs, ys = operands_for(op, precision, rng, count)
    values = interpret_concrete(graph, precision, {"x": xs, "y": ys})[-1]
    for x, y, value in zip(xs, ys, values, strict=True):
        if math.isnan(value) or math.isnan(x) or math.isnan(y):
            continue
        box = Box({"x": around(rng, x), "y": around(rng, y)})
        lower, upper = (float(neighbour(rng, value, 2)) for _ in range(2))
        lower, upper = min(lower, upper, float(value)), max(lower, upper, float(value))
        lower, upper = (
            (-math.inf if rng.random() < 0.2 else lower),
            (math.inf if rng.random() < 0.2 else upper),
        )
        start = lowered_program(f"{text}; b band v {lower!r} {upper!r}", box, precision)
        after = applied("contract", start)
        points = points_near(rng, start, {"x": np.array([x]), "y": np.array([y])}, 60)
        assert answers(after, points)[0], (
            f"{op.name} {x!r} {y!r} = {value!r} on {box}:\n{dump_vm(after.graph)}"
        )
        assert (answers(start, points) == answers(after, points)).all(), f"{op.name} on {box}"


def around(rng: np.random.Generator, value: np.floating) -> tuple[float, float]:
    """Ends of a range that holds the value: itself, numbers near or far, 0, or infinities."""
    near = [float(neighbour(rng, value, 3)) for _ in range(2)]
    far = [float(value) - abs(float(value)) / 4, float(value) + abs(float(value))]
    choices = [float(value), *near, *far, 0.0, -1.0, 1.0, -math.inf, math.inf]
    choices = [end for end in choices if end == end]
    real = type(value)
    with np.errstate(over="ignore"):
        first, second = (float(real(choices[rng.integers(len(choices))])) for _ in range(2))
    return min(first, second, float(value)), max(first, second, float(value))


def test_random_programs() -> None:
    for seed in range(scaled(300)):
        rng = np.random.default_rng((9, seed))
        start, witness = random_lowered(rng)
        after = applied("contract", start)
        points = points_near(rng, start, witness)
        assert (answers(start, points) == answers(after, points)).all(), (seed, dump_vm(start.graph))
        points = points_around(rng, start, start.graph, after.graph)
        assert (answers(start, points) == answers(after, points)).all(), (seed, dump_vm(start.graph))


# Tightness


STEPS = "add x c,sub x c,sub c x,mul x c,div x c,div c x,sqrt x,square x,recip x,abs x,neg x"


@pytest.mark.parametrize("step", STEPS.split(","))
@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
def test_boxes_are_a_few_floats_wider_than_thresholds(step: str, precision: Precision) -> None:
    """`predicates` finds the exact end for the same question."""
    box = Box({"x": (0.25, 3.0)})
    for target in (0.3, 0.9, 1.7):
        text = f"x var-x\nc const 0.7\nt const {target}\ns {step}\nr sub s t\n"
        source = Program(parse_vm(text), precision, box, Promise.SIGN)
        exact, _ = PassManager(parse_pipeline("predicates")).run(source)
        upper = float(np.nextafter(precision.real(target), precision.real(-math.inf)))
        start = lowered_program(f"x var-x; c const 0.7; s {step}; b band s -inf {upper!r}", box, precision)
        after = applied("contract", start)
        expected, got = boxes(exact).get("x", []), boxes(after).get("x", [])
        assert len(expected) == len(got), (target, shape(exact), shape(after))
        for p, q in zip(expected, got, strict=True):
            places = 6 * float(np.spacing(precision.real(max(abs(p), abs(q)))))
            assert p == q or abs(p - q) <= places
