"""Dead code elimination: nodes on which the root does not depend are dropped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from absint.ir.graph import reachable
from absint.ir.program import Form, Program, Promise
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassResult
from absint.rewriting.rules import Mode, Rewrite

from .arranging import reorder

DEAD = Rewrite("dead", Mode.BITS)


@dataclass(frozen=True)
class Dce:
    """Keeps the nodes that are reachable from the root, in their order."""

    name: ClassVar[str] = "dce"
    promise: ClassVar[Promise] = Promise.BITS
    takes: ClassVar[Form] = Form.REAL
    makes: ClassVar[Form] = Form.REAL

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Drop dead nodes."""
        graph = program.graph
        live = reachable(graph)
        dead = len(graph) - int(np.count_nonzero(live))
        if not dead:
            return PassResult(program, Counter())
        return PassResult(reorder(program, np.flatnonzero(live), analyses), Counter({DEAD: dead}))
