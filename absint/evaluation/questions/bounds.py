"""Bounds of a program on boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from absint.domains.lattice import Interval
from absint.evaluation.checks import Ranges, broadcast_shape, check_boxes, real_array
from absint.evaluation.question import EXACT, ArrayType, Question, Sample
from absint.evaluation.questions.values import as_arrays, split_arrays
from absint.ir.box import Box
from absint.ir.program import Promise
from absint.ops.precision import Precision

_BOXES = 20
"""Most boxes in a question about a sample."""

_ENDS = ("lower", "upper")


@dataclass(frozen=True, slots=True, eq=False)
class Bounds(Question[Interval]):
    """Bounds on many boxes, equal to those of the interval domain: arrays `lower` and `upper`, in the
    program's precision, and `may_nan`, all of the shape that the ends broadcast to.

    `boxes`: for each variable a pair of arrays, the lower and the upper ends, rounded to that precision.
    Other variables are unbounded.
    """

    name: ClassVar[str] = "bounds"
    promise: ClassVar[Promise] = Promise.BITS
    pipeline: ClassVar[str | None] = EXACT

    boxes: Ranges

    def __post_init__(self) -> None:
        check_boxes(self.boxes)

    def box(self, precision: Precision) -> Box:
        """See `Question.box`. Raises `UsageError` for anything but arrays of real numbers."""
        ends = self._ends(precision)
        hulls = {
            name: (
                float(ends[_label(name, "lower")].min(initial=np.inf)),
                float(ends[_label(name, "upper")].max(initial=-np.inf)),
            )
            for name in self.boxes
        }
        return Box({name: (lower, upper) for name, (lower, upper) in hulls.items() if lower <= upper})

    def result(self, precision: Precision) -> tuple[ArrayType, ...]:
        """See `Question.result`. Raises `UsageError` for ends that do not broadcast."""
        shape = broadcast_shape(self._ends(precision))
        number = ArrayType(shape, precision.dtype)
        return number, number, ArrayType(shape, np.dtype(bool))

    def split(self, parts: int) -> list[Bounds]:
        """See `Question.split`: along the first axis; one box is not split."""
        arrays = as_arrays(
            {
                _label(name, end): value
                for name, pair in self.boxes.items()
                for end, value in zip(_ENDS, pair, strict=True)
            }
        )
        return [
            Bounds({name: (part[_label(name, "lower")], part[_label(name, "upper")]) for name in self.boxes})
            for part in split_arrays(arrays, parts)
        ]

    @classmethod
    def about(cls, sample: Sample) -> Bounds:
        """Boxes between points of the sample. A variable that the sample's box does not bound is left out if
        one of its points is NaN, and otherwise at random.
        """
        rng = np.random.default_rng([sample.seed, 2])
        boxes = {}
        for name, column in sample.points.items():
            count = min(_BOXES, len(column) // 2)
            ends = np.sort(column[: 2 * count].reshape(2, count), axis=0)
            if name in sample.box.bounds or (not np.isnan(ends).any() and rng.random() < 0.7):
                boxes[name] = ends[0], ends[1]
        return cls(boxes)

    def place(self, index: tuple[int, ...], precision: Precision) -> dict[str, float]:
        """The box: its ends as `x.lower` and `x.upper`."""
        ends = self._ends(precision)
        shape = broadcast_shape(ends)
        return {
            f"{name}.{end}": float(np.broadcast_to(ends[_label(name, end)], shape)[index])
            for name in self.boxes
            for end in _ENDS
        }

    @staticmethod
    def agree(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
        """Where two arrays of ends are equal, or both NaN; the sign of a zero end has no meaning."""
        return np.asarray((first == second) | ((first != first) & (second != second)))

    def _ends(self, precision: Precision) -> dict[str, Any]:
        """The arrays of ends by `_label`, rounded to the precision."""
        return {
            _label(name, end): real_array(_label(name, end), value, precision)
            for name, pair in self.boxes.items()
            for end, value in zip(_ENDS, pair, strict=True)
        }


def _label(name: str, end: str) -> str:
    """A variable's lower or upper end, as messages call it."""
    return f"{name}'s {end} end"
