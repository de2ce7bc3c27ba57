"""Rearrangement of nodes: `cse`, `dce`, `rematerialise` and `schedule` drop, move and repeat them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from absint.ir.graph import Graph
from absint.ir.program import Program
from absint.ops.table import VAR
from absint.rewriting.analysis import Analyses


def arrange(
    program: Program, nodes: NDArray[np.integer], args: NDArray[np.integer], analyses: Analyses
) -> Program:
    """A program made of copies of nodes.

    `nodes`: int[m], the node that each new node copies, the root last. `args`: int[m, 2], the new nodes'
    operands, as indices into `nodes` below their own; -1 for none. The first copy of a node keeps its name.
    """
    graph = program.graph
    op = graph.op[nodes]
    names = list(map(graph.names.__getitem__, nodes.tolist()))
    if np.bincount(nodes).max() > 1:
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
    analyses.inherit(result, program, nodes)
    return result


def reorder(program: Program, nodes: NDArray[np.integer], analyses: Analyses) -> Program:
    """The program of these nodes in this order, operands before users, the root last, and no others."""
    return arrange(program, nodes, places(program.graph, nodes)[program.graph.args[nodes]], analyses)


def places(graph: Graph, nodes: NDArray[np.integer]) -> NDArray[np.int32]:
    """int32[n + 1]: the index of each node of the graph in `nodes`, -1 if it is not there. The last entry is
    -1, so that the operand -1 maps to itself.
    """
    place = np.full(len(graph) + 1, -1, np.int32)
    place[nodes] = np.arange(len(nodes), dtype=np.int32)
    return place
