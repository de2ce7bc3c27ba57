"""Terms drawn into tiles: the renderer's inner loop for programs that are a union of small parts.

The culling of terms: a term of the root is drawn only where its box meets the tile (`frame.draw_terms` tests
eight boxes at once), and a term within others only where its box meets theirs (`meet`).

Most terms are a rectangle, or bands of sums `u(x) + v(y)`: u comes from a table of the tile's columns and v
from one of its rows, so that a pixel costs an addition and a comparison. Whatever else a term may hold is run
as a tape over its box, sixteen columns at a time.

A plane is a tile of bits. The terms of the root are or-ed into plane 0, terms inside a term at depth d into
plane d; the factors of a term at depth d are and-ed in factor plane d.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from absint.lowering.plan_format import AT_MOST, EITHER, END, END_EITHER, SUM, TAPE, TERM
from absint.native.memory import INLINE

from .frame_records import PLANE, STRIP_COLUMNS, TILE_COLUMNS, TILE_ROWS, Y_PITCH
from .rows import CALLED, LANES
from .strips import (  # fmt: skip
    at_most,
    between,
    bits_of,
    load8,
    load_strip,
    only,
    repeat8,
    repeat_rows,
    store_packed,
)
from .tapes import run_tape, test_band

FIRST, LAST = 1, 2
"""Bits of the position of a factor in its term."""


class Tile(NamedTuple):
    """A tile: its first column and row in the image, and how many of each it has there."""

    column: Any
    row: Any
    columns: Any
    rows: Any


class Rectangle(NamedTuple):
    """Some columns of a tile, from `left` up to `right`, and rows, from `top` up to `bottom`."""

    left: Any
    right: Any
    top: Any
    bottom: Any


@njit(**INLINE)
def strips_of(rectangle):
    """The numbers of the strips that a rectangle meets."""
    return range(rectangle.left >> 3, (rectangle.right + 7) >> 3)


@njit(**INLINE)
def rows_between(window, first, end):
    """The strip whose rows from `first` up to `end` are set; `window`: 64 bytes each of 0, 255 and 0."""
    return load_strip(window + (TILE_ROWS - first)) & load_strip(window + (2 * TILE_ROWS - end))


@njit(**INLINE)
def columns_between(strip, first, end):
    """The bits of a strip's columns that lie from `first` up to `end`, columns of the tile."""
    low, high = first - strip * STRIP_COLUMNS, end - strip * STRIP_COLUMNS
    bits = np.int64(255)
    if low > 0:
        bits = bits << low
    if high < STRIP_COLUMNS:
        bits = bits & ((1 << high) - 1)
    return bits & 255


@njit(**INLINE)
def clear(plane, first, end):
    """Make the strips from `first` up to `end` empty."""
    nothing = repeat_rows(0)
    for strip in range(first, end):
        store_packed(plane + strip * TILE_ROWS, nothing)


@njit(**INLINE)
def add_pixels(plane, strip, pixels):
    """Or some pixels of a strip into a plane."""
    place = plane + strip * TILE_ROWS
    store_packed(place, load_strip(place) | pixels)


# Sums


@njit(**INLINE)
def values_of_side(table, is_squared, sign, offset):
    """Eight values of ±(t + c) or ±(t + c)², t from a table."""
    t = load8(table) + repeat8(offset)
    if is_squared != 0:
        t = t * t
    return t * repeat8(sign)


@njit(**INLINE)
def column_values(thread, side, strip):
    """u of a sum for the columns of a strip."""
    table = thread.x_tables + (side.table * TILE_COLUMNS + strip * STRIP_COLUMNS)
    return values_of_side(table, side.is_squared, side.sign, side.offset)


@njit(**INLINE)
def row_values(out, thread, side, rectangle):
    """v of a sum for the rows of a rectangle."""
    table = thread.y_tables + (side.table * Y_PITCH + rectangle.top)
    is_squared, sign, offset = side.is_squared, side.sign, side.offset
    for r in range(0, rectangle.bottom - rectangle.top, 8):
        store_packed(out + r, values_of_side(table + r, is_squared, sign, offset))


@njit(**INLINE)
def draw_one_side(thread, sum_, rectangle, plane):
    """A term of one sum of which x or y has the sign 0: its other side says all of a column or row."""
    lows, highs = repeat8(sum_.lower), repeat8(sum_.upper)
    inside = rows_between(thread.window, rectangle.top, rectangle.bottom)
    if sum_.x.sign == 0:
        v, bits_of_rows = thread.sums, thread.row_bits
        row_values(v, thread, sum_.y, rectangle)
        for r in range(rectangle.top, rectangle.bottom):
            bits_of_rows[r] = bits_of(between(repeat8(v[r - rectangle.top]), lows, highs))
        inside = inside & load_strip(bits_of_rows)
    for strip in strips_of(rectangle):
        bits = columns_between(strip, rectangle.left, rectangle.right)
        if sum_.y.sign == 0:
            bits = bits & bits_of(between(column_values(thread, sum_.x, strip), lows, highs))
        add_pixels(plane, strip, inside & repeat_rows(bits))


@njit(**INLINE)
def draw_sum(thread, sum_, rectangle, plane):
    """A term of one sum of two sides: or its pixels into a plane."""
    v, rows = thread.sums, rectangle.bottom - rectangle.top
    row_values(v, thread, sum_.y, rectangle)
    lows, highs = repeat8(sum_.lower), repeat8(sum_.upper)
    for strip in strips_of(rectangle):
        u = column_values(thread, sum_.x, strip)
        u = only(columns_between(strip, rectangle.left, rectangle.right), u)
        out = plane + (strip * TILE_ROWS + rectangle.top)
        if sum_.band == AT_MOST:
            for r in range(rows):
                out[r] |= bits_of(at_most(u + repeat8(v[r]), highs))
        else:
            for r in range(rows):
                out[r] |= bits_of(between(u + repeat8(v[r]), lows, highs))


@njit(**INLINE)
def draw_two_sums(thread, first, second, rectangle, plane):
    """A term of two sums: or the pixels that are in both bands into a plane."""
    v, w, rows = thread.sums, thread.sums + Y_PITCH, rectangle.bottom - rectangle.top
    row_values(v, thread, first.y, rectangle)
    row_values(w, thread, second.y, rectangle)
    lows, highs = repeat8(first.lower), repeat8(first.upper)
    second_lows, second_highs = repeat8(second.lower), repeat8(second.upper)
    simple = first.band == AT_MOST and second.band == AT_MOST
    for strip in strips_of(rectangle):
        u = column_values(thread, first.x, strip)
        u = only(columns_between(strip, rectangle.left, rectangle.right), u)
        t = column_values(thread, second.x, strip)
        out = plane + (strip * TILE_ROWS + rectangle.top)
        if simple:
            for r in range(rows):
                inside = at_most(u + repeat8(v[r]), highs) & at_most(t + repeat8(w[r]), second_highs)
                out[r] |= bits_of(inside)
        else:
            for r in range(rows):
                inside = between(u + repeat8(v[r]), lows, highs)
                out[r] |= bits_of(inside & between(t + repeat8(w[r]), second_lows, second_highs))


# Factors


@njit(**INLINE)
def fill_sum(thread, sum_, rectangle, out):
    """One sum as a factor: write its rows of the strips that the rectangle meets into a plane."""
    v, rows = thread.sums, rectangle.bottom - rectangle.top
    row_values(v, thread, sum_.y, rectangle)
    lows, highs = repeat8(sum_.lower), repeat8(sum_.upper)
    for strip in strips_of(rectangle):
        u = column_values(thread, sum_.x, strip)
        bits = out + (strip * TILE_ROWS + rectangle.top)
        for r in range(rows):
            bits[r] = bits_of(between(u + repeat8(v[r]), lows, highs))


@njit(**INLINE)
def place_rows(thread, rectangle):
    """Give tapes the y of a rectangle's rows; returns how many rows of sixteen numbers these are."""
    y, ys = thread.scratch + LANES, thread.y_tables + rectangle.top
    packed = (rectangle.bottom - rectangle.top + LANES - 1) // LANES
    for r in range(packed * LANES):
        y[r] = ys[r]
    return packed


@njit(**INLINE)
def test_bands(thread, bands, first, end, rows):
    """The columns of sixteen in which the values of a tape are in all of its bands, into `found`."""
    scratch, found, again = thread.scratch, thread.found, thread.found_again
    for band in range(first, end):
        values, step = scratch + bands[band].value, bands[band].step
        if band == first:
            test_band(found, values, step, bands[band].lower, bands[band].upper, rows)
        else:
            test_band(again, values, step, bands[band].lower, bands[band].upper, rows)
            for r in range(rows):
                found[r] &= again[r]


@njit(**CALLED)
def fill_tape(frame, thread, tape, rectangle, out):
    """A tape and all of its bands as a factor: write its rows of the strips that the rectangle meets, and
    perhaps of a strip more, into a plane.
    """
    rows = rectangle.bottom - rectangle.top
    packed = place_rows(thread, rectangle)
    x, xs, found = thread.scratch, thread.x_tables, thread.found
    for block in range(rectangle.left >> 4, (rectangle.right + 15) >> 4):
        for c in range(LANES):
            x[c] = xs[block * LANES + c]
        run_tape(frame.instructions, tape.first, tape.end, thread.scratch, packed, rows)
        test_bands(thread, frame.tape_bands, tape.first_band, tape.end_band, rows)
        left = out + (2 * block * TILE_ROWS + rectangle.top)
        right = left + TILE_ROWS  # the next strip
        for r in range(rows):
            left[r] = found[r] & 255
            right[r] = found[r] >> 8


@njit(**INLINE)
def combine(source, thread, depth, rectangle, position):
    """And a factor of the term at a depth into its factors so far; after the last one, or the term into the
    plane of the depth above.
    """
    rows = rows_between(thread.window, rectangle.top, rectangle.bottom)
    factors, plane = thread.factors + depth * PLANE, thread.planes + (depth - 1) * PLANE
    for strip in strips_of(rectangle):
        place = strip * TILE_ROWS
        bits = load_strip(source + place)
        if position & FIRST:
            bits = bits & rows & repeat_rows(columns_between(strip, rectangle.left, rectangle.right))
        else:
            bits = bits & load_strip(factors + place)
        if position & LAST:
            store_packed(plane + place, load_strip(plane + place) | bits)
        else:
            store_packed(factors + place, bits)


# Terms


@njit(**INLINE)
def rectangle_of(level):
    """The rectangle of a level."""
    return Rectangle(level.left, level.right, level.top, level.bottom)


@njit(**INLINE)
def enter(level, rectangle):
    """Fill the fields of a level."""
    level.left, level.right = rectangle.left, rectangle.right
    level.top, level.bottom = rectangle.top, rectangle.bottom


@njit(**INLINE)
def meet(level, box, tile):
    """The part of a level's rectangle that a box of the image meets in a tile; empty unless it does."""
    return Rectangle(
        max(level.left, np.int64(box.left) - tile.column),
        min(level.right, np.int64(box.right) - tile.column),
        max(level.top, np.int64(box.top) - tile.row),
        min(level.bottom, np.int64(box.bottom) - tile.row),
    )


@njit(**INLINE)
def draw_rectangle(thread, rectangle, plane):
    """A term without factors: or all pixels of its box into a plane."""
    inside = rows_between(thread.window, rectangle.top, rectangle.bottom)
    for strip in strips_of(rectangle):
        columns = repeat_rows(columns_between(strip, rectangle.left, rectangle.right))
        add_pixels(plane, strip, inside & columns)


@njit(**INLINE)
def draw_factors(frame, thread, entries, count, rectangle, plane):
    """A term of up to two sums, whose `entries` follow its own."""
    if count == 0:
        draw_rectangle(thread, rectangle, plane)
    elif count == 1:
        sum_ = frame.sums[entries[0].number]
        if sum_.x.sign == 0 or sum_.y.sign == 0:
            draw_one_side(thread, sum_, rectangle, plane)
        else:
            draw_sum(thread, sum_, rectangle, plane)
    else:
        draw_two_sums(thread, frame.sums[entries[0].number], frame.sums[entries[1].number], rectangle, plane)


@njit(**INLINE)
def draw_factor(frame, thread, entry, depth, rectangle):
    """A factor of a term at a depth, or what is before or behind the terms of which one must hold."""
    if entry.kind == SUM:
        fill_sum(thread, frame.sums[entry.number], rectangle, thread.filled)
        combine(thread.filled, thread, depth, rectangle, entry.other)
    elif entry.kind == TAPE:
        fill_tape(frame, thread, frame.tapes[entry.number], rectangle, thread.filled)
        combine(thread.filled, thread, depth, rectangle, entry.other)
    elif entry.kind == EITHER:
        clear(thread.planes + depth * PLANE, rectangle.left >> 3, (rectangle.right + 7) >> 3)
    elif entry.kind == END_EITHER:
        combine(thread.planes + depth * PLANE, thread, depth, rectangle, entry.other)


@njit(**CALLED)
def draw_term(frame, thread, position, tile):
    """Draw the term of the root whose code begins at a position."""
    code, levels = frame.code, thread.levels
    depth = 0
    enter(levels[0], Rectangle(np.int64(0), tile.columns, np.int64(0), tile.rows))
    stop = np.int64(code[position].next)
    while position < stop:
        entry, level = code[position], levels[depth]
        if entry.kind == TERM:
            rectangle = meet(level, frame.pixel_boxes[entry.number], tile)
            following = np.int64(entry.next)
            if rectangle.left >= rectangle.right or rectangle.top >= rectangle.bottom:
                position = following
            elif 0 <= entry.other <= 2:
                plane = thread.planes + depth * PLANE
                draw_factors(frame, thread, code[position + 1], entry.other, rectangle, plane)
                position = following
            else:
                depth += 1
                enter(levels[depth], rectangle)
                position += 1
        elif entry.kind == END:
            depth -= 1
            position += 1
        else:
            draw_factor(frame, thread, entry, depth, rectangle_of(level))
            position += 1
