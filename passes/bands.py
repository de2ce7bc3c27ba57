"""Bands: comparisons of one value become one, and what an enclosing `all` implies is left out.

In an `all` the bands of a value are intersected; in an `any` those that overlap or touch, no float between
them, are united. Below an `all` that holds `lo <= v <= hi`, a band of v needs to say only what goes beyond:
it is true, false, or loses an end. That holds for predicates with one user, whose circumstances are known.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from absint.ir.program import Form, Program, Promise
from absint.lowering.predicates import Draft, Predicates
from absint.lowering.units import lowering_kernels
from absint.native.arrays import call
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassResult
from absint.rewriting.rules import Mode, Rewrite

from .lowered import with_predicates

RULES = tuple(
    Rewrite(name, Mode.BITS) for name in ("intersect-bands", "unite-bands", "implied-band", "implied-end")
)
"""In the order in which the kernel counts them."""


@dataclass(frozen=True)
class Bands:
    """Joins bands, in sweeps until nothing changes."""

    name: ClassVar[str] = "bands"
    promise: ClassVar[Promise] = Promise.BITS
    takes: ClassVar[Form] = Form.LOWERED
    makes: ClassVar[Form] = Form.LOWERED

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Join the bands of a lowered program; a real one stays as it is."""
        rewrites: Counter[Rewrite] = Counter()
        if not program.graph.lowered:
            return PassResult(program, rewrites)
        predicates = Predicates.of(program.graph)
        while True:
            joined, found = _joined(predicates, program)
            if not found:
                break
            predicates = joined
            rewrites += found
        if not rewrites:
            return PassResult(program, rewrites)
        return PassResult(with_predicates(program, predicates, analyses), rewrites)


def _joined(predicates: Predicates, program: Program) -> tuple[Predicates, Counter[Rewrite]]:
    """One sweep."""
    n, p, m = len(program.graph), len(predicates), len(predicates.items)
    draft, counts = Draft(p + 2 * m, m), np.zeros(len(RULES), np.int64)
    made = call(
        lowering_kernels(program.precision)["bands"], p, predicates.table, draft.table,
        *np.empty((4, p), np.int32),
        # the context
        np.zeros(n, np.int32), *np.empty((2, n)), *np.empty((2, m)),
        # the new bands
        np.empty(m, np.uint8), *np.empty((2, m)),
        # the groups
        np.full(n, -1, np.int32), np.empty(m, np.int32), *np.empty((2, m)), counts,
    )  # fmt: skip
    assert made > 0, "an operand gives one operand, and no more than two bands"
    return draft.result(made), +Counter(dict(zip(RULES, counts.tolist(), strict=True)))
