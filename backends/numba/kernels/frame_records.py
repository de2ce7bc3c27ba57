"""The memory of the kernels that draw frames, for kernels and host. Needs no Numba.

A `Frame` is a plan seen in a view. Threads share it, and each has a `Thread` of its own; where some of the
plan is no small term, there are `Regions` for all threads and a `RegionThread` for each.

A tile is `TILE_ROWS` by `TILE_COLUMNS` pixels, a bit for each, in strips (see `strips`). Offsets in the
scratch memory of a thread are in numbers, except for those of an `Instruction`, which are in bytes.
"""

from __future__ import annotations

from typing import Literal

from absint.lowering.plan_format import Entry
from absint.native.records import (
    Array,
    Float64,
    Int32,
    Int64,
    Pointer,
    Real,
    Record,
    UInt8,
    UInt16,
)

from .point_records import Intervals

TILE_ROWS = 64
TILE_COLUMNS = 1024
STRIP_COLUMNS = 8
STRIPS = TILE_COLUMNS // STRIP_COLUMNS
PLANE = STRIPS * TILE_ROWS
"""Bytes of a bit per pixel of a tile."""
Y_PITCH = TILE_ROWS + 16
"""Numbers from one y table to the next."""

REGION_SIZE = TILE_ROWS
"""Rows and columns of the largest regions."""
REGION_LEAF = 16
"""Rows and columns of the smallest region that has a program of its own."""
REGION_LANES = 16
"""Regions that are bounded at once."""

ONE_ROW, PACKED_ROWS, ALL_ROWS = range(3)
"""A row of sixteen columns for all rows; a number for each row, sixteen to a row; a row for each row."""

FREE, WRITING, DONE = range(3)
"""States of a tile. Several threads may draw a tile, one writes it."""


# A plan


class Instruction(Record):
    """An operation of a tape: the address of a kernel, and what it is called with.

    `out`, `a` and `b` are offsets in bytes in the scratch memory; `a_step` and `b_step` the bytes from one
    row of an operand to the next, `b_step` -1 for a unary operation; `rows`: `ONE_ROW`, `PACKED_ROWS` or
    `ALL_ROWS`.
    """

    kernel: Int64
    out: Int64
    a: Int64
    a_step: Int64
    b: Int64
    b_step: Int64
    rows: Int64
    unused: Int64


class Span(Record):
    """A tape that has no bands: the instructions from `first` up to `end`."""

    first: Int64
    end: Int64


class Tape(Record):
    """A tape of a term: instructions `first` up to `end`, and bands `first_band` up to `end_band`."""

    first: Int64
    end: Int64
    first_band: Int64
    end_band: Int64


class TapeBand(Record):
    """A band of a tape: the value at an offset is between `lower` and `upper`.

    `step`: numbers from one row of the value to the next.
    """

    value: Int64
    step: Int64
    lower: Real
    upper: Real


class Side(Record):
    """A side of a sum: `sign * (t + offset)`, or that with a square, for t from a table of an axis."""

    table: Int32
    is_squared: Int32
    offset: Real
    sign: Real


class Sum(Record):
    """A band of a sum `u(x) + v(y)`. `band`: `BETWEEN`, or `AT_MOST` if there is no lower end."""

    x: Side
    y: Side
    lower: Real
    upper: Real
    band: Int64


class ThresholdBox(Record):
    """A box by the numbers of its thresholds."""

    left: Int32
    right: Int32
    bottom: Int32
    top: Int32


class PixelBox(Record):
    """A box in pixels of the image: columns from `left` up to `right`, rows from `top` up to `bottom`."""

    left: Int32
    right: Int32
    top: Int32
    bottom: Int32


# Threads


class Tiles(Record):
    """What threads share of a frame: who draws which tile, without regard to the precision.

    There are `count` tiles; `next` points to the number of the first one that nobody has taken, and `states`
    to the state of each. `helpers` threads may join, with the `Thread`s at these addresses; `draw` is the
    address of the kernel.
    """

    count: Int64
    next: Pointer[Int64]
    states: Pointer[Int64]
    helpers: Int64
    helper_threads: Pointer[Int64]
    draw: Int64


class Helper(Record):
    """What a helper and the other threads tell each other, in a cache line of its own.

    `joined`: the address of the frame that it draws, or 0; `is_awake`: whether it looks for frames.
    """

    joined: Int64
    is_awake: Int64
    unused: Array[Int64, Literal[6]]


class PoolMemory(Record):
    """The helpers of a process; `offered`: the address of the frame that they may join, 0 for none."""

    offered: Int64
    unused: Array[Int64, Literal[7]]
    helpers: Array[Helper, Literal[256]]


# Regions


class Step(Record):
    """A step of a region's program, `node` in the whole program.

    `a` and `b` are its operands: from 0 on earlier steps; `~k` is the k-th special operand: `~0` is x, `~1`
    is y, and the others are fixed for a picture. For a list: the first item and the number of items.
    """

    node: Int32
    a: Int32
    b: Int32
    unused: Int32


class RowKernels(Record):
    """The kernels of a step on rows: `v` or `vv`, `vs`, `sv`, see `absint.ops.kernels`."""

    shapes: Array[Int64, Literal[3]]


class Ends(Record):
    """The ends of a band."""

    lower: Real
    upper: Real


class Regions(Record):
    """The program that regions specialise, of `count` steps and `item_count` items.

    Of each step: its kind, its kernels, the ends of a band, and `savings`: estimated nanoseconds saved by
    bounding the step on a leaf's blocks. Of each of `special_count` special operands: where it lies in the
    scratch memory, and what it varies with.
    """

    steps: Pointer[Step]
    count: Int64
    items: Pointer[Int32]
    item_count: Int64
    kinds: Pointer[UInt8]
    interval_kernels: Pointer[Int64]
    row_kernels: Pointer[RowKernels]
    ends: Pointer[Ends]
    savings: Pointer[Int32]
    special_count: Int64
    special_places: Pointer[Int64]
    special_classes: Pointer[UInt8]


class ProgramSize(Record):
    """How many steps and items a specialised program has."""

    steps: Int64
    items: Int64


class Target(Record):
    """Where the pixels of a block of a leaf go: the first row in a strip, and the lowest bit."""

    strip: Pointer[UInt8]
    shift: Int64


class LeafInstruction(Record):
    """A step of a region's program, laid out to be run on pixels.

    `out`, `a` and `b`: the addresses of its value and operands; `a_step` and `b_step`: bytes from one row of
    an operand to the next, of a band's operand numbers. `kind`: that of the step. `varies`: whether there is
    a row for each row of pixels. `number`: of a band, the step in the whole program; of a list, the first
    item. `count`: of a list, how many items.
    """

    kernel: Int64
    out: Int64
    a: Int64
    a_step: Int64
    b: Int64
    b_step: Int64
    kind: Int32
    varies: Int32
    number: Int32
    count: Int32


class Value(Record):
    """The value of a step or special operand in a leaf: its address, and what it varies with."""

    place: Int64
    varies: Int64


class RegionThread(Record):
    """A thread's memory for regions, for a program of n steps.

    For bounds and specialised programs:

    - `bounds` of the steps and `special_bounds` of the special operands, on sixteen regions;
    - `truth` and `falsity` of predicates and `live`, where a step is needed: a bit for each region;
    - `numbers` [n, 16]: the number of each step in the program of each region;
    - `steps`, `items` and `sizes`: the programs of the sixteen regions of both levels.

    For the blocks of leaves that wait to be drawn, `pending` of them:

    - `block_xs`, `block_ys` [16, 16]: the samples of their pixels; `targets`: where their pixels go;
    - `pending_steps`, `pending_items`, `pending_count`: their program.

    For the program that was laid out last, `laid_count` steps from `laid_steps` on, for the way `laid_way`:

    - `leaf_code`: the instructions; `slots`: memory for values; `masks` [n, 16]: memory for truth on pixels;
    - `specials` [2, ·]: the special operands, by rows and by blocks;
    - `values` and `last_uses` of the steps, and the places that are free, `free_rows` and `free_blocks`: what
      laying it out needs.
    """

    bounds: Pointer[Intervals]
    special_bounds: Pointer[Intervals]
    truth: Pointer[Int64]
    falsity: Pointer[Int64]
    live: Pointer[Int64]
    numbers: Pointer[Int32]
    steps: Pointer[Step]
    items: Pointer[Int32]
    sizes: Pointer[ProgramSize]
    pending: Int64
    block_xs: Pointer[Real]
    block_ys: Pointer[Real]
    targets: Pointer[Target]
    pending_steps: Pointer[Step]
    pending_items: Pointer[Int32]
    pending_count: Int64
    laid_steps: Pointer[Step]
    laid_count: Int64
    laid_way: Int64
    leaf_code: Pointer[LeafInstruction]
    slots: Pointer[Real]
    masks: Pointer[UInt16]
    specials: Pointer[Value]
    values: Pointer[Value]
    last_uses: Pointer[Int32]
    free_rows: Pointer[Int64]
    free_blocks: Pointer[Int64]


# Frames


class Level(Record):
    """A term around the one that is drawn: the part of its box in the tile."""

    left: Int64
    right: Int64
    top: Int64
    bottom: Int64


class Frame(Record):
    """A plan seen in a view."""

    # threads look for the tiles of a frame at the frame's address
    tiles: Tiles
    # the plan; see `absint.lowering.plan.Plan`
    code: Pointer[Entry]
    starts: Pointer[Int32]
    top_boxes: Pointer[Int32]
    terms: Int64
    sums: Pointer[Sum]
    instructions: Pointer[Instruction]
    tapes: Pointer[Tape]
    tape_bands: Pointer[TapeBand]
    fixed_tape: Span
    x_tape: Span
    y_tape: Span
    z: Int64
    boxes: Pointer[ThresholdBox]
    box_count: Int64
    thresholds_x: Pointer[Float64]
    count_x: Int64
    thresholds_y: Pointer[Float64]
    count_y: Int64
    regions: Pointer[Regions]
    # the view: samples, and where pixels go; `is_streamed`: past the caches
    xs: Pointer[Real]
    ys: Pointer[Real]
    ys_rising: Pointer[Real]
    height_z: Real
    width: Int64
    height: Int64
    tile_rows: Int64
    image: Int64
    row_stride: Int64
    is_streamed: Int64
    # made of both: thresholds and boxes in pixels, and the boxes of the root's terms apart
    pixels_x: Pointer[Int32]
    pixels_y: Pointer[Int32]
    pixel_boxes: Pointer[PixelBox]
    top_left: Pointer[Float64]
    top_right: Pointer[Float64]
    top_top: Pointer[Float64]
    top_bottom: Pointer[Float64]


class Thread(Record):
    """The memory of a thread that draws a frame.

    - `scratch`: the values of tapes; in it, `x_tables` and `y_tables`: tables of a tile's samples and of the
      bases of sums. `column`: the image column that the x tables begin at, -1 for none.
    - `planes` and `factors`, one for each depth of terms: see `tiles`; `filled`: a plane for one factor.
    - `levels`: the terms around the one that is drawn.
    - `sums`: values of two sums for the rows of a tile; `row_bits`: a strip; `found` and `found_again`:
      sixteen pixels of each row.
    - `words`: the rows of a tile, 64 pixels each.
    - `window`: 64 bytes each of 0, 255 and 0.
    """

    scratch: Pointer[Real]
    x_tables: Pointer[Real]
    y_tables: Pointer[Real]
    column: Int64
    planes: Pointer[UInt8]
    factors: Pointer[UInt8]
    filled: Pointer[UInt8]
    levels: Pointer[Level]
    sums: Pointer[Real]
    row_bits: Pointer[UInt8]
    found: Pointer[UInt16]
    found_again: Pointer[UInt16]
    words: Pointer[Int64]
    window: Pointer[UInt8]
    regions: Pointer[RegionThread]
