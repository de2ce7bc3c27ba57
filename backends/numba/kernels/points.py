"""Values of tapes at many points, and bounds on many boxes. See `point_records` for what lies where.

Points are computed in blocks: each instruction calls its operation's kernel on all rows of a block. Where it
pays, points are first gathered in cells with shorter tapes, see `cells`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.native.memory import INLINE, REALS, address_of, call4, call6
from absint.native.record_pointers import pointer_to
from absint.ops.printers.vectors import splat

from .cells import cost, is_cheaper, is_promising, shorten, split
from .point_records import (
    ALWAYS,
    GIVEN,
    MOST_ROWS,
    PARTS,
    SETTLED,
    SHARED_FIRST,
    SHARED_SECOND,
    WORDS_PER_OP,
    Boxes,
    Instruction,
    Intervals,
    MachineMemory,
)
from .rows import CALLED, LANES, load_row, size_of, store_row
from .shorter_tapes import bound, specialise


@njit(**CALLED)
def run_rows(machine, tape, length, rows):
    """Run a tape on some rows."""
    operations, registers = machine.operations, machine.registers
    row = LANES * size_of(machine.block)
    for i in range(length):
        instruction = tape[i]
        word = np.int64(instruction.word)
        kernel, shape = operations[word].rows, word % WORDS_PER_OP
        out, a = address_of(registers[instruction.result]), address_of(registers[instruction.a])
        a_step = np.int64(0) if shape == SHARED_FIRST else row
        if instruction.b < 0:
            call4(kernel, out, a, a_step, rows)
        else:
            b_step = np.int64(0) if shape == SHARED_SECOND else row
            call6(kernel, out, a, a_step, address_of(registers[instruction.b]), b_step, rows)


@njit(**INLINE)
def place_slots(machine, slots):
    """Divide the memory of a block among the slots of a tape; returns how many rows each has room for."""
    rows = min(max(machine.block_rows // slots, np.int64(1)), np.int64(MOST_ROWS))
    first = machine.shared + machine.varying
    for i in range(slots):
        machine.registers[first + i] = machine.block + i * rows * LANES
    return rows


@njit(**CALLED)
def run_cell(machine, cell, count):
    """The results of the first points of a cell, block by block. A block may end within a row."""
    shared, varying, registers = machine.shared, machine.varying, machine.registers
    points, tape = machine.copies[cell.copy], machine.tapes[cell.tape]
    most = LANES * place_slots(machine, cell.slots)
    done = np.int64(0)
    while done < count:
        first, n = cell.start + done, min(count - done, most)
        done += n
        for v in range(varying):
            registers[shared + v] = points.columns[v] + first
        if cell.copy == GIVEN:
            registers[shared + varying] = machine.results + first
        run_rows(machine, tape, cell.length, (n + LANES - 1) // LANES)
        if cell.copy != GIVEN:
            results, found, places = machine.results, registers[shared + varying], points.places + first
            for i in range(n):
                results[places[i]] = found[i]


@njit(**INLINE)
def run_cells(machine, most):
    """Compute the cells that wait, last first, until none waits or about `most` instructions on rows have
    been run. Returns how many wait.
    """
    left = np.float64(most)
    while machine.waiting > 0 and left > 0:
        cell = machine.cells[machine.waiting - 1]
        length, count = cell.length, cell.count
        if count == 0:
            machine.waiting -= 1
        elif cell.expected != SETTLED:
            left -= split(machine, cell)
        else:
            part = min(count, (np.int64(left) // length + 1) * LANES)
            run_cell(machine, cell, part)
            left -= cost(length, part)
            cell.start += part
            cell.count -= part
    return machine.waiting


@njit(**INLINE)
def write_first_tape(machine, code, length, root, room):
    """The tape of the first cell. It computes register `root` of code in which each instruction has a
    register of its own. `room`: instructions that fit the memory for tapes.
    """
    for i in range(length):
        machine.choices[i] = 0
    for i in range(machine.shared + machine.varying + length + 1):
        machine.wanted[i] = -1
    cell = machine.cells[0]
    cell.length, cell.slots = specialise(machine, code, length, root, 0, room)
    cell.tape = room - cell.length


@njit(**INLINE)
def pays_to_split(machine, cell):
    """Whether a cell should be split, if its expectations are right."""
    if machine.splitting == ALWAYS:
        return True
    return is_promising(machine, cell) and is_cheaper(machine, cell, cell.expected)


@njit(**INLINE)
def copy_intervals(out, a):
    """Copy the bounds of an operand."""
    store_row(out.lower, load_row(a.lower))
    store_row(out.upper, load_row(a.upper))
    out.may_nan = a.may_nan


@njit(**INLINE)
def bound_boxes(machine, boxes):
    """Bounds of the first cell's tape on boxes, sixteen at a time."""
    cell, varying = machine.cells[0], machine.varying
    variables = machine.intervals[machine.shared]
    for i in range(boxes.first, boxes.end):
        for v in range(varying):
            if address_of(boxes.lower[v]) != 0:
                store_row(variables[v].lower, load_row(boxes.lower[v] + i * LANES))
                store_row(variables[v].upper, load_row(boxes.upper[v] + i * LANES))
        bound(machine, machine.tapes[cell.tape], cell.length)
        copy_intervals(boxes.results[i], variables[varying])


def kernels(precision: str) -> dict[str, tuple[Any, Any]]:
    """The kernels of values and bounds, what comes before them, and the kernels of copies.

    The first argument is the address of a `MachineMemory`, unless it is that of an operation's result.
    """
    reals, instructions = REALS[precision], pointer_to(Instruction)
    machines, boxes_at, intervals = (
        pointer_to(kind.of(precision)) for kind in (MachineMemory, Boxes, Intervals)
    )  # fmt: skip

    def begin(machine, code, length, root, room):
        write_first_tape(machines(machine), instructions(code), length, root, room)

    def once(machine, code, length):
        """Run code on one row."""
        run_rows(machines(machine), instructions(code), length, 1)

    def values(machine, most):
        return run_cells(machines(machine), most)

    def expected(machine):
        """The mean length of the tapes of the first cell's parts; its points are the corners of a box."""
        cells = machines(machine).cells
        return (cells[0].tape - shorten(machines(machine), cells[0], cells[1])) // PARTS

    def pays(machine):
        return np.int64(pays_to_split(machines(machine), machines(machine).cells[0]))

    def bounds(machine, boxes):
        bound_boxes(machines(machine), boxes_at(boxes))

    def copy(out, a, a_step, rows):
        """Rows as they are."""
        for r in range(rows):
            store_row(reals(out) + r * LANES, load_row(reals(a + r * a_step)))

    def copy_shared(out, a, a_step, rows):
        """A number in all lanes."""
        for r in range(rows):
            store_row(reals(out) + r * LANES, splat(reals(a + r * a_step)[0]))

    def copy_record(out, a):
        copy_intervals(intervals(out), intervals(a))

    arities = {begin: 5, once: 3, bounds: 2, copy: 4, copy_shared: 4, copy_record: 2}
    return {
        **{one.__name__: (one, types.none(*[types.int64] * count)) for one, count in arities.items()},
        "values": (values, types.int64(types.int64, types.int64)),
        "expected": (expected, types.int64(types.int64)),
        "pays": (pays, types.int64(types.int64)),
    }
