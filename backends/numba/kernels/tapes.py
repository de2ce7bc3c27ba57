"""Running tapes: straight-line code over scratch memory, a block of pixels at a time."""

from __future__ import annotations

import numpy as np
from numba import njit

from absint.native.memory import INLINE, address_of, call4, call6
from absint.ops.printers.vectors import mask_bits, splat

from .frame_records import ONE_ROW, PACKED_ROWS
from .rows import LANES, load_row


@njit(**INLINE)
def run_tape(instructions, first, end, scratch_, packed, rows):
    """Run the instructions from `first` up to `end`, for `rows` rows; `packed` rows hold a number for each of
    them.
    """
    scratch = address_of(scratch_)
    for i in range(first, end):
        instruction = instructions[i]
        kind = instruction.rows
        count = np.int64(1) if kind == ONE_ROW else packed if kind == PACKED_ROWS else rows
        out, a = scratch + instruction.out, scratch + instruction.a
        if instruction.b_step < 0:
            call4(instruction.kernel, out, a, instruction.a_step, count)
        else:
            call6(
                instruction.kernel, out, a, instruction.a_step,
                scratch + instruction.b, instruction.b_step, count,
            )  # fmt: skip


@njit(**INLINE)
def test_band(bits, values, step, lower, upper, rows):
    """Write a uint16 for each row: the columns in which the value is in the band.

    `step`: numbers from one row's values to the next: a row of sixteen, 0 for one row for all, or 1 for one
    number for each row.
    """
    lows, highs = splat(lower), splat(upper)
    if step == LANES:
        for r in range(rows):
            v = load_row(values + r * LANES)
            bits[r] = mask_bits((v >= lows) & (v <= highs))
    elif step == 0:
        v = load_row(values)
        found = mask_bits((v >= lows) & (v <= highs))
        for r in range(rows):
            bits[r] = found
    else:
        for r in range(rows):
            v = splat(values[r])
            bits[r] = mask_bits((v >= lows) & (v <= highs))
