"""Demands on real nodes pushed down to bands of simpler nodes: the inner loop of the pass `predicates`.

A demand asks `lo <= v <= hi` of a real node v (false on NaN). Every demand is resolved to one of `KINDS`,
where children are demands on operands. A step through an operation with one varying operand is exact:
rounding is monotone, so the floats v with `lo <= fl(g(v)) <= hi` are a run of consecutive floats, whose ends
are searched among the ordered floats. No algebra is done on thresholds.

Folds, as in a chain of abs(v) - c or of min(v + a, b - v), ask twice as often of each value as of the one
above it. So a node is looked at when all that is asked of it is known, and one of which much more is asked
than there are values above it stays as it is: see `CROWD`. What is kept is settled in
`absint.lowering.kernels.folds`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from absint.native.memory import at_key, f64s, i32s, i64s, key, u8s
from absint.ops import numba_primitives
from absint.ops.precision import Precision
from absint.ops.printers.translate import numba_form
from absint.ops.table import (  # fmt: skip
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
)

KINDS = ("atom", "false", "true", "same", "any", "all", "kept")
ATOM, FALSE, TRUE, SAME, ANY, ALL, KEPT = range(len(KINDS))
"""What becomes of a demand; one that is kept is an atom as well, though it could be pushed."""

_ABS, _ADD, _CEIL, _DIV, _FLOOR, _MAX, _MIN, _MUL, _NEG, _RECIP, _ROUND, _SQRT, _SQUARE, _SUB = (
    op.code for op in (ABS, ADD, CEIL, DIV, FLOOR, MAX, MIN, MUL, NEG, RECIP, ROUND, SQRT, SQUARE, SUB)
)
_NONE, _RSUB, _RDIV = -1, 100, 101
"""No operation, and the steps `c - v` and `c / v`, which are none either."""

CROWD, FEW = (2, 8), (64, 512)
"""Demands on a node for each value above it that asks, and bands of variables, for a node of one variable and
one of several. A node that has more demands is crowded: all are kept, unless they become few bands in all.
What is of one variable may be kept sooner: it is computed but once for a column or row of pixels.
"""

FAR = 1 << 16
"""Places that the inverse's value may be off before it counts for nothing."""

INF = np.inf


class Asked(NamedTuple):
    """Who asks of real nodes, i32 each. `oldest` and `newest`: the first and last of the demands on a node,
    -1 for none, which `after` chains, and `times`, how many there are. `asker`: the last node that asked;
    `askers`: how many nodes did; `ends`: how many values above a node lead to it, at least: as many as lead
    to one of those that ask, the `most`, and one for each other. What a node of several variables asks of one
    of a single variable stands beside bands of others, so each such demand counts as one.
    """

    oldest: Any
    newest: Any
    after: Any
    times: Any
    asker: Any
    askers: Any
    most: Any
    ends: Any


class Facts(NamedTuple):
    """What is known of real nodes: their bounds `lower` and `upper`, f64; u8, `nan`, whether one may be NaN,
    and `variables`, on how many it depends, 2 for more than one.
    """

    lower: Any
    upper: Any
    nan: Any
    variables: Any


class Demands(NamedTuple):
    """Demands: `nodes` i32, `los` and `his` f64; `slots` i32, a hash table of `mask` + 1 entries."""

    nodes: Any
    los: Any
    his: Any
    slots: Any
    mask: Any


@njit(error_model="numpy")
def is_step(code):
    """Whether demands may be pushed through an operation, if its operands allow."""
    return (
        code == _MIN or code == _MAX or code == _NEG or code == _ABS or code == _SQUARE or code == _SQRT
        or code == _ADD or code == _SUB or code == _MUL or code == _DIV or code == _RECIP or code == _FLOOR
        or code == _CEIL or code == _ROUND
    )  # fmt: skip


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
    def ask(by, node, lo, hi, facts, demands, asked, count):
        """The number of a demand and the count of demands after it; decided ones are 0 (false) and 1 (true).

        `by`: the node that asks. An end that the node's bounds imply is dropped, so that equal demands are
        found equal.
        """
        least, most, may_nan = facts.lower[node], facts.upper[node], facts.nan[node]
        if lo > hi or most < lo or least > hi or least > most:
            return 0, count
        implied_low, implied_high = least >= lo, most <= hi
        if implied_low and implied_high and not may_nan:
            return 1, count
        lo = -INF if implied_low else lo + 0.0  # one zero
        hi = INF if implied_high else hi + 0.0
        enters = facts.variables[node] < 2 and facts.variables[by] > 1
        if by != node and asked.asker[node] != by and not enters:
            asked.asker[node] = by
            asked.askers[node] += 1
            asked.most[node] = max(asked.most[node], asked.ends[by])
        place = (node * 0x9E3779B1 ^ key(lo) * 0x85EBCA77 ^ key(hi) * 0xC2B2AE3D) & 0x7FFFFFFFFFFFFFFF
        place = (place ^ place >> 29) & demands.mask
        while demands.slots[place] >= 0:
            found = np.int64(demands.slots[place])
            if demands.nodes[found] == node and demands.los[found] == lo and demands.his[found] == hi:
                return found, count
            place = (place + 1) & demands.mask
        demands.slots[place] = count
        demands.nodes[count] = node
        demands.los[count] = lo
        demands.his[count] = hi
        asked.after[count] = -1
        if asked.oldest[node] < 0:
            asked.oldest[node] = count
        else:
            asked.after[asked.newest[node]] = count
        asked.newest[node] = count
        asked.times[node] += 1
        asked.ends[node] += enters
        return count, count + 1

    @njit(error_model="numpy")
    def step_back(code, v, w, lo, hi, facts):
        """What a demand on a step through one varying operand becomes: SAME, with the operand and its band,
        FALSE, or ATOM where the step cannot be gone through.
        """
        how, falling = np.int64(_NONE), False
        c = 0.0
        lower, upper, nan = facts.lower, facts.upper, facts.nan
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
        if how < 0:
            return ATOM, v, 0.0, 0.0
        near, far = (hi, lo) if falling else (lo, hi)
        bottom, top = key(real(low)), key(real(high))
        start = first(how, real(c), falling, False, real(near), bottom, top)
        end = first(how, real(c), falling, True, real(far), bottom, top) - 1
        if start > end:
            return FALSE, v, 0.0, 0.0
        return SAME, v, np.float64(at_key(start, real(0))), np.float64(at_key(end, real(0)))

    @njit(error_model="numpy")
    def magnitude_back(code, v, lo, hi, facts):
        """What a demand on |v| or v² becomes: FALSE, SAME with a band of v, or ANY of one and its mirror."""
        p, q = max(lo, 0.0), hi
        if code != _ABS:
            far = real(max(-facts.lower[v], facts.upper[v]))
            start = first(_SQUARE, real(0), False, False, real(p), 0, key(far))
            end = first(_SQUARE, real(0), False, True, real(q), 0, key(far)) - 1
            p = np.float64(at_key(start, real(0)))
            q = np.float64(at_key(end, real(0))) if end >= 0 else -1.0
        if p > q:
            return FALSE, p, q
        return (SAME, -q, q) if p <= 0 else (ANY, p, q)

    @njit(error_model="numpy")
    def gone_through(node, code, v, w, lo, hi, facts, demands, asked, count):
        """What a demand on a node becomes, its children, -1 for none, and the count of demands after it."""
        kind = ATOM
        x = y = np.int64(-1)
        if code == _MIN or code == _MAX:
            bounded_low, bounded_high = lo > -INF, hi < INF
            if bounded_low and bounded_high:
                x, count = ask(node, node, lo, INF, facts, demands, asked, count)
                y, count = ask(node, node, -INF, hi, facts, demands, asked, count)
                return ALL, x, y, count
            if bounded_low == (code == _MIN) and bounded_low != bounded_high:
                kind = ALL
            elif bounded_low != bounded_high and not facts.nan[v] and not facts.nan[w]:
                kind = ANY
            if kind != ATOM:
                x, count = ask(node, v, lo, hi, facts, demands, asked, count)
                y, count = ask(node, w, lo, hi, facts, demands, asked, count)
        elif code == _NEG:
            kind = SAME
            x, count = ask(node, v, -hi, -lo, facts, demands, asked, count)
        elif code == _ABS or code == _SQUARE or (code == _MUL and v == w):
            kind, p, q = magnitude_back(code, v, lo, hi, facts)
            # two signs are two bands, which only one variable affords
            if kind == ANY and facts.lower[v] <= -p and facts.upper[v] >= p and facts.variables[v] > 1:
                kind = ATOM
            if kind == SAME or kind == ANY:
                x, count = ask(node, v, p, q, facts, demands, asked, count)
            if kind == ANY:
                y, count = ask(node, v, -q, -p, facts, demands, asked, count)
        else:
            kind, varying, p, q = step_back(code, v, w, lo, hi, facts)
            if kind == SAME:
                x, count = ask(node, varying, p, q, facts, demands, asked, count)
        return kind, x, y, count

    def push(
        root, op_, a_, b_, lower_, upper_, nan_, variables_,
        paths_, oldest_, newest_, times_, asker_, askers_, most_, ends_,
        capacity, nodes_, los_, his_, kinds_, first_, second_, after_, slots_, mask, counts_,
    ):  # fmt: skip
        """Resolve the demand `value < 0` of the root and all that come of it; returns how many there are.

        Of n nodes: `op` u8, `a` and `b` i32, `lower`, `upper` (f64) and `nan` (u8) their bounds,
        `variables` (u8) how many variables they depend on, 2 for more than one, `paths` i32, see `bases` in
        `absint.lowering.kernels.folds`; scratch as in `Asked`. Of `capacity` demands: `nodes` i32, `los`
        and `his` f64, `kinds` u8, `first` and `second` i32, their children; `after` i32, scratch. `slots`:
        a hash table of mask+1 entries, all -1. `counts`: i64 per operation, how many steps were taken
        through it. Where there is no room for more demands those that are left are kept. Demands 0 and 1
        are false and true, and the third is that on the root.
        """
        op, a, b, paths = u8s(op_), i32s(a_), i32s(b_), i32s(paths_)
        facts = Facts(f64s(lower_), f64s(upper_), u8s(nan_), u8s(variables_))
        kinds, left, right, counts = u8s(kinds_), i32s(first_), i32s(second_), i64s(counts_)
        demands = Demands(i32s(nodes_), f64s(los_), f64s(his_), i32s(slots_), mask)
        asked = Asked(
            i32s(oldest_), i32s(newest_), i32s(after_), i32s(times_), i32s(asker_), i32s(askers_),
            i32s(most_), i32s(ends_),
        )  # fmt: skip
        for node in range(root + 1):
            asked.oldest[node] = asked.asker[node] = -1
            asked.times[node] = asked.askers[node] = asked.most[node] = asked.ends[node] = 0
        kinds[0] = FALSE
        kinds[1] = TRUE
        demands.nodes[0] = demands.nodes[1] = -1
        tiny = at_key(np.int64(1), real(0))
        demand, count = ask(np.int64(root), root, -INF, -np.float64(tiny), facts, demands, asked, np.int64(2))
        if demand < 2:
            # even a decided root is a demand, the third
            demands.nodes[2] = root
            kinds[2] = FALSE if demand == 0 else TRUE
            return 3
        asked.ends[root] = 1
        for node in range(root, -1, -1):
            current = np.int64(asked.oldest[node])
            if current < 0:
                continue
            code, v, w = np.int64(op[node]), np.int64(a[node]), np.int64(b[node])
            asked.ends[node] += asked.most[node] + max(0, asked.askers[node] - 1)
            times, several = np.int64(asked.times[node]), np.int64(facts.variables[node] > 1)
            crowded = times > CROWD[several] * asked.ends[node] and times * paths[node] > FEW[several]
            while current >= 0:  # a demand with two ends adds two on the same node
                kind = KEPT
                x = y = np.int64(-1)
                lo, hi = demands.los[current], demands.his[current]
                if not is_step(code) or not (crowded or count + 4 > capacity):
                    kind, x, y, count = gone_through(node, code, v, w, lo, hi, facts, demands, asked, count)
                    counts[code] += kind != ATOM
                kinds[current] = kind
                left[current] = x
                right[current] = y
                current = np.int64(asked.after[current])
        return count

    return {"push": (push, types.int64(*[types.int64] * 27))}


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
