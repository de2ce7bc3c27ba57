"""The memory layout of the CPU engine: what lies where in the arrays that its kernels are given.

The codes of a plan's own arrays stand in `absint.lowering.plan_format`. A frame and a thread's scratch memory
are each an int64 array of addresses and numbers; the tuples below name their places: `frame[FRAME.columns]`.
Kernels see the names as constants. Needs no Numba.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any


def places(name: str, fields: str) -> Any:
    """A tuple whose fields are their own places."""
    kind = namedtuple(name, fields)  # type: ignore[misc]  # the fields are not literal, for mypy
    return kind(*range(len(kind._fields)))


TILE_ROWS = 64
TILE_COLUMNS = 1024
STRIP_COLUMNS = 8
STRIPS = TILE_COLUMNS // STRIP_COLUMNS
PLANE = STRIPS * TILE_ROWS
"""Bytes of a bit per pixel of a tile."""
Y_PITCH = TILE_ROWS + 16
"""Numbers from one y table to the next."""

INSTRUCTION = 8
"""Numbers (int64) of a tape's instruction: kernel, out, a, a's step, b, b's step or -1 for unary, rows, 0.

`out`, `a` and `b` are offsets in bytes in the scratch memory. `rows` is one of the following.
"""
ONE_ROW, PACKED_ROWS, ALL_ROWS = range(3)
"""A row of sixteen columns for all rows; a number for each row, sixteen to a row; a row for each row."""

TAPE_WORDS = 4
"""A tape's int64s: first instruction, behind the last, first band, behind the last."""
TAPE_BAND = 4
"""A tape's band, int64s: offset of the value, its step, number of its ends, 0."""

FRAME = places(
    "Frame",
    # the plan
    "code starts top_boxes terms sums sum_numbers instructions tapes tape_bands tape_ends "
    "prologue_first prologue_last x_tape_first x_tape_last y_tape_first y_tape_last z "
    "boxes box_count thresholds_x count_x thresholds_y count_y "
    # the view
    "xs ys ys_rising width height height_z image row_stride streaming tile_rows tiles "
    # made of both by `prepare`
    "pixels_x pixels_y box_pixels top_left top_right top_top top_bottom "
    # threads
    "counter states helpers helper_threads draw "
    # a `REGIONS` block, or 0
    "regions",
)
"""Of a frame. `helpers` threads may join, each with its `THREAD` block in `helper_threads`; `height_z` is a
number in memory; `streaming`: whether the image is written past the caches; the rest as in `Plan`.
"""

THREAD = places(
    "Thread",
    "scratch planes factors filled strip sums stack words window column x_tables y_tables regions",
)
"""Of a thread: addresses in its memory. `column`: the tile column that its x tables are for, -1 for none."""

FREE, WRITING, DONE = range(3)
"""States of a tile, int64. Several threads may draw a tile, one writes it."""

MAILBOX = 0
"""Where in a crew's words the address of the frame that helpers may join lies, 0 for none."""
HELPER_WORDS = 8
"""A crew's int64s for each helper, itself a cache line; helper k's begin at `(k + 1) * HELPER_WORDS`."""
JOINED, AWAKE = range(2)
"""A helper's words: the frame that it draws, or 0; whether it looks at the mailbox."""

REGION_LEAF = 16
"""Rows and columns of the smallest region that has a program of its own."""
REGION_LANES = 16

REGIONS = places(
    "Regions",
    "steps count items item_count kind interval_kernels row_kernels ends fixed special_places "
    "special_classes gains record_bytes row_bytes",
)
"""The whole program as steps, and of its nodes: `kind` u8, `interval_kernels` i64, `row_kernels` i64[·, 3]
for the shapes v or vv, vs, sv, `ends` of bands, real[·, 2]. `fixed`: how many fixed values there are. Special
operand i, x, y and the fixed ones, lies at `special_places[i]` in scratch memory and has a class. `gains`
i32[n]: what it gains to bound the blocks of a leaf, see `RegionProgram.gains`.
"""

REGION_THREAD = places(
    "RegionThread",
    "records specials truth falsity live index steps items counts "
    "samples targets pending pending_steps pending_items pending_count "
    "sources source_classes places classes last free_rows free_blocks slots masks "
    "leaf_code laid_steps laid_count laid_way",
)
"""A thread's memory for regions, of n nodes and m items: `records` and `specials` of intervals; `truth`,
`falsity` and `live` i64[n], a bit per lane; `index` i32[n, 16], the number of a node's step in each lane's
program; `steps` i32[2, 16, n, STEP], `items` i32[2, 16, m] and `counts` i64[2, 16], the programs of the
lanes of both levels. For leaves: `samples` real[2, 16, 16], x and y of the blocks that wait, `targets`
i64[16, 2], where the bits of each go, address and shift, how many are `pending`, and their program;
`sources` i64[2, ·] and `source_classes` u8[2, ·], the addresses and classes of special operands, by rows
and by blocks; `places` i64[n], `classes` u8[n], `last` i32[n], free lists i64[n] each, `slots`, memory for
the values, and `masks` u16[n, 16]; `leaf_code` i64[n, 8], the program that was laid out last, and which
that is.
"""
