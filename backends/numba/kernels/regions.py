"""Regions: what is not made of small terms is specialised for ever smaller parts of a tile.

A tile of 64 by 1024 pixels is sixteen regions of 64 by 64, each of them sixteen of 16 by 16. The program is
bounded on sixteen regions at once, its predicates are decided where the bounds do, and each undecided region
gets the shorter program that is left there (see `specialisation`). A region of 16 by 16 is bounded
once more, on its blocks of 4 by 4, where the program is dear enough to gain by that. At last the program is
run on the pixels (see `leaves`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from absint.native.memory import INLINE, address_of
from absint.native.record_pointers import address_of_record

from .frame_records import REGION_LANES, REGION_LEAF, REGION_SIZE, TILE_ROWS
from .leaves import BOTH, BY_BLOCKS, BY_ROWS, Program, run_pixels
from .rows import CALLED, LANES
from .specialisation import bound, specialise, spread_demand
from .strips import load_strip, store_packed, trailing_zeros
from .tiles import rows_between

EVERY_LANE = (1 << REGION_LANES) - 1

BLOCK = 4
"""Rows and columns of a block of a leaf."""
ACROSS = REGION_LEAF // BLOCK
"""Blocks in a row of a leaf."""


class Grid(NamedTuple):
    """Sixteen regions of `size` by `size` pixels, `across` of them in a row, one in each lane."""

    size: Any
    across: Any


class Place(NamedTuple):
    """A place in a tile, by column and row. `column0`, `row0`: where the tile begins in the image."""

    column0: Any
    row0: Any
    column: Any
    row: Any


@njit(**INLINE)
def place_in(place, grid, lane):
    """The place of a region of a grid, which itself begins at a place."""
    column = place.column + lane % grid.across * grid.size
    return Place(place.column0, place.row0, column, place.row + lane // grid.across * grid.size)


# Bounds


@njit(**CALLED)
def bound_samples(frame, thread, grid, place):
    """Fill the bounds of x and y on the regions of a grid. Returns the lanes whose region has pixels in the
    image.
    """
    columns, rows, xs, ys = frame.width, frame.height, frame.xs, frame.ys
    x, y = thread.special_bounds[0], thread.special_bounds[1]
    column0, row0 = place.column0 + place.column, place.row0 + place.row
    inside = np.int64(0)
    for lane in range(REGION_LANES):
        left, top = column0 + lane % grid.across * grid.size, row0 + lane // grid.across * grid.size
        if left >= columns or top >= rows:
            left, top = column0, row0
        else:
            inside |= np.int64(1) << lane
        right, bottom = min(left + grid.size, columns) - 1, min(top + grid.size, rows) - 1
        x.lower[lane], x.upper[lane] = xs[left], xs[right]
        y.lower[lane], y.upper[lane] = ys[bottom], ys[top]
    return inside


@njit(**CALLED)
def decide(frame, thread, grid, place, program):
    """Bound a program on the regions of a grid: the lanes in which it holds, and those in which it may."""
    inside = bound_samples(frame, thread, grid, place)
    bound(frame.regions, thread, program)
    truth, falsity = thread.truth[program.count - 1], thread.falsity[program.count - 1]
    return truth & inside, inside & ~(truth | falsity)


# Pixels


@njit(**INLINE)
def fill(tile_thread, place, size):
    """Set all pixels of a region."""
    rows = rows_between(tile_thread.window, place.row, place.row + size)
    for strip in range(place.column >> 3, (place.column + size) >> 3):
        pixels = tile_thread.planes + strip * TILE_ROWS
        store_packed(pixels, load_strip(pixels) | rows)


@njit(**INLINE)
def put(strip, shift, bits):
    """Or a block's bits into a strip of a plane: a nibble to a row."""
    for r in range(BLOCK):
        strip[r] |= (bits >> BLOCK * r & 15) << shift


@njit(**CALLED)
def draw_pending(regions, thread):
    """Run the blocks that wait, and put their pixels where they belong."""
    blocks = thread.pending
    if blocks == 0:
        return
    thread.pending = 0
    program = Program(thread.pending_steps, thread.pending_items, thread.pending_count)
    found, targets = run_pixels(regions, thread, BY_BLOCKS, program, blocks), thread.targets
    for i in range(blocks):
        put(targets[i].strip, targets[i].shift, np.int64(found[i]))


@njit(**INLINE)
def is_pending(thread, program):
    """Whether the blocks that wait are those of a program."""
    return address_of_record(thread.pending_steps) == address_of_record(program.steps)


@njit(**INLINE)
def set_pending(regions, thread, program):
    """Draw the blocks of another program that wait; those that follow are of this one."""
    if not is_pending(thread, program):
        draw_pending(regions, thread)
    thread.pending_steps, thread.pending_items = program.steps, program.items
    thread.pending_count = program.count


@njit(**INLINE)
def add_pending(frame, thread, strip, shift, place):
    """Let a block wait until there are sixteen, and draw them: a step on many blocks costs less for each."""
    number, xs, ys = thread.pending, frame.xs, frame.ys
    x, y = thread.block_xs + number * LANES, thread.block_ys + number * LANES
    left, top = place.column0 + place.column, place.row0 + place.row
    for r in range(BLOCK):
        for c in range(BLOCK):
            x[BLOCK * r + c], y[BLOCK * r + c] = xs[left + c], ys[top + r]
    target = thread.targets[number]
    target.strip, target.shift = strip, shift
    thread.pending = number + 1
    if number + 1 == REGION_LANES:
        draw_pending(frame.regions, thread)


@njit(**CALLED)
def draw_rows(frame, tile_thread, place, program):
    """Draw a leaf at a place by its program, all of it."""
    regions, thread, scratch = frame.regions, tile_thread.regions, tile_thread.scratch
    x, y = scratch + regions.special_places[0], scratch + regions.special_places[1]
    xs, ys = frame.xs + (place.column0 + place.column), frame.ys + (place.row0 + place.row)
    for c in range(REGION_LEAF):
        x[c] = xs[c]
    for r in range(REGION_LEAF):
        y[r] = ys[r]
    found = run_pixels(regions, thread, BY_ROWS, program, np.int64(REGION_LEAF))
    left = tile_thread.planes + ((place.column >> 3) * TILE_ROWS + place.row)
    right = left + TILE_ROWS  # the next strip
    for r in range(REGION_LEAF):
        left[r] |= found[r] & 255
        right[r] |= found[r] >> 8


@njit(**CALLED)
def draw_blocks(frame, tile_thread, place, program):
    """Draw a leaf at a place by its program: the blocks that its bounds leave open."""
    thread, grid = tile_thread.regions, Grid(np.int64(BLOCK), np.int64(ACROSS))
    filled, undecided = decide(frame, thread, grid, place, program)
    if undecided == EVERY_LANE:
        draw_rows(frame, tile_thread, place, program)
        return
    if undecided != 0:
        set_pending(frame.regions, thread, program)
    drawn = filled | undecided
    while drawn != 0:
        lane = trailing_zeros(drawn)
        drawn &= drawn - 1
        block = place_in(place, grid, lane)
        strip = tile_thread.planes + ((block.column >> 3) * TILE_ROWS + block.row)
        shift = block.column & 4
        if filled >> lane & 1:
            put(strip, shift, np.int64(EVERY_LANE))
        else:
            add_pending(frame, thread, strip, shift, block)


# Regions


@njit(**INLINE)
def saving(regions, program):
    """What is saved by bounding the program of a leaf on its blocks, in nanoseconds."""
    result = np.int64(0)
    for i in range(program.count):
        result += regions.savings[program.steps[i].node]
    return result


@njit(**INLINE)
def program_of(regions, thread, level, lane):
    """The program that `specialise` wrote for a lane of a level."""
    number = level * REGION_LANES + lane
    steps, items = thread.steps[number * regions.count], thread.items + number * regions.item_count
    return Program(steps, items, thread.sizes[number].steps)


@njit(**CALLED)
def divide(frame, tile_thread, level, place, program):
    """Bound a program on the sixteen regions of a level, fill those in which it holds, and specialise it
    for those in which it may.

    Returns the lanes that are left to draw, and those of them that have a program of their own.
    """
    thread = tile_thread.regions
    grid = (
        Grid(np.int64(REGION_SIZE), np.int64(REGION_LANES)) if level == 0
        else Grid(np.int64(REGION_LEAF), np.int64(4))
    )  # fmt: skip
    filled, undecided = decide(frame, thread, grid, place, program)
    while filled != 0:
        lane = trailing_zeros(filled)
        filled &= filled - 1
        fill(tile_thread, place_in(place, grid, lane), grid.size)
    if undecided == 0:
        return undecided, undecided
    shorter = undecided & spread_demand(frame.regions, thread, program, undecided)
    specialise(frame.regions, thread, level, program, shorter)
    return undecided, shorter


@njit(**CALLED)
def draw_region(frame, tile_thread, place, program):
    """Draw a region of 64 by 64 at a place by its program: 16 of 16 by 16."""
    regions, thread = frame.regions, tile_thread.regions
    undecided, shorter = divide(frame, tile_thread, 1, place, program)
    usual_saving = saving(regions, program) if undecided != shorter else np.int64(0)
    grid = Grid(np.int64(REGION_LEAF), np.int64(4))
    while undecided != 0:
        lane = trailing_zeros(undecided)
        undecided &= undecided - 1
        own, own_saving = program, usual_saving
        if shorter >> lane & 1:
            own = program_of(regions, thread, 1, lane)
            own_saving = saving(regions, own)
        if own_saving > 0:
            draw_blocks(frame, tile_thread, place_in(place, grid, lane), own)
        else:
            draw_rows(frame, tile_thread, place_in(place, grid, lane), own)
    if not is_pending(thread, program):
        draw_pending(regions, thread)  # the next region's programs are written over these


@njit(**CALLED)
def draw_regions(frame, tile_thread, column0, row0):
    """Or the pixels in which the regions' program holds into plane 0 of a tile."""
    regions, thread = frame.regions, tile_thread.regions
    program = Program(regions.steps, regions.items, regions.count)
    tile = Place(column0, row0, np.int64(0), np.int64(0))
    undecided, shorter = divide(frame, tile_thread, 0, tile, program)
    while undecided != 0:
        lane = trailing_zeros(undecided)
        undecided &= undecided - 1
        own = program_of(regions, thread, 0, lane) if shorter >> lane & 1 else program
        draw_region(frame, tile_thread, Place(column0, row0, lane * REGION_SIZE, np.int64(0)), own)
    draw_pending(regions, thread)


@njit(**INLINE)
def bound_number(interval, value):
    """The bounds of a number, the same in all lanes."""
    is_nan = value != value
    for lane in range(REGION_LANES):
        interval.lower[lane] = np.inf if is_nan else value
        interval.upper[lane] = -np.inf if is_nan else value
    interval.may_nan = EVERY_LANE if is_nan else 0


@njit(**CALLED)
def begin_regions(frame, tile_thread):
    """The special operands: where leaves find them, and the bounds of those that are fixed for a frame."""
    regions, thread = frame.regions, tile_thread.regions
    # a fork may have left the frame before in the middle of a leaf
    thread.pending, thread.laid_count = 0, -1
    count = regions.special_count
    for i in range(count):
        number = tile_thread.scratch + regions.special_places[i]
        by_rows, by_blocks = thread.specials[i], thread.specials[count + i]
        by_rows.place = by_blocks.place = address_of(number)
        by_rows.varies = by_blocks.varies = regions.special_classes[i]
        if i >= 2:
            bound_number(thread.special_bounds[i], number[0])
    for i in range(2):
        thread.special_bounds[i].may_nan = 0
    x, y = thread.specials[count], thread.specials[count + 1]
    x.place, x.varies = address_of(thread.block_xs), BOTH
    y.place, y.varies = address_of(thread.block_ys), BOTH
