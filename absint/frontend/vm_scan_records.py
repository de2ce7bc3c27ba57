"""What the kernel `scan` is given and gives back. Needs no Numba."""

from __future__ import annotations

from typing import Literal

from absint.ir.records import Operands
from absint.native.records import Array, Float64, Int32, Int64, Pointer, Record, UInt8, UInt64

MOST_TOKENS = 4
"""Words of the longest line."""


class Span(Record):
    """Some of the text: the bytes from `first` up to, and without, `end`."""

    first: Int32
    end: Int32


class Opcode(Record):
    """An operation that the kernel knows. `word`: the bytes of its name, the first one lowest."""

    word: UInt64
    code: UInt8
    arity: UInt8


class Unread(Record):
    """A node whose word is left to the caller: a variable's name, or a constant that is not plain."""

    node: Int32
    word: Span


class ScanTask(Record):
    """A text of `length` bytes, and the nodes that are read from it, one a line.

    `slots`: a hash table of names, `mask + 1` nodes, a power of two, -1 for a free slot. `tokens`: scratch.

    Results, in arrays with room for a node of each line: `op`, `operands`, `constants` and `lines` of the
    graph; where each node's name is in the text (`name_spans`); all names, a newline behind each (`names`,
    `names_length` bytes); and the nodes that are `unread`, `unread_count` of them.
    """

    text: Pointer[UInt8]
    length: Int64
    opcodes: Pointer[Opcode]
    opcode_count: Int64
    slots: Pointer[Int32]
    mask: Int64
    tokens: Array[Span, Literal[4]]
    op: Pointer[UInt8]
    operands: Pointer[Operands]
    constants: Pointer[Float64]
    lines: Pointer[Int32]
    name_spans: Pointer[Span]
    names: Pointer[UInt8]
    names_length: Int64
    unread: Pointer[Unread]
    unread_count: Int64
