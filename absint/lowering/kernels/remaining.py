"""Operations that are left of a program on sixteen tiles, once bounds have decided its min and max.

Forward over the graph, the bounds of each node go into a slot, which is used again when they are read no
more; of a min or max is noted in which lanes, one of each tile, what is decided. Backward, masks of the
lanes say where each node is demanded: for its value, for `< 0` and for `> 0`. The inner loop of
`absint.study.specialisation` in the interval domain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.native.memory import INLINE, REALS, call2, call3, i32s, i64s, u8s, u16s
from absint.ops.kernels import record_size, row_size
from absint.ops.precision import Precision
from absint.ops.printers import vectors
from absint.ops.table import MAX, MIN, NEG

_MIN, _MAX, _NEG = (op.code for op in (MIN, MAX, NEG))
VALUE, NEGATIVE, POSITIVE = range(3)
"""Kinds of demand, as places among a node's three masks."""

CHOICE = 7
"""Masks of a min or max: where only the left arm is needed and where only the right one, for the value, for
the test that both arms must pass, and for the test that one arm must pass; and where neither may be NaN.
"""

EVERY_LANE = (1 << vectors.LANES) - 1


@njit(**INLINE)
def split(wanted, only_left, only_right, kind, masks, a, b):
    """Demand each arm where it is needed, and return where both are."""
    not_left = wanted & ~only_left
    right_alone = not_left & only_right
    masks[3 * a + kind] |= wanted ^ right_alone
    masks[3 * b + kind] |= not_left
    return not_left ^ right_alone


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """`remaining` for the precision, see there."""
    precision = Precision(precision_name)
    load = vectors.load_f32 if precision is Precision.F32 else vectors.load_f64
    splat, mask_bits, load_mask = vectors.splat, vectors.mask_bits, vectors.load_mask
    store, reals = vectors.store, REALS[precision_name]
    upper, record = row_size(precision), record_size(precision)
    real = types.float32 if precision is Precision.F32 else types.float64
    inf = real(np.inf)

    @njit(**INLINE)
    def record_of(node, slot, values, records, scratch):
        """The address of a node's bounds; those of a constant are written to a scratch record first."""
        if slot[node] >= 0:
            return records + np.int64(slot[node]) * record
        value = values[node]
        nan = value != value
        store(scratch, splat(inf if nan else value))
        store(scratch + upper, splat(-inf if nan else value))
        i64s(scratch + 2 * upper)[0] = EVERY_LANE if nan else 0
        return scratch

    @njit(error_model="numpy")
    def note(is_min, first, second, known, at):
        """Note where a min or max of two records is decided, see `CHOICE`."""
        zero = splat(real(0.0))
        low, high, other_low, other_high = (
            load(first), load(first + upper), load(second), load(second + upper)
        )  # fmt: skip
        number, other_number = ~load_mask(first + 2 * upper), ~load_mask(second + 2 * upper)
        if is_min:  # conjunction: min > 0; disjunction: min < 0
            left, right = high < other_low, other_high <= low
            left_idle, left_idle_too = low > zero, low >= zero
            right_idle, right_idle_too = other_low > zero, other_low >= zero
        else:  # conjunction: max < 0; disjunction: max > 0
            left, right = low > other_high, other_low >= high
            left_idle, left_idle_too = high < zero, high <= zero
            right_idle, right_idle_too = other_high < zero, other_high <= zero
        only_left, only_right = mask_bits(left & other_number), mask_bits(right & number)
        known[at], known[at + 1] = only_left, only_right
        known[at + 2] = only_left | mask_bits(right_idle & other_number)
        known[at + 3] = only_right | mask_bits(left_idle & number)
        known[at + 4] = only_left | mask_bits(right_idle_too & other_number)
        known[at + 5] = only_right | mask_bits(left_idle_too & number)
        known[at + 6] = mask_bits(number & other_number)

    @njit(error_model="numpy")
    def bound(n, op, a, b, kernel, slot, values, records, known):
        """Bound every node; returns the number of choices and the mask of lanes in which the root may be
        negative, and may be something else. Tiles on which it is NaN or not negative are outside.
        """
        choices = 0
        for node in range(n):
            if kernel[node] == 0:
                continue
            first = record_of(np.int64(a[node]), slot, values, records, records - record)
            out = records + np.int64(slot[node]) * record
            if b[node] < 0:
                call2(kernel[node], out, first)
                continue
            second = record_of(np.int64(b[node]), slot, values, records, records - 2 * record)
            if op[node] == _MIN or op[node] == _MAX:
                note(op[node] == _MIN, first, second, known, choices * CHOICE)
                choices += 1
            call3(kernel[node], out, first, second)
        root = record_of(n - 1, slot, values, records, records - record)
        zero = splat(real(0.0))
        low, high, number = load(root), load(root + upper), ~load_mask(root + 2 * upper)
        return choices, EVERY_LANE & ~mask_bits(((high < zero) & number) | (low >= zero))

    @njit(error_model="numpy")
    def choose(is_min, value, negative, positive, known, at, masks, a, b):
        """Pass the demands on a min or max on to its arms; returns where both are needed: there it stays."""
        conjunction, disjunction = (positive, negative) if is_min else (negative, positive)
        kind, other = (POSITIVE, NEGATIVE) if is_min else (NEGATIVE, POSITIVE)
        kept = split(value, np.int64(known[at]), np.int64(known[at + 1]), VALUE, masks, a, b)
        kept |= split(conjunction, np.int64(known[at + 2]), np.int64(known[at + 3]), kind, masks, a, b)
        only_left, only_right = np.int64(known[at + 4]), np.int64(known[at + 5])
        # where an arm may be NaN, the disjunction needs both arms' values, unless one arm is idle
        by_value = disjunction & ~(only_left | only_right | np.int64(known[at + 6]))
        masks[3 * a + VALUE] |= by_value
        masks[3 * b + VALUE] |= by_value
        return kept | by_value | split(disjunction ^ by_value, only_left, only_right, other, masks, a, b)

    @njit(error_model="numpy")
    def count(n, op, a, b, kernel, known, choices, masks, counts):
        """Count what is left in each lane where the root is demanded as its masks say; clears all masks."""
        for node in range(n - 1, -1, -1):
            is_choice = kernel[node] != 0 and (op[node] == _MIN or op[node] == _MAX)
            choices -= is_choice
            value, negative, positive = (
                np.int64(masks[3 * node]), np.int64(masks[3 * node + 1]), np.int64(masks[3 * node + 2])
            )  # fmt: skip
            kept = value | negative | positive
            if kept == 0:
                continue
            masks[3 * node] = masks[3 * node + 1] = masks[3 * node + 2] = 0
            first, second = np.int64(a[node]), np.int64(b[node])
            if first < 0:
                continue
            if is_choice:
                kept = choose(
                    op[node] == _MIN, value, negative, positive, known, choices * CHOICE, masks, first, second
                )  # fmt: skip
            elif op[node] == _NEG:
                masks[3 * first + VALUE] |= value
                masks[3 * first + NEGATIVE] |= positive
                masks[3 * first + POSITIVE] |= negative
            else:
                masks[3 * first + VALUE] |= kept
                if second >= 0:
                    masks[3 * second + VALUE] |= kept
            for lane in range(vectors.LANES):
                counts[lane] += kept >> lane & 1

    def remaining(
        n, op_, a_, b_, kernel_, slot_, values_, records, known_, masks_, lanes, undecided_, counts_
    ):  # fmt: skip
        """Count what is left of a program on sixteen tiles.

        `op` u8[n], `a`, `b` i32[n]: the graph. `kernel` i64[n]: the interval kernel of each operation that
        the root depends on, else 0. `slot` i32[n]: the place of the node's record behind `records`, before
        which lie two for scratch; -1 for a constant, whose number is in `values` real[n]. The records of
        variables are filled. `known` u16[choices, CHOICE]: scratch. `masks` u16[n, 3]: zero before and after.
        `lanes`: those that count. `undecided` i64[1]: the lanes in which the root is. `counts` i32[2, 16]:
        what is left with the root's value demanded there, and with its sign.
        """
        op, a, b, kernel, slot = u8s(op_), i32s(a_), i32s(b_), i64s(kernel_), i32s(slot_)
        known, masks = u16s(known_), u16s(masks_)
        choices, undecided = bound(n, op, a, b, kernel, slot, reals(values_), records, known)
        undecided &= lanes
        i64s(undecided_)[0] = undecided
        if undecided != 0:
            for kind in range(NEGATIVE + 1):
                masks[3 * (n - 1) + kind] = undecided
                of_kind = i32s(counts_ + 4 * vectors.LANES * kind)
                count(n, op, a, b, kernel, known, choices, masks, of_kind)

    return {"remaining": (remaining, types.none(*[types.int64] * 13))}
