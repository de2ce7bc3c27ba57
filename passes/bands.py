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
from absint.lowering.kernels.pass_records import BandsTask, Known
from absint.lowering.kernels.records import Ends
from absint.lowering.predicates import Builder, Predicates
from absint.lowering.units import lowering_kernels
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassResult
from absint.rewriting.rules import Mode, Rewrite

from .lowered import with_predicates

RULES = tuple(
    Rewrite(name, Mode.BITS) for name in ("intersect-bands", "unite-bands", "implied-band", "implied-end")
)
"""Rewrites."""


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
    builder = Builder(p + 2 * m, m)
    users, parent, cursor, made = np.empty((4, p), np.int32)
    saved, bands, group = (Ends.array(m) for _ in range(3))
    task = BandsTask(
        old=predicates.record, builder=builder.record, users=users, parent=parent, cursor=cursor, made=made,
        known=Known.array(n), saved=saved, code=np.empty(m, np.uint8), bands=bands,
        first=np.full(n, -1, np.int32), after=np.empty(m, np.int32), group=group,
    )  # fmt: skip
    count = lowering_kernels(program.precision)["merge_bands"](task.address)
    assert count > 0, "an operand becomes one operand, of at most two bands"
    uses = (task.intersected, task.united, task.implied, task.implied_ends)
    return builder.result(count), +Counter(dict(zip(RULES, uses, strict=True)))
