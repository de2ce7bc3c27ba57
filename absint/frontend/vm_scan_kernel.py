"""The scanner kernel: a program's text enters, the arrays of its graph leave; see `absint.frontend.vm_scan`.

It reads plain, well-formed text and refuses all other text.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.frontend.vm_scan_records import MOST_TOKENS, ScanTask
from absint.native.record_pointers import pointer_to
from absint.ops.table import CONST, VAR

_CONST, _VAR = CONST.code, VAR.code
_BLANK, _TAB, _NEWLINE, _RETURN, _HASH, _PLUS, _MINUS, _POINT, _SMALL_E, _ZERO = b" \t\n\r#+-.e0"
_LAST = 0x7F
"""The last byte of ASCII."""
_CONSTANT, _VARIABLE = (np.uint64(int.from_bytes(word, "little")) for word in (b"const", b"var-"))
_PREFIX = len(b"var-")

REFUSED = -1
"""The result of `scan` for text that it refuses."""

MOST_DIGITS = 18
"""Largest number of digits whose value is certain to fit an int64."""

EXACT_POWER = 22
"""The largest exponent of a power of ten that is exact in binary64."""

POWERS = tuple(10.0**i for i in range(EXACT_POWER + 1))


task_at = pointer_to(ScanTask)


@njit(error_model="numpy")
def tokenize(task, position):
    """Find the tokens of the line that starts at a position. Returns their number, -1 for unusual characters
    or too many tokens, and the line's end.
    """
    text, length = task.text, task.length
    count = 0
    inside = False
    while position < length and text[position] != _NEWLINE:
        byte = np.int64(text[position])
        if byte == _BLANK or byte == _TAB or byte == _RETURN:
            if inside:
                task.tokens[count - 1].end = position
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
            task.tokens[count].first = position
            count += 1
            inside = True
        position += 1
    if inside:
        task.tokens[count - 1].end = position
    return count, position


@njit(error_model="numpy")
def word_of(text, first, end):
    """The bytes of a token as a number; 0 if it is longer than eight bytes."""
    word = np.uint64(0)
    if end - first > 8:
        return word
    for i in range(end - first):
        word |= np.uint64(text[first + i]) << np.uint64(8 * i)
    return word


@njit(error_model="numpy")
def find_slot(task, name):
    """The hash table's slot of a name, a `Span`: the slot that holds it, or the free slot for it."""
    text, slots, mask = task.text, task.slots, task.mask
    first, length = np.int64(name.first), np.int64(name.end - name.first)
    slot = np.int64(0x1B873593)
    for i in range(length):
        slot = (slot ^ text[first + i]) * 0x100000001B3
    slot = (slot ^ slot >> 29) & mask
    while slots[slot] >= 0:
        other = task.name_spans[slots[slot]]
        begin = np.int64(other.first)
        same = other.end - begin == length
        i = 0
        while same and i < length:
            same = text[begin + i] == text[first + i]
            i += 1
        if same:
            break
        slot = (slot + 1) & mask
    return slot


@njit(error_model="numpy")
def parse_number(text, first, end):
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
    while position < end and (text[position] == _POINT or _ZERO <= text[position] <= _ZERO + 9):
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
    if position < end:
        if text[position] | 32 != _SMALL_E:
            return 0.0, False
        position += 1
        down = position < end and text[position] == _MINUS
        if down or (position < end and text[position] == _PLUS):
            position += 1
        if position == end or end - position > 4:
            return 0.0, False
        exponent = 0
        for i in range(position, end):
            if not _ZERO <= text[i] <= _ZERO + 9:
                return 0.0, False
            exponent = 10 * exponent + (text[i] - _ZERO)
        power += -exponent if down else exponent
    if whole >= 1 << 53 or power > EXACT_POWER or power < -EXACT_POWER:
        return 0.0, False
    value = np.float64(whole)
    value = value / POWERS[-power] if power < 0 else value * POWERS[power]
    return (-value if negative else value), True


@njit(error_model="numpy")
def leave_word(task, node, first, end):
    """Leave the word of a node to the caller."""
    unread = task.unread[task.unread_count]
    unread.node, unread.word.first, unread.word.end = node, first, end
    task.unread_count += 1


@njit(error_model="numpy")
def read_operation(task, node, opcode, count):
    """Read the node of an operation from a line of `count` tokens; returns False unless there is such an
    operation, and its operands are known.
    """
    for k in range(task.opcode_count):
        known = task.opcodes[k]
        if known.word == opcode:
            task.op[node] = known.code
            if count != 2 + known.arity:
                return False
            a = task.slots[find_slot(task, task.tokens[2])]
            b = a if known.arity == 1 else task.slots[find_slot(task, task.tokens[3])]
            task.operands[node].a = a
            if known.arity == 2:
                task.operands[node].b = b
            return a >= 0 and b >= 0
    return False


@njit(error_model="numpy")
def read_node(task, node, count):
    """Read a node, but for its name, from a line of `count` tokens; returns False for one that is odd."""
    text, token = task.text, task.tokens[1]
    first, end = np.int64(token.first), np.int64(token.end)
    task.operands[node].a = task.operands[node].b = -1
    task.constants[node] = 0.0
    opcode = word_of(text, first, end)
    if opcode == _CONSTANT and count == 3:
        task.op[node] = _CONST
        word = task.tokens[2]
        value, plain = parse_number(text, np.int64(word.first), np.int64(word.end))
        task.constants[node] = value
        if not plain:
            leave_word(task, node, word.first, word.end)
        return True
    if count == 2 and end - first > _PREFIX and word_of(text, first, first + _PREFIX) == _VARIABLE:
        task.op[node] = _VAR
        leave_word(task, node, first + _PREFIX, end)
        return True
    return read_operation(task, node, opcode, count)


@njit(error_model="numpy")
def add_name(task, node):
    """Name a node by the first token of its line."""
    name = task.tokens[0]
    task.name_spans[node].first, task.name_spans[node].end = name.first, name.end
    end = task.names_length
    for i in range(name.first, name.end):
        task.names[end] = task.text[i]
        end += 1
    task.names[end] = _NEWLINE
    task.names_length = end + 1


def scan(address):
    """Read the nodes of a text, one a line; returns how many there are, or REFUSED. See `ScanTask`."""
    task = task_at(address)
    node = position = line = np.int64(0)
    while position < task.length:
        line += 1
        count, position = tokenize(task, position)
        position += 1
        if count == 0:
            continue
        if count < 2:
            return np.int64(REFUSED)
        slot = find_slot(task, task.tokens[0])
        if task.slots[slot] >= 0 or not read_node(task, node, count):
            return np.int64(REFUSED)
        task.slots[slot] = node
        add_name(task, node)
        task.lines[node] = line
        node += 1
    return node


def kernels() -> dict[str, tuple[Any, Any]]:
    """The kernel by name, with its signature."""
    return {"scan": (scan, types.int64(types.int64))}
