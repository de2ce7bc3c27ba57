"""Interval bounds of every node of a graph on a box, the inner loop of `absint.lowering.sweep`, and which
variables each node depends on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.ir.records import Operands
from absint.lowering.kernels.records import SweepTask
from absint.native.memory import INLINE, address_of, call2, call3, i64s, u8s
from absint.native.record_pointers import address_of_record, pointer_to
from absint.ops.printers.vectors import LANES, splat, store

EVERY_LANE = (1 << LANES) - 1

operands_at = pointer_to(Operands)


@njit(**INLINE)
def write_lanes(task, node, intervals):
    """Write the interval of a node into all lanes."""
    store(address_of(intervals.lower), splat(task.lower[node]))
    store(address_of(intervals.upper), splat(task.upper[node]))
    intervals.may_nan = EVERY_LANE if task.may_nan[node] else 0


@njit(error_model="numpy")
def bound_operations(task):
    """Fill in the intervals of all operations, in their order. See `SweepTask`."""
    made, left, right = task.scratch[0], task.scratch[1], task.scratch[2]
    for node in range(task.count):
        kernel = task.kernel[node]
        if kernel == 0:
            continue
        a, b = np.int64(task.operands[node].a), np.int64(task.operands[node].b)
        write_lanes(task, a, left)
        if b < 0:
            call2(kernel, address_of_record(made), address_of_record(left))
        else:
            write_lanes(task, b, right)
            call3(kernel, address_of_record(made), address_of_record(left), address_of_record(right))
        task.lower[node], task.upper[node] = made.lower[0], made.upper[0]
        task.may_nan[node] = made.may_nan & 1


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """`sweep` for the precision."""
    task_at = pointer_to(SweepTask.of(precision_name))

    def sweep(address):
        bound_operations(task_at(address))

    return {"sweep": (sweep, types.none(types.int64))}


def join_variables(n, operands_, variables_, counts_):
    """Join the variables of the operands of each of `n` nodes.

    `variables` i64[n]: before, the bit of the variable at variable nodes, else 0; after, the bits of all that
    the node depends on. `counts` u8[n]: how many variables these are, 2 for more than one.
    """
    operands, variables, counts = operands_at(operands_), i64s(variables_), u8s(counts_)
    for node in range(n):
        a, b = np.int64(operands[node].a), np.int64(operands[node].b)
        union = variables[node]
        if a >= 0:
            union |= variables[a]
        if b >= 0:
            union |= variables[b]
        variables[node] = union
        counts[node] = 0 if union == 0 else 1 if union & (union - 1) == 0 else 2


SHARED = {"join_variables": (join_variables, types.none(*[types.int64] * 4))}
"""The kernel that serves both precisions."""
