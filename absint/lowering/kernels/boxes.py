"""Which operands of `any` get a box of their own, and the predicates with these boxes: the rest of
`contract`.

A *job* is an operand of an `any`, or the root. Jobs of one `any` follow each other in the order of its
operands.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.lowering.kernels.pass_records import BoxesTask, JobsTask
from absint.lowering.kernels.predicates import (
    FULL,
    add,
    band,
    copy_leaf,
    count_users,
    finish,
    is_list,
    join,
    make_constants,
    open_list,
)  # fmt: skip
from absint.native.record_pointers import pointer_to
from absint.ops.precision import Precision
from absint.ops.table import ALL, ANY, BAND

_BAND, _ALL, _ANY = (kind.code for kind in (BAND, ALL, ANY))
_INF = np.inf

jobs_task = pointer_to(JobsTask)


# Jobs


def find_jobs(address):
    """Make the jobs, those of outer predicates first; returns how many there are. See `JobsTask`."""
    task = jobs_task(address)
    old, users, box, first, item, outer = task.old, task.users, task.box, task.first, task.item, task.outer
    count_users(old, users, task.parent)
    for i in range(old.count):
        box[i] = 0
    total = 0
    root = old.count - 1
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


# Boxes added


@njit(error_model="numpy")
def side(task, job, dimension):
    """The ends of a job's box where they are narrower than those of the box around it, else infinite; and
    whether one is.
    """
    place = 2 * (task.dimensions * (job + 1) + dimension)
    outer = 2 * (task.dimensions * np.int64(task.outer[job]) + dimension)
    lower, upper = np.float64(task.boxes[place]), np.float64(task.boxes[place + 1])
    above, below = lower > task.boxes[outer], upper < task.boxes[outer + 1]
    return (lower if above else -_INF), (upper if below else _INF), above or below


@njit(error_model="numpy")
def replaced(task, part, job):
    """The dimension of a band of a variable that the job's box stands for, -1 for other predicates.

    A box without ends says nothing about NaN, which a variable that the program's box leaves open may be.
    """
    if task.old.code[part] != _BAND:
        return np.int64(-1)
    dimension = np.int64(task.variable[task.old.value[part]])
    if dimension < 0:
        return dimension
    place = 2 * (task.dimensions * (job + 1) + dimension)
    without_ends = task.boxes[place] == -_INF and task.boxes[place + 1] == _INF
    return np.int64(-1) if without_ends and not task.is_bounded[dimension] else dimension


@njit(error_model="numpy")
def count_parts(old, item):
    """How many parts a predicate has: the operands of an `all`; any other predicate is its only part."""
    return np.int64(old.starts[item + 1] - old.starts[item]) if old.code[item] == _ALL else np.int64(1)


@njit(error_model="numpy")
def part_of(old, item, i):
    """Part number `i` of a predicate, see `count_parts`."""
    return np.int64(old.items[old.starts[item] + i]) if old.code[item] == _ALL else item


@njit(error_model="numpy")
def has_box(task, real, item, job):
    """Whether the bands that the box stands for are those that it would be written as. `real`: rounds to the
    precision.
    """
    old = task.old
    for i in range(count_parts(old, item)):
        part = part_of(old, item, i)
        dimension = replaced(task, part, job)
        if dimension >= 0:
            lower, upper, narrower = side(task, job, dimension)
            same = real(old.bands[part].lower) == lower and real(old.bands[part].upper) == upper
            if not (narrower and same and old.value[part] == task.node[dimension]):
                return False
            task.met[dimension] = job
    for dimension in range(task.dimensions):
        if task.met[dimension] != job and side(task, job, dimension)[2]:
            return False
    return True


@njit(error_model="numpy")
def with_box(task, item, job):
    """The predicate of a job with the sides of its box in place of the bands that the box stands for."""
    old, builder = task.old, task.builder
    line = old.lines[item]
    end = open_list(builder)
    for i in range(count_parts(old, item)):
        part = part_of(old, item, i)
        if replaced(task, part, job) < 0:
            end = add(builder, end, np.int64(task.made[part]))
    for dimension in range(task.dimensions):
        lower, upper, narrower = side(task, job, dimension)
        if narrower:
            end = add(builder, end, band(builder, task.node[dimension], lower, upper, line))
    return join(builder, _ALL, end, line)


@njit(error_model="numpy")
def make_operand(task, real, item, job):
    """The new predicate of a job; false if the box of the job is empty."""
    if not task.is_held[job + 1]:
        task.empty_count += 1
        return np.int64(0)
    if has_box(task, real, item, job):
        return np.int64(task.made[item])
    task.boxed_count += 1
    return with_box(task, item, job)


@njit(error_model="numpy")
def make_list(task, real, i):
    """The new predicate of a list, in which the operands of an `any` have their boxes."""
    old, builder, chosen = task.old, task.builder, task.chosen
    begin, behind = np.int64(old.starts[i]), np.int64(old.starts[i + 1])
    for j in range(begin, behind):
        item = np.int64(old.items[j])
        if old.code[i] == _ANY:
            chosen[j] = make_operand(task, real, item, np.int64(task.first[i]) + j - begin)
        else:
            chosen[j] = task.made[item]
    end = open_list(builder)
    for j in range(begin, behind):
        end = add(builder, end, np.int64(chosen[j]))
    return join(builder, np.int64(old.code[i]), end, old.lines[i])


@njit(error_model="numpy")
def add_all(task, real):
    """Make the predicates with the boxes; returns how many there are, or `FULL`."""
    old, builder, made = task.old, task.builder, task.made
    make_constants(builder)
    for i in range(old.count):
        if is_list(old.code[i]):
            made[i] = make_list(task, real, i)
            if builder.is_full:
                return np.int64(FULL)
        else:
            made[i] = copy_leaf(builder, old, i, old.lines[i])
    root = np.int64(made[old.count - 1])
    if task.root_is_job:
        root = make_operand(task, real, old.count - 1, np.int64(0))
    return finish(builder, root)


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """The kernel `add_boxes` for the precision, which is given a `BoxesTask`."""
    task_at = pointer_to(BoxesTask.of(precision_name))
    real = types.float32 if Precision(precision_name) is Precision.F32 else types.float64

    def add_boxes(address):
        return add_all(task_at(address), real)

    return {"add_boxes": (add_boxes, types.int64(types.int64))}


SHARED = {"find_jobs": (find_jobs, types.int64(types.int64))}
"""The kernels that serve both precisions."""
