"""Replacement of a program's predicates, for the lowering passes; facts about real nodes are kept."""

from __future__ import annotations

from absint.ir.program import Program, Promise
from absint.lowering.predicates import Predicates, assemble_with_origins
from absint.rewriting.analysis import Analyses

from .analyses.ranges import RangesAnalysis, ranges_of


def with_predicates(program: Program, predicates: Predicates, analyses: Analyses) -> Program:
    """The program with these predicates in place of its root or of its own predicates."""
    graph, origins = assemble_with_origins(program.graph, predicates)
    made = program.with_graph(graph).with_promise(Promise.SIGN)  # a predicate only keeps the sign
    analyses.inherit(made, program, origins)
    if RangesAnalysis(analyses.domains) in analyses.cached(program):
        ranges_of(made, analyses)  # inherited now, while `program` is alive, for later passes
    return made
