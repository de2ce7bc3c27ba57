"""Bounds of every node on the program's box, in the reduced product of some abstract domains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from absint.analysis import DEFAULT_DOMAINS, Analyses, BoundFacts, make_domain
from absint.interpret import box_intervals, interpret_abstract
from absint.program import Program


@dataclass(frozen=True)
class BoundsAnalysis:
    """Abstract interpretation from the leaves to the root."""

    name: ClassVar[str] = "bounds"
    domains: tuple[str, ...] = DEFAULT_DOMAINS

    def run(self, program: Program, analyses: Analyses) -> BoundFacts:
        """Bounds, and which nodes are always below which."""
        domain = make_domain(self.domains, program.precision)
        return BoundFacts(domain, interpret_abstract(program.graph, domain, box_intervals(program)))


def bounds_of(program: Program, analyses: Analyses) -> BoundFacts:
    """The bounds in the domains that this run was asked to use."""
    return analyses.get(BoundsAnalysis(analyses.domains), program)
