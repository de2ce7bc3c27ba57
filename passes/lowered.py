"""What the lowering passes share: a program with other predicates, which keeps what is known of its real
nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from absint.ir.program import Program, Promise
from absint.lowering.predicates import Predicates, assembled_with_origins
from absint.rewriting.analysis import Analyses

from .analyses.ranges import RangesAnalysis, ranges_of


def with_predicates(program: Program, predicates: Predicates, analyses: Analyses) -> Program:
    """The program with these predicates in place of its root, or of its own predicates."""
    graph, origins = assembled_with_origins(program.graph, predicates)
    made = program.with_graph(graph).with_promise(Promise.SIGN)  # what a predicate can keep
    analyses.inherit(made, program, cast(Sequence[int], origins))  # an array is read like one
    if RangesAnalysis(analyses.domains) in analyses.cached(program):
        ranges_of(made, analyses)  # taken over while they are at hand, for a later pass
    return made
