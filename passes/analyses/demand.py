"""Demand: how much of each node's value the program's promise lets anyone see.

From the root to the leaves, by the op table's demand rules; the demand on a node joins that of all its uses.
In a lowered program the demands begin at the bands, which see all of a value but the sign of a zero.
After Bolz-Tereick's backward sign analysis (2025) and LLVM's DemandedBits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from absint.ir.graph import reachable
from absint.ir.program import Program
from absint.ops.demand import Demand
from absint.ops.table import BAND, OPS
from absint.rewriting.analysis import Analyses

from .bounds import bounds_of


@dataclass(frozen=True)
class DemandAnalysis:
    """Backward over the graph."""

    name: ClassVar[str] = "demand"

    def run(self, program: Program, analyses: Analyses) -> list[int]:
        """The demand on each node; `NONE` for those that the root does not depend on, and for predicates."""
        graph = program.graph
        bounds = bounds_of(program, analyses).bounds
        rules = [op.demand for op in OPS]
        demand: list[int] = [Demand.NONE] * len(graph)
        if graph.lowered:
            for node in np.flatnonzero(reachable(graph) & (graph.op == BAND.code)).tolist():
                demand[graph.rows[node][1]] = Demand.VALUE
        else:
            demand[graph.root] = program.promise.demand
        rows = graph.rows
        for node in range(graph.root, -1, -1):
            code, a, b = rows[node]
            if a < 0 or not demand[node]:
                continue
            if b < 0:
                (of_a,) = rules[code](demand[node], (bounds[a],))
                demand[a] |= of_a
            else:
                of_a, of_b = rules[code](demand[node], (bounds[a], bounds[b]))
                demand[a] |= of_a
                demand[b] |= of_b
        return demand


def demand_of(program: Program, analyses: Analyses) -> list[int]:
    """The demand on each node of a program."""
    return analyses.get(DemandAnalysis(), program)
