"""Scheduling: an order of the nodes that keeps fewer values alive at once.

Operands are computed right before they are needed, the one that needs more registers first (Sethi and
Ullman, 1970, on the graph as if it were a tree). The new order is taken only if it needs fewer slots.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from absint.analysis import Analyses
from absint.graph import Graph, GraphBuilder
from absint.manager import PassResult
from absint.program import Program, Promise
from absint.rules import Mode, Rewrite
from absint.tape import slots_needed

REORDERED = Rewrite("slots-saved", Mode.BITS)


@dataclass(frozen=True)
class Schedule:
    """Depth first from the root, operands with the larger need first."""

    name: ClassVar[str] = "schedule"
    promise: ClassVar[Promise] = Promise.BITS

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Reorder the program if that saves slots; drops nothing but what the root does not depend on."""
        graph = program.graph
        order = _depth_first(graph)
        builder = GraphBuilder()
        new = {-1: -1}
        for node in order:
            _, a, b = graph.rows[node]
            new[node] = builder.copy(graph, node, new[a], new[b])
        made = analyses.rebuilt(program, builder)
        saved = slots_needed(graph) - slots_needed(made.graph)
        if saved <= 0:
            return PassResult(program, Counter())
        return PassResult(made, Counter({REORDERED: saved}))


def _needs(graph: Graph) -> list[int]:
    """Registers that each node needs if the graph below it were a tree; leaves need none."""
    needs: list[int] = []
    for _, a, b in graph.rows:
        if a < 0:
            needs.append(0)
        elif b < 0:
            needs.append(max(1, needs[a]))
        else:
            first, second = needs[a], needs[b]
            needs.append(max(1, first, second) if first != second else max(1, first + 1))
    return needs


def _depth_first(graph: Graph) -> list[int]:
    """The nodes below the root, operands before users; iterative, for chains may be long."""
    needs, rows = _needs(graph), graph.rows
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
        # the last pushed is computed first: the operand with the larger need, the first one on equal needs
        if b >= 0 and needs[b] > needs[a]:
            a, b = b, a
        if b >= 0 and not entered[b]:
            stack.append(b)
        if a >= 0 and not entered[a]:
            stack.append(a)
    return order
