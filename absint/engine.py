"""Compile once, ask often: an engine is a model that is ready to return values, bounds and pictures.

Each kind of answer is prepared on the first question of its kind. Values and bounds come from a program that
keeps every bit; pictures from the backend's render pipeline, unless a level is given.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from absint.api import Model, precision_of, source_of
from absint.base.arguments import whole, word
from absint.base.errors import BackendError, PromiseError, UsageError, shown
from absint.evaluation.backend import find_backend
from absint.evaluation.checks import broadcast_shape, hull, is_on_device, real_array
from absint.evaluation.engine import BackendEngine, Engine, unanswered
from absint.evaluation.preparation import Preparation
from absint.evaluation.question import Question, check_question
from absint.evaluation.questions.image import Image
from absint.evaluation.questions.values import Values
from absint.evaluation.view import View
from absint.frontend.source import program_of
from absint.ir.box import Box
from absint.ir.graph import AXES
from absint.ir.program import Promise
from absint.ops.precision import Precision
from absint.rewriting.manager import LEVELS, parse_pipeline

A = TypeVar("A")

REACHES = (4.0, float(1 << 20))
"""Half the side of the boxes around the origin that pictures are prepared for if no region is given. Drawing
a part of such a box is as fast as drawing from an engine prepared for that part alone, so panning and zooming
within a reach prepare nothing. The reaches are finite because, on all floats, a sum may be NaN, and drawing
takes twenty times longer.
"""

_MANY = 1 << 12
"""Number of points from which specialising a program to their hull pays off."""


class ModelEngine(Engine):
    """A model on a backend, made by `compile`: answers questions, from any number of threads at once.

    `region`: the `Box` in which questions may lie. `precision`: the precision of the numbers that the engine
    takes and returns. Raises `UsageError`, `BackendError`, `VmError` and `DomainError` as `compile` does.
    """

    def __init__(
        self, model: Model, backend: str = "numba", level: int | None = None,
        region: Box | None = None, precision: Precision | str | None = None, threads: int | None = None,
    ) -> None:  # fmt: skip
        """See `compile`."""
        if level is not None and whole(level, "level") not in LEVELS:
            raise UsageError(f"level {shown(level)}: expected one of {', '.join(map(str, LEVELS))}")
        if region is not None and not isinstance(region, Box):
            raise UsageError(f"region {shown(region)}: expected a Box, as Box.parse('-1:1,-1:1')")
        self._source = source_of(model)
        self._backend = word(backend, "backend", BackendError)
        self._answers = find_backend(backend).profile.questions
        self._level = None if level is None else whole(level, "level")
        self._threads = None if threads is None else whole(threads, "threads", least=1)
        self.precision = precision_of(self._source, precision)
        program = program_of(self._source)
        self.region = program.origin.box if region is None else region
        program.basis(self.region.rounded(self.precision), self.precision, Promise.SIGN)
        self._has_region = region is not None
        self._reaches = tuple((reach, box_within(reach, self.region)) for reach in REACHES)
        self._engines: dict[tuple[type[Question[Any]], float], BackendEngine] = {}
        """The engines prepared so far, by kind of question and reach."""

    def answer(self, question: Question[A], out: A | None = None) -> A:
        """See `Engine.answer`."""
        check_question(question)
        kind, reach = type(question), math.inf
        if not self._has_region and kind.promise is Promise.SIGN:
            seen = question.box(self.precision)
            reach = next((reach for reach, box in self._reaches if box.contains(seen)), math.inf)
        engine = self._engines.get((kind, reach))
        if engine is None:
            engine = self._engines.setdefault((kind, reach), self._prepare(kind, reach))
        return engine.answer(question, out)

    def image(self, view: View | int = 512, *, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """uint8[height, width]: the picture in a view, 255 where `f < 0`. See `answer` for `out`.

        `view`: a `View`, or n for n by n samples of the square from -1 to 1. Raises `DomainError` for a view
        outside the region, or a model with other variables than x, y and z, and `ViewError` for a size that
        no picture has.
        """
        return self.answer(Image(view if isinstance(view, View) else View.square(whole(view, "view"))), out)

    def describe(self) -> str:
        """The way the last pictures were drawn, and the reason; empty if there is a single way, or before the
        first picture.
        """
        engines = tuple(self._engines.items())  # other threads may add some
        drawn = [engine.describe() for (kind, _), engine in engines if kind is Image]
        return drawn[-1] if drawn else ""

    def _prepare(self, kind: type[Question[Any]], reach: float) -> BackendEngine:
        """The engine for questions of a kind within a reach."""
        if kind.name not in self._answers:
            raise unanswered(kind.name, self._backend)
        pipeline = None if self._level is None else LEVELS[self._level]
        if pipeline is not None and kind.promise is Promise.BITS and not _keeps_bits(pipeline):
            raise PromiseError(
                f"level {self._level} keeps only whether f < 0: values and bounds need level 0 or 1"
            )
        box = box_within(reach, self.region)
        preparation = Preparation(
            self._source, kind, self._backend, self.precision, box, pipeline, self._threads
        )
        return preparation.find().engine


def reach_of(seen: Box, region: Box) -> float:
    """The smallest of `REACHES` whose box contains `seen`; infinite, for the whole region, if none does."""
    return next((reach for reach in REACHES if box_within(reach, region).contains(seen)), math.inf)


def box_within(reach: float, region: Box) -> Box:
    """A region, with its unbounded axes bounded by a reach."""
    if reach == math.inf:
        return region
    return Box(dict.fromkeys(AXES, (-reach, reach)) | dict(region.bounds))


def _keeps_bits(pipeline: str) -> bool:
    """Whether all passes of a pipeline keep every bit."""
    return all(pass_.promise is Promise.BITS for pass_ in parse_pipeline(pipeline))


def compile(
    model: Model, *, backend: str = "numba", level: int | None = None, region: Box | None = None,
    precision: Precision | str | None = None, threads: int | None = None,
) -> ModelEngine:  # fmt: skip
    """Prepare a model to be asked again and again: `engine.values`, `engine.bounds`, `engine.image`.

    `level`: the optimisation level for all answers; by default each kind of answer has a pipeline of its own.
    `region`: the `Box`, in model units, in which questions lie; by default all of the model's. `threads`: the
    most threads that work, one for each core by default. Raises `VmError` for malformed text, `UsageError`
    for an unknown level, `BackendError` for a backend that cannot be used on this machine, and `DomainError`
    if the model does not hold on the region.
    """
    return ModelEngine(model, backend, level, region, precision, threads)


def evaluate(
    model: Model, x: Any, y: Any, z: Any = 0.0, *, backend: str = "reference",
    precision: Precision | str | None = None, **variables: Any,
) -> NDArray[Any]:  # fmt: skip
    """The value of a model at points in model units; `x`, `y`, `z` and further variables broadcast.

    Returns an array of the broadcast shape in the precision, exact to the bit. The engines of the last few
    models are cached; for many points the program is specialised to their hull. An optimised program that
    knows its source has the values of the source. Raises `DomainError` for a variable that is missing or
    unknown, or points where the model does not hold, `PromiseError` for a program read from a file that keeps
    only its sign, `UsageError` for anything but arrays of real numbers, for masked arrays and for shapes that
    do not broadcast, and `BackendError` for a backend that cannot be used on this machine.
    """
    source = source_of(model)
    real = precision_of(source, precision)
    backend = word(backend, "backend", BackendError)
    given = {"x": x, "y": y, "z": z, **variables}
    points = {
        name: value if is_on_device(value) else real_array(name, value, real) for name, value in given.items()
    }
    program = program_of(source)
    if np.prod(broadcast_shape(points), dtype=object) >= _MANY:
        preparation = Preparation(source, Values, backend, real, hull(points), LEVELS[1])
        return preparation.make().engine.values(**points)
    return Preparation(source, Values, backend, real, program.origin.box).find().engine.values(**points)
