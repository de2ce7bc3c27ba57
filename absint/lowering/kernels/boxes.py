"""Which operands of `any` get a box of their own, and the predicates with these boxes: the rest of
`contract`.

A *job* is an operand of an `any`, or the root. Jobs of one `any` follow each other in the order of its
operands.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from absint.lowering.kernels.predicates import (
    FULL,
    add,
    band,
    builder_at,
    copy_leaf,
    count_users,
    finish,
    is_list,
    join,
    make_constants,
    open_list,
    predicates_at,
)  # fmt: skip
from absint.native.memory import REALS, i32s, i64s, u8s
from absint.ops.precision import Precision
from absint.ops.table import ALL, ANY, BAND

_BAND, _ALL, _ANY = (kind.code for kind in (BAND, ALL, ANY))
_INF = np.inf


class Counts(NamedTuple):
    """Places in `counts`: operands that got another box, and those proved to be false."""

    boxed: int
    empty: int


COUNTS = Counts(*range(len(Counts._fields)))


class Boxes(NamedTuple):
    """Boxes of jobs, `ends` real[jobs + 1, dimensions, 2] behind that of the program, and which hold a point.

    `outer`: the number of the box around each job. Of dimensions: `node`, one of each variable, whether it is
    `bounded` in the program's box, and `met`, the last job in which the box's ends were found as a band.
    `variable`: the dimension of each variable node, -1 for others.
    """

    ends: Any
    held: Any
    outer: Any
    dimensions: Any
    node: Any
    bounded: Any
    met: Any
    variable: Any


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """`boxed` for the precision, see there."""
    reals = REALS[precision_name]
    real = types.float32 if Precision(precision_name) is Precision.F32 else types.float64

    @njit(error_model="numpy")
    def side(boxes, job, dimension):
        """The ends of a box where they are narrower than those around it, else infinite; and if they are."""
        place = 2 * (boxes.dimensions * (job + 1) + dimension)
        outer = 2 * (boxes.dimensions * np.int64(boxes.outer[job]) + dimension)
        lower, upper = np.float64(boxes.ends[place]), np.float64(boxes.ends[place + 1])
        above, below = lower > boxes.ends[outer], upper < boxes.ends[outer + 1]
        return (lower if above else -_INF), (upper if below else _INF), above or below

    @njit(error_model="numpy")
    def replaced(part, job, old, boxes):
        """The dimension of a band of a variable that the box stands for, or -1.

        A box without ends says nothing about NaN, which a variable that the program's box leaves open may be.
        """
        if old.code[part] != _BAND:
            return np.int64(-1)
        dimension = np.int64(boxes.variable[old.value[part]])
        if dimension < 0:
            return dimension
        place = 2 * (boxes.dimensions * (job + 1) + dimension)
        without_ends = boxes.ends[place] == -_INF and boxes.ends[place + 1] == _INF
        return np.int64(-1) if without_ends and not boxes.bounded[dimension] else dimension

    @njit(error_model="numpy")
    def is_there(begin, end, item, job, old, boxes):
        """Whether the bands that the box stands for are those that it would be written as."""
        for i in range(begin, end):
            part = np.int64(old.items[i]) if old.code[item] == _ALL else item
            dimension = replaced(part, job, old, boxes)
            if dimension >= 0:
                lower, upper, narrower = side(boxes, job, dimension)
                same = real(old.bands[part].lower) == lower and real(old.bands[part].upper) == upper
                if not (narrower and same and old.value[part] == boxes.node[dimension]):
                    return False
                boxes.met[dimension] = job
        for dimension in range(boxes.dimensions):
            if boxes.met[dimension] != job and side(boxes, job, dimension)[2]:
                return False
        return True

    @njit(error_model="numpy")
    def operand(item, job, old, builder, made, boxes, counts):
        """The predicate of a job with its box."""
        if not boxes.held[job + 1]:
            counts[COUNTS.empty] += 1
            return np.int64(0)
        begin = np.int64(old.starts[item])
        end = np.int64(old.starts[item + 1]) if old.code[item] == _ALL else begin + 1
        if is_there(begin, end, item, job, old, boxes):
            return np.int64(made[item])
        counts[COUNTS.boxed] += 1
        line = old.lines[item]
        last = open_list(builder)
        for i in range(begin, end):
            part = np.int64(old.items[i]) if old.code[item] == _ALL else item
            if replaced(part, job, old, boxes) < 0:
                last = add(builder, last, np.int64(made[part]))
        for dimension in range(boxes.dimensions):
            lower, upper, narrower = side(boxes, job, dimension)
            if narrower:
                last = add(builder, last, band(builder, boxes.node[dimension], lower, upper, line))
        return join(builder, _ALL, last, line)

    def boxed(
        count, predicates_, builder_, first_, made_, chosen_, root_job, ends_, held_, outer_, dimensions,
        node_, bounded_, met_, variable_, counts_,
    ):  # fmt: skip
        """The predicates with the boxes; returns how many there are, or `FULL`.

        Of `count` predicates: `first` i32, the first job of an `any`, and `made` i32, scratch. Of operands:
        `chosen` i32, scratch. `root_job`: whether job 0 is that of the root. The boxes: see `Boxes`; `met`
        i32, all -1, the other lists i32 or u8. `counts` i64: see `Counts`, added up.
        """
        old, builder = predicates_at(predicates_), builder_at(builder_)
        make_constants(builder)
        first, made, chosen, counts = i32s(first_), i32s(made_), i32s(chosen_), i64s(counts_)
        boxes = Boxes(
            reals(ends_), u8s(held_), i32s(outer_), dimensions, i32s(node_), u8s(bounded_), i32s(met_),
            i32s(variable_),
        )  # fmt: skip
        for i in range(count):
            if not is_list(old.code[i]):
                made[i] = copy_leaf(builder, old, i, old.lines[i])
                continue
            begin, behind = np.int64(old.starts[i]), np.int64(old.starts[i + 1])
            for j in range(begin, behind):
                item = np.int64(old.items[j])
                if old.code[i] == _ANY:
                    chosen[j] = operand(item, first[i] + j - begin, old, builder, made, boxes, counts)
                else:
                    chosen[j] = made[item]
            end = open_list(builder)
            for j in range(begin, behind):
                end = add(builder, end, np.int64(chosen[j]))
            made[i] = join(builder, np.int64(old.code[i]), end, old.lines[i])
            if builder.is_full:
                return np.int64(FULL)
        root = np.int64(made[count - 1])
        if root_job:
            root = operand(np.int64(count - 1), np.int64(0), old, builder, made, boxes, counts)
        return finish(builder, root)

    return {"boxed": (boxed, types.int64(*[types.int64] * 16))}


def jobs(count, predicates_, users_, parent_, box_, first_, item_, outer_):
    """Make the jobs, those of outer predicates first; returns how many there are.

    Of `count` predicates: `users`, `parent` and `box` i32, scratch; `first` i32, the first job of an `any`.
    Of jobs, at most one more than there are operands: `item` i32, the predicate, and `outer` i32, the number
    of the box around it: 0 for the program's, else that of a job plus one.
    """
    old = predicates_at(predicates_)
    users, parent, box = i32s(users_), i32s(parent_), i32s(box_)
    first, item, outer = i32s(first_), i32s(item_), i32s(outer_)
    count_users(old, users, parent)
    for i in range(count):
        box[i] = 0
    total = 0
    root = count - 1
    if old.code[root] == _ALL or old.code[root] == _BAND:
        item[0], outer[0] = root, 0
        total = box[root] = 1
    for i in range(root, -1, -1):
        first[i] = total
        for j in range(old.starts[i], old.starts[i + 1]):
            one = np.int64(old.items[j])
            if old.code[i] == _ANY:
                item[total], outer[total] = one, box[i]
                total += 1
            if users[one] == 1:
                box[one] = total if old.code[i] == _ANY else box[i]
    return total


SHARED = {"jobs": (jobs, types.int64(*[types.int64] * 8))}
"""The kernels that serve both precisions."""
