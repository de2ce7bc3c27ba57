"""Programs and comparisons for the tests of the fast CPU engine's values and bounds."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

from absint.evaluation.backend import find_backend
from absint.evaluation.engine import Engine
from absint.frontend.vm import parse_vm
from absint.ir.box import Box
from absint.ir.graph import Graph, GraphBuilder
from absint.ir.program import Program
from absint.ops.precision import Precision
from absint.ops.table import BY_NAME
from tests.support.operands import same

PRECISIONS = pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)

ROOM = Box.of((-1, 1), (-1, 1), (-1, 1))
SOLID = parse_vm(
    "x var-x\ny var-y\nz var-z\na square x\nb square y\nc add a b\nr sqrt c\nd sub r z\ne sub z x\n"
    "f max d e\ng const 0.3\nh sub r g\nm min f h\ni div m x\n"
)


def reference(program: Program) -> Engine:
    return find_backend("reference").prepare(program)


def assert_same(got: Any, expected: Any, precision: Precision) -> None:
    assert isinstance(got, np.ndarray)
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    wrong = np.flatnonzero(~same(got, expected, precision))
    assert not len(wrong), (
        f"{len(wrong)} of {got.size} differ, first at {wrong[0]}: "
        f"expected {expected.flat[wrong[0]]!r}, got {got.flat[wrong[0]]!r}"
    )


def disks(count: int) -> Graph:
    """Many disks with holes: cells pay."""
    rng = Random(count)
    builder = GraphBuilder()
    x, y = builder.variable("x"), builder.variable("y")

    def apply(name: str, *operands: int) -> int:
        return builder.apply(BY_NAME[name], *operands)

    def constant() -> int:
        return builder.constant(rng.uniform(-1, 1))

    root = constant()
    for _ in range(count):
        a, b = (apply("square", apply("sub", axis, constant())) for axis in (x, y))
        distance = apply("sqrt", apply("add", a, b))
        outer = apply("sub", distance, builder.constant(rng.uniform(0.01, 0.1)))
        inner = apply("sub", builder.constant(rng.uniform(0.01, 0.1)), distance)
        root = apply("min", root, apply("max", outer, inner))
    return builder.build(root)
