"""Predicates in kernels: reading them, and making them bottom up, equal ones once.

Predicates are read from `PredicateArrays` and made in a `PredicateBuilder`, in which predicates 0 and 1 are
false and true. The operands of a list gather in the builder's *open list*, behind those of the last
predicate, until `join` makes them one's own.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from absint.lowering.kernels.records import NeedTask
from absint.native.memory import key
from absint.native.record_pointers import pointer_to
from absint.ops.table import ALL, ANY, BAND, FALSE, TRUE

_FALSE, _TRUE, _BAND, _ALL, _ANY = (kind.code for kind in (FALSE, TRUE, BAND, ALL, ANY))

FULL = -1
"""What `finish` returns when the builder had too little room."""

task_at = pointer_to(NeedTask)


@njit(error_model="numpy")
def make_constants(builder):
    """Make the first two predicates of a builder: false and true."""
    builder.made.starts[0] = 0
    look_for(builder, -1, 0.0, 0.0)
    intern(builder, _FALSE, 0, 0)
    intern(builder, _TRUE, 0, 0)


@njit(error_model="numpy")
def is_list(code):
    """Whether a predicate of this code has an operand list."""
    return code == _ALL or code == _ANY


@njit(error_model="numpy")
def open_list(builder):
    """Where the open list begins; it ends there as long as it is empty."""
    return np.int64(builder.made.starts[builder.made.count])


@njit(error_model="numpy")
def add(builder, end, item):
    """Add an operand to the open list, which ends at `end`; returns where it ends now."""
    if end == builder.most_items:
        builder.is_full = 1
        return end
    builder.made.items[end] = item
    return end + 1


@njit(error_model="numpy")
def look_for(builder, value, lower, upper):
    """Let `intern` look for a predicate with this value and these ends."""
    builder.band.value, builder.band.lower, builder.band.upper = value, lower, upper


@njit(error_model="numpy")
def intern(builder, code, end, line):
    """The predicate with this code, with value and ends as `look_for` was told, and with the operands of the
    open list, which ends at `end`.

    It is made unless there is one already. Lines do not tell predicates apart.
    """
    value, lower, upper = np.int64(builder.band.value), builder.band.lower, builder.band.upper
    count, mask, slots = builder.made.count, builder.mask, builder.slots
    codes, values, bands = builder.made.code, builder.made.value, builder.made.bands
    starts, items = builder.made.starts, builder.made.items
    first = np.int64(starts[count])
    slot = code * 0x27D4EB2F ^ value * 0x9E3779B1 ^ key(lower) * 0x85EBCA77 ^ key(upper) * 0xC2B2AE3D
    for i in range(first, end):
        slot = (slot ^ items[i]) * 0x100000001B3
    slot &= 0x7FFFFFFFFFFFFFFF
    slot = (slot ^ slot >> 29) & mask
    while slots[slot] >= 0:
        found = np.int64(slots[slot])
        begin = starts[found]
        same = (
            codes[found] == code
            and values[found] == value
            and bands[found].lower == lower
            and bands[found].upper == upper
            and starts[found + 1] - begin == end - first
        )
        i = 0
        while same and i < end - first:
            same = items[begin + i] == items[first + i]
            i += 1
        if same:
            return found
        slot = (slot + 1) & mask
    if count == builder.most:
        builder.is_full = 1
        return np.int64(0)
    slots[slot] = count
    codes[count] = code
    values[count] = value
    bands[count].lower = lower
    bands[count].upper = upper
    builder.made.lines[count] = line
    starts[count + 1] = end
    builder.made.count = count + 1
    return count


@njit(error_model="numpy")
def band(builder, value, lower, upper, line):
    """The predicate `lower <= value <= upper`, false if that holds nothing. The open list stays open."""
    if not lower <= upper:
        return np.int64(0)
    look_for(builder, value, lower + 0.0, upper + 0.0)
    return intern(builder, _BAND, open_list(builder), line)


@njit(error_model="numpy")
def copy_leaf(builder, old, i, line):
    """The copy of a predicate without operands: true, false or a band."""
    if old.code[i] == _BAND:
        return band(builder, old.value[i], old.bands[i].lower, old.bands[i].upper, line)
    return np.int64(old.code[i] == _TRUE)


@njit(error_model="numpy")
def join(builder, code, end, line):
    """`all` or `any` of the open list, which ends at `end`. Constants, repetitions and lists of one fall
    away.
    """
    first, items = open_list(builder), builder.made.items
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
    look_for(builder, -1, 0.0, 0.0)
    return intern(builder, code, kept, line)


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
def finish(builder, root):
    """Leave out what the root does not need; returns how many predicates stay, the root last, or `FULL`."""
    if builder.is_full:
        return np.int64(FULL)
    made = builder.made
    starts, items, number = made.starts, made.items, builder.slots  # nothing is looked up any more
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
        made.code[count] = made.code[i]
        made.value[count] = made.value[i]
        made.bands[count].lower = made.bands[i].lower
        made.bands[count].upper = made.bands[i].upper
        made.lines[count] = made.lines[i]
        starts[count] = end
        for j in range(begin, behind):
            items[end] = number[items[j]]
            end += 1
        count += 1
    starts[count] = end
    return count


@njit(error_model="numpy")
def count_users(predicates, users, parent):
    """Count the operand lists that each predicate is in, and find the last one of them."""
    starts, items = predicates.starts, predicates.items
    for i in range(predicates.count):
        users[i] = 0
    for i in range(predicates.count):
        for j in range(starts[i], starts[i + 1]):
            users[items[j]] += 1
            parent[items[j]] = i


def number_needed(address):
    """Number the real nodes that some predicates depend on, in the order of the nodes; returns how many there
    are. See `NeedTask`.
    """
    task = task_at(address)
    operands, number = task.operands, task.number
    for node in range(task.node_count):
        number[node] = -1
    for i in range(task.count):
        if task.code[i] == _BAND:
            number[task.value[i]] = 0
    for node in range(task.node_count - 1, -1, -1):
        if number[node] == 0:
            for operand in (operands[node].a, operands[node].b):
                if operand >= 0:
                    number[operand] = 0
    needed = 0
    for node in range(task.node_count):
        if number[node] == 0:
            number[node] = needed
            needed += 1
    return needed


SHARED = {"number_needed": (number_needed, types.int64(types.int64))}
"""The kernel, which serves both precisions."""
