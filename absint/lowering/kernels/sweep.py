"""Interval bounds of every node of a graph on sixteen boxes at once: the inner loop of
`absint.lowering.sweep`.
"""

from __future__ import annotations

import numpy as np
from numba import types

from absint.native.memory import call2, call3, i32s, i64s, u8s


def sweep(first, end, kernel_, a_, b_, records, size):
    """Fill the records of the nodes from `first` up to `end`, in their order.

    `kernel` i64[n]: the interval kernel of each node's operation, 0 for a node whose record is there already.
    `a`, `b` i32[n]: operands, -1 for none. Record i, sixteen intervals, lies at `records + i * size`.
    """
    kernel, a, b = i64s(kernel_), i32s(a_), i32s(b_)
    for node in range(first, end):
        if kernel[node] == 0:
            continue
        out, left = records + node * size, records + np.int64(a[node]) * size
        if b[node] < 0:
            call2(kernel[node], out, left)
        else:
            call3(kernel[node], out, left, records + np.int64(b[node]) * size)


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


SHARED = {
    "sweep": (sweep, types.none(*[types.int64] * 7)),
    "classes": (classes, types.none(*[types.int64] * 5)),
}
"""The kernels; they serve both precisions."""
