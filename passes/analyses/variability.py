"""Variability: the variables on which each node depends; also called divergence or uniformity.

A node that depends on x alone is constant along a column, and can be computed once per column.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from operator import or_
from typing import ClassVar

from absint.ir.graph import AXES, FIRST_PREDICATE
from absint.ir.program import Program
from absint.rewriting.analysis import Analyses

OTHERS = 1 << len(AXES)
"""The bit of all variables other than x (bit 0), y (bit 1) and z (bit 2)."""


@dataclass(frozen=True)
class VariabilityAnalysis:
    """Forward dataflow: a node's variables are the union of its operands' variables."""

    name: ClassVar[str] = "variability"

    def run(self, program: Program, analyses: Analyses) -> list[int]:
        """The variables of each node as a bit mask; 0 for a constant expression."""
        graph = program.graph
        classes: list[int] = []
        for node, (code, a, b) in enumerate(graph.rows):
            if a >= 0:
                classes.append(classes[a] | classes[b] if b >= 0 else classes[a])
            elif code >= FIRST_PREDICATE:
                classes.append(functools.reduce(or_, (classes[each] for each in graph.operands(node)), 0))
            else:
                variable = graph.variables.get(node)
                classes.append(0 if variable is None else _bit(variable))
        return classes


def _bit(variable: str) -> int:
    return 1 << AXES.index(variable) if variable in AXES else OTHERS


def class_label(variables: int) -> str:
    """The name of a set of variables in reports, such as `x,y`, `z,others` or `constant`."""
    names = [name for i, name in enumerate((*AXES, "others")) if variables >> i & 1]
    return ",".join(names) or "constant"


def variability_of(program: Program, analyses: Analyses) -> list[int]:
    """The variables on which each node of a program depends, as bit masks."""
    return analyses.get(VariabilityAnalysis(), program)
