"""Application of a rule set until nothing changes, for `simplify`, `minmax` and `signdemand`."""

from __future__ import annotations

from collections import Counter

from absint.ir.program import Program
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassResult
from absint.rewriting.rewriter import Rewriter
from absint.rewriting.rules import Rewrite, RuleSet

from .analyses.bounds import bounds_of
from .analyses.demand import demand_of


def rewrite_until_stable(program: Program, analyses: Analyses, rules: RuleSet, rounds: int) -> PassResult:
    """Apply rules in at most `rounds` sweeps, with facts about the current program; count all rewrites."""
    total: Counter[Rewrite] = Counter()
    for _ in range(rounds):
        facts, demand = bounds_of(program, analyses), demand_of(program, analyses)
        rewriter = Rewriter(program, facts, demand, analyses.budget)
        if not rewriter.run(rules):
            break
        total += rewriter.rewrites
        graph, origins = rewriter.patch.build()
        made = program.with_graph(graph)
        analyses.inherit(made, program, origins)
        program = made
    return PassResult(program, total)
