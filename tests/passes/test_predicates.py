"""The pass `predicates`: thresholds against plain bisection, and where the demand may go."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from absint.frontend.expr import Expr, X, Y, Z, maximum, minimum, sin, to_graph
from absint.frontend.vm import dump_vm, parse_vm
from absint.ir.box import Box
from absint.ir.program import Program
from absint.ops.precision import Precision
from absint.ops.table import BAND, FALSE, TRUE, VAR
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassManager, parse_pipeline
from absint.rewriting.promise import band_ends
from absint.rewriting.rules import Mode
from tests.support.lowered import answers, applied, points_around, shape
from tests.support.operands import distinct, random_bits, scaled

MAX = 3.4028234663852886e38
TINY = 1.401298464324817e-45
CONSTANTS = (
    1.0, -1.0, 0.5, -0.75, 3.0, -1e-3, 0.1, 1e30, -1e-30, MAX, -MAX, TINY, -TINY, 1e-40, 0.0, -0.0, math.inf,
    -math.inf, math.nan,
)  # fmt: skip
TARGETS = (0.0, -0.0, 0.25, -0.25, 1.0, 0.1, -3.7, 1e-3, 1e30, -1e-30, MAX, TINY, -TINY, math.inf, -math.inf)
BOXES = (
    (-1.0, 1.0), (-4.0, -0.5), (0.25, 3.0), (0.0, 1.0), (-1.0, 0.0), (-math.inf, math.inf), (0.0, math.inf),
    (TINY, 1e-38), (-1e30, 1e30), (0.5, 0.5), (0.0, 0.0), (-0.7, 1e-3), None,
)  # fmt: skip
STEPS = {
    "add": "s add x c", "add, constant first": "s add c x", "sub": "s sub x c", "c - x": "s sub c x",
    "mul": "s mul x c", "mul, constant first": "s mul c x", "div": "s div x c", "c / x": "s div c x",
    "sqrt": "s sqrt x", "square": "s square x", "mul by itself": "s mul x x", "abs": "s abs x",
    "neg": "s neg x", "recip": "s recip x", "floor": "s floor x", "ceil": "s ceil x", "round": "s round x",
}  # fmt: skip


def key(value: Any) -> int:
    """The place of a number among the ordered floats."""
    bits = int(value.view(f"i{value.itemsize}"))
    return bits if bits >= 0 else -(bits & (2 ** (8 * value.itemsize - 1) - 1))


def at_key(place: int, precision: Precision) -> Any:
    magnitude = np.array(abs(place), f"i{precision.dtype.itemsize}").view(precision.dtype)[()]
    return magnitude if place >= 0 else -magnitude


def answer(program: Program, value: Any) -> bool:
    return bool(answers(program, {"x": np.array([value])})[0])


def changes(program: Program, low: Any, high: Any) -> list[Any]:
    """Where a program's answer changes between two numbers, if it does so once: the float before that and the
    one after, by bisection.
    """
    first, last = key(low), key(high)
    if answer(program, low) == answer(program, high):
        return []
    while last - first > 1:
        middle = (first + last) // 2
        if answer(program, at_key(middle, program.precision)) == answer(program, low):
            first = middle
        else:
            last = middle
    return [at_key(first, program.precision), at_key(last, program.precision)]


def points_of(rng: np.random.Generator, program: Program, after: Program) -> NDArray[Any]:
    """Special values, random bits, and both sides of every place where an answer may change."""
    precision = program.precision
    real, infinity = precision.real, precision.real(math.inf)
    lower, upper, unbounded = program.box.of_variable("x")
    places = [*changes(program, real(lower), real(upper)), real(lower), real(upper)]
    places += [real(end) for end in band_ends(after.graph).get("x", [])]
    with np.errstate(over="ignore"):
        near = np.array([[v, np.nextafter(v, infinity), np.nextafter(v, -infinity)] for v in places])
    values = np.concatenate(
        [near.ravel(), distinct(CONSTANTS, precision), -near.ravel(), random_bits(rng, precision, 60)]
    )
    return values if unbounded else values[(values >= real(lower)) & (values <= real(upper))]


def source(text: str, region: str = "-1:1,-1:1") -> Program:
    """A program of x and y."""
    return Program(parse_vm("x var-x\ny var-y\n" + text.replace("; ", "\n")), box=Box.parse(region))


def compared(step: str, constant: float, target: float, below: bool) -> str:
    """The text of a program that asks whether a step of x is below or above a target."""
    order = "s t" if below else "t s"
    return f"x var-x\nc const {constant!r}\nt const {target!r}\n{step}\nr sub {order}\n"


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@pytest.mark.parametrize("step", STEPS)
def test_thresholds_are_those_of_bisection(step: str, precision: Precision) -> None:
    rng = np.random.default_rng(7)
    for _ in range(scaled(60)):
        constant, target = float(rng.choice(CONSTANTS)), float(rng.choice(TARGETS))
        ends = BOXES[rng.integers(len(BOXES))]
        box = Box({} if ends is None else {"x": ends}).rounded(precision)
        text = compared(STEPS[step], constant, target, bool(rng.random() < 0.5))
        program = Program(parse_vm(text), precision, box)
        after = applied("predicates", program)
        points = {"x": points_of(rng, program, after)}
        wrong = answers(program, points) != answers(after, points)
        assert not wrong.any(), f"{text} on {box}: {points['x'][wrong][:3]}\n{dump_vm(after.graph)}"


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@pytest.mark.parametrize("step", STEPS)
def test_a_step_with_an_ordinary_constant_is_gone_through(step: str, precision: Precision) -> None:
    for constant in (0.7, -1.3, TINY * 2**30):
        for target in (0.25, 1.1, -0.6):
            program = Program(
                parse_vm(compared(STEPS[step], constant, target, True)), precision, Box({"x": (0.25, 3.0)})
            )
            graph = applied("predicates", program).graph
            assert graph.operation_count == 0, dump_vm(graph)
            assert {graph.record(node) for node in range(len(graph))} <= {VAR, BAND, TRUE, FALSE}


def test_a_magnitude_of_one_variable_has_two_bands() -> None:
    outside = applied("predicates", source("a abs x; h const 0.5; r sub h a"))
    assert shape(outside) == "any(x -inf <-0.5, x >0.5 inf)"
    inside = applied("predicates", source("s square x; h const 0.25; r sub s h"))
    assert shape(inside) == "x >-0.5 <0.5"


def test_a_magnitude_of_several_keeps_its_atom() -> None:
    """Two bands of one costly value would be two values to look at; inside they are one band."""
    assert (
        shape(applied("predicates", source("s add x y; a abs s; h const 0.5; r sub h a"))) == "abs >0.5 inf"
    )
    inside = applied("predicates", source("s add x y; a abs s; h const 0.5; r sub a h"))
    assert shape(inside) == "add >-0.5 <0.5"


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("m max x y", "-1:1,-1:1", "all(x -inf <0.0, y -inf <0.0)"),
        ("m max x y", "all", "all(x -inf <0.0, y -inf <0.0)"),
        ("m min x y", "-1:1,-1:1", "any(x -inf <0.0, y -inf <0.0)"),
        # a NaN in one arm makes the min NaN
        ("m min x y", "all", "min -inf <0.0"),
        ("m min x y; n neg m", "all", "all(x >0.0 inf, y >0.0 inf)"),
        ("m max x y; n neg m", "all", "max >0.0 inf"),
        ("m max x y; n neg m", "-1:1,-1:1", "any(x >0.0 inf, y >0.0 inf)"),
        # both ends of a min or max are two demands
        ("m min x y; a abs m; h const 0.5; r sub a h", "-1:1,-1:1",
         "all(all(x >-0.5 inf, y >-0.5 inf), any(x -inf <0.5, y -inf <0.5))"),
        # one predicate for equal demands
        ("m max x y; r max m m", "-1:1,-1:1", "all(x -inf <0.0, y -inf <0.0)"),
        ("m max x x", "-1:1,-1:1", "x -inf <0.0"),
        # decided by the box, NaN excluded
        ("m max x y", "-1:1,2:3", "false"),
        ("m min x y", "-1:1,-3:-2", "true"),
        ("s sqrt x", "all", "false"),
        ("a abs x; n neg a", "0.5:1,0:1", "true"),
        ("a abs x; h const 0.5; r sub a h; i const inf; m min r i", "-0.25:0.25,0:1", "true"),
        # a number, or not: nothing else is asked
        ("z const -1; s sqrt x; m min z s; n max z m", "all", "max -inf inf"),
        ("s square x; z const -1; r mul s z; h const 1; t sub r h", "all", "x -inf inf"),
        # nothing to go through
        ("d div x y", "-1:1,-1:1", "div -inf <0.0"),
        ("s sin x", "-1:1,-1:1", "sin -inf <0.0"),
        ("s add x y; h const 0.5; r sub s h", "-1:1,-1:1", "add -inf <0.5"),
        ("z const 0; m mul x z", "-1:1,-1:1", "false"),
        ("z const 0; m mul x z; n add m y", "all", "add -inf <0.0"),
        ("r recip x", "-1:1,-1:1", "recip -inf <0.0"),
        ("n not x", "all", "false"),
        ("c const nan; m max x c", "-1:1,-1:1", "false"),
        ("c const nan; m min x c", "-1:1,-1:1", "false"),
        ("c const -inf; m min x c", "-1:1,-1:1", "true"),
    ],
)  # fmt: skip
def test_where_the_demand_goes(text: str, region: str, expected: str) -> None:
    after = applied("predicates", source(text, region))
    assert shape(after) == expected


def test_a_zero_of_either_sign_is_one_number() -> None:
    """-0 is not below 0, and no step tells the zeros apart: 0.0 as an end holds both."""
    for text in (
        "n neg x; m max n x",
        "z const -0.0; s add x z",
        "z const 0.0; s sub z x",
        "a abs x; n neg a",
    ):
        program = source(text, "all")
        after = applied("predicates", program)
        points = {"x": np.array([0.0, -0.0, TINY, -TINY], np.float32), "y": np.zeros(4, np.float32)}
        assert (answers(program, points) == answers(after, points)).all(), text


def test_a_point_as_box() -> None:
    """z = [0, 0] makes constants of what depends on z alone, of which a band sees no sign."""
    text = "x var-x\nz var-z\nzz mul z z\nn neg z\ns add x n\nd sub s zz\nh const 0.25\nr sub d h\n"
    after = applied("predicates", Program(parse_vm(text), box=Box.of((-1, 1), (-1, 1), (0.0, 0.0))))
    assert shape(after) == "x -inf <0.25"


def test_lines_of_the_source_stay() -> None:
    """An atom says from which line its value comes."""
    after = applied("predicates", source("s add x y; h const 0.5; r sub s h; d div x y; m max r d"))
    graph = after.graph
    lines = {
        graph.rows[node][1]: int(graph.lines[node])
        for node in range(len(graph))
        if graph.record(node) is BAND
    }
    assert {graph.record(value).name: line for value, line in lines.items()} == {"add": 3, "div": 6}


def test_thresholds_in_other_domains() -> None:
    """Bounds say where a step is monotone; the search between them is the same."""
    program = source("s square x; o const 1; a add s o; r recip a; h const 0.75; d sub h r")
    for domains in (("interval",), ("interval", "sign"), ("interval", "affine", "sign")):
        after = applied("predicates", program, Analyses(domains))
        assert shape(after) == "x -0.5773502588272095 0.5773502588272095"


def test_programs_that_double_their_demands_stay_small() -> None:
    """Every level asks twice as many thresholds of the one below it; past some number atoms are left."""
    lines = ["x var-x", "y var-y", "v0 add x y"]
    for level in range(1, 16):
        lines += [f"c{level} const {0.5 / (level + 0.3)}", f"m{level} const {1.1 + level / 7}"]
        lines += [f"s{level} sub v{level - 1} c{level}", f"p{level} mul v{level - 1} m{level}"]
        lines += [f"v{level} min s{level} p{level}"]
    program = source("; ".join([*lines[2:], "h const 0.001", "r sub v15 h"]))
    after = applied("predicates", program)
    points = points_around(np.random.default_rng(0), program)
    assert (answers(program, points) == answers(after, points)).all()
    assert len(after.graph) < 10_000


FOLDS = {
    "tents": lambda v: abs(v) * 1.9 - 0.37,
    "slopes": lambda v: minimum(v + 0.37, 0.21 - v) * 1.9,
    "waves": lambda v: maximum(minimum(v + 0.37, 0.21 - v) * 1.9, -0.6 - v),
    "parabolas": lambda v: v * v * 1.9 - 0.9,
    "magnitudes": lambda v: abs(abs(v) - 0.4) * 1.7 - 0.2,
}
FOLDED = {
    "x": X * 1.0,
    "x and z": X + Z,
    "a sum": X + Y * 0.3,
    "a disc": X * X + Y * Y,
    "a box": maximum(abs(X), abs(Y)),
}


def folded(fold: str, times: int, value: Expr) -> Expr:
    for _ in range(times):
        value = FOLDS[fold](value)
    return value


def lowered_expression(expression: Expr, precision: Precision = Precision.F32) -> Program:
    """What `predicates` makes of an expression, whose answers are compared."""
    program = Program(to_graph(expression), precision, Box.of((-1, 1), (-1, 1), (-1, 1)))
    after = applied("predicates", program)
    points = points_around(np.random.default_rng(5), program, after.graph)
    assert (answers(program, points) == answers(after, points)).all()
    return after


def values_of_bands(program: Program) -> list[str]:
    """What each band is of: a variable's name, or an operation's."""
    graph = program.graph
    values = [graph.rows[node][1] for node in range(len(graph)) if graph.record(node) is BAND]
    return [graph.variables.get(value) or graph.record(value).name for value in values]


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@pytest.mark.parametrize("value", FOLDED)
@pytest.mark.parametrize("fold", FOLDS)
def test_a_chain_of_folds_is_one_value(fold: str, value: str, precision: Precision) -> None:
    """Each fold asks twice of the one below it; the bands of sixty would be without number."""
    for times in (20, 60):
        after = lowered_expression(maximum(folded(fold, times, FOLDED[value]), abs(Y) - 0.8), precision)
        assert len(values_of_bands(after)) <= 3


@pytest.mark.parametrize("fold", FOLDS)
def test_bands_of_folds_grow_no_faster_than_the_source(fold: str) -> None:
    """Folds that are cut, joined, and shared, of any length."""
    for times in (12, 20, 40):
        cut = trapped = X * 1.0
        most = trapped
        for i in range(times):
            cut = maximum(FOLDS[fold](cut), Y - (1 - i / 50))
            trapped = FOLDS[fold](trapped)
            most = maximum(most, trapped - i / 100)
        for expression in (cut, most, maximum(folded(fold, times, X * 1.0), folded(fold, times, Y * 1.1))):
            after = lowered_expression(expression)
            assert len(values_of_bands(after)) <= 64 + 4 * times


@pytest.mark.parametrize("fold", ["tents", "slopes", "parabolas"])
def test_few_folds_are_bands_of_the_variable(fold: str) -> None:
    for times in (1, 2, 3, 4):
        after = lowered_expression(maximum(folded(fold, times, X * 1.0), abs(Y) - 0.8))
        assert set(values_of_bands(after)) == {"x", "y"}


def test_few_folds_of_a_box_are_bands_of_its_sides() -> None:
    for times in (1, 3, 5):
        after = lowered_expression(folded("slopes", times, maximum(abs(X) - 0.5, abs(Y) - 0.4)))
        assert set(values_of_bands(after)) == {"x", "y"}


def test_many_slabs_are_no_fold() -> None:
    """A band for each of their operations is cheaper than the operations."""
    slabs = abs(X + 0.99) - 0.004
    for i in range(1, 100):
        slabs = minimum(slabs, abs(X + (0.99 - i / 50)) - 0.004)
    after = lowered_expression(maximum(slabs, abs(Y) - 0.8))
    assert values_of_bands(after).count("x") == 100
    rings = lowered_expression(abs(minimum(slabs, sin(X * Y))) - 0.001)
    assert values_of_bands(rings).count("x") >= 200


def test_a_fold_that_many_shapes_share_is_one_value() -> None:
    fold = folded("slopes", 16, X * 1.0)
    shapes = maximum(fold, abs(Y) - 0.01)
    for i in range(1, 100):
        shapes = minimum(shapes, maximum(fold - i / 1000, abs(Y - i / 60) - 0.01))
    after = lowered_expression(shapes)
    graph = after.graph
    values = {graph.rows[node][1] for node in range(len(graph)) if graph.record(node) is BAND}
    assert len(values - set(graph.variables)) == 1


def test_one_fold_takes_no_room_from_other_shapes() -> None:
    """A hundred boxes beside a chain of folds are bands of variables as they are without it."""
    boxes = maximum(abs(X) - 0.01, abs(Y) - 0.01)
    for i in range(1, 100):
        boxes = minimum(boxes, maximum(abs(X - i / 120) - 0.01, abs(Y + i / 110) - 0.01))
    alone = lowered_expression(boxes)
    beside = lowered_expression(minimum(boxes, folded("slopes", 60, X + Y * 0.3)))
    assert len(values_of_bands(beside)) == len(values_of_bands(alone)) + 1


def test_rewrites_say_what_was_gone_through() -> None:
    start = source("q square x; s sqrt q; h const 0.5; r sub s h; n neg y; m max r n")
    (step,) = PassManager(parse_pipeline("predicates")).run(start)[1]
    counts = {rewrite.rule: count for rewrite, count in step.rewrites.items()}
    through = {f"through-{name}": 1 for name in ("max", "sub", "sqrt", "square", "neg")}
    assert counts == {"atom": 2, **through}
    assert {rewrite.mode for rewrite in step.rewrites} == {Mode.SIGN}
    (step,) = PassManager(parse_pipeline("predicates")).run(source("a abs x"))[1]
    assert "never-true" in {rewrite.rule for rewrite in step.rewrites}
