"""Boxes: closed bounds of variables, and their text: `Box.parse` defines the grammar of `--region`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from absint.base.arguments import pair, word
from absint.base.errors import UsageError, ViewError, shown, shown_path
from absint.ir.graph import AXES
from absint.ops.demand import Bounds
from absint.ops.precision import Precision, as_precision

ANYTHING = Bounds(-math.inf, math.inf, True)
"""The bounds of a variable that a box does not bound."""

_RANGE = re.compile(r"([^:_]+):([^:_]+)")  # without "_", which `float` accepts between digits


def _parse_range(text: str, part: str) -> tuple[float, float]:
    """Parse one range, `part`, of a region's text."""
    match = _RANGE.fullmatch(part)
    try:
        if match is None:
            raise ValueError
        lower, upper = float(match[1]), float(match[2])
    except ValueError:
        raise ViewError(f"region {shown(text)}: {shown(part)} is not a range such as -1:1") from None
    if not lower <= upper:
        raise ViewError(f"region {shown(text)}: {shown(part)} is empty")
    return lower, upper


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
        """Parse the text of a region.

        Accepts `x0:x1,y0:y1[,z0:z1]` (z is -1:1 if left out), `all` for a box without bounds, and ranges by
        name, such as `x=-1:1,t=0:2`, which leave other variables without bounds; `str` of a box gives the
        last form. Raises `ViewError` for any other text.
        """
        text = word(text, "region", ViewError)
        if text.strip() == "all":
            return Box()
        parts = text.split(",")
        if "=" in text:
            named = [part.rpartition("=") for part in parts]
            bounds = {name.strip(): _parse_range(text, ends) for name, _, ends in named}
            if len(bounds) < len(parts) or "" in bounds:
                raise ViewError(f"region {shown(text)}: every range needs a name of its own")
            return Box(bounds)
        if len(parts) not in (2, 3):
            raise ViewError(f"region {shown(text)}: expected x0:x1,y0:y1[,z0:z1] or all")
        ranges = [_parse_range(text, part) for part in parts]
        return Box(dict(zip(AXES, [*ranges, (-1.0, 1.0)], strict=False)))

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
        if not self.bounds:
            return "all"
        names = [*AXES, *sorted(set(self.bounds) - set(AXES))]
        return ",".join(
            f"{name}={self.bounds[name][0]!r}:{self.bounds[name][1]!r}"
            for name in names
            if name in self.bounds
        )


def check_is_box(box: object) -> None:
    """Raises `UsageError` unless `box` is a box."""
    if not isinstance(box, Box):
        raise UsageError(f"{shown(box)}: expected a Box, as Box.parse('-1:1,-1:1')")


EVERYWHERE = Box()
