"""What threads do together: frames that helpers join, and pictures that are given up. One unit for all
precisions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from absint.native.memory import ask3, call3, i64s

from .layout import AWAKE, DONE, FRAME, FREE, HELPER_WORDS, JOINED, MAILBOX
from .strips import atomic_load, atomic_store, atomic_swap_if, give_way, relax


def kernels() -> dict[str, tuple[Any, Any]]:
    """`draw_together`, `join_frames`, `is_joined` and `abandon`, see there."""
    address, count = types.int64, types.int64
    return {
        "draw_together": (draw_together, count(address, address, address, count)),
        "join_frames": (join_frames, types.none(address, count, count)),
        "is_joined": (is_joined, count(address, address, count)),
        "abandon": (abandon, types.none(address)),
    }


LEAVING = 200
"""Looks whether helpers have left a frame, most of which do at once; its memory can then be used again."""


@njit(error_model="numpy")
def is_joined(crew, frame, helpers):
    """Whether one of so many helpers is in the frame."""
    found = np.int64(0)
    for helper in range(1, helpers + 1):
        if atomic_load(crew + 8 * (HELPER_WORDS * helper + JOINED)) == frame:
            found = np.int64(1)
    return found


def draw_together(crew, frame_, thread, most):
    """Make tiles that nobody has taken, at most `most`; returns how many there were. Helpers may join the
    frame meanwhile, unless they have another. When no tile is left to take, all are finished on return.

    In one piece with what lets helpers in, so that no exception of Python's comes between.
    """
    frame = i64s(frame_)
    mine = atomic_swap_if(crew + 8 * MAILBOX, np.int64(0), frame_)
    taken = ask3(frame[FRAME.draw], frame_, thread, most)
    if mine:
        atomic_store(crew + 8 * MAILBOX, np.int64(0))
    if taken < most:
        ask3(frame[FRAME.draw], frame_, thread, np.int64(-1))
        for _ in range(LEAVING):
            if is_joined(crew, frame_, frame[FRAME.helpers]) == 0:
                break
            relax()
    return taken


def join_frames(crew, helper, patience):
    """A helper's work: draw in the frames that come to the mailbox, until `patience` looks found none.

    A frame's memory is kept while a helper says that it has joined it. It says so, and then looks again
    whether the frame is still there to be joined.
    """
    mine = crew + 8 * HELPER_WORDS * (helper + 1)
    joined = mine + 8 * JOINED
    looks = np.int64(0)
    while looks < patience:
        looks += 1
        offered = atomic_load(crew + 8 * MAILBOX)
        if offered != 0:
            atomic_store(joined, offered)
            if atomic_load(crew + 8 * MAILBOX) == offered:
                frame = i64s(offered)
                left = atomic_load(frame[FRAME.counter]) < frame[FRAME.tiles]
                if left and helper < frame[FRAME.helpers]:
                    thread = i64s(frame[FRAME.helper_threads])[helper]
                    call3(frame[FRAME.draw], offered, thread, frame[FRAME.tiles])
                    looks = np.int64(0)
            atomic_store(joined, np.int64(0))
        for _ in range(20):
            relax()
        give_way()
    atomic_store(mine + 8 * AWAKE, np.int64(0))


def abandon(frame_):
    """See to it that nobody writes to the image any more: tiles that are not finished never will be."""
    frame = i64s(frame_)
    atomic_store(frame[FRAME.counter], frame[FRAME.tiles])
    for tile in range(frame[FRAME.tiles]):
        state = frame[FRAME.states] + 8 * tile
        atomic_swap_if(state, FREE, DONE)
        while atomic_load(state) != DONE:
            relax()
