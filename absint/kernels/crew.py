"""What helper threads do, and how a picture is given up. One unit for all precisions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from absint.kernels.layout import AWAKE, DONE, FRAME, FREE, HELPER_WORDS, JOINED, MAILBOX
from absint.kernels.memory import call3, i64s
from absint.kernels.strips import atomic_load, atomic_store, atomic_swap_if, give_way, relax


def kernels() -> dict[str, tuple[Any, Any]]:
    """`join_frames` and `abandon`, see there."""
    address = types.int64
    return {
        "join_frames": (join_frames, types.none(address, address, address)),
        "abandon": (abandon, types.none(address)),
    }


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
