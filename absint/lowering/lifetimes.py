"""How long the values of a plan live, and which of them may share memory.

A plan gives every value a register of its own. An engine that wants little memory gives one *slot* to values
whose lifetimes do not overlap; how large a slot is and where it lies is the engine's affair. All functions
are vectorised over instructions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.lowering.plan import Plan

FIXED_TAPE, X_TAPE, Y_TAPE, FIRST_TAPE = range(4)
"""Numbers of tapes: the fixed values, the bases of x and of y, and, from `FIRST_TAPE` on, those of terms."""

FOREVER = np.iinfo(np.int64).max // 4
"""The last use of a value that is read when its tape has ended."""


class Lifetimes(NamedTuple):
    """The values of a plan with m instructions, each of which makes one, and b bands.

    - `tape` int64[m]: the tape of each instruction.
    - `base` int64[m]: the number of the base that an instruction of `X_TAPE` or `Y_TAPE` makes, -1 for none.
    - `sources` int64[m, 2]: the instructions of the same tape that make the operands, -1 for an operand that
      is made elsewhere, or missing.
    - `bands` int64[b]: the instructions that make the values of bands, -1 likewise.
    - `last` int64[m]: the last instruction that reads each value, the next one if none does; `FOREVER` for
      the values of bands, for bases and for fixed values.
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
    for (first, last), bases in ((plan.x_tape, plan.x_bases), (plan.y_tape, plan.y_bases)):
        numbers = np.full(len(plan.varies), -1, np.int64)
        numbers[bases] = np.arange(len(bases))
        base[first:last] = numbers[plan.instructions[first:last, 1]]
    band_tape = FIRST_TAPE + np.repeat(np.arange(len(plan.tapes)), plan.tapes[:, 3] - plan.tapes[:, 2])
    sources = _find_makers(plan, tape, tape[:, None], plan.instructions[:, 2:])
    bands = _find_makers(plan, tape, band_tape, plan.band_registers)
    last = np.arange(1, count + 1)
    reads = sources >= 0
    np.maximum.at(last, sources[reads], np.nonzero(reads)[0])
    last[bands[bands >= 0]] = FOREVER
    last[base >= 0] = FOREVER
    last[slice(*plan.fixed_tape)] = FOREVER
    return Lifetimes(tape, base, sources, bands, last)


def _tape_of_each(plan: Plan) -> NDArray[np.int64]:
    """int64[m]: the tape of each instruction."""
    ranges = np.array([plan.fixed_tape, plan.x_tape, plan.y_tape, *plan.tapes[:, :2].tolist()], np.int64)
    order = np.argsort(ranges[:, 0], kind="stable")
    return np.repeat(order, ranges[order, 1] - ranges[order, 0])


def _find_makers(
    plan: Plan, tape: NDArray[np.int64], wanted_tape: NDArray[np.int64], wanted: NDArray[np.int32]
) -> NDArray[np.int64]:
    """The instructions of some tapes that make the values of some registers, -1 where there are none."""
    count, registers = len(plan.instructions), len(plan.varies)
    if not count:
        return np.full(wanted.shape, -1, np.int64)
    made = tape * registers + plan.instructions[:, 1]  # a tape makes a register once
    order = np.argsort(made)
    keys = wanted_tape * registers + wanted
    place = np.minimum(np.searchsorted(made[order], keys), count - 1)
    maker: NDArray[Any] = order[place]
    return np.where((made[maker] == keys) & (wanted >= 0), maker, -1)


def assign_slots(
    group: NDArray[np.int64], birth: NDArray[np.int64], death: NDArray[np.int64], groups: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Slots for n values, as few as there are values alive at once. A value takes the free slot that was
    freed last, which is likeliest in a cache.

    `group` int64[n]: values of different groups share nothing; slots are numbered within a group. `birth`,
    `death` int64[n]: a value dies later than it is born, and before what is born at the time of its death;
    `FOREVER` if it never does. Returns the slot of each value, int64[n], and how many slots each group
    has, int64[groups].
    """
    n, counts = len(birth), np.zeros(groups, np.int64)
    if not n:
        return np.zeros(0, np.int64), counts
    order = np.lexsort((np.concatenate([2 * death, 2 * birth + 1]), np.tile(group, 2)))
    value, frees = order % n, order < n
    begin = np.flatnonzero(np.diff(group[value], prepend=-1))
    rank = np.repeat(np.arange(len(begin)), np.diff(begin, append=2 * n))
    # births and deaths are parentheses: a birth takes the slot of the nearest death before it that is open
    step = np.where(frees, 1, -1)
    total = np.cumsum(step)
    total -= (total - step)[begin][rank]
    drop = rank * (2 * n + 1)  # makes the running minimum begin anew with each group
    lowest = np.minimum(np.minimum.accumulate(total - drop) + drop, 0)
    before = np.concatenate([[0], lowest[:-1]])
    before[begin] = 0
    fresh = lowest < before  # births that find no free slot
    np.maximum.at(counts, group[value], -lowest)
    slot = np.full(n, -1, np.int64)
    slot[value[fresh]] = -lowest[fresh] - 1
    paired = np.flatnonzero(~fresh)
    depth = total[paired] - lowest[paired] + ~frees[paired]
    level = paired[np.lexsort((depth, rank[paired]))]  # at each depth, deaths and births alternate
    taking = np.flatnonzero(~frees[level])
    parent = np.arange(n)
    parent[value[level[taking]]] = value[level[taking - 1]]
    while (slot < 0).any():
        slot = np.where(slot < 0, slot[parent], slot)
        parent = parent[parent]
    return slot, counts
