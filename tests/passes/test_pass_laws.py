"""What every pass and every level owes: it keeps its promise, alone too, and done twice it does nothing more.

Tried on random programs and boxes in both precisions, and on the bundled and third-party models.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from absint import models
from absint.frontend.vm import parse_vm, read_vm
from absint.ir.box import Box
from absint.ir.program import Program, Promise
from absint.ops.precision import Precision
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import LEVELS, PassManager, parse_pipeline, pass_names
from absint.rewriting.promise import check_promise, sample_points
from tests.support.operands import scaled
from tests.support.programs import DOMAINS, is_inside, points_of, programs

PIPELINES = [*pass_names(), *(text for text in LEVELS.values() if text)]
BOXES = {
    "unit": Box.default(),
    "corner": Box.of((0.25, 0.3125), (-0.5, -0.4375), (0.0, 0.0)),
    "tiny": Box.of((0.1, 0.10001), (0.2, 0.20001), (0.3, 0.30001)),
    "point": Box.of((0.0, 0.0), (0.5, 0.5), (-0.25, -0.25)),
    "huge": Box.of((-1e30, 1e30), (0.0, 1e38), (-3e38, 3e38)),
    "all": Box(),
}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_random_programs_keep_their_promise_and_settle(pipeline: str) -> None:
    """A pass returns the same object, and counts nothing, when it has nothing to do."""
    passes = parse_pipeline(pipeline)

    @settings(max_examples=scaled(90))
    @given(programs(), DOMAINS, st.integers(0, 2**32))
    def check(before: Program, domains: tuple[str, ...], seed: int) -> None:
        after, steps = PassManager(passes, Analyses(domains)).run(before)
        after.graph.verify()
        points = points_of(before.box, before.precision, 200, seed)
        assert is_inside(before.box, points)
        assert check_promise(before, after, points, after.promise) is None
        if len(passes) == 1:
            (step,) = steps
            assert bool(step.rewrites) == (step.after.graph is not step.before.graph)
            again, rewrites = passes[0].run(after, Analyses(domains))
            assert again is after
            assert not rewrites

    check()


ONCE_BROKEN = [
    # rules' literals were Python floats: 0.0 / 0.0 raised an exception
    ("x var-x; y var-y; a not x; b not y; c div a b", "all"),
    # the bounds of sqrt ended in a binary64 zero, and those above it were no longer rounded to binary32: e is
    # 0 at x = 0, but was thought to be below
    (
        "x var-x; s sqrt x; c const 0.3; a add s c; t const 0.1; m mul a t; k const 0.030000001192092896; "
        "e sub k m",
        "0:1,0:1",
    ),
    # bounds of x / inf were empty where x may be both infinities, which folded to NaN
    ("x var-x; i const inf; d div x i", "all"),
    ("x var-x; i const -inf; d div x i; e abs d", "all"),
    # mul(neg(1), 2) was turned into mul(1, neg(2)) and back
    ("x var-x; a const 3; b const 2; c neg a; d mul c b; e add d x", "all"),
    # the sine's bounds are wider than the constant that it becomes
    ("x var-x; h const 0.5; s sin h; m max x s; e add m x", "-1:0.479425538,0:0"),
]
"""Programs that found a bug, and the region that it took."""


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@pytest.mark.parametrize("pipeline", PIPELINES)
@pytest.mark.parametrize(("text", "region"), ONCE_BROKEN)
def test_programs_that_once_broke(text: str, region: str, pipeline: str, precision: Precision) -> None:
    box = Box.parse(region).rounded(precision)
    before = Program(parse_vm(text.replace("; ", "\n")), precision, box)
    passes = parse_pipeline(pipeline)
    after, _ = PassManager(passes).run(before)
    assert check_promise(before, after, points_of(box, precision, 300), after.promise) is None
    if len(passes) == 1:
        assert passes[0].run(after, Analyses()).program is after


def third_party(request: pytest.FixtureRequest) -> list[Path]:
    """The third-party models; skips the test where they are not."""
    folder: Path = request.getfixturevalue("models_dir")
    return sorted(folder.glob("*.vm"))


@pytest.fixture(params=["bundled", "third-party"])
def sources(request: pytest.FixtureRequest) -> dict[str, Program]:
    """Source programs by name."""
    if request.param == "bundled":
        return {name: Program(parse_vm(models.text(name), name)) for name in models.names()}
    return {path.name: Program(read_vm(path)) for path in third_party(request)}


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
def test_models_settle_and_keep_their_promise(sources: dict[str, Program], precision: Precision) -> None:
    """Each pass alone, after the pipeline up to it, on each kind of box."""
    for name, source in sources.items():
        for title, box in BOXES.items():
            if len(source.graph) > 3000 and title not in ("corner", "all"):
                continue  # the large one takes its time; test_promises tries it on other boxes
            program = source.restricted(box, precision, Promise.SIGN)
            analyses = Analyses()
            for pass_ in parse_pipeline(LEVELS[max(LEVELS)]):
                points = sample_points(program.graph.variables.values(), program.box, precision, scaled(100))
                after, _ = pass_.run(program, analyses)
                assert check_promise(program, after, points, after.promise) is None, (name, title, pass_.name)
                again, rewrites = pass_.run(after, analyses)
                assert again is after and not rewrites, (name, title, pass_.name, rewrites)
                program = after
