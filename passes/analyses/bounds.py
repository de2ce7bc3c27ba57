"""Bounds of every node on the program's box, in a reduced product of abstract domains.

A program and names of domains enter, `BoundFacts` leave. If the program was made from another, a copied node
inherits its element as long as its operands have the same elements as before; a new computation would give
the same, since a transfer function depends on nothing else. In the interval domain alone all bounds are
computed anew by native kernels, which is faster than inheriting them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from absint.domains.lattice import Domain
from absint.ir.graph import FIRST_PREDICATE
from absint.ir.interpreter import Previous, box_intervals, interpret_abstract
from absint.ir.program import Program
from absint.lowering.sweep import sweep
from absint.rewriting.analysis import DEFAULT_DOMAINS, Analyses, BoundFacts, Columns, make_domain


@dataclass(frozen=True)
class BoundsAnalysis:
    """Abstract interpretation from the leaves to the root."""

    name: ClassVar[str] = "bounds"
    domains: tuple[str, ...] = DEFAULT_DOMAINS

    def run(self, program: Program, analyses: Analyses) -> BoundFacts:
        """Interpret the program in the domains."""
        domain = make_domain(self.domains, program.precision)
        if self.domains == DEFAULT_DOMAINS:
            return BoundFacts(domain, _sweep_intervals(program))
        inheritance = analyses.inherited(program)
        facts = inheritance.facts.get(self) if inheritance is not None else None
        if inheritance is None or not isinstance(facts, BoundFacts):
            elements = interpret_abstract(program.graph, domain, box_intervals(program))
            return BoundFacts(domain, _columns(domain, elements), elements)
        previous = Previous(inheritance.graph, facts.elements, inheritance.origins.tolist())
        elements = interpret_abstract(program.graph, domain, box_intervals(program), previous)
        return BoundFacts(domain, _columns_of_all(domain, elements, facts, inheritance.origins), elements)


def _sweep_intervals(program: Program) -> Columns:
    """Bounds in the interval domain, by native kernels; predicates may be anything."""
    graph = program.graph
    swept = sweep(graph, program.precision, box_intervals(program))
    unknown = graph.op >= FIRST_PREDICATE
    return Columns(
        np.where(unknown, -math.inf, swept.lower.astype(np.float64)),
        np.where(unknown, math.inf, swept.upper.astype(np.float64)),
        unknown | swept.may_nan,
    )


def _columns(domain: Domain[Any], elements: Iterable[Any]) -> Columns:
    """The intervals of elements."""
    bounds = np.array([tuple(domain.to_interval(element)) for element in elements], np.float64)
    lower, upper, may_nan = np.ascontiguousarray(bounds.T)
    return Columns(lower, upper, may_nan != 0)


def _columns_of_all(
    domain: Domain[Any], elements: Sequence[Any], facts: BoundFacts, origins: NDArray[np.int32]
) -> Columns:
    """The intervals of all elements; an inherited element inherits its interval."""
    lower, upper, may_nan = facts.columns
    columns = Columns(lower[origins], upper[origins], may_nan[origins])
    for node, origin in enumerate(origins.tolist()):
        if origin < 0 or elements[node] is not facts.elements[origin]:
            low, high, nan = domain.to_interval(elements[node])
            columns.lower[node], columns.upper[node], columns.may_nan[node] = low, high, nan
    return columns


def bounds_of(program: Program, analyses: Analyses) -> BoundFacts:
    """The bounds of a program in the domains of the run."""
    return analyses.get(BoundsAnalysis(analyses.domains), program)
