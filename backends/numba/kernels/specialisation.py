"""Specialisation: the bounds of a program on sixteen regions, and the shorter program of each.

Three sweeps: bounds forward, demand backward, and the programs written forward, where a min or max whose
winner is known is its winner, a decided operand of `all` or `any` goes, and so does what nothing needs any
more. This is the pass pipeline on
a smaller box, fused, for sixteen regions at a time; after Duff (1992) and Keeter (2020).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from absint.lowering.plan_format import ALL_OF, ANY_OF, GREATEST, IN_BAND, LEAST, STEP, UNARY
from absint.native.memory import INLINE, REALS, call2, call3, i32s, i64s, u8s
from absint.ops.precision import Precision
from absint.ops.printers import vectors

from .layout import REGION_LANES, REGION_THREAD, REGIONS
from .strips import trailing_zeros


def specialisers(precision: Precision) -> Any:
    """`bound`, `spread_demand` and `specialise` for a precision."""
    reals = REALS[precision.value]
    single = precision is Precision.F32
    size = precision.dtype.itemsize
    load = vectors.load_f32 if single else vectors.load_f64
    splat, mask_bits = vectors.splat, vectors.mask_bits
    upper_end = vectors.LANES * size
    nan_flags = 2 * upper_end

    @njit(**INLINE)
    def record(operand, records, specials, record_bytes):
        """Where the bounds of an operand are."""
        return (records + operand * record_bytes) if operand >= 0 else (specials + ~operand * record_bytes)

    @njit(**INLINE)
    def winners(kind, a, b):
        """The lanes in which min or max is its first operand, and those in which it is its second, in bits.

        NaN wins, so the operand that is left out must be a number; a tie gives the second.
        """
        a_nan, b_nan = i64s(a + nan_flags)[0], i64s(b + nan_flags)[0]
        if kind == LEAST:
            first = mask_bits(load(a + upper_end) < load(b))
            second = mask_bits(load(b + upper_end) <= load(a))
        else:
            first = mask_bits(load(a) > load(b + upper_end))
            second = mask_bits(load(b) >= load(a + upper_end))
        first &= ~b_nan
        return first, second & ~a_nan & ~first

    @njit(error_model="numpy")
    def bound(region, thread, steps, count, items):
        """Bounds of every step on sixteen regions, and in which of them its predicates are true or false."""
        records, specials, record_bytes = (
            thread[REGION_THREAD.records], thread[REGION_THREAD.specials], region[REGIONS.record_bytes],
        )  # fmt: skip
        truth, falsity = i64s(thread[REGION_THREAD.truth]), i64s(thread[REGION_THREAD.falsity])
        kinds, kernels = u8s(region[REGIONS.kind]), i64s(region[REGIONS.interval_kernels])
        ends = reals(region[REGIONS.ends])
        for i in range(count):
            node, a, b = (
                np.int64(steps[STEP * i]), np.int64(steps[STEP * i + 1]), np.int64(steps[STEP * i + 2]),
            )  # fmt: skip
            kind = kinds[node]
            if kind == ALL_OF or kind == ANY_OF:
                holds, fails = -np.int64(kind == ALL_OF), -np.int64(kind == ANY_OF)
                for k in range(a, a + b):
                    item = np.int64(items[k])
                    if kind == ALL_OF:
                        holds &= truth[item]
                        fails |= falsity[item]
                    else:
                        holds |= truth[item]
                        fails &= falsity[item]
                truth[i] = holds
                falsity[i] = fails
                continue
            first = record(a, records, specials, record_bytes)
            if kind == IN_BAND:
                low, high = splat(ends[2 * node]), splat(ends[2 * node + 1])
                lower, upper = load(first), load(first + upper_end)
                truth[i] = mask_bits((lower >= low) & (upper <= high)) & ~i64s(first + nan_flags)[0]
                falsity[i] = mask_bits((upper < low) | (lower > high))
            elif kind == UNARY:
                call2(kernels[node], records + i * record_bytes, first)
            else:
                second = record(b, records, specials, record_bytes)
                call3(kernels[node], records + i * record_bytes, first, second)

    @njit(error_model="numpy")
    def spread_demand(region, thread, steps, count, items, undecided):
        """In which regions each step is still needed. Returns the regions whose program is shorter now."""
        records, specials, record_bytes = (
            thread[REGION_THREAD.records], thread[REGION_THREAD.specials], region[REGIONS.record_bytes],
        )  # fmt: skip
        truth, falsity = i64s(thread[REGION_THREAD.truth]), i64s(thread[REGION_THREAD.falsity])
        live, kinds = i64s(thread[REGION_THREAD.live]), u8s(region[REGIONS.kind])
        for i in range(count):
            live[i] = 0
        live[count - 1] = undecided
        shorter = np.int64(0)
        for i in range(count - 1, -1, -1):
            here = live[i]
            shorter |= undecided & ~here
            if here == 0:
                continue
            kind = kinds[np.int64(steps[STEP * i])]
            a, b = np.int64(steps[STEP * i + 1]), np.int64(steps[STEP * i + 2])
            if kind == ALL_OF or kind == ANY_OF:
                for k in range(a, a + b):
                    item = np.int64(items[k])
                    decided = truth[item] | falsity[item]
                    shorter |= here & decided
                    live[item] |= here & ~decided
                continue
            keep_a = keep_b = here
            if kind == LEAST or kind == GREATEST:
                first, second = winners(
                    kind,
                    record(a, records, specials, record_bytes),
                    record(b, records, specials, record_bytes),
                )
                keep_a, keep_b = here & ~second, here & ~first
                shorter |= here & (first | second)
            if a >= 0:
                live[a] |= keep_a
            if kind != UNARY and kind != IN_BAND and b >= 0:
                live[b] |= keep_b
        return shorter

    @njit(error_model="numpy")
    def specialise(region, thread, level, steps, count, items, lanes):
        """Write the programs of some undecided regions. The root is each program's last step."""
        if lanes == 0:
            return
        thread[REGION_THREAD.laid_steps] = 0  # another program may be where the one laid out was
        records, specials, record_bytes = (
            thread[REGION_THREAD.records], thread[REGION_THREAD.specials], region[REGIONS.record_bytes],
        )  # fmt: skip
        truth, falsity = i64s(thread[REGION_THREAD.truth]), i64s(thread[REGION_THREAD.falsity])
        live, kinds = i64s(thread[REGION_THREAD.live]), u8s(region[REGIONS.kind])
        index = i32s(thread[REGION_THREAD.index])
        most_steps, most_items = region[REGIONS.count], region[REGIONS.item_count]
        out_steps = i32s(thread[REGION_THREAD.steps] + level * REGION_LANES * most_steps * STEP * 4)
        out_items = i32s(thread[REGION_THREAD.items] + level * REGION_LANES * most_items * 4)
        counts = i64s(thread[REGION_THREAD.counts] + level * REGION_LANES * 16)
        # the steps and the items that each lane has so far
        for lane in range(2 * REGION_LANES):
            counts[lane] = 0
        for i in range(count):
            here = live[i] & lanes
            if here == 0:
                continue
            node = steps[STEP * i]
            kind = kinds[np.int64(node)]
            a, b = np.int64(steps[STEP * i + 1]), np.int64(steps[STEP * i + 2])
            first = second = np.int64(0)
            if kind == LEAST or kind == GREATEST:
                first, second = winners(
                    kind,
                    record(a, records, specials, record_bytes),
                    record(b, records, specials, record_bytes),
                )
            while here != 0:
                lane = trailing_zeros(here)
                here &= here - 1
                bit = np.int64(1) << lane
                place = REGION_LANES * i + lane
                made = counts[2 * lane]
                out = STEP * (most_steps * lane + made)
                if kind == ALL_OF or kind == ANY_OF:
                    begin = counts[2 * lane + 1]
                    end = begin
                    for k in range(a, a + b):
                        item = np.int64(items[k])
                        if (truth[item] | falsity[item]) & bit == 0:
                            out_items[most_items * lane + end] = index[REGION_LANES * item + lane]
                            end += 1
                    if end == begin + 1:
                        index[place] = out_items[most_items * lane + begin]
                        continue
                    counts[2 * lane + 1] = end
                    out_steps[out + 1] = begin
                    out_steps[out + 2] = end - begin
                else:
                    x = np.int64(index[REGION_LANES * a + lane]) if a >= 0 else a
                    if first & bit:
                        index[place] = x
                        continue
                    y = b
                    if kind != UNARY and kind != IN_BAND and b >= 0:
                        y = np.int64(index[REGION_LANES * b + lane])
                    if second & bit:
                        index[place] = y
                        continue
                    out_steps[out + 1] = x
                    out_steps[out + 2] = y
                out_steps[out] = node
                index[place] = made
                counts[2 * lane] = made + 1

    return bound, spread_demand, specialise
