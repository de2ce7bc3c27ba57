"""Leaves: the program of a small region run on its pixels, in one of two ways.

`BY_ROWS`, a row of sixteen lanes is a row of pixels, and a step takes as many rows as its value varies: one
if it depends on x alone, one with a number for each row of pixels if on y alone, else a row for each row of
pixels. `BY_BLOCKS`, a row of lanes is a block of four by four pixels: x and y vary in it, but blocks can be
left out. The memory of a value is given to a later one after its last use, so that most of what a leaf
touches stays in the nearest cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from absint.lowering.plan_format import ALL_OF, ANY_OF, IN_BAND, STEP, UNARY
from absint.native.memory import INLINE, REALS, address_of, call4, call6, i32s, i64s, u8s
from absint.ops.precision import Precision

from .layout import REGION_LEAF, REGION_THREAD, REGIONS
from .tapes import band_tester

FIXED, ROW, COLUMN, BOTH = range(4)
"""Classes of values, as `absint.lowering.tape_code` has them: what they depend on, x (1) and y (2)."""

BY_ROWS, BY_BLOCKS = range(2)

MASK = 2 * REGION_LEAF
"""Bytes of a predicate's truth on the pixels of all rows: a u16 for each."""

CODE = 8
"""Numbers (int64) of a step as it is laid out."""


def leaf_runner(precision: Precision) -> Any:
    """The function that runs a region's program on pixels, for a precision."""
    reals = REALS[precision.value]
    size = precision.dtype.itemsize
    test_band = band_tester(precision)

    @njit(**INLINE)
    def reading(theirs, mine, row_bytes):
        """How an operation of class `mine` reads an operand: whether it is one number a row, and the step."""
        if mine != BOTH:
            return theirs != mine, np.int64(0)
        if theirs == BOTH:
            return False, row_bytes
        return theirs != ROW, np.int64(size) if theirs == COLUMN else np.int64(0)

    @njit(**INLINE)
    def find_last_uses(kinds, steps, count, last):
        """The last step that reads each step's number."""
        for i in range(count):
            a, b = np.int64(steps[STEP * i + 1]), np.int64(steps[STEP * i + 2])
            kind = kinds[np.int64(steps[STEP * i])]
            last[i] = -1
            if kind != ALL_OF and kind != ANY_OF:
                if a >= 0:
                    last[a] = i
                if kind != UNARY and kind != IN_BAND and b >= 0:
                    last[b] = i

    @njit(**INLINE)
    def combine(kind, masks, items, first, count, out_):
        """`all` or `any` of some predicates, which are listed."""
        out = i64s(out_)
        for word in range(MASK // 8):  # four rows to a word
            found = i64s(masks + MASK * np.int64(items[first]))[word]
            for k in range(first + 1, first + count):
                other = i64s(masks + MASK * np.int64(items[k]))[word]
                found = found & other if kind == ALL_OF else found | other
            out[word] = found

    @njit(error_model="numpy")
    def lay_out(region, thread, way, steps, count):
        """Where each step's value goes and where its operands are: `CODE` numbers for each step.

        Kernel, out, a, a's step, b, b's step, whether it is of all rows, kind; of a band out, a, a's step and
        node in the places that these have; of a list its first item and count in a and b.
        """
        kinds, kernels = u8s(region[REGIONS.kind]), i64s(region[REGIONS.row_kernels])
        row_bytes = region[REGIONS.row_bytes]
        specials = 2 + region[REGIONS.fixed]
        sources = i64s(thread[REGION_THREAD.sources] + 8 * way * specials)
        source_classes = u8s(thread[REGION_THREAD.source_classes] + way * specials)
        places, classes = i64s(thread[REGION_THREAD.places]), u8s(thread[REGION_THREAD.classes])
        last = i32s(thread[REGION_THREAD.last])
        free_rows = i64s(thread[REGION_THREAD.free_rows])
        free_blocks = i64s(thread[REGION_THREAD.free_blocks])
        slots, masks = thread[REGION_THREAD.slots], thread[REGION_THREAD.masks]
        code = i64s(thread[REGION_THREAD.leaf_code])
        find_last_uses(kinds, steps, count, last)
        rows_free = blocks_free = np.int64(0)
        end = slots  # of the slots in use so far
        for i in range(count):
            node, a, b = (
                np.int64(steps[STEP * i]), np.int64(steps[STEP * i + 1]), np.int64(steps[STEP * i + 2]),
            )  # fmt: skip
            kind = np.int64(kinds[node])
            at = CODE * i
            code[at + 7] = kind
            if kind == ALL_OF or kind == ANY_OF:
                code[at + 1], code[at + 2], code[at + 4] = masks + MASK * i, a, b
                continue
            if a >= 0:
                place_a, class_a = places[a], np.int64(classes[a])
            else:
                place_a, class_a = sources[~a], np.int64(source_classes[~a])
            if kind == IN_BAND:
                step = row_bytes if class_a == BOTH else size if class_a == COLUMN else 0
                code[at + 1], code[at + 2], code[at + 3], code[at + 4] = masks + MASK * i, place_a, step, node
                if a >= 0 and last[a] == i:
                    if class_a == BOTH:
                        free_blocks[blocks_free] = place_a
                        blocks_free += 1
                    else:
                        free_rows[rows_free] = place_a
                        rows_free += 1
                continue
            place_b, class_b = place_a, class_a
            if kind != UNARY:
                if b >= 0:
                    place_b, class_b = places[b], np.int64(classes[b])
                else:
                    place_b, class_b = sources[~b], np.int64(source_classes[~b])
            mine = class_a | class_b
            # an operand whose last use this is makes room for the result, if it is of the same class
            if a >= 0 and last[a] == i:
                if class_a == BOTH:
                    free_blocks[blocks_free] = place_a
                    blocks_free += 1
                elif class_a == mine:
                    free_rows[rows_free] = place_a
                    rows_free += 1
            if kind != UNARY and b >= 0 and b != a and last[b] == i:
                if class_b == BOTH:
                    free_blocks[blocks_free] = place_b
                    blocks_free += 1
                elif class_b == mine:
                    free_rows[rows_free] = place_b
                    rows_free += 1
            if mine == BOTH:
                if blocks_free > 0:
                    blocks_free -= 1
                    out_place = free_blocks[blocks_free]
                else:
                    out_place = end
                    end += row_bytes * REGION_LEAF
            elif rows_free > 0:
                rows_free -= 1
                out_place = free_rows[rows_free]
            else:
                out_place = end
                end += row_bytes
            places[i] = out_place
            classes[i] = mine
            single_a, step_a = reading(class_a, mine, row_bytes)
            code[at + 1], code[at + 2], code[at + 3] = out_place, place_a, step_a
            code[at + 6] = mine == BOTH
            shape = np.int64(0)
            if kind != UNARY:
                single_b, step_b = reading(class_b, mine, row_bytes)
                code[at + 4], code[at + 5] = place_b, step_b
                shape = np.int64(2 if single_a else 1 if single_b else 0)
            code[at] = kernels[3 * node + shape]

    @njit(error_model="numpy")
    def run_pixels(region, thread, way, steps, count, items, rows):
        """Run a region's program on rows of lanes; returns the address of a u16 for each.

        What was laid out last is used again where it is of the same program, as it is in all regions whose
        program is not shorter than their parent's.
        """
        program = address_of(steps)
        if (
            thread[REGION_THREAD.laid_steps] != program
            or thread[REGION_THREAD.laid_count] != count
            or thread[REGION_THREAD.laid_way] != way
        ):
            lay_out(region, thread, way, steps, count)
            thread[REGION_THREAD.laid_steps] = program
            thread[REGION_THREAD.laid_count] = count
            thread[REGION_THREAD.laid_way] = way
        ends, masks = reals(region[REGIONS.ends]), thread[REGION_THREAD.masks]
        code = i64s(thread[REGION_THREAD.leaf_code])
        for at in range(0, CODE * count, CODE):
            kind = code[at + 7]
            if kind == UNARY:
                call4(code[at], code[at + 1], code[at + 2], code[at + 3], rows if code[at + 6] else 1)
            elif kind == IN_BAND:
                node = code[at + 4]
                low, high = ends[2 * node], ends[2 * node + 1]
                test_band(code[at + 1], code[at + 2], code[at + 3], low, high, rows)
            elif kind == ALL_OF or kind == ANY_OF:
                combine(kind, masks, items, code[at + 2], code[at + 4], code[at + 1])
            else:
                call6(
                    code[at], code[at + 1], code[at + 2], code[at + 3], code[at + 4], code[at + 5],
                    rows if code[at + 6] else 1,
                )  # fmt: skip
        return masks + MASK * (count - 1)

    return run_pixels
