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
from absint.native.memory import INLINE
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

INF = np.inf

cones_task = pointer_to(ConesTask)


class Rules(NamedTuple):
    """What depends on the precision: `revise`, see `absint.lowering.kernels.propagation`, and `real`, which
    rounds to the precision.
    """

    revise: Any
    real: Any


# Boxes: pairs of a lower and an upper end, one pair for each variable


@njit(**INLINE)
def copy_box(target, source, size):
    """Copy a box of `size` ends."""
    for i in range(size):
        target[i] = source[i]


@njit(**INLINE)
def is_nonempty(box):
    """Whether a box may hold a point; an empty box has its first lower end above the upper one."""
    return box[0] <= box[1]


@njit(error_model="numpy")
def has_shrunk(task, rules):
    """Whether some side of the box lost more than a small part of its length, compared with `before`."""
    box, before, real = task.box, task.before, rules.real
    for i in range(0, 2 * task.dimensions, 2):
        lost = real(0.0)
        if box[i] > before[i]:
            lost += box[i] - before[i]
        if box[i + 1] < before[i + 1]:
            lost += before[i + 1] - box[i + 1]
        if lost > real(SMALL_PART) * (before[i + 1] - before[i]) or lost == real(INF):
            return True
    return False


# One round over the lists below a predicate


@njit(**INLINE)
def open_predicate(task, depth, predicate):
    """Put a predicate on the stack at this depth, with all its operands still to be looked into."""
    frame = task.frames[depth]
    frame.predicate = predicate
    frame.position = task.predicates.starts[predicate]


@njit(**INLINE)
def open_operand(task, depth):
    """Put the next operand of the list at this depth on the stack, one level deeper."""
    frame = task.frames[depth]
    item = np.int64(task.predicates.items[frame.position])
    frame.position += 1
    open_predicate(task, depth + 1, item)


@njit(error_model="numpy")
def begin_hull(task, rules, depth):
    """Save the box that surrounds an `any`; the hull of what the operands have left is empty."""
    size, inf = 2 * task.dimensions, rules.real(INF)
    whole = task.saved + 2 * depth * size
    hull = whole + size
    copy_box(whole, task.box, size)
    for i in range(0, size, 2):
        hull[i], hull[i + 1] = inf, -inf


@njit(error_model="numpy")
def extend_hull(task, depth):
    """Extend the hull of an `any` by the box that an operand has left."""
    box, size = task.box, 2 * task.dimensions
    hull = task.saved + (2 * depth + 1) * size
    for i in range(0, size, 2):
        hull[i] = min(hull[i], box[i])
        hull[i + 1] = max(hull[i + 1], box[i + 1])


@njit(error_model="numpy")
def restore(task, depth, is_done):
    """Give the next operand of an `any` the whole box again, or, if all are done, make the box their hull."""
    size = 2 * task.dimensions
    copy_box(task.box, task.saved + (2 * depth + is_done) * size, size)


@njit(error_model="numpy")
def revise_by_band(task, values, rules, band):
    """Shrink the box to where a band may hold; returns False if nowhere."""
    ends, node = task.predicates.bands[band], np.int64(task.predicates.value[band])
    begin, end = np.int64(task.cone_starts[node]), np.int64(task.cone_starts[node + 1])
    return rules.revise(begin, end, rules.real(ends.lower), rules.real(ends.upper), values, task.box)


@njit(**INLINE)
def cone_size(task, band):
    """How many nodes the cone of a band's value has."""
    node = np.int64(task.predicates.value[band])
    return np.int64(task.cone_starts[node + 1]) - np.int64(task.cone_starts[node])


@njit(error_model="numpy")
def shrink(task, values, rules, root, allowed):
    """One round over the lists below a predicate; returns its visits. The box is empty if the predicate holds
    nowhere in it.

    An `all` shrinks the box by its operands one after the other, an `any` to the hull of what they leave.
    More than the visits `allowed` are never made: then the result is larger and the box means nothing.
    """
    predicates, box = task.predicates, task.box
    depth, looked, visits = np.int64(0), np.int64(0), np.int64(0)
    open_predicate(task, depth, root)
    while depth >= 0:
        current, position = np.int64(task.frames[depth].predicate), np.int64(task.frames[depth].position)
        kind = predicates.code[current]
        is_first = position == predicates.starts[current]
        is_done = position >= predicates.starts[current + 1]
        holds, goes_down = is_nonempty(box), False
        visits += 1
        if kind == _BAND:
            size = cone_size(task, current)
            if holds and size > 0 and looked < MOST_LOOKS:
                looked += 1
                visits += size
                if visits > allowed:
                    return visits
                holds = revise_by_band(task, values, rules, current)
        elif kind == _FALSE:
            holds = False
        elif kind == _TRUE or depth == DEEPEST_BOX - 1 or (is_first and not (holds and looked < MOST_LOOKS)):
            pass  # nothing is looked at below
        elif kind == _ALL:
            looked += is_first
            goes_down = holds and not is_done
        else:
            looked += is_first
            visits += 2 * task.dimensions
            if is_first:
                begin_hull(task, rules, depth)
            elif holds:
                extend_hull(task, depth)
            restore(task, depth, is_done)
            holds, goes_down = is_nonempty(box), not is_done
        if not holds:
            box[0], box[1] = rules.real(INF), rules.real(-INF)  # empty, whichever side proved it
        if goes_down:
            open_operand(task, depth)
        depth += 1 if goes_down else -1
        if visits > allowed:
            return visits
    return visits


# Jobs


@njit(error_model="numpy")
def cut(task, rules, root):
    """Shrink the box by bands of variables, if the predicate is one or an `all`; False if it is empty."""
    predicates, box, real = task.predicates, task.box, rules.real
    is_all = predicates.code[root] == _ALL
    begin, end = np.int64(predicates.starts[root]), np.int64(predicates.starts[root + 1])
    holds = True
    for i in range(begin, end if is_all else begin + 1):
        part = np.int64(predicates.items[i]) if is_all else root
        if predicates.code[part] == _BAND and task.op[predicates.value[part]] == _VAR:
            place = 2 * np.int64(task.variable[predicates.value[part]])
            ends = predicates.bands[part]
            box[place] = max(box[place], real(ends.lower))
            box[place + 1] = min(box[place + 1], real(ends.upper))
            holds = holds and box[place] <= box[place + 1]
    return holds


@njit(error_model="numpy")
def shrink_much(task, values, rules, root):
    """Shrink the box round after round, as long as a side loses much; returns the visits made, and whether
    the box may hold a point. The result is `before`: a round that shrinks little, or would need more visits
    than are left, is undone.
    """
    size = 2 * task.dimensions
    allowed = min(task.left, np.int64(SLICE))
    made = np.int64(0)
    for _ in range(MOST_ROUNDS):
        copy_box(task.before, task.box, size)
        visits = size + shrink(task, values, rules, root, allowed - size)
        made += min(visits, max(allowed, 0))
        allowed -= visits
        if allowed < 0:
            break
        if not is_nonempty(task.box):
            return made, False
        if not has_shrunk(task, rules):
            break
    return made, True


@njit(error_model="numpy")
def contract_job(task, values, rules, job):
    """Shrink the box of one job; returns the visits that this took."""
    predicates, is_held, size = task.predicates, task.is_held, 2 * task.dimensions
    root, outer = np.int64(task.item[job]), np.int64(task.outer[job])
    work = size + np.int64(predicates.starts[root + 1]) - np.int64(predicates.starts[root])
    is_held[job + 1] = is_held[outer]
    if not is_held[job + 1]:
        return work
    copy_box(task.box, task.boxes + outer * size, size)
    is_held[job + 1] = cut(task, rules, root)
    if not is_held[job + 1]:
        return work
    made, is_held[job + 1] = shrink_much(task, values, rules, root)
    task.left -= made
    copy_box(task.boxes + (job + 1) * size, task.before, size)
    return work + made


@njit(error_model="numpy")
def contract_jobs(task, rules):
    """Shrink boxes to where predicates may hold, round after round as long as a side loses much.

    Begins with job `first` and returns the number of the first job that is not done, `jobs` for none; it
    makes some more than `SLICE` visits at most. Where no visits are left, boxes are shrunk by bands of
    variables only.
    """
    values = Values(
        task.op, task.a, task.b, task.variable, task.known_lower, task.known_upper, task.lower, task.upper,
        task.cone_starts, task.cones,
    )  # fmt: skip
    work = np.int64(0)
    for job in range(task.first, task.jobs):
        if work >= SLICE:
            return job
        work += contract_job(task, values, rules, job)
    return task.jobs


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """The kernel `contract` for the precision, which is given a `ContractTask`."""
    precision = Precision(precision_name)
    contract_task = pointer_to(ContractTask.of(precision_name))
    real = types.float32 if precision is Precision.F32 else types.float64
    rules = Rules(make_revise(precision), real)

    def contract(address):
        return contract_jobs(contract_task(address), rules)

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
