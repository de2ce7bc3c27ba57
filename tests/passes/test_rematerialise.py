"""The peak of live values: no level ends much above its source, and what that takes is cheap and little."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from absint import models
from absint.api import load
from absint.frontend.expr import Expr
from absint.frontend.vm import parse_vm
from absint.fuzz.generate.generator import random_case
from absint.ir.box import Box
from absint.ir.graph import Graph, GraphBuilder, reachable
from absint.ir.program import Form, Program, Promise
from absint.ops.precision import Precision
from absint.ops.table import ABS, ADD, BY_NAME, MAX, MIN, MUL, SIN, SUB
from absint.passes.analyses.liveness import liveness_of
from absint.passes.rematerialise import Rematerialise
from absint.passes.schedule import Schedule
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import LEVELS, PassManager, parse_pipeline
from absint.rewriting.promise import check_promise
from absint.shapes.lettering import text
from absint.shapes.solids import capsule, circle, move, polygon, rotate, union
from tests.support.operands import scaled
from tests.support.programs import points_of

REGIONS = ["-1:1,-1:1", "all", "-0.3:0.1,0.2:0.5", "0:0.1,0.7:0.8"]
REAL_PARTS = {
    level: [pass_ for pass_ in parse_pipeline(pipeline) if pass_.makes is Form.REAL]
    for level, pipeline in LEVELS.items()
}


def peaks(source: Program) -> Iterator[tuple[int, int, int, int]]:
    """Level, peak of the source, peak and slots of what the real part of the level makes of it, where they
    are above the bar: a tenth more than the source, of both.
    """
    analyses = Analyses()
    before = liveness_of(source, analyses)
    for level, passes in REAL_PARTS.items():
        after = liveness_of(PassManager(passes, analyses).run(source)[0], analyses)
        if after.peak > 1.1 * before.peak or after.slots > 1.1 * before.slots:
            yield level, before.peak, after.peak, after.slots


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("name", models.names())
def test_bundled_models_hold_the_peak(name: str, region: str, precision: Precision) -> None:
    source = load(name).restricted(Box.parse(region), precision, Promise.SIGN)
    assert not list(peaks(source))


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@pytest.mark.parametrize("region", REGIONS)
def test_third_party_models_hold_the_peak(models_dir: Path, region: str, precision: Precision) -> None:
    files = sorted(models_dir.rglob("*.vm"))
    assert files
    for path in files:
        source = load(path).restricted(Box.parse(region), precision, Promise.SIGN)
        assert not list(peaks(source)), path.name


def test_random_programs_hold_the_peak() -> None:
    """In the order in which they were drawn, and in one that needs few slots."""
    for seed in range(scaled(200)):
        drawn = random_case(seed).program(Promise.SIGN)
        for source in (drawn, _scheduled(drawn)):
            assert not list(peaks(source)), seed


def _scheduled(program: Program) -> Program:
    """The program in a better order, as a source."""
    graph = Schedule().run(program, Analyses()).program.graph
    return Program(graph, program.precision, program.box, program.promise)


def _star(corners: int, inner: float) -> Expr:
    """A regular polygon; every other corner is at the distance `inner`."""
    angles = [2 * math.pi * i / corners for i in range(corners)]
    radii = [0.8, inner] * corners
    return polygon([(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=False)])


SHAPES = {
    **{f"ngon-{n}": _star(n, 0.8) for n in (6, 30, 60, 100, 200)},
    **{f"star-{n}": _star(n, 0.4) for n in (12, 60, 200)},
    "text": text("The quick brown fox\njumps over\nthe lazy dog", 0.15),
    "circles": union(*[circle(0.03, (x / 6, y / 6)) for x in range(-5, 6) for y in range(-5, 6)]),
    "triangles": union(
        *[
            move(polygon([(0.05, 0.0), (-0.02, 0.04), (-0.02, -0.04)]), x / 4, y / 4)
            for x in range(-3, 4)
            for y in range(-3, 4)
        ]
    ),
    "spokes": union(*[capsule((0, 0), (math.cos(i / 4), math.sin(i / 4)), 0.03) for i in range(25)]),
    "turned": union(*[rotate(move(circle(0.1), 0.7, 0.1) - 0.01, math.pi * i / 12) for i in range(24)]),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_hold_the_peak(name: str) -> None:
    for region in REGIONS:
        source = load(SHAPES[name]).restricted(Box.parse(region), Precision.F32, Promise.SIGN)
        assert not list(peaks(source)), region


@st.composite
def twins(draw: st.DrawFn) -> Graph:
    """A chain whose other operands are few sums and products, written anew wherever they are read."""
    builder = GraphBuilder()
    leaves = [builder.variable("x"), builder.variable("y"), builder.constant(0.5), builder.constant(-2.0)]
    total = leaves[0]
    for _ in range(draw(st.integers(20, 60))):
        op = draw(st.sampled_from([ADD, SUB, MUL, MIN, MAX, SIN]))
        a, b = draw(st.sampled_from(leaves)), draw(st.sampled_from(leaves))
        value = builder.append(op.code, a, b if op.arity == 2 else -1)
        joint = draw(st.sampled_from([ADD, MIN, MAX]))
        total = builder.append(joint.code, *draw(st.permutations([total, value])))
        for _ in range(draw(st.integers(0, 3))):
            total = builder.append(BY_NAME[draw(st.sampled_from(["abs", "sin", "neg"]))].code, total)
    return builder.build()


def test_computes_again_with_the_same_bits() -> None:
    """What comes out is as long as it may be, holds the peak, has nothing dead, and settles."""
    changed = 0

    @settings(max_examples=scaled(150))
    @given(twins(), st.sampled_from(Precision), st.integers(0, 2**32))
    def check(graph: Graph, precision: Precision, seed: int) -> None:
        nonlocal changed
        source = Program(graph, precision, Box.default())
        analyses = Analyses()
        merged = PassManager(parse_pipeline("cse"), analyses).run(source)[0]
        result = Rematerialise().run(merged, analyses)
        after = result.program
        after.graph.verify()
        assert check_promise(source, after, points_of(source.box, precision, 50, seed), Promise.BITS) is None
        assert Rematerialise().run(after, analyses).program is after
        if after is merged:
            assert not result.rewrites
            return
        changed += 1
        assert liveness_of(after, analyses).peak <= 1.1 * liveness_of(source, analyses).peak
        again = after.graph.operation_count - merged.graph.operation_count
        assert again <= sum(result.rewrites.values()) <= merged.graph.operation_count / 5
        assert reachable(after.graph).all()
        named = [name for name in merged.graph.names if name is not None]
        assert [name for name in after.graph.names if name is not None] == named

    check()
    assert changed > 10


def rematerialised(source: str) -> tuple[Program, Program]:
    """What `cse` makes of a source, and what becomes of that."""
    merged, _ = PassManager(parse_pipeline("cse")).run(Program(parse_vm(source.replace("; ", "\n"))))
    return merged, Rematerialise().run(merged, Analyses()).program


def test_gear_needs_few_more_operations() -> None:
    """Merging leaves 498 operations of 561, and 45 live values of 18."""
    source = load("gear").restricted(Box.default(), Precision.F32)
    after, steps = PassManager(REAL_PARTS[1]).run(source)
    before = steps[-1].before.graph.operation_count
    assert before < after.graph.operation_count <= 1.1 * before < source.graph.operation_count
    assert liveness_of(after, Analyses()).peak <= 19


def test_a_source_is_its_own_measure() -> None:
    """However many values it holds."""
    source = Program(
        parse_vm("x var-x\na neg x\nb abs x\nc sin x\nd add a b\ne add d c\nf add e a\ng add f b")
    )
    assert Rematerialise().run(source, Analyses()).program is source


def test_what_is_given_up_before_it_is_read_goes() -> None:
    """A dead twin at the beginning, with which the one that is read was merged, is computed later."""
    merged, after = rematerialised(
        "x var-x; p add x x; a sin x; b cos x; c mul a b; d exp c; q add x x; r mul d q; s abs r; t sin s"
    )
    assert liveness_of(merged, Analyses()).peak == 4
    assert liveness_of(after, Analyses()).peak == 3
    assert after.graph.operation_count == merged.graph.operation_count


def test_a_long_chain_of_twins() -> None:
    """No recursion."""
    builder = GraphBuilder()
    x = builder.variable("x")
    constants = [builder.constant(i / 64) for i in range(64)]
    total = x
    for i in range(20_000):
        for _ in range(5):
            total = builder.append(ABS.code, total)
        value = builder.append(ADD.code, x, constants[i % 64])
        total = builder.append(MIN.code, total, value)
    source = Program(builder.build())
    analyses = Analyses()
    merged = PassManager(parse_pipeline("cse"), analyses).run(source)[0]
    after = Rematerialise().run(merged, analyses).program
    assert liveness_of(merged, analyses).peak > 60
    assert liveness_of(after, analyses).peak == liveness_of(source, analyses).peak
