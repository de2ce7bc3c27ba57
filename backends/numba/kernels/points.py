"""Values of tapes at many points, and bounds on many boxes. See `point_layout` for what lies where.

Points are computed in blocks: each instruction calls its operation's kernel on all rows of a block. Where it
pays, points are first gathered in cells with shorter tapes, see `cells`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.native.memory import REALS, call4, call6, i32s, i64s
from absint.ops.kernels import record_size, row_size
from absint.ops.precision import Precision
from absint.ops.printers import vectors

from .cells import cell_splitter, cost, is_cheaper, is_promising
from .point_layout import (
    ALWAYS,
    CELL,
    CELL_BYTES,
    INSTRUCTION,
    INSTRUCTION_BYTES,
    MACHINE,
    MOST_ROWS,
    PARTS,
    SETTLED,
    SHARED_FIRST,
    SHARED_SECOND,
    WORDS_PER_OP,
)
from .shorter_tapes import specialise, tape_bounder

LANES = vectors.LANES


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """`values` and `bounds`, what comes before them, and the kernels of copies; see there."""
    precision = Precision(precision_name)
    row, record, size = row_size(precision), record_size(precision), precision.dtype.itemsize
    reals = REALS[precision_name]
    single = precision is Precision.F32
    load, splat = (vectors.load_f32, vectors.splat_f32) if single else (vectors.load_f64, vectors.splat_f64)
    store = vectors.store
    bound = tape_bounder(precision)
    shorten, split = cell_splitter(precision)

    @njit(error_model="numpy")
    def copy_record(out, a):
        """An operand's bounds as they are."""
        store(out, load(a))
        store(out + row, load(a + row))
        i64s(out + 2 * row)[0] = i64s(a + 2 * row)[0]

    @njit(error_model="numpy")
    def run_rows(machine, tape, length, rows):
        """Run a tape on some rows."""
        code, kernel, address = i32s(tape), i64s(machine[MACHINE.values]), i64s(machine[MACHINE.address])
        for i in range(0, length * INSTRUCTION, INSTRUCTION):
            word, b = np.int64(code[i]), np.int64(code[i + 3])
            shape = word % WORDS_PER_OP
            out, a = address[np.int64(code[i + 1])], address[np.int64(code[i + 2])]
            a_step = np.int64(0) if shape == SHARED_FIRST else np.int64(row)
            if b < 0:
                call4(kernel[word], out, a, a_step, rows)
            else:
                b_step = np.int64(0) if shape == SHARED_SECOND else np.int64(row)
                call6(kernel[word], out, a, a_step, address[b], b_step, rows)

    @njit(error_model="numpy")
    def run_cell(machine, cell, count):
        """The results of the first points of a cell, block by block. A block may end within a row."""
        shared, varying = machine[MACHINE.shared], machine[MACHINE.varying]
        copy, start = cell[CELL.copy], cell[CELL.start]
        tape = machine[MACHINE.tapes] + cell[CELL.tape] * INSTRUCTION_BYTES
        sources, results = i64s(machine[MACHINE.given + copy]), machine[MACHINE.results]
        address, result = i64s(machine[MACHINE.address]), shared + varying
        slots = cell[CELL.slots]
        rows = min(
            (count + LANES - 1) // LANES, max(machine[MACHINE.block_bytes] // (slots * row), np.int64(1))
        )
        rows = min(rows, np.int64(MOST_ROWS))
        for i in range(slots):
            address[result + i] = machine[MACHINE.block] + i * rows * row
        done = np.int64(0)
        while done < count:
            first, n = start + done, min(count - done, rows * LANES)
            done += n
            for i in range(varying):
                address[shared + i] = sources[i] + first * size
            if copy == 0:
                address[result] = results + first * size
            run_rows(machine, tape, cell[CELL.length], (n + LANES - 1) // LANES)
            if copy != 0:
                out, found = reals(results), reals(address[result])
                places = i32s(machine[MACHINE.places_given + copy] + first * 4)
                for i in range(n):
                    out[np.int64(places[i])] = found[i]

    def values(machine_, most):
        """Compute the cells that wait, last first, until none waits or about `most` instructions on rows have
        been run. Returns how many wait.
        """
        machine = i64s(machine_)
        left = np.float64(most)
        while machine[MACHINE.waiting] > 0 and left > 0:
            cell = i64s(machine[MACHINE.cells] + (machine[MACHINE.waiting] - 1) * CELL_BYTES)
            length, count = cell[CELL.length], cell[CELL.count]
            if count == 0:
                machine[MACHINE.waiting] -= 1
            elif cell[CELL.expected] != SETTLED:
                left -= split(machine, cell)
            else:
                part = min(count, (np.int64(left) // length + 1) * LANES)
                run_cell(machine, cell, part)
                left -= cost(length, part)
                cell[CELL.start] += part
                cell[CELL.count] -= part
        return machine[MACHINE.waiting]

    def begin(machine_, code, length, root, room):
        """The tape of the first cell. It computes register `root` of code in which each instruction has a
        register of its own. `room`: instructions that fit the memory for tapes.
        """
        machine = i64s(machine_)
        choices, wanted = i32s(machine[MACHINE.choices]), i32s(machine[MACHINE.wanted])
        for i in range(length):
            choices[i] = 0
        for i in range(machine[MACHINE.shared] + machine[MACHINE.varying] + length + 1):
            wanted[i] = -1
        cell = i64s(machine[MACHINE.cells])
        cell[CELL.length], cell[CELL.slots] = specialise(machine, code, length, root, 0, room)
        cell[CELL.tape] = room - cell[CELL.length]

    def expected(machine_):
        """The mean length of the tapes of the first cell's parts; its points are the corners of a box."""
        machine = i64s(machine_)
        cell = i64s(machine[MACHINE.cells])
        return (cell[CELL.tape] - shorten(machine, cell, machine[MACHINE.cells] + CELL_BYTES)) // PARTS

    def pays(machine_):
        """Whether the first cell should be split, if its expectations are right."""
        machine = i64s(machine_)
        cell = i64s(machine[MACHINE.cells])
        if machine[MACHINE.splitting] == ALWAYS:
            return 1
        return np.int64(is_promising(machine, cell) and is_cheaper(machine, cell, cell[CELL.expected]))

    def once(machine_, code, length):
        """Run code on one row."""
        run_rows(i64s(machine_), code, length, 1)

    def bounds(machine_, lower_ends, upper_ends, group, end, results):
        """Bounds of the first cell's tape on boxes, sixteen at a time, from `group` up to `end`: records.

        `lower_ends`, `upper_ends` int64[v]: addresses of the variables' ends, 0 where the record is there.
        """
        machine = i64s(machine_)
        cell, varying = i64s(machine[MACHINE.cells]), machine[MACHINE.varying]
        variables = machine[MACHINE.records] + machine[MACHINE.shared] * record
        lows, highs = i64s(lower_ends), i64s(upper_ends)
        for i in range(group, end):
            for v in range(varying):
                if lows[v] != 0:
                    store(variables + v * record, load(lows[v] + i * row))
                    store(variables + v * record + row, load(highs[v] + i * row))
            bound(machine, machine[MACHINE.tapes] + cell[CELL.tape] * INSTRUCTION_BYTES, cell[CELL.length])
            copy_record(results + i * record, variables + varying * record)

    def copy(out, a, a_step, rows):
        """Rows as they are."""
        for r in range(rows):
            store(out + r * row, load(a + r * a_step))

    def copy_shared(out, a, a_step, rows):
        """A number in all lanes."""
        for r in range(rows):
            store(out + r * row, splat(a + r * a_step))

    arities = {begin: 5, once: 3, bounds: 6, copy: 4, copy_shared: 4, copy_record: 2}
    return {
        **{one.__name__: (one, types.none(*[types.int64] * count)) for one, count in arities.items()},
        "values": (values, types.int64(types.int64, types.int64)),
        "expected": (expected, types.int64(types.int64)),
        "pays": (pays, types.int64(types.int64)),
    }
