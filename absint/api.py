"""The functions behind `import absint`: load, optimize, render, evaluate."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from absint import models
from absint.analysis import DEFAULT_DOMAINS, Analyses
from absint.backend import Executable, find_backend, hull
from absint.errors import UsageError
from absint.expr import Expr, to_graph
from absint.graph import Graph
from absint.manager import LEVELS, Instrument, PassManager, Step, parse_pipeline
from absint.precision import Precision, as_precision
from absint.program import Box, Program, Promise, described
from absint.view import View
from absint.vm import first_comment, parse_vm, read_text

Model = str | Path | Graph | Expr | Program
"""A bundled model's name, a path (`-`: standard input), a graph, an expression or a program."""

HIGHEST_LEVEL = max(LEVELS)

_graphs: WeakKeyDictionary[Expr, Graph] = WeakKeyDictionary()
"""One graph for one expression, so that what is kept for the graph is found again."""


def load(model: Model) -> Program:
    """The program of a model. A source holds everywhere; a file that absint has written, where it says.

    A name that is both a bundled model's and a file's means the file. Raises `VmError` for malformed text and
    `UsageError` for a file that cannot be read.
    """
    if isinstance(model, Program):
        return model
    if isinstance(model, Graph):
        return Program(model)
    if isinstance(model, Expr):
        if model not in _graphs:
            _graphs[model] = to_graph(model)
        return Program(_graphs[model])
    if str(model) != "-" and not os.path.exists(str(model)):
        if str(model) in models.names():
            return Program(parse_vm(models.text(str(model)), f"{model}.vm"))
        if Path(model).suffix == "" and isinstance(model, str) and "/" not in model:
            raise UsageError(
                f"{model}: no such file, and no bundled model of that name ({', '.join(models.names())})"
            )
    text, shown = read_text(model)
    return described(parse_vm(text, shown), first_comment(text))


def run_pipeline(
    program: Program,
    *,
    level: int = HIGHEST_LEVEL,
    passes: str | None = None,
    region: Box | None = None,
    precision: Precision | str = "f32",
    domains: Sequence[str] = DEFAULT_DOMAINS,
    instruments: Sequence[Instrument] = (),
) -> tuple[Program, list[Step]]:
    """Specialise a source program for a region and precision, and what each pass did on the way.

    `passes`: the text of a pipeline, in place of a level's. `region`: -1 to 1 on each axis if not given.
    """
    box = Box.default() if region is None else region
    pipeline = parse_pipeline(LEVELS[level] if passes is None else passes)
    keeps_bits = all(pass_.promise is Promise.BITS for pass_ in pipeline)
    promise = program.origin.promise if keeps_bits else Promise.SIGN
    start = program.restricted(box, as_precision(precision), promise)
    return PassManager(pipeline, Analyses(domains), instruments).run(start)


def optimize(model: Model, **options: Any) -> Program:
    """The optimised program of a model; options as of `run_pipeline`.

    `level`: 0 nothing, 1 keeps every bit of the value, 2 (default) keeps `f < 0`. `passes`: a pipeline's text
    instead. `region`: the `Box` on which the result shall hold. `precision`: `"f32"` (default) or `"f64"`.
    `domains`: names of abstract domains.
    """
    return run_pipeline(load(model), **options)[0]


_rendering: WeakKeyDictionary[Graph, dict[tuple[str, Precision], Executable]] = WeakKeyDictionary()


def render(
    model: Model,
    view: View | int = 512,
    *,
    backend: str = "reference",
    precision: Precision | str = "f32",
) -> NDArray[np.uint8]:
    """uint8[height, width]: the picture of a model, 255 where `f < 0`.

    `view`: a `View`, or n for n by n samples of the square from -1 to 1. The model is optimised for the
    view's box; the result is kept, as long as the graph is, for views that stay inside that box.
    """
    source = load(model)
    view = View.square(view) if isinstance(view, int) else view
    precision = as_precision(precision)
    if repeated := view.duplicate_samples(precision):
        warnings.warn(
            f"{repeated} columns and rows repeat their neighbour's position: "
            f"the view is too deep for {precision.value}",
            stacklevel=2,
        )
    kept = _rendering.setdefault(source.origin.graph, {})
    box = view.box(precision)
    executable = kept.get((backend, precision))
    if executable is None or not executable.program.box.contains(box):
        optimised, _ = run_pipeline(source, region=box, precision=precision)
        executable = kept[backend, precision] = find_backend(backend).compile(optimised)
    return executable.image(view)


def evaluate(
    model: Model,
    x: Any,
    y: Any,
    z: Any = 0.0,
    *,
    backend: str = "reference",
    precision: Precision | str = "f32",
    **variables: Any,
) -> NDArray[Any]:
    """The value of a model at points; `x`, `y`, `z` and further variables broadcast.

    Returns an array of the broadcast shape in the precision, exact to the bit: the model is optimised at
    level 1 for the hull of the points.
    """
    source, precision = load(model), as_precision(precision)
    given = {"x": x, "y": y, "z": z, **variables}
    with np.errstate(over="ignore"):  # a point may round to infinity
        points = {name: np.asarray(value).astype(precision.dtype) for name, value in given.items()}
    optimised, _ = run_pipeline(source, level=1, region=hull(points), precision=precision)
    return find_backend(backend).compile(optimised).values(**points)
