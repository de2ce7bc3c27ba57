"""Dead code elimination: what the root does not depend on is left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from absint.analysis import Analyses
from absint.graph import GraphBuilder, reachable
from absint.manager import PassResult
from absint.program import Program, Promise
from absint.rules import Mode, Rewrite

DEAD = Rewrite("dead", Mode.BITS)


@dataclass(frozen=True)
class Dce:
    """Keeps the nodes that are reachable from the root, in their order."""

    name: ClassVar[str] = "dce"
    promise: ClassVar[Promise] = Promise.BITS

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Drop dead nodes."""
        graph = program.graph
        live = reachable(graph).tolist()
        dead = live.count(False)
        if not dead:
            return PassResult(program, Counter())
        builder = GraphBuilder()
        new: dict[int, int] = {-1: -1}
        for node, (_, a, b) in enumerate(graph.rows):
            if live[node]:
                new[node] = builder.copy(graph, node, new[a], new[b])
        return PassResult(analyses.rebuilt(program, builder), Counter({DEAD: dead}))
