"""Loading, optimising and drawing models: `absint.load`, `absint.optimize` and `absint.render`."""

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
from absint.base.arguments import whole, word, words
from absint.base.errors import BackendError, UsageError, shown, shown_path
from absint.evaluation.preparation import Preparation
from absint.evaluation.questions.image import Image
from absint.evaluation.view import View
from absint.frontend.expr import Expr, to_graph
from absint.frontend.source import Source, known_source, program_of
from absint.frontend.vm import read_text
from absint.ir.box import Box
from absint.ir.graph import Graph
from absint.ir.program import Program, Promise, check_program
from absint.ops.precision import Precision, as_precision
from absint.rewriting.analysis import DEFAULT_DOMAINS, Analyses, RewriteBudget
from absint.rewriting.manager import LEVELS, Instrument, PassManager, Step, parse_pipeline

Model = str | Path | Graph | Expr | Program
"""A bundled model's name, a path (`-`: standard input), a graph, an expression or a program."""

DEFAULT_LEVEL = 2
"""The highest level whose programs have a `.vm` form."""

_graphs: WeakKeyDictionary[Expr, Graph] = WeakKeyDictionary()
"""The graph of each expression, built once, so that results cached for the graph are found again."""


def load(model: Model) -> Program:
    """The program of a model. It is valid everywhere, or, if absint wrote the file, on the region named in
    the file.

    A name of both a bundled model and a file means the file. Raises `VmError` for malformed text and
    `UsageError` for a file that cannot be read.
    """
    source = source_of(model)
    return program_of(source)


def source_of(model: Model) -> Source | Program:
    """A model as a `Source` if it is text, so that results cached for the text are found without parsing it;
    else as a program.
    """
    if isinstance(model, Program):
        model.verify()
        return model
    if not isinstance(model, str | Path | Graph | Expr):
        raise UsageError(
            f"{type(model).__name__}: not a model; expected a name, path, graph, expression or program"
        )
    if isinstance(model, Graph):
        model.verify()
        return Program(model)
    if isinstance(model, Expr):
        graph = _graphs.get(model)
        return Program(_graphs.setdefault(model, to_graph(model)) if graph is None else graph)
    if str(model) != "-" and not os.path.exists(str(model)):
        if str(model) in models.names():
            return known_source(models.text(str(model)), f"{model}.vm")
        if Path(model).suffix == "" and isinstance(model, str) and "/" not in model:
            raise UsageError(
                f"{shown_path(model)}: no such file, and no bundled model of that name{models.nearest(model)}"
            )
    return known_source(*read_text(model))


def domain_names(domains: object) -> tuple[str, ...]:
    """The names of domains as a tuple. Raises `UsageError` for anything but a non-empty sequence of names."""
    names = words(domains, "domains")
    if not names:
        raise UsageError("domains (): expected a sequence of names, as ['interval', 'affine']")
    return names


def run_pipeline(
    program: Program,
    *,
    level: int = DEFAULT_LEVEL,
    passes: str | None = None,
    region: Box | None = None,
    precision: Precision | str | None = None,
    domains: Sequence[str] = DEFAULT_DOMAINS,
    instruments: Sequence[Instrument] = (),
    budget: RewriteBudget | None = None,
) -> tuple[Program, list[Step]]:
    """Specialise a program for a region and precision. Returns the program, and the steps of the passes.

    `passes`: the text of a pipeline, in place of a level's. `region`: -1 to 1 on each axis by default.
    `precision`: the program's own by default, which is binary32 for a source. `budget`: the most rewrites to
    make. Raises `PipelineError`, `UsageError` for an unknown level or domain, and `DomainError` if the
    program does not hold on the region in that precision.
    """
    level = whole(level, "level")
    if passes is None and level not in LEVELS:
        raise UsageError(f"level {shown(level)}: expected one of {', '.join(map(str, LEVELS))}")
    domains = domain_names(domains)
    if budget is not None and not isinstance(budget, RewriteBudget):
        raise UsageError(f"budget {shown(budget)}: expected a RewriteBudget")
    if region is not None and not isinstance(region, Box):
        raise UsageError(f"region {shown(region)}: expected a Box, as Box.parse('-1:1,-1:1')")
    check_program(program)
    pipeline = parse_pipeline(LEVELS[level] if passes is None else passes)
    keeps_bits = all(pass_.promise is Promise.BITS for pass_ in pipeline)
    start = program.restricted(
        Box.default() if region is None else region,
        program.precision if precision is None else as_precision(precision),
        program.origin.promise if keeps_bits else Promise.SIGN,
    )
    return PassManager(pipeline, Analyses(domains, budget), instruments).run(start)


def optimize(model: Model, **options: Any) -> Program:
    """The optimised program of a model.

    `level`: 0 nothing, 1 keeps every bit of the value, 2 (default) keeps `f < 0`, 3 lowers after that.
    `passes`: a pipeline's text instead. `region`: the `Box`, in model units, on which the result shall hold,
    -1 to 1 on each axis if not given. `precision`: `"f32"` or `"f64"`. `domains`: names of abstract domains.
    Raises `VmError` for malformed text, `PipelineError` for an unknown pass, `UsageError` for an unknown
    level, domain, precision or file, `DomainError` where the model does not hold on the region.
    """
    return run_pipeline(load(model), **options)[0]


def render(
    model: Model,
    view: View | int = 512,
    *,
    backend: str = "numba",
    precision: Precision | str | None = None,
    threads: int | None = None,
) -> NDArray[np.uint8]:
    """uint8[height, width]: the picture of a model, 255 where `f < 0`.

    `view`: a `View`, or n for n by n samples of the square from -1 to 1. `threads`: the most threads that
    draw, one for each core by default. The model is optimised for the view's box. The last few engines are
    cached in memory and serve views inside their boxes; the CPU engine's plans are cached on disk. Raises
    `DomainError` for a view on which the model does not hold, or a model with other variables than x, y and
    z, `UsageError` for less than one thread, `ViewError` for a size or position that no picture has,
    `BackendError` for a backend that cannot be used on this machine, and `VmError` for malformed text.
    """
    source = source_of(model)
    view = view if isinstance(view, View) else View.square(whole(view, "view"))
    precision = precision_of(source, precision)
    if repeated := view.duplicate_samples(precision):
        warnings.warn(
            f"{repeated} columns and rows repeat their neighbour's position: "
            f"the view is too deep for {precision.value}",
            stacklevel=2,
        )
    preparation = Preparation(
        source, Image, word(backend, "backend", BackendError), precision, view.box(precision),
        threads=None if threads is None else whole(threads, "threads", least=1),
    )  # fmt: skip
    return preparation.find(any_box=True).engine.image(view)


def precision_of(source: Source | Program, asked: Precision | str | None) -> Precision:
    """The requested precision, by default the source's own: that of its guard, or binary32."""
    return source.precision if asked is None else as_precision(asked)
