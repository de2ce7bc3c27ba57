"""Bands of one value joined with each other and with what is known around them: the inner loop of `bands`.

On the way down from a predicate that stands alone, bands are freed of what is known around them; on the way
up those of one value are joined.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.lowering.kernels.pass_records import BandsTask
from absint.lowering.kernels.predicates import (
    FULL,
    add,
    band,
    copy_leaf,
    count_users,
    finish,
    is_list,
    join,
    make_constants,
    open_list,
)  # fmt: skip
from absint.native.record_pointers import pointer_to
from absint.ops import numba_primitives
from absint.ops.precision import Precision
from absint.ops.table import ALL, BAND, FALSE, TRUE

_FALSE, _TRUE, _BAND, _ALL = (kind.code for kind in (FALSE, TRUE, BAND, ALL))
_INF = np.inf

next_up = numba_primitives.next_up
task_at = pointer_to(BandsTask)


# Down: bands freed of what is known around them


@njit(error_model="numpy")
def free_lists(task, top):
    """Free the bands of a list, and of the lists below it that are in no other list, of what is known around
    them.
    """
    old, users, cursor, parent = task.old, task.users, task.cursor, task.parent
    current = top
    cursor[top] = old.starts[top]
    depth = enter_list(task, current, np.int64(0))
    while True:
        if cursor[current] == old.starts[current + 1]:
            depth = leave_list(task, current, depth)
            if current == top:
                return
            current = np.int64(parent[current])
            continue
        item = np.int64(old.items[cursor[current]])
        cursor[current] += 1
        if is_list(old.code[item]) and users[item] == 1:
            cursor[item] = old.starts[item]
            current = item
            depth = enter_list(task, current, depth)


@njit(error_model="numpy")
def free_band(task, place, item):
    """Free the band of an operand, which is at this place of the lists, of what is known of its value."""
    old, ends, known = task.old, task.bands[place], task.known[np.int64(task.old.value[item])]
    lower, upper = old.bands[item].lower, old.bands[item].upper
    task.code[place], ends.lower, ends.upper = _BAND, lower, upper
    if known.times == 0:
        return
    if known.lower >= lower and known.upper <= upper:
        task.code[place] = _TRUE
        task.implied += 1
    elif known.lower > upper or known.upper < lower:
        task.code[place] = _FALSE
        task.implied += 1
    else:
        if known.lower >= lower > -_INF:
            ends.lower = -_INF
            task.implied_ends += 1
        if known.upper <= upper < _INF:
            ends.upper = _INF
            task.implied_ends += 1


@njit(error_model="numpy")
def enter_list(task, top, depth):
    """Free the bands of a list and, if it is an `all`, push them onto the context, where `depth` bands are;
    returns how many are there then.
    """
    old = task.old
    begin, end = np.int64(old.starts[top]), np.int64(old.starts[top + 1])
    for i in range(begin, end):
        item = np.int64(old.items[i])
        if old.code[item] == _BAND:
            free_band(task, i, item)
    if old.code[top] == _ALL:
        for i in range(begin, end):
            item = np.int64(old.items[i])
            if old.code[item] == _BAND:
                known, saved, ends = task.known[np.int64(old.value[item])], task.saved[depth], old.bands[item]
                if known.times == 0:
                    known.lower, known.upper = -_INF, _INF
                saved.lower, saved.upper = known.lower, known.upper
                depth += 1
                known.times += 1
                known.lower = max(known.lower, ends.lower)
                known.upper = min(known.upper, ends.upper)
    return depth


@njit(error_model="numpy")
def leave_list(task, top, depth):
    """Pop the bands of a list off the context, if it is an `all`; returns how many are left there."""
    old = task.old
    if old.code[top] == _ALL:
        for i in range(old.starts[top + 1] - 1, old.starts[top] - 1, -1):
            item = np.int64(old.items[i])
            if old.code[item] == _BAND:
                depth -= 1
                known, saved = task.known[np.int64(old.value[item])], task.saved[depth]
                known.times -= 1
                known.lower, known.upper = saved.lower, saved.upper
    return depth


# Up: bands of one value joined


@njit(error_model="numpy")
def sort_bands(group, count):
    """Put bands in the order of their lower ends. Shell's method."""
    gap = np.int64(1)
    while 9 * gap < count:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, count):
            lower, upper = group[i].lower, group[i].upper
            j = np.int64(i)
            while j >= gap and group[j - gap].lower > lower:
                group[j].lower, group[j].upper = group[j - gap].lower, group[j - gap].upper
                j -= gap
            group[j].lower, group[j].upper = lower, upper
        gap //= 3


@njit(error_model="numpy")
def unite(real, group, count):
    """Unite the first `count` bands where they overlap or have no float between them, in the order of their
    lower ends; returns how many are left. `real`: rounds to the precision.
    """
    last = 0
    for i in range(1, count):
        if group[i].lower <= np.float64(next_up(real(group[last].upper))):
            group[last].upper = max(group[last].upper, group[i].upper)
        else:
            last += 1
            group[last].lower, group[last].upper = group[i].lower, group[i].upper
    return last + 1


@njit(error_model="numpy")
def intersect(group, count):
    """Make the first band the intersection of the first `count`."""
    whole = group[0]
    for k in range(1, count):
        whole.lower = max(whole.lower, group[k].lower)
        whole.upper = min(whole.upper, group[k].upper)


@njit(error_model="numpy")
def chain_bands(task, begin, end):
    """Chain the bands of each value in the open list, by their places in the list."""
    made, first, after = task.builder.made, task.first, task.after
    for last in range(end - 1, begin - 1, -1):
        item = np.int64(made.items[last])
        if made.code[item] == _BAND:
            after[last - begin] = first[made.value[item]]
            first[made.value[item]] = last - begin


@njit(error_model="numpy")
def read_group(task, begin, start):
    """Copy the bands of one value, of which the first is at the place `start` of the open list, to the group;
    returns how many there are.
    """
    items, bands, group = task.builder.made.items, task.builder.made.bands, task.group
    count = 0
    place = start
    while place >= 0:
        ends = bands[np.int64(items[begin + place])]
        group[count].lower, group[count].upper = ends.lower, ends.upper
        count += 1
        place = np.int64(task.after[place])
    return count


@njit(error_model="numpy")
def write_group(task, begin, start, kept, neutral):
    """Replace the bands of one value by the first `kept` of the group, and by `neutral` operands."""
    builder, group = task.builder, task.group
    items = builder.made.items
    item = np.int64(items[begin + start])
    value, line = np.int64(builder.made.value[item]), builder.made.lines[item]
    k = 0
    place = start
    while place >= 0:
        one = group[k]
        items[begin + place] = band(builder, value, one.lower, one.upper, line) if k < kept else neutral
        k += 1
        place = np.int64(task.after[place])


@njit(error_model="numpy")
def join_group(task, real, code, begin, start):
    """Join the bands of one value, of which the first is at the place `start` of the open list."""
    group, count = task.group, read_group(task, begin, start)
    if count == 1:
        return
    if code == _ALL:
        kept = 1
        intersect(group, count)
        task.intersected += count - 1
    else:
        sort_bands(group, count)
        kept = unite(real, group, count)
        task.united += count - kept
    # false in an `any`, true in an `all`
    write_group(task, begin, start, kept, np.int64(code == _ALL))


@njit(error_model="numpy")
def join_bands(task, real, code, begin, end):
    """Join the bands of each value in the open list of an `all` or `any`."""
    chain_bands(task, begin, end)
    made, first = task.builder.made, task.first
    for start in range(end - begin):
        item = np.int64(made.items[begin + start])
        if made.code[item] == _BAND and first[made.value[item]] == start:
            first[made.value[item]] = -1
            join_group(task, real, code, begin, np.int64(start))


# The sweep


@njit(error_model="numpy")
def freed_operand(task, place):
    """The new predicate of the operand at a place of the lists. Of a band: what `free_band` left of it."""
    old = task.old
    item = np.int64(old.items[place])
    if old.code[item] != _BAND:
        return np.int64(task.made[item])
    if task.code[place] == _BAND:
        ends = task.bands[place]
        return band(task.builder, old.value[item], ends.lower, ends.upper, old.lines[item])
    return np.int64(task.code[place] == _TRUE)


@njit(error_model="numpy")
def merge_list(task, real, i):
    """The new predicate of a list, with its bands freed and joined."""
    old, builder = task.old, task.builder
    begin = end = open_list(builder)
    for place in range(old.starts[i], old.starts[i + 1]):
        end = add(builder, end, freed_operand(task, np.int64(place)))
    join_bands(task, real, old.code[i], begin, end)
    return join(builder, np.int64(old.code[i]), end, old.lines[i])


@njit(error_model="numpy")
def merge_all(task, real):
    """One sweep; returns how many predicates there are after it, or `FULL`."""
    old, builder, users, made = task.old, task.builder, task.users, task.made
    make_constants(builder)
    count_users(old, users, task.parent)
    for top in range(old.count - 1, -1, -1):
        if is_list(old.code[top]) and users[top] != 1:
            free_lists(task, np.int64(top))  # a list in a single list is freed with that one
    for i in range(old.count):
        if is_list(old.code[i]):
            made[i] = merge_list(task, real, i)
            if builder.is_full:
                return np.int64(FULL)
        else:
            made[i] = copy_leaf(builder, old, i, old.lines[i])
    return finish(builder, np.int64(made[old.count - 1]))


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """The kernel `merge_bands` for the precision, which is given a `BandsTask`."""
    real = types.float32 if Precision(precision_name) is Precision.F32 else types.float64

    def merge_bands(address):
        return merge_all(task_at(address), real)

    return {"merge_bands": (merge_bands, types.int64(types.int64))}
