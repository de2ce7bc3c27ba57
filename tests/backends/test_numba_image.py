"""The fast engine's pictures: the reference's to the byte, whatever the program, view, size and threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from absint import models
from absint.analysis import Analyses
from absint.backend import find_backend
from absint.backends.numba import Numba, NumbaExecutable
from absint.errors import DomainError, UsageError
from absint.expr import X, Y, Z, exp, ln, maximum, minimum, sqrt, square, to_graph
from absint.graph import Graph
from absint.manager import PassManager, parse_pipeline
from absint.precision import Precision
from absint.program import Program, Promise
from absint.view import Grid, View
from absint.vm import parse_vm, read_vm
from tests.operands import scaled
from tests.random_models import random_model

F32, F64 = Precision
LOWERING = "cse,predicates,flatten,bands,contract"
PIPELINES = ("", LOWERING, "fold,simplify,cse,signdemand,minmax,dce," + LOWERING.removeprefix("cse,"))
PRECISIONS = pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)

DISC = sqrt(square(X) + square(Y)) - 0.7


def executable(
    graph: Graph, view: View, precision: Precision = F32, pipeline: str = LOWERING, threads: int = 1
) -> NumbaExecutable:
    start = Program(graph).restricted(view.box(precision), precision, Promise.SIGN)
    program, _ = PassManager(parse_pipeline(pipeline), Analyses()).run(start)
    return Numba().compile(program, threads)


def expected(graph: Graph, view: View, precision: Precision = F32) -> NDArray[np.uint8]:
    return find_backend("reference").compile(Program(graph, precision)).image(view)


def assert_drawn(
    graph: Graph, view: View, precision: Precision = F32, pipeline: str = LOWERING, threads: int = 1
) -> None:
    got = executable(graph, view, precision, pipeline, threads).image(view)
    wrong = np.argwhere(got != expected(graph, view, precision))
    assert not len(wrong), f"{len(wrong)} pixels differ, the first at row, column {wrong[0]}"


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
        view = View(
            *((64, 48) if rng.random() < 0.7 else rng.integers(1, 150, 2).tolist()),
            center=tuple(rng.uniform(-0.5, 0.5, 2).tolist()) if rng.random() < 0.3 else (0.0, 0.0),
            scale=float(10 ** rng.uniform(-4, 4)) if rng.random() < 0.3 else 1.0,
            z=float(rng.choice([0.0, 0.3, -1.0])),
        )
        precision = F32 if rng.random() < 0.7 else F64
        pipeline = PIPELINES[rng.integers(len(PIPELINES))]
        try:
            assert_drawn(random_model(seed), view, precision, pipeline, threads=int(rng.integers(1, 4)))
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
    solid = Numba().compile(Program(graph))
    for z in (0.0, 0.5, -0.79, 2.0):
        view = View.square(60, z=z)
        assert np.array_equal(solid.image(view), expected(graph, view))
    assert program.box.contains(View.square(4).box(F32))


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_any_number_of_threads(threads: int) -> None:
    graph = parse_vm(models.text("tempest"))
    view = View(300, 700)
    drawer, want = executable(graph, view, threads=threads), expected(graph, view)
    for _ in range(30):
        assert np.array_equal(drawer.image(view), want)


def test_pictures_asked_for_by_many_threads() -> None:
    """Each has its own plan or shares one; one picture at a time has helpers, and all are right."""
    graph = parse_vm(models.text("gear"))
    views = [View.square(n) for n in (90, 200, 333)]
    wants = [expected(graph, view) for view in views]
    shared = Numba().compile(Program(graph), 2)
    wrong: list[int] = []

    def draw(number: int) -> None:
        mine = shared if number % 2 else Numba().compile(Program(graph), 2)
        for i in range(12):
            which = (number + i) % len(views)
            if not np.array_equal(mine.image(views[which]), wants[which]):
                wrong.append(number)

    threads = [threading.Thread(target=draw, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


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
    for wrong in (frame, frame.astype(np.int8)[5:55, 11:81], np.empty((70, 50), np.uint8).T):
        with pytest.raises(UsageError, match="out"):
            drawer.image(view, out=wrong)


def test_large_pictures_are_written_past_the_caches_and_are_the_same() -> None:
    graph, view = parse_vm(models.text("gear")), View(4096, 2112)
    drawer = executable(graph, view, threads=2)
    room = np.zeros((2112, 4099), np.uint8)
    assert np.array_equal(drawer.image(view), drawer.image(view, out=room[:, 3:]))


def test_a_view_outside_of_the_box_is_refused() -> None:
    drawer = executable(to_graph(DISC), View.square(10))
    with pytest.raises(DomainError):
        drawer.image(View.square(10, scale=1.5))


def run_python(text: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        **options,  # type: ignore[call-overload]  # the options are Popen's
    )


def test_numba_is_not_imported_when_the_kernels_are_there() -> None:
    text = """
        import sys, absint
        from absint.backends.numba import Numba
        from absint.view import View
        Numba().compile(absint.load("gear"), 2).image(View.square(200))
        print("numba" in sys.modules)
    """
    run_python(text).communicate()  # compiles what is not there yet
    output, errors = run_python(text).communicate()
    assert (output, errors) == ("False\n", "")


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_control_c_stops_a_picture_and_the_engine_goes_on() -> None:
    process = run_python(
        """
        import absint, numpy as np
        from absint.backends.numba import Numba
        from absint.expr import X, Y, sin
        from absint.view import View
        wave = X
        for i in range(60):
            wave = sin(wave * 3.0 + Y * i)
        drawer = Numba().compile(absint.load(wave), 2)
        small = drawer.image(View.square(50))
        print("ready", flush=True)
        try:
            drawer.image(View.square(16384))
            print("done")
        except KeyboardInterrupt:
            print("stopped", np.array_equal(drawer.image(View.square(50)), small))
        """
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    threading.Event().wait(0.5)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert (output, errors, process.returncode) == ("stopped True\n", "", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_forked_child_draws_too() -> None:
    output, errors = run_python(
        """
        import os, absint, numpy as np
        from absint.backends.numba import Numba
        from absint.view import View
        drawer = Numba().compile(absint.load("gear"), 2)
        view = View.square(400)
        want = drawer.image(view)
        same = np.array_equal(drawer.image(view), want)
        child = os.fork()
        for _ in range(5):
            same = same and np.array_equal(drawer.image(view), want)
        if child == 0:
            os._exit(0 if same else 1)
        print(same, os.waitpid(child, 0)[1])
        """
    ).communicate(timeout=60)
    assert (output, errors) == ("True 0\n", "")
