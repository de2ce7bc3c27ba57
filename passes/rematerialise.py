"""Rematerialisation: cheap values are recomputed where keeping them would hold too many values alive.

`cse` merges equal nodes however far apart they are, and the value stays alive in between: the polygon of a
gear has most of its `x + c` twice, on opposite sides. If the program then holds over a tenth more values at
once than its source, cheap values are dropped and recomputed before their next use; the value whose next use
is farthest is dropped first (Belady, 1966).

A value is cheap if it is one simple operation on constants and variables: storing and loading it costs as
much. If dropping cheap values is not enough, or adds more than a fifth of the operations, the program is
returned unchanged.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from absint.ir.graph import Graph
from absint.ir.program import Form, Program, Promise
from absint.ops.table import OPS
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassResult
from absint.rewriting.rules import Mode, Rewrite

from .analyses.liveness import liveness_of
from .arranging import arrange
from .dce import Dce

COMPUTED_AGAIN = Rewrite("computed-again", Mode.BITS)

CHEAP = 40
"""Largest cost, by the op table, of an operation that may be recomputed: that of two additions."""

LONGER = 5
"""One operation may be recomputed per this many operations of the program."""


@dataclass(frozen=True)
class Rematerialise:
    """Reduces the peak of live values to at most a tenth above the source's, or does nothing."""

    name: ClassVar[str] = "rematerialise"
    promise: ClassVar[Promise] = Promise.BITS
    takes: ClassVar[Form] = Form.REAL
    makes: ClassVar[Form] = Form.REAL

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Recompute cheap values where too many would be alive."""
        source = liveness_of(program.origin, analyses)
        # a result that takes its operand's slot and the operand count as alive together: one more than slots
        most = min(source.peak + source.peak // 10, source.slots + source.slots // 10 + 1)
        if liveness_of(program, analyses).peak <= most:
            return PassResult(program, Counter())
        walk = _Walk(program.graph, most)
        if not walk.run():
            return PassResult(program, Counter())
        made = arrange(program, np.array(walk.nodes), np.array(walk.args), analyses)
        # a value that was dropped before its first use is dead
        made = Dce().run(made, analyses).program
        return PassResult(made, Counter({COMPUTED_AGAIN: walk.again}))


class _Walk:
    """Schedules a graph's nodes in their order with at most `most` values alive. Leaves are not counted."""

    def __init__(self, graph: Graph, most: int) -> None:
        self.graph, self.most = graph, most
        self.is_cheap = _is_cheap(graph).tolist()
        self.next_reader, self.reader_after = _readers(graph)
        """Each node's next reader, -1 if there is none; and its operands' next readers after the node."""
        self.nodes: list[int] = []
        self.args: list[tuple[int, int]] = []
        """The nodes computed so far and their operands, as `arrange` takes them."""
        self.place = [-1] * (len(graph) + 1)
        """The index in `nodes` of each node's value, -1 if not alive; the last entry is for no operand."""
        self.held = self.again = 0
        self.candidates: list[tuple[int, int]] = []
        """Heap of values that may be dropped: (negated next reader, node). Entries may be out of date."""

    def run(self) -> bool:
        """Schedule all nodes. Returns whether that kept the limits on live values and operations."""
        most_again = self.graph.operation_count // LONGER
        for node, (_, a, b) in enumerate(self.graph.rows):
            if self.next_reader[node] < 0:
                continue  # the root does not depend on it
            if a < 0:
                self._append(node)
                continue
            operands = [a] if b < 0 or b == a else [a, b]
            for operand in operands:
                if self.place[operand] < 0:
                    self.again += 1
                    if not self._compute(operand, operands):
                        return False
            if self.again > most_again or not self._compute(node, operands):
                return False
            self.next_reader[a], self.next_reader[b] = self.reader_after[node]
            for operand in operands:
                self._keep(operand)
        return True

    def _compute(self, node: int, busy: list[int]) -> bool:
        """Compute a node without dropping the operands `busy`. Returns False if there is no room."""
        if self.held == self.most and not self._drop_one(busy):
            return False
        self.held += 1
        self._append(node)
        self._keep(node)
        return True

    def _append(self, node: int) -> None:
        _, a, b = self.graph.rows[node]
        self.args.append((self.place[a], self.place[b]))
        self.place[node] = len(self.nodes)
        self.nodes.append(node)

    def _keep(self, node: int) -> None:
        """Update a value after a use: free it after the last use, else make it a candidate if cheap."""
        if self.graph.rows[node][1] < 0:
            return  # a leaf
        if self.next_reader[node] < 0:
            self.place[node] = -1
            self.held -= 1
        elif self.is_cheap[node]:
            heapq.heappush(self.candidates, (-self.next_reader[node], node))

    def _drop_one(self, busy: list[int]) -> bool:
        """Drop the candidate with the farthest next use that is not `busy`. Returns whether there was one."""
        set_aside = []
        found = False
        while self.candidates and not found:
            reader, node = candidate = heapq.heappop(self.candidates)
            if self.place[node] < 0 or self.next_reader[node] != -reader:
                continue  # out of date
            if node in busy:
                set_aside.append(candidate)
                continue
            self.place[node] = -1
            self.held -= 1
            found = True
        for candidate in set_aside:
            heapq.heappush(self.candidates, candidate)
        return found


def _is_cheap(graph: Graph) -> NDArray[np.bool_]:
    """bool[n]: whether a node is one cheap operation on constants and variables."""
    computed = np.append(graph.args[:, 0] >= 0, False)  # the last entry is for no operand
    costs = np.array([op.cost for op in OPS])
    return computed[:-1] & ~computed[graph.args].any(axis=1) & (costs[graph.op] <= CHEAP)


def _readers(graph: Graph) -> tuple[list[int], list[tuple[int, int]]]:
    """The first live reader of each node: -1 if there is none, the graph's length for the root. And for each
    operand of each node, the operand's first reader after this node.
    """
    reader = [-1] * (len(graph) + 1)  # the last entry is for no operand
    reader[graph.root] = len(graph)
    after = [(-1, -1)] * len(graph)
    for node in range(graph.root, -1, -1):
        _, a, b = graph.rows[node]
        if a >= 0 and reader[node] >= 0:
            after[node] = reader[a], reader[b]
            reader[a] = reader[b] = node
    return reader, after
