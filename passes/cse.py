"""Common subexpression elimination: nodes that compute the same from the same are one node.

Constants are the same when they round to the same bits in the program's precision; the operands of
commutative operations are taken in either order, which is exact in bits.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from absint.analysis import Analyses
from absint.graph import GraphBuilder, constant_key
from absint.manager import PassResult
from absint.ops.table import CONST, OPS, VAR
from absint.program import Program, Promise
from absint.rules import Mode, Rewrite

CONSTANT = Rewrite("same-constant", Mode.BITS)
VARIABLE = Rewrite("same-variable", Mode.BITS)
OPERATION = Rewrite("same-operation", Mode.BITS)


@dataclass(frozen=True)
class Cse:
    """Value numbering, in one sweep from the leaves."""

    name: ClassVar[str] = "cse"
    promise: ClassVar[Promise] = Promise.BITS

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Merge equal nodes; the first of them, with its name, stays."""
        graph, precision = program.graph, program.precision
        commutative = [op.commutative for op in OPS]
        builder = GraphBuilder()
        rewrites: Counter[Rewrite] = Counter()
        seen: dict[object, int] = {}
        new: list[int] = []
        for node, (code, a, b) in enumerate(graph.rows):
            key: object
            rewrite = OPERATION
            if code == CONST.code:
                key, rewrite = constant_key(precision.round(graph.values[node])), CONSTANT
            elif code == VAR.code:
                key, rewrite = ("var", graph.variables[node]), VARIABLE
            else:
                a = new[a]
                b = new[b] if b >= 0 else -1
                key = (code, b, a) if commutative[code] and b < a else (code, a, b)
            same = seen.get(key)
            if same is None:
                same = seen[key] = builder.copy(graph, node, a, b)
            else:
                rewrites[rewrite] += 1
            new.append(same)
        if not rewrites:
            return PassResult(program, rewrites)
        return PassResult(analyses.rebuilt(program, builder, new[-1]), rewrites)
