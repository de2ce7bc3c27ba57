"""Bands: comparisons of one value become one, and what an enclosing `all` implies is left out.

In an `all` the bands of a value are intersected; in an `any` those that overlap or touch, no float between
them, are united. Below an `all` that holds `lo <= v <= hi`, a band of v needs to say only what goes beyond: it
is true, false, or loses an end. That holds for predicates with one user, whose circumstances are known.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from absint.analysis import Analyses
from absint.lowering import PredicateBuilder, Predicates, Row, assembled
from absint.manager import PassResult
from absint.ops.table import ALL, ANY, BAND
from absint.precision import Precision
from absint.program import Program, Promise
from absint.rules import Mode, Rewrite

JOINED = {
    ALL.code: Rewrite("intersect-bands", Mode.BITS),
    ANY.code: Rewrite("unite-bands", Mode.BITS),
}
IMPLIED = Rewrite("implied-band", Mode.BITS)
IMPLIED_END = Rewrite("implied-end", Mode.BITS)

Ends = tuple[float, float]
Context = dict[int, Ends]
"""What is known of real nodes where a predicate is asked: that they are numbers between two ends."""


@dataclass(frozen=True)
class Bands:
    """Joins bands, in sweeps until nothing changes."""

    name: ClassVar[str] = "bands"
    promise: ClassVar[Promise] = Promise.BITS
    lowers: ClassVar[bool] = True

    def run(self, program: Program, analyses: Analyses) -> PassResult:
        """Join the bands of a lowered program; a real one stays as it is."""
        if not program.graph.lowered:
            return PassResult(program, Counter())
        predicates = Predicates.of(program.graph)
        rewrites: Counter[Rewrite] = Counter()
        while True:
            sweep = _Sweep(list(predicates.rows()), program.precision)
            if not sweep.rewrites:
                break
            rewrites += sweep.rewrites
            predicates = sweep.result
        if not rewrites:
            return PassResult(program, rewrites)
        return PassResult(program.with_graph(assembled(program.graph, predicates)), rewrites)


class _Sweep:
    """One sweep from the root down for what is known, and up again for what is left."""

    def __init__(self, rows: list[Row], precision: Precision) -> None:
        self._rows = rows
        self._precision = precision
        self._builder = PredicateBuilder()
        self.rewrites: Counter[Rewrite] = Counter()
        contexts = self._contexts()
        made = []
        for row, context in zip(rows, contexts, strict=True):
            if row.items:
                made.append(self._joined(row, context, made))
            else:
                made.append(self._builder.leaf(*row[:4], row.line))
        self.result = self._builder.build(made[-1])

    def _contexts(self) -> list[Context]:
        """What is known where each predicate is asked; nothing where it has several users."""
        rows = self._rows
        users = [0] * len(rows)
        for row in rows:
            for item in row.items:
                users[item] += 1
        contexts: list[Context] = [{}] * len(rows)
        for row, context in zip(reversed(rows), reversed(contexts), strict=True):
            inner = context
            if row.code == ALL.code:
                inner = dict(context)
                for band in self._bands(row):
                    lower, upper = inner.get(band.value, (-math.inf, math.inf))
                    inner[band.value] = max(lower, band.lower), min(upper, band.upper)
            for item in row.items:
                if users[item] == 1:
                    contexts[item] = inner
        return contexts

    def _bands(self, row: Row) -> Iterable[Row]:
        return (self._rows[item] for item in row.items if self._rows[item].code == BAND.code)

    def _joined(self, row: Row, context: Context, made: list[int]) -> int:
        """An `all` or `any` whose bands are joined with each other and freed of what the context says."""
        items = [made[item] for item in row.items if self._rows[item].code != BAND.code]
        of_value: dict[int, list[Row]] = {}
        for band in self._bands(row):
            of_value.setdefault(band.value, []).append(band)
        for value, bands in of_value.items():
            ends = [(band.lower, band.upper) for band in bands]
            if len(ends) > 1:
                ends = [_intersection(ends)] if row.code == ALL.code else self._united(ends)
                if len(ends) < len(bands):
                    self.rewrites[JOINED[row.code]] += len(bands) - len(ends)
            known = context.get(value)
            items += (self._asked(value, pair, known, bands[0].line) for pair in ends)
        return self._builder.join(row.code, items, row.line)

    def _united(self, ends: list[Ends]) -> list[Ends]:
        """Bands that hold the same numbers, with a float outside between any two."""
        united: list[Ends] = []
        for lower, upper in sorted(ends):
            if united and lower <= self._above(united[-1][1]):
                united[-1] = united[-1][0], max(upper, united[-1][1])
            else:
                united.append((lower, upper))
        return united

    def _above(self, value: float) -> float:
        """The next float of the precision."""
        real = self._precision.real
        return float(np.nextafter(real(value), real(math.inf)))

    def _asked(self, value: int, ends: Ends, known: Ends | None, line: int) -> int:
        """The band of a value of which something is known."""
        lower, upper = ends
        if known is None:
            return self._builder.band(value, lower, upper, line)
        if known[0] >= lower and known[1] <= upper:
            self.rewrites[IMPLIED] += 1
            return self._builder.true
        if known[0] > upper or known[1] < lower:
            self.rewrites[IMPLIED] += 1
            return self._builder.false
        if known[0] >= lower > -math.inf:
            self.rewrites[IMPLIED_END] += 1
            lower = -math.inf
        if known[1] <= upper < math.inf:
            self.rewrites[IMPLIED_END] += 1
            upper = math.inf
        return self._builder.band(value, lower, upper, line)


def _intersection(ends: list[Ends]) -> Ends:
    return max(lower for lower, _ in ends), min(upper for _, upper in ends)
