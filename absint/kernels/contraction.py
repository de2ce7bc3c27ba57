"""Contraction: a box of the variables shrunk to where a predicate may hold. The inner loop of `contract`.

Forward-backward propagation (HC4-revise; Benhamou, Goualard, Granvilliers, Puget 1999) over one band at a
time: bounds of its value's operands from the leaves up, then the band's ends from the value down. The backward
rules invert real operations under rounded ones, so each widens its target by one float outward, which covers
what rounding may have moved, inverts, and widens by one float again for its own rounding.

A band that holds has no NaN below it, so bounds need not say whether there may be one. `not`, `and` and `or`
ignore or absorb a NaN: a value that depends on one of them is left alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.kernels.memory import REALS, f64s, i32s, u8s
from absint.ops import numba_primitives
from absint.ops.table import (
    ABS,
    ADD,
    ALL,
    AND,
    ANY,
    BAND,
    CEIL,
    CONST,
    DIV,
    FALSE,
    FLOOR,
    MAX,
    MIN,
    MUL,
    NEG,
    NOT,
    OR,
    RECIP,
    ROUND,
    SQRT,
    SQUARE,
    SUB,
    TRUE,
    VAR,
)  # fmt: skip
from absint.ops.translate import numba_form
from absint.precision import Precision

_ABS, _ADD, _CEIL, _DIV, _FLOOR, _MAX, _MIN, _MUL, _NEG, _RECIP, _ROUND, _SQRT, _SQUARE, _SUB = (
    op.code for op in (ABS, ADD, CEIL, DIV, FLOOR, MAX, MIN, MUL, NEG, RECIP, ROUND, SQRT, SQUARE, SUB)
)
_AND, _CONST, _NOT, _OR, _VAR = (op.code for op in (AND, CONST, NOT, OR, VAR))
_FALSE, _TRUE, _BAND, _ALL, _ANY = (kind.code for kind in (FALSE, TRUE, BAND, ALL, ANY))

DEEPEST = 32
"""Nested lists that are looked into; what lies deeper shrinks nothing."""

LARGEST = 256
"""Operations of a value that is looked into."""

MOST_BANDS = 10_000
"""Bands that one round looks at; those behind shrink nothing."""

MOST_ROUNDS = 100

SMALL_PART = 1 / 64
"""A round in which no side loses more of its length than this is undone and is the last, so that contracting
once more changes nothing.
"""

next_up, next_down, sqrt = numba_primitives.next_up, numba_primitives.next_down, numba_primitives.sqrt


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """`cones` and `contract` for the precision, see there."""
    precision = Precision(precision_name)
    reals = REALS[precision_name]
    real = types.float32 if precision is Precision.F32 else types.float64
    ops = (NEG, ABS, RECIP, SQRT, SQUARE, FLOOR, CEIL, ROUND, ADD, SUB, MUL, DIV, MIN, MAX)
    rules = [numba_form(op.interval(precision), precision) for op in ops]
    neg, abs_, recip, root, square, floor, ceil, round_, add, sub, mul, div, min_, max_ = rules
    precision_is_single = precision is Precision.F32
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
        """Shrink the box to where the value of a cone may lie in [low, high]; False if nowhere."""
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

    @njit(error_model="numpy")
    def shrink(
        predicate, box, size, op, a, b, variable, known_low, known_high, lower, upper, cone_starts, cones_of,
        code, value, bands, starts, items, frames, boxes,
    ):  # fmt: skip
        """One round over the lists below a predicate; False if it holds nowhere in the box.

        An `all` shrinks the box by its operands one after the other, an `any` to the hull of what they leave.
        """
        depth = 0
        looked = 0
        frames[0] = predicate
        frames[1] = starts[predicate]
        while depth >= 0:
            current, position = np.int64(frames[2 * depth]), np.int64(frames[2 * depth + 1])
            kind = code[current]
            saved, union = 2 * depth * size, (2 * depth + 1) * size
            holds = box[0] <= box[1]
            if kind == _BAND:
                node = np.int64(value[current])
                begin, end = np.int64(cone_starts[node]), np.int64(cone_starts[node + 1])
                if holds and begin < end and looked < MOST_BANDS:
                    looked += 1
                    low, high = real(bands[2 * current]), real(bands[2 * current + 1])
                    holds = revise(
                        begin, end, low, high, cones_of, op, a, b, variable, known_low, known_high, lower,
                        upper, box,
                    )  # fmt: skip
                depth -= 1
            elif kind == _FALSE:
                holds = False
                depth -= 1
            elif kind == _TRUE or depth == DEEPEST - 1 or (not holds and position == starts[current]):
                depth -= 1
            elif kind == _ALL:
                if holds and position < starts[current + 1]:
                    frames[2 * depth + 1] = position + 1
                    depth += 1
                    frames[2 * depth] = items[position]
                    frames[2 * depth + 1] = starts[np.int64(items[position])]
                else:
                    depth -= 1
            else:
                if position == starts[current]:
                    for i in range(0, size, 2):
                        boxes[saved + i], boxes[saved + i + 1] = box[i], box[i + 1]
                        boxes[union + i], boxes[union + i + 1] = inf, -inf
                elif holds:
                    for i in range(0, size, 2):
                        boxes[union + i] = min(boxes[union + i], box[i])
                        boxes[union + i + 1] = max(boxes[union + i + 1], box[i + 1])
                more = position < starts[current + 1]
                for i in range(size):
                    box[i] = boxes[(saved if more else union) + i]
                holds = box[0] <= box[1]
                if more:
                    frames[2 * depth + 1] = position + 1
                    depth += 1
                    frames[2 * depth] = items[position]
                    frames[2 * depth + 1] = starts[np.int64(items[position])]
                else:
                    depth -= 1
            if not holds:
                box[0], box[1] = inf, -inf  # empty, whichever side proved it
        return box[0] <= box[1]

    @njit(error_model="numpy")
    def shrank(box, before, size):
        """Whether some side lost more than a small part of its length."""
        for i in range(0, size, 2):
            gone = (box[i] - before[i]) + (before[i + 1] - box[i + 1])
            if gone > real(SMALL_PART) * (before[i + 1] - before[i]) or gone == inf:
                return True
        return False

    def contract(
        jobs, predicate_, context_, held_, boxes_, dimensions,
        op_, a_, b_, variable_, known_low_, known_high_, lower_, upper_, cone_starts_, cones_,
        code_, value_, bands_, starts_, items_, frames_, scratch_,
    ):  # fmt: skip
        """Shrink boxes to where predicates may hold, round after round as long as a side loses much.

        Job j shrinks box number `context[j]`, which is at most j, for `predicate[j]` (both i32), into box
        number j+1; `held` u8[jobs + 1] says which boxes are not empty. `boxes` real[jobs + 1, dimensions, 2].
        Of the real nodes: `op` u8, `a`, `b` and `variable` i32, `known_low` and `known_high` real, bounds on
        the whole box, `lower` and `upper` real, scratch. The operations below node i, itself last, are
        `cones[cone_starts[i]:cone_starts[i+1]]`. Of the predicates: `code` u8, `value` i32, `bands` f64[·, 2],
        `starts` and `items` i32. `frames` i32[DEEPEST, 2] and `scratch` real[DEEPEST + 1, 2, dimensions, 2].
        """
        predicate, context, held, boxes = i32s(predicate_), i32s(context_), u8s(held_), reals(boxes_)
        op, a, b, variable = u8s(op_), i32s(a_), i32s(b_), i32s(variable_)
        known_low, known_high = reals(known_low_), reals(known_high_)
        lower, upper, cone_starts, cones_of = reals(lower_), reals(upper_), i32s(cone_starts_), i32s(cones_)
        code, value, bands, starts, items = (
            u8s(code_),
            i32s(value_),
            f64s(bands_),
            i32s(starts_),
            i32s(items_),
        )
        frames, scratch = i32s(frames_), reals(scratch_)
        size = 2 * dimensions
        itemsize = 4 if precision_is_single else 8
        box = reals(scratch_ + 2 * DEEPEST * size * itemsize)
        before = reals(scratch_ + (2 * DEEPEST + 1) * size * itemsize)
        for job in range(jobs):
            source, target = np.int64(context[job]) * size, (job + 1) * size
            held[job + 1] = held[np.int64(context[job])]
            if not held[job + 1]:
                continue
            for i in range(size):
                box[i] = boxes[source + i]
            for _ in range(MOST_ROUNDS):
                for i in range(size):
                    before[i] = box[i]
                holds = shrink(
                    np.int64(predicate[job]), box, size, op, a, b, variable, known_low, known_high, lower,
                    upper, cone_starts, cones_of, code, value, bands, starts, items, frames, scratch,
                )  # fmt: skip
                if not holds:
                    held[job + 1] = 0
                    break
                if not shrank(box, before, size):
                    break
            for i in range(size):
                boxes[target + i] = before[i]
        return None

    address = types.int64
    return {
        "cones": (cones, types.int64(*[address] * 10)),
        "contract": (contract, types.none(*[address] * 23)),
    }


def cones(n, op_, a_, b_, wanted_, seen_, stack_, starts_, cones_, capacity):
    """The operations below each wanted real node, operands first; returns their number, or -1 for too many.

    `wanted` u8[n]; `seen` i32[n], all -1 before; `stack` i32[2n+2]: scratch; `starts` i32[n+1], `cones`
    i32[capacity]: the result, empty for what is not wanted, is larger than LARGEST or contains `not`, `and` or
    `or`.
    """
    op, a, b, wanted, seen = u8s(op_), i32s(a_), i32s(b_), u8s(wanted_), i32s(seen_)
    stack, starts, found = i32s(stack_), i32s(starts_), i32s(cones_)
    count = 0
    for root in range(n):
        starts[root] = count
        if not wanted[root]:
            continue
        begin = count
        usable = True
        top = 0
        stack[0] = root
        while top >= 0 and usable:
            node = np.int64(stack[top])
            if node < 0:  # the second time: its operands are there
                if count == capacity:
                    return -1
                found[count] = ~node
                count += 1
                top -= 1
                usable = count - begin <= LARGEST
                continue
            if seen[node] == root:
                top -= 1
                continue
            seen[node] = root
            if op[node] == _NOT or op[node] == _AND or op[node] == _OR:
                usable = False
            stack[top] = ~node
            if a[node] >= 0:
                top += 1
                stack[top] = a[node]
            if b[node] >= 0:
                top += 1
                stack[top] = b[node]
        if not usable:
            count = begin
    starts[n] = count
    return count
