"""Contraction: a box of the variables shrunk to where a predicate may hold. The inner loop of `contract`.

Bands of variables shrink the box as they stand. Then `absint.lowering.kernels.propagation` goes over the
bands, one at a time and round after round, as long as a side loses much.

Work is counted in *visits*: a predicate, an operation of a value or a side of a box that is looked at. One
visit takes 3 to 30 nanoseconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.lowering.kernels.limits import DEEPEST_BOX
from absint.lowering.kernels.propagation import make_revise
from absint.native.memory import REALS, f64s, i32s, i64s, u8s
from absint.ops.precision import Precision
from absint.ops.table import ALL, AND, ANY, BAND, FALSE, NOT, OR, TRUE, VAR

_AND, _NOT, _OR, _VAR = (op.code for op in (AND, NOT, OR, VAR))
_FALSE, _TRUE, _BAND, _ALL, _ANY = (kind.code for kind in (FALSE, TRUE, BAND, ALL, ANY))

LARGEST = 256
"""Operations of a value that is looked into."""

MOST_LOOKS = 2_000
"""Predicates that one round looks at, shared ones again and again; those behind shrink nothing."""

MOST_ROUNDS = 100

SMALL_PART = 1 / 64
"""A round in which no side loses more of its length than this is undone and is the last, so that contracting
once more changes nothing.
"""

SLICE = 4_000_000
"""Visits after which a call returns, for Ctrl-C to be heard. One job gets no more than these either."""


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """`contract` for the precision, see there."""
    precision = Precision(precision_name)
    reals = REALS[precision_name]
    real = types.float32 if precision is Precision.F32 else types.float64
    precision_is_single = precision is Precision.F32
    inf = real(np.inf)
    revise = make_revise(precision)

    @njit(error_model="numpy")
    def shrink(
        predicate, box, size, op, a, b, variable, known_low, known_high, lower, upper, cone_starts, cones_of,
        code, value, bands, starts, items, frames, boxes, allowed,
    ):  # fmt: skip
        """One round over the lists below a predicate; returns its visits. The box is empty, its first lower
        end above the upper one, if the predicate holds nowhere in it.

        An `all` shrinks the box by its operands one after the other, an `any` to the hull of what they leave.
        More than the visits `allowed` are never made: then the result is larger and the box means nothing.
        """
        depth = 0
        looked = 0
        visits = np.int64(0)
        frames[0] = predicate
        frames[1] = starts[predicate]
        while depth >= 0:
            current, position = np.int64(frames[2 * depth]), np.int64(frames[2 * depth + 1])
            kind = code[current]
            saved, union = 2 * depth * size, (2 * depth + 1) * size
            holds = box[0] <= box[1]
            visits += 1
            if kind == _BAND:
                node = np.int64(value[current])
                begin, end = np.int64(cone_starts[node]), np.int64(cone_starts[node + 1])
                if holds and begin < end and looked < MOST_LOOKS:
                    looked += 1
                    visits += end - begin
                    if visits > allowed:
                        return visits
                    low, high = real(bands[2 * current]), real(bands[2 * current + 1])
                    holds = revise(
                        begin, end, low, high, cones_of, op, a, b, variable, known_low, known_high, lower,
                        upper, box,
                    )  # fmt: skip
                depth -= 1
            elif kind == _FALSE:
                holds = False
                depth -= 1
            elif kind == _TRUE or depth == DEEPEST_BOX - 1:
                depth -= 1
            elif not (position != starts[current] or (holds and looked < MOST_LOOKS)):
                depth -= 1  # nothing is looked at below
            elif kind == _ALL:
                looked += position == starts[current]
                if holds and position < starts[current + 1]:
                    frames[2 * depth + 1] = position + 1
                    depth += 1
                    frames[2 * depth] = items[position]
                    frames[2 * depth + 1] = starts[np.int64(items[position])]
                else:
                    depth -= 1
            else:
                visits += size
                if position == starts[current]:
                    looked += 1
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
            if visits > allowed:
                return visits
        return visits

    @njit(error_model="numpy")
    def shrank(box, before, size):
        """Whether some side lost more than a small part of its length."""
        for i in range(0, size, 2):
            gone = real(0.0)
            if box[i] > before[i]:
                gone += box[i] - before[i]
            if box[i + 1] < before[i + 1]:
                gone += before[i + 1] - box[i + 1]
            if gone > real(SMALL_PART) * (before[i + 1] - before[i]) or gone == inf:
                return True
        return False

    @njit(error_model="numpy")
    def bounded(predicate, box, op, variable, code, value, bands, starts, items):
        """Shrink the box by bands of variables, if the predicate is one or an `all`; False if it is empty."""
        holds = True
        begin, end = np.int64(starts[predicate]), np.int64(starts[predicate + 1])
        for i in range(begin, end if code[predicate] == _ALL else begin + 1):
            part = np.int64(items[i]) if code[predicate] == _ALL else predicate
            if code[part] == _BAND and op[value[part]] == _VAR:
                place = 2 * np.int64(variable[value[part]])
                box[place] = max(box[place], real(bands[2 * part]))
                box[place + 1] = min(box[place + 1], real(bands[2 * part + 1]))
                holds = holds and box[place] <= box[place + 1]
        return holds

    def contract(
        first, jobs, predicate_, context_, held_, boxes_, dimensions,
        op_, a_, b_, variable_, known_low_, known_high_, lower_, upper_, cone_starts_, cones_,
        code_, value_, bands_, starts_, items_, frames_, scratch_, left_,
    ):  # fmt: skip
        """Shrink boxes to where predicates may hold, round after round as long as a side loses much.

        Begins with job `first` and returns the number of the first job that is not done, `jobs` for none; it
        does some more than `SLICE` visits at most. `left` i64[1]: how many visits may be made in all, less
        those made. A round that would need more is undone; then boxes are shrunk by bands of variables only.

        Job j shrinks box number `context[j]`, which is at most j, for `predicate[j]` (both i32), into box
        number j+1; `held` u8[jobs + 1] says which boxes are not empty. `boxes` real[jobs + 1, dimensions, 2].
        Of the real nodes: `op` u8, `a`, `b` and `variable` i32, `known_low` and `known_high` real, bounds on
        the whole box, `lower` and `upper` real, scratch. The operations below node i, itself last, are
        `cones[cone_starts[i]:cone_starts[i+1]]`. Of the predicates: `code` u8, `value` i32, `bands` f64[·,
        2], `starts` and `items` i32. `frames` i32[DEEPEST_BOX, 2] and `scratch` real[DEEPEST_BOX + 1, 2,
        dimensions, 2].
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
        frames, scratch, left = i32s(frames_), reals(scratch_), i64s(left_)
        size = 2 * dimensions
        itemsize = 4 if precision_is_single else 8
        box = reals(scratch_ + 2 * DEEPEST_BOX * size * itemsize)
        before = reals(scratch_ + (2 * DEEPEST_BOX + 1) * size * itemsize)
        worked = 0
        for job in range(first, jobs):
            if worked >= SLICE:
                return job
            one = np.int64(predicate[job])
            source, target = np.int64(context[job]) * size, (job + 1) * size
            worked += size + np.int64(starts[one + 1]) - np.int64(starts[one])
            held[job + 1] = held[np.int64(context[job])]
            if not held[job + 1]:
                continue
            for i in range(size):
                box[i] = boxes[source + i]
            held[job + 1] = bounded(one, box, op, variable, code, value, bands, starts, items)
            if not held[job + 1]:
                continue
            allowed = min(left[0], np.int64(SLICE))
            for _ in range(MOST_ROUNDS):
                for i in range(size):
                    before[i] = box[i]
                visits = size + shrink(
                    one, box, size, op, a, b, variable, known_low, known_high, lower, upper, cone_starts,
                    cones_of, code, value, bands, starts, items, frames, scratch, allowed - size,
                )  # fmt: skip
                made = min(visits, max(allowed, 0))
                allowed -= visits
                left[0] -= made
                worked += made
                if allowed < 0:
                    break
                if not box[0] <= box[1]:
                    held[job + 1] = 0
                    break
                if not shrank(box, before, size):
                    break
            for i in range(size):
                boxes[target + i] = before[i]
        return jobs

    return {"contract": (contract, types.int64(*[types.int64] * 25))}


def cones(n, op_, a_, b_, wanted_, seen_, stack_, starts_, cones_, capacity):
    """The operations below each wanted real node, operands first; returns their number, or -1 for too many.

    `wanted` u8[n]; `seen` i32[n], all -1 before; `stack` i32[2n+2]: scratch; `starts` i32[n+1], `cones`
    i32[capacity]: the result, empty for what is not wanted, is larger than LARGEST or contains `not`, `and`
    or `or`. A walk ends as soon as it has met one node more than LARGEST.
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
        met = top = 0
        stack[0] = root
        while top >= 0 and usable:
            node = np.int64(stack[top])
            if node < 0:  # the second time: its operands are there
                if count == capacity:
                    return -1
                found[count] = ~node
                count += 1
                top -= 1
                continue
            if seen[node] == root:
                top -= 1
                continue
            seen[node] = root
            met += 1
            if met > LARGEST or op[node] == _NOT or op[node] == _AND or op[node] == _OR:
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


SHARED = {"cones": (cones, types.int64(*[types.int64] * 10))}
"""The kernels that serve both precisions."""
