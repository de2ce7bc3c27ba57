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
from numpy.typing import NDArray

from absint.ir.graph import Graph
from absint.ir.program import Form, Program, Promise
from absint.ir.records import Operands, OrderTask
from absint.ir.tape import slots_needed
from absint.ir.units import walk_kernels
from absint.native.arrays import call
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
        return PassResult(reorder(program, best, analyses), Counter({REORDERED: before - fewest}))


def _orders(graph: Graph) -> Iterator[NDArray[np.int32]]:
    """The orders to try. They depend on the graph's edges and not on its order, so the pass is idempotent."""
    as_tree = _needs(graph, np.zeros(len(graph), bool))
    yield _depth_first(graph, as_tree, second_first=False)
    yield _depth_first(graph, as_tree, second_first=True)
    shared = _needs(graph, graph.use_counts > 1)
    if not np.array_equal(shared, as_tree):
        yield _depth_first(graph, shared, second_first=False)


def _needs(graph: Graph, at_hand: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The number of registers that each node would need if the graph below it were a tree; leaves need none.

    `at_hand`: operands that count as one register, since they were computed for another reader.
    """
    needs = np.empty(len(graph), np.int32)
    call(walk_kernels()["count_needs"], len(graph), graph.args, at_hand, needs)
    return needs


def _depth_first(graph: Graph, needs: NDArray[np.int32], second_first: bool) -> NDArray[np.int32]:
    """The nodes below the root, operands before users.

    Of two operands the one with the larger need comes first. `second_first`: whether of equal needs the
    second operand comes first.
    """
    n = len(graph)
    order = np.empty(n, np.int32)
    task = OrderTask(
        count=n, operands=Operands.view(graph.args), needs=needs, second_first=second_first,
        stack=np.empty(3 * n + 1, np.int32), entered=np.zeros(n, np.uint8), order=order,
    )  # fmt: skip
    count: int = walk_kernels()["order_depth_first"](task.address)
    return order[:count]
