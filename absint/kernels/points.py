"""Values of tapes at many points, and bounds on many boxes. See `point_layout` for what lies where.

Points are computed in blocks that fit the cache: each instruction calls its operation's kernel on all rows of a
block. Where it pays, points are first gathered in cells with shorter tapes, see `cells`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.kernels.cells import SETTLED, cell_splitter, cost, specialise, tape_bounder
from absint.kernels.memory import REALS, call4, call6, i32s, i64s
from absint.kernels.operations import record_size, row_size
from absint.kernels.point_layout import (
    CELL,
    CELL_BYTES,
    INSTRUCTION,
    INSTRUCTION_BYTES,
    MACHINE,
    SHARED_FIRST,
    SHARED_SECOND,
    WORDS_PER_OP,
)
from absint.ops import vectors
from absint.precision import Precision

LANES = vectors.LANES
FEWEST_ROWS, MOST_ROWS = 4, 256
"""Of a block."""


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """`values`, `bounds`, `first_tape`, `run_once` and the kernels of copies, see there."""
    precision = Precision(precision_name)
    row, record, size = row_size(precision), record_size(precision), precision.dtype.itemsize
    reals = REALS[precision_name]
    load, splat = (
        (vectors.load_f32, vectors.splat_f32)
        if precision is Precision.F32
        else (vectors.load_f64, vectors.splat_f64)
    )
    store = vectors.store
    bound = tape_bounder(precision)
    split = cell_splitter(precision, bound)

    @njit(error_model="numpy")
    def run_rows(kernel, address, tape, length, rows):
        """Run a tape on some rows."""
        code = i32s(tape)
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
    def run_cell(machine, tape, length, slots, copy, first, count):
        """The results of some points, block by block."""
        shared, varying = machine[MACHINE.shared], machine[MACHINE.varying]
        registers = varying + slots
        address = i64s(machine[MACHINE.address])
        sources, results = i64s(machine[MACHINE.given + copy]), machine[MACHINE.results]
        fitting = machine[MACHINE.block_bytes] // (registers * row)
        block = LANES * min(max(fitting, FEWEST_ROWS), MOST_ROWS)
        pitch = min(block, (count + LANES - 1) // LANES * LANES) * size
        for i in range(varying, registers):
            address[shared + i] = machine[MACHINE.block] + i * pitch
        result = shared + varying
        for start in range(first, first + count, block):
            n = min(first + count - start, block)
            for i in range(varying):
                address[shared + i] = sources[i] + start * size
            if copy == 0:
                address[result] = results + start * size
            run_rows(
                i64s(machine[MACHINE.values]), address, machine[MACHINE.tapes] + tape * INSTRUCTION_BYTES, length,
                (n + LANES - 1) // LANES,
            )  # fmt: skip
            if copy != 0:
                out, found, places = reals(results), reals(address[result]), i32s(machine[MACHINE.places_given + copy])
                for i in range(n):
                    out[np.int64(places[start + i])] = found[i]

    def values(machine_, most):
        """Compute the cells that wait, last first, until none waits or about `most` instructions on rows have been
        run. Returns how many wait.
        """
        machine = i64s(machine_)
        left = np.float64(most)
        while machine[MACHINE.waiting] > 0 and left > 0:
            cell = i64s(machine[MACHINE.cells] + (machine[MACHINE.waiting] - 1) * CELL_BYTES)
            if cell[CELL.count] == 0:
                machine[MACHINE.waiting] -= 1
            elif cell[CELL.parent] != SETTLED:
                left -= split(machine, cell)
            else:
                length, first, count = cell[CELL.length], cell[CELL.first], cell[CELL.count]
                part = min(count, (np.int64(left) // length + 1) * LANES)
                run_cell(machine, cell[CELL.tape], length, cell[CELL.slots], cell[CELL.copy], first, part)
                left -= cost(length, part)
                cell[CELL.first], cell[CELL.count] = first + part, count - part
        return machine[MACHINE.waiting]

    def begin(machine_, code, length, root, places):
        """The first cell: `count` points as given. Its tape computes register `root` of code in which each
        instruction has a register of its own; `places` is how many instructions fit the memory for tapes.
        """
        machine = i64s(machine_)
        choices, wanted = i32s(machine[MACHINE.choices]), i32s(machine[MACHINE.wanted])
        leaves = machine[MACHINE.shared] + machine[MACHINE.varying]
        for i in range(length):
            choices[i] = 0
        for i in range(leaves + length + 1):
            wanted[i] = -1
        cell = i64s(machine[MACHINE.cells])
        left, slots = specialise(machine, code, length, root, 0, places)
        cell[CELL.tape], cell[CELL.length], cell[CELL.slots] = places - left, left, slots
        machine[MACHINE.waiting] = 1

    def once(machine_, code, length):
        """Run code on one row."""
        machine = i64s(machine_)
        run_rows(i64s(machine[MACHINE.values]), i64s(machine[MACHINE.address]), code, length, 1)

    def bounds(machine_, first, last, lower_, upper_, nan_):
        """Bounds of the first cell's tape on boxes, sixteen at a time, from group `first` up to `last`.

        `given` and `first` hold the variables' lower and upper ends, 0 for a variable whose record is there
        already. `lower`, `upper` reals[16 n], `nan` int64[n] take the bounds.
        """
        machine = i64s(machine_)
        cell = i64s(machine[MACHINE.cells])
        lows, highs = i64s(machine[MACHINE.given]), i64s(machine[MACHINE.first])
        variables = machine[MACHINE.records] + machine[MACHINE.shared] * record
        varying = machine[MACHINE.varying]
        result = variables + varying * record
        tape = machine[MACHINE.tapes] + cell[CELL.tape] * INSTRUCTION_BYTES
        nan = i64s(nan_)
        for group in range(first, last):
            for v in range(varying):
                if lows[v] != 0:
                    store(variables + v * record, load(lows[v] + group * row))
                    store(variables + v * record + row, load(highs[v] + group * row))
            bound(machine, tape, cell[CELL.length])
            store(lower_ + group * row, load(result))
            store(upper_ + group * row, load(result + row))
            nan[group] = i64s(result + 2 * row)[0]

    def copy(out, a, a_step, rows):
        """Rows as they are."""
        for r in range(rows):
            store(out + r * row, load(a + r * a_step))

    def copy_shared(out, a, a_step, rows):
        """A number in rows."""
        for r in range(rows):
            store(out + r * row, splat(a + r * a_step))

    def copy_interval(out, a):
        """A record as it is."""
        store(out, load(a))
        store(out + row, load(a + row))
        i64s(out + 2 * row)[0] = i64s(a + 2 * row)[0]

    taken = {
        values: 2, begin: 5, once: 3, bounds: 6, copy: 4, copy_shared: 4, copy_interval: 2
    }  # fmt: skip
    return {
        kernel.__name__: (kernel, (types.int64 if kernel is values else types.none)(*[types.int64] * count))
        for kernel, count in taken.items()
    }
