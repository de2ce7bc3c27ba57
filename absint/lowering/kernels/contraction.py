"""Contraction: boxes of the variables shrunk to where predicates may hold. The inner loop of `contract`.

Bands of variables shrink a box as they stand. Then `absint.lowering.kernels.propagation` revises the box by
each other band, round after round, as long as a side loses much of its length.

Work is counted in *visits*: of a predicate, of an operation of a value, of a side of a box. One visit takes 3
to 30 nanoseconds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from absint.lowering.kernels.pass_records import DEEPEST_BOX, ConesTask, ContractTask
from absint.lowering.kernels.propagation import Values, make_revise
from absint.native.record_pointers import pointer_to
from absint.ops.precision import Precision
from absint.ops.record import Trait
from absint.ops.table import ALL, ANY, BAND, FALSE, TRUE, VAR

_VAR = VAR.code
_KEEPS_NAN = int(Trait.KEEPS_NAN)
_FALSE, _TRUE, _BAND, _ALL, _ANY = (kind.code for kind in (FALSE, TRUE, BAND, ALL, ANY))

LARGEST = 256
"""Most operations of a value that a box is revised by."""

MOST_LOOKS = 2_000
"""Most predicates that one round looks at, a shared one each time; those behind them shrink nothing."""

MOST_ROUNDS = 100

SMALL_PART = 1 / 64
"""A round in which no side loses more of its length than this is undone, and is the last: so contracting once
more changes nothing.
"""

SLICE = 4_000_000
"""Visits after which a call returns, for Ctrl-C to be heard. No job gets more either."""

cones_task = pointer_to(ConesTask)


class Predicates(NamedTuple):
    """See `PredicateArrays`."""

    code: Any
    value: Any
    bands: Any
    starts: Any
    items: Any


class Stack(NamedTuple):
    """Lists that are being looked into. `frames`: of each the predicate and the next place in its list.
    `saved`: of each the box before it, and the hull of what the operands of an `any` have left so far.
    """

    frames: Any
    saved: Any


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """The kernel `contract` for the precision."""
    precision = Precision(precision_name)
    contract_task = pointer_to(ContractTask.of(precision_name))
    real = types.float32 if precision is Precision.F32 else types.float64
    inf = real(np.inf)
    revise = make_revise(precision)

    @njit(error_model="numpy")
    def shrink(root, box, size, predicates, values, stack, allowed):
        """One round over the lists below a predicate; returns its visits. The box is empty, its first lower
        end above the upper one, if the predicate holds nowhere in it.

        An `all` shrinks the box by its operands one after the other, an `any` to the hull of what they leave.
        More than the visits `allowed` are never made: then the result is larger and the box means nothing.
        """
        code, starts, items = predicates.code, predicates.starts, predicates.items
        frames, saved = stack.frames, stack.saved
        depth = 0
        looked = 0
        visits = np.int64(0)
        frames[0] = root
        frames[1] = starts[root]
        while depth >= 0:
            current, position = np.int64(frames[2 * depth]), np.int64(frames[2 * depth + 1])
            kind = code[current]
            whole, hull = 2 * depth * size, (2 * depth + 1) * size
            holds = box[0] <= box[1]
            visits += 1
            if kind == _BAND:
                node = np.int64(predicates.value[current])
                begin, end = np.int64(values.cone_starts[node]), np.int64(values.cone_starts[node + 1])
                if holds and begin < end and looked < MOST_LOOKS:
                    looked += 1
                    visits += end - begin
                    if visits > allowed:
                        return visits
                    ends = predicates.bands[current]
                    low, high = real(ends.lower), real(ends.upper)
                    holds = revise(begin, end, low, high, values, box)
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
                        saved[whole + i], saved[whole + i + 1] = box[i], box[i + 1]
                        saved[hull + i], saved[hull + i + 1] = inf, -inf
                elif holds:
                    for i in range(0, size, 2):
                        saved[hull + i] = min(saved[hull + i], box[i])
                        saved[hull + i + 1] = max(saved[hull + i + 1], box[i + 1])
                more = position < starts[current + 1]
                for i in range(size):
                    box[i] = saved[(whole if more else hull) + i]
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
    def has_shrunk(box, before, size):
        """Whether some side lost more than a small part of its length."""
        for i in range(0, size, 2):
            lost = real(0.0)
            if box[i] > before[i]:
                lost += box[i] - before[i]
            if box[i + 1] < before[i + 1]:
                lost += before[i + 1] - box[i + 1]
            if lost > real(SMALL_PART) * (before[i + 1] - before[i]) or lost == inf:
                return True
        return False

    @njit(error_model="numpy")
    def cut(root, box, predicates, values):
        """Shrink the box by bands of variables, if the predicate is one or an `all`; False if it is empty."""
        code = predicates.code
        holds = True
        begin, end = np.int64(predicates.starts[root]), np.int64(predicates.starts[root + 1])
        for i in range(begin, end if code[root] == _ALL else begin + 1):
            part = np.int64(predicates.items[i]) if code[root] == _ALL else root
            if code[part] == _BAND and values.op[predicates.value[part]] == _VAR:
                place = 2 * np.int64(values.variable[predicates.value[part]])
                ends = predicates.bands[part]
                box[place] = max(box[place], real(ends.lower))
                box[place + 1] = min(box[place + 1], real(ends.upper))
                holds = holds and box[place] <= box[place + 1]
        return holds

    @njit(error_model="numpy")
    def shrink_much(root, box, before, size, predicates, values, stack, left):
        """Shrink a box round after round, as long as a side loses much; returns the visits made, and whether
        the box may hold a point. `before` is the box then. `left`: how many visits may be made in all; a
        round that would need more is undone.
        """
        allowed = min(left, np.int64(SLICE))
        made = np.int64(0)
        for _ in range(MOST_ROUNDS):
            for i in range(size):
                before[i] = box[i]
            visits = size + shrink(root, box, size, predicates, values, stack, allowed - size)
            made += min(visits, max(allowed, 0))
            allowed -= visits
            if allowed < 0:
                break
            if not box[0] <= box[1]:
                return made, False
            if not has_shrunk(box, before, size):
                break
        return made, True

    def contract(address):
        """Shrink boxes to where predicates may hold, round after round as long as a side loses much.

        Begins with job `first` and returns the number of the first job that is not done, `jobs` for none; it
        makes some more than `SLICE` visits at most. Where no visits are left, boxes are shrunk by bands of
        variables only. See `ContractTask`.
        """
        task = contract_task(address)
        given = task.predicates
        predicates = Predicates(given.code, given.value, given.bands, given.starts, given.items)
        values = Values(
            task.op, task.a, task.b, task.variable, task.known_lower, task.known_upper, task.lower,
            task.upper, task.cone_starts, task.cones,
        )  # fmt: skip
        stack = Stack(task.frames, task.saved)
        boxes, is_held, box, before = task.boxes, task.is_held, task.box, task.before
        size = 2 * task.dimensions
        worked = np.int64(0)
        for job in range(task.first, task.jobs):
            if worked >= SLICE:
                return job
            root = np.int64(task.item[job])
            source, target = np.int64(task.outer[job]) * size, (job + 1) * size
            worked += size + np.int64(given.starts[root + 1]) - np.int64(given.starts[root])
            is_held[job + 1] = is_held[np.int64(task.outer[job])]
            if not is_held[job + 1]:
                continue
            for i in range(size):
                box[i] = boxes[source + i]
            is_held[job + 1] = cut(root, box, predicates, values)
            if not is_held[job + 1]:
                continue
            made, is_held[job + 1] = shrink_much(
                root, box, before, size, predicates, values, stack, task.left
            )
            task.left -= made
            worked += made
            for i in range(size):
                boxes[target + i] = before[i]
        return task.jobs

    return {"contract": (contract, types.int64(types.int64))}


def find_cones(address):
    """List the operations below each wanted real node, operands first, and last the node; returns how many
    there are in all, or -1 if there are too many.

    A cone is empty for a node that is not wanted, whose cone is larger than LARGEST, or that depends on an
    operation that does not keep NaN. A walk ends as soon as it has met one node more than LARGEST. See
    `ConesTask`.
    """
    task = cones_task(address)
    op, a, b, traits, seen = task.op, task.a, task.b, task.traits, task.seen
    stack, starts, cones = task.stack, task.starts, task.cones
    count = 0
    for root in range(task.count):
        starts[root] = count
        if not task.is_wanted[root]:
            continue
        begin = count
        usable = True
        met = top = 0
        stack[0] = root
        while top >= 0 and usable:
            node = np.int64(stack[top])
            if node < 0:  # the second time: its operands are there
                if count == task.most:
                    return -1
                cones[count] = ~node
                count += 1
                top -= 1
                continue
            if seen[node] == root:
                top -= 1
                continue
            seen[node] = root
            met += 1
            if met > LARGEST or not traits[op[node]] & _KEEPS_NAN:
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
    starts[task.count] = count
    return count


SHARED = {"find_cones": (find_cones, types.int64(types.int64))}
"""The kernels that serve both precisions."""
