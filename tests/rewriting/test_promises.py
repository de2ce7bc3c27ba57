"""All models parse, optimise at every level, and keep their promise against the unoptimised reference.

On 100,000 random and special points each, in both precisions: most in the usual region, others in a small
part of it, and everywhere, NaN and infinities included. Values are the reference backend's.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from absint import models
from absint.api import run_pipeline
from absint.evaluation.backend import find_backend
from absint.frontend.vm import parse_vm, read_vm
from absint.ir.box import Box
from absint.ir.graph import Graph
from absint.ir.interpreter import interpret_concrete
from absint.ir.program import Program, Promise
from absint.ops.precision import Precision
from absint.passes.dce import Dce
from absint.rewriting.manager import LEVELS, PassResult
from absint.rewriting.promise import sample_points
from tests.support.operands import same, scaled
from tests.support.programs import points_of

THIRD_PARTY = ("bear", "colonnade", "hi", "prospero", "quarter", "tanglecube")
REGIONS = (
    (Box.default(), 60_000),
    (Box.of((0.25, 0.5), (-0.125, 0.0), (0.5, 0.5)), 10_000),
    (Box(), 30_000),
)
"""Where each model is optimised, and on how many points of that the results are compared."""


CHUNK = 4000
"""Points at which a lowered program is evaluated at once: all its values are kept."""


def values(graph: Graph, precision: Precision, points: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """A graph's value at points, as the reference backend evaluates it as a program of its own; of a
    lowered one -1 where it is true, else 0.
    """
    if not graph.lowered:
        return find_backend("reference").prepare(Program(graph, precision)).values(**points)
    count = len(points["x"])
    truths = np.empty(count, bool)
    for first in range(0, count, CHUNK):
        part = slice(first, first + CHUNK)
        few = {name: column[part] for name, column in points.items()}
        truths[part] = interpret_concrete(graph, precision, few)[-1]
    return -truths.astype(precision.dtype)


def check_model(source: Program, precision: Precision) -> None:
    for box, count in REGIONS:
        half = scaled(count // 2)
        ours, library = points_of(box, precision, half), sample_points("xyz", box, precision, half)
        points = {name: np.concatenate([ours[name], library[name]]) for name in ours}
        expected = values(source.graph, precision, points)
        for level in LEVELS:
            after, _ = run_pipeline(source, level=level, region=box, precision=precision)
            assert after.box == box.rounded(precision)
            assert after.promise is (Promise.SIGN if level >= 2 else Promise.BITS)
            assert after.source is source
            if after.graph is source.graph:
                continue  # the same values: at level 0, and where there was nothing to do
            got = values(after.graph, precision, points)
            kept = (
                (got < 0) == (expected < 0)
                if after.promise is Promise.SIGN
                else same(got, expected, precision)
            )
            wrong = np.flatnonzero(~kept)
            assert not len(wrong), (
                f"-O{level} on {box}: {len(wrong)} points, first "
                f"{ {name: column[wrong[0]] for name, column in points.items()} }: "
                f"expected {expected[wrong[0]]!r}, got {got[wrong[0]]!r}"
            )


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@pytest.mark.parametrize("name", models.names())
def test_bundled_models_keep_their_promise(name: str, precision: Precision) -> None:
    check_model(Program(parse_vm(models.text(name), name)), precision)


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@pytest.mark.parametrize("name", THIRD_PARTY)
def test_third_party_models_keep_their_promise(name: str, precision: Precision, request: Any) -> None:
    folder = request.getfixturevalue("models_dir")
    check_model(Program(read_vm(folder / f"{name}.vm")), precision)


def test_the_points_reach_the_shape_and_its_surface() -> None:
    """Both answers occur, and the values are of all kinds: else keeping a promise would say little."""
    graph = parse_vm(models.text(models.names()[0]))
    for box, _ in REGIONS:
        points = points_of(box, Precision.F32, 5000)
        found = values(graph, Precision.F32, points)
        if box.bounds:
            assert not np.isnan(found).any()
        else:
            assert np.isnan(found).any() and np.isinf(np.concatenate(list(points.values()))).any()
    inside = values(graph, Precision.F32, points_of(Box.default(), Precision.F32, 5000)) < 0
    assert 0.01 < inside.mean() < 0.99


def test_a_broken_promise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Program(parse_vm("x var-x\ny var-y\na sub x y\n"))
    wrong = parse_vm("x var-x\ny var-y\na sub y x\n")
    monkeypatch.setattr(
        Dce, "run", lambda self, program, analyses: PassResult(program.with_graph(wrong), Counter())
    )
    with pytest.raises(AssertionError, match=r"-O1 on .* points, first "):
        check_model(source, Precision.F32)
