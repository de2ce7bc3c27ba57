"""Flattening: lists of predicates give their operands to lists of the same kind that they are in.

The inner loop of the pass `flatten`.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from absint.lowering.kernels.predicates import (
    FULL,
    add,
    copy_leaf,
    count_users,
    finish,
    is_list,
    join,
    make_constants,
    open_list,
)  # fmt: skip
from absint.lowering.kernels.records import FlattenTask
from absint.native.record_pointers import pointer_to

task_at = pointer_to(FlattenTask)


@njit(error_model="numpy")
def dissolves(task, item):
    """Whether a list becomes part of the only list that it is in, which is of its kind."""
    code = task.old.code
    return is_list(code[item]) and task.users[item] == 1 and code[task.parent[item]] == code[item]


@njit(error_model="numpy")
def gather(task, top):
    """Add the operands of a list to the open list, and in place of a list that dissolves the operands of that
    one; returns where the open list ends.
    """
    old, builder, cursor = task.old, task.builder, task.cursor
    code = np.int64(old.code[top])
    end = open_list(builder)
    current = np.int64(top)
    cursor[top] = old.starts[top]
    while True:
        if cursor[current] == old.starts[current + 1]:
            if current == top:
                return end
            current = np.int64(task.parent[current])
            continue
        item = np.int64(old.items[cursor[current]])
        cursor[current] += 1
        if dissolves(task, item):
            task.inlined[code] += 1
            cursor[item] = old.starts[item]
            current = item
            continue
        new = np.int64(task.made[item])
        first, behind = np.int64(builder.made.starts[new]), np.int64(builder.made.starts[new + 1])
        if builder.made.code[new] == code and behind - first <= task.longest_copy:
            task.inlined[code] += 1
            for j in range(first, behind):
                end = add(builder, end, builder.made.items[j])
        else:
            end = add(builder, end, new)


def flatten(address):
    """One sweep over all predicates; returns how many there are after it, or `FULL`. See `FlattenTask`."""
    task = task_at(address)
    old, builder = task.old, task.builder
    make_constants(builder)
    count_users(old, task.users, task.parent)
    for top in range(old.count):
        if not is_list(old.code[top]):
            task.made[top] = copy_leaf(builder, old, top, old.lines[top])
        elif not dissolves(task, top):
            end = gather(task, top)
            task.made[top] = join(builder, np.int64(old.code[top]), end, old.lines[top])
            if builder.is_full:
                return np.int64(FULL)
    return finish(builder, np.int64(task.made[old.count - 1]))


SHARED = {"flatten": (flatten, types.int64(types.int64))}
"""The kernel, which serves both precisions."""
