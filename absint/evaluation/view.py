"""Views: size and position of an image, and the positions of its samples, which are computed only here.

Positions are computed in binary64, rounded to the precision of the run, and shared by all backends, so every
backend draws the same bytes. They are weakly monotone along each axis.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from absint.base.arguments import number, pair, whole
from absint.base.errors import ViewError, shown
from absint.ir.box import Box
from absint.ir.invariants import freeze_array
from absint.ops.precision import Precision, as_precision

MAX_PIXELS = 1 << 32
"""Pixels of the largest image, 4 GiB."""

MAX_SIDE = 1 << 30
"""Pixels of the longest side: kernels count columns and rows in int32, and slightly beyond the last one."""


class Grid(Enum):
    """The position of the samples in the square from -1 to 1."""

    LINSPACE = "linspace"
    """First and last sample on the edges, as `numpy.linspace(-1, 1, n)`."""
    PIXEL = "pixel"
    """Samples at the centres of n equal pixels."""


def as_grid(grid: Grid | str) -> Grid:
    """A grid from its name, `"linspace"` or `"pixel"`. Raises `ViewError` for another name."""
    if isinstance(grid, Grid):
        return grid
    for known in Grid:
        if isinstance(grid, str) and grid == known.value:
            return known
    raise ViewError(f"grid {shown(grid)}: expected linspace or pixel")


@dataclass(frozen=True, slots=True)
class View:
    """An axis-aligned picture: size in pixels; centre, half of the shorter side (`scale`) and height z in
    model units.

    Numbers may be of any numeric type and are converted to Python's; a grid may be given by name. Raises
    `ViewError` for arguments of other types, a size below 1, a side above `MAX_SIDE` or more than
    `MAX_PIXELS` in all, a position that is not finite, or a scale that is not above 0.
    """

    width: int
    height: int
    center: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    z: float = 0.0
    grid: Grid = Grid.LINSPACE

    def __post_init__(self) -> None:
        keep = object.__setattr__
        keep(self, "width", whole(self.width, "width", ViewError))
        keep(self, "height", whole(self.height, "height", ViewError))
        keep(self, "center", pair(self.center, "center", ViewError))
        keep(self, "scale", number(self.scale, "scale", ViewError))
        keep(self, "z", number(self.z, "z", ViewError))
        keep(self, "grid", as_grid(self.grid))
        if self.width < 1 or self.height < 1:
            raise ViewError(
                f"size {shown(self.width)}x{shown(self.height)}: an image needs at least one pixel each way"
            )
        if max(self.width, self.height) > MAX_SIDE:
            raise ViewError(
                f"size {shown(self.width)}x{shown(self.height)}: too large, a side is above {MAX_SIDE} pixels"
            )
        if self.width * self.height > MAX_PIXELS:
            raise ViewError(
                f"size {shown(self.width)}x{shown(self.height)}: too large, above {MAX_PIXELS} pixels"
            )
        if not all(math.isfinite(value) for value in (*self.center, self.z)):
            raise ViewError(f"center {self.center}, z {self.z}: positions must be finite")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ViewError(f"scale {self.scale}: must be finite and above 0")

    @staticmethod
    def square(n: int, **fields: Any) -> View:
        """A view of n by n pixels, with other fields as given. Raises `ViewError` as `View` does."""
        return View(n, n, **fields)

    def part(self, rows: range, columns: range) -> View:
        """Some rows and columns of this picture as a view: its samples are where they are in this one."""
        return _Part(
            len(columns), len(rows), self.center, self.scale, self.z, self.grid,
            whole=self, top=rows.start, left=columns.start,
        )  # fmt: skip

    def _unit(self, count: int) -> NDArray[np.float64]:
        """Positions along an axis of `count` samples before scaling; the shorter side spans -1 to 1."""
        shorter = min(self.width, self.height)
        if self.grid is Grid.PIXEL:
            step = 2.0 / shorter
        elif count == shorter:
            return np.linspace(-1.0, 1.0, count, dtype=np.float64) if count > 1 else np.zeros(1)
        else:
            step = 2.0 / (shorter - 1) if shorter > 1 else 2.0
        return (np.arange(count, dtype=np.float64) - (count - 1) / 2) * step

    def _samples(self, precision: Precision) -> Samples:
        """The positions of the samples; those of small views are cached, since drawing asks for them
        often.
        """
        precision = as_precision(precision)
        small = self.width + self.height <= 1 << 14
        return _cached_samples(self, precision) if small else _samples(self, precision)

    def xs(self, precision: Precision) -> NDArray[Any]:
        """float[width]: x of each column, left to right, in model units. Read-only.

        Raises `ViewError`, as `ys`, `height_z` and `box` do, if a position overflows the precision.
        """
        return self._samples(precision).xs

    def ys(self, precision: Precision) -> NDArray[Any]:
        """float[height]: y of each row, top to bottom, so decreasing. Read-only."""
        return self._samples(precision).ys

    def height_z(self, precision: Precision) -> NDArray[Any]:
        """float[1]: z of every pixel. Read-only."""
        return self._samples(precision).z

    def box(self, precision: Precision) -> Box:
        """The hull of the samples."""
        return self._samples(precision).box

    def duplicate_samples(self, precision: Precision) -> int:
        """Number of columns and rows that repeat their neighbour's position because the zoom is too deep."""
        return _duplicates(self, as_precision(precision))


@dataclass(frozen=True, slots=True)
class _Part(View):
    """Some columns and rows of a larger view, at the same positions as there."""

    whole: View = View(1, 1)  # a frozen value
    top: int = 0
    left: int = 0

    def _samples(self, precision: Precision) -> Samples:
        """The part of the larger view's samples."""
        xs, ys, z = self.whole.xs(precision), self.whole.ys(precision), self.whole.height_z(precision)
        return Samples.of(xs[self.left : self.left + self.width], ys[self.top : self.top + self.height], z)


class Samples(NamedTuple):
    """Positions of samples: x of each column, y of each row, z, and their hull."""

    xs: NDArray[Any]
    ys: NDArray[Any]
    z: NDArray[Any]
    box: Box

    @staticmethod
    def of(xs: NDArray[Any], ys: NDArray[Any], z: NDArray[Any]) -> Samples:
        """Samples at given positions, with their hull."""
        ends = (xs[0], xs[-1]), (ys[-1], ys[0]), (z[0], z[0])
        return Samples(xs, ys, z, Box.of(*((float(low), float(high)) for low, high in ends)))


def _samples(view: View, precision: Precision) -> Samples:
    """The positions of a view's samples."""
    axes = (
        (view.center[0], view.scale, view._unit(view.width)),
        (view.center[1], -view.scale, view._unit(view.height)),
        (view.z, 0.0, np.zeros(1)),
    )
    return Samples.of(*(_positions(view, precision, *axis) for axis in axes))


_cached_samples = functools.lru_cache(maxsize=8)(_samples)


@functools.lru_cache(maxsize=8)
def _duplicates(view: View, precision: Precision) -> int:
    """Number of columns and rows of a view that repeat their neighbour's position."""
    xs, ys = view.xs(precision), view.ys(precision)
    return int(np.count_nonzero(xs[1:] == xs[:-1]) + np.count_nonzero(ys[1:] == ys[:-1]))


def _positions(
    view: View, precision: Precision, center: float, scale: float, unit: NDArray[np.float64]
) -> NDArray[Any]:
    """Positions along an axis. Raises `ViewError` if one overflows the precision."""
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = (center + scale * unit).astype(precision.dtype)
    if not np.isfinite(rounded).all():
        raise ViewError(
            f"center {view.center}, scale {view.scale}, z {view.z}: positions overflow {precision.value}"
        )
    return freeze_array(rounded + precision.real(0.0))  # -0 becomes +0
