"""Lowering to comparisons: the demand `f < 0` is pushed down the graph as far as that is exact.

Through min, max and neg, the demand on the root becomes demands on the arms. Through a step with one varying
operand (a sum with a constant, a square root, …) the demand `lo <= fl(g(v)) <= hi` becomes `lo' <= v <= hi'`;
the new ends are found by search among the floats, which works because rounding is monotone. Where no step is
possible, an atom remains: a band of a real value. `absint.lowering.kernels.thresholds` states the conditions.
A demand that would become many bands of one value below, such as after a chain of folds, stays an atom: see
`absint.lowering.kernels.folds`.

The thresholds are valid on the program's box only. After Bolz-Tereick (2025), who pushes only the sign.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from absint.ir.program import Form, Program, Promise
from absint.lowering.predicates import Predicates
from absint.lowering.units import lowering_kernels
from absint.native.arrays import call
from absint.ops.table import ALL, ANY, BAND, OPS
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassResult
from absint.rewriting.rules import Mode, Rewrite

from .analyses.ranges import Ranges, ranges_of
from .lowered import with_predicates

ATOM_KIND, _, _, _, ANY_KIND, ALL_KIND = range(6)
"""The kernel's codes for the predicate that a demand has become."""

DEMANDS_PER_NODE, FEWEST_DEMANDS = 4, 1024
"""Limit on the number of demands: so many per node, and so many more; beyond it, demands stay atoms."""

ALWAYS = Rewrite("always-true", Mode.SIGN)
NEVER = Rewrite("never-true", Mode.SIGN)
ATOM = Rewrite("atom", Mode.SIGN)


@dataclass(frozen=True)
class PredicatesPass:
    """Turns a real program into a lowered one; a lowered program is returned unchanged."""

    name: ClassVar[str] = "predicates"
    promise: ClassVar[Promise] = Promise.SIGN
    takes: ClassVar[Form] = Form.REAL
    makes: ClassVar[Form] = Form.LOWERED

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Lower the program."""
        if program.graph.lowered:
            return PassResult(program, Counter())
        predicates, rewrites = _push_demands(program, ranges_of(program, analyses))
        return PassResult(with_predicates(program, predicates, analyses), rewrites)


def _push_demands(program: Program, ranges: Ranges) -> tuple[Predicates, Counter[Rewrite]]:
    """The predicates equivalent to `f < 0`, and the number of demands pushed through each operation."""
    graph = program.graph
    push, settle = lowering_kernels(program.precision)["push"], lowering_kernels()["settle"]
    n = len(graph)
    a, b = (np.ascontiguousarray(graph.args[:, column]) for column in (0, 1))
    counts = np.zeros(len(OPS), np.int64)
    demands = _Demands(DEMANDS_PER_NODE * n + FEWEST_DEMANDS)
    base, paths = np.empty((2, n), np.int32)
    facts = ranges.lower, ranges.upper, ranges.variables
    call(lowering_kernels()["bases"], n, graph.op, a, b, *facts, base, paths)
    count = call(
        push, graph.root, graph.op, a, b, *ranges, paths, *np.empty((7, n), np.int32),
        len(demands.nodes), *demands.arrays, len(demands.slots) - 1, counts,
    )  # fmt: skip
    nodes, lows, highs, kinds = (array[:count] for array in demands.arrays[:4])
    made, answer = np.empty(count, np.int32), np.empty(1, np.int32)
    needed = call(
        settle, n, graph.op, base, count, nodes, lows, highs, kinds, demands.first, demands.second,
        np.empty(n + 2, np.int32), *np.empty((3, count), np.int32), np.zeros(count, np.uint8), made, answer,
    )  # fmt: skip
    rewrites = Counter(
        {
            Rewrite(f"through-{OPS[code].name}", Mode.SIGN): int(times)
            for code, times in enumerate(counts)
            if times
        }
    )
    if answer[0] < 2:
        rewrites[ALWAYS if answer[0] else NEVER] += 1
        return Predicates.constant(bool(answer[0])), rewrites
    made = made[:needed]
    atoms = kinds[made] == ATOM_KIND
    rewrites[ATOM] = int(atoms.sum())
    number = np.zeros(count, np.int32)
    number[made] = np.arange(needed, dtype=np.int32)
    lists = np.stack([number[demands.first[made[~atoms]]], number[demands.second[made[~atoms]]]], axis=1)
    code = np.where(atoms, BAND.code, np.where(kinds[made] == ANY_KIND, ANY.code, ALL.code)).astype(np.uint8)
    predicates = Predicates(
        code=code,
        value=np.where(atoms, nodes[made], -1).astype(np.int32),
        bands=np.where(atoms[:, None], np.stack([lows[made], highs[made]], axis=1), 0.0),
        starts=np.concatenate([[0], np.cumsum(np.where(atoms, 0, 2))]).astype(np.int32),
        items=lists.ravel().astype(np.int32),
        lines=graph.lines[nodes[made]],
    )
    return predicates, rewrites


class _Demands:
    """Memory for the kernel's demands."""

    def __init__(self, capacity: int) -> None:
        self.nodes = np.empty(capacity, np.int32)
        self.lows = np.zeros(capacity)
        self.highs = np.zeros(capacity)
        self.kinds = np.zeros(capacity, np.uint8)
        self.first = np.empty(capacity, np.int32)
        self.second = np.empty(capacity, np.int32)
        self.after = np.empty(capacity, np.int32)
        self.slots = np.full(1 << (2 * capacity - 1).bit_length(), -1, np.int32)

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All arrays, in the order of the kernel's arguments."""
        return (
            self.nodes, self.lows, self.highs, self.kinds, self.first, self.second, self.after, self.slots
        )  # fmt: skip
