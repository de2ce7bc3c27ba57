"""What a band of a value says of the variables below it: forward-backward propagation over one value.

HC4-revise (Benhamou, Goualard, Granvilliers, Puget 1999): bounds of the value's operands from the leaves up,
then the band's ends from the value down. The backward rules invert real operations under rounded ones, so
each widens its target by one float outward, which covers what rounding may have moved, inverts, and widens by
one float again for its own rounding.

A band that holds has no NaN below it, so bounds need not say whether there may be one. `not`, `and` and `or`
ignore or absorb a NaN: a value that depends on one of them must not be given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.ops import numba_primitives
from absint.ops.precision import Precision
from absint.ops.printers.translate import numba_form
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
    VAR,
)  # fmt: skip

_ABS, _ADD, _CEIL, _DIV, _FLOOR, _MAX, _MIN, _MUL, _NEG, _RECIP, _ROUND, _SQRT, _SQUARE, _SUB = (
    op.code for op in (ABS, ADD, CEIL, DIV, FLOOR, MAX, MIN, MUL, NEG, RECIP, ROUND, SQRT, SQUARE, SUB)
)
_VAR = VAR.code

next_up, next_down, sqrt = numba_primitives.next_up, numba_primitives.next_down, numba_primitives.sqrt


def make_revise(precision: Precision) -> Any:
    """The function `revise` for the precision."""
    real = types.float32 if precision is Precision.F32 else types.float64
    ops = (NEG, ABS, RECIP, SQRT, SQUARE, FLOOR, CEIL, ROUND, ADD, SUB, MUL, DIV, MIN, MAX)
    rules = [numba_form(op.interval(precision), precision) for op in ops]
    neg, abs_, recip, root, square, floor, ceil, round_, add, sub, mul, div, min_, max_ = rules
    inf = real(np.inf)
    zero, one = real(0.0), real(1.0)

    @njit(error_model="numpy")
    def unary(op, l, u):
        """Bounds of an operation's result; everything for one without a rule here."""
        if op == _NEG:
            low, high, _ = neg(l, u, False)
        elif op == _ABS:
            low, high, _ = abs_(l, u, False)
        elif op == _RECIP:
            low, high, _ = recip(l, u, False)
        elif op == _SQRT:
            low, high, _ = root(l, u, False)
        elif op == _SQUARE:
            low, high, _ = square(l, u, False)
        elif op == _FLOOR:
            low, high, _ = floor(l, u, False)
        elif op == _CEIL:
            low, high, _ = ceil(l, u, False)
        elif op == _ROUND:
            low, high, _ = round_(l, u, False)
        else:
            low, high = -inf, inf
        return low, high

    @njit(error_model="numpy")
    def binary(op, l, u, m, v):
        """The same with two operands."""
        if op == _ADD:
            low, high, _ = add(l, u, False, m, v, False)
        elif op == _SUB:
            low, high, _ = sub(l, u, False, m, v, False)
        elif op == _MUL:
            low, high, _ = mul(l, u, False, m, v, False)
        elif op == _DIV:
            low, high, _ = div(l, u, False, m, v, False)
        elif op == _MIN:
            low, high, _ = min_(l, u, False, m, v, False)
        elif op == _MAX:
            low, high, _ = max_(l, u, False, m, v, False)
        else:
            low, high = -inf, inf
        return low, high

    @njit(error_model="numpy")
    def outward(low, high):
        """One float further on both sides; no bound where an end is NaN."""
        return (next_down(low) if low == low else -inf), (next_up(high) if high == high else inf)

    @njit(error_model="numpy")
    def corners(p, q, r, s):
        """The least and greatest of four results, one float further; no bounds where one is NaN."""
        if p != p or q != q or r != r or s != s:
            return -inf, inf
        return outward(min(min(p, q), min(r, s)), max(max(p, q), max(r, s)))

    @njit(error_model="numpy")
    def quotient(l, u, m, v):
        """Where x / y can be, for x in [l, u] and y in [m, v] other than 0."""
        if m <= zero and v >= zero:
            return -inf, inf
        return corners(l / m, l / v, u / m, u / v)

    @njit(error_model="numpy")
    def unary_back(op, low, high, l, u):
        """Where the operand, in [l, u], can be if the result is in [low, high]."""
        if op == _NEG:
            return -high, -low
        if op == _ABS:
            if low > zero and l > -low:
                return low, high
            if low > zero and u < low:
                return -high, -low
            return -high, high
        p, q = outward(low, high)
        if op == _RECIP:
            return quotient(one, one, p, q)
        if op == _SQRT:
            if high < zero:
                return inf, -inf
            return (next_down(p * p) if p > zero else zero), next_up(q * q)
        if op == _SQUARE:
            if high < zero:
                return inf, -inf
            far = next_up(sqrt(q))
            near = next_down(sqrt(p)) if p > zero else zero
            if near > zero and l > -near:
                return near, far
            if near > zero and u < near:
                return -far, -near
            return -far, far
        if op == _FLOOR:
            return low, next_up(high + one)
        if op == _CEIL:
            return next_down(low - one), high
        if op == _ROUND:
            return next_down(low - one), next_up(high + one)
        return -inf, inf

    @njit(error_model="numpy")
    def binary_back(op, low, high, l, u, m, v):
        """Where the operands, in [l, u] and [m, v], can be if the result is in [low, high]."""
        if op == _MIN:
            return low, (high if m > high else inf), low, (high if l > high else inf)
        if op == _MAX:
            return (low if v < low else -inf), high, (low if u < low else -inf), high
        p, q = outward(low, high)
        if op == _ADD:
            a, b = outward(p - v, q - m)
            c, d = outward(p - u, q - l)
        elif op == _SUB:
            a, b = outward(p + m, q + v)
            c, d = outward(l - q, u - p)
        elif op == _MUL:
            a, b = quotient(p, q, m, v)
            c, d = quotient(p, q, l, u)
        elif op == _DIV:
            a, b = corners(p * m, p * v, q * m, q * v)
            c, d = quotient(l, u, p, q)
        else:
            a, b, c, d = -inf, inf, -inf, inf
        return a, b, c, d

    @njit(error_model="numpy")
    def narrowed(node, low, high, lower, upper):
        """Intersect a node's bounds."""
        if low > lower[node]:
            lower[node] = low
        if high < upper[node]:
            upper[node] = high

    @njit(error_model="numpy")
    def revise(first, last, low, high, cone, op, a, b, variable, known_low, known_high, lower, upper, box):
        """Shrink the box to where the value of a cone may lie in [low, high]; False if nowhere.

        `cone[first:last]`: the value, last, and the operations below it, operands first. `known_low` and
        `known_high`: bounds of all nodes; `lower` and `upper`: scratch.
        """
        for i in range(first, last):
            node = np.int64(cone[i])
            code = op[node]
            l, u = known_low[node], known_high[node]
            if code == _VAR:
                place = 2 * np.int64(variable[node])
                l, u = box[place], box[place + 1]
            elif b[node] >= 0:
                x, y = np.int64(a[node]), np.int64(b[node])
                if code == _MUL and x == y:
                    p, q = unary(_SQUARE, lower[x], upper[x])
                else:
                    p, q = binary(code, lower[x], upper[x], lower[y], upper[y])
                l, u = max(l, p), min(u, q)
            elif a[node] >= 0:
                x = np.int64(a[node])
                p, q = unary(code, lower[x], upper[x])
                l, u = max(l, p), min(u, q)
            lower[node] = l
            upper[node] = u
            if l > u:
                return False
        value = np.int64(cone[last - 1])
        narrowed(value, low, high, lower, upper)
        for i in range(last - 1, first - 1, -1):
            node = np.int64(cone[i])
            code = op[node]
            l, u = lower[node], upper[node]
            if l > u:
                return False
            if code == _VAR:
                place = 2 * np.int64(variable[node])
                box[place] = max(box[place], l)
                box[place + 1] = min(box[place + 1], u)
                if box[place] > box[place + 1]:
                    return False
            elif b[node] >= 0:
                x, y = np.int64(a[node]), np.int64(b[node])
                if code == _MUL and x == y:
                    p, q = unary_back(_SQUARE, l, u, lower[x], upper[x])
                    narrowed(x, p, q, lower, upper)
                else:
                    p, q, r, s = binary_back(code, l, u, lower[x], upper[x], lower[y], upper[y])
                    narrowed(x, p, q, lower, upper)
                    narrowed(y, r, s, lower, upper)
            elif a[node] >= 0:
                x = np.int64(a[node])
                p, q = unary_back(code, l, u, lower[x], upper[x])
                narrowed(x, p, q, lower, upper)
        return True

    return revise
