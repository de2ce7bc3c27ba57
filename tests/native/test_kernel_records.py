"""What holds of all kernels: few parameters, and intervals where the kernels of operations have them."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from absint.backends.numba.kernels import point_records
from absint.lowering.kernels import records
from absint.ops.precision import Precision
from absint.ops.units import record_dtype
from tests.support.command import ROOT

KERNELS = (
    "absint/frontend/vm_scan_kernel.py", "absint/ir/walk_kernels.py", "absint/lowering/kernels/*.py",
    "backends/numba/kernels/*.py",
)  # fmt: skip
MOST_PARAMETERS = 6


@pytest.mark.parametrize("pattern", KERNELS)
def test_no_function_of_a_kernel_has_many_parameters(pattern: str) -> None:
    """A swapped pair of addresses corrupts memory, and no tool sees it: what belongs together is a record."""
    functions = [
        (path.name, node)
        for path in ROOT.glob(pattern)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]
    assert functions
    assert [(name, one.name) for name, one in functions if len(one.args.args) > MOST_PARAMETERS] == []


@pytest.mark.parametrize("module", [point_records, records], ids=["engine", "lowering"])
@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
def test_intervals_lie_where_kernels_of_operations_have_them(module: Any, precision: Precision) -> None:
    ours, theirs = module.Intervals.of(precision.value).dtype, record_dtype(precision)
    assert ours.itemsize == theirs.itemsize
    assert theirs.fields is not None
    assert {name: ours.fields[name] for name in theirs.fields} == dict(theirs.fields)
