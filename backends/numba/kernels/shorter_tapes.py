"""Shorter tapes for smaller boxes: what bounds decide is left out, with all that only it needed.

A tape is bounded on sixteen boxes at once, one in each lane, which tells for each operation in which lanes
its result is surely one of its operands, in bits. The operand then stands for the result: the tape that is
left computes the same, bit for bit, at every point of the box.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from absint.native.memory import INLINE, call2, call3
from absint.native.record_pointers import address_of_record
from absint.ops.printers.vectors import mask_bits, mask_of

from .point_records import COPY, COPY_SHARED, OF_AND, OF_MAX, OF_MIN, PARTS, UNDECIDED
from .rows import CALLED, load_row, rounded

FIRST, SECOND = 1, 1 << PARTS
"""Choices of the lowest lane: the result is the first operand, the second."""


@njit(**INLINE)
def write(instruction, word, result, a, b):
    """Fill the fields of an instruction."""
    instruction.word = word
    instruction.result = result
    instruction.a = a
    instruction.b = b


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


@njit(**CALLED)
def specialise(machine, tape, length, root, lane, end):
    """Write the tape that computes register `root` of a tape, with the choices of a lane, so that it ends
    where instruction `end` of the memory for tapes begins. Returns how many instructions and slots it has.

    From the last instruction to the first: `wanted[r]` is the register of the new tape that should hold what
    register r of the old one holds there, -1 if nobody wants it.
    """
    tapes, choices, wanted, free = machine.tapes, machine.choices, machine.wanted, machine.free
    shared = machine.shared
    leaves = shared + machine.varying
    at, slots, freed = end, np.int64(1), np.int64(0)
    if root < leaves:
        write(tapes[at - 1], COPY_SHARED if root < shared else COPY, leaves, root, -1)
        return np.int64(1), slots
    wanted[root] = leaves
    for i in range(length - 1, -1, -1):
        old = tape[i]
        out = np.int64(old.result)
        target = np.int64(wanted[out])
        if target < 0:
            continue
        wanted[out] = -1
        word, a, b = np.int64(old.word), np.int64(old.a), np.int64(old.b)
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
        write(tapes[at], word, target, a, b)
    return end - at, slots


@njit(**INLINE)
def decide(rule, left, right):
    """The choices of all lanes: where the result is surely the first operand, or else the second.

    NaN wins in min and max, so the operand that goes must be a number. A tie gives the second, which has
    the bits of the first unless both are zeros. `and` and `or` take NaN for true.
    """
    zero = rounded(0.0, left.lower)
    low, high, number = load_row(left.lower), load_row(left.upper), ~mask_of(left.may_nan)
    other_low, other_high, other_number = (
        load_row(right.lower), load_row(right.upper), ~mask_of(right.may_nan),
    )  # fmt: skip
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


@njit(**CALLED)
def bound(machine, tape, length):
    """Bound a tape's slots on sixteen boxes, from the bounds of the variables; notes what is decided."""
    operations, intervals, choices = machine.operations, machine.intervals, machine.choices
    for i in range(length):
        instruction = tape[i]
        operation = operations[instruction.word]
        out, left = intervals[instruction.result], intervals[instruction.a]
        if instruction.b < 0:
            choices[i] = 0
            call2(operation.intervals, address_of_record(out), address_of_record(left))
        else:
            right = intervals[instruction.b]
            choices[i] = 0 if operation.rule == UNDECIDED else decide(operation.rule, left, right)
            call3(
                operation.intervals, address_of_record(out), address_of_record(left), address_of_record(right)
            )
