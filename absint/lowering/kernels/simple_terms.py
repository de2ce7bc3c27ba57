"""Sums `u(x) + v(y)`, and predicates as unions of simple terms.

A *simple term* holds in a box where at most two sums are in their bands. `find_sums` finds the values that
are sums. `distribute` finds the predicates that are unions of few simple terms: it distributes `all` over
`any`.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from absint.lowering.kernels.records import DistributeTask, SumTask
from absint.lowering.plan_format import OF_X, OF_Y
from absint.native.record_pointers import copy_records, pointer_to
from absint.ops.table import ADD, ALL, ANY, BAND, CONST, FALSE, NEG, SQUARE, SUB, VAR

_ADD, _CONST, _NEG, _SQUARE, _SUB, _VAR = (op.code for op in (ADD, CONST, NEG, SQUARE, SUB, VAR))
_FALSE, _BAND, _ALL, _ANY = (kind.code for kind in (FALSE, BAND, ALL, ANY))
_INF = np.inf

_X, _Y = 0, 1
"""Axes, and the sides of a sum."""

MOST_SUMS = 2
"""Bands of sums in a simple term."""

MOST_PRODUCTS = 16
"""Simple terms that one predicate may become."""

sum_task_at = pointer_to(SumTask)
task_at = pointer_to(DistributeTask)


@njit(error_model="numpy")
def write_side(task, node, sign, side):
    """Write `sign` times a node of one variable as a side of a sum."""
    op, operands, constants = task.op, task.operands, task.constants
    squared, offset = 0, -0.0  # adding this zero changes nothing
    t = np.int64(node)
    while op[t] == _NEG:
        sign, t = -sign, np.int64(operands[t].a)
    if op[t] == _SQUARE:
        squared, t = 1, np.int64(operands[t].a)
        while op[t] == _NEG:
            t = np.int64(operands[t].a)
    if op[t] == _ADD or op[t] == _SUB:
        left, right = np.int64(operands[t].a), np.int64(operands[t].b)
        if op[right] == _CONST:
            offset = constants[right] if op[t] == _ADD else -constants[right]
            t = left
        elif op[left] == _CONST and op[t] == _ADD:
            offset, t = constants[left], right
        elif op[left] == _CONST:  # c - t is -(t - c)
            offset, t = -constants[left], right
            sign = sign if squared else -sign
    side.node, side.is_squared, side.offset, side.sign = t, squared, offset, sign


@njit(error_model="numpy")
def write_zero(side):
    """Write the coordinate itself, times 0, as a side of a sum."""
    side.node, side.is_squared, side.offset, side.sign = -1, 0, -0.0, 0.0


def find_sums(address):
    """Find the real nodes that are sums of a function of x and one of y, and write these as `Side`s.

    A node of x or y alone is the sum of itself and of the other coordinate times 0. See `SumTask`.
    """
    task = sum_task_at(address)
    op, varies = task.op, task.varies
    for node in range(task.count):
        sides = task.sums[node].sides
        task.is_sum[node] = 0
        if op[node] == _VAR:
            continue
        if varies[node] == OF_X or varies[node] == OF_Y:
            task.is_sum[node] = 1
            axis = _X if varies[node] == OF_X else _Y
            write_side(task, node, 1.0, sides[axis])
            write_zero(sides[1 - axis])
        elif op[node] == _ADD or op[node] == _SUB:
            a, b = np.int64(task.operands[node].a), np.int64(task.operands[node].b)
            if varies[a] + varies[b] == OF_X + OF_Y and varies[a] != 0 and varies[b] != 0:
                task.is_sum[node] = 1
                write_side(task, a, 1.0, sides[_X if varies[a] == OF_X else _Y])
                sign = -1.0 if op[node] == _SUB else 1.0  # a - b is a + (-b)
                write_side(task, b, sign, sides[_X if varies[b] == OF_X else _Y])


@njit(error_model="numpy")
def place_for(term, value):
    """The band of a sum in a simple term, or the free place for it; -1 if there is neither."""
    for k in range(MOST_SUMS):
        if term.sums[k].value == value or term.sums[k].value < 0:
            return k
    return -1


@njit(error_model="numpy")
def intersect(one, other, both):
    """Make the simple term that holds where two do. Returns 1; or 0 if that is nowhere; or -1 if the term
    would not be simple, for it would have too many sums.
    """
    copy_records(both, one, 1)
    box = both.box
    box.left, box.right = max(box.left, other.box.left), min(box.right, other.box.right)
    box.bottom, box.top = max(box.bottom, other.box.bottom), min(box.top, other.box.top)
    for k in range(MOST_SUMS):
        added = other.sums[k]
        if added.value < 0:
            continue
        place = place_for(both, added.value)
        if place < 0:
            return -1
        band = both.sums[place]
        if band.value < 0:
            copy_records(band, added, 1)
        else:
            band.lower, band.upper = max(band.lower, added.lower), min(band.upper, added.upper)
        if band.lower > band.upper:
            return 0
    return 0 if box.left > box.right or box.bottom > box.top else 1


@njit(error_model="numpy")
def write_everywhere(term):
    """Write the simple term that holds everywhere."""
    term.box.left = term.box.bottom = -_INF
    term.box.right = term.box.top = _INF
    for k in range(MOST_SUMS):
        band = term.sums[k]
        band.value, band.lower, band.upper = -1, -_INF, -_INF


@njit(error_model="numpy")
def restrict(task, term, value, lower, upper):
    """Restrict the simple term that holds everywhere to a band of a value; returns 1, or -1 if a simple term
    has no bands of that value.
    """
    if task.axis[value] == _X:
        term.box.left, term.box.right = lower, upper
    elif task.axis[value] == _Y:
        term.box.bottom, term.box.top = lower, upper
    elif task.is_sum[value]:
        band = term.sums[0]
        band.value, band.lower, band.upper = value, lower, upper
    else:
        return -1
    return 1


@njit(error_model="numpy")
def append(terms, count, some, length):
    """Add `length` simple terms to the `count` at `terms`; returns how many there are, -1 for too many."""
    if count + length > MOST_PRODUCTS:
        return np.int64(-1)
    copy_records(terms[count], some, length)
    return count + length


@njit(error_model="numpy")
def intersect_all(terms, count, some, length):
    """Intersect each of the `count` simple terms at `terms` with each of `length` others; returns how many
    there are, -1 for too many.

    The intersections are made behind `MOST_PRODUCTS` terms, then moved to `terms`.
    """
    made = terms[MOST_PRODUCTS]
    kept = np.int64(0)
    for i in range(count):
        for j in range(length):
            holds = intersect(terms[i], some[j], made[kept])
            if holds < 0 or kept + holds > MOST_PRODUCTS:
                return np.int64(-1)
            kept += holds
    copy_records(terms, made, kept)
    return kept


def distribute(address):
    """Find simple terms, one of which holds just where a predicate does, for the predicates that have few.

    See `DistributeTask`. A predicate whose terms do not fit into the room has none.
    """
    task = task_at(address)
    old, first, length = task.predicates, task.first, task.length
    end = np.int64(0)
    for i in range(old.count):
        code = old.code[i]
        first[i], length[i] = end, -1
        if end + 3 * MOST_PRODUCTS > task.room:
            continue
        terms = task.terms[end]
        write_everywhere(terms)
        found = np.int64(0 if code == _FALSE or code == _ANY else 1)
        if code == _BAND:
            found = restrict(task, terms, old.value[i], old.bands[i].lower, old.bands[i].upper)
        elif code == _ALL or code == _ANY:
            for j in range(old.starts[i], old.starts[i + 1]):
                item = np.int64(old.items[j])
                if length[item] < 0 or found < 0:
                    found = np.int64(-1)
                elif code == _ANY:
                    found = append(terms, found, task.terms[first[item]], np.int64(length[item]))
                else:
                    found = intersect_all(terms, found, task.terms[first[item]], np.int64(length[item]))
        if found >= 0:
            length[i] = found
            end += found


SHARED = {
    "find_sums": (find_sums, types.none(types.int64)),
    "distribute": (distribute, types.none(types.int64)),
}
"""The kernels, which serve both precisions."""
