"""The text of a region, as the option `--region`, `Box.parse` and the guards of written programs take it.

region  all                           no bounds: every variable may be anything
x0:x1,y0:y1[,z0:z1]           bounds of the axes; z is -1:1 if left out
NAME=lower:upper[,NAME=…]     bounds by name; other variables have none
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from absint.base.arguments import word
from absint.base.errors import ViewError, shown
from absint.ir.graph import AXES

_RANGE = re.compile(r"([^:_]+):([^:_]+)")  # without "_", which `float` accepts between digits


def parse_region(text: str) -> dict[str, tuple[float, float]]:
    """The lower and upper end of each variable in a region's text. Raises `ViewError` for any other text."""
    text = word(text, "region", ViewError)
    if text.strip() == "all":
        return {}
    parts = text.split(",")
    if "=" in text:
        named = [part.rpartition("=") for part in parts]
        bounds = {name.strip(): _parse_range(text, ends) for name, _, ends in named}
        if len(bounds) < len(parts) or "" in bounds:
            raise ViewError(f"region {shown(text)}: every range needs a name of its own")
        return bounds
    if len(parts) not in (2, 3):
        raise ViewError(f"region {shown(text)}: expected x0:x1,y0:y1[,z0:z1] or all")
    ranges = [_parse_range(text, part) for part in parts]
    return dict(zip(AXES, [*ranges, (-1.0, 1.0)], strict=False))


def format_region(bounds: Mapping[str, tuple[float, float]]) -> str:
    """A region's text, with bounds by name: the axes first, then the other variables by name."""
    names = [name for name in (*AXES, *sorted(set(bounds) - set(AXES))) if name in bounds]
    return ",".join(f"{name}={bounds[name][0]!r}:{bounds[name][1]!r}" for name in names) or "all"


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
