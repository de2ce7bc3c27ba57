"""Demands settled: which of them the root needs, and which are better asked of a value as a whole.

A demand on a *fold*, a function of one other value, is an atom of its own where more than `MOST` bands of
values would stand for it, or a demand below it was kept (see `absint.lowering.kernels.thresholds`): to
compute the fold then costs less than to compare its operands with so many ends. Bands of variables do not
count: they are sides of boxes, which cost nothing at a pixel.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from absint.lowering.kernels.pass_records import RealNodes, SettleTask
from absint.lowering.kernels.thresholds import (  # fmt: skip
    ALL,
    ANY,
    ATOM,
    FALSE,
    INF,
    IS_EVEN,
    IS_EXTREMUM,
    IS_STEP,
    KEPT,
    SAME,
    TRUE,
)
from absint.native.record_pointers import pointer_to
from absint.ops.table import VAR

_VAR = VAR.code

MOST = 64
"""Bands of values that may stand for a demand on a fold."""

MANY = 1 << 20
"""More than any limit; the weight of a demand that was kept."""

real_nodes, settle_task = pointer_to(RealNodes), pointer_to(SettleTask)


def find_bases(address):
    """Fill in `base` and `paths` of `RealNodes`.

    The base of a value of one variable is the variable; that of a value from which demands all go to one
    other, that of the other; else it is the node itself.
    """
    nodes = real_nodes(address)
    op, a, b, traits, base, paths = nodes.op, nodes.a, nodes.b, nodes.traits, nodes.base, nodes.paths
    lower, upper, variables = nodes.lower, nodes.upper, nodes.variables
    for node in range(nodes.count):
        code, v, w = op[node], np.int64(a[node]), np.int64(b[node])
        base[node], paths[node] = node, 1 if code == _VAR else MANY
        if variables[node] == 0:
            base[node], paths[node] = -1, 0
        elif traits[code] & IS_EXTREMUM:
            paths[node] = min(paths[v] + paths[w], MANY)
            if base[v] == base[w] or base[w] < 0:
                base[node] = base[v]
            elif base[v] < 0:
                base[node] = base[w]
        elif traits[code] & IS_STEP:
            varying = v
            if w >= 0 and v != w and lower[w] < upper[w]:
                varying = w if lower[v] == upper[v] else np.int64(-1)
            if varying >= 0:
                signs = 2 if traits[code] & IS_EVEN or v == w else 1
                base[node], paths[node] = base[varying], min(signs * paths[varying], MANY)
        if variables[node] == 1 and v >= 0:
            base[node] = base[v] if base[v] >= 0 else base[w]


@njit(error_model="numpy")
def sort_by_node(task):
    """Order demands by node, those with both ends last, for they lead to others on the same node."""
    n, count, starts, order = task.nodes.count, task.count, task.starts, task.order
    nodes, lower, upper = task.demands.node, task.demands.lower, task.demands.upper
    for node in range(n + 2):
        starts[node] = 0
    for demand in range(count):
        starts[nodes[demand] + 2] += 1  # the first two demands are on no node, -1
    for node in range(n + 1):
        starts[node + 1] += starts[node]
    for two_ends in (False, True):
        for demand in range(count):
            if (lower[demand] > -INF and upper[demand] < INF) == two_ends:
                place = starts[nodes[demand] + 1]
                starts[nodes[demand] + 1] += 1
                order[place] = demand


@njit(error_model="numpy")
def list_needed(root, task):
    """List the demands that a demand needs, children first; returns how many there are."""
    if root < 2:
        return 0
    demands, order, is_needed = task.demands, task.order, task.is_needed
    is_needed[root] = 1
    total = 0
    for i in range(task.count - 1, -1, -1):
        demand = np.int64(order[i])
        if not is_needed[demand]:
            continue
        total += 1
        if demands.kind[demand] != ATOM:
            is_needed[demands.first[demand]] = 1
            is_needed[demands.second[demand]] = 1
    position = 0
    for i in range(task.count):
        if is_needed[order[i]]:
            task.needed[position] = order[i]
            position += 1
    return total


def settle(address):
    """Resolve demands bottom up and list those that the root needs; returns how many these are.

    Demands that are kept, or had better be, become atoms, and the children of others demands that were not
    resolved to a constant or another demand. See `SettleTask`.
    """
    task = settle_task(address)
    sort_by_node(task)
    op, base = task.nodes.op, task.nodes.base
    kinds, left, right, nodes = task.demands.kind, task.demands.first, task.demands.second, task.demands.node
    results, weights = task.result, task.weight
    results[0] = 0
    results[1] = 1
    weights[0] = weights[1] = 0
    for i in range(task.count):
        demand = np.int64(task.order[i])
        kind, node = kinds[demand], np.int64(nodes[demand])
        result, weight = demand, np.int64(0)
        if kind == ATOM:
            weight = np.int64(op[node] != _VAR)
        elif kind == KEPT:
            kinds[demand], weight = ATOM, np.int64(MANY)
        elif kind == FALSE:
            result = np.int64(0)
        elif kind == TRUE:
            result = np.int64(1)
        elif kind == SAME:
            result, weight = np.int64(results[left[demand]]), np.int64(weights[left[demand]])
        elif kind == ANY or kind == ALL:
            x, y = np.int64(results[left[demand]]), np.int64(results[right[demand]])
            weight = np.int64(weights[left[demand]])
            if x != y:
                weight = min(weight + np.int64(weights[right[demand]]), np.int64(MANY))
            absorbing = 1 if kind == ANY else 0
            if x == absorbing or y == absorbing:
                result = np.int64(absorbing)
            elif x == 1 - absorbing or x == y:
                result = y
            elif y == 1 - absorbing:
                result = x
            left[demand] = x
            right[demand] = y
            if base[node] == node:
                weight = min(weight, np.int64(1))
            elif result == demand and weight > MOST:
                kinds[demand] = ATOM
        if result < 2:
            weight = np.int64(0)
        results[demand] = result
        weights[demand] = weight
    task.answer = np.int64(results[2])
    return list_needed(task.answer, task)


SHARED = {
    "find_bases": (find_bases, types.none(types.int64)),
    "settle": (settle, types.int64(types.int64)),
}
"""The kernels; they serve both precisions."""
