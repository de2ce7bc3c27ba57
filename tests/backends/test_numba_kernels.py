"""The kernels of the CPU engine: few parameters, and records as other kernels lay them out."""

from __future__ import annotations

import ast

import pytest

from absint.backends.numba.kernels.point_records import Intervals
from absint.ops.precision import Precision
from absint.ops.units import record_dtype
from tests.support.command import ROOT

MOST_PARAMETERS = 6


def test_no_function_of_a_kernel_has_many_parameters() -> None:
    """A swapped pair of addresses corrupts memory, and no tool sees it: what belongs together is a record."""
    functions = [
        (path.name, node)
        for path in (ROOT / "backends" / "numba" / "kernels").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]
    assert len(functions) > 100
    assert [(name, one.name) for name, one in functions if len(one.args.args) > MOST_PARAMETERS] == []


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
def test_kernels_of_operations_find_intervals_where_the_engine_has_them(precision: Precision) -> None:
    ours, theirs = Intervals.of(precision.value).dtype, record_dtype(precision)
    assert ours.itemsize == theirs.itemsize
    assert theirs.fields is not None
    assert {name: ours.fields[name] for name in theirs.fields} == dict(theirs.fields)
