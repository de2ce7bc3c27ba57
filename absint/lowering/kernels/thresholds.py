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

NONE = np.int64(-1)
"""No child."""

push_task = pointer_to(PushTask)


class Rules(NamedTuple):
    """The rules of operations in one precision, see `absint.ops.dispatch`, and `real`, which rounds to it."""

    step: Any
    inverse: Any
    direction: Any
    real: Any


class Step(NamedTuple):
    """An operation as a function of one operand, the second one if `second`. `other`: the value of the other
    operand, which is constant.
    """

    code: Any
    second: Any
    other: Any


class Run(NamedTuple):
    """The numbers, or places, from `lower` to `upper`; none if `lower > upper`."""

    lower: Any
    upper: Any


# Search among the ordered floats


@njit(error_model="numpy")
def search(rules, step, falls, strict, target, places):
    """The first of the places among the ordered floats where a monotone step has passed the target, else the
    place behind the last one.

    Passed: at or above the target, above it if `strict`; where the step `falls`, at or below, or below. Looks
    near the inverse's value, then farther and farther from it, then bisects.
    """
    begin, low, high = places.lower, places.lower, places.upper
    end = high + 1
    place = key(rules.real(rules.inverse(step.code, step.second, np.float64(target), np.float64(step.other))))
    stride = 1
    while low < end:
        place = min(max(place, low), end - 1)
        value = rules.step(step.code, step.second, at_key(place, rules.real(0)), step.other)
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
def preimage(rules, step, way, image, domain):
    """The run of floats in the domain that a step takes into the image; (inf, -inf) if there is none.

    `way`: whether the step rises on the domain, 1, or falls, -1.
    """
    falls = way < 0
    near, far = (image.upper, image.lower) if falls else (image.lower, image.upper)
    places = Run(key(domain.lower), key(domain.upper))
    # `strict` is a literal here, so Numba compiles one search for each
    first = search(rules, step, falls, False, rules.real(near), places)
    last = search(rules, step, falls, True, rules.real(far), places) - 1
    if first > last:
        return Run(INF, -INF)
    return Run(np.float64(at_key(first, rules.real(0))), np.float64(at_key(last, rules.real(0))))


# Demands made once


@njit(error_model="numpy")
def note_asker(task, by, node):
    """Note that the node `by` asks of a node. Returns whether the demand enters the nodes of one variable."""
    variables = task.nodes.variables
    enters = variables[node] < 2 and variables[by] > 1
    asking = task.asking[node]
    if by != node and asking.asker != by and not enters:
        asking.asker = by
        asking.askers += 1
        asking.most = max(asking.most, task.asking[by].ends)
    return enters


@njit(error_model="numpy")
def append_demand(task, node, lower, upper):
    """Append a demand to the demands, and to those on its node; returns its number."""
    demands, asking = task.demands, task.asking[node]
    demand = demands.count
    demands.node[demand] = node
    demands.lower[demand] = lower
    demands.upper[demand] = upper
    demands.after[demand] = -1
    if asking.oldest < 0:
        asking.oldest = demand
    else:
        demands.after[np.int64(asking.newest)] = demand
    asking.newest = demand
    asking.times += 1
    demands.count = demand + 1
    return demand


@njit(error_model="numpy")
def find_slot(demands, node, lower, upper):
    """The slot of a demand in the hash table, free if the demand is new."""
    place = (node * 0x9E3779B1 ^ key(lower) * 0x85EBCA77 ^ key(upper) * 0xC2B2AE3D) & 0x7FFFFFFFFFFFFFFF
    place = (place ^ place >> 29) & demands.mask
    while demands.slots[place] >= 0:
        found = np.int64(demands.slots[place])
        if demands.node[found] == node and demands.lower[found] == lower and demands.upper[found] == upper:
            break
        place = (place + 1) & demands.mask
    return place


@njit(error_model="numpy")
def ask(task, by, node, run):
    """The number of the demand that the node `by` makes on a node; decided ones are 0 (false) and 1 (true).

    An end that the node's bounds imply is dropped, so that equal demands are found equal.
    """
    nodes, demands = task.nodes, task.demands
    least, most = nodes.lower[node], nodes.upper[node]
    if run.lower > run.upper or most < run.lower or least > run.upper or least > most:
        return np.int64(0)
    implied_low, implied_high = least >= run.lower, most <= run.upper
    if implied_low and implied_high and not nodes.may_nan[node]:
        return np.int64(1)
    lower = -INF if implied_low else run.lower + 0.0  # one zero
    upper = INF if implied_high else run.upper + 0.0
    enters = note_asker(task, by, node)
    place = find_slot(demands, node, lower, upper)
    if demands.slots[place] < 0:
        demands.slots[place] = append_demand(task, node, lower, upper)
        task.asking[node].ends += enters
    return np.int64(demands.slots[place])


# What a demand becomes


@njit(error_model="numpy")
def is_fixed(nodes, node):
    """Whether a node is known to be one number."""
    return nodes.lower[node] == nodes.upper[node] and not nodes.may_nan[node]


@njit(error_model="numpy")
def push_through_extremum(task, node, run):
    """What a demand on a min or max becomes, and its children."""
    nodes = task.nodes
    v, w = np.int64(nodes.a[node]), np.int64(nodes.b[node])
    is_least = nodes.traits[nodes.op[node]] & IS_LEAST != 0
    bounded_low, bounded_high = run.lower > -INF, run.upper < INF
    if bounded_low and bounded_high:
        above = ask(task, node, node, Run(run.lower, INF))
        return ALL, above, ask(task, node, node, Run(-INF, run.upper))
    # the least is above what all are above; it is below what one is below, unless another is NaN
    if bounded_low == is_least and bounded_low != bounded_high:
        kind = ALL
    elif bounded_low != bounded_high and not nodes.may_nan[v] and not nodes.may_nan[w]:
        kind = ANY
    else:
        return ATOM, NONE, NONE
    left = ask(task, node, v, run)
    return kind, left, ask(task, node, w, run)


@njit(error_model="numpy")
def push_through_even(task, rules, node, run):
    """What a demand on an even operation becomes, and its children: a band of the operand, or a band and its
    mirror image. An atom where the operation is not known to be monotone in the magnitude.
    """
    nodes, real = task.nodes, rules.real
    code, v = np.int64(nodes.op[node]), np.int64(nodes.a[node])
    far = real(max(-nodes.lower[v], nodes.upper[v]))
    way, _, _ = rules.direction(code, False, real(0), far, real(0))
    if way == 0:
        return ATOM, NONE, NONE
    magnitudes = preimage(rules, Step(code, False, real(0)), way, run, Run(real(0), far))
    p, q = magnitudes.lower, magnitudes.upper
    if p > q:
        return FALSE, NONE, NONE
    if p <= 0:
        return SAME, ask(task, node, v, Run(-q, q)), NONE
    # two signs are two bands, which only one variable affords
    if nodes.lower[v] <= -p and nodes.upper[v] >= p and nodes.variables[v] > 1:
        return ATOM, NONE, NONE
    positive = ask(task, node, v, magnitudes)
    return ANY, positive, ask(task, node, v, Run(-q, -p))


@njit(error_model="numpy")
def push_through_step(task, rules, node, run):
    """What a demand on an operation with one varying operand becomes, and its child, a band of that operand.
    An atom where the operation is not known to be monotone in the operand.
    """
    nodes, real = task.nodes, rules.real
    code, v, w = np.int64(nodes.op[node]), np.int64(nodes.a[node]), np.int64(nodes.b[node])
    varying, second, other = v, False, 0.0
    if w >= 0:
        # the sign of a fixed zero is not known, and no `monotone` rule depends on it
        if is_fixed(nodes, w):
            other = nodes.lower[w]
        elif is_fixed(nodes, v):
            varying, second, other = w, True, nodes.lower[v]
        else:
            return ATOM, NONE, NONE
    way, bottom, top = rules.direction(
        code, second, real(nodes.lower[varying]), real(nodes.upper[varying]), real(other)
    )
    if way == 0:
        return ATOM, NONE, NONE
    operand = preimage(rules, Step(code, second, real(other)), way, run, Run(bottom, top))
    if operand.lower > operand.upper:
        return FALSE, NONE, NONE
    return SAME, ask(task, node, varying, operand), NONE


@njit(error_model="numpy")
def push_through(task, rules, node, run):
    """What a demand on a node becomes, and its children, `NONE` where there is none."""
    trait = task.nodes.traits[task.nodes.op[node]]
    if trait & IS_EXTREMUM:
        return push_through_extremum(task, node, run)
    if trait & IS_EVEN:
        return push_through_even(task, rules, node, run)
    return push_through_step(task, rules, node, run)


# All demands, from the root down


@njit(error_model="numpy")
def reset(task):
    """Empty the record of who asks of each node, and make the first two demands, false and true."""
    for node in range(task.root + 1):
        asking = task.asking[node]
        asking.oldest = asking.asker = -1
        asking.times = asking.askers = asking.most = asking.ends = 0
    demands = task.demands
    demands.kind[0], demands.kind[1] = FALSE, TRUE
    demands.node[0] = demands.node[1] = -1
    demands.count = 2


@njit(error_model="numpy")
def is_crowded(task, node):
    """Whether much more is asked of a node than there are values above it."""
    asking, several = task.asking[node], np.int64(task.nodes.variables[node] > 1)
    times = np.int64(asking.times)
    return times > CROWD[several] * asking.ends and times * task.nodes.paths[node] > FEW[several]


@njit(error_model="numpy")
def push_demands_on(task, rules, node):
    """Push the demands on a node, all of which are known, through its operation, or keep them."""
    demands, asking = task.demands, task.asking[node]
    asking.ends += asking.most + max(0, asking.askers - 1)
    crowded = is_crowded(task, node)
    code = task.nodes.op[node]
    is_step = task.nodes.traits[code] & IS_STEP != 0
    demand = np.int64(asking.oldest)
    while demand >= 0:  # a demand with two ends adds two on the same node
        kind, left, right = KEPT, NONE, NONE
        if not is_step or not (crowded or demands.count + 4 > demands.most):
            run = Run(demands.lower[demand], demands.upper[demand])
            kind, left, right = push_through(task, rules, node, run)
            task.steps[code] += kind != ATOM
        demands.kind[demand], demands.first[demand], demands.second[demand] = kind, left, right
        demand = np.int64(demands.after[demand])


@njit(error_model="numpy")
def push_all(task, rules):
    """Resolve the demand `value < 0` of the root and all demands that it leads to; returns how many there
    are. Where there is no room for more, demands are kept.
    """
    reset(task)
    root, demands = task.root, task.demands
    tiny = np.float64(at_key(np.int64(1), rules.real(0)))
    demand = ask(task, root, root, Run(-INF, -tiny))
    if demand < 2:
        # even a decided root is a demand, the third
        demands.node[2] = root
        demands.kind[2] = FALSE if demand == 0 else TRUE
        return np.int64(3)
    task.asking[root].ends = 1
    for node in range(root, -1, -1):
        if task.asking[node].oldest >= 0:
            push_demands_on(task, rules, node)
    return demands.count


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """The kernel `push` for the precision, which is given a `PushTask`."""
    precision = Precision(precision_name)
    rules = Rules(
        step=dispatch.make_step(precision),
        inverse=dispatch.make_inverse(precision),
        direction=dispatch.make_direction(precision),
        real=types.float32 if precision is Precision.F32 else types.float64,
    )

    def push(address):
        return push_all(push_task(address), rules)

    return {"push": (push, types.int64(types.int64))}
