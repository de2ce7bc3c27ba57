"""Rematerialisation: what is cheap is computed again where keeping it would hold too many values alive.

`cse` merges equal nodes however far apart they are, and their value is alive in between: the polygon of a
gear has most of its `x + c` twice, on both sides. Where that makes the program hold more values at once than
its source, by more than a tenth, values are given up and computed again before they are next read, those
first that are read last (Belady, 1966).

Cheap is one simple operation of constants and variables: to store and load a value costs as much. Where that
is not enough, or takes a fifth more operations, the program stays as it is.
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
from .arranging import arranged
from .dce import Dce

COMPUTED_AGAIN = Rewrite("computed-again", Mode.BITS)

CHEAP = 40
"""The most that an operation may cost that is computed again, as its record counts: two additions."""

LONGER = 5
"""For so many operations one may be computed again."""


@dataclass(frozen=True)
class Rematerialise:
    """Brings the peak of live values down to that of the source and a tenth, or does nothing."""

    name: ClassVar[str] = "rematerialise"
    promise: ClassVar[Promise] = Promise.BITS
    takes: ClassVar[Form] = Form.REAL
    makes: ClassVar[Form] = Form.REAL

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Compute cheap values again where too many would be alive."""
        source = liveness_of(program.origin, analyses)
        # where a result takes its operand's slot, both are alive for a moment
        most = min(source.peak + source.peak // 10, source.slots + source.slots // 10 + 1)
        if liveness_of(program, analyses).peak <= most:
            return PassResult(program, Counter())
        walk = _Walk(program.graph, most)
        if not walk.run():
            return PassResult(program, Counter())
        made = arranged(program, np.array(walk.nodes), np.array(walk.args), analyses)
        # what was given up before anything read it is dead
        made = Dce().run(made, analyses).program
        return PassResult(made, Counter({COMPUTED_AGAIN: walk.again}))


class _Walk:
    """Computes a graph's nodes in their order with at most `most` values alive; leaves are always at hand."""

    def __init__(self, graph: Graph, most: int) -> None:
        self.graph, self.most = graph, most
        self.is_cheap = _is_cheap(graph).tolist()
        self.next_reader, self.reader_after = _readers(graph)
        """The next node that reads each node, -1 if none does; for each node's operands, the one after it."""
        self.nodes: list[int] = []
        self.args: list[tuple[int, int]] = []
        """What has been computed, as `arranged` takes it."""
        self.place = [-1] * (len(graph) + 1)
        """Where in that each node's value is, -1 if it is not held; the last entry is for no operand."""
        self.held = self.again = 0
        self.candidates: list[tuple[int, int]] = []
        """Heap of what may be given up: negated next reader, node. Entries may be out of date."""

    def run(self) -> bool:
        """Whether so many values at once, and few enough operations, are enough."""
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
        """Compute a node while the operands `busy` are alive; whether there is room."""
        if self.held == self.most and not self._give_up(busy):
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
        """Hold a value while anything is to read it."""
        if self.graph.rows[node][1] < 0:
            return  # a leaf
        if self.next_reader[node] < 0:
            self.place[node] = -1
            self.held -= 1
        elif self.is_cheap[node]:
            heapq.heappush(self.candidates, (-self.next_reader[node], node))

    def _give_up(self, busy: list[int]) -> bool:
        """Make room by giving up the best candidate that is not busy; whether there is one."""
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
    """bool[n]: what one cheap operation makes of constants and variables."""
    computed = np.append(graph.args[:, 0] >= 0, False)  # the last entry is for no operand
    costs = np.array([op.cost for op in OPS])
    return computed[:-1] & ~computed[graph.args].any(axis=1) & (costs[graph.op] <= CHEAP)


def _readers(graph: Graph) -> tuple[list[int], list[tuple[int, int]]]:
    """The first node that reads each node, -1 where none that is needed does, the graph's length for the
    root; and for each operand of each node, the first that reads it after this node.
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
