"""Variability: which of x, y and z each node depends on. The field also says divergence or uniformity.

A node of x alone is the same all the way down a column, and is computed once for it.
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
"""The bit of all variables that are not x (bit 0), y (bit 1) or z (bit 2)."""


@dataclass(frozen=True)
class VariabilityAnalysis:
    """Forward over the graph: the union of the operands' variables."""

    name: ClassVar[str] = "variability"

    def run(self, program: Program, analyses: Analyses) -> list[int]:
        """The variables of each node as bits; 0 for a constant expression."""
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
    """How reports call a class: `x,y`, `z,others`, `constant`."""
    names = [name for i, name in enumerate((*AXES, "others")) if variables >> i & 1]
    return ",".join(names) or "constant"


def variability_of(program: Program, analyses: Analyses) -> list[int]:
    """The variables that each node of a program depends on, as bits."""
    return analyses.get(VariabilityAnalysis(), program)
