"""Missed optimisations: every min and max that remains in a program, with the bounds of its arms.

There may be as many as operations, so entries are made on demand.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from absint.base.memo import cached_property
from absint.frontend.vm import complete_names, instruction_text
from absint.ir.graph import Graph
from absint.ir.program import Program
from absint.ops.demand import LABELS, Bounds
from absint.ops.table import MAX, MIN, OPS
from absint.passes.analyses.bounds import bounds_of
from absint.passes.analyses.demand import demand_of
from absint.rewriting.analysis import Analyses, BoundFacts


class Missed(Sequence[dict[str, Any]]):
    """The undecided choices (min and max) of a program, least overlap first, ties in the source's order.

    An entry has the choice's `op`, `name`, `line` and `text` in the source; the `demand` on it; `overlap`,
    the length of the intersection of its arms' bounds relative to their hull; `why` it remains; and its arms,
    `left` and `right`, each with `line`, `text`, `lower`, `upper` and `may_nan`.
    """

    def __init__(self, program: Program, analyses: Analyses) -> None:
        self._graph = program.graph
        self._facts = bounds_of(program, analyses)
        self._demand = demand_of(program, analyses)
        self._source = _SourceLines(program.origin.graph)
        open_ = np.isin(self._graph.op, (MIN.code, MAX.code)) & (self._demand != 0)
        nodes = np.flatnonzero(open_)
        overlaps = _overlaps(self._facts, *self._graph.args[nodes].T)
        order = np.lexsort((self._graph.lines[nodes], overlaps))
        self._nodes, self._overlaps = nodes[order], overlaps[order]

    def __len__(self) -> int:
        return len(self._nodes)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self._entry(place) for place in range(*index.indices(len(self)))]
        return self._entry(range(len(self))[index])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self._entry, range(len(self)))

    def _entry(self, place: int) -> dict[str, Any]:
        graph, bounds, node = self._graph, self._facts.bounds, int(self._nodes[place])
        code, a, b = graph.rows[node]
        line = int(graph.lines[node])
        return {
            "op": OPS[code].name,
            "line": line or None,
            "text": self._source.text(line),
            "name": graph.names[node],
            "demand": LABELS[int(self._demand[node])],
            "left": self._arm(a),
            "right": self._arm(b),
            "overlap": float(self._overlaps[place]),
            "why": _why(bounds[a], bounds[b]),
        }

    def _arm(self, node: int) -> dict[str, Any]:
        bounds, line = self._facts.bounds[node], int(self._graph.lines[node])
        return {
            "line": line or None,
            "text": self._source.text(line),
            "lower": json_number(bounds.lower),
            "upper": json_number(bounds.upper),
            "may_nan": bounds.may_nan,
        }


class _SourceLines:
    """The instructions of a source by line, as `.vm` text with single spaces."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._order = np.argsort(graph.lines, kind="stable")
        self._lines = graph.lines[self._order]

    @cached_property
    def _names(self) -> list[str]:
        return complete_names(self._graph)

    def text(self, line: int) -> str | None:
        """The instruction of a line; the last one if it has several, None if it has none or `line` is 0."""
        place = int(np.searchsorted(self._lines, line, side="right")) - 1
        if not line or place < 0 or self._lines[place] != line:
            return None
        return instruction_text(self._graph, self._names, int(self._order[place]))


def _overlaps(facts: BoundFacts, a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.float64]:
    """The overlap of bounds relative to their hull: 0 if apart or touching, 1 if equal or unbounded."""
    lower, upper, _ = facts.columns
    with np.errstate(invalid="ignore", divide="ignore"):
        hull = np.maximum(upper[a], upper[b]) - np.minimum(lower[a], lower[b])
        shared = np.minimum(upper[a], upper[b]) - np.maximum(lower[a], lower[b])
        share = np.where((hull > 0) & (hull < np.inf), shared / hull, 1.0)
    return np.where(shared < 0, 0.0, share)  # disjoint: the choice remains because an arm may be NaN


def _why(left: Bounds, right: Bounds) -> str:
    """The reason why a choice between arms with these bounds is undecided."""
    apart = left.upper < right.lower or right.upper < left.lower
    ranges = [f"[{bounds.lower:.4g}, {bounds.upper:.4g}]" for bounds in (left, right)]
    reasons = [f"{ranges[0]} and {ranges[1]} are apart" if apart else f"{ranges[0]} overlaps {ranges[1]}"]
    reasons += ["the left arm may be NaN"] * left.may_nan + ["the right arm may be NaN"] * right.may_nan
    return ", ".join(reasons)


def json_number(value: float) -> float | str:
    """A float as JSON can hold it: infinities and NaN become strings."""
    return value if math.isfinite(value) else str(value)
