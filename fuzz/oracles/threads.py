"""Oracle of `absint.render` under threads: drawings that several threads ask for, drop and make again."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint import api
from absint.base.errors import ViewError
from absint.evaluation.backend import Backend
from absint.evaluation.view import View
from absint.ir.program import Program

from ..cases import Case
from ..comparison import compiled, host, pictures_differ, reference
from ..findings import Finding

THREADS = 3
ROUNDS = 8
"""How often each thread draws each view."""
SWITCH_INTERVAL = 1e-6
"""Seconds that a thread runs before another may."""

_Answer = tuple[View, NDArray[np.uint8] | Exception]


class Threads:
    """What `render` gives to several threads at once is the picture of each one's view."""

    def __init__(self, backend: Backend) -> None:
        self.name = f"threads:{backend.name}"
        self._backend = backend.name

    def check(self, case: Case) -> Finding | None:
        """In three views, drawn again and again by each thread in an order of its own."""
        if not case.drawable:
            return None
        views = _views(case)
        source, answers = Program(case.graph), list[_Answer]()

        def draw(number: int) -> None:
            for i in range(ROUNDS * len(views)):
                view = views[(i * (number + 1) + number) % len(views)]
                try:
                    image: Any = api.render(
                        source, view, backend=self._backend, precision=case.precision, threads=1 + number % 2
                    )
                    answers.append((view, host(image)))
                except Exception as error:
                    answers.append((view, error))

        with _quick_switches():
            threads = [threading.Thread(target=draw, args=(number,)) for number in range(THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return self._judged(case, answers)

    def _judged(self, case: Case, answers: list[_Answer]) -> Finding | None:
        """The first answer that is not the reference's picture."""
        right: dict[View, NDArray[np.uint8]] = {}
        for view, answer in answers:
            if isinstance(answer, Exception):
                return Finding(self.name, f"{type(answer).__name__}: {answer}")
            if view not in right:
                right[view] = compiled(reference(), case).image(view)
            found = pictures_differ(self.name, replace(case, view=view), right[view], answer)
            if found is not None:
                return found
        return None


def _views(case: Case) -> list[View]:
    """The case's view, a part of it, and a larger one, of those that do not overflow."""
    found = []
    for scale in (1.0, 0.5, 2.0):
        try:
            view = replace(case.view, scale=scale * case.view.scale)
            view.box(case.precision)
        except ViewError:
            continue
        found.append(view)
    return found


@contextmanager
def _quick_switches() -> Iterator[None]:
    """Threads take turns as often as they can, and say nothing of samples that repeat."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.setswitchinterval(usual)
