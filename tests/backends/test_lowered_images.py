"""Array-at-a-time evaluators on lowered programs: pictures as of the real program, and nothing else."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from absint.api import run_pipeline
from absint.backends.arrays import ArrayEngine
from absint.base.errors import DomainError, PromiseError
from absint.evaluation.view import View
from absint.frontend.vm import parse_vm
from absint.ir.box import Box
from absint.ir.program import Program
from absint.ops.precision import Precision
from tests.support.lowered import lowered_program

SOLID = parse_vm(
    "x var-x\ny var-y\nz var-z\na square x\nb square y\nc add a b\nr sqrt c\nd sub r z\ne sub z x\n"
    "f max d e\ng const 0.3\nh sub r g\nm min f h\ni div m x\n"
)
"""Of x alone, of y alone, of all three; NaN or infinite where x is 0."""


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
@pytest.mark.parametrize("chunk", [1, 5, 90, None])
@pytest.mark.parametrize("pipeline", ["predicates", "cse,predicates,flatten,bands,contract"])
def test_a_lowered_program_draws_the_same_image(
    precision: Precision, chunk: int | None, pipeline: str
) -> None:
    view = View(13, 7, center=(0.1, -0.05), scale=0.9, z=0.3)
    lowered, _ = run_pipeline(Program(SOLID, precision), passes=pipeline, region=view.box(precision))
    assert lowered.graph.lowered
    run = ArrayEngine(lowered, np, chunk or 1 << 16)
    image = run.image(view)
    assert image.dtype == np.uint8
    assert np.array_equal(image, ArrayEngine(Program(SOLID, precision), np, 1 << 16).image(view))
    with pytest.raises(DomainError):
        run.image(View.square(5, scale=4))


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("p true", [[255] * 3] * 2),
        ("p false", [[0] * 3] * 2),
        ("x var-x; p band x 0 inf", [[0, 255, 255]] * 2),
        ("y var-y; p band y 0 inf", [[255] * 3, [0] * 3]),
        ("x var-x; y var-y; a band x -inf -1.5; b band y 0 inf; p all a b", [[255, 0, 0], [0, 0, 0]]),
        ("z var-z; s sqrt z; p band s -inf inf", [[0] * 3] * 2),
    ],
)
def test_pixels_of_predicates(text: str, rows: list[list[int]]) -> None:
    run = ArrayEngine(lowered_program(text, Box()), np, 4)
    assert run.image(View(3, 2, z=-1.0)).tolist() == rows


def test_lowered_programs_have_no_values() -> None:
    run = ArrayEngine(lowered_program("x var-x; p band x 0 inf"), np, 4)
    with pytest.raises(PromiseError, match="promises only its sign, not its values"):
        run.values(0.0, 0.0)
    with pytest.raises(PromiseError):
        run.bounds({"x": (0.0, 1.0)})


def test_truths_and_values_are_freed_at_their_last_use() -> None:
    lines = ["x var-x", "y var-y", "v0 mul x y"]
    lines += [f"v{i} {('add', 'sub', 'mul')[i % 3]} v{i - 1} {'xy'[i % 2]}" for i in range(1, 200)]
    run = ArrayEngine(lowered_program("; ".join([*lines, "b band v199 -1 1"])), np, 1 << 16)
    tracemalloc.start()
    try:
        image = run.image(View.square(1024))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < image.nbytes + 4 * 2**20
