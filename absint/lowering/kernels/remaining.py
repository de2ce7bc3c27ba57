"""Operations that remain of a program on sixteen tiles, once bounds have decided its min and max.

Forward over the graph, the bounds of each node go into a slot, which is used again when they are read no
more; of a min or max is noted in which lanes, one of each tile, what is decided. Backward, masks of the
lanes say where each node is demanded: for its value, for `< 0` and for `> 0`. The inner loop of
`absint.study.specialisation` in the interval domain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from absint.lowering.kernels.records import RemainingTask
from absint.native.memory import INLINE, address_of, call2, call3
from absint.native.record_pointers import address_of_record, pointer_to
from absint.ops.precision import Precision
from absint.ops.printers import lanes, vectors
from absint.ops.printers.vectors import LANES, mask_bits, mask_of, splat
from absint.ops.table import MAX, MIN, NEG

_MIN, _MAX, _NEG = (op.code for op in (MIN, MAX, NEG))

EVERY_LANE = (1 << LANES) - 1


@intrinsic
def load_lanes(typingctx: Any, numbers: Any) -> Any:
    """The sixteen numbers from a pointer on, as a vector."""
    vector = vectors.F32x16 if numbers.dtype == types.float32 else vectors.F64x16

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return lanes.load(builder, builder.ptrtoint(arguments[0], ir.IntType(64)), vector.llvm)

    return vector(numbers), codegen


@njit(**INLINE)
def numbers_of(bounds):
    """The lanes in which bounds hold no NaN."""
    return ~mask_of(bounds.may_nan)


@njit(**INLINE)
def bounds_of(task, node, scratch, inf):
    """The bounds of a node; those of a constant are written to `scratch`."""
    if task.slot[node] >= 0:
        return task.bounds[task.slot[node]]
    value = task.values[node]
    nan = value != value
    vectors.store(address_of(scratch.lower), splat(inf if nan else value))
    vectors.store(address_of(scratch.upper), splat(-inf if nan else value))
    scratch.may_nan = EVERY_LANE if nan else 0
    return scratch


@njit(error_model="numpy")
def write_choice(is_min, first, second, choice, zero):
    """Write where a min or max of two bounds is decided."""
    low, high = load_lanes(first.lower), load_lanes(first.upper)
    other_low, other_high = load_lanes(second.lower), load_lanes(second.upper)
    number, other_number = numbers_of(first), numbers_of(second)
    zeros = splat(zero)
    if is_min:  # conjunction: min > 0; disjunction: min < 0
        left, right = high < other_low, other_high <= low
        left_idle, left_idle_too = low > zeros, low >= zeros
        right_idle, right_idle_too = other_low > zeros, other_low >= zeros
    else:  # conjunction: max < 0; disjunction: max > 0
        left, right = low > other_high, other_low >= high
        left_idle, left_idle_too = high < zeros, high <= zeros
        right_idle, right_idle_too = other_high < zeros, other_high <= zeros
    only_left, only_right = mask_bits(left & other_number), mask_bits(right & number)
    choice.left, choice.right = only_left, only_right
    choice.conjunction_left = only_left | mask_bits(right_idle & other_number)
    choice.conjunction_right = only_right | mask_bits(left_idle & number)
    choice.disjunction_left = only_left | mask_bits(right_idle_too & other_number)
    choice.disjunction_right = only_right | mask_bits(left_idle_too & number)
    choice.numbers = mask_bits(number & other_number)


@njit(error_model="numpy")
def bound_nodes(task, zero, inf):
    """Bound every node; returns the number of choices, and the mask of lanes in which the root may be
    negative and may be something else. Tiles on which the root is NaN or not negative are outside.
    """
    choices = 0
    for node in range(task.count):
        kernel = task.kernel[node]
        if kernel == 0:
            continue
        a, b = np.int64(task.operands[node].a), np.int64(task.operands[node].b)
        first = bounds_of(task, a, task.scratch[0], inf)
        made = address_of_record(task.bounds[task.slot[node]])
        if b < 0:
            call2(kernel, made, address_of_record(first))
            continue
        second = bounds_of(task, b, task.scratch[1], inf)
        if task.op[node] == _MIN or task.op[node] == _MAX:
            write_choice(task.op[node] == _MIN, first, second, task.choices[choices], zero)
            choices += 1
        call3(kernel, made, address_of_record(first), address_of_record(second))
    root = bounds_of(task, task.count - 1, task.scratch[0], inf)
    low, high, zeros = load_lanes(root.lower), load_lanes(root.upper), splat(zero)
    return choices, EVERY_LANE & ~mask_bits(((high < zeros) & numbers_of(root)) | (low >= zeros))


@njit(**INLINE)
def split(wanted, only_left, only_right):
    """Of lanes in which a min or max is demanded: where its left arm is needed, where its right arm is, and
    where both are.
    """
    not_left = wanted & ~np.int64(only_left)
    right_alone = not_left & np.int64(only_right)
    return wanted ^ right_alone, not_left, not_left ^ right_alone


@njit(error_model="numpy")
def demand_arms(is_min, demand, choice, first, second):
    """Pass the demands on a min or max on to its arms; returns where both are needed: there it remains."""
    negative, positive = np.int64(demand.negative), np.int64(demand.positive)
    conjunction, disjunction = (positive, negative) if is_min else (negative, positive)
    left, right, both = split(np.int64(demand.value), choice.left, choice.right)
    and_left, and_right, and_both = split(conjunction, choice.conjunction_left, choice.conjunction_right)
    only_left, only_right = np.int64(choice.disjunction_left), np.int64(choice.disjunction_right)
    # where an arm may be NaN, the disjunction needs both arms' values, unless one arm is idle
    by_value = disjunction & ~(only_left | only_right | np.int64(choice.numbers))
    or_left, or_right, or_both = split(disjunction ^ by_value, only_left, only_right)
    first.value |= left | by_value
    second.value |= right | by_value
    first.positive |= and_left if is_min else or_left
    second.positive |= and_right if is_min else or_right
    first.negative |= or_left if is_min else and_left
    second.negative |= or_right if is_min else and_right
    return both | by_value | and_both | or_both


@njit(**INLINE)
def clear(demand):
    """Demand a node in no lane."""
    demand.value = demand.negative = demand.positive = 0


@njit(error_model="numpy")
def count_demanded(task, choices, counts):
    """Count the operations that are demanded in each lane, where the root is as its masks say; clears all
    masks.
    """
    demands = task.demands
    for node in range(task.count - 1, -1, -1):
        op = task.op[node]
        is_choice = task.kernel[node] != 0 and (op == _MIN or op == _MAX)
        choices -= is_choice
        demand = demands[node]
        kept = np.int64(demand.value | demand.negative | demand.positive)
        a, b = np.int64(task.operands[node].a), np.int64(task.operands[node].b)
        if kept == 0 or a < 0:
            clear(demand)
            continue
        if is_choice:
            kept = demand_arms(op == _MIN, demand, task.choices[choices], demands[a], demands[b])
        elif op == _NEG:
            demands[a].value |= demand.value
            demands[a].negative |= demand.positive
            demands[a].positive |= demand.negative
        else:
            demands[a].value |= kept
            if b >= 0:
                demands[b].value |= kept
        clear(demand)
        for lane in range(LANES):
            counts[lane] += kept >> lane & 1


@njit(error_model="numpy")
def count_operations(task, zero, inf):
    """Count what remains of a program on sixteen tiles, see `RemainingTask`."""
    choices, undecided = bound_nodes(task, zero, inf)
    task.undecided = undecided & task.lanes
    if task.undecided != 0:
        root = task.demands[task.count - 1]
        root.value = task.undecided
        count_demanded(task, choices, task.operations)
        root.negative = task.undecided
        count_demanded(task, choices, task.operations_for_sign)


def kernels(precision_name: str) -> dict[str, tuple[Any, Any]]:
    """`count_remaining` for the precision."""
    task_at = pointer_to(RemainingTask.of(precision_name))
    real = types.float32 if Precision(precision_name) is Precision.F32 else types.float64

    def count_remaining(address):
        count_operations(task_at(address), real(0.0), real(np.inf))

    return {"count_remaining": (count_remaining, types.none(types.int64))}
