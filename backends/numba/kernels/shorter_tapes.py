"""Shorter tapes for smaller boxes: what bounds decide is left out, with all that only it needed.

A tape is bounded on sixteen boxes at once, one in each lane, which tells for each operation in which lanes
its result is surely one of its operands, in bits. The operand then stands for the result: the tape that is
left computes the same, bit for bit, at every point of the box.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from absint.native.memory import INLINE, call2, call3, i32s, i64s
from absint.ops.kernels import record_size, row_size
from absint.ops.precision import Precision
from absint.ops.printers import vectors

from .point_layout import COPY, COPY_SHARED, INSTRUCTION, MACHINE, OF_AND, OF_MAX, OF_MIN, PARTS, UNDECIDED

FIRST, SECOND = 1, 1 << PARTS
"""Choices of the lowest lane: the result is the first operand, the second."""


@njit(**INLINE)
def write(tapes, at, word, out, a, b):
    """Put an instruction in its place."""
    at *= INSTRUCTION
    tapes[at], tapes[at + 1], tapes[at + 2], tapes[at + 3] = word, out, a, b


@njit(**INLINE)
def want(register, leaves, wanted, free, freed, slots):
    """The register of the new tape for what a register holds; a free slot, if it was not wanted so far.

    Returns it and the numbers of free slots and of all slots.
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
    """Write the tape that computes register `root` of a tape, with the choices of a lane, so that it ends
    where instruction `end` of the memory for tapes begins. Returns how many instructions and slots it has.

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
                wanted[a] = target  # computed where it is wanted, no copy needed
                continue
            word, b = np.int64(COPY_SHARED if a < shared else COPY), np.int64(-1)
        free[freed] = target
        freed += 1
        a, freed, slots = want(a, leaves, wanted, free, freed, slots)
        b, freed, slots = want(b, leaves, wanted, free, freed, slots)
        at -= 1
        write(new, at, word, target, a, b)
    return end - at, slots


def tape_bounder(precision: Precision) -> Any:
    """The function that bounds a tape on sixteen boxes."""
    row, record = row_size(precision), record_size(precision)
    load = vectors.load_f32 if precision is Precision.F32 else vectors.load_f64
    load_mask, mask_bits = vectors.load_mask, vectors.mask_bits
    zero = precision.real(0)

    @njit(**INLINE)
    def decided(rule, left, right):
        """In which lanes the result is surely the first operand, or else the second.

        NaN wins in min and max, so the operand that goes must be a number. A tie gives the second, which has
        the bits of the first unless both are zeros. `and` and `or` take NaN for true.
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
        return mask_bits(first) | mask_bits(second & ~first) << PARTS

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
