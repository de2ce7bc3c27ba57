"""A plan laid out in the memory of a thread: registers become offsets, instructions become calls of kernels.

A value is computed as often as it varies: once if it is fixed for a picture, on a row of sixteen columns if
it varies with x alone, once for each row if with y alone, else on sixteen columns of each row. Instructions
hold the offsets of operands and the distances of their rows, so one kernel serves all of these classes.
Values whose lifetimes do not overlap share memory.

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

from .kernels.frame_records import (
    ALL_ROWS,
    ONE_ROW,
    PACKED_ROWS,
    TILE_COLUMNS,
    TILE_ROWS,
    Y_PITCH,
    Instruction,
    RowKernels,
    Sum,
    Tape,
    TapeBand,
)

FIXED, ROW, COLUMN, BLOCK = 0, OF_X, OF_Y, OF_X | OF_Y
"""Classes of values: one number for all pixels; one row of columns; a number for each row; a row of columns
for each row.
"""

SHAPES = ("v", "vv", "vs", "sv")
"""How operations read their operands: `v` as rows, `s` as one number a row; see `absint.ops.kernels`."""

_ROWS_OF_CLASS = np.array([ONE_ROW, ONE_ROW, PACKED_ROWS, ALL_ROWS])


@dataclass(frozen=True, eq=False)
class Layout:
    """Where a plan's values lie in a thread's scratch memory, as offsets in bytes.

    `instructions`, `tapes`, `bands` and `sums`: those of the plan, as records for kernels. The addresses of
    kernels in instructions are valid in this process only. `registers` int64[r]: the offsets of X and Y, a
    block's samples, and of fixed registers; -1 for others. `classes` uint8[r]. `x_tables`, `y_tables`: the
    first table of each axis, which holds the samples of a tile.
    """

    instructions: NDArray[np.void]
    tapes: NDArray[np.void]
    bands: NDArray[np.void]
    sums: NDArray[np.void]
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
    """The layout of a plan, made in less than a millisecond for a thousand instructions."""
    return _LayoutBuilder(plan).build()


class _LayoutBuilder:
    """Lays one plan out."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lifetimes = find_lifetimes(plan)
        self._size = plan.precision.dtype.itemsize
        self._row = LANES * self._size
        self._classes = plan.varies & np.uint8(OF_X | OF_Y)
        self._of_result = self._classes[plan.instructions[:, 1]]

    def build(self) -> Layout:
        """The layout."""
        registers, x_tables = self._place_registers()
        results, y_tables, end = self._place_results(registers, x_tables)
        return Layout(
            instructions=self._write_instructions(registers, results, x_tables, y_tables),
            tapes=Tape.view(self._plan.tapes.astype(np.int64)),
            bands=self._write_bands(registers, results),
            sums=_write_sums(self._plan),
            registers=registers,
            classes=self._classes,
            x_tables=x_tables,
            y_tables=y_tables,
            scratch_bytes=end,
        )

    def _place_registers(self) -> tuple[NDArray[np.int64], int]:
        """The offsets of X, Y and fixed registers, -1 for others; and the offset behind them."""
        registers = np.full(len(self._classes), -1, np.int64)
        fixed = np.flatnonzero(self._classes == FIXED)
        begin = self._row + Y_PITCH * self._size
        registers[X], registers[Y] = 0, self._row
        registers[fixed] = begin + self._row * np.arange(len(fixed))
        return registers, begin + self._row * len(fixed)

    def _place_results(
        self, registers: NDArray[np.int64], x_tables: int
    ) -> tuple[NDArray[np.int64], int, int]:
        """The offset of each instruction's result, that of the tables of y, and the size of the scratch
        memory.
        """
        plan, lifetimes, classes = self._plan, self._lifetimes, self._of_result
        tape, base = lifetimes.tape, lifetimes.base
        shared = np.flatnonzero((base < 0) & (tape != FIXED_TAPE))
        slots = np.zeros(len(tape), np.int64)
        groups = 4 * (FIRST_TAPE + len(plan.tapes))  # each tape has its own slots for each class
        group = 4 * tape[shared] + classes[shared]
        slots[shared], counts = assign_slots(group, shared, lifetimes.last[shared], groups)
        counts = counts.reshape(-1, 4)
        x_table, y_table = TILE_COLUMNS * self._size, Y_PITCH * self._size
        y_tables = x_tables + x_table * (len(plan.x_bases) + int(counts[X_TAPE, ROW]))
        end = y_tables + y_table * (len(plan.y_bases) + int(counts[Y_TAPE, COLUMN]))
        slot_bytes = np.array([0, self._row, y_table, TILE_ROWS * self._row])
        room = counts[FIRST_TAPE:].max(axis=0, initial=0) * slot_bytes
        begin = end + np.cumsum(room) - room
        results = begin[classes] + slots * slot_bytes[classes]
        fixed = slice(*plan.fixed_tape)
        results[fixed] = registers[plan.instructions[fixed, 1]]
        for (first, last), bases, tables, pitch in (
            (plan.x_tape, plan.x_bases, x_tables, x_table),
            (plan.y_tape, plan.y_bases, y_tables, y_table),
        ):
            own = base[first:last]
            results[first:last] = tables + np.where(own >= 0, own, len(bases) + slots[first:last]) * pitch
        return results, y_tables, end + int(room.sum())

    def _write_instructions(
        self, registers: NDArray[np.int64], results: NDArray[np.int64], x_tables: int, y_tables: int
    ) -> NDArray[np.void]:
        """The plan's instructions as records for kernels."""
        op, _, a, b = self._plan.instructions.T
        x, y = slice(*self._plan.x_tape), slice(*self._plan.y_tape)
        in_table, samples = np.zeros(len(op), bool), np.zeros(len(op), np.int64)
        in_table[x] = in_table[y] = True
        samples[x], samples[y] = x_tables, y_tables
        made = Instruction.array(len(op))
        if not len(op):
            return made
        singles = []
        for name, register, source in zip(("a", "b"), (a, b), self._lifetimes.sources.T, strict=True):
            theirs = self._classes[register]
            elsewhere = np.where(in_table & (theirs != FIXED), samples, registers[register])
            single, step = self._find_strides(theirs, in_table)
            made[name] = np.where(source >= 0, results[source], elsewhere)
            made[f"{name}_step"] = step
            singles.append(single)
        unary = b < 0
        shape = np.where(unary, 0, np.where(singles[0], 3, np.where(singles[1], 2, 1)))
        made["kernel"], made["out"] = _kernel_addresses(op, shape, self._plan.precision), results
        made["b"][unary], made["b_step"][unary] = 0, -1
        made["rows"] = _ROWS_OF_CLASS[self._of_result]
        made["rows"][x], made["rows"][y] = ALL_ROWS, PACKED_ROWS
        return made

    def _find_strides(
        self, operand: NDArray[np.uint8], in_table: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """How instructions read operands of given classes: whether an operand is one number a row, not a row
        of columns, and the bytes from each row to the next.

        The rows of a table follow each other; elsewhere a value that varies with x alone has one row.
        """
        alike = operand == self._of_result
        single = ~alike & (operand != ROW)
        follows = alike & (operand != FIXED) & ((operand != ROW) | in_table)
        step = np.where(follows, self._row, np.where(single & (operand == COLUMN), self._size, 0))
        return single, step

    def _write_bands(self, registers: NDArray[np.int64], results: NDArray[np.int64]) -> NDArray[np.void]:
        """The bands of tapes as records for kernels."""
        plan, source = self._plan, self._lifetimes.bands
        offsets = registers[plan.band_registers]
        offsets[source >= 0] = results[source[source >= 0]]
        bands: NDArray[np.void] = TapeBand.of(plan.precision.value).array(len(offsets))
        bands["value"] = offsets // self._size
        bands["step"] = np.array([0, 0, 1, LANES])[self._classes[plan.band_registers]]
        bands["lower"], bands["upper"] = plan.band_ends.T
        return bands


def _write_sums(plan: Plan) -> NDArray[np.void]:
    """The bands of sums as records for kernels."""
    sums: NDArray[np.void] = Sum.of(plan.precision.value).array(len(plan.sums))
    words, numbers = plan.sums, plan.sum_numbers
    for i, side in enumerate(("x", "y")):
        sums[side]["table"], sums[side]["is_squared"] = words[:, 2 * i], words[:, 2 * i + 1]
        sums[side]["offset"], sums[side]["sign"] = numbers[:, 2 * i], numbers[:, 2 * i + 1]
    sums["band"], sums["lower"], sums["upper"] = words[:, 4], numbers[:, 4], numbers[:, 5]
    return sums


def _kernel_addresses(
    op: NDArray[np.int32], shape: NDArray[np.int64], precision: Precision
) -> NDArray[np.int64]:
    """The addresses of operations' kernels for operands of given `SHAPES`."""
    numbers = op * len(SHAPES) + shape
    addresses = np.zeros(len(OPS) * len(SHAPES), np.int64)
    for number in np.unique(numbers).tolist():
        code, kind = divmod(number, len(SHAPES))
        addresses[number] = operation_kernels(OPS[code].name, precision).address(SHAPES[kind])
    found: NDArray[np.int64] = addresses[numbers]
    return found


def step_kernels(program: RegionProgram, precision: Precision) -> tuple[NDArray[np.int64], NDArray[np.void]]:
    """The address of the interval kernel of each step, int64[n], and its row kernels."""
    intervals, rows = np.zeros(256, np.int64), np.zeros((256, 3), np.int64)
    real = program.kind < IN_BAND
    for code in np.unique(program.op[real]).tolist():
        unit = operation_kernels(OPS[code].name, precision)
        intervals[code] = unit.address("interval")
        shapes = SHAPES[:1] if OPS[code].arity == 1 else SHAPES[1:]
        rows[code, : len(shapes)] = [unit.address(shape) for shape in shapes]
    kernels = RowKernels.array(len(program))
    kernels["shapes"] = rows[program.op]
    return np.where(real, intervals[program.op], 0), kernels


def block_test_savings(program: RegionProgram) -> NDArray[np.int32]:
    """Estimated nanoseconds saved per step by interval-testing a leaf's sixteen blocks, int32[n].

    After the test a quarter of the blocks is usually left, and work that depends on x or y alone is no longer
    shared. Running a step on a quarter of the blocks saves about 0.6 of its cost; bounding the step costs 10
    ns plus a sixth of its cost.
    """
    savings = np.array([0.4 * op.cost - 11 for op in OPS])
    return np.where(program.kind < IN_BAND, savings[program.op], 0).astype(np.int32)
