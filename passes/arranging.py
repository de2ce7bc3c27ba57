"""Arranging nodes: leaving them out, moving and repeating them, which is all that `cse`, `dce`,
`rematerialise` and `schedule` do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from absint.ir.graph import Graph
from absint.ir.program import Program
from absint.ops.table import VAR
from absint.rewriting.analysis import Analyses


def arranged(
    program: Program, nodes: NDArray[np.integer], args: NDArray[np.integer], analyses: Analyses
) -> Program:
    """The program of copies of its nodes.

    `nodes`: int[m], the node that each is a copy of, the root last. `args`: int[m, 2], their operands by
    their places in `nodes`, each before its user; -1 for none. The first copy of a node keeps its name.
    """
    graph = program.graph
    op = graph.op[nodes]
    names = [graph.names[node] for node in nodes.tolist()]
    is_copy = np.ones(len(nodes), bool)
    is_copy[np.unique(nodes, return_index=True)[1]] = False
    for place in np.flatnonzero(is_copy).tolist():
        names[place] = None
    made = Graph(
        op=op,
        args=args.astype(np.int32),
        constants=graph.constants[nodes],
        variables={
            place: graph.variables[int(nodes[place])] for place in np.flatnonzero(op == VAR.code).tolist()
        },
        names=tuple(names),
        lines=graph.lines[nodes],
    )
    result = program.with_graph(made)
    analyses.inherit(result, program, nodes.tolist())
    return result


def moved(program: Program, nodes: NDArray[np.integer], analyses: Analyses) -> Program:
    """The program of these nodes in this order, operands before users and the root last."""
    return arranged(program, nodes, places(program.graph, nodes)[program.graph.args[nodes]], analyses)


def places(graph: Graph, nodes: NDArray[np.integer]) -> NDArray[np.int32]:
    """int32[n + 1]: where each node of the graph is in `nodes`, -1 if nowhere; the last entry, which the
    operand -1 reads, is -1.
    """
    place = np.full(len(graph) + 1, -1, np.int32)
    place[nodes] = np.arange(len(nodes), dtype=np.int32)
    return place
