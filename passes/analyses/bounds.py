"""Bounds of every node on the program's box, in the reduced product of some abstract domains.

A program that was made from another mostly repeats it: where a copied node's operands still have the elements
that they had, its own is taken over. That is what a new computation would give, for a transfer function
depends on nothing else. In the interval domain alone all are computed anew, native, which takes less time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from absint.domains.lattice import Domain
from absint.ir.graph import FIRST_PREDICATE
from absint.ir.interpreter import Previous, box_intervals, interpret_abstract
from absint.ir.program import Program
from absint.lowering.sweep import IntervalSweep
from absint.ops.demand import Bounds
from absint.rewriting.analysis import DEFAULT_DOMAINS, Analyses, BoundFacts, Columns, Inheritance, make_domain


@dataclass(frozen=True)
class BoundsAnalysis:
    """Abstract interpretation from the leaves to the root."""

    name: ClassVar[str] = "bounds"
    domains: tuple[str, ...] = DEFAULT_DOMAINS

    def run(self, program: Program, analyses: Analyses) -> BoundFacts:
        """Bounds, and which nodes are always below which."""
        domain = make_domain(self.domains, program.precision)
        if self.domains == DEFAULT_DOMAINS:
            columns = _swept(program)
            bounds = list(map(Bounds, *(column.tolist() for column in columns)))
            return BoundFacts(domain, bounds, bounds, columns)  # bounds are the elements of intervals
        inheritance = analyses.inherited(program)
        facts = inheritance.facts.get(self) if inheritance is not None else None
        if inheritance is None or not isinstance(facts, BoundFacts):
            elements = interpret_abstract(program.graph, domain, box_intervals(program))
            return BoundFacts(domain, elements, [_bounds(domain, element) for element in elements])
        previous = Previous(inheritance.graph, facts.elements, inheritance.origins)
        elements = interpret_abstract(program.graph, domain, box_intervals(program), previous)
        return BoundFacts(domain, elements, _bounds_of_all(domain, elements, facts, inheritance))


def _swept(program: Program) -> Columns:
    """Bounds in the interval domain."""
    graph = program.graph
    swept = IntervalSweep(graph, program.precision).run(box_intervals(program))
    unknown = graph.op >= FIRST_PREDICATE
    return Columns(
        np.where(unknown, -math.inf, swept.lower[:, 0].astype(np.float64)),
        np.where(unknown, math.inf, swept.upper[:, 0].astype(np.float64)),
        unknown | (swept.may_nan & 1 != 0),
    )


def _bounds(domain: Domain[Any], element: Any) -> Bounds:
    lower, upper, may_nan = domain.to_interval(element)
    return Bounds(float(lower), float(upper), bool(may_nan))


def _bounds_of_all(
    domain: Domain[Any], elements: list[Any], facts: BoundFacts, inheritance: Inheritance
) -> list[Bounds]:
    """Bounds of the elements; those that were taken over keep theirs."""
    bounds = []
    for element, origin in zip(elements, inheritance.origins, strict=False):
        kept = origin >= 0 and element is facts.elements[origin]
        bounds.append(facts.bounds[origin] if kept else _bounds(domain, element))
    return bounds


def bounds_of(program: Program, analyses: Analyses) -> BoundFacts:
    """The bounds in the domains that this run was asked to use."""
    return analyses.get(BoundsAnalysis(analyses.domains), program)
