"""Values of the fast CPU engine: the bits of the reference, whatever way points take."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from absint.api import load, run_pipeline
from absint.backends.numba import NumbaEngine, machine
from absint.frontend.vm import parse_vm
from absint.ir.box import EVERYWHERE, Box
from absint.ir.graph import AXES, Graph, GraphBuilder
from absint.ir.program import Program
from absint.ops.precision import Precision
from absint.ops.table import BY_NAME, SPICY
from tests.backends.fast_values import PRECISIONS, ROOM, SOLID, assert_same, disks, reference
from tests.support.operands import distinct, random_bits, same, scaled
from tests.support.programs import points_of, programs

CELLS = pytest.mark.parametrize("cells", [False, True, None], ids=["plain", "cells", "by-cost"])
F32 = Precision.F32


def assert_values(program: Program, points: dict[str, Any], **options: Any) -> None:
    """The values are those of the reference."""
    expected = reference(program).values(**points)
    assert_same(
        NumbaEngine(program, **({"threads": 1} | options)).values(**points), expected, program.precision
    )


# Values


@CELLS
@settings(max_examples=scaled(120))
@given(program=programs(), varying=st.sets(st.sampled_from(AXES)), seed=st.integers(0, 99))
def test_random_programs(cells: bool | None, program: Program, varying: set[str], seed: int) -> None:
    """All operations, in any box, with points that are special, NaN or infinite where the box allows it."""
    program = Program(program.graph, program.precision, program.box)
    points = points_of(program.box, program.precision, 300, seed)
    chosen = {name: points[name] if name in varying else points[name][0] for name in AXES}
    assert_values(program, chosen, cells=cells)


@PRECISIONS
@pytest.mark.parametrize("name", ["min", "max", "and", "or"])
@pytest.mark.parametrize("first", ["xy", "yx", "xx", "x~", "~x", "ry", "yr"])
def test_what_bounds_decide(name: str, first: str, precision: Precision) -> None:
    """Ties, zeros of either sign and operands that are only NaN, at cells' ends and in cells of one point."""
    special = distinct([v for v in SPICY if math.isfinite(v)], precision)
    special = special[np.isfinite(special)]
    x, y = (grid.ravel() for grid in np.meshgrid(special, special))
    builder = GraphBuilder()
    operands = {
        "x": (a := builder.variable("x")),
        "y": builder.variable("y"),
        "~": builder.apply(BY_NAME["neg"], a),
        "r": builder.apply(BY_NAME["sqrt"], a),
    }
    chosen = builder.apply(BY_NAME[name], *(operands[one] for one in first))
    again = builder.apply(BY_NAME["max"], chosen, a)
    for root in (chosen, again):
        program = Program(builder.build(root), precision)
        for points in ({"x": x, "y": y}, {"x": x, "y": special[3]}, {"x": np.abs(x), "y": -np.abs(y)}):
            assert_values(program, points, cells=True)
            for i in range(0, len(x), 25):  # a box of one point decides most
                one = {
                    axis: np.repeat(np.ravel(column)[i % np.size(column)], 20)
                    for axis, column in points.items()
                }
                assert_values(program, one, cells=True)


def clouds(precision: Precision) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """Points that lie together in some way."""
    rng = np.random.default_rng(5)
    n = scaled(5000)
    dtype = precision.dtype
    line = np.linspace(-1, 1, 71)
    yield "grid", *(axis.ravel().astype(dtype) for axis in np.meshgrid(line, line))
    yield "one point", np.full(n, 0.3, dtype), np.full(n, -0.7, dtype)
    yield "a line", np.full(n, 0.5, dtype), rng.uniform(-1, 1, n).astype(dtype)
    yield "two points", *(rng.choice([-1.0, 1.0], n).astype(dtype) for _ in range(2))
    yield (
        "crowded",
        *((rng.choice([-1, 1], n) * np.exp2(-rng.uniform(0, 140, n))).astype(dtype) for _ in range(2)),
    )
    yield "huge", *(rng.choice([-1, 1, 0.5], n).astype(dtype) * np.finfo(dtype).max for _ in range(2))
    yield (
        "tiny",
        *(rng.integers(-20, 20, n).astype(dtype) * np.finfo(dtype).smallest_subnormal for _ in range(2)),
    )
    yield "anything", *(random_bits(rng, precision, n) for _ in range(2))
    yield (
        "some are NaN",
        *(np.where(rng.random(n) < 0.1, np.nan, rng.uniform(-1, 1, n)).astype(dtype) for _ in range(2)),
    )


@PRECISIONS
@CELLS
def test_points_of_any_distribution(precision: Precision, cells: bool | None) -> None:
    program = Program(disks(40), precision)
    for _, x, y in clouds(precision):
        assert_values(program, {"x": x, "y": y}, cells=cells)


@CELLS
@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 1023, 1024, 4097])
def test_any_number_of_points(cells: bool | None, count: int) -> None:
    rng = np.random.default_rng(count)
    points = {name: rng.uniform(-1, 1, count).astype(np.float32) for name in AXES}
    assert_values(Program(SOLID), points, cells=cells)


@PRECISIONS
@pytest.mark.parametrize("name", ["blend", "spiral", "tempest"])
def test_many_points_of_a_model(name: str, precision: Precision) -> None:
    """Optimised at level 1, with cells as the cost has them."""
    program, _ = run_pipeline(load(name), level=1, region=ROOM, precision=precision)
    rng = np.random.default_rng(3)
    points = {axis: rng.uniform(-1, 1, scaled(40_000)).astype(precision.dtype) for axis in AXES}
    assert_values(program, points)


@CELLS
@pytest.mark.parametrize(
    ("x", "y", "z"),
    [
        (0.5, 0.25, 0.0),
        (1, np.float64(2), [0.5]),
        ([1, 2, 3], 0, 0),
        (np.ones((4, 1)), np.ones(3), 0.5),
        (np.ones((2, 1, 1), np.float32), np.ones((3, 1), int), np.array(True)),
        (np.ones((1, 1)), 2.0, np.ones((1, 1, 1))),
        (np.zeros(0), 1.0, 0.0),
        (np.zeros((3, 0)), np.zeros((3, 1)), 0.0),
        (np.linspace(-1, 1, 60)[::-3], np.linspace(-1, 1, 40).astype(">f8")[::2], 0.0),
        (np.arange(12.0).reshape(3, 4).T, np.arange(12.0).reshape(4, 3), 0.0),
        (np.array([0.1, 1e300, -1e300, 1e-300, math.nan]), 0.0, 0.0),
        (np.frombuffer(b"#" + np.arange(9.0).tobytes(), np.uint8)[1:].view(np.float64), 0.0, 0.0),
    ],
    ids=str,
)
@PRECISIONS
def test_arrays_of_any_kind(x: Any, y: Any, z: Any, precision: Precision, cells: bool | None) -> None:
    assert_values(Program(SOLID, precision), {"x": x, "y": y, "z": z}, cells=cells)


@CELLS
@pytest.mark.parametrize(
    "text",
    [
        "a const 0.1", "a const 3\nb neg a", "a var-z", "a var-x", "a var-x\nb const nan", "a var-x\nb neg a",
        "a const nan\nb var-x\nc min a b", "a const 1e300\nb var-x\nc mul a b", "a var-x\nb var-x\nc mul a b",
        "a var-x\nb const 9\nc min a b",
        "a var-z\nb var-x\nc neg a\nd const -9\ne max b d\nf max e c\ng min f c",
    ],
)  # fmt: skip
def test_small_programs(text: str, cells: bool | None) -> None:
    """The root a constant, a variable, or one that bounds decide to be a constant or a variable."""
    for x in (0.5, np.linspace(-1, 1, 50)):
        assert_values(Program(parse_vm(text)), {"x": x, "y": np.zeros((2, 1)), "z": 7.0}, cells=cells)


@CELLS
def test_further_variables(cells: bool | None) -> None:
    names = [f"v{i}" for i in range(20)]
    lines = ["s const 0", *(f"{name} var-{name}" for name in names)]
    lines += [
        f"s{i} {('min', 'add', 'max')[i % 3]} {f's{i - 1}' if i else 's'} {name}"
        for i, name in enumerate(names)
    ]
    program = Program(parse_vm("\n".join(lines)))
    rng = np.random.default_rng(1)
    points = {name: rng.uniform(-1, 1, 500) for name in names} | {"v3": 0.25, "v7": math.nan}
    assert_values(program, {"x": 0, "y": np.zeros((3, 1)), **points}, cells=cells)


def test_results_are_new_memory() -> None:
    x = np.linspace(-1, 1, 32, dtype=np.float32)
    values = NumbaEngine(Program(parse_vm("a var-x")), 1).values(x, 0.0)
    values[:] = 7
    assert x[0] == -1


def test_threads_and_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts end within rows and are fewer or more than threads."""
    monkeypatch.setattr("absint.backends.numba.values._LEAST_PART", 100)
    monkeypatch.setattr("absint.backends.numba.values._PART", 1000)
    program = Program(disks(40), F32, ROOM)
    rng = np.random.default_rng(2)
    for threads, count in ((1, 5000), (2, 1001), (3, 5003), (8, 50)):
        points = {name: rng.uniform(-1, 1, count) for name in AXES}
        for cells in (True, False):
            assert_values(program, points, threads=threads, cells=cells)


@CELLS
def test_the_smallest_blocks_and_calls(cells: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tape with more slots than fit, and a kernel that returns after each block, to go on when called."""
    monkeypatch.setattr(machine, "_BLOCK_BYTES", 1)
    monkeypatch.setattr(machine, "_BUDGET", 1)
    x, y = np.random.default_rng(7).uniform(-1, 1, (2, 20_000))
    assert_values(Program(disks(60), F32, ROOM), {"x": x, "y": y}, cells=cells)


@pytest.mark.parametrize("startable", [0, 1])
def test_where_no_more_threads_start(startable: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a function that runs at the interpreter's exit, or at the system's limit."""
    monkeypatch.setattr("absint.backends.numba.values._LEAST_PART", 100)
    started = []
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if len(started) == startable:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    x = np.linspace(-1, 1, 5000)
    assert_values(Program(SOLID), {"x": x, "y": 0.5, "z": x}, threads=4)
    assert len(started) == startable


def test_callers_in_threads() -> None:
    """One object, several threads, other scalars for each."""
    values = NumbaEngine(Program(SOLID), 1)
    x = np.linspace(-1, 1, 3000, dtype=np.float32)
    expected = {z: reference(Program(SOLID)).values(x, 0.5, z) for z in range(8)}
    wrong: list[int] = []

    def work(z: int) -> None:
        wrong.extend(z for _ in range(20) if not same(values.values(x, 0.5, z), expected[z], F32).all())

    threads = [threading.Thread(target=work, args=(z,)) for z in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


class AlarmError(Exception):
    """What the alarm raises."""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no alarm")
@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupted_call_does_no_harm(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_BUDGET", 100_000)
    values = NumbaEngine(Program(disks(400), F32, ROOM), threads, cells=False)
    x, y = np.random.default_rng(4).uniform(-1, 1, (2, 3_000_000)).astype(np.float32)
    values.values(x[:100], y[:100])

    def interrupt(*_: Any) -> None:
        raise AlarmError

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(AlarmError):
            values.values(x, y)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    few = slice(0, 5000)
    expected = reference(values.program).values(x[few], y[few])
    assert_same(values.values(x[few], y[few]), expected, F32)


# When cells are made


def made_cells(values: NumbaEngine, points: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether points were gathered in cells."""
    made = []
    run = machine.Machine.run

    def spy(self: machine.Machine, *arguments: Any) -> Any:
        made.append(arguments[-1] is not None)
        return run(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(machine.Machine, "run", spy)
        values.values(**points)
    return any(made)


@pytest.mark.parametrize(
    ("graph", "box", "count", "made"),
    [
        (disks(60), ROOM, 10_000, True),
        (disks(60), EVERYWHERE, 100_000, True),
        (disks(60), EVERYWHERE, 10_000, False),  # too few to find out
        (disks(60), ROOM, 1000, False),
        (disks(1), ROOM, 100_000, False),  # too cheap
        (
            parse_vm(
                "x var-x\n" + "".join(f"{b} sin {a}\n" for a, b in zip("xabcdefg", "abcdefgh", strict=True))
            ),
            ROOM,
            100_000,
            False,
        ),
    ],
)
def test_cells_are_made_where_they_pay(
    graph: Graph, box: Box, count: int, made: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(6)
    points = {name: rng.uniform(-1, 1, count) for name in AXES}
    values = NumbaEngine(Program(graph, F32, box), 1)
    assert made_cells(values, points, monkeypatch) is made
    assert made_cells(values, points, monkeypatch) is made
