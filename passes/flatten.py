"""Flattening: an `all` below an `all`, or an `any` below an `any`, is inlined into the upper one.

A list with one user is inlined if the user is of the same kind. A list with several users stays shared,
unless it is short: then copies cost less than a node.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from absint.ir.program import Form, Program, Promise
from absint.lowering.kernels.records import FlattenTask
from absint.lowering.predicates import Builder, Predicates
from absint.lowering.units import lowering_kernels
from absint.ops.table import ALL, ANY, RECORDS
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassResult
from absint.rewriting.rules import Mode, Rewrite

from .lowered import with_predicates

INLINED = {ALL: Rewrite("all-of-all", Mode.BITS), ANY: Rewrite("any-of-any", Mode.BITS)}


@dataclass(frozen=True)
class Flatten:
    """Turns trees of `all` or `any` into lists. `copies`: the longest list that is copied into users."""

    name: ClassVar[str] = "flatten"
    promise: ClassVar[Promise] = Promise.BITS
    takes: ClassVar[Form] = Form.LOWERED
    makes: ClassVar[Form] = Form.LOWERED
    copies: int = 4

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Flatten a lowered program; a real program is returned unchanged."""
        rewrites: Counter[Rewrite] = Counter()
        if not program.graph.lowered:
            return PassResult(program, rewrites)
        predicates = Predicates.of(program.graph)
        while True:  # a list that has lost users may be inlined in the next sweep
            flat, found = self._sweep(predicates)
            if not found:
                break
            predicates = flat
            rewrites += found
        if not rewrites:
            return PassResult(program, rewrites)
        return PassResult(with_predicates(program, predicates, analyses), rewrites)

    def _sweep(self, predicates: Predicates) -> tuple[Predicates, Counter[Rewrite]]:
        """Inline lists in one sweep. Returns the new predicates and the rewrites made."""
        count, items = len(predicates), 2 * len(predicates.items) + 64
        while True:
            builder, inlined = Builder(count, items), np.zeros(max(RECORDS) + 1, np.int64)
            users, parent, cursor, become = np.empty((4, count), np.int32)
            task = FlattenTask(
                old=predicates.record, builder=builder.record, users=users, parent=parent, cursor=cursor,
                made=become, longest_copy=self.copies, inlined=inlined,
            )  # fmt: skip
            made = lowering_kernels()["flatten"](task.address)
            if made >= 0:
                break
            items *= 2
        rewrites = {rewrite: int(inlined[kind.code]) for kind, rewrite in INLINED.items()}
        return builder.result(made), +Counter(rewrites)
