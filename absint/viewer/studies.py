"""Answers about what is shown: what is left where, terms, what decides a pixel, what each pass did.

Every answer is of one view and one choice of passes, and holds floats as JSON can: what is not finite is
spelled out.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from absint.api import run_pipeline
from absint.base.errors import DomainError
from absint.evaluation.view import View
from absint.ir.box import Box
from absint.ir.program import Form
from absint.rewriting.manager import form_after, format_pipeline, parse_pipeline
from absint.study import measure as study
from absint.study.specialisation import measure_regions

from .session import Shown

MOST_ROWS = 250
"""Instructions that are told of a pixel: the last ones."""

TILES_ALONG = 40
"""Tiles along the longer side of a view."""

at_work = threading.Lock()
"""One of the long studies at a time: they are work for the interpreter, and pictures need it too."""

explaining = threading.Lock()
"""Pixels do not wait for the others."""


def region(shown: Shown, view: View) -> Box:
    """The part of a view on which the program holds. Raises `DomainError` if there is none."""
    bounds = dict(view.box(shown.drawer.precision).bounds)
    for name, (lower, upper) in shown.program.box.bounds.items():
        low, high = bounds.get(name, (lower, upper))
        bounds[name] = low, high = max(low, lower), min(high, upper)
        if low > high:
            raise DomainError(f"nothing to study: the program holds for {shown.program.box} only")
    return Box(bounds)


def heat(shown: Shown, view: View, pipeline: str) -> dict[str, Any]:
    """Operations left for `f < 0` on tiles of a view, after the passes that are on and do not lower.

    `columns` and `rows` of tiles, `left` row by row from the top, -1 where a tile is decided, `box` as x0,
    x1, y0, y1: the part of the view on which the program holds.
    """
    box = region(shown, view)
    real = format_pipeline(pass_ for pass_ in parse_pipeline(pipeline) if pass_.makes is Form.REAL)
    program, _ = run_pipeline(shown.program, passes=real, region=box, precision=shown.drawer.precision)
    longer = max(view.width, view.height)
    columns, rows = (max(1, round(TILES_ALONG * side / longer)) for side in (view.width, view.height))
    found = measure_regions(program, (columns, rows, 1))
    return {
        "columns": columns,
        "rows": rows,
        "left": np.where(found.undecided, found.operations_for_sign, -1)[0, ::-1].ravel().tolist(),
        "undecided": round(found.undecided_share, 4),
        "mean": round(found.mean_left(found.operations_for_sign), 1),
        "operations": program.graph.operation_count,
        "box": [*box.bounds["x"], *box.bounds["y"]],
    }


def terms(shown: Shown, view: View, pipeline: str) -> dict[str, Any]:
    """The terms of the lowered program that meet a view, as `study.terms` tells of them.

    `lowered`: whether the passes that are on lower at all.
    """
    if form_after(parse_pipeline(pipeline)) is Form.REAL:
        return {"lowered": False, "terms": []}
    precision = shown.drawer.precision
    found = study.terms(shown.program, passes=pipeline, region=region(shown, view), precision=precision)
    for term in found:
        term["lines"] = _ranges(term["lines"])
    return {"lowered": True, "terms": plain(found)}


def explain(shown: Shown, view: View, column: int, row: int) -> dict[str, Any]:
    """What decides a pixel: its position, its value, and the instructions that the value comes from.

    `rows`: the last of them, as `study.explain` tells of each; `count`: how many there are. Bounds are those
    on the view.
    """
    precision = shown.drawer.precision
    x, y = (float(view.xs(precision)[column]), float(view.ys(precision)[row]))
    z = float(view.height_z(precision)[0])
    rows = study.explain(shown.program, x, y, z, region=region(shown, view), precision=precision)
    return {
        "x": x, "y": y, "z": z, "value": plain(rows[-1]["value"]), "inside": rows[-1]["value"] < 0,
        "count": len(rows), "rows": plain(rows[-MOST_ROWS:]),
    }  # fmt: skip


def stages(shown: Shown, view: View, pipeline: str) -> dict[str, Any]:
    """What each pass that is on does to the program on a view, as `study.stages` tells of it."""
    precision = shown.drawer.precision
    rows = study.stages(shown.program, passes=pipeline, region=region(shown, view), precision=precision)
    return {"stages": rows}


def _ranges(lines: list[int]) -> list[list[int]]:
    """Sorted numbers as ranges of first and last."""
    found: list[list[int]] = []
    for line in lines:
        if found and line == found[-1][1] + 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    return found


def plain(value: Any) -> Any:
    """A value of dicts, sequences and floats as strict JSON holds it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value
