"""Oracles of backends: their values, bounds and pictures equal the reference's, bit for bit."""

from __future__ import annotations

import numpy as np

from absint.evaluation.backend import Backend, TakesShortCuts
from absint.ir.program import Program, Promise
from absint.rewriting.analysis import Analyses
from absint.rewriting.manager import PassManager, parse_pipeline

from ..cases import Case
from ..comparison import executable_of, find_difference, find_wrong_pixel, reference, to_host
from ..findings import Finding

_BOXES = 20
"""Boxes for which bounds are compared."""


class ValuesAgree:
    """A backend's values equal the reference's, bit for bit."""

    def __init__(self, backend: Backend) -> None:
        self.name = f"values:{backend.name}"
        self._backend = backend
        self._eager = backend.eager() if isinstance(backend, TakesShortCuts) else backend

    def check(self, case: Case) -> Finding | None:
        """At points of the box. Every fifth case forces the methods that pay only for more points."""
        points = case.sample
        expected = executable_of(case, reference()).values(**points)
        backend = self._backend if case.seed % 5 else self._eager
        got = to_host(executable_of(case, backend, 1 + case.seed % 2).values(**points))
        return find_difference(self.name, "values", case, points, expected, got)


class BoundsAgree:
    """A backend's bounds equal those of the interval domain."""

    def __init__(self, backend: Backend) -> None:
        self.name = f"bounds:{backend.name}"
        self._backend = backend

    def check(self, case: Case) -> Finding | None:
        """On boxes between random points of the box."""
        rng = case.rng(2)
        boxes = {}
        for name, column in case.sample.items():
            ends = np.sort(column[: 2 * _BOXES].reshape(2, _BOXES), axis=0)
            if name in case.box.bounds or (not np.isnan(ends).any() and rng.random() < 0.7):
                boxes[name] = (ends[0], ends[1])
        expected = executable_of(case, reference()).bounds(boxes)
        got = executable_of(case, self._backend, 1 + case.seed % 2).bounds(boxes)
        for part, mine, theirs in zip(
            ("lower", "upper", "may_nan"), map(to_host, got), expected, strict=True
        ):
            if mine.shape == theirs.shape and mine.tobytes() == theirs.tobytes():
                continue
            a, b = (np.broadcast_to(column, (_BOXES,)) for column in (mine, theirs))
            wrong = np.flatnonzero(~((a == b) | ((a != a) & (b != b))))
            if len(wrong):
                i = int(wrong[0])
                point = {
                    f"{name}.{end}": float(np.broadcast_to(ends[k], (_BOXES,))[i])
                    for name, ends in boxes.items()
                    for k, end in enumerate(("lower", "upper"))
                }
                return Finding(self.name, f"{part} differs", point, b[i].item(), a[i].item())
        return None


class ImagesAgree:
    """A backend's picture after its render pipeline equals the reference's picture of the source."""

    def __init__(self, backend: Backend) -> None:
        self.name = f"image:{backend.name}"
        self._backend = backend
        self._passes = parse_pipeline(backend.rendering)

    def check(self, case: Case) -> Finding | None:
        """In the case's view. In every fifth case the source is drawn, without passes."""
        if not case.drawable:
            return None
        expected = executable_of(case, reference()).image(case.view)
        box = case.view.box(case.precision)
        program = Program(case.graph).restricted(box, case.precision, Promise.SIGN)
        if case.seed % 5:
            program, _ = PassManager(self._passes, Analyses()).run(program)
        got = to_host(self._backend.compile(program, 1 + max(0, case.seed % 6 - 3)).image(case.view))
        return find_wrong_pixel(self.name, case, expected, got)
