"""Bounds of every node on the program's box, in a reduced product of abstract domains.

A program and names of domains enter, `BoundFacts` leave. If the program was made from another, a copied node
inherits its element as long as its operands have the same elements as before; a new computation would give
the same, since a transfer function depends on nothing else. In the interval domain alone all bounds are
computed anew by native kernels, which is faster than inheriting them.
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
        """Interpret the program in the domains."""
        domain = make_domain(self.domains, program.precision)
        if self.domains == DEFAULT_DOMAINS:
            columns = _sweep_intervals(program)
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


def _sweep_intervals(program: Program) -> Columns:
    """Bounds in the interval domain, by native kernels; predicates may be anything."""
    graph = program.graph
    swept = IntervalSweep(graph, program.precision).run(box_intervals(program))
    unknown = graph.op >= FIRST_PREDICATE
    return Columns(
        np.where(unknown, -math.inf, swept.lower[:, 0].astype(np.float64)),
        np.where(unknown, math.inf, swept.upper[:, 0].astype(np.float64)),
        unknown | (swept.may_nan & 1 != 0),
    )


def _bounds(domain: Domain[Any], element: Any) -> Bounds:
    """The interval of an element, as Python numbers."""
    lower, upper, may_nan = domain.to_interval(element)
    return Bounds(float(lower), float(upper), bool(may_nan))


def _bounds_of_all(
    domain: Domain[Any], elements: list[Any], facts: BoundFacts, inheritance: Inheritance
) -> list[Bounds]:
    """The bounds of all elements; an inherited element inherits its bounds."""
    bounds = []
    for element, origin in zip(elements, inheritance.origins, strict=False):
        inherited = origin >= 0 and element is facts.elements[origin]
        bounds.append(facts.bounds[origin] if inherited else _bounds(domain, element))
    return bounds


def bounds_of(program: Program, analyses: Analyses) -> BoundFacts:
    """The bounds of a program in the domains of the run."""
    return analyses.get(BoundsAnalysis(analyses.domains), program)
