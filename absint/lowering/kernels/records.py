"""Records that the lowering's kernels and their callers share. Needs no Numba."""

from __future__ import annotations

from typing import Literal

from absint.ir.records import Operands
from absint.lowering.plan_format import Entry
from absint.native.records import Array, Float64, Int32, Int64, Pointer, Real, Record, UInt8, UInt16

# Predicates


class Ends(Record):
    """The ends of a band, a row of `Predicates.bands`."""

    lower: Float64
    upper: Float64


class ValueBand(Record):
    """The predicate `lower <= value <= upper`. `value`: a real node, -1 for no band."""

    value: Int32
    lower: Float64
    upper: Float64


class PredicateArrays(Record):
    """The arrays of `absint.lowering.predicates.Predicates`, and how many predicates there are."""

    count: Int64
    code: Pointer[UInt8]
    value: Pointer[Int32]
    bands: Pointer[Ends]
    starts: Pointer[Int32]
    items: Pointer[Int32]
    lines: Pointer[Int32]


class PredicateBuilder(Record):
    """Predicates in the making, equal ones once; see `absint.lowering.kernels.predicates`.

    `band`: value and ends of the predicate that is looked for, value -1 and ends 0 unless it is a band.
    `made`: the predicates so far. There is room for `most` of them, with `most_items` operands in all;
    `is_full`: whether something did not fit. `slots`: a hash table of `mask + 1` predicates, a power of two,
    -1 for a free slot.
    """

    band: ValueBand
    made: PredicateArrays
    most: Int64
    most_items: Int64
    slots: Pointer[Int32]
    mask: Int64
    is_full: Int64


class FlattenTask(Record):
    """What the kernel `flatten` is given.

    Scratch of each predicate: in how many lists it is (`users`), the last of them (`parent`), the operand
    that is looked at next (`cursor`), and the predicate that it has become (`made`). `longest_copy`: operands
    of the longest list that is copied into several. `inlined`: the result, for each predicate code, how many
    lists gave their operands to another.
    """

    old: Pointer[PredicateArrays]
    builder: Pointer[PredicateBuilder]
    users: Pointer[Int32]
    parent: Pointer[Int32]
    cursor: Pointer[Int32]
    made: Pointer[Int32]
    longest_copy: Int64
    inlined: Pointer[Int64]


class NeedTask(Record):
    """What the kernel `number_needed` is given: `node_count` real nodes, and `count` predicates.

    `number`: the result, the new number of each real node that some predicate depends on, -1 for the others.
    """

    node_count: Int64
    operands: Pointer[Operands]
    count: Int64
    code: Pointer[UInt8]
    value: Pointer[Int32]
    number: Pointer[Int32]


# Sums `u(x) + v(y)`


class Side(Record):
    """One side of a sum: `sign * (t + offset)`, or that with a square, `t` being the value of a real node.

    `node`: -1 for the coordinate itself.
    """

    node: Int32
    is_squared: Int32
    offset: Float64
    sign: Float64


class Sum(Record):
    """A real node as a sum of two sides, of which the first is a function of x, the second one of y."""

    sides: Array[Side, Literal[2]]


class SumTask(Record):
    """What the kernel `find_sums` is given: `count` real nodes.

    `op`: operation codes, a diagonal's for an operation on one node twice. `varies`: whether each node varies
    with x and y, a union of `OF_X` and `OF_Y`. `constants`: numbers of the precision. Results: `is_sum`, 1
    for the nodes that are sums, and the `sums`.
    """

    count: Int64
    op: Pointer[UInt8]
    operands: Pointer[Operands]
    varies: Pointer[UInt8]
    constants: Pointer[Float64]
    is_sum: Pointer[UInt8]
    sums: Pointer[Sum]


# Terms

MOST_ENTRIES = 4096
"""Entries of a term, its bands included; a larger term is not written but left to the regions."""


class TermBox(Record):
    """The sides of a term's box: the ends of x and those of y."""

    left: Float64
    right: Float64
    bottom: Float64
    top: Float64


class SimpleTerm(Record):
    """A term that holds in a box where at most two sums are in their bands."""

    box: TermBox
    sums: Array[ValueBand, Literal[2]]


class DistributeTask(Record):
    """What the kernel `distribute` is given: predicates, and how a band of each real node is written.

    `axis`: 0 for x, 1 for y, whose bands are sides of boxes, 2 for all other nodes. `is_sum`: 1 for nodes
    whose bands are bands of sums.

    Results: `terms`, at most `room` of them; of each predicate, `first`, where its terms begin, and `length`,
    how many there are, -1 for a predicate that is no union of few simple terms.
    """

    predicates: Pointer[PredicateArrays]
    axis: Pointer[UInt8]
    is_sum: Pointer[UInt8]
    room: Int64
    terms: Pointer[SimpleTerm]
    first: Pointer[Int32]
    length: Pointer[Int32]


class Frame(Record):
    """A term that is being written, with its parts: the operands of its `all` and so on, down to bands and
    `any`.

    The parts are `parts[first:last]` of the task; alternatives are written as far as `part`, and in the `any`
    there as far as its operand `item`, -1 before the first. `header`: the entry that the term begins with.
    `factors`: how many factors the term has, and `position`, how many of these are written.
    """

    first: Int64
    last: Int64
    part: Int64
    item: Int64
    header: Int64
    position: Int64
    factors: Int64


class WrittenSizes(Record):
    """How many entries, boxes, bands of sums, tapes and bands of tapes are written."""

    entries: Int64
    boxes: Int64
    sums: Int64
    tapes: Int64
    tape_bands: Int64


class TermFacts(Record):
    """Of a written term: its `first` entry, -1 for a term that is too large and left out, and its `box`.

    `sums`, `bands`, `alternatives`: how many of each are factors of the term itself. `others`: how many bands
    of tapes are anywhere in it.
    """

    first: Int32
    box: Int32
    sums: Int32
    bands: Int32
    alternatives: Int32
    others: Int32


class TermTask(Record):
    """What the kernel `write_terms` is given: `count` terms to write.

    Term k is the predicate `predicate[k]`, or, unless that is -1, the simple term `product[k]` of `products`.
    `axis` and `is_sum`: see `DistributeTask`. Scratch: `parts` int32[MOST_ENTRIES + 8] and `frames`
    Frame[DEEPEST_TERM].

    Results, in arrays of `room` elements: `entries`, the code of the terms, in which sums and tapes are
    called by their numbers; `boxes`; `sums`, the bands of sums; and `tape_bands`, those of tapes, of which
    tape t has `tape_starts[t]` up to `tape_starts[t + 1]`: `tape_starts` has an element more. `facts`: of
    each term. `size`: how many of each there are; `before`: how many there were before the predicate that is
    being written. `used`: the entries and bands of that predicate, bounded by `MOST_ENTRIES`.
    """

    count: Int64
    predicate: Pointer[Int32]
    product: Pointer[Int32]
    products: Pointer[SimpleTerm]
    predicates: Pointer[PredicateArrays]
    axis: Pointer[UInt8]
    is_sum: Pointer[UInt8]
    parts: Pointer[Int32]
    frames: Pointer[Frame]
    room: Int64
    entries: Pointer[Entry]
    boxes: Pointer[TermBox]
    sums: Pointer[ValueBand]
    tape_starts: Pointer[Int32]
    tape_bands: Pointer[ValueBand]
    size: WrittenSizes
    before: WrittenSizes
    used: Int64
    facts: Pointer[TermFacts]


# Bounds


class Intervals(Record):
    """Sixteen intervals as the kernels of operations read and write them, see `absint.ops.kernels`."""

    lower: Array[Real, Literal[16]]
    upper: Array[Real, Literal[16]]
    may_nan: Int64
    unused: Array[Int64, Literal[7]]


class SweepTask(Record):
    """What the kernel `sweep` is given: a graph of `count` nodes.

    `kernel`: the interval kernel of each operation, 0 for a node whose interval is there already. `lower`,
    `upper` and `may_nan`: the intervals. `scratch`: kernels read and write sixteen intervals, which stay in
    there: so many of each node would not fit into the processor's caches.
    """

    count: Int64
    kernel: Pointer[Int64]
    operands: Pointer[Operands]
    lower: Pointer[Real]
    upper: Pointer[Real]
    may_nan: Pointer[UInt8]
    scratch: Array[Intervals, Literal[3]]


# What remains of a program on tiles


class Choice(Record):
    """Where a min or max is decided, as masks of lanes.

    `left`, `right`: where its value needs that arm alone. The same where the only question is a test that
    both arms must pass (*conjunction*: `max < 0`, `min > 0`) or that one must (*disjunction*). `numbers`:
    where neither arm may be NaN.
    """

    left: UInt16
    right: UInt16
    conjunction_left: UInt16
    conjunction_right: UInt16
    disjunction_left: UInt16
    disjunction_right: UInt16
    numbers: UInt16


class DemandMasks(Record):
    """The lanes in which a node is demanded: for its value, for `< 0` and for `> 0`."""

    value: UInt16
    negative: UInt16
    positive: UInt16


class RemainingTask(Record):
    """What the kernel `count_remaining` is given: a graph of `count` nodes, and sixteen tiles.

    `kernel`: the interval kernel of each operation that the root depends on, else 0. `slot`: the place of
    each node's bounds among `bounds`, -1 for a constant, whose number is in `values`; those of variables are
    filled. `choices`: scratch, one for each min and max. `demands`: 0 before and after. `lanes`: the tiles
    that count.

    Results: `undecided`, the tiles in which the root is; and for each lane in it how many operations remain
    if the root's value is demanded (`operations`), and if only its sign is (`operations_for_sign`), added up.
    """

    count: Int64
    op: Pointer[UInt8]
    operands: Pointer[Operands]
    kernel: Pointer[Int64]
    slot: Pointer[Int32]
    values: Pointer[Real]
    bounds: Pointer[Intervals]
    scratch: Array[Intervals, Literal[2]]
    choices: Pointer[Choice]
    demands: Pointer[DemandMasks]
    lanes: Int64
    undecided: Int64
    operations: Pointer[Int32]
    operations_for_sign: Pointer[Int32]
