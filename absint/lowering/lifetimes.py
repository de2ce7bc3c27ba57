"""How long the values of a plan live, and which of them may share memory.

A plan gives every value a register of its own. An engine that wants little memory gives one *slot* to values
whose lifetimes do not overlap; how large a slot is and where it lies is the engine's affair. All functions here
are vectorised over instructions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.lowering.plan import Plan

FIXED_TAPE, X_TAPE, Y_TAPE, FIRST_TAPE = range(4)
"""Numbers of tapes: the fixed values, the bases of each axis, and, from `FIRST_TAPE` on, those of terms."""

FOREVER = np.iinfo(np.int64).max // 4
"""The last use of a value that is read when its tape has ended."""


class Lifetimes(NamedTuple):
    """Of a plan with m instructions and b bands, each instruction of which makes one value.

    `tape` int64[m]: the tape of each instruction. `sources` int64[m, 2]: the instructions that make the
    operands in the same tape, -1 for an operand that another tape or none makes, or that is missing. `bands`
    int64[b]: the instructions that make the values of bands, -1 likewise. `last` int64[m]: the last
    instruction that reads each value, the next one if none does; `FOREVER` for the values of bands, for bases
    and for fixed values.
    """

    tape: NDArray[np.int64]
    sources: NDArray[np.int64]
    bands: NDArray[np.int64]
    last: NDArray[np.int64]


def find_lifetimes(plan: Plan) -> Lifetimes:
    """The lifetimes of the values that a plan's instructions make."""
    count, registers = len(plan.instructions), len(plan.varies)
    ranges = np.array([plan.fixed_tape, plan.x_tape, plan.y_tape, *plan.tapes[:, :2].tolist()], np.int64)
    tape = np.empty(count, np.int64)
    lengths = ranges[:, 1] - ranges[:, 0]
    by_position = np.argsort(ranges[:, 0], kind="stable")  # an empty tape comes before one that begins there
    tape[:] = np.repeat(by_position, lengths[by_position])
    made = tape * registers + plan.instructions[:, 1]
    order = np.argsort(made)
    made = made[order]

    def maker(tape_: NDArray[np.int64], register: NDArray[Any]) -> NDArray[np.int64]:
        if not count:
            return np.full(len(register), -1, np.int64)
        wanted = tape_ * registers + register
        place = np.minimum(np.searchsorted(made, wanted), count - 1)
        return np.where((made[place] == wanted) & (register >= 0), order[place], -1)

    sources = np.stack([maker(tape, plan.instructions[:, 2]), maker(tape, plan.instructions[:, 3])], axis=1)
    band_tape = FIRST_TAPE + np.repeat(np.arange(len(plan.tapes)), plan.tapes[:, 3] - plan.tapes[:, 2])
    bands = maker(band_tape, plan.band_registers)
    last = np.arange(1, count + 1)
    reads = sources >= 0
    np.maximum.at(last, sources[reads], np.nonzero(reads)[0])
    last[bands[bands >= 0]] = FOREVER
    last[tape == FIXED_TAPE] = FOREVER
    for number, bases in ((X_TAPE, plan.x_bases), (Y_TAPE, plan.y_bases)):
        last[(tape == number) & np.isin(plan.instructions[:, 1], bases)] = FOREVER
    return Lifetimes(tape, sources, bands, last)


def assign_slots(
    group: NDArray[np.int64], birth: NDArray[np.int64], death: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Slots of values that need one, as few as there are values alive at once, and the most recently freed
    slot first, which is likeliest in a cache.

    Slots are numbered within groups, int64[n]. A value is born at a time and dies at a later one, before
    what is born at that time; `death` is `FOREVER` if it never does. Returns the slot of each value,
    int64[n], and how many slots each group has, int64[largest group + 1].
    """
    n = len(birth)
    counts = np.zeros(int(group.max()) + 1 if n else 0, np.int64)
    if not n:
        return np.zeros(0, np.int64), counts
    value, groups = np.tile(np.arange(n), 2), np.tile(group, 2)
    order = np.lexsort((np.concatenate([2 * death, 2 * birth + 1]), groups))
    value, groups, frees = value[order], groups[order], order < n
    # births and deaths are parentheses: a birth takes the slot of the nearest death before it that is open
    free = np.cumsum(np.where(frees, 1, -1))
    first = np.flatnonzero(np.diff(groups, prepend=groups[0] - 1))
    lengths = np.diff(first, append=2 * n)
    rank = np.repeat(np.arange(len(first)), lengths)
    free -= np.repeat(free[first] - np.where(frees[first], 1, -1), lengths)
    drop = rank * (2 * n + 1)  # starts the running minimum anew with each group
    least = np.minimum(np.minimum.accumulate(free - drop) + drop, 0)
    before = np.concatenate([[0], least[:-1]])
    before[first] = 0
    fresh = ~frees & (least < before)
    slot, parent = np.full(n, -1, np.int64), np.arange(n)
    slot[value[fresh]] = -least[fresh] - 1
    np.maximum.at(counts, groups[fresh], -least[fresh])
    paired = np.flatnonzero(~fresh)
    depth = free[paired] - least[paired] + ~frees[paired]
    level = paired[np.lexsort((depth, rank[paired]))]
    taking = np.flatnonzero(~frees[level])
    parent[value[level[taking]]] = value[level[taking - 1]]
    while (slot < 0).any():
        parent = parent[parent]
        slot = np.where(slot < 0, slot[parent], slot)
    return slot, counts
