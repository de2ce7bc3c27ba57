"""Bands of one value joined with each other and with what is known around them: the inner loop of `bands`.

On the way down from a predicate that stands alone, each list gets its new bands; on the way up the predicates
are made anew with them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from absint.kernels.memory import f64s, i32s, i64s, u8s
from absint.kernels.predicates import (
    FULL,
    SIZE,
    added,
    band,
    count_users,
    draft_at,
    finished,
    is_list,
    join,
    leaf,
    opened,
    predicates_at,
)  # fmt: skip
from absint.ops import numba_primitives
from absint.ops.table import ALL, ANY, BAND, FALSE, TRUE
from absint.precision import Precision

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
    """The new bands of each list from where its operands begin, `length` of them; `code` is band, true or
    false.
    """

    length: Any
    code: Any
    value: Any
    lower: Any
    upper: Any
    line: Any


class Groups(NamedTuple):
    """The bands of one list by value: the `first` of each real node, -1 for none, and the one after each."""

    first: Any
    after: Any


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """`bands` for the precision, see there."""
    precision = Precision(precision_name)
    real = types.float32 if precision is Precision.F32 else types.float64

    @njit(error_model="numpy")
    def united(new, begin, end):
        """Unite bands that overlap or have no float between them; returns where the rest ends."""
        kept = begin
        for i in range(begin + 1, end):
            if new.lower[i] <= np.float64(next_up(real(new.upper[kept]))):
                new.upper[kept] = max(new.upper[kept], new.upper[i])
            else:
                kept += 1
                new.lower[kept], new.upper[kept] = new.lower[i], new.upper[i]
        return kept + 1

    @njit(error_model="numpy")
    def joined(top, old, new, groups, context, counts):
        """Find the new bands of a list."""
        code = old.code[top]
        begin, behind = np.int64(old.starts[top]), np.int64(old.starts[top + 1])
        for i in range(behind - 1, begin - 1, -1):
            item = np.int64(old.items[i])
            if old.code[item] == _BAND:
                groups.after[i] = groups.first[old.value[item]]
                groups.first[old.value[item]] = i
        done = begin
        for i in range(begin, behind):
            item = np.int64(old.items[i])
            if old.code[item] != _BAND or groups.first[old.value[item]] < 0:
                continue
            value = np.int64(old.value[item])
            groups.first[value] = -1
            first, end = done, done
            j = np.int64(i)
            while j >= 0:
                other = np.int64(old.items[j])
                new.lower[end], new.upper[end] = old.bands[2 * other], old.bands[2 * other + 1]
                end += 1
                j = np.int64(groups.after[j])
            many = end - first
            if code == _ALL:
                for k in range(first + 1, end):
                    new.lower[first] = max(new.lower[first], new.lower[k])
                    new.upper[first] = min(new.upper[first], new.upper[k])
                done = first + 1
                counts[COUNTS.intersected] += many - 1
            else:
                sort_bands(new, first, end)
                done = united(new, first, end)
                counts[COUNTS.united] += many - (done - first)
            for k in range(first, done):
                new.value[k] = value
                new.line[k] = old.lines[item]
                ask(k, new, context, counts)
        new.length[top] = done - begin

    def bands(
        count, predicates_, draft_, users_, parent_, cursor_, made_, times_, lower_, upper_, saved_lower_,
        saved_upper_, length_, code_, value_, new_lower_, new_upper_, line_, first_, after_, counts_,
    ):  # fmt: skip
        """One sweep; returns how many predicates there are after it, or `FULL`.

        Of `count` predicates: `users`, `parent`, `cursor`, `made` and `length` i32, scratch. Of real nodes:
        `times` i32, all 0, `lower` and `upper` f64, scratch, `first` i32, all -1. Of operands: scratch,
        `code` u8, `value`, `line` and `after` i32, the others f64. `counts` i64: see `Counts`, added up.
        """
        old, draft = predicates_at(predicates_), draft_at(draft_)
        users, parent, cursor, made = i32s(users_), i32s(parent_), i32s(cursor_), i32s(made_)
        context = Context(i32s(times_), f64s(lower_), f64s(upper_), f64s(saved_lower_), f64s(saved_upper_))
        new = Bands(i32s(length_), u8s(code_), i32s(value_), f64s(new_lower_), f64s(new_upper_), i32s(line_))
        groups, counts = Groups(i32s(first_), i32s(after_)), i64s(counts_)
        count_users(count, old, users, parent)
        for top in range(count - 1, -1, -1):
            if not is_list(old.code[top]) or users[top] == 1:
                continue  # the circumstances of one that is in a single list are those of that list
            depth = np.int64(0)
            current = np.int64(top)
            cursor[top] = old.starts[top]
            joined(top, old, new, groups, context, counts)
            depth = entered(top, old, context, depth)
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
                    joined(current, old, new, groups, context, counts)
                    depth = entered(current, old, context, depth)
        for i in range(count):
            if not is_list(old.code[i]):
                made[i] = leaf(draft, old, i, old.lines[i])
                continue
            begin, behind = np.int64(old.starts[i]), np.int64(old.starts[i + 1])
            for k in range(begin, begin + new.length[i]):
                if new.code[k] == _BAND:  # from here on `value` is a predicate
                    new.value[k] = band(draft, new.value[k], new.lower[k], new.upper[k], new.line[k])
                else:
                    new.value[k] = new.code[k] == _TRUE
            end = opened(draft)
            for j in range(begin, behind):
                item = np.int64(old.items[j])
                if old.code[item] != _BAND:
                    end = added(draft, end, np.int64(made[item]))
            for k in range(begin, begin + new.length[i]):
                end = added(draft, end, np.int64(new.value[k]))
            made[i] = join(draft, np.int64(old.code[i]), end, old.lines[i])
            if draft.size[SIZE.full]:
                return np.int64(FULL)
        return finished(draft, np.int64(made[count - 1]))

    return {"bands": (bands, types.int64(*[types.int64] * 21))}


@njit(error_model="numpy")
def sort_bands(new, first, end):
    """Put bands in the order of their lower ends. Shell's method."""
    gap = np.int64(1)
    while 9 * gap < end - first:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(first + gap, end):
            lower, upper = new.lower[i], new.upper[i]
            j = np.int64(i)
            while j >= first + gap and new.lower[j - gap] > lower:
                new.lower[j], new.upper[j] = new.lower[j - gap], new.upper[j - gap]
                j -= gap
            new.lower[j], new.upper[j] = lower, upper
        gap //= 3


@njit(error_model="numpy")
def ask(k, new, context, counts):
    """Leave out of a new band what is known of its value."""
    value, lower, upper = np.int64(new.value[k]), new.lower[k], new.upper[k]
    known_lower, known_upper = context.lower[value], context.upper[value]
    new.code[k] = _BAND if lower <= upper else _FALSE
    if context.times[value] == 0:
        return
    if known_lower >= lower and known_upper <= upper:
        new.code[k] = _TRUE
        counts[COUNTS.implied] += 1
    elif known_lower > upper or known_upper < lower:
        new.code[k] = _FALSE
        counts[COUNTS.implied] += 1
    else:
        if known_lower >= lower > -_INF:
            new.lower[k] = -_INF
            counts[COUNTS.implied_end] += 1
        if known_upper <= upper < _INF:
            new.upper[k] = _INF
            counts[COUNTS.implied_end] += 1


@njit(error_model="numpy")
def entered(top, old, context, depth):
    """Know the bands of an `all`; returns how many bands are known around what is in the list."""
    if old.code[top] == _ALL:
        for i in range(old.starts[top], old.starts[top + 1]):
            item = np.int64(old.items[i])
            if old.code[item] == _BAND:
                value = np.int64(old.value[item])
                if context.times[value] == 0:
                    context.lower[value], context.upper[value] = -_INF, _INF
                context.saved_lower[depth], context.saved_upper[depth] = (
                    context.lower[value],
                    context.upper[value],
                )
                depth += 1
                context.times[value] += 1
                context.lower[value] = max(context.lower[value], old.bands[2 * item])
                context.upper[value] = min(context.upper[value], old.bands[2 * item + 1])
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
