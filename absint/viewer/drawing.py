"""Pictures of one program, for any view: a few executables that hold on large boxes, made when needed.

An executable for a box from -4 to 4 draws every view inside of it as fast as one for the view's own box does,
so panning and zooming compile nothing. One for all floats would be twenty times slower: there a sum may be
NaN. Views further out get a larger box, and only those beyond that one get all floats.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from absint.api import run_pipeline
from absint.engine import REACHES
from absint.evaluation.backend import DrawsPlans, Executable, find_backend
from absint.evaluation.view import Samples, View
from absint.ir.box import Box
from absint.ir.graph import AXES
from absint.ir.program import Program
from absint.ops.precision import Precision

MOST_KEPT = 8
"""Executables; each holds its plan and the memory that it draws in."""


@dataclass(frozen=True, slots=True)
class Picture:
    """`image`: uint8[height, width], 255 where `f < 0`. `defined`: the columns and rows, left, top, right and
    bottom, on which the program holds; the others are 0. `operations`: of the program that drew it.
    """

    image: NDArray[np.uint8]
    defined: tuple[int, int, int, int]
    operations: int


@dataclass(frozen=True, slots=True)
class Window(View):
    """Some columns and rows of a larger view, at the very positions that they have there."""

    whole: View = View(1, 1)  # noqa: RUF009  # a frozen value
    left: int = 0
    top: int = 0

    def _samples(self, precision: Precision) -> Samples:
        """The larger view's, cut out."""
        xs, ys, z = self.whole.xs(precision), self.whole.ys(precision), self.whole.height_z(precision)
        return Samples.of(xs[self.left : self.left + self.width], ys[self.top : self.top + self.height], z)


class Drawer:
    """Draws a program by the fast engine, after pipelines of one's choice. For any number of threads."""

    def __init__(self, program: Program, precision: Precision) -> None:
        self.program = program
        self.precision = precision
        self._backend = find_backend("numba")
        self._kept: OrderedDict[tuple[str, float | None], Executable] = OrderedDict()
        self._keeping = threading.Lock()
        self._compiling = threading.Lock()
        self._drawing = threading.Lock()

    def picture(self, view: View, pipeline: str, check: Callable[[], None] = lambda: None) -> Picture:
        """The picture of a view.

        `check`: called when it is this picture's turn, and may raise. Raises `DomainError` for a z at which
        the program does not hold, or a program of other variables than x, y and z; `ViewError` for positions
        that overflow.
        """
        left, top, right, bottom = defined = self._defined(view)
        seen = view
        if defined != (0, 0, view.width, view.height):
            if right == 0:
                return Picture(np.zeros((view.height, view.width), np.uint8), defined, 0)
            size = right - left, bottom - top
            seen = Window(*size, view.center, view.scale, view.z, view.grid, whole=view, left=left, top=top)
        executable = self._executable(pipeline, self._reach(seen.box(self.precision)), check)
        with self._drawing:
            check()
            image = executable.image(seen)
        if seen is not view:
            part, image = image, np.zeros((view.height, view.width), np.uint8)
            image[top:bottom, left:right] = part
        return Picture(image, defined, executable.program.graph.operation_count)

    def _defined(self, view: View) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the part of a view on which the program holds; all 0 for none."""
        ends = []
        for name, samples in (("x", view.xs(self.precision)), ("y", view.ys(self.precision))):
            lower, upper, _ = self.program.box.of_variable(name)
            inside = np.flatnonzero((samples >= lower) & (samples <= upper))
            if not len(inside):
                return 0, 0, 0, 0
            ends.append((int(inside[0]), int(inside[-1]) + 1))
        (left, right), (top, bottom) = ends
        return left, top, right, bottom

    def _reach(self, box: Box) -> float | None:
        """The smallest reach whose box holds another box; None: only all floats do."""
        return next((reach for reach in REACHES if self._box(reach).contains(box)), None)

    def _box(self, reach: float | None) -> Box:
        """Where an executable of a reach holds: never beyond the program's own bounds."""
        own = dict(self.program.box.bounds)
        return Box(own if reach is None else dict.fromkeys(AXES, (-reach, reach)) | own)

    def _executable(self, pipeline: str, reach: float | None, check: Callable[[], None]) -> Executable:
        """One that was kept, or made now; one at a time is made."""
        key = pipeline, reach
        if (kept := self._find(key)) is not None:
            return kept
        with self._compiling:
            check()
            if (kept := self._find(key)) is not None:
                return kept
            if isinstance(self._backend, DrawsPlans):
                self._backend.prepare(self.precision)
            optimised, _ = run_pipeline(
                self.program, passes=pipeline, region=self._box(reach), precision=self.precision
            )
            made = self._backend.compile(optimised)
            with self._keeping:
                self._kept[key] = made
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            return made

    def _find(self, key: tuple[str, float | None]) -> Executable | None:
        with self._keeping:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)
