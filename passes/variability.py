"""Variability: which variables each node depends on. The field also says divergence or uniformity.

A node of x alone is the same all the way down a column, and is computed once for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from absint.analysis import Analyses
from absint.program import Program


@dataclass(frozen=True)
class VariabilityAnalysis:
    """Forward over the graph: the union of the operands' variables."""

    name: ClassVar[str] = "variability"

    def run(self, program: Program, analyses: Analyses) -> list[frozenset[str]]:
        """The variables of each node; empty for a constant expression."""
        graph = program.graph
        nothing: frozenset[str] = frozenset()
        unions: dict[tuple[frozenset[str], frozenset[str]], frozenset[str]] = {}
        classes: list[frozenset[str]] = []
        for node, (_, a, b) in enumerate(graph.rows):
            if a < 0:
                variable = graph.variables.get(node)
                classes.append(nothing if variable is None else frozenset({variable}))
            elif b < 0 or classes[a] is classes[b]:
                classes.append(classes[a])
            else:
                key = (classes[a], classes[b])
                if key not in unions:
                    unions[key] = key[0] | key[1]
                classes.append(unions[key])
        return classes


def variability_of(program: Program, analyses: Analyses) -> list[frozenset[str]]:
    """The variables that each node of a program depends on."""
    return analyses.get(VariabilityAnalysis(), program)
