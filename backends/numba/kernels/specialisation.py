"""Specialisation: the bounds of a program on sixteen regions, and the shorter program of each.

Three sweeps: bounds forward, demand backward, and the programs written forward, where a min or max whose
winner is known is its winner, a decided operand of `all` or `any` goes, and so does what nothing needs any
more. This is the pass pipeline on a smaller box, fused, for sixteen regions at a time; after Duff (1992) and
Keeter (2020).

Sets of regions are int64, bit i for lane i.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from absint.lowering.plan_format import ALL_OF, GREATEST, IN_BAND, LEAST, UNARY
from absint.native.memory import INLINE, call2, call3
from absint.native.record_pointers import address_of_record
from absint.ops.printers.vectors import mask_bits, splat

from .frame_records import REGION_LANES
from .leaves import is_list
from .rows import CALLED, load_row
from .strips import trailing_zeros


@njit(**INLINE)
def is_choice(kind):
    """Whether a step of a kind is a min or max, which may be one of its operands."""
    return kind == LEAST or kind == GREATEST


@njit(**INLINE)
def has_two_operands(kind):
    """Whether a step of a kind, no list, has two operands."""
    return kind != UNARY and kind != IN_BAND


@njit(**INLINE)
def bounds_of(thread, operand):
    """The bounds of an operand."""
    return thread.bounds[operand] if operand >= 0 else thread.special_bounds[~operand]


@njit(**INLINE)
def winners(kind, a, b):
    """The regions in which min or max is its first operand, and those in which it is its second.

    NaN wins, so the operand that is left out must be a number; a tie gives the second.
    """
    if kind == LEAST:
        first = mask_bits(load_row(a.upper) < load_row(b.lower))
        second = mask_bits(load_row(b.upper) <= load_row(a.lower))
    else:
        first = mask_bits(load_row(a.lower) > load_row(b.upper))
        second = mask_bits(load_row(b.lower) >= load_row(a.upper))
    first &= ~b.may_nan
    return first, second & ~a.may_nan & ~first


@njit(**INLINE)
def bound_list(thread, kind, items, first, count):
    """The regions in which a list is true, and those in which it is false."""
    truth, falsity = thread.truth, thread.falsity
    is_all = kind == ALL_OF
    holds, fails = -np.int64(is_all), -np.int64(not is_all)
    for k in range(first, first + count):
        item = items[k]
        if is_all:
            holds &= truth[item]
            fails |= falsity[item]
        else:
            holds |= truth[item]
            fails &= falsity[item]
    return holds, fails


@njit(**INLINE)
def bound_band(value, ends):
    """The regions in which a value is surely in a band, and those in which it is surely not."""
    lower, upper = load_row(value.lower), load_row(value.upper)
    low, high = splat(ends.lower), splat(ends.upper)
    holds = mask_bits((lower >= low) & (upper <= high)) & ~value.may_nan
    return holds, mask_bits((upper < low) | (lower > high))


@njit(**CALLED)
def bound(regions, thread, program):
    """Bounds of every step on sixteen regions, and in which of them its predicates are true or false."""
    truth, falsity, bounds = thread.truth, thread.falsity, thread.bounds
    kinds, kernels, ends = regions.kinds, regions.interval_kernels, regions.ends
    for i in range(program.count):
        step = program.steps[i]
        node, a, b = np.int64(step.node), np.int64(step.a), np.int64(step.b)
        kind = kinds[node]
        if is_list(kind):
            truth[i], falsity[i] = bound_list(thread, kind, program.items, a, b)
        elif kind == IN_BAND:
            truth[i], falsity[i] = bound_band(bounds_of(thread, a), ends[node])
        elif kind == UNARY:
            call2(kernels[node], address_of_record(bounds[i]), address_of_record(bounds_of(thread, a)))
        else:
            call3(
                kernels[node], address_of_record(bounds[i]), address_of_record(bounds_of(thread, a)),
                address_of_record(bounds_of(thread, b)),
            )  # fmt: skip


@njit(**INLINE)
def spread_to_items(thread, items, first, count, here):
    """Need the items of a list in those regions of `here` in which they are undecided. Returns the regions in
    which one is decided.
    """
    truth, falsity, live = thread.truth, thread.falsity, thread.live
    shorter = np.int64(0)
    for k in range(first, first + count):
        item = items[k]
        decided = truth[item] | falsity[item]
        shorter |= here & decided
        live[item] |= here & ~decided
    return shorter


@njit(**INLINE)
def spread_to_operands(thread, kind, a, b, here):
    """Need the operands of a step in the regions of `here`, except for one that a min or max does not need
    there. Returns the regions in which that is so.
    """
    live = thread.live
    need_a = need_b = here
    shorter = np.int64(0)
    if is_choice(kind):
        first, second = winners(kind, bounds_of(thread, a), bounds_of(thread, b))
        need_a, need_b = here & ~second, here & ~first
        shorter = here & (first | second)
    if a >= 0:
        live[a] |= need_a
    if has_two_operands(kind) and b >= 0:
        live[b] |= need_b
    return shorter


@njit(**CALLED)
def spread_demand(regions, thread, program, undecided):
    """In which regions each step is still needed. Returns the regions whose program is shorter now."""
    live, kinds = thread.live, regions.kinds
    for i in range(program.count):
        live[i] = 0
    live[program.count - 1] = undecided
    shorter = np.int64(0)
    for i in range(program.count - 1, -1, -1):
        here = live[i]
        shorter |= undecided & ~here
        if here == 0:
            continue
        step = program.steps[i]
        kind, a, b = kinds[step.node], np.int64(step.a), np.int64(step.b)
        if is_list(kind):
            shorter |= spread_to_items(thread, program.items, a, b, here)
        else:
            shorter |= spread_to_operands(thread, kind, a, b, here)
    return shorter


@njit(**INLINE)
def number_in(thread, operand, lane):
    """An operand in the program of a region."""
    return np.int64(thread.numbers[REGION_LANES * operand + lane]) if operand >= 0 else operand


@njit(**INLINE)
def write_items(thread, items, first, count, lane, out):
    """Write the undecided items of a list as the region's; returns how many there are."""
    truth, falsity, numbers = thread.truth, thread.falsity, thread.numbers
    bit, end = np.int64(1) << lane, np.int64(0)
    for k in range(first, first + count):
        item = np.int64(items[k])
        if (truth[item] | falsity[item]) & bit == 0:
            out[end] = numbers[REGION_LANES * item + lane]
            end += 1
    return end


@njit(**INLINE)
def write_step(step, node, a, b):
    """Fill the fields of a step."""
    step.node, step.a, step.b = node, a, b


@njit(**CALLED)
def specialise(regions, thread, level, program, lanes):
    """Write the programs of some undecided regions. The root is each program's last step."""
    if lanes == 0:
        return
    thread.laid_count = -1  # another program may be where the one laid out was
    live, kinds, numbers = thread.live, regions.kinds, thread.numbers
    steps = thread.steps[level * REGION_LANES * regions.count]
    items = thread.items + level * REGION_LANES * regions.item_count
    sizes = thread.sizes[level * REGION_LANES]
    for lane in range(REGION_LANES):
        sizes[lane].steps = sizes[lane].items = 0
    for i in range(program.count):
        here = live[i] & lanes
        if here == 0:
            continue
        step = program.steps[i]
        kind, a, b = kinds[step.node], np.int64(step.a), np.int64(step.b)
        first = second = np.int64(0)
        if is_choice(kind):
            first, second = winners(kind, bounds_of(thread, a), bounds_of(thread, b))
        while here != 0:
            lane = trailing_zeros(here)
            here &= here - 1
            bit, place, size = np.int64(1) << lane, REGION_LANES * i + lane, sizes[lane]
            new = steps[regions.count * lane + size.steps]
            if is_list(kind):
                out = items + (regions.item_count * lane + size.items)
                count = write_items(thread, program.items, a, b, lane, out)
                if count == 1:
                    numbers[place] = out[0]
                    continue
                write_step(new, step.node, size.items, count)
                size.items += count
            elif first & bit:
                numbers[place] = number_in(thread, a, lane)
                continue
            elif second & bit:
                numbers[place] = number_in(thread, b, lane)
                continue
            else:
                b_number = number_in(thread, b, lane) if has_two_operands(kind) else b
                write_step(new, step.node, number_in(thread, a, lane), b_number)
            numbers[place] = size.steps
            size.steps += 1
