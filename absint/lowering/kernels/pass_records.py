"""Records of the kernels of lowering passes, `predicates`, `contract` and `bands`. Needs no Numba."""

from __future__ import annotations

from absint.lowering.kernels.records import Ends, PredicateArrays, PredicateBuilder
from absint.native.records import Float64, Int32, Int64, Pointer, Real, Record, UInt8

# Demands on real nodes


class RealNodes(Record):
    """Real nodes that demands are pushed through, and what is known of each.

    `op`: operation codes; `traits`: `absint.ops.table.TRAITS`. `a`, `b`: operands, -1 for none. An operation
    that has one operand twice stands as its diagonal, if it has one. `lower`, `upper`: bounds of the numbers;
    `may_nan`: whether the value may be NaN. `variables`: how many variables the value depends on, 2 for more
    than one.

    Results of `find_bases`: `base`, the node that each is a function of, -1 for a constant; `paths`, about
    how many bands of variables a demand on the node becomes, `MANY` where bands of other values are needed.
    """

    count: Int64
    traits: Pointer[UInt8]
    op: Pointer[UInt8]
    a: Pointer[Int32]
    b: Pointer[Int32]
    lower: Pointer[Float64]
    upper: Pointer[Float64]
    may_nan: Pointer[UInt8]
    variables: Pointer[UInt8]
    base: Pointer[Int32]
    paths: Pointer[Int32]


class DemandArrays(Record):
    """Demands `lower <= value <= upper` on real nodes; the first two are false and true, on node -1.

    `kind`: what became of each, see `KINDS` in `absint.lowering.kernels.thresholds`. `first`, `second`: the
    demands on operands that it became, -1 for none. `after`: the next demand on the same node, -1 for none.
    `count`: how many demands there are; there is room for `most`. `slots`: a hash table of `mask + 1`
    demands, a power of two, -1 for a free slot.
    """

    count: Int64
    most: Int64
    node: Pointer[Int32]
    lower: Pointer[Float64]
    upper: Pointer[Float64]
    kind: Pointer[UInt8]
    first: Pointer[Int32]
    second: Pointer[Int32]
    after: Pointer[Int32]
    slots: Pointer[Int32]
    mask: Int64


class Asking(Record):
    """Who asks of a real node, scratch of `push`.

    `oldest`, `newest`: the first and last of the demands on the node, -1 for none; `times`: how many there
    are. `asker`: the last node that asked; `askers`: how many nodes did.

    `ends`: at least how many values above the node lead to it: the `most` that lead to one of its askers, and
    one for each other asker. A demand of a node of several variables on a node of one stands beside bands of
    others, so each such demand counts as one.
    """

    oldest: Int32
    newest: Int32
    times: Int32
    asker: Int32
    askers: Int32
    most: Int32
    ends: Int32


class PushTask(Record):
    """What the kernel `push` is given: the demand `value < 0` of the node `root`.

    `asking`: scratch, one for each node. Results: the `demands`, and `steps`, for each operation code, how
    many demands were pushed through the operation.
    """

    root: Int64
    nodes: Pointer[RealNodes]
    demands: Pointer[DemandArrays]
    asking: Pointer[Asking]
    steps: Pointer[Int64]


class SettleTask(Record):
    """What the kernel `settle` is given: `count` demands of `push`.

    `starts` int32[nodes + 2], `order` and `weight` of each demand: scratch. Results: `result`, for each
    demand 0 (false), 1 (true) or the demand that stands for it, whose kind is atom, any or all; `is_needed`,
    all 0 before, for each demand whether the root needs it; `needed`, the needed ones as a list, children
    first; `answer`, the result of the root's demand.
    """

    count: Int64
    nodes: Pointer[RealNodes]
    demands: Pointer[DemandArrays]
    starts: Pointer[Int32]
    order: Pointer[Int32]
    weight: Pointer[Int32]
    result: Pointer[Int32]
    is_needed: Pointer[UInt8]
    needed: Pointer[Int32]
    answer: Int64


# Contraction

DEEPEST_BOX = 32
"""Nested lists that `contract` looks into; what lies deeper shrinks nothing."""


class ConesTask(Record):
    """What the kernel `find_cones` is given: `count` real nodes, described as in `RealNodes`.

    `is_wanted`: the nodes whose cones are wanted. `seen` of each node, all -1 before, and `stack`
    int32[2 * count + 2]: scratch. Result: the cone of node i is `cones[starts[i]:starts[i + 1]]`; there is
    room for `most` nodes in all cones.
    """

    count: Int64
    traits: Pointer[UInt8]
    op: Pointer[UInt8]
    a: Pointer[Int32]
    b: Pointer[Int32]
    is_wanted: Pointer[UInt8]
    seen: Pointer[Int32]
    stack: Pointer[Int32]
    starts: Pointer[Int32]
    cones: Pointer[Int32]
    most: Int64


class LookedInto(Record):
    """A predicate that a round of `contract` looks into, and the next position among its operands."""

    predicate: Int32
    position: Int32


class ContractTask(Record):
    """What the kernel `contract` is given: `jobs` jobs, of which those before `first` are done.

    Job j shrinks box number `outer[j]`, which is at most j, for the predicate `item[j]`, into box number
    j + 1. `boxes` real[jobs + 1, dimensions, 2]: lower and upper ends. `is_held` of each box: whether it
    holds a point. `left`: how many visits may be made in all; the kernel takes off those it makes.

    Of real nodes: `op`, `a`, `b`, see `RealNodes`; `variable`, the dimension of each variable, -1 for other
    nodes; `known_lower` and `known_upper`, bounds on the whole program's box; `lower` and `upper`, scratch.
    `cone_starts`, `cones`: see `ConesTask`.

    Scratch: `frames` LookedInto[DEEPEST_BOX], the lists that are being looked into; `saved`
    real[DEEPEST_BOX, 2, dimensions, 2], for each of them that is an `any` the box before it and the hull of
    what its operands have left so far; and two boxes, `box`, the one that is being shrunk, and `before`, what
    it was before the round.
    """

    first: Int64
    jobs: Int64
    item: Pointer[Int32]
    outer: Pointer[Int32]
    is_held: Pointer[UInt8]
    boxes: Pointer[Real]
    dimensions: Int64
    left: Int64
    op: Pointer[UInt8]
    a: Pointer[Int32]
    b: Pointer[Int32]
    variable: Pointer[Int32]
    known_lower: Pointer[Real]
    known_upper: Pointer[Real]
    lower: Pointer[Real]
    upper: Pointer[Real]
    cone_starts: Pointer[Int32]
    cones: Pointer[Int32]
    predicates: Pointer[PredicateArrays]
    frames: Pointer[LookedInto]
    saved: Pointer[Real]
    box: Pointer[Real]
    before: Pointer[Real]


class JobsTask(Record):
    """What the kernel `find_jobs` is given: the predicates of which operands get a box.

    `users`, `parent` and `box` of each predicate: scratch. Results: for each `any`, its `first` job; for each
    job, its `item`, a predicate, and `outer`, the number of the box around it: 0 for the program's box, else
    that of a job plus one. There is room for one job more than there are operands.
    """

    old: Pointer[PredicateArrays]
    users: Pointer[Int32]
    parent: Pointer[Int32]
    box: Pointer[Int32]
    first: Pointer[Int32]
    item: Pointer[Int32]
    outer: Pointer[Int32]


class BoxesTask(Record):
    """What the kernel `add_boxes` is given: predicates, and boxes for the operands of each `any`.

    `first`, `outer`: see `JobsTask`. `root_is_job`: whether job 0 is that of the root. `boxes`, `is_held` and
    `variable`: see `ContractTask`. Of dimensions: `node`, one node of each variable; `is_bounded`, whether
    the program's box bounds the variable; `met`, scratch, -1 before. `made` of each predicate and `chosen`
    of each operand: scratch.

    Results: the predicates of `builder`; how many operands are `boxed` anew, and how many proved `empty`.
    """

    old: Pointer[PredicateArrays]
    builder: Pointer[PredicateBuilder]
    first: Pointer[Int32]
    outer: Pointer[Int32]
    root_is_job: Int64
    boxes: Pointer[Real]
    is_held: Pointer[UInt8]
    dimensions: Int64
    node: Pointer[Int32]
    is_bounded: Pointer[UInt8]
    met: Pointer[Int32]
    variable: Pointer[Int32]
    made: Pointer[Int32]
    chosen: Pointer[Int32]
    boxed_count: Int64
    empty_count: Int64


# Bands


class Known(Record):
    """What is known of a real node where a predicate is asked: it is in `times` bands around the predicate,
    and so in [lower, upper].
    """

    times: Int64
    lower: Float64
    upper: Float64


class BandsTask(Record):
    """What the kernel `merge_bands` is given.

    Scratch of each predicate: see `FlattenTask`. `known`: scratch of each real node, 0 before. Scratch of
    each operand: `saved`, what was known of a node before a band around it, innermost last; `code` and
    `bands`, what stands for the operand, a band, true or false.

    The bands of one list are grouped by value: `first` of each real node, -1 before and after, is the place
    of its first band in the list; `after` of each place, the next one of that value; `group`, their ends.

    Results: the predicates of `builder`; how many bands were `intersected` and `united` with others, how many
    were `implied` or excluded by those around them, and how many ends of bands were (`implied_ends`).
    """

    old: Pointer[PredicateArrays]
    builder: Pointer[PredicateBuilder]
    users: Pointer[Int32]
    parent: Pointer[Int32]
    cursor: Pointer[Int32]
    made: Pointer[Int32]
    known: Pointer[Known]
    saved: Pointer[Ends]
    code: Pointer[UInt8]
    bands: Pointer[Ends]
    first: Pointer[Int32]
    after: Pointer[Int32]
    group: Pointer[Ends]
    intersected: Int64
    united: Int64
    implied: Int64
    implied_ends: Int64
