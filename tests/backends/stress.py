"""Threads, forks and signals at once.

`python -m tests.backends.stress SEED ROUNDS`; status 0: all results are right.

Eight threads draw and compute with a short switch interval. They use more programs than are kept, so that
drawings are dropped and made again. Meanwhile the main thread draws too, a signal handler draws in the middle
of that, and children are forked that draw.
"""

from __future__ import annotations

import faulthandler
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import absint
from absint import View, X, Y, sin
from absint.backends.numba import Numba, NumbaEngine

MODELS = ("gear", "tempest", "bracket", "spiral", "blend", "gyroid")
VIEWS = (View(64, 48), View(65, 48), View(337, 200, (0.1, -0.05), 0.8), View(300, 229, (0.0, 0.1), 0.7))
WAVE = sin(X * 37) * sin(Y * 41) - 0.1
THREADS = 8
HUNG = 120
"""Seconds after which a process hangs."""
SIGNAL_EVERY = 0.02
"""Seconds of processor time between two signals."""

Job = Callable[[], bytes]


def jobs() -> list[Job]:
    """What anybody may do at any time, always with the same result."""
    drawn: list[Any] = [*MODELS, WAVE]
    found: list[Job] = [
        partial(_picture, model, view, precision)
        for model in drawn
        for view in VIEWS
        for precision in ("f32", "f64")
    ]
    shared = Numba().prepare(absint.load("gear"), 2)  # one program for all threads
    return [*found, partial(_values, shared), partial(_bounds, shared)]


def _picture(model: Any, view: View, precision: str) -> bytes:
    threads = random.choice([1, 2, 3, None])
    return absint.render(model, view, precision=precision, threads=threads).tobytes()


def _values(program: NumbaEngine) -> bytes:
    points = np.linspace(-1, 1, 3000)
    return program.values(points, points[::-1]).tobytes()


def _bounds(program: NumbaEngine) -> bytes:
    lower = np.linspace(-1, 0.9, 100)
    ends = program.bounds({"x": (lower, lower + 0.1), "y": (0.0, 0.5), "z": (0.0, 0.0)})
    return b"".join(part.tobytes() for part in ends)


class Stress:
    """All that goes on; `wrong` counts the results that were not as they should be."""

    def __init__(self, seed: int, rounds: int) -> None:
        self._seed = seed
        self._rounds = rounds
        self._jobs = jobs()
        self._right = [job() for job in self._jobs]
        self._signals = self._children = 0
        self.wrong: list[str] = []

    def do_one(self, choose: random.Random, who: str) -> None:
        """One job by somebody."""
        number = choose.randrange(len(self._jobs))
        try:
            if self._jobs[number]() != self._right[number]:
                self.wrong.append(f"{who}: job {number} has another result")
        except Exception as error:
            self.wrong.append(f"{who}: {error!r}")

    def run(self) -> None:
        """Let everybody work until the threads have made their rounds."""
        threads = [threading.Thread(target=self._work, args=(number,)) for number in range(THREADS)]
        signal.signal(signal.SIGPROF, self._interrupted)
        signal.setitimer(signal.ITIMER_PROF, SIGNAL_EVERY, SIGNAL_EVERY)
        for thread in threads:
            thread.start()
        choose = random.Random(self._seed)
        while any(thread.is_alive() for thread in threads):
            self.do_one(choose, "the main thread")
            if choose.random() < 0.6:
                self._fork(choose)
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _work(self, number: int) -> None:
        choose = random.Random(f"{self._seed} {number}")
        for _ in range(self._rounds):
            self.do_one(choose, f"thread {number}")

    def _interrupted(self, *_: object) -> None:
        self._signals += 1
        self.do_one(random.Random(self._signals), "the signal handler")

    def _fork(self, choose: random.Random) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        child = os.fork()
        if child == 0:
            signal.alarm(HUNG)
            before = len(self.wrong)
            for _ in range(4):
                self.do_one(choose, "a child")
            os._exit(len(self.wrong) > before)
        self._children += 1
        if status := os.waitpid(child, 0)[1]:
            self.wrong.append(f"child {self._children} ended with status {status}")
        signal.setitimer(signal.ITIMER_PROF, SIGNAL_EVERY, SIGNAL_EVERY)

    def describe(self) -> str:
        """What was done, and what was wrong."""
        done = f"{THREADS * self._rounds} jobs, {self._signals} signals, {self._children} children"
        return "\n".join([done, *self.wrong[:5]])


def main() -> int:
    """Run with the seed and the rounds that the command line names."""
    faulthandler.enable()
    seed, rounds = map(int, sys.argv[1:])
    stress = Stress(seed, rounds)
    sys.setswitchinterval(1e-5)
    faulthandler.dump_traceback_later(HUNG + rounds, exit=True)
    stress.run()
    faulthandler.cancel_dump_traceback_later()
    sys.stdout.write(stress.describe() + "\n")
    return 1 if stress.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
