"""The fast engine's pictures: the reference's to the byte, whatever the program, view, size and threads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from absint import models
from absint.backends.numba import Numba
from absint.base.errors import DomainError, UsageError
from absint.evaluation.view import Grid, View
from absint.frontend.expr import X, Y, Z, exp, ln, maximum, minimum, sqrt, square, to_graph
from absint.frontend.vm import parse_vm, read_vm
from absint.fuzz.generate.generator import MODES, random_graph
from absint.ir.graph import AXES
from absint.ir.program import Program
from absint.ops.precision import Precision
from tests.backends.drawing import F32, F64, LOWERING, assert_drawn, executable, expected, run_python
from tests.support.operands import scaled

PIPELINES = ("", LOWERING, "fold,simplify,cse,signdemand,minmax,dce," + LOWERING.removeprefix("cse,"))
PRECISIONS = pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)

DISC = sqrt(square(X) + square(Y)) - 0.7


SIZES = [(1, 1), (7, 13), (1, 200), (1500, 3), (16, 16), (65, 64), (100, 77), (1025, 65)]


@PRECISIONS
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("pipeline", PIPELINES, ids=["plain", "lowering", "all"])
def test_every_size(size: tuple[int, int], pipeline: str, precision: Precision) -> None:
    bar = maximum(abs(X - 0.5), abs(Y) - 0.1) - 0.2
    shape = minimum(maximum(DISC, 0.2 - square(X - 0.3) - square(Y)), bar)
    assert_drawn(to_graph(shape), View(*size), precision, pipeline)


@PRECISIONS
@pytest.mark.parametrize("name", models.names())
def test_bundled_models(name: str, precision: Precision) -> None:
    graph = parse_vm(models.text(name))
    for view, pipeline in [
        (View.square(150), LOWERING),
        (View(90, 130, center=(0.31, -0.2), scale=0.05, z=0.25), LOWERING),
        (View(70, 40, center=(5.0, -2.0), scale=7.0), LOWERING),
        (View(64, 64, z=-0.5, grid=Grid.PIXEL), ""),
    ]:
        assert_drawn(graph, view, precision, pipeline, threads=2)


@PRECISIONS
def test_collected_models(models_dir: Path, precision: Precision) -> None:
    for path in sorted(models_dir.glob("*.vm")):
        graph = read_vm(path)
        for view in (View.square(200), View(100, 60, center=(0.1, 0.2), scale=0.01, z=0.1)):
            assert_drawn(graph, view, precision, threads=2)


@pytest.mark.parametrize("part", range(8))
def test_random_programs(part: int) -> None:
    for seed in range(part, scaled(240), 8):
        rng = np.random.default_rng(seed)
        graph = random_graph(seed, mode=MODES[seed // 8 % len(MODES)])
        if not set(graph.variables.values()) <= set(AXES):
            continue  # it has no pictures
        view = View(
            *((64, 48) if rng.random() < 0.7 else rng.integers(1, 150, 2).tolist()),
            center=tuple(rng.uniform(-0.5, 0.5, 2).tolist()) if rng.random() < 0.3 else (0.0, 0.0),
            scale=float(10 ** rng.uniform(-4, 4)) if rng.random() < 0.3 else 1.0,
            z=float(rng.choice([0.0, 0.3, -1.0])),
        )
        precision = F32 if rng.random() < 0.7 else F64
        pipeline = PIPELINES[rng.integers(len(PIPELINES))]
        try:
            assert_drawn(graph, view, precision, pipeline, threads=int(rng.integers(1, 4)))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, {view}, {precision.value}, {pipeline!r}: {error}") from error


def test_a_part_of_a_picture_is_the_picture_of_a_part() -> None:
    """Regions specialised inside of the engine show what the passes leave on their box."""
    discs = [sqrt(square(X - c) + square(Y * c)) - 0.3 for c in (-0.5, 0.1, 0.6)]
    blend = -ln(sum((exp(-8.0 * disc) for disc in discs), X * 0))
    graph, whole = to_graph(blend), View.square(257)
    picture = executable(graph, whole).image(whole)
    for row, column in [(0, 0), (64, 64), (128, 192)]:
        part = View(33, 33, center=(-1 + (column + 16) / 128, 1 - (row + 16) / 128), scale=16 / 128)
        drawn = executable(graph, part, pipeline=PIPELINES[2]).image(part)
        assert np.array_equal(drawn, picture[row : row + 33, column : column + 33])
        assert np.array_equal(part.xs(F32), whole.xs(F32)[column : column + 33])


def test_deep_zoom_with_repeated_samples() -> None:
    graph = to_graph(minimum(DISC, maximum(X - 0.25, 0.24999999 - X)))
    for scale in (1e-6, 1e-9):
        assert_drawn(graph, View(300, 200, center=(0.25, 0.1), scale=scale))


def test_z_may_differ_from_picture_to_picture() -> None:
    graph = to_graph(sqrt(square(X) + square(Y) + square(Z)) - 0.8)
    program = Program(graph).restricted(View.square(4).box(F32), F32)
    solid = Numba().prepare(Program(graph))
    for z in (0.0, 0.5, -0.79, 2.0):
        view = View.square(60, z=z)
        assert np.array_equal(solid.image(view), expected(graph, view))
    assert program.box.contains(View.square(4).box(F32))


def test_drawing_into_a_given_array() -> None:
    view = View(70, 50)
    graph = to_graph(DISC)
    drawer, want = executable(graph, view), expected(graph, view)
    frame = np.full((60, 100), 7, np.uint8)
    out = frame[5:55, 11:81]
    assert drawer.image(view, out=out) is out
    assert np.array_equal(out, want)
    frame[5:55, 11:81] = 7
    assert (frame == 7).all(), "nothing else was written"


ROOM = np.zeros((64, 128), np.uint8)


@pytest.mark.parametrize(
    ("out", "found"),
    [
        ([[0] * 70] * 50, "a list"),
        (memoryview(ROOM[:50, :70]), "a memoryview"),
        (ROOM[:50, :71], "uint8[50, 71]"),
        (ROOM[0, :70], "uint8[70]"),
        (ROOM[:50, :70].astype(np.int8), "int8[50, 70]"),
        (np.frombuffer(bytes(50 * 70), np.uint8).reshape(50, 70), "a read-only array"),
        (np.empty((70, 50), np.uint8).T, "rows that are not contiguous"),
        (ROOM[:50, 69::-1], "rows that are not contiguous"),
        (np.lib.stride_tricks.as_strided(ROOM, (50, 70), (0, 1)), "rows that overlap"),
        (np.lib.stride_tricks.as_strided(ROOM[50:], (50, 70), (-69, 1)), "rows that overlap"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_arrays_to_draw_into_are_refused(out: Any, found: str) -> None:
    drawer = executable(to_graph(DISC), View(70, 50))
    with pytest.raises(UsageError, match=re.escape(found)):
        drawer.image(View(70, 50), out=out)
    assert not ROOM.any()


@pytest.mark.parametrize("size", [(1, 40), (40, 1), (1, 1), (40, 30)], ids=str)
def test_rows_may_lie_anywhere(size: tuple[int, int]) -> None:
    """A column of any stride, a row of any distance to the next, rows from below."""
    (width, height), view = size, View(*size)
    drawer, want = executable(to_graph(DISC), view), expected(to_graph(DISC), view)
    outs = [
        np.zeros((height, 3 * width), np.uint8)[:, :width],
        np.zeros((height, width), np.uint8)[::-1],
        np.zeros((3 * height, width), np.uint8)[::3],
    ]
    if width == 1:
        outs += [np.zeros((1, height), np.uint8).T, np.zeros((height, 2), np.uint8)[:, ::2]]
    if height == 1:
        outs.append(np.lib.stride_tricks.as_strided(np.zeros(width, np.uint8), (1, width), (0, 1)))
    for out in outs:
        assert np.array_equal(drawer.image(view, out=out), want), out.strides


def test_large_pictures_are_written_past_the_caches_and_are_the_same() -> None:
    graph, view = parse_vm(models.text("gear")), View(4096, 2112)
    drawer = executable(graph, view, threads=2)
    room = np.zeros((2112, 4099), np.uint8)
    assert np.array_equal(drawer.image(view), drawer.image(view, out=room[:, 3:]))


def test_a_view_outside_of_the_box_is_refused() -> None:
    drawer = executable(to_graph(DISC), View.square(10))
    with pytest.raises(DomainError):
        drawer.image(View.square(10, scale=1.5))


def test_numba_is_not_imported_when_the_kernels_are_there() -> None:
    text = """
        import sys, absint
        from absint.backends.numba import Numba
        from absint.evaluation.view import View
        Numba().prepare(absint.load("gear"), 2).image(View.square(200))
        print("numba" in sys.modules)
    """
    run_python(text)  # compiles what is not there yet
    output, errors = run_python(text)
    assert (output, errors) == ("False\n", "")
