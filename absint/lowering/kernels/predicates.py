"""Predicates in kernels: reading them, and making them bottom up, equal ones once.

Predicates are given as a table, the addresses of the arrays of `absint.lowering.predicates.Predicates` in
that order; a draft, in which some are being made, has two more arrays behind. Predicates 0 and 1 of a draft
are false and true. Operands gather in its open list, behind those of the last predicate, until `join` makes
them one's own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from absint.native.memory import f64s, i32s, i64s, key, u8s
from absint.ops.table import ALL, ANY, BAND, FALSE, TRUE

_FALSE, _TRUE, _BAND, _ALL, _ANY = (kind.code for kind in (FALSE, TRUE, BAND, ALL, ANY))

FULL = -1
"""What `finished` returns when the draft had too little room."""


class Predicates(NamedTuple):
    """Pointers to predicates that are there; two `bands` each."""

    code: Any
    value: Any
    bands: Any
    starts: Any
    items: Any
    lines: Any


class Draft(NamedTuple):
    """Pointers to predicates in the making. `slots`: a hash table, all -1 before. `size`: see `SIZE`."""

    code: Any
    value: Any
    bands: Any
    starts: Any
    items: Any
    lines: Any
    slots: Any
    size: Any


class Size(NamedTuple):
    """Places in `Draft.size`: the predicates `made`, the most there can be, the most operands in all, the
    last slot of the hash table, and whether something did not fit.
    """

    made: int
    predicates: int
    items: int
    mask: int
    full: int


SIZE = Size(*range(len(Size._fields)))


@njit(error_model="numpy")
def predicates_at(table):
    """The predicates whose addresses are in a table."""
    at = i64s(table)
    return Predicates(u8s(at[0]), i32s(at[1]), f64s(at[2]), i32s(at[3]), i32s(at[4]), i32s(at[5]))


@njit(error_model="numpy")
def draft_at(table):
    """The draft whose addresses are in a table, with the predicates false and true."""
    at = i64s(table)
    draft = Draft(
        u8s(at[0]), i32s(at[1]), f64s(at[2]), i32s(at[3]), i32s(at[4]), i32s(at[5]), i32s(at[6]), i64s(at[7])
    )
    draft.starts[0] = 0
    shared(draft, _FALSE, -1, 0.0, 0.0, 0, 0)
    shared(draft, _TRUE, -1, 0.0, 0.0, 0, 0)
    return draft


@njit(error_model="numpy")
def is_list(code):
    """Whether a predicate of this code has an operand list."""
    return code == _ALL or code == _ANY


@njit(error_model="numpy")
def opened(draft):
    """Where the open list begins, and ends as long as it is empty."""
    return np.int64(draft.starts[draft.size[SIZE.made]])


@njit(error_model="numpy")
def added(draft, end, item):
    """The end of the open list with one more operand."""
    if end == draft.size[SIZE.items]:
        draft.size[SIZE.full] = 1
        return end
    draft.items[end] = item
    return end + 1


@njit(error_model="numpy")
def shared(draft, code, value, lower, upper, end, line):
    """The predicate with these fields and the open list, which ends at `end`."""
    count, mask = draft.size[SIZE.made], draft.size[SIZE.mask]
    first = np.int64(draft.starts[count])
    place = code * 0x27D4EB2F ^ value * 0x9E3779B1 ^ key(lower) * 0x85EBCA77 ^ key(upper) * 0xC2B2AE3D
    for i in range(first, end):
        place = (place ^ draft.items[i]) * 0x100000001B3
    place &= 0x7FFFFFFFFFFFFFFF
    place = (place ^ place >> 29) & mask
    while draft.slots[place] >= 0:
        found = np.int64(draft.slots[place])
        begin = draft.starts[found]
        same = (
            draft.code[found] == code
            and draft.value[found] == value
            and draft.bands[2 * found] == lower
            and draft.bands[2 * found + 1] == upper
            and draft.starts[found + 1] - begin == end - first
        )
        i = 0
        while same and i < end - first:
            same = draft.items[begin + i] == draft.items[first + i]
            i += 1
        if same:
            return found
        place = (place + 1) & mask
    if count == draft.size[SIZE.predicates]:
        draft.size[SIZE.full] = 1
        return np.int64(0)
    draft.slots[place] = count
    draft.code[count] = code
    draft.value[count] = value
    draft.bands[2 * count] = lower
    draft.bands[2 * count + 1] = upper
    draft.lines[count] = line
    draft.starts[count + 1] = end
    draft.size[SIZE.made] = count + 1
    return count


@njit(error_model="numpy")
def band(draft, value, lower, upper, line):
    """The predicate `lower <= value <= upper`, false if that holds nothing; the open list must be empty or go
    on behind it.
    """
    if not lower <= upper:
        return np.int64(0)
    return shared(draft, _BAND, value, lower + 0.0, upper + 0.0, opened(draft), line)


@njit(error_model="numpy")
def leaf(draft, predicates, i, line):
    """The copy of a predicate without operands: true, false or a band."""
    if predicates.code[i] == _BAND:
        return band(draft, predicates.value[i], predicates.bands[2 * i], predicates.bands[2 * i + 1], line)
    return np.int64(predicates.code[i] == _TRUE)


@njit(error_model="numpy")
def join(draft, code, end, line):
    """`all` or `any` of the open list. Constants, repetitions and lists of one fall away."""
    first, items = opened(draft), draft.items
    absorbing, neutral = (0, 1) if code == _ALL else (1, 0)
    sort(items, first, end)
    kept = first
    for i in range(first, end):
        item = np.int64(items[i])
        if item == absorbing:
            return item
        if item != neutral and (kept == first or items[kept - 1] != item):
            items[kept] = item
            kept += 1
    if kept == first:
        return np.int64(neutral)
    if kept == first + 1:
        return np.int64(items[first])
    return shared(draft, code, -1, 0.0, 0.0, kept, line)


@njit(error_model="numpy")
def sort(numbers, first, end):
    """Put `numbers[first:end]` in order. Shell's method, for they mostly are."""
    gap = np.int64(1)
    while 9 * gap < end - first:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(first + gap, end):
            number = numbers[i]
            j = np.int64(i)
            while j >= first + gap and numbers[j - gap] > number:
                numbers[j] = numbers[j - gap]
                j -= gap
            numbers[j] = number
        gap //= 3


@njit(error_model="numpy")
def finished(draft, root):
    """Leave out what the root does not need; returns how many are left, the root last, or `FULL`."""
    if draft.size[SIZE.full]:
        return np.int64(FULL)
    starts, items, number = draft.starts, draft.items, draft.slots  # nothing is looked up any more
    for i in range(root + 1):
        number[i] = 0
    number[root] = 1
    for i in range(root, -1, -1):
        if number[i]:
            for j in range(starts[i], starts[i + 1]):
                number[items[j]] = 1
    count = np.int64(0)
    end = np.int64(0)
    for i in range(root + 1):
        begin, behind = np.int64(starts[i]), np.int64(starts[i + 1])
        if number[i] == 0:
            continue
        number[i] = count
        draft.code[count] = draft.code[i]
        draft.value[count] = draft.value[i]
        draft.bands[2 * count] = draft.bands[2 * i]
        draft.bands[2 * count + 1] = draft.bands[2 * i + 1]
        draft.lines[count] = draft.lines[i]
        starts[count] = end
        for j in range(begin, behind):
            items[end] = number[items[j]]
            end += 1
        count += 1
    starts[count] = end
    return count


@njit(error_model="numpy")
def count_users(count, predicates, users, parent):
    """How many operand lists each predicate is in, and the last list that it is in."""
    for i in range(count):
        users[i] = 0
    for i in range(count):
        for j in range(predicates.starts[i], predicates.starts[i + 1]):
            users[predicates.items[j]] += 1
            parent[predicates.items[j]] = i


def number_needed(n, args_, count, code_, value_, number_):
    """Number the real nodes that some predicates need, in their order; returns how many there are.

    `args` i32[n, 2]. Of `count` predicates: `code` u8, `value` i32. `number` i32[n]: the result, -1 for the
    others.
    """
    args, code, value, number = i32s(args_), u8s(code_), i32s(value_), i32s(number_)
    for node in range(n):
        number[node] = -1
    for i in range(count):
        if code[i] == _BAND:
            number[value[i]] = 0
    for node in range(n - 1, -1, -1):
        if number[node] == 0:
            for operand in (args[2 * node], args[2 * node + 1]):
                if operand >= 0:
                    number[operand] = 0
    needed = 0
    for node in range(n):
        if number[node] == 0:
            number[node] = needed
            needed += 1
    return needed


SHARED = {"number_needed": (number_needed, types.int64(*[types.int64] * 6))}
"""The kernels; they serve both precisions."""
