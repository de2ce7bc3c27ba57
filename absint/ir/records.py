"""The arrays of a graph as kernels read them."""

from __future__ import annotations

from absint.native.records import Int32, Record

RECORD_SOURCES = ("absint.ir.records", "absint.native.record_pointers", "absint.native.records")
"""What kernels that read these arrays are made of, beside their own modules."""


class Operands(Record):
    """A row of `Graph.args`: the operands of a node, -1 for one that is missing."""

    a: Int32
    b: Int32
