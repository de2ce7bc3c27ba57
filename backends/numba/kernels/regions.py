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

from absint.lowering.plan_format import STEP
from absint.native.memory import INLINE, REALS, address_of, i32s, i64s, u8s, u16s
from absint.ops.precision import Precision
from absint.ops.printers import vectors

from .layout import FRAME, REGION_LANES, REGION_LEAF, REGION_THREAD, REGIONS, THREAD, TILE_ROWS
from .leaves import BOTH, BY_BLOCKS, BY_ROWS, leaf_runner
from .specialisation import specialisers
from .strips import load_strip, store_packed, trailing_zeros
from .tiles import rows_between

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
    def set_samples(frame, region, thread, across, column0, row0, size):
        """The bounds of x and y on sixteen regions of `size` by `size` pixels, `across` of them in a row.

        Returns the lanes whose region has pixels in the image.
        """
        columns, rows = frame[FRAME.width], frame[FRAME.height]
        xs, ys = reals(frame[FRAME.xs]), reals(frame[FRAME.ys])
        x = reals(thread[REGION_THREAD.specials])
        y = reals(thread[REGION_THREAD.specials] + region[REGIONS.record_bytes])
        lanes = vectors.LANES
        inside = np.int64(0)
        for lane in range(REGION_LANES):
            left, top = column0 + lane % across * size, row0 + lane // across * size
            if left >= columns or top >= rows:
                left, top = column0, row0
            else:
                inside |= np.int64(1) << lane
            right, bottom = min(left + size, columns) - 1, min(top + size, rows) - 1
            x[lane], x[lanes + lane] = xs[left], xs[right]
            y[lane], y[lanes + lane] = ys[bottom], ys[top]
        return inside

    @njit(**INLINE)
    def fill(plane, window, column, row, size):
        """Set all pixels of a region; columns and rows are the tile's."""
        rows = rows_between(window, row, row + size)
        for strip in range(column >> 3, (column + size) >> 3):
            at = plane + strip * TILE_ROWS
            store_packed(at, load_strip(at) | rows)

    @njit(error_model="numpy")
    def decide(frame, region, thread, across, column0, row0, size, program):
        """Bound a program on sixteen regions: the lanes in which it holds, and those in which it may."""
        truth, falsity = i64s(thread[REGION_THREAD.truth]), i64s(thread[REGION_THREAD.falsity])
        inside = set_samples(frame, region, thread, across, column0, row0, size)
        steps, items, count = program
        bound(region, thread, steps, count, items)
        return truth[count - 1] & inside, inside & ~(truth[count - 1] | falsity[count - 1])

    @njit(**INLINE)
    def put(strip, shift, bits):
        """Or a block's bits into a strip of a plane: a nibble to a row."""
        for r in range(BLOCK):
            strip[r] |= (bits >> BLOCK * r & 15) << shift

    @njit(error_model="numpy")
    def draw_pending(region, thread):
        """Run the blocks that wait, and put their pixels where they belong."""
        blocks = thread[REGION_THREAD.pending]
        if blocks == 0:
            return
        thread[REGION_THREAD.pending] = 0
        steps, items = i32s(thread[REGION_THREAD.pending_steps]), i32s(thread[REGION_THREAD.pending_items])
        count, targets = thread[REGION_THREAD.pending_count], i64s(thread[REGION_THREAD.targets])
        found = u16s(run_pixels(region, thread, BY_BLOCKS, steps, count, items, blocks))
        for i in range(blocks):
            put(u8s(targets[2 * i]), targets[2 * i + 1], np.int64(found[i]))

    @njit(**INLINE)
    def set_pending(region, thread, program):
        """Say whose blocks will wait from now on."""
        steps, items, count = program
        if thread[REGION_THREAD.pending_steps] != address_of(steps):
            draw_pending(region, thread)
        thread[REGION_THREAD.pending_steps] = address_of(steps)
        thread[REGION_THREAD.pending_items] = address_of(items)
        thread[REGION_THREAD.pending_count] = count

    @njit(**INLINE)
    def add_pending(frame, region, thread, strip, shift, left, top):
        """Let a block wait until there are sixteen: a step of many blocks costs less for each."""
        place, targets = thread[REGION_THREAD.pending], i64s(thread[REGION_THREAD.targets])
        xs, ys = reals(frame[FRAME.xs]), reals(frame[FRAME.ys])
        x = reals(thread[REGION_THREAD.samples] + place * region[REGIONS.row_bytes])
        y = reals(thread[REGION_THREAD.samples] + (REGION_LANES + place) * region[REGIONS.row_bytes])
        for r in range(BLOCK):
            for c in range(BLOCK):
                x[BLOCK * r + c], y[BLOCK * r + c] = xs[left + c], ys[top + r]
        targets[2 * place], targets[2 * place + 1] = strip, shift
        thread[REGION_THREAD.pending] = place + 1
        if place + 1 == REGION_LANES:
            draw_pending(region, thread)

    @njit(error_model="numpy")
    def draw_rows(frame, region, thread, tile_thread, column0, row0, column, row, program):
        """Draw a leaf at a column and row of a tile by its program, all of it."""
        xs, ys = reals(frame[FRAME.xs]), reals(frame[FRAME.ys])
        plane, scratch = tile_thread[THREAD.planes], tile_thread[THREAD.scratch]
        places = i64s(region[REGIONS.special_places])
        x, y = reals(scratch + places[0]), reals(scratch + places[1])
        for c in range(REGION_LEAF):
            x[c] = xs[column0 + column + c]
        for r in range(REGION_LEAF):
            y[r] = ys[row0 + row + r]
        steps, items, count = program
        found = u16s(run_pixels(region, thread, BY_ROWS, steps, count, items, np.int64(REGION_LEAF)))
        one = u8s(plane + (column >> 3) * TILE_ROWS + row)
        two = u8s(plane + ((column >> 3) + 1) * TILE_ROWS + row)
        for r in range(REGION_LEAF):
            one[r] |= found[r] & 255
            two[r] |= found[r] >> 8

    @njit(error_model="numpy")
    def draw_blocks(frame, region, thread, tile_thread, column0, row0, column, row, program):
        """Draw a leaf at a column and row of a tile by its program: the blocks that its bounds leave open."""
        left, top = column0 + column, row0 + row
        filled, undecided = decide(frame, region, thread, ACROSS, left, top, np.int64(BLOCK), program)
        if undecided == EVERY_LANE:
            draw_rows(frame, region, thread, tile_thread, column0, row0, column, row, program)
            return
        if undecided != 0:
            set_pending(region, thread, program)
        drawn = filled | undecided
        while drawn != 0:
            block = trailing_zeros(drawn)
            drawn &= drawn - 1
            across, down = block % ACROSS * BLOCK, block // ACROSS * BLOCK
            strip = tile_thread[THREAD.planes] + ((column + across) >> 3) * TILE_ROWS + row + down
            shift = across & 4
            if filled >> block & 1:
                put(u8s(strip), shift, np.int64(EVERY_LANE))
            else:
                add_pending(frame, region, thread, strip, shift, left + across, top + down)

    @njit(**INLINE)
    def gain(region, program):
        """What it gains to bound a leaf's blocks."""
        steps, _, count = program
        gains = i32s(region[REGIONS.gains])
        result = np.int64(0)
        for i in range(count):
            result += gains[np.int64(steps[STEP * i])]
        return result

    @njit(**INLINE)
    def program_at(region, thread, level, lane):
        """The program that `specialise` wrote for a lane of a level."""
        number = level * REGION_LANES + lane
        steps = thread[REGION_THREAD.steps] + number * region[REGIONS.count] * STEP * 4
        items = thread[REGION_THREAD.items] + number * region[REGIONS.item_count] * 4
        return i32s(steps), i32s(items), i64s(thread[REGION_THREAD.counts])[2 * number]

    @njit(error_model="numpy")
    def divide(frame, region, thread, tile_thread, level, column0, row0, left, program):
        """Bound a program on the sixteen regions of a level, fill those in which it holds, and specialise it
        for those in which it may.

        `left`: where the regions begin in the tile. Returns the lanes that are left to draw, and those of
        them that have a program of their own.
        """
        across, size = (
            (np.int64(REGION_LANES), np.int64(REGION_SIZE)) if level == 0
            else (np.int64(4), np.int64(REGION_LEAF))
        )  # fmt: skip
        filled, undecided = decide(frame, region, thread, across, column0 + left, row0, size, program)
        while filled != 0:
            lane = trailing_zeros(filled)
            filled &= filled - 1
            column, row = left + lane % across * size, lane // across * size
            fill(tile_thread[THREAD.planes], tile_thread[THREAD.window], column, row, size)
        if undecided == 0:
            return undecided, undecided
        steps, items, count = program
        shorter = undecided & spread_demand(region, thread, steps, count, items, undecided)
        specialise(region, thread, level, steps, count, items, shorter)
        return undecided, shorter

    @njit(error_model="numpy")
    def draw_region(frame, region, thread, tile_thread, column0, row0, left, program):
        """Draw a region of 64 by 64, `left` columns into the tile, by its program: 16 of 16 by 16."""
        undecided, shorter = divide(frame, region, thread, tile_thread, 1, column0, row0, left, program)
        usual_gain = gain(region, program) if undecided != shorter else np.int64(0)
        while undecided != 0:
            lane = trailing_zeros(undecided)
            undecided &= undecided - 1
            own, own_gain = program, usual_gain
            if shorter >> lane & 1:
                own = program_at(region, thread, 1, lane)
                own_gain = gain(region, own)
            column, row = left + lane % 4 * REGION_LEAF, lane // 4 * REGION_LEAF
            if own_gain > 0:
                draw_blocks(frame, region, thread, tile_thread, column0, row0, column, row, own)
            else:
                draw_rows(frame, region, thread, tile_thread, column0, row0, column, row, own)
        if thread[REGION_THREAD.pending_steps] != address_of(program[0]):
            draw_pending(region, thread)  # the next region's programs are written over these

    @njit(error_model="numpy")
    def draw_regions(frame, tile_thread, column0, row0, rows):
        """Or the pixels in which the region program holds into plane 0 of a tile of up to 64 rows."""
        region, thread = i64s(frame[FRAME.regions]), i64s(tile_thread[THREAD.regions])
        program = i32s(region[REGIONS.steps]), i32s(region[REGIONS.items]), region[REGIONS.count]
        undecided, shorter = divide(frame, region, thread, tile_thread, 0, column0, row0, 0, program)
        while undecided != 0:
            lane = trailing_zeros(undecided)
            undecided &= undecided - 1
            own = program_at(region, thread, 0, lane) if shorter >> lane & 1 else program
            draw_region(frame, region, thread, tile_thread, column0, row0, lane * REGION_SIZE, own)
        draw_pending(region, thread)

    @njit(error_model="numpy")
    def begin_regions(frame, tile_thread):
        """The special operands: bounds of those that are fixed for a frame, and where leaves find them."""
        region, thread = i64s(frame[FRAME.regions]), i64s(tile_thread[THREAD.regions])
        # what a frame was doing that a fork left in the middle
        thread[REGION_THREAD.pending] = thread[REGION_THREAD.laid_steps] = 0
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
