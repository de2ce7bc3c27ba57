"""Lifetimes of a plan's values, and slots of memory that values share.

A plan gives every value a register of its own. To save memory, an engine gives one *slot* to values whose
lifetimes do not overlap; size and place of slots are up to the engine. All functions are vectorised over
instructions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.lowering.plan import Plan

FIXED_TAPE, X_TAPE, Y_TAPE, FIRST_TAPE = range(4)
"""Numbers of tapes: the fixed values, the bases of x and of y, and, from `FIRST_TAPE` on, those of terms."""

FOREVER = np.iinfo(np.int64).max // 4
"""Last use of a value that is read after the end of its tape."""


class Lifetimes(NamedTuple):
    """The values of a plan with m instructions, each of which makes one, and b bands.

    - `tape` int64[m]: the tape of each instruction.
    - `base` int64[m]: the number of the base that an instruction of `X_TAPE` or `Y_TAPE` makes, -1 for none.
    - `sources` int64[m, 2]: the instructions of the same tape that make the operands, -1 for an operand that
      is missing or made outside the tape.
    - `bands` int64[b]: the instructions that make the values of bands, -1 likewise.
    - `last` int64[m]: the last instruction that reads each value, the following instruction if none does;
      `FOREVER` for the values of bands, for bases and for fixed values.
    """

    tape: NDArray[np.int64]
    base: NDArray[np.int64]
    sources: NDArray[np.int64]
    bands: NDArray[np.int64]
    last: NDArray[np.int64]


def find_lifetimes(plan: Plan) -> Lifetimes:
    """The lifetimes of the values that a plan's instructions make."""
    count = len(plan.instructions)
    tape, base = _tape_of_each(plan), np.full(count, -1, np.int64)
    for axis_tape, bases in ((plan.x_tape, plan.x_bases), (plan.y_tape, plan.y_bases)):
        numbers = np.full(len(plan.varies), -1, np.int64)
        numbers[bases] = np.arange(len(bases))
        own = slice(*axis_tape)
        base[own] = numbers[plan.instructions[own, 1]]
    # a tape makes a register at most once, so tape and register identify an instruction
    made = tape * len(plan.varies) + plan.instructions[:, 1]
    band_tape = FIRST_TAPE + np.repeat(np.arange(len(plan.tapes)), plan.tapes[:, 3] - plan.tapes[:, 2])
    wanted = np.concatenate([plan.instructions[:, 2], plan.instructions[:, 3], plan.band_registers])
    keys = np.concatenate([tape, tape, band_tape]) * len(plan.varies) + wanted
    makers = np.where(wanted >= 0, _find(made, keys), -1)
    sources, bands = makers[: 2 * count].reshape(2, count), makers[2 * count :]
    last = np.arange(1, count + 1)
    for operand in sources:
        reads = np.flatnonzero(operand >= 0)
        read = operand[reads]
        # of several readers of one value, the last one is assigned last
        last[read] = np.maximum(last[read], reads)
    last[bands[bands >= 0]] = FOREVER
    last[base >= 0] = FOREVER
    last[slice(*plan.fixed_tape)] = FOREVER
    return Lifetimes(tape, base, sources.T, bands, last)


def _tape_of_each(plan: Plan) -> NDArray[np.int64]:
    """int64[m]: the tape of each instruction."""
    ranges = np.concatenate([[plan.fixed_tape, plan.x_tape, plan.y_tape], plan.tapes[:, :2]])
    order = np.argsort(ranges[:, 0], kind="stable")
    return np.repeat(order, (ranges[:, 1] - ranges[:, 0])[order])


def _find(numbers: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """The index of each of `wanted` in `numbers`, which are distinct; -1 for those not in it."""
    if not len(numbers):
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(numbers)
    place = order[np.minimum(np.searchsorted(numbers, wanted, sorter=order), len(numbers) - 1)]
    return np.where(numbers[place] == wanted, place, -1)


def assign_slots(
    group: NDArray[np.int64], birth: NDArray[np.int64], death: NDArray[np.int64], groups: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Assign slots to n values: as many slots as values are alive at once. A value takes the slot that was
    freed last, since that one is most likely in a cache.

    `group` int64[n]: values of different groups share no slot; slots are numbered within each group. `birth`,
    `death` int64[n]: a value dies later than it is born, and before what is born at the time of its death;
    `FOREVER` if it never does. Returns the slot of each value, int64[n], and how many slots each group has,
    int64[groups].
    """
    n, counts = len(birth), np.zeros(groups, np.int64)
    if not n:
        return np.zeros(0, np.int64), counts
    end = int(birth.max()) + 1
    key = group * (2 * end + 2)
    order = np.argsort(np.concatenate([key + 2 * np.minimum(death, end), key + 2 * birth + 1]))
    value, frees = order % n, order < n
    begin = np.flatnonzero(np.diff(group[value], prepend=-1))
    rank = np.repeat(np.arange(len(begin)), np.diff(begin, append=2 * n))
    # Births and deaths are parentheses: a birth takes the slot of the nearest death before it that is open.
    # `total` is 0 again where a group ends, as all of its values have died.
    total = np.cumsum(np.where(frees, 1, -1))
    drop = rank * (2 * n + 1)  # restarts the running minimum in each group
    lowest = np.minimum(np.minimum.accumulate(total - drop) + drop, 0)
    counts[group[value[begin]]] = -np.minimum.reduceat(lowest, begin)
    before = np.roll(lowest, 1)
    before[begin] = 0
    fresh = lowest < before  # births that find no free slot
    slot, parent = np.full(n, -1, np.int64), np.arange(n)
    slot[value[fresh]] = -lowest[fresh] - 1
    paired = np.flatnonzero(~fresh)
    depth = total - lowest + ~frees + drop
    level = paired[np.argsort(depth[paired], kind="stable")]  # at each depth, deaths and births alternate
    taking = np.flatnonzero(~frees[level])
    parent[value[level[taking]]] = value[level[taking - 1]]
    while (slot < 0).any():
        slot = np.where(slot < 0, slot[parent], slot)
        parent = parent[parent]
    return slot, counts
