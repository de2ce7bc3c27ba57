"""Flatten: an `all` below an `all`, and an `any` below an `any`, give their operands to the upper one.

A predicate of the other's kind is dissolved where it has one user; one with more users stays shared, unless it
is short, for then the copies cost less than a node of its own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from absint.analysis import Analyses
from absint.lowering import PredicateBuilder, Predicates, assembled
from absint.manager import PassResult
from absint.ops.table import ALL, ANY
from absint.program import Program, Promise
from absint.rules import Mode, Rewrite

INLINED = {ALL.code: Rewrite("all-of-all", Mode.BITS), ANY.code: Rewrite("any-of-any", Mode.BITS)}


@dataclass(frozen=True)
class Flatten:
    """Makes lists of trees. `copies`: the longest operand list that is copied into several users."""

    name: ClassVar[str] = "flatten"
    promise: ClassVar[Promise] = Promise.BITS
    lowers: ClassVar[bool] = True
    copies: int = 4

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Flatten a lowered program; a real one stays as it is."""
        graph = program.graph
        if not graph.lowered:
            return PassResult(program, Counter())
        rewrites: Counter[Rewrite] = Counter()
        predicates = Predicates.of(graph)
        while True:
            predicates, found = self._flat(predicates)
            if not found:
                break
            rewrites += found
        if not rewrites:
            return PassResult(program, rewrites)
        return PassResult(program.with_graph(assembled(graph, predicates)), rewrites)

    def _flat(self, predicates: Predicates) -> tuple[Predicates, Counter[Rewrite]]:
        """One sweep; a list that has lost users to it may be ready for another."""
        users = np.bincount(predicates.items, minlength=len(predicates)).tolist()
        rewrites: Counter[Rewrite] = Counter()
        builder = PredicateBuilder()
        made: list[int] = []
        for code, value, lower, upper, items, line in predicates.rows():
            if code in INLINED:
                flat: list[int] = []
                for item in items:
                    inner = builder.row(made[item])
                    if inner.code == code and (users[item] == 1 or len(inner.items) <= self.copies):
                        flat += inner.items
                        rewrites[INLINED[code]] += 1
                    else:
                        flat.append(made[item])
                made.append(builder.join(code, flat, line))
            else:
                made.append(builder.leaf(code, value, lower, upper, line))
        return builder.build(made[-1]), rewrites
