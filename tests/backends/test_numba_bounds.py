"""Bounds of the fast CPU engine and its errors: those of the reference."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from absint.backends.numba import NumbaEngine, machine
from absint.base.errors import AbsintError
from absint.frontend.vm import parse_vm
from absint.ir.box import Box
from absint.ir.graph import AXES
from absint.ir.program import Program, Promise
from absint.ops.precision import Precision
from tests.backends.fast_values import PRECISIONS, SOLID, assert_same, disks, reference
from tests.support.operands import scaled
from tests.support.programs import points_of, programs


@settings(max_examples=scaled(200))
@given(program=programs(), named=st.sets(st.sampled_from(AXES)), seed=st.integers(0, 99))
def test_bounds_of_random_programs(program: Program, named: set[str], seed: int) -> None:
    """In bits those of the reference, for boxes with special ends, for variables that are not named."""
    program = Program(program.graph, program.precision, program.box)
    boxes = {}
    named |= set(program.box.bounds)
    for name, ends in points_of(program.box, program.precision, 100, seed).items():
        ordered = np.sort(np.where(np.isnan(ends), 1, ends).reshape(2, 50), axis=0)
        if name in named:
            boxes[name] = (ordered[0], ordered[1] if seed % 2 else ordered[1].max())
    assert_bounds(program, boxes)


def assert_bounds(program: Program, boxes: dict[str, Any]) -> None:
    got, expected = NumbaEngine(program).bounds(boxes), reference(program).bounds(boxes)
    assert_same(got.lower, expected.lower, program.precision)
    assert_same(got.upper, expected.upper, program.precision)
    assert (got.may_nan.shape, got.may_nan.dtype) == (expected.may_nan.shape, expected.may_nan.dtype)
    assert np.array_equal(got.may_nan, expected.may_nan)


@PRECISIONS
@pytest.mark.parametrize(
    "boxes",
    [
        {},
        {"x": (-1.0, 1.0)},
        {"x": (np.zeros((2, 1)), np.ones(3)), "y": (-1, [1, 2, 3])},
        {"y": (np.zeros(0), 1.0)},
        {"z": (0, np.arange(1000))},
        {"x": (-1e300, 1e300), "y": (-0.0, 0.0)},
    ],
    ids=str,
)
def test_boxes_of_any_kind(boxes: dict[str, Any], precision: Precision) -> None:
    assert_bounds(Program(SOLID, precision), boxes)


def test_many_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """In several calls of the kernel, of which none knows the others."""
    monkeypatch.setattr(machine, "_BUDGET", 20_000)
    rng = np.random.default_rng(8)
    ends = np.sort(rng.uniform(-1, 1, (2, 2, 3001)), axis=1)
    assert_bounds(Program(disks(40)), {"x": tuple(ends[0]), "y": tuple(ends[1])})


@pytest.mark.parametrize("engine", [NumbaEngine, reference])
def test_bounds_are_new_memory(engine: Callable[[Program], Any]) -> None:
    ends = np.zeros(3, np.float32)
    found = engine(Program(parse_vm("a var-x"))).bounds({"x": (ends, ends)})
    found.lower[:] = 7
    assert (ends == 0).all()
    assert (found.upper == 0).all()


# Errors


def outcome(call: Callable[[], Any]) -> tuple[type[BaseException], str]:
    with pytest.raises((AbsintError, ValueError, TypeError)) as caught:
        call()
    return caught.type, str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda run: run.values([0.0, 2.0], 0.0),
        lambda run: run.values(math.nan, 0.0),
        lambda run: run.values(math.inf, np.zeros(3)),
        lambda run: run.values(0.0, 0.0, t=1.0, s=0.0),
        lambda run: run.values(0.0, 0.0),
        lambda run: run.values(np.zeros(2), np.zeros(3), t=1.0),
        lambda run: run.values("a", 0.0, t=1.0),
        lambda run: run.bounds({"x": (0.0, 2.0)}),
        lambda run: run.bounds({"y": (0.0, 1.0)}),
        lambda run: run.bounds({"x": (1.0, 0.0)}),
        lambda run: run.bounds({"x": (0.0, [1.0, math.nan])}),
        lambda run: run.bounds({"x": (0.0, 1.0), "s": (0.0, 1.0)}),
        lambda run: run.bounds({"x": (np.zeros(2), np.ones(3))}),
    ],
)
def test_errors_are_those_of_the_reference(call: Callable[[Any], Any]) -> None:
    program = Program(parse_vm("x var-x\nt var-t\na min x t"), Precision.F32, Box({"x": (-1.0, 1.0)}))
    assert outcome(lambda: call(NumbaEngine(program))) == outcome(lambda: call(reference(program)))


def test_programs_that_promise_less() -> None:
    program = Program(SOLID, promise=Promise.SIGN)
    for call in (lambda run: run.values(0, 0), lambda run: run.bounds({})):
        assert outcome(lambda: call(NumbaEngine(program))) == outcome(lambda: call(reference(program)))  # noqa: B023
