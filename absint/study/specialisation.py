"""Specialisation: the operations left of a program on each tile of its box.

A program and numbers of tiles enter, arrays over tiles leave. A tile is undecided if the root may be negative
there and may be nonnegative or NaN. The operations left are those on which the root still depends after every
min and max with a known outcome is replaced by its winning arm: once if the value is needed, once if only `f
< 0` is (by the rules of `minmax` and `signdemand`, and the demand of `absint.ops.demand`).

In the interval domain alone, native kernels process sixteen tiles at a time. In other domains all tiles are
interpreted at once; values of x alone are computed once per column of tiles, values of y alone once per row.
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
from absint.ir.records import Operands
from absint.ir.tape import last_uses
from absint.lowering.kernels.records import Choice, DemandMasks, Intervals, RemainingTask
from absint.lowering.sweep import ANYTHING, interval_kernels, write_interval
from absint.lowering.units import lowering_kernels
from absint.ops.precision import Precision
from absint.ops.table import MAX, MIN, NEG, OPS, Op
from absint.ops.units import LANES
from absint.rewriting.analysis import DEFAULT_DOMAINS, make_domain

Masks = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Regions:
    """Operations left on each tile. Indices grow with the coordinates.

    `undecided`: bool[z, y, x]. `operations` and `operations_for_sign`: int32[z, y, x], if the root's value,
    or only its sign, is needed; 0 on decided tiles.
    """

    undecided: Masks
    operations: NDArray[np.int32]
    operations_for_sign: NDArray[np.int32]

    @property
    def undecided_share(self) -> float:
        """The share of undecided tiles, from 0 to 1."""
        return float(self.undecided.mean())

    def mean_left(self, counts: NDArray[np.int32]) -> float:
        """The mean of `operations` or `operations_for_sign` over undecided tiles; 0 if there are none."""
        return float(counts[self.undecided].mean()) if self.undecided.any() else 0.0


def tile_intervals(box: Box, tiles: tuple[int, int, int], precision: Precision) -> dict[str, Interval]:
    """The tiles of a box as batched intervals that broadcast to the shape (nz, ny, nx); neighbours share an
    edge.

    `tiles`: numbers of tiles along x, y and z. Axes that the box does not bound are left out. An axis whose
    extent is infinite, or overflows, is not divided: each of its tiles covers all of it.
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
    """Count the operations left on each tile of a program's box. `tiles`: numbers of tiles along x, y and z.

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


MASKS_OF_A_CHOICE = len(Choice.fields)
"""Masks of a min or max, see `_Outcome`."""

MASK_BYTES = 2 * 10**8
"""Limit on the memory for masks of min and max, at a byte per tile and mask; to stay below it, tiles are
processed in groups of rows.
"""


def _sweep_tiles(program: Program, intervals: Mapping[str, Interval], found: Regions) -> None:
    """Fill `found` by a native kernel in the interval domain, sixteen tiles at a time."""
    graph, precision = program.graph, program.precision
    kernel = lowering_kernels(precision)["count_remaining"]
    slots, variables, count = _slots(graph)
    bounds = Intervals.of(precision.value).array(count)
    for slot in variables.values():
        write_interval(bounds, slot, ANYTHING)
    with np.errstate(over="ignore"):
        values = graph.constants.astype(precision.dtype)
    counts = np.zeros((2, LANES), np.int32)
    task = RemainingTask.of(precision.value)(
        count=len(graph), op=graph.op, operands=Operands.view(graph.args),
        kernel=interval_kernels(graph, precision) * graph.live, slot=slots, values=values, bounds=bounds,
        choices=Choice.array(int(np.isin(graph.op, (MIN.code, MAX.code)).sum())),
        demands=DemandMasks.array(len(graph)), operations=counts[0], operations_for_sign=counts[1],
    )  # fmt: skip
    shape, total = found.undecided.shape, found.undecided.size
    ends = {name: [np.broadcast_to(part, shape).ravel() for part in intervals[name]]
            for name in variables if name in intervals}  # fmt: skip
    for first in range(0, total, LANES):
        tiles = np.minimum(np.arange(first, first + LANES), total - 1)
        here = slice(first, min(first + LANES, total))
        for name, parts in ends.items():
            write_interval(bounds, variables[name], Interval(*(part[tiles] for part in parts)))
        task.lanes = (1 << here.stop - first) - 1
        counts[:] = 0
        kernel(task.address)
        found.undecided.reshape(-1)[here] = task.undecided >> np.arange(here.stop - first) & 1
        for layer, left in zip((found.operations, found.operations_for_sign), counts, strict=True):
            layer.reshape(-1)[here] = left[: here.stop - first]


def _slots(graph: Graph) -> tuple[NDArray[np.int32], dict[str, int], int]:
    """The slot of each node's bounds (-1 for constants and dead nodes), the variables' slots by name, and the
    number of slots. A slot is reused after its value's last use.
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
    """Whether the root may be negative and may be nonnegative or NaN. NaN counts as outside."""
    inside = (upper < 0) & ~np.asarray(may_nan)
    return ~(inside | (lower >= 0))


def _rows_of(intervals: Mapping[str, Interval], rows: slice) -> dict[str, Interval]:
    """The intervals of some rows of tiles (y)."""
    return {
        name: Interval(*(part[:, rows] for part in ends)) if name == "y" else ends
        for name, ends in intervals.items()
    }


def _interpret_tiles(
    program: Program, domains: Sequence[str], intervals: Mapping[str, Interval], found: Regions
) -> None:
    """Fill `found` by abstract interpretation in any domains, on all tiles at once."""
    graph = program.graph
    domain = make_domain(domains, program.precision, batched=True)
    unread = last_reads(graph)
    outcomes: dict[int, _Outcome] = {}
    with np.errstate(all="ignore"):
        for node, elements in walk_abstract(graph, domain, intervals):
            code, a, b = graph.rows[node]
            if code in (MIN.code, MAX.code):
                outcomes[node] = _outcome(domain, OPS[code], elements[a], elements[b])
            for operand in unread[node]:  # saves memory: thousands of nodes on thousands of tiles
                elements[operand] = None
        found.undecided[:] = _undecided(*domain.to_interval(elements[graph.root]))
    found.operations[:] = _count(graph, outcomes, found.undecided, for_sign=False)
    found.operations_for_sign[:] = _count(graph, outcomes, found.undecided, for_sign=True)


@dataclass(frozen=True, eq=False, slots=True)
class _Outcome:
    """Masks over tiles of what is known of a min or max.

    `left` and `right`: it equals its first or second arm. `left_idle` and `right_idle`: the arm cannot change
    the answer to a sign test; first of the conjunction (`max < 0`, `min > 0`), then of the disjunction (`min
    < 0`, `max > 0`). `numbers`: neither arm may be NaN; None if that holds on all tiles.
    """

    left: Any
    right: Any
    left_idle: tuple[Any, Any]
    right_idle: tuple[Any, Any]
    numbers: Any


def _outcome(domain: Domain[Any], op: Op, first: Any, second: Any) -> _Outcome:
    """The outcome of a min or max of two batched elements."""
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
    """Operations left on each tile, by passing masks of demands from the root down to the leaves."""
    counts = np.zeros(undecided.shape, np.int32)
    # each node's masks: value, `< 0` and `> 0` demanded; None: on no tile
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
"""Kinds of demand: indices into a node's list of masks."""


def _choose(op: Op, known: _Outcome, first: list[Any], second: list[Any], wanted: list[Any]) -> Any:
    """Pass a min's or max's demands on to its arms. Returns the mask of the tiles where both arms are
    demanded, so that the operation is left.
    """
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
    """Demand each arm where it is needed. Returns the mask of the tiles where both are."""
    not_left = wanted & ~only_left
    right_alone = not_left & only_right
    _demand(first, kind, wanted ^ right_alone)
    _demand(second, kind, not_left)
    return not_left ^ right_alone


def _either(a: Any, b: Any) -> Any:
    """The union of two masks; None is the empty mask."""
    return b if a is None else a if b is None else a | b


def _demand(demands: list[Any], kind: int, mask: Any) -> None:
    """Add a mask to a node's demand of one kind."""
    demands[kind] = _either(demands[kind], mask)
