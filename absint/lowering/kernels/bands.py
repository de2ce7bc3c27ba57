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


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """The kernel `merge_bands` for the precision."""
    precision = Precision(precision_name)
    real = types.float32 if precision is Precision.F32 else types.float64

    @njit(error_model="numpy")
    def unite(group, count):
        """Unite the first `count` bands where they overlap or have no float between them, in the order of
        their lower ends; returns how many are left.
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
    def join_group(task, code, value, begin, start):
        """Join the bands of one value, of which the first is at the place `start` of the open list."""
        builder, group, after = task.builder, task.group, task.after
        items, bands = builder.made.items, builder.made.bands
        count = 0
        place = start
        while place >= 0:
            ends = bands[np.int64(items[begin + place])]
            group[count].lower, group[count].upper = ends.lower, ends.upper
            count += 1
            place = np.int64(after[place])
        if count == 1:
            return
        if code == _ALL:
            kept = 1
            whole = group[0]
            for k in range(1, count):
                whole.lower = max(whole.lower, group[k].lower)
                whole.upper = min(whole.upper, group[k].upper)
            task.intersected += count - 1
        else:
            sort_bands(group, count)
            kept = unite(group, count)
            task.united += count - kept
        line = builder.made.lines[np.int64(items[begin + start])]
        neutral = np.int64(code == _ALL)  # false in an `any`, true in an `all`
        k = 0
        place = start
        while place >= 0:
            one = group[k]
            items[begin + place] = band(builder, value, one.lower, one.upper, line) if k < kept else neutral
            k += 1
            place = np.int64(after[place])

    @njit(error_model="numpy")
    def join_bands(task, code, begin, end):
        """Join the bands of each value in the open list of an `all` or `any`."""
        made, first, after = task.builder.made, task.first, task.after
        items, codes, values = made.items, made.code, made.value
        for last in range(end - 1, begin - 1, -1):
            item = np.int64(items[last])
            if codes[item] == _BAND:
                after[last - begin] = first[values[item]]
                first[values[item]] = last - begin
        for start in range(end - begin):
            item = np.int64(items[begin + start])
            if codes[item] == _BAND and first[values[item]] == start:
                value = np.int64(values[item])
                first[value] = -1
                join_group(task, code, value, begin, np.int64(start))

    def merge_bands(address):
        """One sweep; returns how many predicates there are after it, or `FULL`. See `BandsTask`."""
        task = task_at(address)
        old, builder, users, made = task.old, task.builder, task.users, task.made
        make_constants(builder)
        count_users(old, users, task.parent)
        for top in range(old.count - 1, -1, -1):
            if is_list(old.code[top]) and users[top] != 1:
                free_lists(task, np.int64(top))  # a list in a single list is freed with that one
        for i in range(old.count):
            if not is_list(old.code[i]):
                made[i] = copy_leaf(builder, old, i, old.lines[i])
                continue
            begin = end = open_list(builder)
            for j in range(old.starts[i], old.starts[i + 1]):
                item = np.int64(old.items[j])
                if old.code[item] != _BAND:
                    operand = np.int64(made[item])
                elif task.code[j] == _BAND:
                    ends = task.bands[j]
                    operand = band(builder, old.value[item], ends.lower, ends.upper, old.lines[item])
                else:
                    operand = np.int64(task.code[j] == _TRUE)
                end = add(builder, end, operand)
            join_bands(task, old.code[i], begin, end)
            made[i] = join(builder, np.int64(old.code[i]), end, old.lines[i])
            if builder.is_full:
                return np.int64(FULL)
        return finish(builder, np.int64(made[old.count - 1]))

    return {"merge_bands": (merge_bands, types.int64(types.int64))}


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
