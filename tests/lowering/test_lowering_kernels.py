"""The kernels of the lowering find intervals where the kernels of operations have them."""

from __future__ import annotations

import pytest

from absint.lowering.kernels.records import Intervals
from absint.ops.precision import Precision
from absint.ops.units import record_dtype


@pytest.mark.parametrize("precision", Precision, ids=lambda p: p.value)
def test_intervals_lie_where_the_kernels_of_operations_have_them(precision: Precision) -> None:
    ours, theirs = Intervals.of(precision.value).dtype, record_dtype(precision)
    assert ours.itemsize == theirs.itemsize
    assert theirs.fields is not None
    assert {name: ours.fields[name] for name in theirs.fields} == dict(theirs.fields)
