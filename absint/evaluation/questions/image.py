"""The picture of a program in a view, or a part of that picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from absint.base.errors import UsageError, shown
from absint.evaluation.question import ArrayType, Question, Sample, cut
from absint.evaluation.view import View
from absint.ir.box import Box
from absint.ir.program import Promise
from absint.ops.precision import Precision


@dataclass(frozen=True, slots=True)
class Image(Question[NDArray[np.uint8]]):
    """uint8[rows, columns]: 255 where the program is < 0, else 0.

    `rows` and `columns`: the part of the view's picture to draw, with its samples where the whole picture has
    them; everything by default. Raises `UsageError` for anything but a view, and for ranges that are empty,
    have gaps or leave the picture.
    """

    name: ClassVar[str] = "image"
    promise: ClassVar[Promise] = Promise.SIGN
    pipeline: ClassVar[str | None] = None

    view: View
    rows: range | None = None
    columns: range | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.view, View):
            raise UsageError(f"view {shown(self.view)}: expected a View, as View(640, 480)")
        _check_part("rows", self.rows, self.view.height)
        _check_part("columns", self.columns, self.view.width)

    @property
    def seen(self) -> View:
        """The view of the part to draw."""
        if self.rows is None and self.columns is None:
            return self.view
        return self.view.part(self.rows or range(self.view.height), self.columns or range(self.view.width))

    def box(self, precision: Precision) -> Box:
        """See `Question.box`. Raises `ViewError` for positions that overflow."""
        return self.seen.box(precision)

    def result(self, precision: Precision) -> tuple[ArrayType, ...]:
        """See `Question.result`."""
        rows, columns = self.rows or range(self.view.height), self.columns or range(self.view.width)
        return (ArrayType((len(rows), len(columns)), np.dtype(np.uint8)),)

    def split(self, parts: int) -> list[Image]:
        """See `Question.split`: bands of rows."""
        rows = self.rows or range(self.view.height)
        return [Image(self.view, rows[band], self.columns) for band in cut(len(rows), parts)]

    @classmethod
    def about(cls, sample: Sample) -> Image | None:
        """The sample's view, or for one seed in four a part of it. None for a program with other variables
        than x, y and z.
        """
        if not sample.is_drawable:
            return None
        view = sample.view
        if sample.seed % 4:
            return cls(view)
        rng = np.random.default_rng([sample.seed, 3])
        top, bottom = np.sort(rng.integers(0, view.height + 1, 2)).tolist()
        left, right = np.sort(rng.integers(0, view.width + 1, 2)).tolist()
        rows, columns = range(top, bottom), range(left, right)
        return cls(view, rows or None, columns or None)

    def place(self, index: tuple[int, ...], precision: Precision) -> dict[str, float]:
        """The sample's position."""
        row, column = index
        seen = self.seen
        return {
            "x": float(seen.xs(precision)[column]),
            "y": float(seen.ys(precision)[row]),
            "z": float(seen.height_z(precision)[0]),
        }


def _check_part(name: str, part: object, count: int) -> None:
    """Raises `UsageError` unless `part` is None or a non-empty subrange of `range(count)` with step 1."""
    if part is None:
        return
    if not isinstance(part, range) or part.step != 1 or not 0 <= part.start < part.stop <= count:
        raise UsageError(f"{name} {shown(part)}: expected a part of range({count}), as range(0, {count})")
