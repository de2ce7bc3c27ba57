"""Pictures of one program, for any view, after any pipeline.

Engines are prepared for a few large boxes (`absint.engine.REACHES`), so that panning and zooming prepare
nothing, and found again in the cache that `absint.render` uses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from absint.engine import box_within, reach_of
from absint.evaluation.backend import find_backend
from absint.evaluation.preparation import Preparation, Prepared
from absint.evaluation.questions.image import Image
from absint.evaluation.view import View
from absint.ir.program import Program
from absint.ops.precision import Precision


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


class Drawer:
    """Draws a program by a backend, after pipelines of one's choice. Thread-safe.

    Raises `BackendError` for a backend that cannot be used here.
    """

    def __init__(self, program: Program, precision: Precision, backend: str = "numba") -> None:
        find_backend(backend)
        self.program = program
        self.precision = precision
        self.backend = backend
        self._preparing = threading.Lock()
        self._drawing = threading.Lock()

    def picture(self, view: View, pipeline: str, check: Callable[[], None] = lambda: None) -> PagePicture:
        """The picture of a view.

        `check`: called when it is this picture's turn to be prepared or drawn; it may raise. Raises
        `DomainError` for a z at which the program is not valid, and for a program with variables other than
        x, y and z; `ViewError` for positions that overflow.
        """
        left, top, right, bottom = defined = self._defined(view)
        image = np.zeros((view.height, view.width), np.uint8)
        if right == 0:
            return PagePicture(image, defined, 0)
        question = Image(view)
        if defined != (0, 0, view.width, view.height):
            question = Image(view, range(top, bottom), range(left, right))
        prepared = self._prepared(pipeline, question, check)
        with self._drawing:
            check()
            prepared.engine.answer(question, out=image[top:bottom, left:right])
        assert prepared.program is not None  # what the preparation asks for
        return PagePicture(image, defined, prepared.program.graph.operation_count)

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

    def _prepared(self, pipeline: str, question: Image, check: Callable[[], None]) -> Prepared:
        """What draws a picture: cached, or prepared now; one at a time is prepared."""
        region = self.program.box
        box = box_within(reach_of(question.box(self.precision), region), region)
        preparation = Preparation(
            self.program, Image, self.backend, self.precision, box, pipeline, knows_program=True
        )
        if (cached := preparation.cached()) is not None:
            return cached
        with self._preparing:
            check()
            return preparation.find()
