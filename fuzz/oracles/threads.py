"""An oracle of `absint.render` under threads: several threads request, discard and prepare
drawings at once.
"""

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
from ..comparison import engine_of, find_wrong_pixel, reference, to_host
from ..findings import Finding

THREADS = 3
ROUNDS = 8
"""Number of times that each thread draws each view."""
SWITCH_INTERVAL = 1e-6
"""Seconds that a thread runs before another may."""

_Answer = tuple[View, NDArray[np.uint8] | Exception]


class Threads:
    """Each of several threads that call `render` at once gets the picture of its view."""

    def __init__(self, backend: Backend) -> None:
        self.name = f"threads:{backend.name}"
        self._backend = backend.name

    def check(self, case: Case) -> Finding | None:
        """In three views, which each thread draws repeatedly in an order of its own."""
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
                    answers.append((view, to_host(image)))
                except Exception as error:
                    answers.append((view, error))

        with _frequent_switches():
            threads = [threading.Thread(target=draw, args=(number,)) for number in range(THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return self._compare(case, answers)

    def _compare(self, case: Case, answers: list[_Answer]) -> Finding | None:
        """The finding for the first picture that is not the reference's."""
        right: dict[View, NDArray[np.uint8]] = {}
        for view, answer in answers:
            if isinstance(answer, Exception):
                return Finding(self.name, f"{type(answer).__name__}: {answer}")
            if view not in right:
                right[view] = engine_of(case, reference()).image(view)
            found = find_wrong_pixel(self.name, replace(case, view=view), right[view], answer)
            if found is not None:
                return found
        return None


def _views(case: Case) -> list[View]:
    """The case's view, one of a part of it, and a larger one; views that overflow are left out."""
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
def _frequent_switches() -> Iterator[None]:
    """Switch between threads as often as possible, and silence warnings of duplicate samples."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.setswitchinterval(usual)
