"""The scanner kernel: a program's text enters, the arrays of its graph leave; see `absint.frontend.vm_scan`.

It reads plain, well-formed text and refuses all other text.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from absint.native.memory import f64s, i32s, i64s, u8s, u64s
from absint.ops.table import CONST, VAR

_CONST, _VAR = CONST.code, VAR.code
_BLANK, _TAB, _NEWLINE, _RETURN, _HASH, _PLUS, _MINUS, _POINT, _SMALL_E, _ZERO = b" \t\n\r#+-.e0"
_LAST = 0x7F
"""The last byte of ASCII."""
_CONSTANT, _VARIABLE = (np.uint64(int.from_bytes(word, "little")) for word in (b"const", b"var-"))

REFUSED = -1
"""The result of `scan` for text that it refuses."""

MOST_TOKENS = 4

MOST_DIGITS = 18
"""Largest number of digits whose value is certain to fit an int64."""

EXACT_POWER = 22
"""The largest exponent of a power of ten that is exact in binary64."""

POWERS = tuple(10.0**i for i in range(EXACT_POWER + 1))


class Line(NamedTuple):
    """The start and end of each token of a line."""

    first: Any
    last: Any


@njit(error_model="numpy")
def tokenize(text, position, length, line):
    """Find a line's tokens. Returns their number, -1 if the kernel refuses the line, and the line's end."""
    count = 0
    inside = False
    while position < length and text[position] != _NEWLINE:
        byte = np.int64(text[position])
        if byte == _BLANK or byte == _TAB or byte == _RETURN:
            if inside:
                line.last[count - 1] = position
            inside = False
        elif byte == _HASH and not inside:
            while position < length and text[position] != _NEWLINE:
                position += 1
            break
        elif byte < _BLANK or byte > _LAST:
            return -1, position  # Python may take the character for a blank
        elif not inside:
            if count == MOST_TOKENS:
                return -1, position
            line.first[count] = position
            count += 1
            inside = True
        position += 1
    if inside:
        line.last[count - 1] = position
    return count, position


@njit(error_model="numpy")
def word_of(text, first, last):
    """The bytes of a token as a number; 0 if it is longer than eight bytes."""
    word = np.uint64(0)
    if last - first > 8:
        return word
    for i in range(last - first):
        word |= np.uint64(text[first + i]) << np.uint64(8 * i)
    return word


@njit(error_model="numpy")
def place_of(text, first, last, slots, mask, names_first, names_last):
    """The hash table's slot of a name: the slot that holds it, or the free slot for it."""
    place = np.int64(0x1B873593)
    for i in range(first, last):
        place = (place ^ text[i]) * 0x100000001B3
    place = (place ^ place >> 29) & mask
    while slots[place] >= 0:
        other = slots[place]
        begin = names_first[other]
        same = names_last[other] - begin == last - first
        i = 0
        while same and i < last - first:
            same = text[begin + i] == text[first + i]
            i += 1
        if same:
            break
        place = (place + 1) & mask
    return place


@njit(error_model="numpy")
def number(text, first, last):
    """A decimal number, and whether the result is certain to be the nearest binary64 number.

    It is if the digits form an integer below 2**53 and the power of ten is exact in binary64 (Clinger 1990).
    """
    position = first
    negative = text[position] == _MINUS
    if negative or text[position] == _PLUS:
        position += 1
    whole = np.int64(0)
    digits = power = 0
    behind_point = False
    while position < last and (text[position] == _POINT or _ZERO <= text[position] <= _ZERO + 9):
        if text[position] == _POINT:
            if behind_point:
                return 0.0, False
            behind_point = True
        else:
            whole = 10 * whole + (text[position] - _ZERO)
            digits += 1
            power -= behind_point
            if digits > MOST_DIGITS:
                return 0.0, False
        position += 1
    if digits == 0:
        return 0.0, False
    if position < last:
        if text[position] | 32 != _SMALL_E:
            return 0.0, False
        position += 1
        down = position < last and text[position] == _MINUS
        if down or (position < last and text[position] == _PLUS):
            position += 1
        if position == last or last - position > 4:
            return 0.0, False
        exponent = 0
        for i in range(position, last):
            if not _ZERO <= text[i] <= _ZERO + 9:
                return 0.0, False
            exponent = 10 * exponent + (text[i] - _ZERO)
        power += -exponent if down else exponent
    if whole >= 1 << 53 or power > EXACT_POWER or power < -EXACT_POWER:
        return 0.0, False
    value = np.float64(whole)
    value = value / POWERS[-power] if power < 0 else value * POWERS[power]
    return (-value if negative else value), True


def scan(
    text_, length, opcodes, word_, code_, arity_, slots_, mask, tokens_,
    op_, args_, constants_, lines_, names_first_, names_last_, names_, rest_, size_,
):  # fmt: skip
    """Read the nodes of a text, one per instruction. Returns their number, or REFUSED.

    Inputs: `text` u8[length]; for each of `opcodes` operations `word` u64 (the name's bytes), `code` and
    `arity` u8. Scratch: `slots` i32[mask + 1], all -1, a hash table; `tokens` i32[2, MOST_TOKENS];
    `names_first` and `names_last` i32, the start and end of each name. Outputs, with room for a node per
    line: the arrays of the graph; `names` u8[length + lines], all names, each followed by a newline; `rest`
    i32[·, 3], nodes whose text the caller must read (a variable's name, a constant that is not plain), with
    its start and end; `size` i64[2], the lengths of `names` and `rest`.
    """
    text, word, code, arity = u8s(text_), u64s(word_), u8s(code_), u8s(arity_)
    slots, op, args, constants, lines = i32s(slots_), u8s(op_), i32s(args_), f64s(constants_), i32s(lines_)
    names, names_first, names_last = u8s(names_), i32s(names_first_), i32s(names_last_)
    rest, size = i32s(rest_), i64s(size_)
    line = Line(i32s(tokens_), i32s(tokens_ + 4 * MOST_TOKENS))
    node = named = left = np.int64(0)
    position = np.int64(0)
    line_number = 0
    while position < length:
        line_number += 1
        count, position = tokenize(text, position, length, line)
        position += 1
        if count == 0:
            continue
        if count < 2:
            return np.int64(REFUSED)
        place = place_of(text, line.first[0], line.last[0], slots, mask, names_first, names_last)
        if slots[place] >= 0:
            return np.int64(REFUSED)
        opcode = word_of(text, line.first[1], line.last[1])
        kind = 0
        while kind < opcodes and word[kind] != opcode:
            kind += 1
        args[2 * node] = args[2 * node + 1] = -1
        constants[node] = 0.0
        if kind < opcodes:
            op[node] = code[kind]
            if count != 2 + arity[kind]:
                return np.int64(REFUSED)
            for i in range(arity[kind]):
                first, last = line.first[2 + i], line.last[2 + i]
                args[2 * node + i] = slots[place_of(text, first, last, slots, mask, names_first, names_last)]
                if args[2 * node + i] < 0:
                    return np.int64(REFUSED)
        elif opcode == _CONSTANT and count == 3:
            op[node] = _CONST
            value, plain = number(text, np.int64(line.first[2]), np.int64(line.last[2]))
            constants[node] = value
            if not plain:
                rest[3 * left], rest[3 * left + 1], rest[3 * left + 2] = node, line.first[2], line.last[2]
                left += 1
        elif (
            count == 2
            and line.last[1] - line.first[1] > 4
            and word_of(text, line.first[1], line.first[1] + 4) == _VARIABLE
        ):
            op[node] = _VAR
            rest[3 * left], rest[3 * left + 1], rest[3 * left + 2] = node, line.first[1] + 4, line.last[1]
            left += 1
        else:
            return np.int64(REFUSED)
        slots[place] = node
        names_first[node], names_last[node] = line.first[0], line.last[0]
        for i in range(line.first[0], line.last[0]):
            names[named] = text[i]
            named += 1
        names[named] = _NEWLINE
        named += 1
        lines[node] = line_number
        node += 1
    size[0], size[1] = named, left
    return node


def kernels() -> dict[str, tuple[Any, Any]]:
    """The kernel by name, with its signature."""
    return {"scan": (scan, types.int64(*[types.int64] * 18))}
