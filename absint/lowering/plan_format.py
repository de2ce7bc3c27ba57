"""The codes that the arrays of a plan are written in. Kernels and the host both read them; needs no Numba.

Nothing here depends on an engine. How an engine arranges a plan in memory is a matter of its own folder.
"""

from __future__ import annotations

from absint.native.records import Int32, Record

VERSION = 2
"""The version of a plan's form: cached plans of another one are made anew."""

X, Y, Z = range(3)
"""The registers of the coordinates."""

OF_X, OF_Y, OF_Z = 1, 2, 4
"""What registers vary with; a union of these is their bitwise or, 0 is constant."""

DEEPEST_TERM = 8
"""The deepest nesting of terms within terms."""

CODE = 4
"""Numbers (int32) of an entry of the code of terms."""

TERM, SUM, TAPE, EITHER, END_EITHER, END = range(6)
"""Kinds of entries of the code of terms; see `Entry`."""


class Entry(Record):
    """An entry of the code of terms.

    | kind         | number   | other                                       | next                       |
    |--------------|----------|---------------------------------------------|----------------------------|
    | `TERM`       | box      | number of factors, -1 if not all are `SUM`  | index behind its `END`     |
    | `SUM`        | sum      | 1 if the first factor, + 2 if the last      |                            |
    | `TAPE`       | tape     | 1 if the first factor, + 2 if the last      |                            |
    | `EITHER`     |          |                                             |                            |
    | `END_EITHER` |          | 1 if the first factor, + 2 if the last      |                            |
    | `END`        |          |                                             |                            |

    A term is its box and all of its factors up to its `END`; `EITHER` holds where one of the terms up to its
    `END_EITHER` does.
    """

    kind: Int32
    number: Int32
    other: Int32
    next: Int32


SUM_WORDS = 6
"""A sum's int32s: x base, square x, y base, square y, kind of band, 0."""
SUM_NUMBERS = 8
"""A sum's reals: to add to x, x's sign, to add to y, y's sign, lower and upper end of the band, 0, 0."""
BETWEEN, AT_MOST = range(2)
"""Kinds of band."""

STEP = 4
"""Numbers (int32) of a step of a region's program: the step's number in the whole program, operands a and b
or first item and number of items, 0.

An operand from 0 on is an earlier step; `~k` is the k-th special operand: `~0` is x, `~1` is y, and the
others are fixed for a picture.
"""
UNARY, BINARY, LEAST, GREATEST, IN_BAND, ALL_OF, ANY_OF = range(7)
"""Kinds of steps. `LEAST` and `GREATEST` are min and max, of which a region may need one operand only."""
