"""Helper threads that join frames while there are tiles to take.

Nobody waits for a helper: it is woken, and when it comes there may be nothing left to do. The thread that
asked for the picture makes all tiles that are not finished when none is left to take, also those that a
helper has taken, unless it is just writing them. After a frame a helper looks for the next one for a while,
giving way to others, and then sleeps.

A helper may be in a frame long after its picture is finished or given up. So whatever a frame refers to is
kept here from before helpers may join it until it is over and none is in it.

Any number of threads may draw at a time, and a signal handler may draw while it interrupts a picture: no lock
is waited for.
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
"""Seconds to rest for a second that was lost."""

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
        """The frames that helpers may be in, each with what it refers to, by tickets. A frame that is drawn
        again has another ticket.
        """
        self._over: list[int] = []
        """Tickets of frames that no helper will join any more."""
        self._stopping = False
        self._resting_until = 0.0
        self._starting = threading.Lock()
        self._letting_go = threading.Lock()

    def wake(self, helpers: int, kernels: Unit, now: float) -> bool:
        """Have so many helpers, at most `MOST`, look for a frame, or as many as the system lets be; false if
        they rest or there are none. `now`: seconds, as of `time.perf_counter`.
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
        """Have helpers rest if a frame lost some seconds through them: long enough to make that a small part.

        They do harm where other processes keep the cores busy: a helper that looks for work then takes the
        place of the thread that hands it out.
        """
        if lost > 0:
            self._resting_until = now + REST * lost

    def keep(self, frame: int, owners: object) -> int:
        """Keep all that the frame at an address refers to, until the ticket, which is returned, is `over` and
        no helper is in the frame.
        """
        ticket = next(self._tickets)
        self._kept[ticket] = frame, owners
        return ticket

    def over(self, ticket: int, kernels: Unit) -> None:
        """No helper will join the ticket's frame from now on. Lets go of all frames of which that is so, and
        in which no helper is, unless another thread is doing that.
        """
        self._over.append(ticket)
        if self._letting_go.acquire(blocking=False):
            try:
                for old in list(self._over):
                    if not self.is_in(self._kept[old][0], kernels):
                        self._over.remove(old)
                        del self._kept[old]
            finally:
                self._letting_go.release()

    def is_in(self, frame: int, kernels: Unit) -> bool:
        """Whether some helper is in the frame at an address."""
        return bool(kernels["is_joined"](self.address, frame, len(self._helpers)))

    def _start(self, helpers: int, kernels: Unit) -> None:
        """More helpers, up to so many; fewer if the system refuses them, or another thread starts some."""
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
        """What a helper's thread does."""
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
    """A child process has none of its parent's threads."""
    global pool
    pool = ThreadPool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
