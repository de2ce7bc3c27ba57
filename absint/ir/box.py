"""Boxes: closed bounds of variables. Their text, as `--region` takes it, is in `absint.ir.region_text`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from absint.base.arguments import pair, word
from absint.base.errors import UsageError, ViewError, shown, shown_path
from absint.ir.graph import AXES
from absint.ir.region_text import format_region, parse_region
from absint.ops.demand import Bounds
from absint.ops.precision import Precision, as_precision

ANYTHING = Bounds(-math.inf, math.inf, True)
"""The bounds of a variable that a box does not bound."""


@dataclass(frozen=True, slots=True)
class Box:
    """Closed bounds of some variables, in model units. A variable without bounds may be anything, NaN
    included.

    `bounds` is copied. Raises `ViewError` for empty bounds, and unless `bounds` maps names to pairs of
    numbers.
    """

    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.bounds, Mapping):
            raise ViewError(f"box {shown(self.bounds)}: expected bounds by name, as {{'x': (-1.0, 1.0)}}")
        bounds = {}
        for given, ends in self.bounds.items():
            name = word(given, "box: name", ViewError)
            lower, upper = bounds[name] = pair(ends, f"box: {shown_path(name)}:", ViewError)
            if not lower <= upper:
                raise ViewError(f"box: {shown_path(name)} runs from {lower!r} to {upper!r}, which is empty")
        object.__setattr__(self, "bounds", MappingProxyType(bounds))

    def __reduce__(self) -> tuple[Any, ...]:
        return Box, (dict(self.bounds),)

    @staticmethod
    def of(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float] | None = None) -> Box:
        """Bounds of x, y and, if given, z."""
        return Box({"x": x, "y": y} | ({"z": z} if z is not None else {}))

    @staticmethod
    def parse(text: str) -> Box:
        """The box of a region's text, such as `-1:1,-1:1` or `x=-1:1,t=0:2`; `absint.ir.region_text` has the
        grammar. Raises `ViewError` for any other text.
        """
        return Box(parse_region(text))

    @staticmethod
    def default() -> Box:
        """The box from -1 to 1 in x, y and z."""
        return Box(dict.fromkeys(AXES, (-1.0, 1.0)))

    def of_variable(self, name: str) -> Bounds:
        """The bounds of a variable. Raises `ViewError` if `name` is not a name."""
        bounds = self.bounds.get(word(name, "variable", ViewError))
        return ANYTHING if bounds is None else Bounds(*bounds, may_nan=False)

    def contains(self, other: Box) -> bool:
        """Whether every point of `other` is a point of this box. Raises `UsageError` if `other`
        is not a box.
        """
        check_is_box(other)
        for name, (lower, upper) in self.bounds.items():
            inner = other.bounds.get(name)
            if inner is None or inner[0] < lower or inner[1] > upper:
                return False
        return True

    def rounded(self, precision: Precision) -> Box:
        """The box with its ends rounded to nearest, as sample positions are. Raises `ViewError` if an end
        overflows.
        """
        precision = as_precision(precision)
        bounds = {}
        for name, ends in self.bounds.items():
            lower, upper = (precision.round(end) + 0.0 for end in ends)
            if math.isinf(lower) > math.isinf(ends[0]) or math.isinf(upper) > math.isinf(ends[1]):
                raise ViewError(
                    f"box: {shown_path(name)} from {ends[0]!r} to {ends[1]!r} overflows {precision.value}"
                )
            bounds[name] = (lower, upper)
        return Box(bounds)

    def __str__(self) -> str:
        return format_region(self.bounds)


def check_is_box(box: object) -> None:
    """Raises `UsageError` unless `box` is a box."""
    if not isinstance(box, Box):
        raise UsageError(f"{shown(box)}: expected a Box, as Box.parse('-1:1,-1:1')")


EVERYWHERE = Box()
