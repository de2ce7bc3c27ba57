"""Compile once, ask often: an engine is a model that is ready to give values, bounds and pictures.

Each kind of answer is prepared when it is first asked for. Values and bounds come from a program that keeps
every bit; a picture from the pipeline that the backend draws with, unless a level is named.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.api import Model, precision_of, prepare_drawing, run_pipeline, source_of
from absint.base.arguments import whole, word
from absint.base.errors import BackendError, PromiseError, UsageError, shown
from absint.base.memo import Recent, cached_property
from absint.base.registry import find
from absint.domains.lattice import Interval
from absint.evaluation.backend import (
    Drawing,
    Executable,
    Ranges,
    broadcast_shape,
    find_backend,
    hull,
    is_on_device,
    real_array,
)
from absint.evaluation.view import View
from absint.frontend.source import Source, program_of
from absint.ir.box import Box
from absint.ir.graph import AXES
from absint.ir.program import Program, Promise
from absint.ops.precision import Precision
from absint.rewriting.manager import LEVELS, parse_pipeline

REACHES = (4.0, float(1 << 20))
"""Half the sides of the boxes, about the origin, that pictures are prepared for where no region is named.
To draw part of a prepared box is no slower than to prepare for that part alone, so panning and zooming
within a reach prepare nothing. Where all floats are allowed a sum may be NaN, and drawing takes twenty
times longer.
"""

_EXACT = "cse,dce"
"""The pipeline before values and bounds where no level is named. Longer pipelines pay off only for many
points.
"""

_MANY = 1 << 12
"""Points for which it pays to specialise a program to their hull."""


class Engine:
    """A model on a backend, made by `compile`. For any number of threads.

    `region`: the `Box` where it may be asked; `precision`: of the numbers that it takes and gives. Raises
    `UsageError`, `BackendError`, `VmError` and `DomainError` as `compile` does.
    """

    def __init__(
        self, model: Model | Source, backend: str = "numba", level: int | None = None,
        region: Box | None = None, precision: Precision | str | None = None, threads: int | None = None,
    ) -> None:  # fmt: skip
        """See `compile`."""
        if level is not None and whole(level, "level") not in LEVELS:
            raise UsageError(f"level {shown(level)}: expected one of {', '.join(map(str, LEVELS))}")
        if region is not None and not isinstance(region, Box):
            raise UsageError(f"region {shown(region)}: expected a Box, as Box.parse('-1:1,-1:1')")
        self._source = model if isinstance(model, Source) else source_of(model)
        self._backend = find_backend(word(backend, "backend", BackendError))
        self._level = None if level is None else whole(level, "level")
        self._threads = None if threads is None else whole(threads, "threads", least=1)
        self.precision = precision_of(self._source, precision)
        self.region = self._program.origin.box if region is None else region
        self._program.basis(self.region.rounded(self.precision), self.precision, Promise.SIGN)
        self._has_region = region is not None
        self._drawings: dict[float, Drawing] = {}

    def values(self, x: Any, y: Any, z: Any = 0.0, **variables: Any) -> NDArray[Any]:
        """The value at points; arrays broadcast and are rounded to the precision.

        Returns an array of the broadcast shape. Raises `DomainError` for points outside the region,
        `PromiseError` for a level that keeps only `f < 0`, `UsageError` for what is no array of real numbers.
        """
        return self._exact.values(x, y, z, **variables)

    def bounds(self, boxes: Ranges) -> Interval:
        """Bounds on many boxes: for each variable a pair of arrays, the lower and the upper ends.

        Returns arrays `lower`, `upper` and `may_nan` of the broadcast shape. Raises as `values` does.
        """
        return self._exact.bounds(boxes)

    def image(self, view: View | int = 512) -> NDArray[np.uint8]:
        """uint8[height, width]: the picture in a view, 255 where `f < 0`.

        Raises `DomainError` for a view outside the region, or a model of other variables than x, y and z, and
        `ViewError` for a size that no picture has.
        """
        view = view if isinstance(view, View) else View.square(whole(view, "view"))
        reach = self._reach(view.box(self.precision))
        drawing = self._drawings.get(reach)
        if drawing is None:
            box = self._box(reach)
            pipeline = None if self._level is None else LEVELS[self._level]
            drawing = prepare_drawing(
                self._source, box, self.precision, self._backend, self._threads, pipeline
            )
            self._drawings[reach] = drawing
        return drawing.image(view)

    def _reach(self, seen: Box) -> float:
        """The first of `REACHES` whose box holds what is seen; infinite for the whole region."""
        if self._has_region:
            return math.inf
        return next((reach for reach in REACHES if self._box(reach).contains(seen)), math.inf)

    def _box(self, reach: float) -> Box:
        """The region, with the axes that it leaves free bounded by a reach."""
        if reach == math.inf:
            return self.region
        return Box(dict.fromkeys(AXES, (-reach, reach)) | dict(self.region.bounds))

    @cached_property
    def _program(self) -> Program:
        return program_of(self._source)

    @cached_property
    def _exact(self) -> Executable:
        """The program that keeps every bit, ready to run."""
        pipeline = _EXACT if self._level is None else LEVELS[self._level]
        if any(pass_.promise is not Promise.BITS for pass_ in parse_pipeline(pipeline)):
            raise PromiseError(
                f"level {self._level} keeps only whether f < 0: values and bounds need level 0 or 1"
            )
        program, _ = run_pipeline(
            self._program, passes=pipeline, region=self.region, precision=self.precision
        )
        return self._backend.compile(program, self._threads)


def compile(
    model: Model, *, backend: str = "numba", level: int | None = None, region: Box | None = None,
    precision: Precision | str | None = None, threads: int | None = None,
) -> Engine:  # fmt: skip
    """A model that is ready to be asked again and again: `engine.values`, `engine.bounds`, `engine.image`.

    `level`: of optimisation, for all answers; if not given, each kind of answer has the pipeline that suits
    it. `region`: the `Box`, in model units, in which questions lie; everywhere that the model holds if not
    given. `threads`: how many may work, all cores if not given. Raises `VmError` for malformed text,
    `UsageError` for an unknown level, `BackendError` for a backend that cannot be used here, `DomainError`
    where the model does not hold.
    """
    return Engine(model, backend, level, region, precision, threads)


_engines: Recent[tuple[Any, ...], Engine] = Recent(16)
"""The engines that values were last asked of."""


def evaluate(
    model: Model, x: Any, y: Any, z: Any = 0.0, *, backend: str = "reference",
    precision: Precision | str | None = None, **variables: Any,
) -> NDArray[Any]:  # fmt: skip
    """The value of a model at points in model units; `x`, `y`, `z` and further variables broadcast.

    Returns an array of the broadcast shape in the precision, exact to the bit. Engines for the last few
    models are kept; many points get a program of their own, specialised to their hull. An
    optimised program whose source is at hand has the values of its source. Raises `DomainError` for a
    variable that is missing or unknown, or points where the model does not hold, `PromiseError` for a written
    program that keeps only its sign, `UsageError` for what is no array of real numbers, masked arrays, and
    shapes that do not broadcast, `BackendError` for a backend that cannot be used here.
    """
    source = source_of(model)
    real = precision_of(source, precision)
    backend = word(backend, "backend", BackendError)
    given = {"x": x, "y": y, "z": z, **variables}
    points = {
        name: value if is_on_device(value) else real_array(name, value, real) for name, value in given.items()
    }
    if np.prod(broadcast_shape(points), dtype=object) >= _MANY:
        optimised, _ = run_pipeline(program_of(source), level=1, region=hull(points), precision=real)
        return find_backend(backend).compile(optimised).values(**points)
    key = (*_identity(source), backend, find("backends", backend.partition(":")[0]), real)
    engine = _engines.get(key)
    if engine is None:
        engine = Engine(source, backend, precision=real)
        _engines.put(key, engine)
    return engine.values(**points)


def _identity(source: Source | Program) -> tuple[Any, ...]:
    """What tells sources apart."""
    if isinstance(source, Source):
        return (source,)
    return tuple(
        part
        for program in (source, source.origin)
        for part in (
            program.graph, program.precision, program.promise, str(program.box), program.specialised,
            program.source is None,
        )
    )  # fmt: skip
