"""Cells: points that lie together, with a tape that is shorter because bounds decide operations there.

A cell is split into sixteen parts: its box is cut along the variables in which it is widest, and for each of
the sixteen boxes the tape is shortened (`shorter_tapes`). Then the points are moved so that those of a part
lie together. After Duff (1992) and Keeter (2020).

Which part a point is in is found by comparing it with the ends of the boxes, so no rounding can put it into a
wrong one. All points are finite.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from absint.native.memory import INLINE, REALS, f64s, i32s, i64s
from absint.ops.kernels import record_size, row_size
from absint.ops.precision import Precision
from absint.ops.printers import vectors

from .point_layout import (
    ALWAYS,
    CELL,
    CELL_BYTES,
    DEEPEST_CELL,
    ENDS,
    INSTRUCTION_BYTES,
    MACHINE,
    NEVER,
    PARTS,
    SETTLED,
)
from .shorter_tapes import specialise, tape_bounder

LANES = vectors.LANES
HALVINGS = 4
"""Make sixteen parts."""

CALL = 10.0
ATTEMPT = 55.0
MOVE = 1.6
"""What things cost, in the time of one instruction on a row of points: to call it, on however many rows; to
bound it on sixteen boxes and specialise it for each; to move a number of a point.
"""
RISK = 0.1
"""Only so much of the first cell's cost is risked, for the points may lie where bounds decide nothing."""
PAYS = 0.9
"""A cell is split if all that follows costs less than this part of running its tape."""
FORCED_DEPTH = 3


@intrinsic
def store_int32(typingctx: Any, address: Any, vector: Any) -> Any:
    """Write sixteen whole numbers as int32."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers = builder.fptosi(arguments[1], ir.VectorType(ir.IntType(32), LANES))
        builder.store(numbers, builder.inttoptr(arguments[0], numbers.type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(types.int64, vector), codegen


@njit(error_model="numpy")
def cost(length, points):
    """Of running a tape on some points."""
    return length * (CALL + (points + LANES - 1) // LANES)


@njit(**INLINE)
def is_promising(machine, cell):
    """Whether a cell's parts may be expected to save what it costs to find that out."""
    length, expected, splitting = cell[CELL.length], cell[CELL.expected], machine[MACHINE.splitting]
    if splitting == NEVER or cell[CELL.tape] < PARTS * (length + 1):
        return False
    if splitting == ALWAYS:
        return cell[CELL.depth] < FORCED_DEPTH
    saved = 1.0 - expected / length
    if cell[CELL.depth] == 0:
        saved = min(saved, RISK)
    return cell[CELL.depth] < DEEPEST_CELL and ATTEMPT * length < saved * cost(length, cell[CELL.count])


@njit(**INLINE)
def moving_cost(machine, points):
    """Of moving points to their parts."""
    return MOVE * points * (machine[MACHINE.varying] + 3)


@njit(error_model="numpy")
def is_cheaper(machine, cell, mean):
    """Whether parts are cheaper than a cell if their tapes have this length on average."""
    length, count = cell[CELL.length], cell[CELL.count]
    parts = mean * (PARTS * CALL + count // LANES)
    return parts + moving_cost(machine, count) < PAYS * cost(length, count)


def cell_splitter(precision: Precision) -> tuple[Any, Any]:
    """The functions that make tapes for the parts of a cell, and that split one."""
    row, record, size = row_size(precision), record_size(precision), precision.dtype.itemsize
    reals, real = REALS[precision.value], precision.real
    load = vectors.load_f32 if precision is Precision.F32 else vectors.load_f64
    store, where, splat = vectors.store, vectors.where, vectors.splat
    bound = tape_bounder(precision)

    @njit(error_model="numpy")
    def extent(address, count, rows):
        """The least and the greatest of some numbers. `rows`: room for two."""
        numbers, ends = reals(address), reals(rows)
        lows, highs = splat(numbers[0]), splat(numbers[0])
        whole = count // LANES
        for r in range(whole):
            found = load(address + r * row)
            lows, highs = where(found < lows, found, lows), where(found > highs, found, highs)
        store(rows, lows)
        store(rows + row, highs)
        low, high = ends[0], ends[LANES]
        for i in range(LANES):
            low, high = min(low, ends[i]), max(high, ends[LANES + i])
        for i in range(whole * LANES, count):
            low, high = min(low, numbers[i]), max(high, numbers[i])
        return low, high

    @njit(error_model="numpy")
    def choose_parts(machine, sources, start, count):
        """Cut the box of some points in up to sixteen: each cut halves all parts along the variable in which
        they are widest, compared with the whole. Fills `parts`, the first two `ends` and `steps`.
        """
        varying, ends, widths = (
            machine[MACHINE.varying], reals(machine[MACHINE.ends]), f64s(machine[MACHINE.widths])
        )  # fmt: skip
        parts, steps = i64s(machine[MACHINE.parts]), i64s(machine[MACHINE.steps])
        for v in range(varying):
            low, high = extent(sources[v] + start * size, count, machine[MACHINE.rows])
            ends[v * ENDS], ends[v * ENDS + 1] = low, high
            parts[v] = 1
        for _ in range(HALVINGS):
            widest, most = 0, np.float64(-1)
            for v in range(varying):
                half = 0.5 * np.float64(ends[v * ENDS + 1]) - 0.5 * np.float64(ends[v * ENDS])
                width = half / widths[v] / np.float64(parts[v])
                if width > most:
                    widest, most = v, width
            parts[widest] *= 2
        step = np.int64(1)
        for v in range(varying):
            steps[v] = step
            step *= parts[v]

    @njit(error_model="numpy")
    def place_boxes(machine):
        """The rest of the parts' `ends`, and the variables' records: part i is in lane i."""
        ends, parts, steps = (
            reals(machine[MACHINE.ends]), i64s(machine[MACHINE.parts]), i64s(machine[MACHINE.steps])
        )  # fmt: skip
        for v in range(machine[MACHINE.varying]):
            at, n = v * ENDS, parts[v]
            low, high = ends[at], ends[at + 1]
            for j in range(1, n):
                t = np.float64(j) / np.float64(n)
                end = real(np.float64(low) * (1.0 - t) + np.float64(high) * t)
                ends[at + j] = max(ends[at + j - 1], min(end, high))  # sound: they rise, whatever was rounded
            ends[at + n] = high
            box = machine[MACHINE.records] + (machine[MACHINE.shared] + v) * record
            lows, highs = reals(box), reals(box + row)
            i64s(box + 2 * row)[0] = 0
            for part in range(PARTS):
                j = part // steps[v] % n
                lows[part], highs[part] = ends[at + j], ends[at + j + 1]

    @njit(error_model="numpy")
    def shorten(machine, cell, parts):
        """Tapes for the parts of a cell, cells whose points are not known yet. Returns where they begin."""
        tape, length = cell[CELL.tape], cell[CELL.length]
        address = machine[MACHINE.tapes] + tape * INSTRUCTION_BYTES
        sources = i64s(machine[MACHINE.given + cell[CELL.copy]])
        choose_parts(machine, sources, cell[CELL.start], cell[CELL.count])
        place_boxes(machine)
        bound(machine, address, length)
        result = machine[MACHINE.shared] + machine[MACHINE.varying]
        end = tape
        for i in range(PARTS):
            left, slots = specialise(machine, address, length, result, i, end)
            end -= left
            part = i64s(parts + i * CELL_BYTES)
            part[CELL.tape], part[CELL.length], part[CELL.slots] = end, left, slots
            part[CELL.copy], part[CELL.depth] = 2 if cell[CELL.copy] == 1 else 1, cell[CELL.depth] + 1
            part[CELL.expected] = left * left // length  # as much shorter again
        return end

    @njit(error_model="numpy")
    def count_points(machine, sources, start, count):
        """Into which part each point falls: `numbers`; and how many into each: `counts`."""
        ends, parts, steps = (
            reals(machine[MACHINE.ends]), i64s(machine[MACHINE.parts]), i64s(machine[MACHINE.steps])
        )  # fmt: skip
        numbers, counts = i32s(machine[MACHINE.numbers]), i64s(machine[MACHINE.counts])
        zeros = splat(real(0))
        for i in range(0, count, LANES):
            part = zeros
            for v in range(machine[MACHINE.varying]):
                points, step = load(sources[v] + (start + i) * size), splat(real(steps[v]))
                for j in range(1, parts[v]):
                    part = part + where(points >= splat(ends[v * ENDS + j]), step, zeros)
            store_int32(machine[MACHINE.numbers] + i * 4, part)
        for part in range(PARTS):
            counts[part] = 0
        for i in range(count):
            counts[np.int64(numbers[i])] += 1

    @njit(error_model="numpy")
    def move_points(machine, copy, target, start, count):
        """Move points to another copy, those of a part together. `counts` becomes where the parts end."""
        numbers, counts = i32s(machine[MACHINE.numbers]), i64s(machine[MACHINE.counts])
        begin = start
        for part in range(PARTS):
            begin, counts[part] = begin + counts[part], begin
        for i in range(count):
            found = np.int64(numbers[i])
            numbers[i] = counts[found]
            counts[found] += 1
        for v in range(machine[MACHINE.varying]):
            old = reals(i64s(machine[MACHINE.given + copy])[v] + start * size)
            new = reals(i64s(machine[MACHINE.given + target])[v])
            for i in range(count):
                new[np.int64(numbers[i])] = old[i]
        old_places = i32s(machine[MACHINE.places_given + copy] + start * 4)
        new_places = i32s(machine[MACHINE.places_given + target])
        for i in range(count):
            new_places[np.int64(numbers[i])] = start + i if copy == 0 else old_places[i]

    @njit(error_model="numpy")
    def split(machine, cell):
        """Split the last cell that waits, if that pays: then it stays behind without points, below its parts.

        Returns what the attempt has cost.
        """
        promising = is_promising(machine, cell)
        cell[CELL.expected] = SETTLED
        if not promising:
            return 0.0
        forced = machine[MACHINE.splitting] == ALWAYS
        length, copy, start, count = cell[CELL.length], cell[CELL.copy], cell[CELL.start], cell[CELL.count]
        parts = machine[MACHINE.cells] + machine[MACHINE.waiting] * CELL_BYTES
        spent, moving = ATTEMPT * length, moving_cost(machine, count)
        mean = np.float64(cell[CELL.tape] - shorten(machine, cell, parts)) / PARTS
        if not forced and not is_cheaper(machine, cell, mean):
            return spent
        count_points(machine, i64s(machine[MACHINE.given + copy]), start, count)
        counts, total = i64s(machine[MACHINE.counts]), 0.0
        for i in range(PARTS):
            part = i64s(parts + i * CELL_BYTES)
            part[CELL.count] = counts[i]
            total += cost(part[CELL.length], counts[i])
        if not forced and total + moving > PAYS * cost(length, count):
            return spent + moving
        move_points(machine, copy, 2 if copy == 1 else 1, start, count)
        for i in range(PARTS):
            part = i64s(parts + i * CELL_BYTES)
            part[CELL.start] = counts[i] - part[CELL.count]
        cell[CELL.count] = 0
        machine[MACHINE.waiting] += PARTS
        return spent + moving

    return shorten, split
