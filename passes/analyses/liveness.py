"""Liveness: the last use of each value, and the number of values alive after each step.

Constants and variables need no memory and are not counted. Nodes that the root does not depend on are not
computed. In a lowered program, bands read values, but truth values are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from absint.ir.graph import FIRST_PREDICATE, Graph
from absint.ir.program import Program
from absint.ir.tape import last_uses, slots_needed
from absint.rewriting.analysis import Analyses

REPORT_PIXELS = 1024 * 1024
"""Number of pixels for which reports state memory."""


@dataclass(frozen=True)
class Liveness:
    """Liveness of a graph in its order.

    `last_use`: int64[n], the last node that reads each node; n for the root, -1 for nodes that are never
    read. `live`: int64[m], number of values alive after each of the m computed nodes. `peak`: the largest of
    these. `slots`: number of registers that a tape needs: the peak, or one less if a result can take its
    operand's slot.
    """

    last_use: NDArray[np.int64]
    live: NDArray[np.int64]
    peak: int
    slots: int


@dataclass(frozen=True)
class LivenessAnalysis:
    """Liveness from last uses."""

    name: ClassVar[str] = "liveness"

    def run(self, program: Program, analyses: Analyses) -> Liveness:
        """The liveness of the program's graph, cached as long as the graph, which several
        programs may share.
        """
        known = _of_graphs.get(program.graph)
        return _of_graphs.setdefault(program.graph, _liveness(program.graph)) if known is None else known


_of_graphs: WeakKeyDictionary[Graph, Liveness] = WeakKeyDictionary()


def _liveness(graph: Graph) -> Liveness:
    """The liveness of a graph."""
    last = last_uses(graph)
    real = graph.op < FIRST_PREDICATE
    computed = np.flatnonzero(real & (graph.args[:, 0] >= 0) & (last >= 0))
    changes = np.zeros(len(graph) + 2, np.int64)
    changes[computed] = 1
    # a value is alive while its last reader computes, and freed after that
    changes -= np.bincount(last[computed] + 1, minlength=len(changes))
    live = np.cumsum(changes)[computed]
    return Liveness(last, live, int(live.max(initial=0)), slots_needed(graph))


def liveness_of(program: Program, analyses: Analyses) -> Liveness:
    """The liveness of a program in the order of its graph."""
    return analyses.get(LivenessAnalysis(), program)


def memory_of(program: Program, analyses: Analyses, pixels: int = REPORT_PIXELS) -> dict[str, Any]:
    """The memory for whole arrays: with every value kept, and with each freed at its last use."""
    liveness = liveness_of(program, analyses)
    size = program.precision.dtype.itemsize
    computed = len(liveness.live)
    return {
        "pixels": pixels,
        "values": computed,
        "naive_bytes": computed * size * pixels,
        "live": liveness.live.tolist(),
        "peak_live": liveness.peak,
        "live_bytes": liveness.peak * size * pixels,
        "slots": liveness.slots,
    }
