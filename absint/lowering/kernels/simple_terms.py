"""Simple terms: a box, and at most two bands of sums in it.

`forms` finds the values that are sums `u(x) + v(y)`, `multiply` the predicates that are unions of few simple
terms.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from absint.lowering.kernels.predicates import predicates_at
from absint.native.memory import f64s, i32s, u8s
from absint.ops.table import ADD, ALL, ANY, BAND, CONST, FALSE, MUL, NEG, SQUARE, SUB, VAR

_ADD, _CONST, _MUL, _NEG, _SQUARE, _SUB, _VAR = (op.code for op in (ADD, CONST, MUL, NEG, SQUARE, SUB, VAR))
_FALSE, _BAND, _ALL, _ANY = (kind.code for kind in (FALSE, BAND, ALL, ANY))
_INF = np.inf

_ROW, _COLUMN = 1, 2
"""What values vary with, x alone or y alone, as in `absint.lowering.plan_format`."""

MOST_PRODUCTS = 16
"""Simple terms that a predicate may be multiplied out to."""


class Real(NamedTuple):
    """Of real nodes: `axis`, 0 for x, 1 for y, 2 for all others; whether a band of it is written as a sum."""

    axis: Any
    is_sum: Any


@njit(error_model="numpy")
def write_side(op, a, b, constant, t, sign, place, places, numbers):
    """Write a value of one variable as ±(t + c) or ±(t + c)², times a sign."""
    squared, offset = 0, -0.0  # adding this zero changes nothing
    while op[t] == _NEG:
        sign, t = -sign, np.int64(a[t])
    if op[t] == _SQUARE or (op[t] == _MUL and a[t] == b[t]):
        squared, t = 1, np.int64(a[t])
        while op[t] == _NEG:
            t = np.int64(a[t])
    if op[t] == _ADD or op[t] == _SUB:
        left, right = np.int64(a[t]), np.int64(b[t])
        if op[right] == _CONST:
            offset = constant[right] if op[t] == _ADD else -constant[right]
            t = left
        elif op[left] == _CONST and op[t] == _ADD:
            offset, t = constant[left], right
        elif op[left] == _CONST:  # c - t is -(t - c)
            offset, t = -constant[left], right
            sign = sign if squared else -sign
    places[place], places[place + 1] = t, squared
    numbers[place], numbers[place + 1] = offset, sign


def forms(n, op_, a_, b_, class_, constant_, is_sum_, places_, numbers_):
    """The values that are sums of ±(t + c) or ±(t + c)², one of x and one of y, t being a node's value.

    A value of x or y alone is the sum of it and of zeros, the samples of the other axis times 0. Of n nodes:
    `op` u8, `a` and `b` i32, `class` u8, `constant` f64, rounded; the result: `is_sum` u8, `places`
    i32[n, 4], t, -1 for the samples, and whether it is squared, for x and for y, and `numbers` f64[n, 4], c
    and the sign, for each.
    """
    op, a, b, kind, constant = u8s(op_), i32s(a_), i32s(b_), u8s(class_), f64s(constant_)
    is_sum, places, numbers = u8s(is_sum_), i32s(places_), f64s(numbers_)
    for node in range(n):
        is_sum[node] = 0
        if op[node] == _VAR:
            continue
        if kind[node] == _ROW or kind[node] == _COLUMN:
            is_sum[node] = 1
            mine = 4 * node + (2 if kind[node] == _COLUMN else 0)
            other = 4 * node + (0 if kind[node] == _COLUMN else 2)
            write_side(op, a, b, constant, np.int64(node), 1.0, mine, places, numbers)
            places[other], places[other + 1] = -1, 0
            numbers[other], numbers[other + 1] = -0.0, 0.0
        elif op[node] == _ADD or op[node] == _SUB:
            v, w = np.int64(a[node]), np.int64(b[node])
            if kind[v] + kind[w] == _ROW + _COLUMN and kind[v] != 0 and kind[w] != 0:
                is_sum[node] = 1
                for operand in (v, w):
                    place = 4 * node + (2 if kind[operand] == _COLUMN else 0)
                    sign = -1.0 if op[node] == _SUB and operand == w else 1.0  # a - b is a + (-b)
                    write_side(op, a, b, constant, operand, sign, place, places, numbers)


class Simple(NamedTuple):
    """Places in the record of a simple term, f64: its box, and its sums' nodes, -1 for none, and ends."""

    left: int
    right: int
    bottom: int
    top: int
    first_sum: int
    first_lower: int
    first_upper: int
    second_sum: int
    second_lower: int
    second_upper: int


SIMPLE = Simple(*range(len(Simple._fields)))
SIMPLE_SIZE = len(Simple._fields)
SUMS = (SIMPLE.first_sum, SIMPLE.second_sum)


@njit(error_model="numpy")
def intersect(made, one, other, target):
    """Make the simple term that holds where two do. Returns 1, or 0 if that is nowhere, or -1 if it is not
    simple: it has too many sums.
    """
    to, other = SIMPLE_SIZE * target, SIMPLE_SIZE * other
    for i in range(SIMPLE_SIZE):
        made[to + i] = made[SIMPLE_SIZE * one + i]
    for i in (SIMPLE.left, SIMPLE.bottom):
        made[to + i] = max(made[to + i], made[other + i])
        made[to + i + 1] = min(made[to + i + 1], made[other + i + 1])
    for theirs in SUMS:
        node = made[other + theirs]
        place = -1
        for mine in SUMS:
            if place < 0 and (made[to + mine] == node or made[to + mine] < 0):
                place = to + mine
        if node >= 0 and place < 0:
            return -1
        if node >= 0:
            fresh = made[place] < 0
            lower, upper = made[other + theirs + 1], made[other + theirs + 2]
            made[place] = node
            made[place + 1] = lower if fresh else max(made[place + 1], lower)
            made[place + 2] = upper if fresh else min(made[place + 2], upper)
            if made[place + 1] > made[place + 2]:
                return 0
    return 0 if made[to] > made[to + 1] or made[to + 2] > made[to + 3] else 1


def multiply(count, predicates_, axis_, is_sum_, room, made_, first_, length_):
    """The simple terms, one of which holds just where a predicate does, of those predicates that have few.

    Of `count` predicates, i32: `first`, where their terms begin, and `length`, how many there are, -1 for one
    that has too many or others than simple ones. `made` f64[room, SIMPLE_SIZE]: the terms; what does not fit
    counts as too many.
    """
    old, real = predicates_at(predicates_), Real(u8s(axis_), u8s(is_sum_))
    made, first, length = f64s(made_), i32s(first_), i32s(length_)
    top = np.int64(0)
    for i in range(count):
        code = old.code[i]
        first[i], length[i] = top, -1
        if top + 3 * MOST_PRODUCTS > room:
            continue
        everything = SIMPLE_SIZE * top
        for j in range(SIMPLE_SIZE):
            made[everything + j] = _INF if j == SIMPLE.right or j == SIMPLE.top else -_INF
        made[everything + SIMPLE.first_sum] = made[everything + SIMPLE.second_sum] = -1
        found = np.int64(0 if code == _FALSE or code == _ANY else 1)
        if code == _BAND:
            value, low, high = np.int64(old.value[i]), old.bands[2 * i], old.bands[2 * i + 1]
            if real.axis[value] < 2:
                place = everything + 2 * np.int64(real.axis[value])
            elif real.is_sum[value]:
                made[everything + SIMPLE.first_sum] = value
                place = everything + SIMPLE.first_lower
            else:
                continue
            made[place], made[place + 1] = low, high
        elif code == _ALL or code == _ANY:
            for j in range(old.starts[i], old.starts[i + 1]):
                item = np.int64(old.items[j])
                if length[item] < 0 or found < 0:
                    found = np.int64(-1)
                elif code == _ANY:
                    found = appended(made, top, found, np.int64(first[item]), np.int64(length[item]))
                else:
                    found = multiplied(made, top, found, np.int64(first[item]), np.int64(length[item]))
            if found < 0:
                continue
        length[i] = found
        top += found


@njit(error_model="numpy")
def appended(made, top, count, first, length):
    """Add some terms to the `count` from `top`; returns how many there are, -1 for too many."""
    if count + length > MOST_PRODUCTS:
        return np.int64(-1)
    for k in range(SIMPLE_SIZE * length):
        made[SIMPLE_SIZE * (top + count) + k] = made[SIMPLE_SIZE * first + k]
    return count + length


@njit(error_model="numpy")
def multiplied(made, top, count, first, length):
    """Intersect each of the `count` terms from `top` with each of some others; returns as `appended`."""
    behind = top + MOST_PRODUCTS
    kept = np.int64(0)
    for one in range(top, top + count):
        for other in range(first, first + length):
            holds = intersect(made, one, other, behind + kept)
            if holds < 0 or kept + holds > MOST_PRODUCTS:
                return np.int64(-1)
            kept += holds
    for k in range(SIMPLE_SIZE * kept):
        made[SIMPLE_SIZE * top + k] = made[SIMPLE_SIZE * behind + k]
    return kept


SHARED = {
    "forms": (forms, types.none(*[types.int64] * 9)),
    "multiply": (multiply, types.none(*[types.int64] * 8)),
}
"""The kernels; they serve both precisions."""
