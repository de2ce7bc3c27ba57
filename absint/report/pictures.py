"""The report's pictures: the model's image, and the boxes of its lowered terms.

Both are made from the source; the result's promise is that it has the same image.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint import api
from absint.base.errors import AbsintError
from absint.evaluation.view import Grid, View
from absint.ir.box import Box
from absint.ir.graph import AXES
from absint.ir.program import Program
from absint.ops.precision import Precision
from absint.ops.table import FALSE
from absint.study import measure as study
from absint.study.lowering_facts import term_rows, terms_of

PIXELS = 512
"""The longer side of a picture."""

MOST_OBLONG = 8
"""Largest ratio of a picture's sides; of a longer region the middle is shown."""


@dataclass(frozen=True, slots=True)
class ModelPicture:
    """An image of the model and the ranges of x and y that it covers, which lie in the region.

    `image`: uint8[height, width], 255 where `f < 0`. `z`: the slice's z, None for a model without z. `part`:
    whether the image shows only a part of the region.
    """

    image: NDArray[np.uint8]
    x: tuple[float, float]
    y: tuple[float, float]
    z: float | None
    part: bool


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of a report; where one cannot be made, a string that says why.

    `terms`: rows of `term_rows`, largest boxes first.
    """

    picture: ModelPicture | str
    terms: list[dict[str, Any]] | str


def make_pictures(program: Program, result: Program, domains: Sequence[str]) -> Pictures:
    """The pictures of a run: `program` entered the pipeline, `result` left it."""
    return Pictures(_picture(program, result.box, result.precision), _terms(program, result, domains))


def _picture(program: Program, box: Box, precision: Precision) -> ModelPicture | str:
    """The picture of a program on a box, or why there is none."""
    bounds = [box.of_variable(name)[:2] for name in AXES]
    window = [_window(*ends) for ends in bounds[:2]]
    if flat := [name for name, (lower, upper) in zip(AXES, window, strict=False) if not lower < upper]:
        return f"the region has no extent in {flat[0]}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a view finer than the floats is still worth showing
        try:
            view = _view(window, _slice(*bounds[2]))
            image = api.render(program, view, precision=precision)
        except AbsintError as error:
            return str(error)
    pixel = 2 * view.scale / min(view.width, view.height)
    sides = (view.width * pixel, view.height * pixel)
    shown = [(at - side / 2, at + side / 2) for at, side in zip(view.center, sides, strict=True)]
    part = any(not upper - lower <= side + pixel for (lower, upper), side in zip(bounds, sides, strict=False))
    uses_z = "z" in program.graph.variables.values()
    return ModelPicture(image, shown[0], shown[1], view.z if uses_z else None, part)


def _view(window: Sequence[tuple[float, float]], z: float) -> View:
    """A view of a window, or of its middle if the window is longer than `MOST_OBLONG` times its width.

    Samples lie at the centres of pixels, so that rounding moves none of them out of the window.
    """
    extents = [upper - lower for lower, upper in window]
    shorter = min(extents)
    sides = [min(extent / shorter, MOST_OBLONG) for extent in extents]
    short_pixels = int(PIXELS / max(sides))
    width, height = (int(short_pixels * side) for side in sides)
    center = [lower + extent / 2 for (lower, _), extent in zip(window, extents, strict=True)]
    return View(width, height, (center[0], center[1]), shorter / 2, z, Grid.PIXEL)


def _window(lower: float, upper: float) -> tuple[float, float]:
    """The range shown of an axis: all of it, or a piece of length 2 if it is not finite."""
    if math.isfinite(upper - lower):
        return lower, upper
    start = min(max(lower, -1.0), upper - 2.0)
    return start, start + 2.0


def _slice(lower: float, upper: float) -> float:
    """The z of the slice that is shown: 0 if the box holds it, else the middle, or the finite end."""
    if lower <= 0.0 <= upper:
        return 0.0
    if math.isfinite(upper - lower):
        return lower + (upper - lower) / 2
    return lower if math.isfinite(lower) else upper


def _terms(program: Program, result: Program, domains: Sequence[str]) -> list[dict[str, Any]] | str:
    """The terms of the lowered model, or why there are none to show."""
    try:
        lowered, _ = api.run_pipeline(
            program, passes=study.LOWERING_TO_TERMS, domains=domains, region=result.box,
            precision=result.precision,
        )  # fmt: skip
    except AbsintError as error:
        return str(error)
    graph = lowered.graph
    rows = [row for row, term in zip(term_rows(lowered), terms_of(graph), strict=True)
            if graph.rows[term][0] != FALSE.code]  # fmt: skip
    return sorted(rows, key=lambda row: (-_area(row["box"]), row["line"] or 0))


def _area(box: tuple[float, float, float, float]) -> float:
    """The area of a term's box (left, right, bottom, top); inf if it is unbounded."""
    left, right, bottom, top = box
    area = (right - left) * (top - bottom)
    return area if area == area else 0.0  # NaN: infinitely long and of no width
