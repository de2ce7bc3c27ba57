"""Bands of one value joined with each other and with what is known around them: the inner loop of `bands`.

On the way down from a predicate that stands alone, bands are freed of what is known around them; on the way
up those of one value are joined.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from absint.lowering.kernels.predicates import (
    FULL,
    add,
    band,
    builder_at,
    copy_leaf,
    count_users,
    finish,
    is_list,
    join,
    make_constants,
    open_list,
    predicates_at,
)  # fmt: skip
from absint.native.memory import f64s, i32s, i64s, u8s
from absint.ops import numba_primitives
from absint.ops.precision import Precision
from absint.ops.table import ALL, ANY, BAND, FALSE, TRUE

_FALSE, _TRUE, _BAND, _ALL, _ANY = (kind.code for kind in (FALSE, TRUE, BAND, ALL, ANY))
_INF = np.inf

next_up = numba_primitives.next_up


class Counts(NamedTuple):
    """Places in `counts`: how often each rule was used."""

    intersected: int
    united: int
    implied: int
    implied_end: int


COUNTS = Counts(*range(len(Counts._fields)))


class Context(NamedTuple):
    """What is known of real nodes where a predicate is asked: `times` is in how many bands around it each is,
    which leave it `lower` and `upper`. `saved_*`: the ends before each of these bands, innermost last.
    """

    times: Any
    lower: Any
    upper: Any
    saved_lower: Any
    saved_upper: Any


class Bands(NamedTuple):
    """The bands that stand for operands, by their places in the lists; `code` is band, true or false."""

    code: Any
    lower: Any
    upper: Any


class Groups(NamedTuple):
    """The bands of one list by value: the `first` of each real node, -1 for none, and the one `after` each.

    `lower` and `upper`: the ends of those of one value.
    """

    first: Any
    after: Any
    lower: Any
    upper: Any


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """`bands` for the precision, see there."""
    precision = Precision(precision_name)
    real = types.float32 if precision is Precision.F32 else types.float64

    @njit(error_model="numpy")
    def united(group, count):
        """Unite bands that overlap or have no float between them; returns how many are left."""
        kept = 0
        for i in range(1, count):
            if group.lower[i] <= np.float64(next_up(real(group.upper[kept]))):
                group.upper[kept] = max(group.upper[kept], group.upper[i])
            else:
                kept += 1
                group.lower[kept], group.upper[kept] = group.lower[i], group.upper[i]
        return kept + 1

    @njit(error_model="numpy")
    def join_bands(builder, code, first, end, groups, counts):
        """Join the bands of each value in the open list of an `all` or `any`."""
        items = builder.made.items
        for last in range(end - 1, first - 1, -1):
            item = np.int64(items[last])
            if builder.made.code[item] == _BAND:
                groups.after[last - first] = groups.first[builder.made.value[item]]
                groups.first[builder.made.value[item]] = last - first
        for number in range(end - first):
            start = np.int64(number)
            item = np.int64(items[first + start])
            if builder.made.code[item] != _BAND or groups.first[builder.made.value[item]] != start:
                continue
            value = np.int64(builder.made.value[item])
            groups.first[value] = -1
            count = 0
            place = start
            while place >= 0:
                other = np.int64(items[first + place])
                groups.lower[count] = builder.made.bands[other].lower
                groups.upper[count] = builder.made.bands[other].upper
                count += 1
                place = np.int64(groups.after[place])
            if count == 1:
                continue
            if code == _ALL:
                kept = 1
                for k in range(1, count):
                    groups.lower[0] = max(groups.lower[0], groups.lower[k])
                    groups.upper[0] = min(groups.upper[0], groups.upper[k])
                counts[COUNTS.intersected] += count - 1
            else:
                sort_bands(groups, count)
                kept = united(groups, count)
                counts[COUNTS.united] += count - kept
            line = builder.made.lines[item]
            k = 0
            place = start
            while place >= 0:
                neutral = np.int64(code == _ALL)  # false in an `any`, true in an `all`
                items[first + place] = (
                    band(builder, value, groups.lower[k], groups.upper[k], line) if k < kept else neutral
                )
                k += 1
                place = np.int64(groups.after[place])

    def bands(
        count, predicates_, builder_, users_, parent_, cursor_, made_, times_, lower_, upper_, saved_lower_,
        saved_upper_, code_, new_lower_, new_upper_, first_, after_, group_lower_, group_upper_, counts_,
    ):  # fmt: skip
        """One sweep; returns how many predicates there are after it, or `FULL`.

        Of `count` predicates: `users`, `parent`, `cursor` and `made` i32, scratch. Of real nodes: `times`
        i32, all 0, `lower` and `upper` f64, scratch, `first` i32, all -1. Of operands: scratch, `code` u8,
        `after` i32, the others f64. `counts` i64: see `Counts`, added up.
        """
        old, builder = predicates_at(predicates_), builder_at(builder_)
        make_constants(builder)
        users, parent, cursor, made = i32s(users_), i32s(parent_), i32s(cursor_), i32s(made_)
        context = Context(i32s(times_), f64s(lower_), f64s(upper_), f64s(saved_lower_), f64s(saved_upper_))
        new = Bands(u8s(code_), f64s(new_lower_), f64s(new_upper_))
        groups = Groups(i32s(first_), i32s(after_), f64s(group_lower_), f64s(group_upper_))
        counts = i64s(counts_)
        count_users(old, users, parent)
        for top in range(count - 1, -1, -1):
            if not is_list(old.code[top]) or users[top] == 1:
                continue  # the circumstances of one that is in a single list are those of that list
            current = np.int64(top)
            cursor[top] = old.starts[top]
            depth = entered(current, old, new, context, np.int64(0), counts)
            while True:
                if cursor[current] == old.starts[current + 1]:
                    depth = left(current, old, context, depth)
                    if current == top:
                        break
                    current = np.int64(parent[current])
                    continue
                item = np.int64(old.items[cursor[current]])
                cursor[current] += 1
                if is_list(old.code[item]) and users[item] == 1:
                    cursor[item] = old.starts[item]
                    current = item
                    depth = entered(current, old, new, context, depth, counts)
        for i in range(count):
            if not is_list(old.code[i]):
                made[i] = copy_leaf(builder, old, i, old.lines[i])
                continue
            first = end = open_list(builder)
            for j in range(old.starts[i], old.starts[i + 1]):
                item = np.int64(old.items[j])
                if old.code[item] != _BAND:
                    operand = np.int64(made[item])
                elif new.code[j] == _BAND:
                    operand = band(builder, old.value[item], new.lower[j], new.upper[j], old.lines[item])
                else:
                    operand = np.int64(new.code[j] == _TRUE)
                end = add(builder, end, operand)
            join_bands(builder, old.code[i], first, end, groups, counts)
            made[i] = join(builder, np.int64(old.code[i]), end, old.lines[i])
            if builder.is_full:
                return np.int64(FULL)
        return finish(builder, np.int64(made[count - 1]))

    return {"bands": (bands, types.int64(*[types.int64] * 20))}


@njit(error_model="numpy")
def sort_bands(group, count):
    """Put bands in the order of their lower ends. Shell's method."""
    gap = np.int64(1)
    while 9 * gap < count:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, count):
            lower, upper = group.lower[i], group.upper[i]
            j = np.int64(i)
            while j >= gap and group.lower[j - gap] > lower:
                group.lower[j], group.upper[j] = group.lower[j - gap], group.upper[j - gap]
                j -= gap
            group.lower[j], group.upper[j] = lower, upper
        gap //= 3


@njit(error_model="numpy")
def ask(place, item, old, new, context, counts):
    """The band of an operand without what is known of its value."""
    value, lower, upper = np.int64(old.value[item]), old.bands[item].lower, old.bands[item].upper
    known_lower, known_upper = context.lower[value], context.upper[value]
    new.code[place], new.lower[place], new.upper[place] = _BAND, lower, upper
    if context.times[value] == 0:
        return
    if known_lower >= lower and known_upper <= upper:
        new.code[place] = _TRUE
        counts[COUNTS.implied] += 1
    elif known_lower > upper or known_upper < lower:
        new.code[place] = _FALSE
        counts[COUNTS.implied] += 1
    else:
        if known_lower >= lower > -_INF:
            new.lower[place] = -_INF
            counts[COUNTS.implied_end] += 1
        if known_upper <= upper < _INF:
            new.upper[place] = _INF
            counts[COUNTS.implied_end] += 1


@njit(error_model="numpy")
def entered(top, old, new, context, depth, counts):
    """Ask the bands of a list, and know those of an `all`; returns how many are known inside of it."""
    for i in range(old.starts[top], old.starts[top + 1]):
        item = np.int64(old.items[i])
        if old.code[item] == _BAND:
            ask(i, item, old, new, context, counts)
    if old.code[top] == _ALL:
        for i in range(old.starts[top], old.starts[top + 1]):
            item = np.int64(old.items[i])
            if old.code[item] == _BAND:
                value = np.int64(old.value[item])
                if context.times[value] == 0:
                    context.lower[value], context.upper[value] = -_INF, _INF
                context.saved_lower[depth] = context.lower[value]
                context.saved_upper[depth] = context.upper[value]
                depth += 1
                context.times[value] += 1
                context.lower[value] = max(context.lower[value], old.bands[item].lower)
                context.upper[value] = min(context.upper[value], old.bands[item].upper)
    return depth


@njit(error_model="numpy")
def left(top, old, context, depth):
    """Forget them."""
    if old.code[top] == _ALL:
        for i in range(old.starts[top + 1] - 1, old.starts[top] - 1, -1):
            item = np.int64(old.items[i])
            if old.code[item] == _BAND:
                value = np.int64(old.value[item])
                depth -= 1
                context.times[value] -= 1
                context.lower[value], context.upper[value] = (
                    context.saved_lower[depth],
                    context.saved_upper[depth],
                )
    return depth
