"""Demands on real nodes pushed down to bands of simpler nodes: the inner loop of the pass `predicates`.

A demand asks `lo <= v <= hi` of a real node v (false on NaN). Every demand is resolved to one of `KINDS`,
where children are demands on operands. A step through an operation with one varying operand is exact:
rounding is monotone, so the floats v with `lo <= fl(g(v)) <= hi` are a run of consecutive floats, whose ends
are searched among the ordered floats. No algebra is done on thresholds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.kernels.memory import at_key, f64s, i32s, i64s, key, u8s
from absint.ops import numba_primitives
from absint.ops.table import (
    ABS,
    ADD,
    CEIL,
    DIV,
    FLOOR,
    MAX,
    MIN,
    MUL,
    NEG,
    RECIP,
    ROUND,
    SQRT,
    SQUARE,
    SUB,
)  # fmt: skip
from absint.ops.translate import numba_form
from absint.precision import Precision

KINDS = ("atom", "false", "true", "same", "any", "all")
ATOM, FALSE, TRUE, SAME, ANY, ALL = range(len(KINDS))

_ABS, _ADD, _CEIL, _DIV, _FLOOR, _MAX, _MIN, _MUL, _NEG, _RECIP, _ROUND, _SQRT, _SQUARE, _SUB = (
    op.code for op in (ABS, ADD, CEIL, DIV, FLOOR, MAX, MIN, MUL, NEG, RECIP, ROUND, SQRT, SQUARE, SUB)
)
_NONE, _RSUB, _RDIV = -1, 100, 101
"""No operation, and the steps `c - v` and `c / v`, which are none either."""

FAR = 1 << 16
"""Places that the inverse's value may be off before it counts for nothing."""

INF = np.inf


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """`push` for the precision, see there."""
    precision = Precision(precision_name)
    bodies = [numba_form(op.body(precision), precision) for op in (ADD, SUB, MUL, DIV, SQRT, SQUARE, FLOOR)]
    add, sub, mul, div, sqrt, square, floor = bodies
    ceil, round_, recip = (numba_form(op.body(precision), precision) for op in (CEIL, ROUND, RECIP))
    real = types.float32 if precision is Precision.F32 else types.float64

    @njit(error_model="numpy")
    def step(op, v, c):
        """The operation as a function of its varying operand."""
        if op == _ADD:
            return add(v, c)
        if op == _SUB:
            return sub(v, c)
        if op == _RSUB:
            return sub(c, v)
        if op == _MUL:
            return mul(v, c)
        if op == _DIV:
            return div(v, c)
        if op == _RDIV:
            return div(c, v)
        if op == _RECIP:
            return recip(v)
        if op == _SQRT:
            return sqrt(v)
        if op == _SQUARE:
            return square(v)
        if op == _FLOOR:
            return floor(v)
        if op == _CEIL:
            return ceil(v)
        return round_(v)

    @njit(error_model="numpy")
    def first(op, c, falling, strict, target, low, high):
        """The first place from `low` to `high` where the step has passed the target, else `high + 1`.

        Passed: at or above it, above if `strict`; for a `falling` step at or below, below if `strict`. Looks
        near the inverse's value, then farther and farther from it, then between two places.
        """
        begin, end = low, high + 1
        place = key(real(inverse(op, np.float64(target), np.float64(c))))
        stride = 1
        while low < end:
            place = min(max(place, low), end - 1)
            value = step(op, at_key(place, real(0)), c)
            if falling:
                passed = value < target or (not strict and value == target)
            else:
                passed = value > target or (not strict and value == target)
            if passed:
                end = place
            else:
                low = place + 1
            if (low > begin and end <= high) or stride > FAR:
                place = (low >> 1) + (end >> 1) + (low & end & 1)
            else:
                place += -stride if passed else stride
                stride *= 2
        return low

    @njit(error_model="numpy")
    def ask(node, lo, hi, lower, upper, nan, nodes, los, his, slots, mask, count):
        """The number of a demand and the count of demands after it; decided ones are 0 (false) and 1 (true).

        An end that the node's bounds imply is dropped, so that equal demands are found equal.
        """
        if lo > hi or upper[node] < lo or lower[node] > hi or lower[node] > upper[node]:
            return 0, count
        implied_low, implied_high = lower[node] >= lo, upper[node] <= hi
        if implied_low and implied_high and not nan[node]:
            return 1, count
        lo = -INF if implied_low else lo + 0.0  # one zero
        hi = INF if implied_high else hi + 0.0
        place = (node * 0x9E3779B1 ^ key(lo) * 0x85EBCA77 ^ key(hi) * 0xC2B2AE3D) & 0x7FFFFFFFFFFFFFFF
        place = (place ^ place >> 29) & mask
        while slots[place] >= 0:
            found = slots[place]
            if nodes[found] == node and los[found] == lo and his[found] == hi:
                return np.int64(found), count
            place = (place + 1) & mask
        slots[place] = count
        nodes[count] = node
        los[count] = lo
        his[count] = hi
        return count, count + 1

    def push(
        root, op_, a_, b_, lower_, upper_, nan_, variables_,
        capacity, nodes_, los_, his_, kinds_, first_, second_, slots_, mask, counts_,
    ):  # fmt: skip
        """Resolve the demand `value < 0` of the root and all that come of it; returns how many there are.

        Of n nodes: `op` u8, `a` and `b` i32, `lower`, `upper` (f64) and `nan` (u8) their bounds, `variables`
        (u8) how many variables they depend on, 2 for more than one. Of `capacity` demands: `nodes` i32, `los`
        and `his` f64, `kinds` u8, `first` and `second` i32, their children. `slots`: a hash table of mask+1
        entries, all -1. `counts`: i64 per operation, how many steps were taken through it. Where there
        is no room for more demands those that are left become atoms. Demands 0 and 1 are false and true.
        """
        op, a, b = u8s(op_), i32s(a_), i32s(b_)
        lower, upper, nan, variables = f64s(lower_), f64s(upper_), u8s(nan_), u8s(variables_)
        nodes, los, his, kinds = i32s(nodes_), f64s(los_), f64s(his_), u8s(kinds_)
        left, right, slots, counts = i32s(first_), i32s(second_), i32s(slots_), i64s(counts_)
        kinds[0] = FALSE
        kinds[1] = TRUE
        nodes[0] = nodes[1] = -1
        tiny = at_key(np.int64(1), real(0))
        demand, count = ask(root, -INF, -np.float64(tiny), lower, upper, nan, nodes, los, his, slots, mask, 2)
        if demand < 2:
            # even a decided root is a demand, the third
            nodes[2] = root
            kinds[2] = FALSE if demand == 0 else TRUE
            return 3
        current = 2
        while current < count:
            node, lo, hi = np.int64(nodes[current]), los[current], his[current]
            code, v, w = np.int64(op[node]), np.int64(a[node]), np.int64(b[node])
            if count + 4 > capacity:
                code = np.int64(_NONE)
            kind = ATOM
            x = y = np.int64(-1)
            if code == _MIN or code == _MAX:
                bounded_low, bounded_high = lo > -INF, hi < INF
                if bounded_low and bounded_high:
                    x, count = ask(node, lo, INF, lower, upper, nan, nodes, los, his, slots, mask, count)
                    y, count = ask(node, -INF, hi, lower, upper, nan, nodes, los, his, slots, mask, count)
                    kind = ALL
                elif bounded_low == (code == _MIN) and bounded_low != bounded_high:
                    kind = ALL
                elif bounded_low != bounded_high and not nan[v] and not nan[w]:
                    kind = ANY
                if kind != ATOM and x < 0:
                    x, count = ask(v, lo, hi, lower, upper, nan, nodes, los, his, slots, mask, count)
                    y, count = ask(w, lo, hi, lower, upper, nan, nodes, los, his, slots, mask, count)
            elif code == _NEG:
                kind = SAME
                x, count = ask(v, -hi, -lo, lower, upper, nan, nodes, los, his, slots, mask, count)
            elif code == _ABS or code == _SQUARE or (code == _MUL and v == w):
                # a step of the magnitude; its two signs are two bands, which only one variable affords
                p, q = max(lo, 0.0), hi
                if code != _ABS:
                    far = real(max(-lower[v], upper[v]))
                    start = first(_SQUARE, real(0), False, False, real(p), 0, key(far))
                    end = first(_SQUARE, real(0), False, True, real(q), 0, key(far)) - 1
                    p = np.float64(at_key(start, real(0)))
                    q = np.float64(at_key(end, real(0))) if end >= 0 else -1.0
                if p > q:
                    kind = FALSE
                elif p <= 0:
                    kind = SAME
                    x, count = ask(v, -q, q, lower, upper, nan, nodes, los, his, slots, mask, count)
                elif lower[v] > -p or upper[v] < p or variables[v] < 2:
                    kind = ANY
                    x, count = ask(v, p, q, lower, upper, nan, nodes, los, his, slots, mask, count)
                    y, count = ask(v, -q, -p, lower, upper, nan, nodes, los, his, slots, mask, count)
            else:
                how, falling = np.int64(_NONE), False
                c = 0.0
                if code == _SQRT or code == _FLOOR or code == _CEIL or code == _ROUND:
                    how = code
                elif code == _RECIP:
                    how, c = code, 1.0
                elif code == _ADD or code == _SUB or code == _MUL or code == _DIV:
                    # a fixed operand; if it is a zero its sign is open, which no band sees behind these steps
                    if lower[w] == upper[w] and not nan[w]:
                        how, c = code, lower[w]
                    elif lower[v] == upper[v] and not nan[v]:
                        how, c = code, lower[v]
                        how = np.int64(_RSUB if code == _SUB else _RDIV if code == _DIV else code)
                        v = w
                    falling = how == _RSUB or ((how == _MUL or how == _DIV) and c < 0)
                    if not (c > -INF and c < INF) or (c == 0 and (code == _MUL or code == _DIV)):
                        how = np.int64(_NONE)  # might make NaN of a number, or loses it
                low = high = 0.0
                if how >= 0:
                    low, high = lower[v], upper[v]
                if how == _RDIV or how == _RECIP:
                    falling = c > 0
                    if not (low > 0 or high < 0):
                        how = np.int64(_NONE)
                elif how == _SQRT:
                    low = max(low, 0.0)
                if how >= 0:
                    near, far = (hi, lo) if falling else (lo, hi)
                    bottom, top = key(real(low)), key(real(high))
                    start = first(how, real(c), falling, False, real(near), bottom, top)
                    end = first(how, real(c), falling, True, real(far), bottom, top) - 1
                    kind = FALSE
                    if start <= end:
                        kind = SAME
                        p, q = np.float64(at_key(start, real(0))), np.float64(at_key(end, real(0)))
                        x, count = ask(v, p, q, lower, upper, nan, nodes, los, his, slots, mask, count)
            if kind != ATOM:
                counts[code] += 1
            kinds[current] = kind
            left[current] = x
            right[current] = y
            current += 1
        return count

    return {"push": (push, types.int64(*[types.int64] * 18))}


@njit(error_model="numpy")
def inverse(op, value, c):
    """About where a step takes a value, in binary64."""
    if op == _ADD:
        return value - c
    if op == _SUB:
        return value + c
    if op == _RSUB:
        return c - value
    if op == _MUL:
        return value / c
    if op == _DIV:
        return value * c
    if op == _RDIV or op == _RECIP:
        return c / value
    if op == _SQRT:
        return value * value
    if op == _SQUARE:
        return numba_primitives.sqrt(value)
    return value


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


def settle(
    n,
    count,
    nodes_,
    lows_,
    highs_,
    kinds_,
    first_,
    second_,
    starts_,
    order_,
    results_,
    chosen_,
    made_,
    answer_,
):
    """Resolve demands bottom up and say which the root needs; returns how many those are.

    `n`: how many real nodes there are. `starts` i32[n + 2] and `order` i32[count]: scratch. `results`
    i32[count]: for each demand 0 (false), 1 (true) or the demand that stands for it, one of kind atom, any or
    all, of which `left` and `right` are rewritten to such demands. `chosen` u8[count], all 0 before: what the
    root needs. `made` i32[count]: the same as a list, children first. `answer` i32[1]: what the root, the
    third demand, resolved to.
    """
    nodes, lows, highs, kinds, order = i32s(nodes_), f64s(lows_), f64s(highs_), u8s(kinds_), i32s(order_)
    left, right, results, chosen = i32s(first_), i32s(second_), i32s(results_), u8s(chosen_)
    made, answer = i32s(made_), i32s(answer_)
    put_in_order(n, count, nodes, lows, highs, i32s(starts_), order)
    results[0] = 0
    results[1] = 1
    for i in range(count):
        demand = np.int64(order[i])
        kind = kinds[demand]
        result = demand
        if kind == FALSE:
            result = np.int64(0)
        elif kind == TRUE:
            result = np.int64(1)
        elif kind == SAME:
            result = np.int64(results[left[demand]])
        elif kind == ANY or kind == ALL:
            x, y = np.int64(results[left[demand]]), np.int64(results[right[demand]])
            absorbing = 1 if kind == ANY else 0
            if x == absorbing or y == absorbing:
                result = np.int64(absorbing)
            elif x == 1 - absorbing or x == y:
                result = y
            elif y == 1 - absorbing:
                result = x
            left[demand] = x
            right[demand] = y
        results[demand] = result
    answer[0] = results[2]
    if results[2] < 2:
        return 0
    chosen[results[2]] = 1
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


SHARED = {"settle": (settle, types.int64(*[types.int64] * 14))}
"""The kernels that serve both precisions."""
