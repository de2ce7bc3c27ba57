"""Cells: points that lie together, with a tape that is shorter because bounds decide operations there.

A cell is split into sixteen parts: its box is cut along the variables in which it is widest, and for each of
the sixteen boxes the tape is shortened (`shorter_tapes`). Then the points are moved so that those of a part
lie together. After Duff (1992) and Keeter (2020).

Which part a point is in is found by comparing it with the ends of the boxes, so no rounding can put it into a
wrong one. All points are finite.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from absint.native.memory import INLINE
from absint.ops.printers.vectors import splat, where

from .point_records import ALWAYS, DEEPEST_CELL, GIVEN, NEVER, PARTS, SETTLED
from .rows import CALLED, LANES, load_row, rounded, store_int32, store_row
from .shorter_tapes import bound, specialise

HALVINGS = 4
"""How often parts are halved, which makes sixteen."""

CALL = 10.0
ATTEMPT = 55.0
MOVE = 1.6
"""Costs, in the time of one instruction on a row of points: of calling an instruction, on however many rows;
of bounding it on sixteen boxes and specialising it for each; of moving a number of a point.
"""
RISK = 0.1
"""The part of the first cell's cost that is risked: the points may lie where bounds decide nothing."""
PAYS = 0.9
"""A cell is split if all that follows costs less than this part of running its tape."""
FORCED_DEPTH = 3
"""How deep cells are where they are split whatever it costs."""


@njit(**CALLED)
def cost(length, points):
    """The cost of running a tape on some points."""
    return length * (CALL + (points + LANES - 1) // LANES)


@njit(**INLINE)
def is_promising(machine, cell):
    """Whether a cell's parts may be expected to save what it costs to find that out."""
    length = cell.length
    if machine.splitting == NEVER or cell.tape < PARTS * (length + 1):
        return False
    if machine.splitting == ALWAYS:
        return cell.depth < FORCED_DEPTH
    saved = 1.0 - cell.expected / length
    if cell.depth == 0:
        saved = min(saved, RISK)
    return cell.depth < DEEPEST_CELL and ATTEMPT * length < saved * cost(length, cell.count)


@njit(**INLINE)
def moving_cost(machine, points):
    """The cost of moving points to their parts."""
    return MOVE * points * (machine.varying + 3)


@njit(**CALLED)
def is_cheaper(machine, cell, mean):
    """Whether parts are cheaper than a cell if their tapes have this length on average."""
    parts = mean * (PARTS * CALL + cell.count // LANES)
    return parts + moving_cost(machine, cell.count) < PAYS * cost(cell.length, cell.count)


@njit(**CALLED)
def extent(numbers, count, extremes):
    """The least and the greatest of some numbers. `extremes`: room for two rows."""
    lows, highs = splat(numbers[0]), splat(numbers[0])
    whole = count // LANES
    for r in range(whole):
        found = load_row(numbers + r * LANES)
        lows, highs = where(found < lows, found, lows), where(found > highs, found, highs)
    store_row(extremes, lows)
    store_row(extremes + LANES, highs)
    low, high = extremes[0], extremes[LANES]
    for i in range(LANES):
        low, high = min(low, extremes[i]), max(high, extremes[LANES + i])
    for i in range(whole * LANES, count):
        low, high = min(low, numbers[i]), max(high, numbers[i])
    return low, high


@njit(**INLINE)
def widest_axis(machine):
    """The variable in which the parts of the cell are widest, compared with the box of all points."""
    widest, most = 0, np.float64(-1)
    for v in range(machine.varying):
        axis = machine.axes[v]
        half = 0.5 * np.float64(axis.ends[1]) - 0.5 * np.float64(axis.ends[0])
        width = half / axis.half_width / np.float64(axis.parts)
        if width > most:
            widest, most = v, width
    return widest


@njit(**CALLED)
def choose_parts(machine, columns, start, count):
    """Cut the box of some points in up to sixteen: each cut halves all parts along the variable in which
    they are widest. Fills `parts`, `step` and the first two `ends` of the axes.
    """
    for v in range(machine.varying):
        axis = machine.axes[v]
        axis.ends[0], axis.ends[1] = extent(columns[v] + start, count, machine.extremes)
        axis.parts = 1
    for _ in range(HALVINGS):
        machine.axes[widest_axis(machine)].parts *= 2
    step = np.int64(1)
    for v in range(machine.varying):
        machine.axes[v].step = step
        step *= machine.axes[v].parts


@njit(**INLINE)
def cut(axis):
    """Fill the `ends` of all parts of a variable, from the first two: the least and the greatest of all."""
    ends, parts = axis.ends, axis.parts
    low, high = ends[0], ends[1]
    for j in range(1, parts):
        t = np.float64(j) / np.float64(parts)
        end = rounded(np.float64(low) * (1.0 - t) + np.float64(high) * t, ends)
        ends[j] = max(ends[j - 1], min(end, high))  # sound: they rise, whatever was rounded
    ends[parts] = high


@njit(**CALLED)
def place_boxes(machine):
    """The ends of all parts, and with them the bounds of the variables: part i is in lane i."""
    for v in range(machine.varying):
        axis, box = machine.axes[v], machine.intervals[machine.shared + v]
        cut(axis)
        box.may_nan = 0
        for part in range(PARTS):
            j = part // axis.step % axis.parts
            box.lower[part], box.upper[part] = axis.ends[j], axis.ends[j + 1]


@njit(**CALLED)
def shorten(machine, cell, parts):
    """Tapes for the parts of a cell, cells whose points are not known yet. Returns where they begin."""
    tape, length = machine.tapes[cell.tape], cell.length
    choose_parts(machine, machine.copies[cell.copy].columns, cell.start, cell.count)
    place_boxes(machine)
    bound(machine, tape, length)
    result = machine.shared + machine.varying
    end = cell.tape
    for i in range(PARTS):
        left, slots = specialise(machine, tape, length, result, i, end)
        end -= left
        part = parts[i]
        part.tape, part.length, part.slots = end, left, slots
        part.copy, part.depth = 2 if cell.copy == 1 else 1, cell.depth + 1
        part.expected = left * left // length  # as much shorter again
    return end


@njit(**CALLED)
def count_points(machine, columns, start, count):
    """Find the part that each point falls into, `numbers`, and how many points each part has, `counts`."""
    numbers, counts, axes = machine.numbers, machine.counts, machine.axes
    zeros = splat(rounded(0, columns[0]))
    for i in range(0, count, LANES):
        part = zeros
        for v in range(machine.varying):
            axis = axes[v]
            points, step = load_row(columns[v] + start + i), splat(rounded(axis.step, columns[v]))
            for j in range(1, axis.parts):
                part = part + where(points >= splat(axis.ends[j]), step, zeros)
        store_int32(numbers + i, part)
    for part in range(PARTS):
        counts[part] = 0
    for i in range(count):
        counts[numbers[i]] += 1


@njit(**INLINE)
def place_points(machine, start, count):
    """From the part of each point, in `numbers`, to its place: the points of a part lie together, part after
    part, from `start` on. `counts` becomes where the parts end.
    """
    numbers, counts = machine.numbers, machine.counts
    begin = start
    for part in range(PARTS):
        begin, counts[part] = begin + counts[part], begin
    for i in range(count):
        its_part = np.int64(numbers[i])
        numbers[i] = counts[its_part]
        counts[its_part] += 1


@njit(**CALLED)
def move_points(machine, copy, target, start, count):
    """Move points to their places in another copy."""
    numbers, old, new = machine.numbers, machine.copies[copy], machine.copies[target]
    for v in range(machine.varying):
        old_column, new_column = old.columns[v] + start, new.columns[v]
        for i in range(count):
            new_column[numbers[i]] = old_column[i]
    old_places, new_places = old.places + start, new.places
    for i in range(count):
        new_places[numbers[i]] = start + i if copy == GIVEN else old_places[i]


@njit(**CALLED)
def split(machine, cell):
    """Split the last cell that waits, if that pays: then it stays behind without points, below its parts.

    Returns what the attempt has cost.
    """
    promising = is_promising(machine, cell)
    cell.expected = SETTLED
    if not promising:
        return 0.0
    forced = machine.splitting == ALWAYS
    length, copy, start, count = cell.length, cell.copy, cell.start, cell.count
    parts = machine.cells[machine.waiting]
    spent, moving = ATTEMPT * length, moving_cost(machine, count)
    mean = np.float64(cell.tape - shorten(machine, cell, parts)) / PARTS
    if not forced and not is_cheaper(machine, cell, mean):
        return spent
    count_points(machine, machine.copies[copy].columns, start, count)
    counts, total = machine.counts, 0.0
    for i in range(PARTS):
        parts[i].count = counts[i]
        total += cost(parts[i].length, counts[i])
    if not forced and total + moving > PAYS * cost(length, count):
        return spent + moving
    place_points(machine, start, count)
    move_points(machine, copy, 2 if copy == 1 else 1, start, count)
    for i in range(PARTS):
        parts[i].start = counts[i] - parts[i].count
    cell.count = 0
    machine.waiting += PARTS
    return spent + moving
