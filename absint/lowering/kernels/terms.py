"""Terms written as the code that `absint.lowering.plan_format` describes.

Simple terms are as `absint.lowering.kernels.simple_terms` made them. Predicates are written from above: a
box, bands of sums, other bands as one tape, and alternatives, which are terms again. A term that would have
more than `MOST_ENTRIES` entries, or terms deeper than `DEEPEST_TERM`, is left out.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from absint.lowering.kernels.limits import MOST_ENTRIES
from absint.lowering.kernels.records import TermTask
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
def write_entry(written, kind, number, other):
    """Write an entry."""
    entry = written.entries[written.size.entries]
    entry.kind, entry.number, entry.other, entry.next = kind, number, other, 0
    written.size.entries += 1


@njit(error_model="numpy")
def write_factor(written, frame, kind, number):
    """Write an entry with the flags of the next factor of a term."""
    frame.position += 1
    is_first = frame.position == 1
    is_last = frame.position == frame.factors
    write_entry(written, kind, number, is_first + 2 * is_last)


@njit(error_model="numpy")
def write_sum(written, frame, value, lower, upper):
    """Write a band of a sum."""
    write_factor(written, frame, SUM, written.size.sums)
    band = written.sums[written.size.sums]
    band.value, band.lower, band.upper = value, lower, upper
    written.size.sums += 1


@njit(error_model="numpy")
def write_end(written, header):
    """Write the end of the term that begins with the entry `header`."""
    write_entry(written, END, 0, 0)
    written.entries[header].next = written.size.entries


@njit(error_model="numpy")
def is_sum(task, i):
    """Whether a predicate is a band of a sum."""
    value = task.predicates.value[i]
    return task.predicates.code[i] == _BAND and task.atoms.axis[value] == 2 and task.atoms.is_sum[value] != 0


@njit(error_model="numpy")
def is_tape_band(task, i):
    """Whether a predicate is a band that tapes ask: of neither a coordinate nor a sum."""
    value = task.predicates.value[i]
    return task.predicates.code[i] == _BAND and task.atoms.axis[value] == 2 and task.atoms.is_sum[value] == 0


@njit(error_model="numpy")
def collect_parts(task, frame, predicate, box):
    """Collect the parts of a predicate and the `box` that bands of coordinates make; returns the numbers of
    bands of sums, of other bands and of alternatives, or -1 for each if the term is too large.
    """
    old, parts, written, atoms = task.predicates, task.parts, task.written, task.atoms
    parts[frame.first] = predicate
    last = frame.first + 1
    written.used += 3
    box.left, box.right, box.bottom, box.top = -_INF, _INF, -_INF, _INF
    sums = bands = alternatives = 0
    part = frame.first
    while part < last:
        i = np.int64(parts[part])
        part += 1
        code = old.code[i]
        if code == _ALL:
            written.used += old.starts[i + 1] - old.starts[i]
        elif code == _ANY:
            written.used += 1
        if written.used > MOST_ENTRIES:
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
            if atoms.axis[value] == 0:
                box.left, box.right = max(box.left, lower), min(box.right, upper)
            elif atoms.axis[value] == 1:
                box.bottom, box.top = max(box.bottom, lower), min(box.top, upper)
            elif atoms.is_sum[value]:
                sums += 1
            else:
                bands += 1
    frame.last, frame.part, frame.item = last, frame.first, -1
    return sums, bands, alternatives


@njit(error_model="numpy")
def write_tape(task, frame):
    """Write those parts of a term that are bands of a tape."""
    old, written = task.predicates, task.written
    write_factor(written, frame, TAPE, written.size.tapes)
    for part in range(frame.first, frame.last):
        i = np.int64(task.parts[part])
        if is_tape_band(task, i):
            band = written.tape_bands[written.size.tape_bands]
            band.value, band.lower, band.upper = old.value[i], old.bands[i].lower, old.bands[i].upper
            written.size.tape_bands += 1
    written.size.tapes += 1
    written.tape_starts[written.size.tapes] = written.size.tape_bands


@njit(error_model="numpy")
def begin_term(task, frame, predicate):
    """Write a term up to its alternatives; returns False if the term is too large."""
    old, written = task.predicates, task.written
    number = written.size.boxes
    sums, bands, alternatives = collect_parts(task, frame, predicate, written.boxes[number])
    if sums < 0:
        return False
    frame.position, frame.factors = 0, sums + (bands > 0) + alternatives
    frame.header = written.size.entries
    has_only_sums = frame.factors == sums and sums <= MOST_SUMS
    write_entry(written, TERM, number, frame.factors if has_only_sums else -1)
    written.size.boxes += 1
    for part in range(frame.first, frame.last):
        i = np.int64(task.parts[part])
        if is_sum(task, i):
            write_sum(written, frame, old.value[i], old.bands[i].lower, old.bands[i].upper)
    if bands:
        write_tape(task, frame)
    return True


@njit(error_model="numpy")
def write_simple_term(task, frame, term, facts):
    """Write a simple term."""
    written = task.written
    frame.position, frame.factors = 0, 0
    for k in range(MOST_SUMS):
        frame.factors += term.sums[k].value >= 0
    frame.header = written.size.entries
    facts.first, facts.box, facts.sums = frame.header, written.size.boxes, frame.factors
    facts.bands = facts.alternatives = facts.others = 0
    write_entry(written, TERM, written.size.boxes, frame.factors)
    copy_records(written.boxes[written.size.boxes], term.box, 1)
    written.size.boxes += 1
    for k in range(MOST_SUMS):
        band = term.sums[k]
        if band.value >= 0:
            write_sum(written, frame, band.value, band.lower, band.upper)
    write_end(written, frame.header)


@njit(error_model="numpy")
def write_alternatives(task):
    """Write what a term still needs, when `begin_term` has begun it in the first frame: its alternatives,
    which are terms again. Returns False if a term is too large or too deep.
    """
    old, written = task.predicates, task.written
    depth = 0
    while depth >= 0:
        frame = task.frames[depth]
        part = np.int64(task.parts[frame.part])
        if frame.part == frame.last:
            write_end(written, frame.header)
            depth -= 1
        elif frame.item < 0:
            if old.code[part] == _ANY:
                write_entry(written, EITHER, 0, 0)
                frame.item = old.starts[part]
            else:
                frame.part += 1
        elif frame.item == old.starts[part + 1]:
            write_factor(written, frame, END_EITHER, 0)
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
    written, frame = task.written, task.frames[0]
    copy_records(written.before, written.size, 1)
    size, before = written.size, written.before
    written.used = 0
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
    task.written.tape_starts[0] = 0
    terms = 0
    for k in range(task.count):
        if task.written.size.entries + MOST_ENTRIES > task.room:
            return np.int64(FULL)
        if task.product[k] >= 0:
            write_simple_term(task, task.frames[0], task.products[task.product[k]], task.facts[k])
            terms += 1
        else:
            terms += write_predicate(task, np.int64(task.predicate[k]), task.facts[k])
    return terms


SHARED = {"write_terms": (write_terms, types.int64(types.int64))}
"""The kernel, which serves both precisions."""
