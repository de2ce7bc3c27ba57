"""Kernels of the lowering, of graphs and of the parser: few parameters, and records as others have them."""

from __future__ import annotations

import ast

import pytest

from absint.lowering.kernels.records import Intervals
from absint.ops.precision import Precision
from absint.ops.units import record_dtype
from tests.support.command import ROOT

KERNELS = ("lowering/kernels/*.py", "ir/walk_kernels.py", "frontend/vm_scan_kernel.py")
MOST_PARAMETERS = 6


@pytest.mark.parametrize("pattern", KERNELS)
def test_no_function_of_a_kernel_has_many_parameters(pattern: str) -> None:
    """A swapped pair of addresses corrupts memory, and no tool sees it: what belongs together is a record."""
    functions = [
        (path.name, node)
        for path in (ROOT / "absint").glob(pattern)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]
    assert functions
    assert [(name, one.name) for name, one in functions if len(one.args.args) > MOST_PARAMETERS] == []


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
def test_intervals_lie_where_the_kernels_of_operations_have_them(precision: Precision) -> None:
    ours, theirs = Intervals.of(precision.value).dtype, record_dtype(precision)
    assert ours.itemsize == theirs.itemsize
    assert theirs.fields is not None
    assert {name: ours.fields[name] for name in theirs.fields} == dict(theirs.fields)
