"""Walks over a graph that decide something at each node from its users or its operands."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.ir.records import DemandTask, Operands, OrderTask
from absint.native.memory import INLINE, i32s, u8s
from absint.native.record_pointers import pointer_to

DEMANDS, KINDS = 16, 4
"""How many demands there are, and kinds of operands; see `absint.ops.demand`."""

operands_at, demand_task_at, order_task_at = map(pointer_to, (Operands, DemandTask, OrderTask))


def join_demands(address):
    """Join the demands that the users of each node make on it, from the users to the operands. See
    `DemandTask`.
    """
    task = demand_task_at(address)
    op, operands, kinds, demand = task.op, task.operands, task.kinds, task.demand
    for node in range(task.count - 1, -1, -1):
        a, b = np.int64(operands[node].a), np.int64(operands[node].b)
        if demand[node] == 0 or a < 0:
            continue
        of_op = np.int64(op[node]) * DEMANDS + demand[node]
        made = task.tables[(of_op * KINDS + kinds[a]) * KINDS + (kinds[b] if b >= 0 else 0)]
        demand[a] |= made.a
        if b >= 0:
            demand[b] |= made.b


@njit(**INLINE)
def need(needs, at_hand, operand):
    """The registers that an operand needs."""
    return min(needs[operand], 1) if at_hand[operand] else needs[operand]


def count_needs(n, operands_, at_hand_, needs_):
    """Count the registers that each of `n` nodes needs if the graph below it were a tree; leaves need none.

    `at_hand` u8[n]: whether a node counts as computed already where it is an operand; then it needs one.
    `needs` i32[n]: the result.
    """
    operands, at_hand, needs = operands_at(operands_), u8s(at_hand_), i32s(needs_)
    for node in range(n):
        a, b = np.int64(operands[node].a), np.int64(operands[node].b)
        if a < 0:
            needs[node] = 0
            continue
        first = need(needs, at_hand, a)
        if b >= 0:
            second = need(needs, at_hand, b)
            first = first + 1 if first == second else max(first, second)
        needs[node] = max(1, first)


@njit(**INLINE)
def push(task, top, node):
    """Push a node that is still to be computed, -1 for none; returns the new top of the stack."""
    if node < 0 or task.entered[node]:
        return top
    task.stack[top] = node
    return top + 1


def order_depth_first(address):
    """Order the nodes below the root, operands before users; returns how many there are. See `OrderTask`.

    Of two operands the one with the larger need comes first. The stack holds nodes to compute, and `~node`
    where the operands of `node` have been.
    """
    task = order_task_at(address)
    stack, needs = task.stack, task.needs
    count, top = 0, 1
    stack[0] = task.count - 1
    while top > 0:
        top -= 1
        node = np.int64(stack[top])
        if node < 0:
            task.order[count] = ~node
            count += 1
            continue
        if task.entered[node]:
            continue
        task.entered[node] = 1
        stack[top] = ~node
        first, second = np.int64(task.operands[node].a), np.int64(task.operands[node].b)
        if second >= 0 and needs[second] + task.second_first > needs[first]:
            first, second = second, first
        top = push(task, top + 1, second)
        top = push(task, top, first)  # what is pushed last is computed first
    return count


def kernels() -> dict[str, tuple[Any, Any]]:
    """The kernels, which depend on no precision."""
    return {
        "join_demands": (join_demands, types.none(types.int64)),
        "count_needs": (count_needs, types.none(*[types.int64] * 4)),
        "order_depth_first": (order_depth_first, types.int64(types.int64)),
    }
