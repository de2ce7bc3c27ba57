"""Liveness: how long each computed value is needed, and so how much memory a run takes.

Constants and variables are always at hand and are not counted. Nodes that the root does not depend on are
never computed. In a lowered program bands read values, but a truth value is none.
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
"""The image that memory is stated for."""


@dataclass(frozen=True)
class Liveness:
    """`last_use`: int64[n], the last node that reads each real node, n for the root, -1 for what is never
    read. `live`: int64[m], values held after each of the m computed nodes. `peak`: the largest of them.
    `slots`: how many registers a tape needs, which is the peak or one less where a result takes its operand's
    place.
    """

    last_use: NDArray[np.int64]
    live: NDArray[np.int64]
    peak: int
    slots: int


@dataclass(frozen=True)
class LivenessAnalysis:
    """From last uses to counts of live values."""

    name: ClassVar[str] = "liveness"

    def run(self, program: Program, analyses: Analyses) -> Liveness:
        """Last uses, live values after each step, their peak, and slots. Kept as long as the graph, for many
        programs may come from it.
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
    # a value is still held while its last reader computes, and given up after it
    changes -= np.bincount(last[computed] + 1, minlength=len(changes))
    live = np.cumsum(changes)[computed]
    return Liveness(last, live, int(live.max(initial=0)), slots_needed(graph))


def liveness_of(program: Program, analyses: Analyses) -> Liveness:
    """Liveness of a program in the order in which its graph stands."""
    return analyses.get(LivenessAnalysis(), program)


def memory_of(program: Program, analyses: Analyses, pixels: int = REPORT_PIXELS) -> dict[str, Any]:
    """What whole arrays of an image take: with every value kept, and with each freed at its last use."""
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
