"""The value of a program at points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from absint.base.errors import UsageError, shown
from absint.evaluation.checks import broadcast_shape, hull, is_on_device, real_array
from absint.evaluation.question import EXACT, ArrayType, Question, Sample, cut
from absint.ir.box import Box
from absint.ir.program import Promise
from absint.ops.precision import Precision


@dataclass(frozen=True, slots=True, eq=False)
class Values(Question[NDArray[Any]]):
    """The value at points: an array of the shape that the points broadcast to, in the program's precision.

    `points`: for each variable an array, rounded to that precision.
    """

    name: ClassVar[str] = "values"
    promise: ClassVar[Promise] = Promise.BITS
    pipeline: ClassVar[str | None] = EXACT

    points: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not isinstance(self.points, Mapping):
            raise UsageError(f"points {shown(self.points)}: expected arrays by name, as {{'x': 0.0}}")

    def box(self, precision: Precision) -> Box:
        """See `Question.box`. Raises `UsageError` for anything but arrays of real numbers."""
        return hull(_columns(self.points, precision))

    def result(self, precision: Precision) -> tuple[ArrayType, ...]:
        """See `Question.result`. Raises `UsageError` for points that do not broadcast."""
        return (ArrayType(broadcast_shape(_columns(self.points, precision)), precision.dtype),)

    def split(self, parts: int) -> list[Values]:
        """See `Question.split`: along the first axis; one point is not split."""
        return [Values(part) for part in split_arrays(as_arrays(self.points), parts)]

    @classmethod
    def about(cls, sample: Sample) -> Values:
        """At all points of the sample."""
        return cls(sample.points)

    def place(self, index: tuple[int, ...], precision: Precision) -> dict[str, float]:
        """The point."""
        columns = _columns(self.points, precision)
        shape = broadcast_shape(columns)
        return {name: float(np.broadcast_to(column, shape)[index]) for name, column in columns.items()}


def _columns(points: Mapping[str, Any], precision: Precision) -> dict[str, Any]:
    """The points as arrays of the precision; arrays on a device are unchanged."""
    return {
        name: value if is_on_device(value) else real_array(name, value, precision)
        for name, value in points.items()
    }


def as_arrays(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as arrays of their own types; arrays on a device are unchanged."""
    return {name: value if is_on_device(value) else np.asarray(value) for name, value in values.items()}


def split_arrays(arrays: Mapping[str, Any], parts: int) -> list[dict[str, Any]]:
    """Split arrays, broadcast together, along the first axis: at most `parts` groups of arrays, each of which
    broadcasts to its part.
    """
    shape = broadcast_shape(arrays)
    if not shape:
        return [dict(arrays)]
    whole = {
        name: array.reshape((*[1] * (len(shape) - array.ndim), *array.shape))
        for name, array in arrays.items()
    }
    return [
        {name: array if array.shape[0] == 1 else array[rows] for name, array in whole.items()}
        for rows in cut(shape[0], parts)
    ]
