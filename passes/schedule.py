"""Scheduling: nodes are ordered so that fewer values are alive at once.

Operands are computed right before their user, the one that needs more registers first (Sethi and Ullman,
1970). For a tree that is optimal. With shared values no fast method is always optimal, so a few orders are
tried, which differ in how a shared operand counts and in which of two equal operands comes first. The best
one replaces the program's own order if it needs fewer slots.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from absint.ir.graph import Graph
from absint.ir.program import Form, Program, Promise
from absint.ir.tape import slots_needed
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassResult
from absint.rewriting.rules import Mode, Rewrite

from .arranging import reorder

REORDERED = Rewrite("slots-saved", Mode.BITS)


@dataclass(frozen=True)
class Schedule:
    """Orders nodes depth first from the root, operands with the larger need first."""

    name: ClassVar[str] = "schedule"
    promise: ClassVar[Promise] = Promise.BITS
    takes: ClassVar[Form] = Form.REAL
    makes: ClassVar[Form] = Form.REAL

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Reorder the program if that saves slots. A new order also drops dead nodes."""
        graph = program.graph
        before = fewest = slots_needed(graph)
        best = None
        for order in _orders(graph):
            slots = slots_needed(graph, order)
            if slots < fewest:
                fewest, best = slots, order
        if best is None:
            return PassResult(program, Counter())
        return PassResult(reorder(program, np.array(best), analyses), Counter({REORDERED: before - fewest}))


def _orders(graph: Graph) -> Iterator[list[int]]:
    """The orders to try. They depend on the graph's edges and not on its order, so the pass is idempotent."""
    as_tree = _needs(graph, [False] * len(graph))
    yield _depth_first(graph, as_tree, second_first=False)
    yield _depth_first(graph, as_tree, second_first=True)
    shared = _needs(graph, (graph.use_counts > 1).tolist())
    if shared != as_tree:
        yield _depth_first(graph, shared, second_first=False)


def _needs(graph: Graph, at_hand: list[bool]) -> list[int]:
    """The number of registers that each node would need if the graph below it were a tree; leaves need none.

    `at_hand`: operands that count as one register, since they were computed for another reader.
    """
    needs: list[int] = []
    for _, a, b in graph.rows:
        if a < 0:
            needs.append(0)
            continue
        first = min(needs[a], 1) if at_hand[a] else needs[a]
        if b < 0:
            needs.append(max(1, first))
            continue
        second = min(needs[b], 1) if at_hand[b] else needs[b]
        needs.append(max(1, first, second) if first != second else max(1, first + 1))
    return needs


def _depth_first(graph: Graph, needs: list[int], second_first: bool) -> list[int]:
    """The nodes below the root, operands before users. Iterative, since chains may be long.

    Of two operands the one with the larger need comes first. `second_first`: whether of equal needs the
    second operand comes first.
    """
    rows = graph.rows
    order: list[int] = []
    entered = [False] * len(graph)
    stack = [graph.root]
    while stack:
        node = stack.pop()
        if node < 0:  # all operands of ~node are in the order
            order.append(~node)
            continue
        if entered[node]:
            continue
        entered[node] = True
        stack.append(~node)
        _, a, b = rows[node]
        # the last pushed is computed first
        if b >= 0 and needs[b] + second_first > needs[a]:
            a, b = b, a
        if b >= 0 and not entered[b]:
            stack.append(b)
        if a >= 0 and not entered[a]:
            stack.append(a)
    return order
