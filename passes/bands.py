"""Band merging: bands of one value become one, and conditions that an enclosing `all` implies are dropped.

In an `all`, the bands of a value are intersected; in an `any`, bands that overlap or touch (with no float
between them) are united. Below an `all` with the band `lo <= v <= hi`, another band of v becomes true or
false, or loses an end that is implied. This is valid for predicates with one user, since their context is
known.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from absint.ir.program import Form, Program, Promise
from absint.lowering.predicates import Builder, Predicates
from absint.lowering.units import lowering_kernels
from absint.native.arrays import call
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassResult
from absint.rewriting.rules import Mode, Rewrite

from .lowered import with_predicates

RULES = tuple(
    Rewrite(name, Mode.BITS) for name in ("intersect-bands", "unite-bands", "implied-band", "implied-end")
)
"""Rewrites, in the order of the kernel's counts."""


@dataclass(frozen=True)
class Bands:
    """Merges bands, in sweeps until nothing changes."""

    name: ClassVar[str] = "bands"
    promise: ClassVar[Promise] = Promise.BITS
    takes: ClassVar[Form] = Form.LOWERED
    makes: ClassVar[Form] = Form.LOWERED

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Merge the bands of a lowered program; a real program is returned unchanged."""
        rewrites: Counter[Rewrite] = Counter()
        if not program.graph.lowered:
            return PassResult(program, rewrites)
        predicates = Predicates.of(program.graph)
        while True:
            merged, found = _sweep(predicates, program)
            if not found:
                break
            predicates = merged
            rewrites += found
        if not rewrites:
            return PassResult(program, rewrites)
        return PassResult(with_predicates(program, predicates, analyses), rewrites)


def _sweep(predicates: Predicates, program: Program) -> tuple[Predicates, Counter[Rewrite]]:
    """Merge bands in one sweep. Returns the new predicates and the rewrites made."""
    n, p, m = len(program.graph), len(predicates), len(predicates.items)
    builder, counts = Builder(p + 2 * m, m), np.zeros(len(RULES), np.int64)
    made = call(
        lowering_kernels(program.precision)["bands"], p, predicates.record.address, builder.record.address,
        *np.empty((4, p), np.int32),
        # the context
        np.zeros(n, np.int32), *np.empty((2, n)), *np.empty((2, m)),
        # the new bands
        np.empty(m, np.uint8), *np.empty((2, m)),
        # the groups
        np.full(n, -1, np.int32), np.empty(m, np.int32), *np.empty((2, m)), counts,
    )  # fmt: skip
    assert made > 0, "an operand becomes one operand, of at most two bands"
    return builder.result(made), +Counter(dict(zip(RULES, counts.tolist(), strict=True)))
