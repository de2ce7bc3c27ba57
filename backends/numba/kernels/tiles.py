"""Terms drawn into tiles: the renderer's inner loop for programs that are a union of small parts.

A tile is 64 rows by up to 1024 columns, a bit per pixel, in strips (see `strips`). A term is drawn only where
its box meets the tile. Most terms are a rectangle, or bands of sums `u(x) + v(y)`: u comes from a table of
the tile's columns and v from one of its rows, so that a pixel costs an addition and a comparison. Whatever
else a term may hold is run as a tape over its box, sixteen columns at a time.

A plane is a tile of bits. The terms of the root are or-ed into plane 0, terms inside a term at depth d into
plane d; the factors of a term at depth d are and-ed in factor plane d.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from absint.lowering.plan_format import (
    AT_MOST,
    CODE,
    EITHER,
    END_EITHER,
    SUM,
    SUM_NUMBERS,
    SUM_WORDS,
    TAPE,
    TERM,
)
from absint.native.memory import INLINE, REALS, i32s, i64s, u8s, u16s
from absint.ops.precision import Precision

from .layout import (
    FRAME,
    PLANE,
    STRIP_COLUMNS,
    TAPE_BAND,
    TAPE_WORDS,
    THREAD,
    TILE_COLUMNS,
    TILE_ROWS,
    Y_PITCH,
)
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
from .tapes import LANES, band_tester, run_tape


@njit(**INLINE)
def rows_between(window, first, end):
    """The strip whose rows from `first` up to `end` are set; `window`: 64 bytes each of 0, 255 and 0."""
    return load_strip(window + TILE_ROWS - first) & load_strip(window + 2 * TILE_ROWS - end)


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
def clear(plane, strips):
    """Make some strips empty."""
    nothing = repeat_rows(0)
    for strip in range(strips):
        store_packed(plane + strip * TILE_ROWS, nothing)


def term_drawer(precision: Precision) -> Any:
    """The function that draws one term of the root into a tile, for a precision."""
    reals = REALS[precision.value]
    load = load8[precision.value]
    size = precision.dtype.itemsize
    test_band = band_tester(precision)
    row_bytes = LANES * size

    @njit(**INLINE)
    def form(table, squared, sign, offset):
        """Eight values of ±(t + c) or ±(t + c)², t from a table."""
        t = load(table) + repeat8(offset)
        if squared != 0:
            t = t * t
        return t * repeat8(sign)

    @njit(**INLINE)
    def row_values(out, tables, words, numbers, sum_, first, rows):
        """v of a sum for rows of the tile, from `first` on."""
        table = tables + (np.int64(words[SUM_WORDS * sum_ + 2]) * Y_PITCH + first) * size
        squared, sign, offset = (
            words[SUM_WORDS * sum_ + 3], numbers[SUM_NUMBERS * sum_ + 3], numbers[SUM_NUMBERS * sum_ + 2],
        )  # fmt: skip
        for r in range(0, rows, 8):
            store_packed(out + r * size, form(table + r * size, squared, sign, offset))

    @njit(**INLINE)
    def column_values(tables, words, numbers, sum_, strip):
        """u of a sum for the columns of a strip."""
        table = tables + (np.int64(words[SUM_WORDS * sum_]) * TILE_COLUMNS + strip * STRIP_COLUMNS) * size
        return form(
            table, words[SUM_WORDS * sum_ + 1], numbers[SUM_NUMBERS * sum_ + 1], numbers[SUM_NUMBERS * sum_]
        )

    @njit(**INLINE)
    def draw_one_side(thread, words, numbers, k, left, right, top, bottom, plane):
        """A term of one sum of which x or y has the sign 0: its other side says all of a column or row."""
        lows, highs = repeat8(numbers[SUM_NUMBERS * k + 4]), repeat8(numbers[SUM_NUMBERS * k + 5])
        inside = rows_between(thread[THREAD.window], top, bottom)
        if numbers[SUM_NUMBERS * k + 1] == 0:
            v = reals(thread[THREAD.sums])
            row_values(thread[THREAD.sums], thread[THREAD.y_tables], words, numbers, k, top, bottom - top)
            rows = u8s(thread[THREAD.strip])
            for r in range(top, bottom):
                rows[r] = bits_of(between(repeat8(v[r - top]), lows, highs))
            inside = inside & load_strip(thread[THREAD.strip])
        for strip in range(left >> 3, (right + 7) >> 3):
            bits = columns_between(strip, left, right)
            if numbers[SUM_NUMBERS * k + 3] == 0:
                u = column_values(thread[THREAD.x_tables], words, numbers, k, strip)
                bits = bits & bits_of(between(u, lows, highs))
            at = plane + strip * TILE_ROWS
            store_packed(at, load_strip(at) | (inside & repeat_rows(bits)))

    @njit(**INLINE)
    def draw_sum(thread, words, numbers, k, left, right, top, bottom, plane):
        """A term of one sum of two sides: or its pixels into a plane."""
        v = reals(thread[THREAD.sums])
        rows = bottom - top
        row_values(thread[THREAD.sums], thread[THREAD.y_tables], words, numbers, k, top, rows)
        low, high = numbers[SUM_NUMBERS * k + 4], numbers[SUM_NUMBERS * k + 5]
        lows, highs = repeat8(low), repeat8(high)
        for strip in range(left >> 3, (right + 7) >> 3):
            u = column_values(thread[THREAD.x_tables], words, numbers, k, strip)
            u = only(columns_between(strip, left, right), u)
            out = u8s(plane + strip * TILE_ROWS + top)
            if words[SUM_WORDS * k + 4] == AT_MOST:
                for r in range(rows):
                    out[r] |= bits_of(at_most(u + repeat8(v[r]), highs))
            else:
                for r in range(rows):
                    out[r] |= bits_of(between(u + repeat8(v[r]), lows, highs))

    @njit(**INLINE)
    def draw_two_sums(thread, words, numbers, k, m, left, right, top, bottom, plane):
        """A term of two sums: or the pixels that are in both bands into a plane."""
        v = reals(thread[THREAD.sums])
        w = reals(thread[THREAD.sums] + Y_PITCH * size)
        rows = bottom - top
        row_values(thread[THREAD.sums], thread[THREAD.y_tables], words, numbers, k, top, rows)
        row_values(
            thread[THREAD.sums] + Y_PITCH * size, thread[THREAD.y_tables], words, numbers, m, top, rows
        )
        low_k, high_k = repeat8(numbers[SUM_NUMBERS * k + 4]), repeat8(numbers[SUM_NUMBERS * k + 5])
        low_m, high_m = repeat8(numbers[SUM_NUMBERS * m + 4]), repeat8(numbers[SUM_NUMBERS * m + 5])
        simple = words[SUM_WORDS * k + 4] == AT_MOST and words[SUM_WORDS * m + 4] == AT_MOST
        for strip in range(left >> 3, (right + 7) >> 3):
            u = column_values(thread[THREAD.x_tables], words, numbers, k, strip)
            u = only(columns_between(strip, left, right), u)
            t = column_values(thread[THREAD.x_tables], words, numbers, m, strip)
            out = u8s(plane + strip * TILE_ROWS + top)
            if simple:
                for r in range(rows):
                    out[r] |= bits_of(at_most(u + repeat8(v[r]), high_k) & at_most(t + repeat8(w[r]), high_m))
            else:
                for r in range(rows):
                    first = between(u + repeat8(v[r]), low_k, high_k)
                    out[r] |= bits_of(first & between(t + repeat8(w[r]), low_m, high_m))

    @njit(**INLINE)
    def fill_sum(thread, words, numbers, k, left, right, top, bottom, out):
        """One sum as a factor: write its rows of the strips that the box meets into a plane."""
        v = reals(thread[THREAD.sums])
        rows = bottom - top
        row_values(thread[THREAD.sums], thread[THREAD.y_tables], words, numbers, k, top, rows)
        lows, highs = repeat8(numbers[SUM_NUMBERS * k + 4]), repeat8(numbers[SUM_NUMBERS * k + 5])
        for strip in range(left >> 3, (right + 7) >> 3):
            u = column_values(thread[THREAD.x_tables], words, numbers, k, strip)
            bits = u8s(out + strip * TILE_ROWS + top)
            for r in range(rows):
                bits[r] = bits_of(between(u + repeat8(v[r]), lows, highs))

    @njit(error_model="numpy")
    def fill_tape(frame, thread, tape, left, right, top, bottom, out):
        """A tape and all of its bands as a factor: the same."""
        tapes = i64s(frame[FRAME.tapes])
        ends = reals(frame[FRAME.tape_ends])
        bands = i64s(frame[FRAME.tape_bands])
        begin, end = tapes[TAPE_WORDS * tape], tapes[TAPE_WORDS * tape + 1]
        first_band, end_band = tapes[TAPE_WORDS * tape + 2], tapes[TAPE_WORDS * tape + 3]
        scratch = thread[THREAD.scratch]
        rows = bottom - top
        packed = (rows + LANES - 1) // LANES
        x, y = reals(scratch), reals(scratch + row_bytes)
        xs, ys = reals(thread[THREAD.x_tables]), reals(thread[THREAD.y_tables])
        for r in range(packed * LANES):
            y[r] = ys[top + r]
        found = u16s(thread[THREAD.strip])
        again = u16s(thread[THREAD.strip] + 2 * TILE_ROWS)
        for block in range(left >> 4, (right + 15) >> 4):
            for c in range(LANES):
                x[c] = xs[block * LANES + c]
            run_tape(frame[FRAME.instructions], begin, end, scratch, packed, rows)
            for band in range(first_band, end_band):
                value, step = scratch + bands[TAPE_BAND * band], bands[TAPE_BAND * band + 1]
                place = 2 * bands[TAPE_BAND * band + 2]
                if band == first_band:
                    test_band(thread[THREAD.strip], value, step, ends[place], ends[place + 1], rows)
                else:
                    test_band(
                        thread[THREAD.strip] + 2 * TILE_ROWS, value, step, ends[place], ends[place + 1], rows
                    )
                    for r in range(rows):
                        found[r] &= again[r]
            one = u8s(out + 2 * block * TILE_ROWS + top)
            two = u8s(out + (2 * block + 1) * TILE_ROWS + top)
            for r in range(rows):
                one[r] = found[r] & 255
                two[r] = found[r] >> 8

    @njit(**INLINE)
    def combine(source, factors, plane, window, left, right, top, bottom, position):
        """And a factor into the factors so far, and after the last one or the term into its plane.

        `position`: 1 if the factor is the first, + 2 if the last.
        """
        rows = rows_between(window, top, bottom)
        for strip in range(left >> 3, (right + 7) >> 3):
            place = strip * TILE_ROWS
            bits = load_strip(source + place)
            if position & 1:
                bits = bits & rows & repeat_rows(columns_between(strip, left, right))
            else:
                bits = bits & load_strip(factors + place)
            if position & 2:
                store_packed(plane + place, load_strip(plane + place) | bits)
            else:
                store_packed(factors + place, bits)

    @njit(error_model="numpy")
    def draw_term(frame, thread, position, row0, column0, columns, rows):
        """Or the term whose code begins at `position` into plane 0 of the tile."""
        code, boxes = i32s(frame[FRAME.code]), i32s(frame[FRAME.box_pixels])
        words, numbers = i32s(frame[FRAME.sums]), reals(frame[FRAME.sum_numbers])
        planes, all_factors = thread[THREAD.planes], thread[THREAD.factors]
        window = thread[THREAD.window]
        # of each term that is being drawn: the part of its box in the tile, and where its code ends
        stack = i64s(thread[THREAD.stack])
        depth = 0
        stack[0], stack[1], stack[2], stack[3] = 0, columns, 0, rows
        stop = np.int64(code[CODE * position + 3])
        while position < stop:
            place = CODE * position
            kind = code[place]
            mine = 5 * depth
            plane = planes + depth * PLANE
            if kind == TERM:
                box = 4 * np.int64(code[place + 1])
                left = max(stack[mine], np.int64(boxes[box]) - column0)
                right = min(stack[mine + 1], np.int64(boxes[box + 1]) - column0)
                top = max(stack[mine + 2], np.int64(boxes[box + 2]) - row0)
                bottom = min(stack[mine + 3], np.int64(boxes[box + 3]) - row0)
                count, following = code[place + 2], np.int64(code[place + 3])
                if left >= right or top >= bottom:
                    position = following
                elif count == 0:
                    inside = rows_between(window, top, bottom)
                    for s in range(left >> 3, (right + 7) >> 3):
                        at = plane + s * TILE_ROWS
                        wanted = inside & repeat_rows(columns_between(s, left, right))
                        store_packed(at, load_strip(at) | wanted)
                    position = following
                elif count == 1:
                    k = np.int64(code[place + CODE + 1])
                    if numbers[SUM_NUMBERS * k + 1] == 0 or numbers[SUM_NUMBERS * k + 3] == 0:
                        draw_one_side(thread, words, numbers, k, left, right, top, bottom, plane)
                    else:
                        draw_sum(thread, words, numbers, k, left, right, top, bottom, plane)
                    position = following
                elif count == 2:
                    k, m = np.int64(code[place + CODE + 1]), np.int64(code[place + 2 * CODE + 1])
                    draw_two_sums(thread, words, numbers, k, m, left, right, top, bottom, plane)
                    position = following
                else:
                    depth += 1
                    mine = 5 * depth
                    stack[mine], stack[mine + 1], stack[mine + 2], stack[mine + 3] = left, right, top, bottom
                    stack[mine + 4] = following
                    position += 1
                continue
            left, right, top, bottom = stack[mine], stack[mine + 1], stack[mine + 2], stack[mine + 3]
            factors = all_factors + depth * PLANE
            above = planes + (depth - 1) * PLANE
            if kind == SUM:
                fill = thread[THREAD.filled]
                fill_sum(thread, words, numbers, np.int64(code[place + 1]), left, right, top, bottom, fill)
                combine(fill, factors, above, window, left, right, top, bottom, code[place + 2])
            elif kind == TAPE:
                fill = thread[THREAD.filled]
                fill_tape(frame, thread, np.int64(code[place + 1]), left, right, top, bottom, fill)
                combine(fill, factors, above, window, left, right, top, bottom, code[place + 2])
            elif kind == EITHER:
                first = left >> 3
                clear(plane + first * TILE_ROWS, ((right + 7) >> 3) - first)
            elif kind == END_EITHER:
                combine(plane, factors, above, window, left, right, top, bottom, code[place + 2])
            else:
                depth -= 1
            position += 1

    return draw_term
