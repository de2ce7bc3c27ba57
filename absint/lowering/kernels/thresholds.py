"""Demands on real nodes pushed down to bands of simpler nodes: the inner loop of the pass `predicates`.

A demand asks `lo <= v <= hi` of a real node v (false on NaN). Every demand becomes one of `KINDS`, whose
children are demands on operands. A demand goes through an operation where the operation is an extremum, or
monotone in its one varying operand, or, if it is even, in that operand's magnitude; the operation's record
says so. That is exact: rounding is monotone, so the floats v with `lo <= fl(g(v)) <= hi` are a run of
consecutive floats, whose ends are searched among the ordered floats. No algebra is done on thresholds.

Folds, as in a chain of abs(v) - c or of min(v + a, b - v), ask twice as often of each value as of the one
above it. So a node is looked at when all that is asked of it is known, and a node of which much more is asked
than there are values above it stays as it is: see `CROWD`. `absint.lowering.kernels.folds` settles which
demands are kept.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from absint.lowering.kernels.pass_records import PushTask
from absint.native.memory import at_key, key
from absint.native.record_pointers import pointer_to
from absint.ops import dispatch
from absint.ops.precision import Precision
from absint.ops.record import Trait

IS_STEP, IS_EVEN, IS_LEAST = int(Trait.IS_STEP), int(Trait.IS_EVEN), int(Trait.IS_LEAST)
IS_EXTREMUM = IS_LEAST | int(Trait.IS_GREATEST)

KINDS = ("atom", "false", "true", "same", "any", "all", "kept")
ATOM, FALSE, TRUE, SAME, ANY, ALL, KEPT = range(len(KINDS))
"""What a demand becomes: a band of its node, a constant, one other demand, or one of two, or both. A demand
that is kept is an atom as well, though it could be pushed.
"""

CROWD, FEW = (2, 8), (64, 512)
"""Demands on a node for each value above it that asks, and bands of variables, for a node of one variable and
one of several. A node that has more demands is crowded: all are kept, unless they become few bands in all.
What is of one variable may be kept sooner: it is computed but once for a column or row of pixels.
"""

FAR = 1 << 16
"""Floats from the inverse's value after which the search bisects."""

INF = np.inf

push_task = pointer_to(PushTask)


class Bounds(NamedTuple):
    """What is known of real nodes, by node; see `RealNodes`."""

    lower: Any
    upper: Any
    may_nan: Any
    variables: Any


class Demands(NamedTuple):
    """Demands and who asks; see `DemandArrays` and `Asking`."""

    node: Any
    lower: Any
    upper: Any
    after: Any
    slots: Any
    mask: Any
    asking: Any


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """The kernel `push` for the precision."""
    precision = Precision(precision_name)
    real = types.float32 if precision is Precision.F32 else types.float64
    step, inverse = dispatch.make_step(precision), dispatch.make_inverse(precision)
    direction = dispatch.make_direction(precision)

    @njit(error_model="numpy")
    def search(code, second, other, falls, strict, target, low, high):
        """The first place from `low` to `high` among the ordered floats where a monotone operation has passed
        the target, else `high + 1`. `second` and `other`: see `dispatch.make_step`.

        Passed: at or above the target, above it if `strict`; where the operation `falls`, at or below, or
        below. Looks near the inverse's value, then farther and farther from it, then bisects.
        """
        begin, end = low, high + 1
        place = key(real(inverse(code, second, np.float64(target), np.float64(other))))
        stride = 1
        while low < end:
            place = min(max(place, low), end - 1)
            value = step(code, second, at_key(place, real(0)), other)
            if falls:
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
    def find_run(code, second, other, way, lo, hi, bottom, top):
        """The first and last float from `bottom` to `top` at which the operation is in [lo, hi]; (inf, -inf)
        if there is none. `way`: whether it rises there, 1, or falls, -1.
        """
        falls = way < 0
        near, far = (hi, lo) if falls else (lo, hi)
        low, high = key(bottom), key(top)
        first = search(code, second, other, falls, False, real(near), low, high)
        last = search(code, second, other, falls, True, real(far), low, high) - 1
        if first > last:
            return INF, -INF
        return np.float64(at_key(first, real(0))), np.float64(at_key(last, real(0)))

    @njit(error_model="numpy")
    def ask(by, node, lo, hi, bounds, demands, count):
        """The number of a demand and the count of demands after it; decided ones are 0 (false) and 1 (true).

        `by`: the node that asks. An end that the node's bounds imply is dropped, so that equal demands are
        found equal.
        """
        least, most = bounds.lower[node], bounds.upper[node]
        if lo > hi or most < lo or least > hi or least > most:
            return 0, count
        implied_low, implied_high = least >= lo, most <= hi
        if implied_low and implied_high and not bounds.may_nan[node]:
            return 1, count
        lo = -INF if implied_low else lo + 0.0  # one zero
        hi = INF if implied_high else hi + 0.0
        enters = bounds.variables[node] < 2 and bounds.variables[by] > 1
        asking = demands.asking[node]
        if by != node and asking.asker != by and not enters:
            asking.asker = by
            asking.askers += 1
            asking.most = max(asking.most, demands.asking[by].ends)
        place = (node * 0x9E3779B1 ^ key(lo) * 0x85EBCA77 ^ key(hi) * 0xC2B2AE3D) & 0x7FFFFFFFFFFFFFFF
        place = (place ^ place >> 29) & demands.mask
        while demands.slots[place] >= 0:
            found = np.int64(demands.slots[place])
            if demands.node[found] == node and demands.lower[found] == lo and demands.upper[found] == hi:
                return found, count
            place = (place + 1) & demands.mask
        demands.slots[place] = count
        demands.node[count] = node
        demands.lower[count] = lo
        demands.upper[count] = hi
        demands.after[count] = -1
        if asking.oldest < 0:
            asking.oldest = count
        else:
            demands.after[np.int64(asking.newest)] = count
        asking.newest = count
        asking.times += 1
        asking.ends += enters
        return count, count + 1

    @njit(error_model="numpy")
    def band_of_operand(code, v, w, lo, hi, bounds):
        """What a demand on an operation with one varying operand becomes: SAME, with that operand and its
        band, FALSE, or ATOM where the operation is not known to be monotone in the operand.
        """
        varying, second, other = v, False, 0.0
        if w >= 0:
            # the sign of a fixed zero is not known, and no `monotone` rule depends on it
            if bounds.lower[w] == bounds.upper[w] and not bounds.may_nan[w]:
                other = bounds.lower[w]
            elif bounds.lower[v] == bounds.upper[v] and not bounds.may_nan[v]:
                varying, second, other = w, True, bounds.lower[v]
            else:
                return ATOM, v, 0.0, 0.0
        way, bottom, top = direction(
            code, second, real(bounds.lower[varying]), real(bounds.upper[varying]), real(other)
        )
        if way == 0:
            return ATOM, v, 0.0, 0.0
        p, q = find_run(code, second, real(other), way, lo, hi, bottom, top)
        return (SAME if p <= q else FALSE), varying, p, q

    @njit(error_model="numpy")
    def band_of_magnitude(code, v, lo, hi, bounds):
        """What a demand on an even operation becomes: FALSE, SAME with a band of its operand, ANY of a band
        and its mirror image, or ATOM where the operation is not known to be monotone in the magnitude.
        """
        far = real(max(-bounds.lower[v], bounds.upper[v]))
        way, _, _ = direction(code, False, real(0), far, real(0))
        if way == 0:
            return ATOM, 0.0, 0.0
        p, q = find_run(code, False, real(0), way, lo, hi, real(0), far)
        if p > q:
            return FALSE, p, q
        if p <= 0:
            return SAME, -q, q
        # two signs are two bands, which only one variable affords
        if bounds.lower[v] <= -p and bounds.upper[v] >= p and bounds.variables[v] > 1:
            return ATOM, p, q
        return ANY, p, q

    @njit(error_model="numpy")
    def push_through(node, code, trait, v, w, lo, hi, bounds, demands, count):
        """What a demand on a node becomes, its children, -1 for none, and the count of demands after it."""
        kind = ATOM
        x = y = np.int64(-1)
        if trait & IS_EXTREMUM:
            bounded_low, bounded_high = lo > -INF, hi < INF
            if bounded_low and bounded_high:
                x, count = ask(node, node, lo, INF, bounds, demands, count)
                y, count = ask(node, node, -INF, hi, bounds, demands, count)
                return ALL, x, y, count
            # the least is above what all are above; it is below what one is below, unless another is NaN
            if bounded_low == (trait & IS_LEAST != 0) and bounded_low != bounded_high:
                kind = ALL
            elif bounded_low != bounded_high and not bounds.may_nan[v] and not bounds.may_nan[w]:
                kind = ANY
            if kind != ATOM:
                x, count = ask(node, v, lo, hi, bounds, demands, count)
                y, count = ask(node, w, lo, hi, bounds, demands, count)
        elif trait & IS_EVEN:
            kind, p, q = band_of_magnitude(code, v, lo, hi, bounds)
            if kind == SAME or kind == ANY:
                x, count = ask(node, v, p, q, bounds, demands, count)
            if kind == ANY:
                y, count = ask(node, v, -q, -p, bounds, demands, count)
        else:
            kind, varying, p, q = band_of_operand(code, v, w, lo, hi, bounds)
            if kind == SAME:
                x, count = ask(node, varying, p, q, bounds, demands, count)
        return kind, x, y, count

    def push(address):
        """Resolve the demand `value < 0` of the root and all demands that it leads to; returns how many there
        are. Where there is no room for more, demands are kept. See `PushTask`.
        """
        task = push_task(address)
        nodes, made, root, asking = task.nodes, task.demands, task.root, task.asking
        op, a, b, paths, traits = nodes.op, nodes.a, nodes.b, nodes.paths, nodes.traits
        bounds = Bounds(nodes.lower, nodes.upper, nodes.may_nan, nodes.variables)
        kinds, first, second, most = made.kind, made.first, made.second, made.most
        demands = Demands(made.node, made.lower, made.upper, made.after, made.slots, made.mask, asking)
        for node in range(root + 1):
            one = asking[node]
            one.oldest = one.asker = -1
            one.times = one.askers = one.most = one.ends = 0
        kinds[0] = FALSE
        kinds[1] = TRUE
        demands.node[0] = demands.node[1] = -1
        tiny = np.float64(at_key(np.int64(1), real(0)))
        demand, count = ask(root, root, -INF, -tiny, bounds, demands, np.int64(2))
        if demand < 2:
            # even a decided root is a demand, the third
            demands.node[2] = root
            kinds[2] = FALSE if demand == 0 else TRUE
            return 3
        asking[root].ends = 1
        for node in range(root, -1, -1):
            one = asking[node]
            current = np.int64(one.oldest)
            if current < 0:
                continue
            code, v, w = np.int64(op[node]), np.int64(a[node]), np.int64(b[node])
            trait = traits[code]
            one.ends += one.most + max(0, one.askers - 1)
            times, several = np.int64(one.times), np.int64(bounds.variables[node] > 1)
            crowded = times > CROWD[several] * one.ends and times * paths[node] > FEW[several]
            while current >= 0:  # a demand with two ends adds two on the same node
                kind = KEPT
                x = y = np.int64(-1)
                if not trait & IS_STEP or not (crowded or count + 4 > most):
                    lo, hi = demands.lower[current], demands.upper[current]
                    kind, x, y, count = push_through(node, code, trait, v, w, lo, hi, bounds, demands, count)
                    task.steps[code] += kind != ATOM
                kinds[current] = kind
                first[current] = x
                second[current] = y
                current = np.int64(demands.after[current])
        return count

    return {"push": (push, types.int64(types.int64))}
