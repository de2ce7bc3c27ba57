"""How far a program specialises: what is left of it on each tile of its box.

All tiles are interpreted at once, in batched abstract domains; x-only work is done per column of tiles,
y-only work per row. A tile is undecided when the root may be negative there and may be something else. What
is left is what the root still depends on when every min and max with a known outcome is its winning arm: with
the value demanded, or only `f < 0` (the rules of `minmax` and `signdemand`, and the demand of
`absint.ops.demand`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.analysis import DEFAULT_DOMAINS, make_domain
from absint.domains.lattice import Domain, Interval
from absint.errors import UsageError
from absint.graph import AXES, Graph
from absint.interpret import last_read, walk_abstract
from absint.ops.table import MAX, MIN, NEG, OPS, Op
from absint.precision import Precision
from absint.program import Box, Program, check_program

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
    """Interpret a program on the tiles of its box, `tiles` along x, y and z, and count what is left.

    Raises `UsageError` for a lowered program.
    """
    check_program(program)
    graph = program.graph
    if graph.lowered:
        raise UsageError("regions are measured of a real program: give the one that was lowered")
    domain = make_domain(domains, program.precision, batched=True)
    shape = (tiles[2], tiles[1], tiles[0])
    intervals = tile_intervals(program.box, tiles, program.precision)
    unread = last_read(graph)
    outcomes: dict[int, _Outcome] = {}
    with np.errstate(all="ignore"):
        for node, elements in walk_abstract(graph, domain, intervals):
            code, a, b = graph.rows[node]
            if code in (MIN.code, MAX.code):
                outcomes[node] = _outcome(domain, OPS[code], elements[a], elements[b])
            for operand in unread[node]:  # memory: thousands of nodes on thousands of tiles
                elements[operand] = None
        lower, upper, may_nan = domain.to_interval(elements[graph.root])
    # NaN is outside: a tile without numbers below 0 is outside, one that is < 0 or NaN is not inside
    inside = (upper < 0) & ~np.asarray(may_nan)
    undecided = np.broadcast_to(~(inside | (lower >= 0)), shape)
    return Regions(
        undecided,
        _count(graph, outcomes, undecided, for_sign=False),
        _count(graph, outcomes, undecided, for_sign=True),
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Outcome:
    """Where a min or max is known to be its first or second arm, and where an arm cannot change its sign.

    `left_idle` and `right_idle` are of the conjunction's test (`max < 0`, `min > 0`) and of the disjunction's
    (`min < 0`, `max > 0`). `numbers`: neither arm may be NaN; None where that is so everywhere.
    """

    left: Any
    right: Any
    left_idle: tuple[Any, Any]
    right_idle: tuple[Any, Any]
    numbers: Any


def _outcome(domain: Domain[Any], op: Op, first: Any, second: Any) -> _Outcome:
    """What is known of a min or max of two elements."""
    p, q = domain.to_interval(first), domain.to_interval(second)
    left_number, right_number = ~np.asarray(p.may_nan), ~np.asarray(q.may_nan)
    if op is MIN:
        left, right = domain.less(first, second), domain.less_equal(second, first)
        # conjunction: min > 0; disjunction: min < 0
        left_idle, right_idle = (p.lower > 0, p.lower >= 0), (q.lower > 0, q.lower >= 0)
    else:
        left, right = domain.less(second, first), domain.less_equal(first, second)
        # conjunction: max < 0; disjunction: max > 0
        left_idle, right_idle = (p.upper < 0, p.upper <= 0), (q.upper < 0, q.upper <= 0)
    numbers = left_number & right_number
    if numbers.all():
        return _Outcome(left, right, left_idle, right_idle, None)
    return _Outcome(
        left & right_number,
        right & left_number,
        (left_idle[0] & left_number, left_idle[1] & left_number),
        (right_idle[0] & right_number, right_idle[1] & right_number),
        numbers,
    )


def _count(
    graph: Graph, outcomes: Mapping[int, _Outcome], undecided: Masks, for_sign: bool
) -> NDArray[np.int32]:
    """Operations left on each tile, from the root to the leaves with masks of where each node is demanded."""
    counts = np.zeros(undecided.shape, np.int32)
    # for the value, for `< 0`, for `> 0`; None is nowhere
    demands: list[list[Any]] = [[None, None, None] for _ in range(len(graph))]
    demands[graph.root][NEGATIVE if for_sign else VALUE] = undecided
    for node in range(graph.root, -1, -1):
        code, a, b = graph.rows[node]
        value, negative, positive = demands[node]
        demands[node] = []
        anywhere = _either(_either(value, negative), positive)
        if a < 0 or anywhere is None or not anywhere.any():
            continue
        if code in (MIN.code, MAX.code):
            counts += _choose(OPS[code], outcomes[node], demands[a], demands[b], [value, negative, positive])
            continue
        if code == NEG.code:
            _demand(demands[a], VALUE, value)
            _demand(demands[a], NEGATIVE, positive)
            _demand(demands[a], POSITIVE, negative)
        else:
            _demand(demands[a], VALUE, anywhere)
            if b >= 0:
                _demand(demands[b], VALUE, anywhere)
        counts += anywhere
    return counts


VALUE, NEGATIVE, POSITIVE = range(3)
"""Kinds of demand, as places in a node's list of masks."""


def _choose(op: Op, known: _Outcome, first: list[Any], second: list[Any], wanted: list[Any]) -> Any:
    """Pass a min's or max's demands on to its arms, and return where both are needed: there it is left."""
    kept: Any = np.False_
    if wanted[VALUE] is not None:
        kept = _split(wanted[VALUE], known.left, known.right, VALUE, first, second)
    conjunction = NEGATIVE if op is MAX else POSITIVE
    for test in (NEGATIVE, POSITIVE):
        if wanted[test] is None:
            continue
        which = 0 if test == conjunction else 1
        only_left = known.left | known.right_idle[which]
        only_right = known.right | known.left_idle[which]
        demanded = wanted[test]
        if test != conjunction and known.numbers is not None:
            # where an arm may be NaN, the disjunction needs both arms' values, unless one arm is idle
            by_value = demanded & ~(only_left | only_right | known.numbers)
            _demand(first, VALUE, by_value)
            _demand(second, VALUE, by_value)
            kept = kept | by_value
            demanded = demanded ^ by_value
        kept = kept | _split(demanded, only_left, only_right, test, first, second)
    return kept


def _split(
    wanted: Any, only_left: Any, only_right: Any, kind: int, first: list[Any], second: list[Any]
) -> Any:
    """Demand each arm where it is needed, and return where both are."""
    not_left = wanted & ~only_left
    right_alone = not_left & only_right
    _demand(first, kind, wanted ^ right_alone)
    _demand(second, kind, not_left)
    return not_left ^ right_alone


def _either(a: Any, b: Any) -> Any:
    """The union of two masks, of which None is the empty one."""
    return b if a is None else a if b is None else a | b


def _demand(demands: list[Any], kind: int, mask: Any) -> None:
    """Add a mask to a node's demand of one kind."""
    demands[kind] = _either(demands[kind], mask)
