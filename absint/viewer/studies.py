"""Studies of the model that is shown: operations left per tile, terms, the instructions behind a pixel, pass
effects.

Every answer is about one view and one choice of passes. Infinities and NaN become strings, since JSON lacks
them.
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
"""Largest number of instructions in an explanation of a pixel: the last ones are given."""

TILES_ALONG = 40
"""Number of tiles along the longer side of a view."""

study_lock = threading.Lock()
"""Held during a long study, so that one runs at a time: studies need the interpreter, and so do pictures."""

explain_lock = threading.Lock()
"""Held while a pixel is explained, which does not wait for long studies."""


def region(shown: Shown, view: View) -> Box:
    """The part of a view on which the program is valid. Raises `DomainError` if it is empty."""
    bounds = dict(view.box(shown.drawer.precision).bounds)
    for name, (lower, upper) in shown.program.box.bounds.items():
        low, high = bounds.get(name, (lower, upper))
        bounds[name] = low, high = max(low, lower), min(high, upper)
        if low > high:
            raise DomainError(f"nothing to study: the program holds for {shown.program.box} only")
    return Box(bounds)


def heat(shown: Shown, view: View, pipeline: str) -> dict[str, Any]:
    """Operations left for `f < 0` on tiles of a view, after those passes of the pipeline that do not lower.

    `columns` and `rows`: numbers of tiles. `left`: row by row from the top, -1 on decided tiles. `box`: (x0,
    x1, y0, y1), the part of the view on which the program is valid.
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
    """The terms of the lowered program in a view: rows of `study.terms`.

    `lowered`: whether the pipeline lowers the program; if not, there are no terms.
    """
    if form_after(parse_pipeline(pipeline)) is Form.REAL:
        return {"lowered": False, "terms": []}
    precision = shown.drawer.precision
    found = study.terms(shown.program, passes=pipeline, region=region(shown, view), precision=precision)
    for term in found:
        term["lines"] = _ranges(term["lines"])
    return {"lowered": True, "terms": to_json(found)}


def explain(shown: Shown, view: View, column: int, row: int) -> dict[str, Any]:
    """The position and value of a pixel, and the instructions that determine the value.

    `rows`: the last rows of `study.explain`, with bounds on the view. `count`: number of all rows.
    """
    precision = shown.drawer.precision
    x, y = (float(view.xs(precision)[column]), float(view.ys(precision)[row]))
    z = float(view.height_z(precision)[0])
    rows = study.explain(shown.program, x, y, z, region=region(shown, view), precision=precision)
    return {
        "x": x, "y": y, "z": z, "value": to_json(rows[-1]["value"]), "inside": rows[-1]["value"] < 0,
        "count": len(rows), "rows": to_json(rows[-MOST_ROWS:]),
    }  # fmt: skip


def stages(shown: Shown, view: View, pipeline: str) -> dict[str, Any]:
    """The effect of each pass of the pipeline on the program in a view: rows of `study.stages`."""
    precision = shown.drawer.precision
    rows = study.stages(shown.program, passes=pipeline, region=region(shown, view), precision=precision)
    return {"stages": rows}


def _ranges(lines: list[int]) -> list[list[int]]:
    """Sorted numbers as ranges [first, last]."""
    found: list[list[int]] = []
    for line in lines:
        if found and line == found[-1][1] + 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    return found


def to_json(value: Any) -> Any:
    """A value of dicts, sequences and floats in a form that strict JSON can hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {name: to_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(part) for part in value]
    return value
