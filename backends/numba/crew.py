"""Helper threads that join frames while there are tiles to take.

Nobody waits for a helper: it is woken, and when it comes there may be nothing left to do. The thread that
asked for the picture makes all tiles that are not finished when none is left to take, also those that a
helper has taken; so a helper that the system has put aside costs nothing but its own tile. After a frame a
helper looks for the next one for a while, giving way to others, and then sleeps.
"""

from __future__ import annotations

import atexit
import os
import threading
from typing import Any

import numpy as np

from absint.kernels.layout import AWAKE, HELPER_WORDS, JOINED, MAILBOX

from .memory import Block, aligned

PATIENCE = 2000
"""Looks at the mailbox before a helper sleeps, roughly a millisecond."""

REST = 20
"""Seconds to rest for a second that was lost."""


class Crew:
    """The helpers of a process, and the frame that they may join. One frame at a time has helpers."""

    def __init__(self) -> None:
        self._most = 256
        self._words = aligned((self._most + 1) * HELPER_WORDS, np.int64)
        self._words[:] = 0
        self.address = self._words.ctypes.data
        self._helpers: list[threading.Semaphore] = []
        self._threads: list[threading.Thread] = []
        self._kept: list[tuple[int, Block]] = []
        self._stopping = False
        self._resting_until = 0.0
        self._lock = threading.Lock()

    def offer(self, frame: Block, helpers: int, join: Any, now: float) -> bool:
        """Let helpers join a frame, through the kernel `join`; False if they rest or another frame has them.

        `now`: seconds, as of `time.perf_counter`.
        """
        if now < self._resting_until or not self._lock.acquire(blocking=False):
            return False
        if self._kept:
            self._forget()
        while len(self._helpers) < min(helpers, self._most):
            self._start(join)
        self._words[MAILBOX] = frame.address
        for helper in range(helpers):
            awake = (helper + 1) * HELPER_WORDS + AWAKE
            if not self._words[awake]:
                self._words[awake] = 1
                self._helpers[helper].release()
        return True

    def withdraw(self, frame: Block) -> bool:
        """End what `offer` began; whether some helper is still in the frame, which is then kept until it
        leaves.
        """
        self._words[MAILBOX] = 0
        self._lock.release()
        if self._joined(frame.address):
            self._kept.append((frame.address, frame))
            return True
        return False

    def rest(self, now: float, lost: float) -> None:
        """Have helpers rest if a frame lost some seconds through them: long enough to make that a small part.

        They do harm where other processes keep the cores busy: a helper that looks for work then takes the
        place of the thread that hands it out.
        """
        if lost > 0:
            self._resting_until = now + REST * lost

    def _joined(self, address: int) -> bool:
        """Whether some helper is in the frame."""
        words = self._words
        return any(
            words[(helper + 1) * HELPER_WORDS + JOINED] == address for helper in range(len(self._helpers))
        )

    def _forget(self) -> None:
        """Let go of frames that every helper has left."""
        self._kept = [(address, frame) for address, frame in self._kept if self._joined(address)]

    def _start(self, join: Any) -> None:
        """One more helper."""
        number = len(self._helpers)
        woken = threading.Semaphore(0)

        def work() -> None:
            while True:
                woken.acquire()
                if self._stopping:
                    return
                join(self.address, number, PATIENCE)

        thread = threading.Thread(target=work, name=f"absint-helper-{number}", daemon=True)
        self._helpers.append(woken)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """End all helpers."""
        self._stopping = True
        self._words[MAILBOX] = 0
        for woken in self._helpers:
            woken.release()
        for thread in self._threads:
            thread.join(1.0)


crew = Crew()
atexit.register(crew.stop)


def _after_fork() -> None:
    """A child process has none of its parent's threads."""
    global crew
    crew = Crew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
