"""Frames: from a plan and a view to pixels, tile by tile, by any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.native.memory import REALS, f64s, i32s, i64s, u8s
from absint.ops.precision import Precision

from .layout import DONE, FRAME, FREE, THREAD, TILE_COLUMNS, TILE_ROWS, WRITING, Y_PITCH
from .regions import region_drawers
from .strips import (
    at_least,
    at_most,
    atomic_add,
    atomic_load,
    atomic_store,
    atomic_swap_if,
    bits_of,
    give_way,
    load8,
    relax,
    repeat8,
    rows_of_strips,
    spread_bits,
    stream_bits,
    trailing_zeros,
)  # fmt: skip
from .tapes import LANES, run_tape
from .tiles import clear, term_drawer


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """`prepare` and `draw` for the precision, see there."""
    precision = Precision(precision_name)
    reals = REALS[precision_name]
    size = precision.dtype.itemsize
    draw_term = term_drawer(precision)
    begin_regions, draw_regions = region_drawers(precision)
    load = load8["f64"]

    @njit(error_model="numpy")
    def count_below(samples, n, first, scale, threshold):
        """How many of n rising samples are below a threshold.

        Samples are nearly even, so that proportion from the `first` of them, `scale` samples to a unit, comes
        within a sample of the place; the five samples there tell. Otherwise the place is searched.
        """
        guess = (threshold - first) * scale
        if guess >= 2 and guess < np.float64(n - 3):  # false for NaN too
            k = np.int64(guess)
            if np.float64(samples[k - 2]) < threshold and np.float64(samples[k + 2]) >= threshold:
                below = np.int64(np.float64(samples[k - 1]) < threshold)
                below += np.int64(np.float64(samples[k]) < threshold)
                return k - 1 + below + np.int64(np.float64(samples[k + 1]) < threshold)
        low, high = np.int64(0), n
        while low < high:
            middle = (low + high) >> 1
            if np.float64(samples[middle]) < threshold:
                low = middle + 1
            else:
                high = middle
        return low

    @njit(error_model="numpy")
    def proportion(samples, n):
        """The first of some samples, and how many there are to a unit."""
        first = np.float64(samples[0])
        return first, np.float64(n - 1) / (np.float64(samples[n - 1]) - first)

    def prepare(frame_):
        """Thresholds to pixels: the boxes of terms for this view."""
        frame = i64s(frame_)
        width, height = frame[FRAME.width], frame[FRAME.height]
        xs, rising = reals(frame[FRAME.xs]), reals(frame[FRAME.ys_rising])
        tx, ty = f64s(frame[FRAME.thresholds_x]), f64s(frame[FRAME.thresholds_y])
        px, py = i32s(frame[FRAME.pixels_x]), i32s(frame[FRAME.pixels_y])
        first, scale = proportion(xs, width)
        for i in range(frame[FRAME.count_x]):
            px[i] = count_below(xs, width, first, scale, tx[i])
        first, scale = proportion(rising, height)
        for i in range(frame[FRAME.count_y]):
            py[i] = height - count_below(rising, height, first, scale, ty[i])
        boxes, pixels = i32s(frame[FRAME.boxes]), i32s(frame[FRAME.box_pixels])
        for i in range(0, 4 * frame[FRAME.box_count], 4):
            pixels[i] = px[np.int64(boxes[i])]
            pixels[i + 1] = px[np.int64(boxes[i + 1])]
            pixels[i + 2] = py[np.int64(boxes[i + 3])]  # rows run down, against y
            pixels[i + 3] = py[np.int64(boxes[i + 2])]
        top_boxes = i32s(frame[FRAME.top_boxes])
        left, right = f64s(frame[FRAME.top_left]), f64s(frame[FRAME.top_right])
        top, bottom = f64s(frame[FRAME.top_top]), f64s(frame[FRAME.top_bottom])
        for i in range(frame[FRAME.terms]):
            box = 4 * np.int64(top_boxes[i])
            left[i], right[i], top[i], bottom[i] = (
                pixels[box],
                pixels[box + 1],
                pixels[box + 2],
                pixels[box + 3],
            )

    @njit(error_model="numpy")
    def begin(frame, thread):
        """What a thread computes once for a frame."""
        scratch = thread[THREAD.scratch]
        z, given = reals(scratch + frame[FRAME.z]), reals(frame[FRAME.height_z])
        for lane in range(LANES):
            z[lane] = given[0]
        run_tape(
            frame[FRAME.instructions], frame[FRAME.prologue_first], frame[FRAME.prologue_last], scratch, 1, 1
        )
        thread[THREAD.column] = -1
        if frame[FRAME.regions] != 0:
            begin_regions(frame, thread)

    @njit(error_model="numpy")
    def fill_tables(frame, thread, column, row0):
        """The tables of a tile's samples. Samples behind the last repeat it, as `xs` and `ys` have them."""
        scratch, instructions = thread[THREAD.scratch], frame[FRAME.instructions]
        if thread[THREAD.column] != column:
            thread[THREAD.column] = column
            table, xs = reals(thread[THREAD.x_tables]), reals(frame[FRAME.xs] + column * TILE_COLUMNS * size)
            for c in range(TILE_COLUMNS):
                table[c] = xs[c]
            run_tape(
                instructions, frame[FRAME.x_tape_first], frame[FRAME.x_tape_last], scratch, 1,
                TILE_COLUMNS // LANES,
            )  # fmt: skip
        table, ys = reals(thread[THREAD.y_tables]), reals(frame[FRAME.ys] + row0 * size)
        for r in range(Y_PITCH):
            table[r] = ys[r]
        run_tape(
            instructions, frame[FRAME.y_tape_first], frame[FRAME.y_tape_last], scratch, Y_PITCH // LANES, 1
        )

    @njit(error_model="numpy")
    def draw_tile(frame, thread, tile):
        """The bits of a tile, into plane 0."""
        tile_rows = frame[FRAME.tile_rows]
        column, row0 = (
            tile // tile_rows,
            tile % tile_rows * TILE_ROWS,
        )  # down a column, for the x tables' sake
        column0 = column * TILE_COLUMNS
        columns = min(np.int64(TILE_COLUMNS), frame[FRAME.width] - column0)
        rows = min(np.int64(TILE_ROWS), frame[FRAME.height] - row0)
        clear(thread[THREAD.planes], (columns + 63) // 64 * 8)
        if frame[FRAME.regions] != 0:
            draw_regions(frame, thread, column0, row0, rows)
        terms = frame[FRAME.terms]
        if terms == 0:
            return
        fill_tables(frame, thread, column, row0)
        starts = i32s(frame[FRAME.starts])
        last_row, first_row = repeat8(np.float64(row0 + rows - 1)), repeat8(np.float64(row0 + 1))
        last_column, first_column = (
            repeat8(np.float64(column0 + columns - 1)),
            repeat8(np.float64(column0 + 1)),
        )
        for i in range(0, terms, 8):
            met = at_most(load(frame[FRAME.top_top] + 8 * i), last_row)
            met = met & at_least(load(frame[FRAME.top_bottom] + 8 * i), first_row)
            met = met & at_most(load(frame[FRAME.top_left] + 8 * i), last_column)
            met = met & at_least(load(frame[FRAME.top_right] + 8 * i), first_column)
            bits = bits_of(met)
            while bits != 0:
                term = np.int64(starts[i + trailing_zeros(bits)])
                draw_term(frame, thread, term, row0, column0, columns, rows)
                bits &= bits - 1

    @njit(error_model="numpy")
    def write_tile(frame, thread, tile):
        """Plane 0 to the image."""
        tile_rows, stride = frame[FRAME.tile_rows], frame[FRAME.row_stride]
        column0, row0 = tile // tile_rows * TILE_COLUMNS, tile % tile_rows * TILE_ROWS
        columns = min(np.int64(TILE_COLUMNS), frame[FRAME.width] - column0)
        rows = min(np.int64(TILE_ROWS), frame[FRAME.height] - row0)
        image = frame[FRAME.image] + row0 * stride + column0
        plane, words = thread[THREAD.planes], i64s(thread[THREAD.words])
        blocks, whole = (columns + 63) >> 6, columns >> 6
        for block in range(blocks):
            rows_of_strips(thread[THREAD.words] + 8 * TILE_ROWS * block, plane + 8 * TILE_ROWS * block)
        for row in range(rows):
            line = image + row * stride
            if frame[FRAME.streaming] != 0:
                for block in range(whole):
                    stream_bits(line + 64 * block, words[block * TILE_ROWS + row])
            else:
                for block in range(whole):
                    spread_bits(line + 64 * block, words[block * TILE_ROWS + row])
            if whole < blocks:
                pixels, rest = u8s(line + 64 * whole), words[whole * TILE_ROWS + row]
                for column in range(columns & 63):
                    pixels[column] = 255 * (rest >> column & 1)

    def draw(frame_, thread_, most):
        """Make tiles that nobody has taken, at most `most`; returns how many there were.

        If `most` is negative: make what others have taken and not finished, rather than wait for them.
        """
        frame, thread = i64s(frame_), i64s(thread_)
        begin(frame, thread)
        tiles, taken, passed = frame[FRAME.tiles], np.int64(0), np.int64(0)
        while most < 0 or taken < most:
            tile = passed
            if most >= 0:
                tile = atomic_add(frame[FRAME.counter], np.int64(1))
            passed += 1
            if tile >= tiles:
                break
            state = frame[FRAME.states] + 8 * tile
            if most >= 0 or atomic_load(state) == FREE:
                draw_tile(frame, thread, tile)
                if atomic_swap_if(state, FREE, WRITING):
                    write_tile(frame, thread, tile)
                    atomic_store(state, DONE)
                taken += 1
            looks = np.int64(0)
            while most < 0 and atomic_load(state) != DONE:
                relax()
                looks += 1
                if looks & 255 == 0:  # whoever writes the tile may be waiting for a processor
                    give_way()
        return taken

    address = types.int64
    return {
        "prepare": (prepare, types.none(address)),
        "draw": (draw, types.int64(address, address, address)),
    }
