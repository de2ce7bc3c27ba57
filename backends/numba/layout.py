"""A plan laid out in the memory of a thread: registers become offsets, instructions become calls of kernels.

A value is computed as often as it varies: once if it is fixed for a picture, as a row of sixteen columns if it
varies with x alone, as a number for each row if with y alone, else as a row for each row. Instructions say
where operands lie and how far apart their rows are, so that one kernel serves all of these. Values whose
lifetimes do not overlap share memory.

A thread's scratch memory holds, in this order: a row of x, a number for each row of y, a row for each fixed
register, the tables of x, those of y, and the slots of the tapes of terms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from absint.lowering.lifetimes import FIRST_TAPE, FIXED_TAPE, X_TAPE, Y_TAPE, assign_slots, find_lifetimes
from absint.lowering.plan import Plan
from absint.lowering.plan_format import IN_BAND, OF_X, OF_Y, X, Y, Z
from absint.lowering.region_plan import RegionProgram
from absint.ops.precision import Precision
from absint.ops.table import OPS
from absint.ops.units import LANES, operation_kernels

from .kernels.layout import (
    ALL_ROWS,
    INSTRUCTION,
    ONE_ROW,
    PACKED_ROWS,
    TAPE_BAND,
    TILE_COLUMNS,
    TILE_ROWS,
    Y_PITCH,
)  # fmt: skip

FIXED, ROW, COLUMN, BLOCK = 0, OF_X, OF_Y, OF_X | OF_Y
"""Classes of values: one for all pixels; a row of columns; a number for each row; a row for each row."""

SHAPES = ("v", "vv", "vs", "sv")
"""How operations read their operands, rows or one number a row, see `absint.ops.kernels`."""

_ROWS_OF_CLASS = np.array([ONE_ROW, ONE_ROW, PACKED_ROWS, ALL_ROWS])
_ROWS_OF_TABLE = {X_TAPE: ALL_ROWS, Y_TAPE: PACKED_ROWS}


@dataclass(frozen=True, eq=False)
class Layout:
    """Where a plan's values lie in a thread's scratch memory, as offsets in bytes.

    `instructions` int64[m, INSTRUCTION]: those of the plan, with the addresses of kernels, which are good in
    this process only. `tapes` int64[t, TAPE_WORDS] and `bands` int64[b, TAPE_BAND]: the plan's. `registers`
    int64[r]: the offsets of X and Y, a block's samples, and of fixed registers; -1 for others. `classes`
    uint8[r]. `x_tables`, `y_tables`: the first table of each axis, which holds the samples of a tile.
    """

    instructions: NDArray[np.int64]
    tapes: NDArray[np.int64]
    bands: NDArray[np.int64]
    registers: NDArray[np.int64]
    classes: NDArray[np.uint8]
    x_tables: int
    y_tables: int
    scratch_bytes: int

    @property
    def z(self) -> int:
        """The offset of z."""
        return int(self.registers[Z])


def lay_out(plan: Plan) -> Layout:
    """The layout of a plan."""
    size = plan.precision.dtype.itemsize
    row, column = LANES * size, Y_PITCH * size
    classes = plan.varies & (OF_X | OF_Y)
    op, out, a, b = plan.instructions.T
    of_result = classes[out]
    lifetimes = find_lifetimes(plan)
    tape = lifetimes.tape

    registers = np.full(len(classes), -1, np.int64)
    registers[X], registers[Y] = 0, row
    fixed = np.flatnonzero(classes == FIXED)
    registers[fixed] = row + column + row * np.arange(len(fixed))
    x_tables = row + column + row * len(fixed)

    # the bases of sums have tables of their own, all else that tapes compute is given slots
    base = np.full(len(out), -1, np.int64)
    for number, bases in ((X_TAPE, plan.x_bases), (Y_TAPE, plan.y_bases)):
        numbers = np.full(len(classes), -1, np.int64)
        numbers[bases] = np.arange(len(bases))
        base = np.where(tape == number, numbers[out], base)
    shared = np.flatnonzero((base < 0) & (tape != FIXED_TAPE))
    group = 4 * tape[shared] + of_result[shared]
    slot = np.zeros(len(out), np.int64)
    slot[shared], counts = assign_slots(group, shared, lifetimes.last[shared])
    counts = np.append(counts, np.zeros(4 * (FIRST_TAPE + len(plan.tapes)) - len(counts), np.int64))
    counts = counts.reshape(-1, 4)
    x_count = len(plan.x_bases) + int(counts[X_TAPE, ROW])
    y_count = len(plan.y_bases) + int(counts[Y_TAPE, COLUMN])
    y_tables = x_tables + x_count * TILE_COLUMNS * size
    slots_end = y_tables + y_count * column
    slot_bytes = np.array([0, row, column, TILE_ROWS * row])
    slots = counts[FIRST_TAPE:].max(axis=0, initial=0) * slot_bytes
    slots_begin = slots_end + np.cumsum(slots) - slots

    place = slots_begin[of_result] + slot * slot_bytes[of_result]
    place = np.where(tape == FIXED_TAPE, registers[out], place)
    for number, bases, begin, pitch in (
        (X_TAPE, plan.x_bases, x_tables, TILE_COLUMNS * size),
        (Y_TAPE, plan.y_bases, y_tables, column),
    ):
        table = np.where(base >= 0, base, len(bases) + slot)
        place = np.where(tape == number, begin + table * pitch, place)

    in_table = (tape == X_TAPE) | (tape == Y_TAPE)
    samples = np.where(tape == X_TAPE, x_tables, y_tables)

    def operand(register: NDArray[np.int32], source: NDArray[np.int64]) -> NDArray[np.int64]:
        """Offsets of operands."""
        elsewhere = np.where(in_table & (classes[register] != FIXED), samples, registers[register])
        return np.where(source >= 0, place[source], elsewhere)

    single_a, step_a = _reading(classes[a], of_result, in_table, row, size)
    single_b, step_b = _reading(classes[b], of_result, in_table, row, size)
    shape = np.where(b < 0, 0, np.where(single_a, 3, np.where(single_b, 2, 1)))
    rows = _ROWS_OF_CLASS[of_result]
    for number, rows_of_table in _ROWS_OF_TABLE.items():
        rows = np.where(tape == number, rows_of_table, rows)
    instructions = np.zeros((len(out), INSTRUCTION), np.int64)
    instructions[:, 0] = _kernel_addresses(op, shape, plan.precision)
    instructions[:, 1] = place
    instructions[:, 2], instructions[:, 3] = operand(a, lifetimes.sources[:, 0]), step_a
    instructions[:, 4] = np.where(b < 0, 0, operand(b, lifetimes.sources[:, 1]))
    instructions[:, 5] = np.where(b < 0, -1, step_b)
    instructions[:, 6] = rows

    bands = np.zeros((len(plan.band_registers), TAPE_BAND), np.int64)
    source = lifetimes.bands
    bands[:, 0] = np.where(source >= 0, place[source] if len(place) else 0, registers[plan.band_registers])
    bands[:, 1] = np.array([0, 0, size, row])[classes[plan.band_registers]]
    bands[:, 2] = np.arange(len(bands))
    return Layout(
        instructions=instructions,
        tapes=plan.tapes.astype(np.int64),
        bands=bands,
        registers=registers,
        classes=classes,
        x_tables=x_tables,
        y_tables=y_tables,
        scratch_bytes=int(slots_end + slots.sum()),
    )


def _reading(
    operand: NDArray[np.uint8], result: NDArray[np.uint8], in_table: NDArray[np.bool_], row: int, size: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """How an operation reads an operand, by the classes of both: whether it is one number a row, not a row,
    and the bytes from one row to the next. The rows of a table follow each other; elsewhere a value that
    varies with x alone has one row.
    """
    alike = operand == result
    single = ~alike & (operand != ROW)
    follow = alike & (result != FIXED) & ((result != ROW) | in_table)
    return single, np.where(follow, row, np.where(single & (operand == COLUMN), size, 0))


def _kernel_addresses(
    op: NDArray[np.int32], shape: NDArray[np.int64], precision: Precision
) -> NDArray[np.int64]:
    """The addresses of the kernels of operations for operands of some shapes."""
    numbers = op * len(SHAPES) + shape
    addresses = np.zeros(len(OPS) * len(SHAPES), np.int64)
    for number in np.unique(numbers).tolist():
        code, kind = divmod(number, len(SHAPES))
        addresses[number] = operation_kernels(OPS[code].name, precision).address(SHAPES[kind])
    return addresses[numbers]


def step_kernels(program: RegionProgram, precision: Precision) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Addresses of the interval kernel of each step, int64[n], and of its row kernels, int64[n, 3]."""
    intervals, rows = np.zeros(256, np.int64), np.zeros((256, 3), np.int64)
    real = program.kind < IN_BAND
    for code in np.unique(program.op[real]).tolist():
        unit = operation_kernels(OPS[code].name, precision)
        intervals[code] = unit.address("interval")
        shapes = SHAPES[:1] if OPS[code].arity == 1 else SHAPES[1:]
        rows[code, : len(shapes)] = [unit.address(shape) for shape in shapes]
    return np.where(real, intervals[program.op], 0), rows[program.op]


def block_test_savings(program: RegionProgram) -> NDArray[np.int32]:
    """Estimated nanoseconds saved per step by interval-testing a leaf's sixteen blocks, int32[n].

    Most often a quarter of the blocks is left then, and work that depends on x or y alone is no longer
    shared. To run a step on a quarter of the blocks saves about 0.6 of its cost; to bound it costs 10 and a
    sixth of its cost.
    """
    savings = np.array([0.4 * op.cost - 11 for op in OPS])
    return np.where(program.kind < IN_BAND, savings[program.op], 0).astype(np.int32)
