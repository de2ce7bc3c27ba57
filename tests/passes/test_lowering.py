"""What the whole lowering owes: it keeps `f < 0`, in any order of its passes, alone and twice.

On random programs, around witnesses, and on the models.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from absint import models
from absint.base.errors import PipelineError
from absint.evaluation.backend import find_backend
from absint.evaluation.view import View
from absint.frontend.vm import dump_vm, parse_vm, read_vm
from absint.ir.box import Box
from absint.ir.graph import Graph
from absint.ir.program import Program, Promise
from absint.ops.precision import Precision
from absint.ops.table import ALL, ANY, BAND
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import LEVELS, PassManager, parse_pipeline
from absint.rewriting.promise import check_promise, sample_points
from tests.rewriting.test_promises import THIRD_PARTY
from tests.support.lowered import (
    LOWERING,
    Points,
    answers,
    applied,
    lowered_program,
    points_around,
    points_near,
    random_lowered,
    random_program,
    random_threshold,
    random_witness,
    settled,
)
from tests.support.operands import scaled
from tests.support.programs import points_of, programs

PIPELINE = "cse,predicates,flatten,bands,contract"
"""What a picture is drawn by."""

DOMAINS = [("interval",), ("interval",), ("interval", "affine", "sign"), ("sign",)]


def tail(rng: np.random.Generator) -> list[str]:
    """Some of the passes behind `predicates`, in some order, perhaps one of them again."""
    chosen = [str(name) for name in rng.permutation(LOWERING)[: rng.integers(1, 4)]]
    return chosen + [str(rng.choice(LOWERING))] * int(rng.random() < 0.3)


def check_steps(
    rng: np.random.Generator, start: Program, passes: list[str], witness: Points, seed: int
) -> None:
    """Each pass keeps the answers around the witness and all over the box, and has done all it can."""
    analyses = Analyses(DOMAINS[rng.integers(len(DOMAINS))])
    steps = [start]
    for name in passes:
        steps.append(applied(name, steps[-1], analyses))
        assert steps[-1].graph.lowered
        assert settled(name, steps[-1]), (seed, name)
    graphs = [step.graph for step in steps]
    for points in (points_near(rng, start, witness), points_around(rng, start, *graphs)):
        for name, before, after in zip(passes, steps, steps[1:], strict=False):
            wrong = np.flatnonzero(answers(before, points) != answers(after, points))
            where = {axis: values[wrong[:1]] for axis, values in points.items()}
            assert not len(wrong), f"seed {seed}: {name} at {where} of {start.box}\n{dump_vm(before.graph)}"


@pytest.mark.parametrize("seeds", range(8))
def test_random_programs_keep_their_sign(seeds: int) -> None:
    for seed in range(scaled(60)):
        rng = np.random.default_rng((seeds, seed))
        start = random_program(rng)
        check_steps(rng, start, ["predicates", *tail(rng)], random_witness(rng, start), seed)


@pytest.mark.parametrize("seeds", range(8))
def test_thresholds_are_exact_around_a_witness(seeds: int) -> None:
    for seed in range(scaled(60)):
        rng = np.random.default_rng((1, seeds, seed))
        start, witness = random_threshold(rng)
        check_steps(rng, start, ["predicates", *tail(rng)], witness, seed)


@pytest.mark.parametrize("seeds", range(8))
def test_lowered_programs_stay_true_at_a_witness(seeds: int) -> None:
    for seed in range(scaled(60)):
        rng = np.random.default_rng((2, seeds, seed))
        start, witness = random_lowered(rng)
        assert answers(start, witness).all()
        check_steps(rng, start, tail(rng), witness, seed)


def test_hypothesis_finds_nothing_either() -> None:
    """All operations in small graphs, which it shrinks."""

    @settings(max_examples=scaled(150))
    @given(programs(), st.permutations(LOWERING), st.integers(0, 2**32))
    def check(start: Program, order: list[str], seed: int) -> None:
        after, _ = PassManager(parse_pipeline(",".join(["predicates", *order]))).run(start)
        after.graph.verify()
        assert (
            check_promise(start, after, points_of(start.box, start.precision, 200, seed), Promise.SIGN)
            is None
        )

    check()


# Models

VIEWS = (View.square(48), View(40, 24, (0.21, -0.13), 0.27, 0.125), View(24, 40, scale=3.0, z=-0.5))


def check_pictures(source: Program, precision: Precision) -> None:
    """The lowered program draws what the source does, and its boxes hold on the view's box only."""
    reference = find_backend("reference")
    for view in VIEWS:
        start = source.restricted(view.box(precision), precision, Promise.SIGN)
        expected = reference.prepare(start).image(view)
        for pipeline in (PIPELINE, "predicates", LEVELS[3]):
            after, steps = PassManager(parse_pipeline(pipeline)).run(start)
            after.graph.verify()
            assert after.graph.lowered and after.promise is Promise.SIGN
            assert np.array_equal(reference.prepare(after).image(view), expected), (pipeline, view)
            assert settled(steps[-1].pass_.name, after)


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@pytest.mark.parametrize("name", models.names())
def test_bundled_models_are_lowered(name: str, precision: Precision) -> None:
    check_pictures(Program(parse_vm(models.text(name), name)), precision)


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@pytest.mark.parametrize("name", THIRD_PARTY)
def test_third_party_models_are_lowered(name: str, precision: Precision, models_dir: Path) -> None:
    check_pictures(Program(read_vm(models_dir / f"{name}.vm")), precision)


def test_prospero_is_as_published(models_dir: Path) -> None:
    """Figures of the project's prototypes, at 1024 by 1024 samples in binary32."""
    view = View.square(1024)
    source = Program(read_vm(models_dir / "prospero.vm"))
    start = source.restricted(view.box(Precision.F32), Precision.F32, Promise.SIGN)
    after, steps = PassManager(parse_pipeline(PIPELINE)).run(start)
    atoms = {rewrite.rule: count for rewrite, count in steps[1].rewrites.items()}["atom"]
    assert atoms == 1867
    graph = after.graph
    assert graph.record(graph.root) is ANY
    terms = graph.operands(graph.root)
    assert len(terms) == 579
    xs, ys = view.xs(Precision.F32), view.ys(Precision.F32)
    widest = [0, 0]
    for term in terms:
        for axis, samples in enumerate((xs, ys)):
            ends = bands_of(graph, term).get("xy"[axis], [])
            inside = np.ones(len(samples), bool)
            for lower, upper in ends:
                inside &= (samples >= lower) & (samples <= upper)
            widest[axis] = max(widest[axis], int(inside.sum()))
    assert widest == [45, 63]


def bands_of(graph: Graph, term: int) -> dict[str, list[tuple[float, float]]]:
    """By variable, the bands of it that a term holds."""
    assert graph.logic is not None
    found: dict[str, list[tuple[float, float]]] = {}
    for part in graph.operands(term) if graph.record(term) is ALL else (term,):
        variable = graph.variables.get(graph.rows[part][1])
        if graph.record(part) is BAND and variable is not None:
            found.setdefault(variable, []).append(tuple(graph.logic.bands[part].tolist()))
    return found


# Order


@pytest.mark.parametrize("name", LOWERING)
def test_a_real_program_is_left_as_it_is(name: str) -> None:
    start = Program(parse_vm("x var-x\ny var-y\na min x y\n"))
    result = parse_pipeline(name)[0].run(start, Analyses())
    assert result.program is start and not result.rewrites


def test_a_lowered_program_is_not_lowered_again() -> None:
    start = lowered_program("x var-x; b band x -inf -0.5")
    assert applied("predicates", start) is start


@pytest.mark.parametrize("name", [name for name in LEVELS[2].split(",") if name])
def test_real_passes_stand_before_the_lowering(name: str) -> None:
    with pytest.raises(
        PipelineError, match=f"pass '{name}' works on real programs: put it before 'predicates'"
    ):
        parse_pipeline(f"cse,predicates,flatten,{name}")
    lowered = lowered_program("x var-x; b band x -inf -0.5")
    manager = PassManager([*parse_pipeline("bands"), *parse_pipeline(name)])
    with pytest.raises(PipelineError, match=f"pass '{name}' works on real programs, and this one is lowered"):
        manager.run(lowered)
    manager = PassManager([*parse_pipeline("predicates"), *parse_pipeline(name)])
    with pytest.raises(PipelineError, match="put it before"):
        manager.run(Program(parse_vm("x var-x\n")))


def test_the_highest_level_lowers_what_the_second_leaves() -> None:
    assert LEVELS[3] == f"{LEVELS[2]},predicates,{','.join(LOWERING)}"


def test_variables_of_any_name_and_boxes_of_any_kind() -> None:
    text = "x var-x\nw var-wind\na add x w\nb sub x w\nm max a b\n"
    start = Program(parse_vm(text), Precision.F64, Box({"wind": (-2.0, 0.5), "x": (-1.0, 1.0)}))
    after, _ = PassManager(parse_pipeline(PIPELINE)).run(start)
    points = sample_points(["x", "wind"], start.box, start.precision, 1000)
    assert check_promise(start, after, points, Promise.SIGN) is None
    assert after.graph.lowered and set(after.graph.variables.values()) == {"x", "wind"}
