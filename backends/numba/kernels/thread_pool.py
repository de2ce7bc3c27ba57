"""What threads do together: frames that helpers join, and pictures that are given up. One unit for all
precisions: a `Frame` begins with its `Tiles`, and a kernel sees no more of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.native.memory import ask3, call3
from absint.native.record_pointers import place_of, pointer_to

from .frame_records import DONE, FREE, PoolMemory, Tiles
from .rows import CALLED
from .strips import atomic_load, atomic_store, atomic_swap_if, give_way, relax

LEAVING = 200
"""Looks whether helpers have left a frame, most of which do at once; its memory can then be used again."""

tiles_at, pool_at = pointer_to(Tiles), pointer_to(PoolMemory)


def kernels() -> dict[str, tuple[Any, Any]]:
    """`draw_together`, `join_frames`, `is_joined` and `abandon`, see there."""
    address, count = types.int64, types.int64
    return {
        "draw_together": (draw_together, count(address, address, address, count)),
        "join_frames": (join_frames, types.none(address, count, count)),
        "is_joined": (is_joined, count(address, address, count)),
        "abandon": (abandon, types.none(address)),
    }


@njit(**CALLED)
def is_joined(pool, frame, helpers):
    """Whether one of the first `helpers` helpers is in a frame."""
    found = np.int64(0)
    for number in range(helpers):
        if atomic_load(place_of(pool_at(pool).helpers[number], "joined")) == frame:
            found = np.int64(1)
    return found


def draw_together(pool, frame, thread, most):
    """Make tiles that nobody has taken, at most `most`; returns how many there were. Helpers may join the
    frame meanwhile, unless they have another. When no tile is left to take, all are finished on return.

    In one piece with what lets helpers in, so that no exception of Python's comes between.
    """
    tiles, offered = tiles_at(frame), place_of(pool_at(pool), "offered")
    mine = atomic_swap_if(offered, np.int64(0), frame)
    taken = ask3(tiles.draw, frame, thread, most)
    if mine:
        atomic_store(offered, np.int64(0))
    if taken < most:
        ask3(tiles.draw, frame, thread, np.int64(-1))
        for _ in range(LEAVING):
            if is_joined(pool, frame, tiles.helpers) == 0:
                break
            relax()
    return taken


@njit(**CALLED)
def help_draw(frame, number):
    """Make tiles of a frame as one of its helpers; whether there were any to take."""
    tiles = tiles_at(frame)
    if atomic_load(tiles.next) >= tiles.count or number >= tiles.helpers:
        return False
    call3(tiles.draw, frame, tiles.helper_threads[number], tiles.count)
    return True


def join_frames(pool_, number, patience):
    """A helper's work: draw in the frames that are offered, until `patience` looks found none.

    A frame's memory is kept while a helper says that it has joined it. It says so, and then looks again
    whether the frame is still there to be joined.
    """
    pool = pool_at(pool_)
    offered, joined = place_of(pool, "offered"), place_of(pool.helpers[number], "joined")
    looks = np.int64(0)
    while looks < patience:
        looks += 1
        frame = atomic_load(offered)
        if frame != 0:
            atomic_store(joined, frame)
            if atomic_load(offered) == frame and help_draw(frame, number):
                looks = np.int64(0)
            atomic_store(joined, np.int64(0))
        for _ in range(20):
            relax()
        give_way()
    atomic_store(place_of(pool.helpers[number], "is_awake"), np.int64(0))


def abandon(frame):
    """See to it that nobody writes to the image any more: tiles that are not finished never will be."""
    tiles = tiles_at(frame)
    atomic_store(tiles.next, tiles.count)
    for tile in range(tiles.count):
        state = tiles.states + tile
        atomic_swap_if(state, FREE, DONE)
        while atomic_load(state) != DONE:
            relax()
