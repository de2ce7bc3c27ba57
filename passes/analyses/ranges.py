"""Ranges: bounds of every node on the program's box as arrays, for passes with native inner loops.

The facts are those of `bounds`; in the interval domain alone they are computed without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.ir.graph import FIRST_PREDICATE, Graph
from absint.ir.interpreter import box_intervals
from absint.ir.program import Program
from absint.lowering.sweep import sweep
from absint.lowering.units import lowering_kernels
from absint.native.arrays import call
from absint.rewriting.analysis import DEFAULT_DOMAINS, Analyses

from .bounds import bounds_of

MOST_SINGLE = 62
"""Number of variables that have a bit of their own; two bits of an int64 are left."""


class Ranges(NamedTuple):
    """Bounds of n nodes; all entries of predicates are 0.

    `lower` and `upper`: float64[n], numbers of the program's precision. `may_nan`: uint8[n]. `variables`:
    uint8[n], the number of variables on which a node depends, with 2 for any number above 1. Each variable
    after the first `MOST_SINGLE` in alphabetical order counts as more than one.
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    may_nan: NDArray[np.uint8]
    variables: NDArray[np.uint8]


@dataclass(frozen=True)
class RangesAnalysis:
    """Bounds as arrays, inherited where all real nodes are copies."""

    name: ClassVar[str] = "ranges"
    domains: tuple[str, ...] = DEFAULT_DOMAINS

    def run(self, program: Program, analyses: Analyses) -> Ranges:
        """Compute the ranges, or inherit them."""
        inherited = analyses.inherited(program)
        facts = inherited.facts.get(self) if inherited is not None else None
        if (
            inherited is not None
            and isinstance(facts, Ranges)
            and _repeats(program.graph, inherited.graph, inherited.origins)
        ):
            return Ranges(*(_inherit_fact(fact, inherited.origins) for fact in facts))
        if self.domains == DEFAULT_DOMAINS:
            return _sweep_intervals(program)
        bounds = np.array(bounds_of(program, analyses).bounds, dtype=np.float64)
        real = program.graph.op < FIRST_PREDICATE
        return Ranges(
            np.where(real, bounds[:, 0], 0.0),
            np.where(real, bounds[:, 1], 0.0),
            np.where(real, bounds[:, 2].astype(np.uint8), np.uint8(0)),
            _variable_counts(program.graph),
        )


def _inherit_fact(fact: NDArray[Any], origins: NDArray[np.int32]) -> NDArray[Any]:
    """A fact for copied nodes: each node has its origin's value; nodes without an origin have 0."""
    inherited = fact[origins]
    inherited[origins < 0] = 0
    return inherited


def _repeats(graph: Graph, older: Graph, origins: NDArray[np.int32]) -> bool:
    """Whether all real nodes are copies of nodes of an older graph, with the same operands."""
    real = graph.op < FIRST_PREDICATE
    origin, args = origins[real], graph.args[real]
    if (origin < 0).any():
        return False
    return np.array_equal(np.where(args >= 0, origins[args], -1), older.args[origin])


def _sweep_intervals(program: Program) -> Ranges:
    """The ranges in the interval domain alone, by native kernels."""
    graph = program.graph
    swept = sweep(graph, program.precision, box_intervals(program))
    lower, upper = (ends.astype(np.float64) for ends in swept[:2])
    return Ranges(lower, upper, swept.may_nan.view(np.uint8), _variable_counts(graph))


def _variable_counts(graph: Graph) -> NDArray[np.uint8]:
    """`Ranges.variables`."""
    n = len(graph)
    names = sorted(set(graph.variables.values()))
    bits = {name: 1 << i if i < MOST_SINGLE else -1 << MOST_SINGLE for i, name in enumerate(names)}
    variables, counts = np.zeros(n, np.int64), np.zeros(n, np.uint8)
    for node, name in graph.variables.items():
        variables[node] = bits[name]
    call(lowering_kernels()["join_variables"], n, graph.args, variables, counts)
    counts[graph.op >= FIRST_PREDICATE] = 0
    return counts


def ranges_of(program: Program, analyses: Analyses) -> Ranges:
    """The ranges of a program in the domains of the run."""
    return analyses.get(RangesAnalysis(analyses.domains), program)
