"""Running tapes: straight-line code over scratch memory, a block of pixels at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from absint.native.memory import INLINE, call4, call6, i64s, u16s
from absint.ops.precision import Precision
from absint.ops.printers import vectors

from .layout import INSTRUCTION, ONE_ROW, PACKED_ROWS

LANES = vectors.LANES


@njit(**INLINE)
def run_tape(instructions, first, last, scratch, packed, rows):
    """Run instructions `first` up to `last`, see `layout`. `packed` rows hold a number for each of `rows`."""
    words = i64s(instructions)
    for i in range(first * INSTRUCTION, last * INSTRUCTION, INSTRUCTION):
        kind = words[i + 6]
        count = np.int64(1) if kind == ONE_ROW else packed if kind == PACKED_ROWS else rows
        if words[i + 5] < 0:
            call4(words[i], scratch + words[i + 1], scratch + words[i + 2], words[i + 3], count)
        else:
            call6(
                words[i], scratch + words[i + 1], scratch + words[i + 2], words[i + 3],
                scratch + words[i + 4], words[i + 5], count,
            )  # fmt: skip


def band_tester(precision: Precision) -> Any:
    """The function that compares rows of sixteen values of a precision with the ends of a band."""
    single = precision is Precision.F32
    load, splat_from = (
        (vectors.load_f32, vectors.splat_f32) if single else (vectors.load_f64, vectors.splat_f64)
    )
    splat, mask_bits = vectors.splat, vectors.mask_bits
    row = LANES * precision.dtype.itemsize

    @njit(**INLINE)
    def test_band(out, value, step, low, high, rows):
        """Write a u16 for each row: the columns in which the value is in the band.

        `step`: bytes from one row's values to the next: a row of sixteen, 0 for one row for all, or less than
        a row for one number for each row.
        """
        bits = u16s(out)
        lows, highs = splat(low), splat(high)
        if step == row:
            for r in range(rows):
                v = load(value + r * row)
                bits[r] = mask_bits((v >= lows) & (v <= highs))
        elif step == 0:
            v = load(value)
            found = mask_bits((v >= lows) & (v <= highs))
            for r in range(rows):
                bits[r] = found
        else:
            for r in range(rows):
                v = splat_from(value + r * step)
                bits[r] = mask_bits((v >= lows) & (v <= highs))

    return test_band
