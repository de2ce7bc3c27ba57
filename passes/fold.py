"""Constant folding: an operation that can have only one value becomes that constant.

An operation on constants is evaluated by its body. Any other operation folds if its bounds are a single
point; if that point is zero, only where the sign of a zero does not show, since bounds do not distinguish the
two zeros. An operation that is never a number folds to NaN.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from absint.ir.graph import Graph
from absint.ir.patch import Patch
from absint.ir.program import Form, Program, Promise
from absint.ops.demand import Bounds, Demand
from absint.ops.table import CONST, OPS
from absint.rewriting.analysis import Analyses, BoundFacts
from absint.rewriting.manager import PassResult
from absint.rewriting.rules import Mode, Rewrite

from .analyses.bounds import bounds_of
from .analyses.demand import demand_of

OPERANDS = Rewrite("constant-operands", Mode.BITS)
POINT = Rewrite("point-bounds", Mode.BITS)
ZERO = Rewrite("zero-bounds", Mode.ZERO)
NOT_A_NUMBER = Rewrite("never-a-number", Mode.BITS)


@dataclass(frozen=True)
class Fold:
    """Replaces operations by constants, from the leaves to the root.

    A new constant may be sharper than the bounds of its operation, as for a sine, so sweeps repeat until
    nothing changes, at most `rounds` times.
    """

    name: ClassVar[str] = "fold"
    promise: ClassVar[Promise] = Promise.BITS
    takes: ClassVar[Form] = Form.REAL
    makes: ClassVar[Form] = Form.REAL
    rounds: int = 4

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Fold the operations that are constant on the program's box."""
        total: Counter[Rewrite] = Counter()
        for _ in range(self.rounds):
            program, rewrites = self._sweep(program, analyses)
            total += rewrites
            if not rewrites:
                break
        return PassResult(program, total)

    def _sweep(self, program: Program, analyses: Analyses) -> PassResult:
        """Fold each operation at most once, by facts about the program before the sweep."""
        graph, precision = program.graph, program.precision
        facts, demand = bounds_of(program, analyses), demand_of(program, analyses)
        rewrites: Counter[Rewrite] = Counter()
        if not _may_fold(graph, facts, demand):
            return PassResult(program, rewrites)
        bounds, demanded = facts.bounds, demand.tolist()
        constant: dict[int, float] = {}  # nodes that are or become constants, rounded
        folded: list[int] = []
        with np.errstate(all="ignore"):
            for node, (code, a, b) in enumerate(graph.rows):
                if code == CONST.code:
                    constant[node] = precision.round(graph.values[node])
                if a < 0:
                    continue
                value, rewrite = None, OPERANDS
                if a in constant and (b < 0 or b in constant):
                    operands = (constant[a],) if b < 0 else (constant[a], constant[b])
                    value = float(OPS[code].body(precision)(*map(precision.real, operands)))
                elif demanded[node]:
                    value, rewrite = _only_value(bounds[node], demanded[node])
                if value is not None:
                    rewrites[rewrite] += 1
                    constant[node] = value
                    folded.append(node)
        if not folded:
            return PassResult(program, rewrites)
        patch = Patch(graph)
        for node in folded:
            patch.begin(node)
            patch.replace(patch.constant(constant[node], graph.line_list[node]))
        patched, origins = patch.build()
        made = program.with_graph(patched)
        analyses.inherit(made, program, origins)
        return PassResult(made, rewrites)


def _may_fold(graph: Graph, facts: BoundFacts, demand: NDArray[np.uint8]) -> bool:
    """Whether some operation has constant operands, or bounds that leave a single value."""
    constant = np.append(graph.op == CONST.code, True)  # the last entry stands for the operand -1
    operation = graph.args[:, 0] >= 0
    lower, upper, may_nan = facts.columns
    wanted = operation & (demand != Demand.NONE)
    single = ((lower == upper) & ~may_nan) | ((lower > upper) & may_nan)
    return bool((operation & constant[graph.args].all(axis=1)).any() or (wanted & single).any())


def _only_value(bounds: Bounds, demand: int) -> tuple[float | None, Rewrite]:
    """The single value that bounds leave under a demand, None if there is none; and the rewrite to count."""
    if bounds.lower > bounds.upper and bounds.may_nan:
        return math.nan, NOT_A_NUMBER
    if bounds.lower == bounds.upper and not bounds.may_nan:
        if bounds.lower != 0:
            return bounds.lower, POINT
        if demand | Demand.VALUE == Demand.VALUE:
            return 0.0, ZERO
    return None, POINT
