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
from typing import ClassVar

import numpy as np

from absint.ir.program import Form, Program, Promise
from absint.lowering.kernels.pass_records import Asking, DemandArrays, PushTask, RealNodes, SettleTask
from absint.lowering.predicates import Predicates
from absint.lowering.units import lowering_kernels
from absint.ops.table import ALL, ANY, BAND, OPS, TRAITS, with_diagonals
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassResult
from absint.rewriting.rules import Mode, Rewrite

from .analyses.ranges import Ranges, ranges_of
from .lowered import with_predicates

ATOM_KIND, _, _, _, ANY_KIND, _ = range(6)
"""The kernel's codes for the predicate that a demand has become."""

DEMANDS_PER_NODE, FEWEST_DEMANDS = 4, 1024
"""The number of demands is limited to the first per node plus the second; demands beyond the limit stay
atoms.
"""

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
    graph, n = program.graph, len(program.graph)
    a = np.ascontiguousarray(graph.args[:, 0])
    op, b = with_diagonals(graph.op, a, graph.args[:, 1])
    nodes = RealNodes(
        count=n, traits=TRAITS, op=op, a=a, b=b, lower=ranges.lower, upper=ranges.upper,
        may_nan=ranges.may_nan, variables=ranges.variables, base=np.empty(n, np.int32),
        paths=np.empty(n, np.int32),
    )  # fmt: skip
    shared = lowering_kernels()
    shared["find_bases"](nodes.address)
    demands, steps = _Demands(DEMANDS_PER_NODE * n + FEWEST_DEMANDS), np.zeros(len(OPS), np.int64)
    push = PushTask(root=graph.root, nodes=nodes, demands=demands.record, asking=Asking.array(n), steps=steps)
    count = lowering_kernels(program.precision)["push"](push.address)
    made = np.empty(count, np.int32)
    order, weight, result = np.empty((3, count), np.int32)
    settle = SettleTask(
        count=count, nodes=nodes, demands=demands.record, starts=np.empty(n + 2, np.int32), order=order,
        weight=weight, result=result, is_needed=np.zeros(count, np.uint8), needed=made,
    )  # fmt: skip
    needed = shared["settle"](settle.address)
    rewrites = Counter(
        {
            Rewrite(f"through-{OPS[code].name}", Mode.SIGN): int(times)
            for code, times in enumerate(steps)
            if times
        }
    )
    if settle.answer < 2:
        rewrites[ALWAYS if settle.answer else NEVER] += 1
        return Predicates.constant(bool(settle.answer)), rewrites
    made = made[:needed]
    atoms = demands.kind[made] == ATOM_KIND
    rewrites[ATOM] = int(atoms.sum())
    number = np.zeros(count, np.int32)
    number[made] = np.arange(needed, dtype=np.int32)
    lists = np.stack([number[demands.first[made[~atoms]]], number[demands.second[made[~atoms]]]], axis=1)
    lists_code = np.where(demands.kind[made] == ANY_KIND, ANY.code, ALL.code)
    predicates = Predicates(
        code=np.where(atoms, BAND.code, lists_code).astype(np.uint8),
        value=np.where(atoms, demands.node[made], -1).astype(np.int32),
        bands=np.where(atoms[:, None], np.stack([demands.lower[made], demands.upper[made]], axis=1), 0.0),
        starts=np.concatenate([[0], np.cumsum(np.where(atoms, 0, 2))]).astype(np.int32),
        items=lists.ravel().astype(np.int32),
        lines=graph.lines[demands.node[made]],
    )
    return predicates, rewrites


class _Demands:
    """Memory for the kernels' demands, and the record of it."""

    def __init__(self, most: int) -> None:
        self.node, self.first, self.second, after = np.empty((4, most), np.int32)
        self.lower, self.upper = np.zeros((2, most))
        self.kind = np.zeros(most, np.uint8)
        slots = np.full(1 << (2 * most - 1).bit_length(), -1, np.int32)
        self.record = DemandArrays(
            most=most, node=self.node, lower=self.lower, upper=self.upper, kind=self.kind, first=self.first,
            second=self.second, after=after, slots=slots, mask=len(slots) - 1,
        )  # fmt: skip
