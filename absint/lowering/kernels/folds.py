"""Demands settled: which of them the root needs, and which are better asked of a value as a whole.

A demand on a *fold*, a function of one other value, is an atom of its own where more than `MOST` bands of
values would stand for it, or something below it was kept (see `absint.lowering.kernels.thresholds`): to
compute the fold then costs less than to compare what it is made of with so many ends. Bands of variables do
not count: they are sides of boxes, which cost nothing at a pixel.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from absint.lowering.kernels.thresholds import ALL, ANY, ATOM, FALSE, INF, KEPT, SAME, TRUE, is_step
from absint.native.memory import f64s, i32s, u8s
from absint.ops.table import ABS, MAX, MIN, SQUARE, VAR

_ABS, _MAX, _MIN, _SQUARE, _VAR = (op.code for op in (ABS, MAX, MIN, SQUARE, VAR))

MOST = 64
"""Bands of values that may stand for a demand on a fold."""

MANY = 1 << 20
"""More than any limit; what a demand counts for that was kept."""


def bases(n, op_, a_, b_, lower_, upper_, variables_, base_, paths_):
    """Of n nodes, i32: `base`, the value that each is a function of, and `paths`, how many bands of variables
    a demand on it becomes, about, `MANY` where there are bands of other values.

    The base of a value of one variable is the variable; that of a value from which demands all go to one
    other, that of the other; else it is the node itself. Constants have none, -1. Of the nodes, as for
    `push`: `op` u8, `a` and `b` i32, `lower` and `upper` f64, `variables` u8.
    """
    op, a, b, base, paths = u8s(op_), i32s(a_), i32s(b_), i32s(base_), i32s(paths_)
    lower, upper, variables = f64s(lower_), f64s(upper_), u8s(variables_)
    for node in range(n):
        code, v, w = op[node], np.int64(a[node]), np.int64(b[node])
        base[node], paths[node] = node, 1 if code == _VAR else MANY
        if variables[node] == 0:
            base[node], paths[node] = -1, 0
        elif code == _MIN or code == _MAX:
            paths[node] = min(paths[v] + paths[w], MANY)
            if base[v] == base[w] or base[w] < 0:
                base[node] = base[v]
            elif base[v] < 0:
                base[node] = base[w]
        elif is_step(code):
            varying = v
            if w >= 0 and v != w and lower[w] < upper[w]:
                varying = w if lower[v] == upper[v] else np.int64(-1)
            if varying >= 0:
                signs = 2 if code == _ABS or code == _SQUARE or v == w else 1
                base[node], paths[node] = base[varying], min(signs * paths[varying], MANY)
        if variables[node] == 1 and v >= 0:
            base[node] = base[v] if base[v] >= 0 else base[w]


@njit(error_model="numpy")
def put_in_order(n, count, nodes, lows, highs, starts, order):
    """Order demands by node, those with both ends last, for they lead to others on the same node."""
    for node in range(n + 2):
        starts[node] = 0
    for demand in range(count):
        starts[nodes[demand] + 2] += 1  # the first two demands are on no node, -1
    for node in range(n + 1):
        starts[node + 1] += starts[node]
    for two_ends in (False, True):
        for demand in range(count):
            if (lows[demand] > -INF and highs[demand] < INF) == two_ends:
                place = starts[nodes[demand] + 1]
                starts[nodes[demand] + 1] += 1
                order[place] = demand


@njit(error_model="numpy")
def choose(count, root, kinds, left, right, order, chosen, made):
    """List what a demand needs, children first; returns how many demands that are."""
    if root < 2:
        return 0
    chosen[root] = 1
    needed = 0
    for i in range(count - 1, -1, -1):
        demand = np.int64(order[i])
        if not chosen[demand]:
            continue
        needed += 1
        if kinds[demand] != ATOM:
            chosen[left[demand]] = 1
            chosen[right[demand]] = 1
    position = 0
    for i in range(count):
        if chosen[order[i]]:
            made[position] = order[i]
            position += 1
    return needed


def settle(
    n, op_, base_, count, nodes_, lows_, highs_, kinds_, first_, second_,
    starts_, order_, results_, weights_, chosen_, made_, answer_,
):  # fmt: skip
    """Resolve demands bottom up and say which the root needs; returns how many those are.

    Of n real nodes: `op` u8 and `base` i32, see `bases`. Of the demands: `kinds`, of which those that are
    kept, or better were, become atoms. `starts` i32[n + 2], `order` and `weights` i32[count]: scratch.
    `results` i32[count]: for each demand 0 (false), 1 (true) or the demand that stands for it, one of kind
    atom, any or all, of which `left` and `right` are rewritten to such demands. `chosen` u8[count], all 0
    before: what the root needs. `made` i32[count]: the same as a list, children first. `answer` i32[1]: what
    the root, the third demand, resolved to.
    """
    nodes, lows, highs, kinds, order = i32s(nodes_), f64s(lows_), f64s(highs_), u8s(kinds_), i32s(order_)
    left, right, results, chosen = i32s(first_), i32s(second_), i32s(results_), u8s(chosen_)
    made, answer, op, base, weights = i32s(made_), i32s(answer_), u8s(op_), i32s(base_), i32s(weights_)
    put_in_order(n, count, nodes, lows, highs, i32s(starts_), order)
    results[0] = 0
    results[1] = 1
    weights[0] = weights[1] = 0
    for i in range(count):
        demand = np.int64(order[i])
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
    answer[0] = results[2]
    return choose(count, np.int64(results[2]), kinds, left, right, order, chosen, made)


SHARED = {
    "bases": (bases, types.none(*[types.int64] * 9)),
    "settle": (settle, types.int64(*[types.int64] * 17)),
}
"""The kernels; they serve both precisions."""
