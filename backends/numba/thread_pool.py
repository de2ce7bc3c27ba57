"""Helper threads that join frames while there are tiles to take.

No thread waits for a helper. A helper that wakes late may find nothing left to do: when no tile is left to
take, the thread that asked for the picture makes all tiles that are not finished, also those that helpers
have taken, except for one that a helper is just writing. After a frame a helper looks for the next one for
about a millisecond, giving way to other threads, and then sleeps.

A helper may be in a frame long after its picture is finished or given up. So the pool keeps the memory of a
frame alive from before helpers may join it until it is released and no helper is in it.

Any number of threads may draw at a time, and a signal handler may draw while it interrupts a picture. So no
thread waits for a lock.
"""

from __future__ import annotations

import atexit
import itertools
import os
import threading
from typing import Any

from absint.native.units import Unit

from .kernels.frame_records import PoolMemory
from .memory import allocate

PATIENCE = 2000
"""Looks for a frame before a helper sleeps, roughly a millisecond."""

REST = 20
"""Seconds that helpers rest for each second of delay that they cause."""

MOST = 256
"""Helpers of a process."""


class ThreadPool:
    """The helpers of a process, and the frames that they may be in. One frame at a time can be joined."""

    def __init__(self) -> None:
        self._memory = allocate(PoolMemory)
        self._states = list(self._memory.helpers)
        self.address = self._memory.address
        self._helpers: list[tuple[threading.Thread, threading.Semaphore]] = []
        self._tickets = itertools.count()
        self._kept: dict[int, tuple[int, object]] = {}
        """The frames that helpers may be in, each with the owners of its memory, by tickets. A frame that is
        drawn again has another ticket.
        """
        self._released: list[int] = []
        """Tickets of frames that no helper will join any more."""
        self._stopping = False
        self._resting_until = 0.0
        self._starting = threading.Lock()
        self._dropping = threading.Lock()

    def wake(self, helpers: int, kernels: Unit, now: float) -> bool:
        """Wake up to `helpers` helpers, at most `MOST`, to look for a frame. Returns whether any was woken.

        Fewer helpers wake if the system refuses threads, and none while helpers rest. `now`: seconds of
        `time.perf_counter`.
        """
        if now < self._resting_until:
            return False
        if len(self._helpers) < helpers:
            self._start(helpers, kernels)
        for (_, woken), state in zip(self._helpers[:helpers], self._states, strict=False):
            if not state.is_awake:
                state.is_awake = 1
                woken.release()
        return bool(self._helpers)

    def rest(self, now: float, lost: float) -> None:
        """Let helpers rest if they delayed a frame by `lost` seconds, for long enough that such delays stay a
        small part of the time.

        Helpers do harm where other processes keep the cores busy: a helper that looks for work then takes the
        place of the thread that hands it out.
        """
        if lost > 0:
            self._resting_until = now + REST * lost

    def keep(self, frame: int, owners: object) -> int:
        """Keep the owners of a frame's memory alive. `frame`: its address. Returns a ticket: the owners are
        kept until the ticket is released and no helper is in the frame.
        """
        ticket = next(self._tickets)
        self._kept[ticket] = frame, owners
        return ticket

    def release(self, ticket: int, kernels: Unit) -> None:
        """Say that no helper will join the ticket's frame any more. Drops all released frames that no helper
        is in, unless another thread is doing that.
        """
        self._released.append(ticket)
        if self._dropping.acquire(blocking=False):
            try:
                for old in list(self._released):
                    if not self.is_in(self._kept[old][0], kernels):
                        self._released.remove(old)
                        del self._kept[old]
            finally:
                self._dropping.release()

    def is_in(self, frame: int, kernels: Unit) -> bool:
        """Whether some helper is in the frame at an address."""
        return bool(kernels["is_joined"](self.address, frame, len(self._helpers)))

    def _start(self, helpers: int, kernels: Unit) -> None:
        """Start helpers until there are `helpers`; stop early if the system refuses threads or another thread
        is starting some.
        """
        join = kernels["join_frames"]
        if not self._starting.acquire(blocking=False):
            return
        try:
            while len(self._helpers) < helpers:
                number, woken = len(self._helpers), threading.Semaphore(0)
                thread = threading.Thread(
                    target=self._work, args=(number, woken, join), name=f"absint-helper-{number}", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:
                    return
                self._helpers.append((thread, woken))
        finally:
            self._starting.release()

    def _work(self, number: int, woken: threading.Semaphore, join: Any) -> None:
        """Help with frames whenever the helper is woken, until the pool is stopped."""
        while True:
            woken.acquire()
            if self._stopping:
                return
            join(self.address, number, PATIENCE)

    def stop(self) -> None:
        """End all helpers."""
        self._stopping = True
        for _, woken in self._helpers:
            woken.release()
        for thread, _ in self._helpers:
            thread.join(1.0)


pool = ThreadPool()


def _stop() -> None:
    pool.stop()


atexit.register(_stop)


def _after_fork() -> None:
    """Give a child process a pool of its own, since it has none of its parent's threads."""
    global pool
    pool = ThreadPool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
