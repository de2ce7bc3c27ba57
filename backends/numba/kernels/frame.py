"""Frames: from a plan and a view to pixels, tile by tile, by any number of threads.

`prepare` places the plan's boxes among the pixels of the view. `draw` makes tiles: the regions first, then
the terms of the root whose boxes meet the tile (`draw_terms`; `tiles` draws one term).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.native.memory import INLINE, u8s
from absint.native.record_pointers import address_of_record, pointer_to

from .frame_records import (
    DONE,
    FREE,
    TILE_COLUMNS,
    TILE_ROWS,
    WRITING,
    Y_PITCH,
    Frame,
    Thread,
)  # fmt: skip
from .regions import begin_regions, draw_regions
from .rows import CALLED, LANES
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
from .tapes import run_tape
from .tiles import Tile, clear, draw_term

# Boxes in pixels


@njit(**CALLED)
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


@njit(**CALLED)
def proportion(samples, n):
    """The first of some samples, and how many there are to a unit."""
    first = np.float64(samples[0])
    return first, np.float64(n - 1) / (np.float64(samples[n - 1]) - first)


@njit(**INLINE)
def place_thresholds(frame):
    """Thresholds to pixels."""
    width, height, xs, rising = frame.width, frame.height, frame.xs, frame.ys_rising
    thresholds, pixels = frame.thresholds_x, frame.pixels_x
    first, scale = proportion(xs, width)
    for i in range(frame.count_x):
        pixels[i] = count_below(xs, width, first, scale, thresholds[i])
    thresholds, pixels = frame.thresholds_y, frame.pixels_y
    first, scale = proportion(rising, height)
    for i in range(frame.count_y):
        pixels[i] = height - count_below(rising, height, first, scale, thresholds[i])


@njit(**INLINE)
def place_boxes(frame):
    """Boxes to pixels; those of the root's terms apart, each side for itself."""
    boxes, pixel_boxes, px, py = frame.boxes, frame.pixel_boxes, frame.pixels_x, frame.pixels_y
    for i in range(frame.box_count):
        box, pixels = boxes[i], pixel_boxes[i]
        pixels.left, pixels.right = px[box.left], px[box.right]
        pixels.top, pixels.bottom = py[box.top], py[box.bottom]  # rows run down, against y
    left, right, top, bottom = frame.top_left, frame.top_right, frame.top_top, frame.top_bottom
    for i in range(frame.terms):
        pixels = pixel_boxes[frame.top_boxes[i]]
        left[i], right[i], top[i], bottom[i] = pixels.left, pixels.right, pixels.top, pixels.bottom


# Tiles


@njit(**INLINE)
def free_tiles(frame):
    """Let all tiles be taken again."""
    tiles = frame.tiles
    for i in range(tiles.count):
        tiles.states[i] = FREE
    tiles.next[0] = 0


@njit(**CALLED)
def begin(frame, thread):
    """What a thread computes once for a frame."""
    z = thread.scratch + frame.z
    for lane in range(LANES):
        z[lane] = frame.height_z
    run_tape(frame.instructions, frame.fixed_tape.first, frame.fixed_tape.end, thread.scratch, 1, 1)
    thread.column = -1
    if address_of_record(frame.regions) != 0:
        begin_regions(frame, thread)


@njit(**CALLED)
def fill_tables(frame, thread, tile):
    """The tables of a tile's samples. Samples behind the last repeat it, as `xs` and `ys` have them."""
    scratch, instructions = thread.scratch, frame.instructions
    if thread.column != tile.column:
        thread.column = tile.column
        table, xs = thread.x_tables, frame.xs + tile.column
        for c in range(TILE_COLUMNS):
            table[c] = xs[c]
        tape = frame.x_tape
        run_tape(instructions, tape.first, tape.end, scratch, 1, TILE_COLUMNS // LANES)
    table, ys = thread.y_tables, frame.ys + tile.row
    for r in range(Y_PITCH):
        table[r] = ys[r]
    run_tape(instructions, frame.y_tape.first, frame.y_tape.end, scratch, Y_PITCH // LANES, 1)


@njit(**INLINE)
def tile_at(frame, number):
    """A tile by its number. They are numbered down a column, for the x tables' sake."""
    column = number // frame.tile_rows * TILE_COLUMNS
    row = number % frame.tile_rows * TILE_ROWS
    columns, rows = (
        min(np.int64(TILE_COLUMNS), frame.width - column),
        min(np.int64(TILE_ROWS), frame.height - row),
    )
    return Tile(column, row, columns, rows)


@njit(**INLINE)
def draw_terms(frame, thread, tile):
    """Draw the terms of the root whose boxes meet a tile."""
    starts, left, right = frame.starts, frame.top_left, frame.top_right
    top, bottom = frame.top_top, frame.top_bottom
    last_row, first_row = repeat8(np.float64(tile.row + tile.rows - 1)), repeat8(np.float64(tile.row + 1))
    last_column = repeat8(np.float64(tile.column + tile.columns - 1))
    first_column = repeat8(np.float64(tile.column + 1))
    for i in range(0, frame.terms, 8):
        met = at_most(load8(top + i), last_row) & at_least(load8(bottom + i), first_row)
        met = met & at_most(load8(left + i), last_column) & at_least(load8(right + i), first_column)
        bits = bits_of(met)
        while bits != 0:
            draw_term(frame, thread, np.int64(starts[i + trailing_zeros(bits)]), tile)
            bits &= bits - 1


@njit(**CALLED)
def draw_tile(frame, thread, tile):
    """The bits of a tile, into plane 0."""
    clear(thread.planes, 0, (tile.columns + 63) // 64 * 8)
    if address_of_record(frame.regions) != 0:
        draw_regions(frame, thread, tile.column, tile.row)
    if frame.terms != 0:
        fill_tables(frame, thread, tile)
        draw_terms(frame, thread, tile)


@njit(**INLINE)
def write_row(frame, words, row, tile):
    """A row of a tile to the image: whole words of 64 pixels, and what is left."""
    line = u8s(frame.image + (tile.row + row) * frame.row_stride + tile.column)
    whole = tile.columns >> 6
    if frame.is_streamed != 0:
        for block in range(whole):
            stream_bits(line + 64 * block, words[block * TILE_ROWS + row])
    else:
        for block in range(whole):
            spread_bits(line + 64 * block, words[block * TILE_ROWS + row])
    if tile.columns & 63:
        pixels, rest = line + 64 * whole, words[whole * TILE_ROWS + row]
        for column in range(tile.columns & 63):
            pixels[column] = 255 * (rest >> column & 1)


@njit(**CALLED)
def write_tile(frame, thread, tile):
    """Plane 0 to the image."""
    plane, words = thread.planes, thread.words
    for block in range((tile.columns + 63) >> 6):
        rows_of_strips(words + TILE_ROWS * block, plane + 8 * TILE_ROWS * block)
    for row in range(tile.rows):
        write_row(frame, words, row, tile)


@njit(**CALLED)
def make_tile(frame, thread, number):
    """Draw a tile and write it, unless another thread is faster."""
    state, tile = frame.tiles.states + number, tile_at(frame, number)
    draw_tile(frame, thread, tile)
    if atomic_swap_if(state, FREE, WRITING):
        write_tile(frame, thread, tile)
        atomic_store(state, DONE)


@njit(**INLINE)
def make_taken(frame, thread, most):
    """Make tiles that nobody has taken, at most `most`; returns how many there were."""
    tiles, taken = frame.tiles, np.int64(0)
    while taken < most:
        number = atomic_add(tiles.next, np.int64(1))
        if number >= tiles.count:
            break
        make_tile(frame, thread, number)
        taken += 1
    return taken


@njit(**INLINE)
def finish(frame, thread):
    """Make the tiles that others have taken and not finished, rather than wait for them; returns how many."""
    tiles, made = frame.tiles, np.int64(0)
    for number in range(tiles.count):
        state = tiles.states + number
        if atomic_load(state) == FREE:
            make_tile(frame, thread, number)
            made += 1
        looks = np.int64(0)
        while atomic_load(state) != DONE:
            relax()
            looks += 1
            if looks & 255 == 0:  # whoever writes the tile may be waiting for a processor
                give_way()
    return made


def kernels(precision: str) -> dict[str, tuple[Any, Any]]:
    """`prepare` and `draw` for the precision, see there."""
    frames, threads = pointer_to(Frame.of(precision)), pointer_to(Thread.of(precision))

    def prepare(frame):
        """A picture begins: thresholds to pixels, and no tile is made."""
        free_tiles(frames(frame))
        place_thresholds(frames(frame))
        place_boxes(frames(frame))

    def draw(frame_, thread_, most):
        """Make tiles that nobody has taken, at most `most`; returns how many there were.

        If `most` is negative: make what others have taken and not finished.
        """
        frame, thread = frames(frame_), threads(thread_)
        begin(frame, thread)
        return make_taken(frame, thread, most) if most >= 0 else finish(frame, thread)

    address = types.int64
    return {
        "prepare": (prepare, types.none(address)),
        "draw": (draw, types.int64(address, address, address)),
    }
