"""Terms written as the code that `absint.lowering.plan_format` describes.

Simple terms are as `absint.lowering.kernels.simple_terms` made them; predicates are written from above: a
box, bands of sums, other bands as one tape, and alternatives, which are terms again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from absint.lowering.kernels.limits import MOST_ENTRIES
from absint.lowering.kernels.predicates import predicates_at
from absint.lowering.kernels.simple_terms import SIMPLE, SIMPLE_SIZE, SUMS, Real
from absint.lowering.plan_format import CODE, DEEPEST_TERM, EITHER, END, END_EITHER, SUM, TAPE, TERM
from absint.native.memory import f64s, i32s, i64s, u8s
from absint.ops.table import ALL, ANY, BAND, FALSE

_FALSE, _BAND, _ALL, _ANY = (kind.code for kind in (FALSE, BAND, ALL, ANY))
_INF = np.inf

FULL = -1
"""What `write` returns when there was too little room."""


class Written(NamedTuple):
    """What is written. `code` as in the layout, where a sum or tape is called by its number.

    `boxes` f64[·, 4]: lower and upper end of x, of y. Of sums: `sum_value` i32 and `sum_ends` f64[·, 2]. Tape
    t is of the bands `tape_starts[t]` up to `tape_starts[t + 1]`, with `tape_value` and `tape_ends`. `size`:
    see `SIZE`.
    """

    code: Any
    boxes: Any
    sum_value: Any
    sum_ends: Any
    tape_starts: Any
    tape_value: Any
    tape_ends: Any
    size: Any


class Size(NamedTuple):
    """Places in `Written.size`: how many there are of each; and `used`, what counts for MOST_ENTRIES."""

    entries: int
    boxes: int
    sums: int
    tapes: int
    tape_bands: int
    used: int


SIZE = Size(*range(len(Size._fields)))


class Frame(NamedTuple):
    """Places in the record of a term that is being written. Its parts, operands of its `all` and so on, are
    `parts[first:last]`, looked at up to `part`; its alternative is written up to `item`. `header`: its entry.
    """

    first: int
    last: int
    part: int
    item: int
    header: int
    position: int
    factors: int


FRAME = Frame(*range(len(Frame._fields)))
FRAME_SIZE = len(Frame._fields)


@njit(error_model="numpy")
def emit(written, kind, number, other):
    """Write an entry."""
    place = CODE * written.size[SIZE.entries]
    written.code[place] = kind
    written.code[place + 1] = number
    written.code[place + 2] = other
    written.code[place + 3] = 0
    written.size[SIZE.entries] += 1


@njit(error_model="numpy")
def factor(frame, written, kind, number):
    """Write an entry with the flags of the term's next factor."""
    frame[FRAME.position] += 1
    is_first = frame[FRAME.position] == 1
    is_last = frame[FRAME.position] == frame[FRAME.factors]
    emit(written, kind, number, is_first + 2 * is_last)


@njit(error_model="numpy")
def write_sum(frame, written, value, lower, upper):
    """Write a band of a sum."""
    number = written.size[SIZE.sums]
    factor(frame, written, SUM, number)
    written.sum_value[number] = value
    written.sum_ends[2 * number], written.sum_ends[2 * number + 1] = lower, upper
    written.size[SIZE.sums] += 1


@njit(error_model="numpy")
def begin(predicate, frame, old, real, parts, written):
    """Write a term up to its alternatives; False if it is too large."""
    first = frame[FRAME.first]
    parts[first] = predicate
    last = first + 1
    written.size[SIZE.used] += 3
    left, right, bottom, top = -_INF, _INF, -_INF, _INF
    sums = bands = alternatives = 0
    part = first
    while part < last:
        i = np.int64(parts[part])
        part += 1
        code = old.code[i]
        if code == _ALL:
            written.size[SIZE.used] += old.starts[i + 1] - old.starts[i]
        elif code == _ANY:
            written.size[SIZE.used] += 1
        if written.size[SIZE.used] > MOST_ENTRIES:
            return False
        if code == _ALL:
            for j in range(old.starts[i], old.starts[i + 1]):
                parts[last] = old.items[j]
                last += 1
        elif code == _ANY:
            alternatives += 1
        elif code == _FALSE:
            left, right = _INF, -_INF
        elif code == _BAND:
            value, low, high = np.int64(old.value[i]), old.bands[2 * i], old.bands[2 * i + 1]
            if real.axis[value] == 0:
                left, right = max(left, low), min(right, high)
            elif real.axis[value] == 1:
                bottom, top = max(bottom, low), min(top, high)
            elif real.is_sum[value]:
                sums += 1
            else:
                bands += 1
    factors = sums + (bands > 0) + alternatives
    frame[FRAME.last], frame[FRAME.part], frame[FRAME.item] = last, first, -1
    frame[FRAME.position], frame[FRAME.factors] = 0, factors
    frame[FRAME.header] = written.size[SIZE.entries]
    box = written.size[SIZE.boxes]
    emit(written, TERM, box, factors if factors == sums and factors <= len(SUMS) else -1)
    written.boxes[4 * box], written.boxes[4 * box + 1] = left, right
    written.boxes[4 * box + 2], written.boxes[4 * box + 3] = bottom, top
    written.size[SIZE.boxes] += 1
    for part in range(first, last):
        i = np.int64(parts[part])
        if old.code[i] == _BAND and real.axis[old.value[i]] == 2 and real.is_sum[old.value[i]]:
            write_sum(frame, written, np.int64(old.value[i]), old.bands[2 * i], old.bands[2 * i + 1])
    if bands:
        factor(frame, written, TAPE, written.size[SIZE.tapes])
        for part in range(first, last):
            i = np.int64(parts[part])
            if old.code[i] == _BAND and real.axis[old.value[i]] == 2 and not real.is_sum[old.value[i]]:
                number = written.size[SIZE.tape_bands]
                written.tape_value[number] = old.value[i]
                written.tape_ends[2 * number] = old.bands[2 * i]
                written.tape_ends[2 * number + 1] = old.bands[2 * i + 1]
                written.size[SIZE.tape_bands] += 1
        written.size[SIZE.tapes] += 1
        written.tape_starts[written.size[SIZE.tapes]] = written.size[SIZE.tape_bands]
    return True


@njit(error_model="numpy")
def write_simple(term, made, frame, written):
    """Write a simple term."""
    place = SIMPLE_SIZE * term
    box = written.size[SIZE.boxes]
    frame[FRAME.position] = 0
    frame[FRAME.factors] = (made[place + SIMPLE.first_sum] >= 0) + (made[place + SIMPLE.second_sum] >= 0)
    header = written.size[SIZE.entries]
    emit(written, TERM, box, frame[FRAME.factors])
    for i in range(4):
        written.boxes[4 * box + i] = made[place + i]
    written.size[SIZE.boxes] += 1
    for one in SUMS:
        if made[place + one] >= 0:
            write_sum(
                frame, written, np.int64(made[place + one]), made[place + one + 1], made[place + one + 2]
            )
    emit(written, END, 0, 0)
    written.code[CODE * header + 3] = written.size[SIZE.entries]


def write(
    count, predicate_, product_, products_, predicates_, axis_, is_sum_, parts_, frames_, room,
    code_, boxes_, sum_value_, sum_ends_, tape_starts_, tape_value_, tape_ends_, size_,
    first_, box_, sums_, bands_, alternatives_, others_,
):  # fmt: skip
    """Write predicates as terms; returns how many that are, or FULL if the results have too little room.

    `predicate` i32[count]; `product` i32[count]: which of the simple terms `products`, those of `multiply`,
    to write in its place, -1 for the predicate itself. Of the real nodes: see `Real`, u8. `parts`
    i32[MOST_ENTRIES + 8] and `frames` i64[DEEPEST_TERM, 8]: scratch. The results: see `Written`, of `room`
    each, `tape_starts` of one more, `size` i64, all 0 before. Of each term, all i32: its `first` entry, -1 if
    it is too large and left out, its `box`, how many `sums`, other `bands` and `alternatives` it has, and how
    many bands but sums are in it anywhere.
    """
    old, predicate, real = predicates_at(predicates_), i32s(predicate_), Real(u8s(axis_), u8s(is_sum_))
    product, products, parts, size = i32s(product_), f64s(products_), i32s(parts_), i64s(size_)
    written = Written(
        i32s(code_), f64s(boxes_), i32s(sum_value_), f64s(sum_ends_), i32s(tape_starts_), i32s(tape_value_),
        f64s(tape_ends_), size,
    )  # fmt: skip
    first, box, sums, bands = i32s(first_), i32s(box_), i32s(sums_), i32s(bands_)
    alternatives, others = i32s(alternatives_), i32s(others_)
    written.tape_starts[0] = 0
    terms = 0
    for k in range(count):
        entries, boxes, some_sums, tapes, some_bands = size[0], size[1], size[2], size[3], size[4]
        if entries + MOST_ENTRIES > room:
            return np.int64(FULL)
        size[SIZE.used] = 0
        frame = i64s(frames_)
        frame[FRAME.first] = 0
        if product[k] >= 0:
            write_simple(np.int64(product[k]), products, frame, written)
            first[k], box[k], sums[k] = entries, boxes, size[SIZE.sums] - some_sums
            bands[k] = alternatives[k] = others[k] = 0
            terms += 1
            continue
        fits = begin(np.int64(predicate[k]), frame, old, real, parts, written)
        if fits:
            first[k], box[k] = entries, boxes
            sums[k], bands[k] = size[SIZE.sums] - some_sums, size[SIZE.tape_bands] - some_bands
            alternatives[k] = frame[FRAME.factors] - sums[k] - (bands[k] > 0)
        depth = 0
        while fits and depth >= 0:
            frame = i64s(frames_ + 8 * FRAME_SIZE * depth)
            part = np.int64(parts[frame[FRAME.part]])
            if frame[FRAME.part] == frame[FRAME.last]:
                emit(written, END, 0, 0)
                written.code[CODE * frame[FRAME.header] + 3] = size[SIZE.entries]
                depth -= 1
            elif frame[FRAME.item] < 0:
                if old.code[part] == _ANY:
                    emit(written, EITHER, 0, 0)
                    frame[FRAME.item] = old.starts[part]
                else:
                    frame[FRAME.part] += 1
            elif frame[FRAME.item] == old.starts[part + 1]:
                factor(frame, written, END_EITHER, 0)
                frame[FRAME.item] = -1
                frame[FRAME.part] += 1
            else:
                item = np.int64(old.items[frame[FRAME.item]])
                frame[FRAME.item] += 1
                depth += 1
                fits = depth < DEEPEST_TERM
                if fits:
                    inner = i64s(frames_ + 8 * FRAME_SIZE * depth)
                    inner[FRAME.first] = frame[FRAME.last]
                    fits = begin(item, inner, old, real, parts, written)
        if fits:
            others[k] = size[SIZE.tape_bands] - some_bands
            terms += 1
        else:
            first[k] = -1
            size[0], size[1], size[2], size[3], size[4] = entries, boxes, some_sums, tapes, some_bands
    return terms


SHARED = {"write": (write, types.int64(*[types.int64] * 24))}
"""The kernel; it serves both precisions."""
