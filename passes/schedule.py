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
from absint.tape import lower

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
        reordered = builder.build()
        saved = lower(graph).slot_count - lower(reordered).slot_count
        if saved <= 0:
            return PassResult(program, Counter())
        return PassResult(program.with_graph(reordered), Counter({REORDERED: saved}))


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
    needs = _needs(graph)
    order: list[int] = []
    done = [False] * len(graph)
    stack = [graph.root]
    while stack:
        node = stack[-1]
        operands = [operand for operand in graph.operands(node) if not done[operand]]
        if done[node] or not operands:
            stack.pop()
            if not done[node]:
                done[node] = True
                order.append(node)
            continue
        # the last pushed is computed first: on equal needs, the first operand
        operands.sort(key=lambda operand: needs[operand])
        if len(operands) == 2 and needs[operands[0]] == needs[operands[1]]:
            operands.reverse()
        stack.extend(operands)
    return order
