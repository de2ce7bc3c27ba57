"""How far a program specialises: what is left of it on each tile of its box.

All tiles are interpreted at once, in batched abstract domains; x-only work is done per column of tiles,
y-only work per row. A tile is undecided when the root may be negative there and may be something else. What
is left is what the root still depends on when every min and max with a known outcome is its winning arm: with
the value demanded, or only `f < 0` (the rules of `minmax` and `signdemand`, and the demand of
`absint.ops.demand`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.analysis import DEFAULT_DOMAINS, make_domain
from absint.domains.lattice import Domain, Interval
from absint.graph import AXES, Graph
from absint.interpret import interpret_abstract
from absint.ops.table import MAX, MIN, NEG, OPS
from absint.precision import Precision
from absint.program import Box, Program

Masks = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Regions:
    """What is left on each tile; axes run with the coordinate.

    `undecided`: bool[z, y, x]. `operations`, `operations_for_sign`: int[z, y, x], 0 where decided, with the
    root's value and with only its sign demanded.
    """

    undecided: Masks
    operations: NDArray[np.int32]
    operations_for_sign: NDArray[np.int32]

    @property
    def undecided_share(self) -> float:
        """Between 0 and 1."""
        return float(self.undecided.mean())

    def mean_left(self, counts: NDArray[np.int32]) -> float:
        """The mean of `operations` or `operations_for_sign` over undecided tiles; 0 if there are none."""
        return float(counts[self.undecided].mean()) if self.undecided.any() else 0.0


def tile_intervals(box: Box, tiles: tuple[int, int, int], precision: Precision) -> dict[str, Interval]:
    """The closed tiles of a box, which share their edges, as batched intervals of shape (nz, ny, nx).

    `tiles`: how many along x, y and z. Axes that the box does not bound are not in the result; one whose
    extent is infinite, or overflows, is not divided: all its tiles are the whole of it.
    """
    intervals = {}
    for axis, (name, count) in enumerate(zip(AXES, tiles, strict=True)):
        lower, upper, unbounded = box.of_variable(name)
        if unbounded:
            continue
        if np.isfinite(upper - lower):
            edges = np.linspace(lower, upper, count + 1).astype(precision.dtype)
            low, high = edges[:-1], edges[1:]
        else:
            low, high = (np.full(count, end, precision.dtype) for end in (lower, upper))
        shape = [1, 1, 1]
        shape[2 - axis] = count
        low, high = low.reshape(shape), high.reshape(shape)
        intervals[name] = Interval(low, high, np.zeros(shape, bool))
    return intervals


def measure_regions(
    program: Program, tiles: tuple[int, int, int], domains: Sequence[str] = DEFAULT_DOMAINS
) -> Regions:
    """Interpret a program on the tiles of its box, `tiles` along x, y and z, and count what is left."""
    graph = program.graph
    domain = make_domain(domains, program.precision, batched=True)
    intervals = tile_intervals(program.box, tiles, program.precision)
    elements = interpret_abstract(graph, domain, intervals)
    shape = (tiles[2], tiles[1], tiles[0])
    lower, upper, _ = domain.to_interval(elements[-1])
    # NaN is outside, so a tile whose numbers are all >= 0 is outside, and one < 0 that may be NaN is not
    # inside
    inside = (upper < 0) & ~_may_nan(domain, elements[-1])
    undecided = np.broadcast_to(~(inside | (lower >= 0)), shape)
    sweep = _Sweep(graph, domain, elements, undecided)
    return Regions(undecided, sweep.count(for_sign=False), sweep.count(for_sign=True))


def _may_nan(domain: Domain[Any], element: Any) -> Any:
    return np.asarray(domain.to_interval(element).may_nan)


@dataclass(frozen=True, eq=False)
class _Outcome:
    """Where a min or max is known to be its first or second arm, and where an arm cannot change its sign.

    `idle_*` are of the conjunction's test (`max < 0`, `min > 0`) and the disjunction's (`min < 0`, `max >
    0`).
    """

    left: Any
    right: Any
    left_idle: tuple[Any, Any]
    right_idle: tuple[Any, Any]
    numbers: Any


class _Sweep:
    """From the root to the leaves, with masks of the tiles on which each node is still demanded."""

    def __init__(self, graph: Graph, domain: Domain[Any], elements: list[Any], undecided: Masks) -> None:
        self.graph = graph
        self.domain = domain
        self.elements = elements
        self.undecided = undecided
        self._outcomes: dict[int, _Outcome] = {}

    def count(self, for_sign: bool) -> NDArray[np.int32]:
        """Operations left on each tile."""
        graph = self.graph
        counts = np.zeros(self.undecided.shape, np.int32)
        # demanded for the value, for `< 0`, for `> 0`; absent is nowhere
        demands: list[list[Any]] = [[None, None, None] for _ in range(len(graph))]
        demands[graph.root][1 if for_sign else 0] = self.undecided
        for node in range(graph.root, -1, -1):
            code, a, b = graph.rows[node]
            value, negative, positive = demands[node]
            demands[node] = []
            if a < 0 or (value is None and negative is None and positive is None):
                continue
            if code in (MIN.code, MAX.code):
                counts += self._choose(node, demands[a], demands[b], value, negative, positive)
                continue
            if code == NEG.code:
                _demand(demands[a], 1, positive)
                _demand(demands[a], 2, negative)
                anywhere = _either(_either(value, negative), positive)
            else:
                value = anywhere = _either(_either(value, negative), positive)
            _demand(demands[a], 0, value)
            if b >= 0:
                _demand(demands[b], 0, value)
            counts += anywhere
        return counts

    def _choose(
        self, node: int, first: list[Any], second: list[Any], value: Any, negative: Any, positive: Any
    ) -> Any:
        """Pass a min's or max's demands on to its arms; where both are needed it is counted."""
        known = self._outcome(node)
        left, right = known.left, known.right
        kept: Any = np.False_
        if value is not None:
            _demand(first, 0, value & ~right)
            _demand(second, 0, value & ~left)
            kept = value & ~(left | right)
        conjunction, disjunction = (1, 2) if OPS[self.graph.rows[node][0]] is MAX else (2, 1)
        for test, wanted in ((1, negative), (2, positive)):
            if wanted is None:
                continue
            which = 0 if test == conjunction else 1
            only_left = left | known.right_idle[which]
            only_right = (right | known.left_idle[which]) & ~only_left
            both = wanted & ~(only_left | only_right)
            _demand(first, test, wanted & only_left)
            _demand(second, test, wanted & only_right)
            if test == disjunction:  # exact only where neither arm may be NaN
                _demand(first, 0, both & ~known.numbers)
                _demand(second, 0, both & ~known.numbers)
                kept = kept | both
                both = both & known.numbers
            else:
                kept = kept | both
            _demand(first, test, both)
            _demand(second, test, both)
        return kept

    def _outcome(self, node: int) -> _Outcome:
        if node not in self._outcomes:
            self._outcomes[node] = self._known(node)
        return self._outcomes[node]

    def _known(self, node: int) -> _Outcome:
        code, a, b = self.graph.rows[node]
        domain, first, second = self.domain, self.elements[a], self.elements[b]
        p, q = domain.to_interval(first), domain.to_interval(second)
        left_number, right_number = ~np.asarray(p.may_nan), ~np.asarray(q.may_nan)
        if OPS[code] is MIN:
            left, right = domain.less(first, second), domain.less_equal(second, first)
            # conjunction: min > 0; disjunction: min < 0
            left_idle, right_idle = (p.lower > 0, p.lower >= 0), (q.lower > 0, q.lower >= 0)
        else:
            left, right = domain.less(second, first), domain.less_equal(first, second)
            # conjunction: max < 0; disjunction: max > 0
            left_idle, right_idle = (p.upper < 0, p.upper <= 0), (q.upper < 0, q.upper <= 0)
        return _Outcome(
            left & right_number,
            right & left_number,
            (left_idle[0] & left_number, left_idle[1] & left_number),
            (right_idle[0] & right_number, right_idle[1] & right_number),
            left_number & right_number,
        )


def _either(a: Any, b: Any) -> Any:
    """The union of two masks, of which None is the empty one."""
    return b if a is None else a if b is None else a | b


def _demand(demands: list[Any], kind: int, mask: Any) -> None:
    """Add a mask to a node's demand of one kind."""
    if mask is not None and mask.any():
        demands[kind] = _either(demands[kind], mask)
