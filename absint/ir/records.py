"""The arrays of a graph as kernels read them, and what the walks of `absint.ir.walk_kernels` are given."""

from __future__ import annotations

from absint.native.records import Int32, Int64, Pointer, Record, UInt8

RECORD_SOURCES = ("absint.ir.records", "absint.native.record_pointers", "absint.native.records")
"""What kernels that read these arrays are made of, beside their own modules."""


class Operands(Record):
    """A row of `Graph.args`: the operands of a node, -1 for one that is missing."""

    a: Int32
    b: Int32


class OperandDemands(Record):
    """The demands that an operation makes on its operands, a row of `absint.ops.demand.demand_tables`."""

    a: UInt8
    b: UInt8


class DemandTask(Record):
    """What the kernel `join_demands` is given: the operations of a graph, `op` and `operands`.

    `kinds`, of each node as an operand, and `tables`: see `absint.ops.demand`. `demand`: before, the demand
    of the promise on the root, of bands on what they read, else 0; after, joined with that of all users.
    """

    count: Int64
    op: Pointer[UInt8]
    operands: Pointer[Operands]
    kinds: Pointer[UInt8]
    tables: Pointer[OperandDemands]
    demand: Pointer[UInt8]


class OrderTask(Record):
    """What the kernel `order_depth_first` is given: a graph, and the `needs` that `count_needs` found.

    `second_first`: whether of two operands with equal needs the second one comes first. Scratch: `stack`
    int32[3 * count + 1]; `entered`, 0 before. `order`: the result.
    """

    count: Int64
    operands: Pointer[Operands]
    needs: Pointer[Int32]
    second_first: Int64
    stack: Pointer[Int32]
    entered: Pointer[UInt8]
    order: Pointer[Int32]
