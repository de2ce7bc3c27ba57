"""How far a program specialises: what is left of it on each tile of its box.

In the interval domain alone, tiles are bounded by native kernels, sixteen at a time. In others all are
interpreted at once, batched; x-only work is done per column of tiles, y-only work per row. A tile is
undecided when the root may be negative there and may be something else. What is left is what the root still
depends on when every min and max with a known outcome is its winning arm: with the value demanded, or only
`f < 0` (the rules of `minmax` and `signdemand`, and the demand of `absint.ops.demand`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.base.errors import UsageError
from absint.domains.lattice import Domain, Interval
from absint.ir.box import Box
from absint.ir.graph import AXES, Graph
from absint.ir.interpreter import last_reads, walk_abstract
from absint.ir.program import Program, check_program
from absint.ir.tape import last_uses
from absint.lowering.sweep import ANYTHING, interval_kernels, write_interval
from absint.lowering.units import lowering_kernels
from absint.native.arrays import address_of, call
from absint.ops.precision import Precision
from absint.ops.table import MAX, MIN, NEG, OPS, Op
from absint.ops.units import LANES, record_dtype
from absint.rewriting.analysis import DEFAULT_DOMAINS, make_domain

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
    shape = (tiles[2], tiles[1], tiles[0])
    found = Regions(np.zeros(shape, bool), *np.zeros((2, *shape), np.int32))
    intervals = tile_intervals(program.box, tiles, program.precision)
    if tuple(domains) == DEFAULT_DOMAINS:
        _sweep_tiles(program, intervals, found)
        return found
    choices = int(np.isin(graph.op, (MIN.code, MAX.code)).sum())
    rows = max(1, MASK_BYTES // (max(1, choices) * MASKS_OF_A_CHOICE * tiles[0] * tiles[2]))
    for first in range(0, tiles[1], rows):
        part = slice(first, first + rows)
        here = Regions(
            found.undecided[:, part], found.operations[:, part], found.operations_for_sign[:, part]
        )
        _interpret_tiles(program, domains, _rows_of(intervals, part), here)
    return found


SCRATCH, MASKS_OF_A_CHOICE = 2, 7
"""Records before those of the slots, and masks of a min or max, see `absint.lowering.kernels.remaining`."""

MASK_BYTES = 2 * 10**8
"""Memory for the masks of min and max, a byte a tile each; with more, rows of tiles are done one after the
other.
"""


def _sweep_tiles(program: Program, intervals: Mapping[str, Interval], found: Regions) -> None:
    """Fill in what is found on the tiles by a native kernel, in the interval domain, sixteen at a time."""
    graph, precision = program.graph, program.precision
    kernel = lowering_kernels(precision)["remaining"]
    kernels = interval_kernels(graph, precision) * graph.live
    slots, variables, count = _slots(graph)
    records = np.zeros(count + SCRATCH, record_dtype(precision))
    for slot in variables.values():
        write_interval(records, slot + SCRATCH, ANYTHING)
    with np.errstate(over="ignore"):
        values = graph.constants.astype(precision.dtype)
    a, b = (np.ascontiguousarray(graph.args[:, column]) for column in (0, 1))
    choices = int(np.isin(graph.op, (MIN.code, MAX.code)).sum())
    known, masks = np.empty((choices, MASKS_OF_A_CHOICE), np.uint16), np.zeros((len(graph), 3), np.uint16)
    # `records[SCRATCH:]` may be empty, and an empty slice begins where its base does
    behind_scratch = address_of(records) + SCRATCH * records.itemsize
    given = len(graph), graph.op, a, b, kernels, slots, values, behind_scratch
    shape, total = found.undecided.shape, found.undecided.size
    ends = {name: [np.broadcast_to(part, shape).ravel() for part in intervals[name]]
            for name in variables if name in intervals}  # fmt: skip
    for first in range(0, total, LANES):
        tiles = np.minimum(np.arange(first, first + LANES), total - 1)
        here = slice(first, min(first + LANES, total))
        for name, parts in ends.items():
            write_interval(records, variables[name] + SCRATCH, Interval(*(part[tiles] for part in parts)))
        lanes = (1 << here.stop - first) - 1
        undecided, counts = np.zeros(1, np.int64), np.zeros((2, LANES), np.int32)
        call(kernel, *given, known, masks, lanes, undecided, counts)
        found.undecided.reshape(-1)[here] = undecided >> np.arange(here.stop - first) & 1
        for layer, left in zip((found.operations, found.operations_for_sign), counts, strict=True):
            layer.reshape(-1)[here] = left[: here.stop - first]


def _slots(graph: Graph) -> tuple[NDArray[np.int32], dict[str, int], int]:
    """Where the bounds of each node are kept as long as they are read, -1 for constants and dead nodes; the
    slots of the variables; and how many slots there are.
    """
    variables = {name: place for place, name in enumerate(sorted(set(graph.variables.values())))}
    last, free, count = last_uses(graph).tolist(), list[int](), len(variables)
    slots = [-1] * len(graph)
    for node, (_, a, b) in enumerate(graph.rows):
        if a < 0 or last[node] < 0:
            continue
        for operand in {a, b} - {-1}:
            if last[operand] == node and graph.rows[operand][1] >= 0:
                free.append(slots[operand])
        if not free:
            free.append(count)
            count += 1
        slots[node] = free.pop()
    for node, name in graph.variables.items():
        slots[node] = variables[name]
    return np.array(slots, np.int32), variables, count


def _undecided(lower: Any, upper: Any, may_nan: Any) -> Any:
    """Whether the root may be negative, and may be something else. NaN is outside: a tile without numbers
    below 0 is outside, one that is < 0 or NaN is not inside.
    """
    inside = (upper < 0) & ~np.asarray(may_nan)
    return ~(inside | (lower >= 0))


def _rows_of(intervals: Mapping[str, Interval], rows: slice) -> dict[str, Interval]:
    """The intervals of some rows of tiles, which lie along y."""
    return {
        name: Interval(*(part[:, rows] for part in ends)) if name == "y" else ends
        for name, ends in intervals.items()
    }


def _interpret_tiles(
    program: Program, domains: Sequence[str], intervals: Mapping[str, Interval], found: Regions
) -> None:
    """Fill in what is found on the tiles in any domains, on all of them at once."""
    graph = program.graph
    domain = make_domain(domains, program.precision, batched=True)
    unread = last_reads(graph)
    outcomes: dict[int, _Outcome] = {}
    with np.errstate(all="ignore"):
        for node, elements in walk_abstract(graph, domain, intervals):
            code, a, b = graph.rows[node]
            if code in (MIN.code, MAX.code):
                outcomes[node] = _outcome(domain, OPS[code], elements[a], elements[b])
            for operand in unread[node]:  # memory: thousands of nodes on thousands of tiles
                elements[operand] = None
        found.undecided[:] = _undecided(*domain.to_interval(elements[graph.root]))
    found.operations[:] = _count(graph, outcomes, found.undecided, for_sign=False)
    found.operations_for_sign[:] = _count(graph, outcomes, found.undecided, for_sign=True)


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
