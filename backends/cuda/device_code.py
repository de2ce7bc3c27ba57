"""A plan's code in the form that CUDA kernels read: registers become special operands, numbers of tables and
slots.

The special operands are `~0` for x, `~1` for y, and `~(2 + k)` for the k-th fixed value. An operand from 0 up
is a table of an axis in the tapes of bases, and a thread's slot in the tapes of terms. Values whose lifetimes
do not overlap share a table or a slot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from absint.lowering.lifetimes import FIRST_TAPE, FIXED_TAPE, X_TAPE, Y_TAPE, assign_slots, find_lifetimes
from absint.lowering.plan import Plan
from absint.lowering.plan_format import OF_X, OF_Y, X, Y, Z

from .source import NO_OPERAND


@dataclass(frozen=True, eq=False)
class DeviceCode:
    """The code of a plan.

    `instructions` int32[m, 4]: operation, result, operands. `bands` int32[b, 4]: value, number of the band.
    `special` int32[r]: the special operands of X, Y and fixed registers. `fixed` real[k]: the fixed values, z
    first, with the constants filled in. `tables`: the number of tables of each axis; the first are those of
    the bases of sums, by base number. `slots`: the number of slots that a thread needs.
    """

    instructions: NDArray[np.int32]
    bands: NDArray[np.int32]
    special: NDArray[np.int32]
    fixed: NDArray[np.floating]
    tables: tuple[int, int]
    slots: int


def make_device_code(plan: Plan) -> DeviceCode:
    """The code of a plan for a device."""
    registers = len(plan.varies)
    fixed = np.flatnonzero(plan.varies & (OF_X | OF_Y) == 0)
    special = np.zeros(registers, np.int32)
    special[[X, Y]] = ~0, ~1
    special[fixed] = ~np.arange(2, 2 + len(fixed))
    assert special[Z] == ~2  # the kernels write z there
    values = np.zeros(registers, plan.precision.dtype)
    values[plan.constant_registers] = plan.constant_values

    lifetimes = find_lifetimes(plan)
    tape, base = lifetimes.tape, lifetimes.base
    shared = np.flatnonzero((base < 0) & (tape != FIXED_TAPE))
    slots, counts = assign_slots(tape[shared], shared, lifetimes.last[shared], FIRST_TAPE + len(plan.tapes))
    first = np.array([0, len(plan.x_bases), len(plan.y_bases), 0])  # tables of bases come first
    result = np.where(tape == FIXED_TAPE, special[plan.instructions[:, 1]], base)
    result[shared] = slots + first[np.minimum(tape[shared], FIRST_TAPE)]

    in_table = (tape == X_TAPE) | (tape == Y_TAPE)
    instructions = np.zeros((len(tape), 4), np.int32)
    instructions[:, 0], instructions[:, 1] = plan.instructions[:, 0], result
    for column in (2, 3):
        operand, source = plan.instructions[:, column], lifetimes.sources[:, column - 2]
        elsewhere = np.where(in_table & (operand <= Y), 0, special[operand])  # table 0 is the coordinate
        made = np.where(source >= 0, result[source], elsewhere)
        instructions[:, column] = np.where(operand < 0, NO_OPERAND, made)
    bands = np.zeros((len(plan.band_registers), 4), np.int32)
    made_by = lifetimes.bands
    bands[:, 0] = special[plan.band_registers]
    bands[made_by >= 0, 0] = result[made_by[made_by >= 0]]
    bands[:, 1] = np.arange(len(bands))
    return DeviceCode(
        instructions=instructions,
        bands=bands,
        special=special,
        fixed=values[fixed],
        tables=(len(plan.x_bases) + int(counts[X_TAPE]), len(plan.y_bases) + int(counts[Y_TAPE])),
        slots=int(counts[FIRST_TAPE:].max(initial=0)),
    )
