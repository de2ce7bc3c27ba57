"""Demand: how much of each node's value can show in the result, as far as the program's promise goes.

The analysis goes from the root to the leaves, by the op table's demand rules; the demand on a node is the
join over all its uses. In a lowered program the demands begin at the bands, which see all of a value except
for the sign of a zero. After Bolz-Tereick's backward sign analysis (2025) and LLVM's DemandedBits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from absint.ir.graph import reachable
from absint.ir.program import Program
from absint.ir.records import DemandTask, OperandDemands, Operands
from absint.ir.units import walk_kernels
from absint.ops.demand import Demand
from absint.ops.table import BAND, op_demand_tables
from absint.rewriting.analysis import Analyses

from .bounds import bounds_of


@dataclass(frozen=True)
class DemandAnalysis:
    """One sweep backward over the graph."""

    name: ClassVar[str] = "demand"

    def run(self, program: Program, analyses: Analyses) -> NDArray[np.uint8]:
        """uint8[n]: the demand on each node; `NONE` for those that the root does not depend on, and for
        predicates. Read-only.
        """
        graph = program.graph
        demand = np.zeros(len(graph), np.uint8)
        if graph.lowered:
            demand[graph.args[reachable(graph) & (graph.op == BAND.code), 0]] = Demand.VALUE
        else:
            demand[graph.root] = program.promise.demand
        kinds = bounds_of(program, analyses).operand_kinds
        # of a lowered program's nodes only those below a band are demanded, none of which is a predicate
        task = DemandTask(
            count=len(graph), op=graph.op, operands=Operands.view(graph.args), kinds=kinds,
            tables=OperandDemands.view(op_demand_tables().reshape(-1, 2)), demand=demand,
        )  # fmt: skip
        walk_kernels()["join_demands"](task.address)
        demand.flags.writeable = False
        return demand


def demand_of(program: Program, analyses: Analyses) -> NDArray[np.uint8]:
    """The demand on each node of a program."""
    return analyses.get(DemandAnalysis(), program)
