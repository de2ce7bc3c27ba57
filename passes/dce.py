"""Dead code elimination: what the root does not depend on is left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from absint.analysis import Analyses
from absint.graph import reachable, selected
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
        live = np.flatnonzero(reachable(program.graph))
        dead = len(program.graph) - len(live)
        if not dead:
            return PassResult(program, Counter())
        made = program.with_graph(selected(program.graph, live))
        analyses.succeed(made, program, live.tolist())
        return PassResult(made, Counter({DEAD: dead}))
