"""Pictures of one program for any view: a few executables, each valid on a large box, made on demand.

An executable for the box from -4 to 4 draws every view inside the box as fast as one for the view's own box,
so panning and zooming compile nothing. An executable for all floats would be twenty times slower, since there
a sum may be NaN. Views that reach farther get a larger box; only views beyond the largest box get all floats.
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

MOST_CACHED = 8
"""Largest number of cached executables; each holds its plan and the memory in which it draws."""


@dataclass(frozen=True, slots=True)
class PagePicture:
    """A picture for the page.

    `image`: uint8[height, width], 255 where `f < 0`. `defined`: (left, top, right, bottom), the columns and
    rows on which the program is valid; pixels outside are 0. `operations`: number of operations of the
    optimised program.
    """

    image: NDArray[np.uint8]
    defined: tuple[int, int, int, int]
    operations: int


@dataclass(frozen=True, slots=True)
class Window(View):
    """Some columns and rows of a larger view, with exactly the positions that they have in that view."""

    whole: View = View(1, 1)  # noqa: RUF009  # a frozen value
    left: int = 0
    top: int = 0

    def _samples(self, precision: Precision) -> Samples:
        """The samples of the larger view in these columns and rows."""
        xs, ys, z = self.whole.xs(precision), self.whole.ys(precision), self.whole.height_z(precision)
        return Samples.of(xs[self.left : self.left + self.width], ys[self.top : self.top + self.height], z)


class Drawer:
    """Draws a program with the CPU engine, after any pipeline. Thread-safe."""

    def __init__(self, program: Program, precision: Precision) -> None:
        self.program = program
        self.precision = precision
        self._backend = find_backend("numba")
        self._cache: OrderedDict[tuple[str, float | None], Executable] = OrderedDict()
        self._cache_lock = threading.Lock()
        self._compiling = threading.Lock()
        self._drawing = threading.Lock()

    def picture(self, view: View, pipeline: str, check: Callable[[], None] = lambda: None) -> PagePicture:
        """The picture of a view.

        `check`: called when it is this picture's turn to be prepared or drawn; it may raise. Raises
        `DomainError` for a z at which the program is not valid, and for a program with variables other than
        x, y and z; `ViewError` for positions that overflow.
        """
        left, top, right, bottom = defined = self._defined(view)
        seen = view
        if defined != (0, 0, view.width, view.height):
            if right == 0:
                return PagePicture(np.zeros((view.height, view.width), np.uint8), defined, 0)
            size = right - left, bottom - top
            seen = Window(*size, view.center, view.scale, view.z, view.grid, whole=view, left=left, top=top)
        executable = self._executable(pipeline, self._reach(seen.box(self.precision)), check)
        with self._drawing:
            check()
            image = executable.image(seen)
        if seen is not view:
            part, image = image, np.zeros((view.height, view.width), np.uint8)
            image[top:bottom, left:right] = part
        return PagePicture(image, defined, executable.program.graph.operation_count)

    def _defined(self, view: View) -> tuple[int, int, int, int]:
        """The part of a view on which the program is valid, as (left, top, right, bottom); 0 if empty."""
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
        """The smallest reach whose box contains the given box; None if only all floats do."""
        return next((reach for reach in REACHES if self._box(reach).contains(box)), None)

    def _box(self, reach: float | None) -> Box:
        """The box of an executable: the program's, and from -reach to reach where that has no bounds."""
        own = dict(self.program.box.bounds)
        return Box(own if reach is None else dict.fromkeys(AXES, (-reach, reach)) | own)

    def _executable(self, pipeline: str, reach: float | None, check: Callable[[], None]) -> Executable:
        """The executable for a pipeline and reach, from the cache or compiled now, one at a time."""
        key = pipeline, reach
        if (cached := self._find(key)) is not None:
            return cached
        with self._compiling:
            check()
            if (cached := self._find(key)) is not None:
                return cached
            if isinstance(self._backend, DrawsPlans):
                self._backend.prepare(self.precision)
            optimised, _ = run_pipeline(
                self.program, passes=pipeline, region=self._box(reach), precision=self.precision
            )
            made = self._backend.compile(optimised)
            with self._cache_lock:
                self._cache[key] = made
                while len(self._cache) > MOST_CACHED:
                    self._cache.popitem(last=False)
            return made

    def _find(self, key: tuple[str, float | None]) -> Executable | None:
        with self._cache_lock:
            if key in self._cache:
                self._cache.move_to_end(key)
            return self._cache.get(key)
