"""What lies where in the memory of the kernels that compute values at points. Needs no Numba.

A tape is a sequence of instructions over registers:

| registers        | hold                                                                               |
|------------------|------------------------------------------------------------------------------------|
| 0 … s-1          | *shared* numbers, the same at every point: constants, scalars and what they make   |
| s … s+v-1        | the *varying* variables                                                            |
| s+v …            | slots of computed values; the first of them holds the result at the end            |

An instruction is `INSTRUCTION` int32s: a word, then the registers of its result and its operands (-1: none).
The word is `WORDS_PER_OP` times the operation's code, plus how the operands are read.
"""

from __future__ import annotations

from .layout import places as places

INSTRUCTION = 4
INSTRUCTION_BYTES = 4 * INSTRUCTION

WORDS_PER_OP = 4
BOTH_ROWS, SHARED_SECOND, SHARED_FIRST = range(3)
"""How operands are read: rows of sixteen numbers, or one number that is shared."""
WORDS = 256 * WORDS_PER_OP
COPY = WORDS - WORDS_PER_OP + BOTH_ROWS
COPY_SHARED = WORDS - WORDS_PER_OP + SHARED_FIRST
"""Words of instructions that copy their operand: what is left where the result is known to be an operand."""

UNDECIDED, OF_MIN, OF_MAX, OF_AND, OF_OR = range(5)
"""By which rule bounds tell that the result of an operation is one of its operands."""

MOST_ROWS = 128
"""Of a block."""

PARTS = 16
"""Parts that a cell is split into."""
ENDS = PARTS + 1
DEEPEST_CELL = 12

MACHINE = places(
    "Machine",
    # of the program: int64[WORDS] of kernels on rows, of those on intervals, of rules; numbers of registers
    "values intervals rules shared varying "
    # a block of points: int64 addresses of all registers, memory for rows and its size in bytes
    "address block block_bytes "
    # bounds: a record for each register
    "records "
    # int64[v] addresses each: of the points as given, and of two copies in which cells lie together; int32
    # each: which of the points given those are (nothing for the points given); where the results go
    "given copy_1 copy_2 places_given places_1 places_2 results "
    # tapes: memory, filled from its end; int32s for each instruction, for each register, and for free slots
    "tapes choices wanted free "
    # cells that wait, and how many; whether to split them
    "cells waiting splitting "
    # of a cell that is split: int32 for each point; int64 for each part; int64, int64, float64 and `ENDS`
    # numbers for each variable; two rows
    "numbers counts parts steps widths ends rows",
)
"""A thread's memory, an int64 array of addresses and numbers."""

BY_COST, NEVER, ALWAYS = range(3)
"""Whether cells are split. `ALWAYS`, for tests, splits what no cost would justify, but not for ever."""

CELL = places("Cell", "tape length slots copy start count expected depth")
"""A part of the points: its tape (number of its first instruction, instructions, slots); its points, those of
a copy (0: as given) from `start` up to `start + count`; how long to expect the tapes of its parts; its depth.
"""
CELL_BYTES = 8 * len(CELL)
SETTLED = -1
"""In place of the expected length: the cell is not to be split."""
