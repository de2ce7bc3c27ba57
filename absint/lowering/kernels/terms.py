"""Terms written as the code that `absint.lowering.plan_format` describes.

Simple terms are as `absint.lowering.kernels.simple_terms` made them. Predicates are written from above: a
box, bands of sums, other bands as one tape, and alternatives, which are terms again. A term that would have
more than `MOST_ENTRIES` entries, or terms deeper than `DEEPEST_TERM`, is left out.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from absint.lowering.kernels.records import MOST_ENTRIES, TermTask
from absint.lowering.kernels.simple_terms import MOST_SUMS
from absint.lowering.plan_format import DEEPEST_TERM, EITHER, END, END_EITHER, SUM, TAPE, TERM
from absint.native.record_pointers import copy_records, pointer_to
from absint.ops.table import ALL, ANY, BAND, FALSE

_FALSE, _BAND, _ALL, _ANY = (kind.code for kind in (FALSE, BAND, ALL, ANY))
_INF = np.inf

FULL = -1
"""What `write_terms` returns when there was too little room."""

task_at = pointer_to(TermTask)


@njit(error_model="numpy")
def write_entry(task, kind, number, other):
    """Write an entry."""
    entry = task.entries[task.size.entries]
    entry.kind, entry.number, entry.other, entry.next = kind, number, other, 0
    task.size.entries += 1


@njit(error_model="numpy")
def write_factor(task, frame, kind, number):
    """Write an entry with the flags of the next factor of a term."""
    frame.position += 1
    is_first = frame.position == 1
    is_last = frame.position == frame.factors
    write_entry(task, kind, number, is_first + 2 * is_last)


@njit(error_model="numpy")
def write_sum(task, frame, value, lower, upper):
    """Write a band of a sum."""
    write_factor(task, frame, SUM, task.size.sums)
    band = task.sums[task.size.sums]
    band.value, band.lower, band.upper = value, lower, upper
    task.size.sums += 1


@njit(error_model="numpy")
def write_end(task, header):
    """Write the end of the term that begins with the entry `header`."""
    write_entry(task, END, 0, 0)
    task.entries[header].next = task.size.entries


@njit(error_model="numpy")
def is_sum(task, i):
    """Whether a predicate is a band of a sum."""
    value = task.predicates.value[i]
    return task.predicates.code[i] == _BAND and task.axis[value] == 2 and task.is_sum[value] != 0


@njit(error_model="numpy")
def is_tape_band(task, i):
    """Whether a predicate is a band that tapes ask: of neither a coordinate nor a sum."""
    value = task.predicates.value[i]
    return task.predicates.code[i] == _BAND and task.axis[value] == 2 and task.is_sum[value] == 0


@njit(error_model="numpy")
def collect_parts(task, frame, predicate, box):
    """Collect the parts of a predicate and the `box` that bands of coordinates make; returns the numbers of
    bands of sums, of other bands and of alternatives, or -1 for each if the term is too large.
    """
    old, parts = task.predicates, task.parts
    parts[frame.first] = predicate
    last = frame.first + 1
    task.used += 3
    box.left, box.right, box.bottom, box.top = -_INF, _INF, -_INF, _INF
    sums = bands = alternatives = 0
    part = frame.first
    while part < last:
        i = np.int64(parts[part])
        part += 1
        code = old.code[i]
        if code == _ALL:
            task.used += old.starts[i + 1] - old.starts[i]
        elif code == _ANY:
            task.used += 1
        if task.used > MOST_ENTRIES:
            return -1, -1, -1
        if code == _ALL:
            for j in range(old.starts[i], old.starts[i + 1]):
                parts[last] = old.items[j]
                last += 1
        elif code == _ANY:
            alternatives += 1
        elif code == _FALSE:
            box.left, box.right = _INF, -_INF
        elif code == _BAND:
            value, lower, upper = np.int64(old.value[i]), old.bands[i].lower, old.bands[i].upper
            if task.axis[value] == 0:
                box.left, box.right = max(box.left, lower), min(box.right, upper)
            elif task.axis[value] == 1:
                box.bottom, box.top = max(box.bottom, lower), min(box.top, upper)
            elif task.is_sum[value]:
                sums += 1
            else:
                bands += 1
    frame.last, frame.part, frame.item = last, frame.first, -1
    return sums, bands, alternatives


@njit(error_model="numpy")
def write_tape(task, frame):
    """Write those parts of a term that are bands of a tape."""
    old = task.predicates
    write_factor(task, frame, TAPE, task.size.tapes)
    for part in range(frame.first, frame.last):
        i = np.int64(task.parts[part])
        if is_tape_band(task, i):
            band = task.tape_bands[task.size.tape_bands]
            band.value, band.lower, band.upper = old.value[i], old.bands[i].lower, old.bands[i].upper
            task.size.tape_bands += 1
    task.size.tapes += 1
    task.tape_starts[task.size.tapes] = task.size.tape_bands


@njit(error_model="numpy")
def begin_term(task, frame, predicate):
    """Write a term up to its alternatives; returns False if the term is too large."""
    old = task.predicates
    number = task.size.boxes
    sums, bands, alternatives = collect_parts(task, frame, predicate, task.boxes[number])
    if sums < 0:
        return False
    frame.position, frame.factors = 0, sums + (bands > 0) + alternatives
    frame.header = task.size.entries
    has_only_sums = frame.factors == sums and sums <= MOST_SUMS
    write_entry(task, TERM, number, frame.factors if has_only_sums else -1)
    task.size.boxes += 1
    for part in range(frame.first, frame.last):
        i = np.int64(task.parts[part])
        if is_sum(task, i):
            write_sum(task, frame, old.value[i], old.bands[i].lower, old.bands[i].upper)
    if bands:
        write_tape(task, frame)
    return True


@njit(error_model="numpy")
def write_simple_term(task, frame, term, facts):
    """Write a simple term."""
    frame.position, frame.factors = 0, 0
    for k in range(MOST_SUMS):
        frame.factors += term.sums[k].value >= 0
    frame.header = task.size.entries
    facts.first, facts.box, facts.sums = frame.header, task.size.boxes, frame.factors
    facts.bands = facts.alternatives = facts.others = 0
    write_entry(task, TERM, task.size.boxes, frame.factors)
    copy_records(task.boxes[task.size.boxes], term.box, 1)
    task.size.boxes += 1
    for k in range(MOST_SUMS):
        band = term.sums[k]
        if band.value >= 0:
            write_sum(task, frame, band.value, band.lower, band.upper)
    write_end(task, frame.header)


@njit(error_model="numpy")
def write_alternatives(task):
    """Write what a term still needs, when `begin_term` has begun it in the first frame: its alternatives,
    which are terms again. Returns False if a term is too large or too deep.
    """
    old = task.predicates
    depth = 0
    while depth >= 0:
        frame = task.frames[depth]
        part = np.int64(task.parts[frame.part])
        if frame.part == frame.last:
            write_end(task, frame.header)
            depth -= 1
        elif frame.item < 0:
            if old.code[part] == _ANY:
                write_entry(task, EITHER, 0, 0)
                frame.item = old.starts[part]
            else:
                frame.part += 1
        elif frame.item == old.starts[part + 1]:
            write_factor(task, frame, END_EITHER, 0)
            frame.item = -1
            frame.part += 1
        else:
            item = np.int64(old.items[frame.item])
            frame.item += 1
            depth += 1
            if depth == DEEPEST_TERM:
                return False
            task.frames[depth].first = frame.last
            if not begin_term(task, task.frames[depth], item):
                return False
    return True


@njit(error_model="numpy")
def write_predicate(task, predicate, facts):
    """Write a predicate as a term; returns False, and writes nothing, if the term is too large."""
    frame = task.frames[0]
    copy_records(task.before, task.size, 1)
    size, before = task.size, task.before
    task.used = 0
    frame.first = 0
    if begin_term(task, frame, predicate):
        facts.first, facts.box = before.entries, before.boxes
        facts.sums, facts.bands = size.sums - before.sums, size.tape_bands - before.tape_bands
        facts.alternatives = frame.factors - facts.sums - (facts.bands > 0)
        if write_alternatives(task):
            facts.others = size.tape_bands - before.tape_bands
            return True
    copy_records(size, before, 1)
    facts.first = -1
    return False


def write_terms(address):
    """Write predicates and simple terms as terms; returns how many are written, or `FULL` if the results have
    too little room. See `TermTask`.
    """
    task = task_at(address)
    task.tape_starts[0] = 0
    terms = 0
    for k in range(task.count):
        if task.size.entries + MOST_ENTRIES > task.room:
            return np.int64(FULL)
        if task.product[k] >= 0:
            write_simple_term(task, task.frames[0], task.products[task.product[k]], task.facts[k])
            terms += 1
        else:
            terms += write_predicate(task, np.int64(task.predicate[k]), task.facts[k])
    return terms


SHARED = {"write_terms": (write_terms, types.int64(types.int64))}
"""The kernel, which serves both precisions."""
