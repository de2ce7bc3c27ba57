"""Walks over a graph that decide something at each node from its users or its operands.

A graph is given as `n` nodes with their operands `a`, `b` i32[n], earlier nodes, -1 for none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from absint.native.memory import i32s, u8s


def demand(n, op_, a_, b_, kinds_, tables_, demand_):
    """The demand on each node, from the users to the operands.

    `op` u8[n]: operation codes. `kinds` u8[n] and `tables` u8[operations, 16, 4, 4, 2]: see
    `absint.ops.demand`. `demand` u8[n]: before, the demand of the promise on the root, of bands on what they
    read, else 0; after, joined with that of all users.
    """
    op, a, b, kinds, tables, demand = u8s(op_), i32s(a_), i32s(b_), u8s(kinds_), u8s(tables_), u8s(demand_)
    for node in range(n - 1, -1, -1):
        if demand[node] == 0 or a[node] < 0:
            continue
        first, second = np.int64(a[node]), np.int64(b[node])
        place = (np.int64(op[node]) * 16 + demand[node]) * 4 + kinds[first]
        place = place * 4 + (kinds[second] if second >= 0 else 0)
        demand[first] |= tables[2 * place]
        if second >= 0:
            demand[second] |= tables[2 * place + 1]


def needs(n, a_, b_, at_hand_, needs_):
    """Registers that each node needs if the graph below it were a tree; leaves need none.

    `at_hand` u8[n]: whether a node counts as computed already where it is an operand; then it needs one.
    `needs` i32[n]: the result.
    """
    a, b, at_hand, needs = i32s(a_), i32s(b_), u8s(at_hand_), i32s(needs_)
    for node in range(n):
        if a[node] < 0:
            needs[node] = 0
            continue
        first = needs[np.int64(a[node])]
        if at_hand[np.int64(a[node])]:
            first = min(first, 1)
        if b[node] >= 0:
            second = needs[np.int64(b[node])]
            if at_hand[np.int64(b[node])]:
                second = min(second, 1)
            first = first + 1 if first == second else max(first, second)
        needs[node] = max(1, first)


def depth_first(n, a_, b_, needs_, second_first, stack_, entered_, order_):
    """The nodes below the root, operands before users, into `order` i32[n]; returns how many there are.

    Of two operands the one with the larger need comes first; on equal needs the first, or the second if
    `second_first` is 1. `stack` i32[3 * n + 1] and `entered` u8[n] are scratch memory, of which `entered`
    holds zeros. The stack holds nodes to compute, and `~node` where the operands of `node` have been.
    """
    a, b, needs = i32s(a_), i32s(b_), i32s(needs_)
    stack, entered, order = i32s(stack_), u8s(entered_), i32s(order_)
    count, top = 0, 1
    stack[0] = n - 1
    while top > 0:
        top -= 1
        node = np.int64(stack[top])
        if node < 0:
            order[count] = ~node
            count += 1
            continue
        if entered[node]:
            continue
        entered[node] = 1
        stack[top] = ~node
        top += 1
        first, second = np.int64(a[node]), np.int64(b[node])
        if second >= 0 and needs[second] + second_first > needs[first]:
            first, second = second, first
        # what is pushed last is computed first
        if second >= 0 and not entered[second]:
            stack[top] = second
            top += 1
        if first >= 0 and not entered[first]:
            stack[top] = first
            top += 1
    return count


def kernels() -> dict[str, tuple[Any, Any]]:
    """The kernels, which depend on no precision."""
    return {
        "demand": (demand, types.none(*[types.int64] * 7)),
        "needs": (needs, types.none(*[types.int64] * 5)),
        "depth_first": (depth_first, types.int64(*[types.int64] * 8)),
    }
