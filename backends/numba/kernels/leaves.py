"""Leaves: the program of a small region run on its pixels, in one of two ways.

`BY_ROWS`, a row of sixteen lanes is a row of pixels, and a step takes as many rows as its value varies: one
if it depends on x alone, one with a number for each row of pixels if on y alone, else a row for each row of
pixels. `BY_BLOCKS`, a row of lanes is a block of four by four pixels: x and y vary in it, but blocks can be
left out. The memory of a value is given to a later one after its last use, so that most of what a leaf
touches stays in the nearest cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from absint.lowering.plan_format import ALL_OF, ANY_OF, IN_BAND, UNARY
from absint.native.memory import INLINE, address_of, call4, call6, i64s, u16s
from absint.native.record_pointers import address_of_record

from .frame_records import REGION_LEAF
from .rows import CALLED, LANES, numbers_at, size_of
from .tapes import test_band

FIXED, ROW, COLUMN, BOTH = range(4)
"""What values vary with, x (1) and y (2): one number for all pixels; a row of columns; a number for each
row of pixels; a row for each row of pixels.
"""

BY_ROWS, BY_BLOCKS = range(2)

MASK = 2 * REGION_LEAF
"""Bytes of a predicate's truth on the pixels of all rows: a uint16 for each."""


class Program(NamedTuple):
    """The program of a region: `count` steps, and the items of lists."""

    steps: Any
    items: Any
    count: Any


@njit(**INLINE)
def is_list(kind):
    """Whether a step of a kind is an `all` or `any` of some predicates."""
    return kind == ALL_OF or kind == ANY_OF


@njit(**INLINE)
def find_last_uses(regions, program, last_uses):
    """The last step that reads each step's number, -1 for none."""
    for i in range(program.count):
        step = program.steps[i]
        kind = regions.kinds[step.node]
        last_uses[i] = -1
        if not is_list(kind):
            if step.a >= 0:
                last_uses[step.a] = i
            if kind != UNARY and kind != IN_BAND and step.b >= 0:
                last_uses[step.b] = i


@njit(**INLINE)
def reading(operand, result, size):
    """How an operation reads an operand, by what the operand and the result vary with: whether it takes one
    number a row, and the bytes from one row to the next. `size`: bytes of a number.
    """
    if result != BOTH:
        return operand != result, np.int64(0)
    if operand == BOTH:
        return False, LANES * size
    return operand != ROW, size if operand == COLUMN else np.int64(0)


@njit(**INLINE)
def is_last_use(thread, operand, i):
    """Whether step i is the last one that reads an operand, and the operand is a step."""
    return operand >= 0 and thread.last_uses[operand] == i


class Room(NamedTuple):
    """What of the memory for values is free: so many rows and blocks of rows, whose places are listed in
    `free_rows` and `free_blocks`, and all from the address `end` on.
    """

    rows: Any
    blocks: Any
    end: Any


@njit(**INLINE)
def give_back(thread, value, room):
    """Make the place of a value free."""
    if value.varies == BOTH:
        thread.free_blocks[room.blocks] = value.place
        return Room(room.rows, room.blocks + 1, room.end)
    thread.free_rows[room.rows] = value.place
    return Room(room.rows + 1, room.blocks, room.end)


@njit(**INLINE)
def take(thread, varies, room, row_bytes):
    """A place for a value, and what room is left."""
    if varies == BOTH:
        if room.blocks > 0:
            return thread.free_blocks[room.blocks - 1], Room(room.rows, room.blocks - 1, room.end)
        return room.end, Room(room.rows, room.blocks, room.end + row_bytes * REGION_LEAF)
    if room.rows > 0:
        return thread.free_rows[room.rows - 1], Room(room.rows - 1, room.blocks, room.end)
    return room.end, Room(room.rows, room.blocks, room.end + row_bytes)


@njit(**INLINE)
def lay_out_band(thread, i, a, value, room):
    """The instruction of a band: its operand, and the numbers from one row of that to the next."""
    code = thread.leaf_code[i]
    code.a = value.place
    code.a_step = LANES if value.varies == BOTH else 1 if value.varies == COLUMN else 0
    return give_back(thread, value, room) if is_last_use(thread, a, i) else room


@njit(**INLINE)
def lay_out_operation(thread, i, step, kernels, operands, room):
    """The instruction of an operation. `operands`: the two values that it reads, the same if it is unary.

    An operand whose last use this is makes room for the result, if it varies with the same axes.
    """
    code, size = thread.leaf_code[i], size_of(thread.slots)
    a, b = operands
    is_unary = code.kind == UNARY
    varies = a.varies | b.varies
    if is_last_use(thread, step.a, i) and (a.varies == BOTH or a.varies == varies):
        room = give_back(thread, a, room)
    has_other = not is_unary and step.b != step.a
    if has_other and is_last_use(thread, step.b, i) and (b.varies == BOTH or b.varies == varies):
        room = give_back(thread, b, room)
    place, room = take(thread, varies, room, LANES * size)
    thread.values[i].place, thread.values[i].varies = place, varies
    code.out, code.a, code.varies = place, a.place, varies == BOTH
    single_a, code.a_step = reading(a.varies, varies, size)
    shape = np.int64(0)
    if not is_unary:
        code.b = b.place
        single_b, code.b_step = reading(b.varies, varies, size)
        shape = np.int64(2 if single_a else 1 if single_b else 0)
    code.kernel = kernels.shapes[shape]
    return room


@njit(**CALLED)
def lay_out(regions, thread, way, program):
    """Where each step's value goes and where its operands are: `leaf_code`."""
    find_last_uses(regions, program, thread.last_uses)
    values, specials = thread.values, thread.specials[way * regions.special_count]
    masks = address_of(thread.masks)
    room = Room(np.int64(0), np.int64(0), address_of(thread.slots))
    for i in range(program.count):
        step, code = program.steps[i], thread.leaf_code[i]
        kind = np.int64(regions.kinds[step.node])
        code.kind = kind
        if is_list(kind):
            code.out, code.number, code.count = masks + MASK * i, step.a, step.b
            continue
        a = values[step.a] if step.a >= 0 else specials[~step.a]
        if kind == IN_BAND:
            code.out, code.number = masks + MASK * i, step.node
            room = lay_out_band(thread, i, step.a, a, room)
            continue
        b = a
        if kind != UNARY:
            b = values[step.b] if step.b >= 0 else specials[~step.b]
        kernels = regions.row_kernels[step.node]
        room = lay_out_operation(thread, i, step, kernels, (a, b), room)


@njit(**INLINE)
def combine(code, masks, items):
    """`all` or `any` of some predicates, which are listed."""
    out, kind, first = i64s(code.out), code.kind, np.int64(code.number)
    end = first + code.count
    for word in range(MASK // 8):  # four rows to a word
        found = i64s(masks + MASK * items[first])[word]
        for k in range(first + 1, end):
            other = i64s(masks + MASK * items[k])[word]
            found = found & other if kind == ALL_OF else found | other
        out[word] = found


@njit(**INLINE)
def is_laid_out(thread, way, program):
    """Whether a program is the one that was laid out last, for the same way to run it."""
    return (
        address_of_record(thread.laid_steps) == address_of_record(program.steps)
        and thread.laid_count == program.count
        and thread.laid_way == way
    )


@njit(**CALLED)
def run_pixels(regions, thread, way, program, rows):
    """Run a region's program on rows of lanes; returns a uint16 for each.

    What was laid out last is used again where it is of the same program, as it is in all regions whose
    program is not shorter than their parent's.
    """
    if not is_laid_out(thread, way, program):
        lay_out(regions, thread, way, program)
        thread.laid_steps, thread.laid_count, thread.laid_way = program.steps, program.count, way
    instructions, ends, masks = thread.leaf_code, regions.ends, address_of(thread.masks)
    for i in range(program.count):
        code = instructions[i]
        kind = code.kind
        if kind == UNARY:
            call4(code.kernel, code.out, code.a, code.a_step, rows if code.varies else np.int64(1))
        elif kind == IN_BAND:
            band, values = ends[code.number], numbers_at(code.a, thread.slots)
            test_band(u16s(code.out), values, code.a_step, band.lower, band.upper, rows)
        elif is_list(kind):
            combine(code, masks, program.items)
        else:
            call6(
                code.kernel, code.out, code.a, code.a_step, code.b, code.b_step,
                rows if code.varies else np.int64(1),
            )  # fmt: skip
    return thread.masks + REGION_LEAF * (program.count - 1)
