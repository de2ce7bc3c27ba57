"""What the lowering passes share: a program with other predicates, which keeps what is known of its real
nodes.
"""

from __future__ import annotations

from absint.analysis import Analyses
from absint.lowering import Predicates, assembled_with_origins
from absint.program import Program, Promise


def with_predicates(program: Program, predicates: Predicates, analyses: Analyses) -> Program:
    """The program with these predicates in place of its root, or of its own predicates."""
    graph, origins = assembled_with_origins(program.graph, predicates)
    made = program.with_graph(graph).with_promise(Promise.SIGN)  # what a predicate can keep
    analyses.succeed(made, program, origins.tolist())
    return made
