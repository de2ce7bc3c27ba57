"""Cells: points that lie together, with a tape that is shorter because bounds decide operations there.

A cell is split into sixteen: its box is cut along the variables in which it is widest, the tape is bounded on all
sixteen boxes at once, and for each box the operations whose result is surely one of their operands are dropped,
with all that only they needed. Then the points are moved so that those of a box lie together. After Duff (1992)
and Keeter (2020).

An operand stands for the result only where it has the same bits, see `decided`. Which box a point is in is found
by comparing it with the boxes' own ends, so no rounding can put it into a wrong one. All points are finite.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from absint.kernels.memory import INLINE, REALS, call2, call3, f64s, i32s, i64s
from absint.kernels.operations import record_size, row_size
from absint.kernels.point_layout import (
    ALWAYS,
    CELL,
    CELL_BYTES,
    CHILDREN,
    COPY,
    COPY_SHARED,
    DEEPEST_CELL,
    ENDS,
    INSTRUCTION,
    INSTRUCTION_BYTES,
    MACHINE,
    NEVER,
    OF_AND,
    OF_MAX,
    OF_MIN,
    UNDECIDED,
)
from absint.ops import vectors
from absint.precision import Precision

LANES = vectors.LANES

CALL = 6.0
ATTEMPT = 40.0
MOVE = 1.5
"""What things cost, in the time of one instruction on a row: an instruction on however many rows; an instruction
of a tape that is bounded and specialised sixteen times; a number of a point that is moved.
"""
BLIND = 0.03
"""The part of a cell's cost that may be risked where nothing is known yet."""
PAYS = 0.9
"""A cell is split if that costs less than this part of running its tape."""
FORCED_DEPTH = 3
HALVINGS = 4
SETTLED = -1
FIRST, SECOND = 1, 1 << CHILDREN
"""In the lowest lane: the result is the first operand, the second."""


@njit(error_model="numpy")
def cost(length, points):
    """Of running a tape on some points."""
    return length * (CALL + (points + LANES - 1) // LANES)


@njit(**INLINE)
def wanted_slot(register, leaves, wanted, free, freed, slots):
    """Where a register's value should be in the new tape, in a free slot if it was not wanted so far; with the
    numbers of free slots and of all.
    """
    if register < leaves:
        return register, freed, slots
    slot = np.int64(wanted[register])
    if slot < 0:
        if freed > 0:
            freed -= 1
            slot = np.int64(free[freed])
        else:
            slot = leaves + slots
            slots += 1
        wanted[register] = slot
    return slot, freed, slots


@njit(error_model="numpy")
def specialise(machine, tape, length, root, lane, end):
    """Write the tape that computes register `root` of a tape, with the choices of a lane, so that it ends before
    instruction `end` of the memory for tapes. Returns how many instructions and slots it has.

    From the last instruction to the first: `wanted[r]` is the register of the new tape that should hold what
    register r of the old one holds there, -1 if nobody wants it.
    """
    code, new, choices = i32s(tape), i32s(machine[MACHINE.tapes]), i32s(machine[MACHINE.choices])
    wanted, free = i32s(machine[MACHINE.wanted]), i32s(machine[MACHINE.free])
    shared = machine[MACHINE.shared]
    leaves = shared + machine[MACHINE.varying]
    at, slots, freed = end, np.int64(1), np.int64(0)
    if root < leaves:
        write(new, at - 1, COPY_SHARED if root < shared else COPY, leaves, root, -1)
        return np.int64(1), slots
    wanted[root] = leaves
    for i in range(length - 1, -1, -1):
        out = np.int64(code[INSTRUCTION * i + 1])
        target = np.int64(wanted[out])
        if target < 0:
            continue
        wanted[out] = -1
        word, a = np.int64(code[INSTRUCTION * i]), np.int64(code[INSTRUCTION * i + 2])
        b = np.int64(code[INSTRUCTION * i + 3])
        chosen = np.int64(choices[i]) >> lane
        if chosen & (FIRST | SECOND) or word == COPY:
            a = b if chosen & SECOND else a
            if a >= leaves and wanted[a] < 0:
                wanted[a] = target  # to be computed in the right place
                continue
            word, b = np.int64(COPY_SHARED if a < shared else COPY), np.int64(-1)
        free[freed] = target
        freed += 1
        a, freed, slots = wanted_slot(a, leaves, wanted, free, freed, slots)
        b, freed, slots = wanted_slot(b, leaves, wanted, free, freed, slots)
        at -= 1
        write(new, at, word, target, a, b)
    return end - at, slots


@njit(**INLINE)
def write(tapes, at, word, out, a, b):
    """Put an instruction in its place."""
    at *= INSTRUCTION
    tapes[at], tapes[at + 1], tapes[at + 2], tapes[at + 3] = word, out, a, b


def tape_bounder(precision: Precision) -> Any:
    """The function that bounds a tape on sixteen boxes."""
    row, record = row_size(precision), record_size(precision)
    load = vectors.load_f32 if precision is Precision.F32 else vectors.load_f64
    load_mask, mask_bits = vectors.load_mask, vectors.mask_bits
    zero = precision.real(0)

    @njit(**INLINE)
    def decided(rule, left, right):
        """In which lanes the result is surely the first operand, or else the second.

        NaN wins in min and max, so the operand that goes must be a number. A tie gives the second, which has the
        bits of the first unless both are zeros. `and` and `or` take NaN for true.
        """
        low, high, number = load(left), load(left + row), ~load_mask(left + 2 * row)
        other_low, other_high, other_number = load(right), load(right + row), ~load_mask(right + 2 * row)
        if rule == OF_MIN:
            first = (high < other_low) | ((high == other_low) & (high != zero))
            first, second = first & other_number, (other_high <= low) & number
        elif rule == OF_MAX:
            first = (low > other_high) | ((low == other_high) & (low != zero))
            first, second = first & other_number, (other_low >= high) & number
        else:
            false, true = (low == zero) & (high == zero) & number, (low > zero) | (high < zero)
            first, second = (false, true) if rule == OF_AND else (true, false)
        return mask_bits(first) | mask_bits(second & ~first) << CHILDREN

    @njit(error_model="numpy")
    def bound(machine, tape, length):
        """Fill the records of a tape's slots; those of the variables are there. Notes what is decided."""
        code, kernel, rules = i32s(tape), i64s(machine[MACHINE.intervals]), i64s(machine[MACHINE.rules])
        records, choices = machine[MACHINE.records], i32s(machine[MACHINE.choices])
        for i in range(length):
            word, b = np.int64(code[INSTRUCTION * i]), np.int64(code[INSTRUCTION * i + 3])
            out = records + np.int64(code[INSTRUCTION * i + 1]) * record
            left, right = records + np.int64(code[INSTRUCTION * i + 2]) * record, records + b * record
            choices[i] = 0 if rules[word] == UNDECIDED else decided(rules[word], left, right)
            if b < 0:
                call2(kernel[word], out, left)
            else:
                call3(kernel[word], out, left, right)

    return bound


@njit(**INLINE)
def is_promising(machine, cell, parent):
    """Whether a cell should be tried: at first little may be risked, later as much as the last split has gained."""
    length, depth, splitting = cell[CELL.length], cell[CELL.depth], machine[MACHINE.splitting]
    if splitting == NEVER or cell[CELL.tape] < CHILDREN * length:
        return False
    if splitting == ALWAYS:
        return depth < FORCED_DEPTH
    share = BLIND if parent == 0 else 1.0 - np.float64(length) / np.float64(parent)
    return depth < DEEPEST_CELL and ATTEMPT * length < share * cost(length, cell[CELL.count])


def cell_splitter(precision: Precision, bound: Any) -> Any:
    """The function that splits a cell."""
    row, record, size = row_size(precision), record_size(precision), precision.dtype.itemsize
    reals, real = REALS[precision.value], precision.real
    load = vectors.load_f32 if precision is Precision.F32 else vectors.load_f64
    store, where, splat = vectors.store, vectors.where, vectors.splat

    @njit(error_model="numpy")
    def extent(address, count, scratch):
        """The least and the greatest of some numbers. `scratch`: two rows."""
        numbers, ends = reals(address), reals(scratch)
        lows, highs = splat(numbers[0]), splat(numbers[0])
        whole = count // LANES
        for r in range(whole):
            found = load(address + r * row)
            lows, highs = where(found < lows, found, lows), where(found > highs, found, highs)
        store(scratch, lows)
        store(scratch + row, highs)
        low, high = ends[0], ends[LANES]
        for i in range(LANES):
            low, high = min(low, ends[i]), max(high, ends[LANES + i])
        for i in range(whole * LANES, count):
            low, high = min(low, numbers[i]), max(high, numbers[i])
        return low, high

    @njit(error_model="numpy")
    def cut(machine, copy, first, count):
        """Cut the box of some points in up to sixteen: each cut halves all parts along the variable in which
        they are widest, compared with the whole. Fills `parts`, `steps`, `ends` and the variables' records.
        """
        varying, records = machine[MACHINE.varying], machine[MACHINE.records]
        sources, ends, widths = (
            i64s(machine[MACHINE.given + copy]), reals(machine[MACHINE.ends]), f64s(machine[MACHINE.widths])
        )  # fmt: skip
        parts, steps = i64s(machine[MACHINE.parts]), i64s(machine[MACHINE.steps])
        for v in range(varying):
            low, high = extent(sources[v] + first * size, count, machine[MACHINE.row])
            ends[v * ENDS], ends[v * ENDS + 1] = low, high
            parts[v] = 1
        for _ in range(HALVINGS):
            widest, most = np.int64(0), np.float64(0)
            for v in range(varying):
                low, high = np.float64(ends[v * ENDS]), np.float64(ends[v * ENDS + 1])
                width = (0.5 * high - 0.5 * low) / widths[v] / np.float64(parts[v])
                if width > most:
                    widest, most = v, width
            parts[widest] *= 2
        step = np.int64(1)
        for v in range(varying):
            steps[v] = step
            low, high, n = ends[v * ENDS], ends[v * ENDS + 1], parts[v]
            for j in range(1, n):
                t = np.float64(j) / np.float64(n)
                end = real(np.float64(low) * (1.0 - t) + np.float64(high) * t)
                ends[v * ENDS + j] = max(ends[v * ENDS + j - 1], min(end, high))
            ends[v * ENDS + n] = high
            box = records + (machine[MACHINE.shared] + v) * record
            lows, highs = reals(box), reals(box + row)
            i64s(box + 2 * row)[0] = 0
            for child in range(CHILDREN):
                j = child // step % n
                lows[child], highs[child] = ends[v * ENDS + j], ends[v * ENDS + j + 1]
            step *= n

    @njit(error_model="numpy")
    def count_points(machine, copy, first, count):
        """Into which part each point falls: `numbers`; and how many into each: `counts`."""
        sources, ends = i64s(machine[MACHINE.given + copy]), reals(machine[MACHINE.ends])
        parts, steps = i64s(machine[MACHINE.parts]), i64s(machine[MACHINE.steps])
        numbers, counts = i32s(machine[MACHINE.numbers]), i64s(machine[MACHINE.counts])
        found = reals(machine[MACHINE.row])
        for child in range(CHILDREN):
            counts[child] = 0
        zeros = splat(real(0))
        for start in range(0, count, LANES):
            total = zeros
            for v in range(machine[MACHINE.varying]):
                points, step = load(sources[v] + (first + start) * size), splat(real(steps[v]))
                for j in range(1, parts[v]):
                    total = total + where(points >= splat(ends[v * ENDS + j]), step, zeros)
            store(machine[MACHINE.row], total)
            for i in range(min(count - start, np.int64(LANES))):
                child = np.int64(found[i])
                numbers[start + i] = child
                counts[child] += 1

    @njit(error_model="numpy")
    def move_points(machine, copy, target, first, count):
        """Move points to another copy, those of a part together. `counts` becomes where parts end."""
        numbers, counts = i32s(machine[MACHINE.numbers]), i64s(machine[MACHINE.counts])
        begin = first
        for child in range(CHILDREN):
            begin, counts[child] = begin + counts[child], begin
        for i in range(count):
            child = np.int64(numbers[i])
            numbers[i] = counts[child]
            counts[child] += 1
        for v in range(machine[MACHINE.varying]):
            old = reals(i64s(machine[MACHINE.given + copy])[v] + first * size)
            new = reals(i64s(machine[MACHINE.given + target])[v])
            for i in range(count):
                new[np.int64(numbers[i])] = old[i]
        old_places = i32s(machine[MACHINE.places_given + copy] + first * 4)
        new_places = i32s(machine[MACHINE.places_given + target])
        for i in range(count):
            new_places[np.int64(numbers[i])] = first + i if copy == 0 else old_places[i]

    @njit(error_model="numpy")
    def split(machine, cell):
        """Split the last cell that waits, if it pays; if so it stays behind without points, below its parts.

        Returns what the attempt has cost.
        """
        tape, length, copy, first, count = (
            cell[CELL.tape], cell[CELL.length], cell[CELL.copy], cell[CELL.first], cell[CELL.count]
        )  # fmt: skip
        parent = cell[CELL.parent]
        cell[CELL.parent] = SETTLED
        if not is_promising(machine, cell, parent):
            return 0.0
        tape_address = machine[MACHINE.tapes] + tape * INSTRUCTION_BYTES
        cut(machine, copy, first, count)
        bound(machine, tape_address, length)
        end, target = tape, np.int64(2 if copy == 1 else 1)
        root = machine[MACHINE.shared] + machine[MACHINE.varying]
        parts = machine[MACHINE.cells] + (machine[MACHINE.waiting]) * CELL_BYTES
        for child in range(CHILDREN):
            part = i64s(parts + child * CELL_BYTES)
            left, slots = specialise(machine, tape_address, length, root, child, end)
            end -= left
            part[CELL.tape], part[CELL.length], part[CELL.slots] = end, left, slots
            part[CELL.copy], part[CELL.parent], part[CELL.depth] = target, length, cell[CELL.depth] + 1
        spent = ATTEMPT * length
        forced = machine[MACHINE.splitting] == ALWAYS
        moving = MOVE * count * (machine[MACHINE.varying] + 3)
        limit = PAYS * cost(length, count) - moving
        mean = (tape - end) / CHILDREN
        if not forced and mean * (CHILDREN * CALL + (count + LANES - 1) // LANES) > limit:
            return spent
        count_points(machine, copy, first, count)
        total, counts = 0.0, i64s(machine[MACHINE.counts])
        for child in range(CHILDREN):
            part = i64s(parts + child * CELL_BYTES)
            part[CELL.count] = counts[child]
            total += cost(part[CELL.length], counts[child])
        if not forced and total > limit:
            return spent + moving
        move_points(machine, copy, target, first, count)
        for child in range(CHILDREN):
            part = i64s(parts + child * CELL_BYTES)
            part[CELL.first] = counts[child] - part[CELL.count]
        cell[CELL.count] = 0
        machine[MACHINE.waiting] += CHILDREN
        return spent + moving

    return split
