"""Regions: what is not made of small terms is specialised for ever smaller parts of a tile.

A tile of 64 by 1024 pixels is sixteen regions of 64 by 64, each of them sixteen of 16 by 16. The program is
bounded on sixteen regions at once, its predicates are decided where the bounds do, and each undecided region
gets the shorter program that is left there (see `specialisation`). A region of 16 by 16 is bounded
once more, on its blocks of 4 by 4, where the program is dear enough to gain by that. At last the program is
run on the pixels (see `leaves`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from absint.kernels.layout import (
    FRAME,
    REGION_LANES,
    REGION_LEAF,
    REGION_THREAD,
    REGIONS,
    STEP,
    THREAD,
    TILE_ROWS,
)  # fmt: skip
from absint.kernels.leaves import BOTH, BY_BLOCKS, BY_ROWS, leaf_runner
from absint.kernels.memory import INLINE, REALS, i32s, i64s, u8s, u16s
from absint.kernels.specialisation import specialisers
from absint.kernels.strips import load_strip, store_packed, trailing_zeros
from absint.kernels.tiles import rows_between
from absint.ops import vectors
from absint.precision import Precision

REGION_SIZE = TILE_ROWS
"""Rows and columns of the largest regions."""

EVERY_LANE = (1 << REGION_LANES) - 1

BLOCK = 4
"""Rows and columns of a block of a leaf."""
ACROSS = REGION_LEAF // BLOCK
"""Blocks in a row of a leaf."""


def region_drawers(precision: Precision) -> Any:
    """The functions that begin a frame and that draw a tile, for a precision."""
    reals = REALS[precision.value]
    nan_flags = 2 * vectors.LANES * precision.dtype.itemsize
    bound, spread_demand, specialise = specialisers(precision)
    run_pixels = leaf_runner(precision)

    @njit(error_model="numpy")
    def set_samples(frame, region, thread, across, column0, row0, width, height):
        """The bounds of x and y on sixteen regions of `width` by `height` pixels, `across` of them in a row.

        Returns the lanes whose region has pixels in the image.
        """
        columns, rows = frame[FRAME.width], frame[FRAME.height]
        xs, ys = reals(frame[FRAME.xs]), reals(frame[FRAME.ys])
        x = reals(thread[REGION_THREAD.specials])
        y = reals(thread[REGION_THREAD.specials] + region[REGIONS.record_bytes])
        lanes = vectors.LANES
        inside = np.int64(0)
        for lane in range(REGION_LANES):
            left, top = column0 + lane % across * width, row0 + lane // across * height
            if left >= columns or top >= rows:
                left, top = column0, row0
            else:
                inside |= np.int64(1) << lane
            right, bottom = min(left + width, columns) - 1, min(top + height, rows) - 1
            x[lane], x[lanes + lane] = xs[left], xs[right]
            y[lane], y[lanes + lane] = ys[bottom], ys[top]
        return inside

    @njit(**INLINE)
    def fill(plane, window, column, row, width, height):
        """Set all pixels of a region; columns and rows are the tile's."""
        rows = rows_between(window, row, row + height)
        for strip in range(column >> 3, (column + width) >> 3):
            at = plane + strip * TILE_ROWS
            store_packed(at, load_strip(at) | rows)

    @njit(**INLINE)
    def gather(frame, region, thread, column, row, blocks):
        """The samples of some blocks of a leaf, given in bits; how many blocks there are."""
        xs, ys = reals(frame[FRAME.xs]), reals(frame[FRAME.ys])
        x = reals(thread[REGION_THREAD.samples])
        y = reals(thread[REGION_THREAD.samples] + REGION_LANES * region[REGIONS.row_bytes])
        place = np.int64(0)
        while blocks != 0:
            block = trailing_zeros(blocks)
            blocks &= blocks - 1
            left, top = column + block % ACROSS * BLOCK, row + block // ACROSS * BLOCK
            for r in range(BLOCK):
                for c in range(BLOCK):
                    x[place], y[place] = xs[left + c], ys[top + r]
                    place += 1
        return place >> 4

    @njit(**INLINE)
    def put(plane, column, row, block, bits):
        """Or a block's bits into a plane: a nibble to a row. Column and row are the leaf's, in the tile."""
        column += block % ACROSS * BLOCK
        row += block // ACROSS * BLOCK
        strip = u8s(plane + (column >> 3) * TILE_ROWS + row)
        for r in range(BLOCK):
            strip[r] |= (bits >> BLOCK * r & 15) << (column & 4)

    @njit(error_model="numpy")
    def draw_rows(frame, region, thread, scratch, plane, column0, row0, column, row, steps, count, items):
        """Draw a leaf at a column and row of a tile by its program, all of it."""
        xs, ys = reals(frame[FRAME.xs]), reals(frame[FRAME.ys])
        places = i64s(region[REGIONS.special_places])
        x, y = reals(scratch + places[0]), reals(scratch + places[1])
        for c in range(REGION_LEAF):
            x[c] = xs[column0 + column + c]
        for r in range(REGION_LEAF):
            y[r] = ys[row0 + row + r]
        found = u16s(run_pixels(region, thread, BY_ROWS, steps, count, items, np.int64(REGION_LEAF)))
        one = u8s(plane + (column >> 3) * TILE_ROWS + row)
        two = u8s(plane + ((column >> 3) + 1) * TILE_ROWS + row)
        for r in range(REGION_LEAF):
            one[r] |= found[r] & 255
            two[r] |= found[r] >> 8

    @njit(**INLINE)
    def gain(region, steps, count):
        """What it gains to bound a leaf's blocks."""
        gains = i32s(region[REGIONS.gains])
        result = np.int64(0)
        for i in range(count):
            result += gains[np.int64(steps[STEP * i])]
        return result

    @njit(error_model="numpy")
    def draw_leaf(frame, region, thread, scratch, plane, column0, row0, column, row, steps, count, items):
        """Draw a leaf at a column and row of a tile by its program."""
        where = column0, row0, column, row
        if gain(region, steps, count) <= 0:
            draw_rows(frame, region, thread, scratch, plane, *where, steps, count, items)
            return
        truth, falsity = i64s(thread[REGION_THREAD.truth]), i64s(thread[REGION_THREAD.falsity])
        left, top = column0 + column, row0 + row
        inside = set_samples(frame, region, thread, ACROSS, left, top, np.int64(BLOCK), np.int64(BLOCK))
        bound(region, thread, steps, count, items)
        filled = truth[count - 1] & inside
        undecided = inside & ~(truth[count - 1] | falsity[count - 1])
        if undecided == EVERY_LANE:
            draw_rows(frame, region, thread, scratch, plane, *where, steps, count, items)
            return
        while filled != 0:
            put(plane, column, row, trailing_zeros(filled), np.int64(EVERY_LANE))
            filled &= filled - 1
        if undecided == 0:
            return
        blocks = gather(frame, region, thread, left, top, undecided)
        found = u16s(run_pixels(region, thread, BY_BLOCKS, steps, count, items, blocks))
        for i in range(blocks):
            put(plane, column, row, trailing_zeros(undecided), np.int64(found[i]))
            undecided &= undecided - 1

    @njit(**INLINE)
    def program_at(region, thread, number):
        """The program that `specialise` wrote for a lane, `number` counting on through the levels."""
        steps = thread[REGION_THREAD.steps] + number * region[REGIONS.count] * STEP * 4
        items = thread[REGION_THREAD.items] + number * region[REGIONS.item_count] * 4
        return i32s(steps), i32s(items), i64s(thread[REGION_THREAD.counts])[2 * number]

    @njit(error_model="numpy")
    def draw_region(frame, region, thread, tile_thread, column0, row0, left, steps, items, count):
        """Draw a region of 64 by 64, `left` columns into the tile, by its program: 16 of 16 by 16."""
        plane, window, scratch = (
            tile_thread[THREAD.planes], tile_thread[THREAD.window], tile_thread[THREAD.scratch],
        )  # fmt: skip
        truth, falsity = i64s(thread[REGION_THREAD.truth]), i64s(thread[REGION_THREAD.falsity])
        size = np.int64(REGION_LEAF)
        inside = set_samples(frame, region, thread, 4, column0 + left, row0, size, size)
        bound(region, thread, steps, count, items)
        filled = truth[count - 1] & inside
        undecided = inside & ~(truth[count - 1] | falsity[count - 1])
        while filled != 0:
            lane = trailing_zeros(filled)
            filled &= filled - 1
            fill(plane, window, left + lane % 4 * size, lane // 4 * size, size, size)
        if undecided == 0:
            return
        shorter = spread_demand(region, thread, steps, count, items, undecided)
        specialise(region, thread, 1, steps, count, items, undecided & shorter)
        while undecided != 0:
            lane = trailing_zeros(undecided)
            undecided &= undecided - 1
            own_steps, own_items, own_count = steps, items, count
            if shorter >> lane & 1:
                own_steps, own_items, own_count = program_at(region, thread, REGION_LANES + lane)
            draw_leaf(
                frame, region, thread, scratch, plane, column0, row0,
                left + lane % 4 * size, lane // 4 * size, own_steps, own_count, own_items,
            )  # fmt: skip

    @njit(error_model="numpy")
    def draw_regions(frame, tile_thread, column0, row0, rows):
        """Or the pixels in which the region program holds into plane 0 of a tile of up to 64 rows."""
        region, thread = i64s(frame[FRAME.regions]), i64s(tile_thread[THREAD.regions])
        truth, falsity = i64s(thread[REGION_THREAD.truth]), i64s(thread[REGION_THREAD.falsity])
        steps, items, count = (
            i32s(region[REGIONS.steps]), i32s(region[REGIONS.items]), region[REGIONS.count],
        )  # fmt: skip
        size = np.int64(REGION_SIZE)
        inside = set_samples(frame, region, thread, REGION_LANES, column0, row0, size, size)
        bound(region, thread, steps, count, items)
        filled = truth[count - 1] & inside
        undecided = inside & ~(truth[count - 1] | falsity[count - 1])
        while filled != 0:
            lane = trailing_zeros(filled)
            filled &= filled - 1
            fill(tile_thread[THREAD.planes], tile_thread[THREAD.window], lane * size, 0, size, size)
        if undecided == 0:
            return
        shorter = spread_demand(region, thread, steps, count, items, undecided)
        specialise(region, thread, 0, steps, count, items, undecided & shorter)
        while undecided != 0:
            lane = trailing_zeros(undecided)
            undecided &= undecided - 1
            own_steps, own_items, own_count = steps, items, count
            if shorter >> lane & 1:
                own_steps, own_items, own_count = program_at(region, thread, lane)
            draw_region(
                frame,
                region,
                thread,
                tile_thread,
                column0,
                row0,
                lane * size,
                own_steps,
                own_items,
                own_count,
            )

    @njit(error_model="numpy")
    def begin_regions(frame, tile_thread):
        """The special operands: bounds of those that are fixed for a frame, and where leaves find them."""
        region, thread = i64s(frame[FRAME.regions]), i64s(tile_thread[THREAD.regions])
        places, given = i64s(region[REGIONS.special_places]), u8s(region[REGIONS.special_classes])
        sources, classes = (
            i64s(thread[REGION_THREAD.sources]), u8s(thread[REGION_THREAD.source_classes]),
        )  # fmt: skip
        specials = 2 + region[REGIONS.fixed]
        for i in range(specials):
            sources[i] = sources[specials + i] = tile_thread[THREAD.scratch] + places[i]
            classes[i] = classes[specials + i] = given[i]
        for i in range(2):
            sources[specials + i] = (
                thread[REGION_THREAD.samples] + i * REGION_LANES * region[REGIONS.row_bytes]
            )
            classes[specials + i] = BOTH
        for i in range(2, 2 + region[REGIONS.fixed]):
            at = thread[REGION_THREAD.specials] + i * region[REGIONS.record_bytes]
            value = reals(tile_thread[THREAD.scratch] + places[i])[0]
            ends = reals(at)
            is_nan = value != value
            for lane in range(REGION_LANES):
                ends[lane] = np.inf if is_nan else value
                ends[vectors.LANES + lane] = -np.inf if is_nan else value
            i64s(at + nan_flags)[0] = EVERY_LANE if is_nan else 0
        for i in range(2):
            i64s(thread[REGION_THREAD.specials] + i * region[REGIONS.record_bytes] + nan_flags)[0] = 0

    return begin_regions, draw_regions
