"""The memory of the kernels that compute values at points, for kernels and host. Needs no Numba.

A tape is a sequence of instructions over registers:

| registers        | hold                                                                               |
|------------------|------------------------------------------------------------------------------------|
| 0 … s-1          | *shared* numbers, the same at every point: constants, scalars and what they make   |
| s … s+v-1        | the *varying* variables                                                            |
| s+v …            | slots of computed values; the first of them holds the result at the end            |
"""

from __future__ import annotations

from typing import Literal

from absint.native.records import Array, Float64, Int32, Int64, Pointer, Real, Record

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
"""Rows of the largest block of points."""

PARTS = 16
"""Parts that a cell is split into."""
DEEPEST_CELL = 12

BY_COST, NEVER, ALWAYS = range(3)
"""Whether cells are split. `ALWAYS`, for tests, splits what no cost would justify, but not for ever."""

GIVEN = 0
"""The copy that has the points as they were given; in the other two the points of a cell lie together."""

SETTLED = -1
"""In place of the expected length of a cell's tapes: the cell is not to be split."""


class Instruction(Record):
    """An instruction of a tape: a word, and the registers of the result and of the operands (-1: none).

    The word is `WORDS_PER_OP` times the operation's code, plus how the operands are read.
    """

    word: Int32
    result: Int32
    a: Int32
    b: Int32


class Operation(Record):
    """What a word stands for: the addresses of its kernels, on rows of numbers and on intervals, and the rule
    by which bounds decide it.
    """

    rows: Int64
    intervals: Int64
    rule: Int64


class Intervals(Record):
    """Bounds of a register on sixteen boxes, one in each lane; bit i of `may_nan` is lane i's.

    `absint.ops.kernels` has the same in whole cache lines.
    """

    lower: Array[Real, Literal[16]]
    upper: Array[Real, Literal[16]]
    may_nan: Int64
    unused: Array[Int64, Literal[7]]


class Cell(Record):
    """A part of the points, with a tape of its own.

    The tape begins at instruction `tape` of the memory for tapes and has `length` instructions and `slots`
    slots. The points are those of a copy from `start` up to `start + count`. `expected`: how long the tapes
    of its parts are expected to be, or `SETTLED`. `depth`: how often the first cell was split to make this.
    """

    tape: Int64
    length: Int64
    slots: Int64
    copy: Int64
    start: Int64
    count: Int64
    expected: Int64
    depth: Int64


class Copy(Record):
    """The points in some order: a column for each varying variable, and which of the points given those are
    (nothing for the points as given).
    """

    columns: Pointer[Pointer[Real]]
    places: Pointer[Int32]


class Axis(Record):
    """A varying variable of a cell that is split: in how many parts it is cut, and the ends of those.

    Neighbours along the variable are `step` parts of the cell apart. `half_width`: half of the width of the
    box of all points.
    """

    parts: Int64
    step: Int64
    half_width: Float64
    ends: Array[Real, Literal[17]]


class MachineMemory(Record):
    """A thread's memory for the values of a program."""

    # the program: what each of the words stands for, and numbers of registers
    operations: Pointer[Operation]
    shared: Int64
    varying: Int64
    # a block of points: where each register's rows lie, and memory for so many rows
    registers: Pointer[Pointer[Real]]
    block: Pointer[Real]
    block_rows: Int64
    # bounds of each register
    intervals: Pointer[Intervals]
    # the points, and their results in the order in which they were given
    copies: Array[Copy, Literal[3]]
    results: Pointer[Real]
    # tapes, filled from the end; for each instruction what bounds decide, and what shortening a tape needs
    tapes: Pointer[Instruction]
    choices: Pointer[Int32]
    wanted: Pointer[Int32]
    free: Pointer[Int32]
    # cells that wait, and how many; whether to split them
    cells: Pointer[Cell]
    waiting: Int64
    splitting: Int64
    # a cell that is split: the part of each point, then its place; the points of each part; the variables
    numbers: Pointer[Int32]
    counts: Array[Int64, Literal[16]]
    axes: Pointer[Axis]
    extremes: Array[Real, Literal[32]]


class Boxes(Record):
    """Boxes to bound a program on, sixteen to a group: groups `first` up to `end`, with the results of all.

    `lower` and `upper` hold where each varying variable's ends are, 0 for one that the boxes leave open.
    """

    lower: Pointer[Pointer[Real]]
    upper: Pointer[Pointer[Real]]
    first: Int64
    end: Int64
    results: Pointer[Intervals]
