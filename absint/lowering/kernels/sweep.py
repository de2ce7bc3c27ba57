"""Interval bounds of every node of a graph on a box, the inner loop of `absint.lowering.sweep`, and which
variables each node depends on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.native.memory import INLINE, REALS, call2, call3, i32s, i64s, u8s
from absint.ops.kernels import record_size, row_size
from absint.ops.precision import Precision
from absint.ops.printers import vectors

EVERY_LANE = (1 << vectors.LANES) - 1


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """`sweep` for the precision, see there."""
    precision = Precision(precision_name)
    splat, store, reals = vectors.splat, vectors.store, REALS[precision_name]
    row, size = row_size(precision), record_size(precision)

    @njit(**INLINE)
    def write(record, lower, upper, may_nan):
        """Write an interval into all lanes of a record."""
        store(record, splat(lower))
        store(record + row, splat(upper))
        i64s(record + 2 * row)[0] = EVERY_LANE if may_nan else 0

    def sweep(n, kernel_, a_, b_, lower_, upper_, may_nan_, scratch):
        """Fill in the intervals of all operations, in their order.

        `kernel` i64[n]: the interval kernel of each node's operation, 0 for a node whose interval is there
        already. `a`, `b` i32[n]: operands, -1 for none. `lower`, `upper` real[n], `may_nan` u8[n]: the
        intervals. `scratch`: three records. Kernels take records of sixteen intervals, which stay in there:
        n of them would not fit into the processor's caches.
        """
        kernel, a, b = i64s(kernel_), i32s(a_), i32s(b_)
        lower, upper, may_nan = reals(lower_), reals(upper_), u8s(may_nan_)
        out, left, right = scratch, scratch + size, scratch + 2 * size
        for node in range(n):
            if kernel[node] == 0:
                continue
            first, second = np.int64(a[node]), np.int64(b[node])
            write(left, lower[first], upper[first], may_nan[first])
            if second < 0:
                call2(kernel[node], out, left)
            else:
                write(right, lower[second], upper[second], may_nan[second])
                call3(kernel[node], out, left, right)
            lower[node], upper[node] = reals(out)[0], reals(out + row)[0]
            may_nan[node] = i64s(out + 2 * row)[0] & 1

    return {"sweep": (sweep, types.none(*[types.int64] * 8))}


def classes(n, a_, b_, variables_, counts_):
    """Which variables each node depends on.

    `variables` i64[n]: before, the bit of the variable at variable nodes, else 0; after, the union of all
    below. `counts` u8[n]: how many variables there are, 2 for more than one.
    """
    a, b, variables, counts = i32s(a_), i32s(b_), i64s(variables_), u8s(counts_)
    for node in range(n):
        union = variables[node]
        if a[node] >= 0:
            union |= variables[np.int64(a[node])]
        if b[node] >= 0:
            union |= variables[np.int64(b[node])]
        variables[node] = union
        counts[node] = 0 if union == 0 else 1 if union & (union - 1) == 0 else 2


SHARED = {"classes": (classes, types.none(*[types.int64] * 5))}
"""The kernel that serves both precisions."""
