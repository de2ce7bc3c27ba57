"""A case: a program together with everything else on which a check of it depends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.base.memo import cached_property
from absint.evaluation.backend import Backend
from absint.evaluation.engine import Engine
from absint.evaluation.question import Sample
from absint.evaluation.view import View
from absint.ir.box import Box
from absint.ir.graph import AXES, Graph
from absint.ir.program import Program, Promise
from absint.ops.precision import Precision
from absint.rewriting.promise import sample_points

POINTS = 300
"""Points at which values are compared."""

MANY_POINTS = 2000
"""Points at which values are compared in one case of eight: enough that engines split them into parts."""


@dataclass(frozen=True, eq=False)
class Case:
    """A source program, the precision and box for which it is optimised, and the view in which it is drawn.

    `seed` determines every random choice of a check: points, pipelines, parts of the box. `mode`: how the
    generator made the program; empty for a find read from a file.
    """

    graph: Graph
    precision: Precision
    box: Box
    view: View
    seed: int
    mode: str = ""
    engines: dict[tuple[Backend, int], Engine] = field(default_factory=dict, init=False, repr=False)
    """Engines for the program, by backend and number of threads."""

    def program(self, promise: Promise = Promise.BITS) -> Program:
        """The program restricted to the box."""
        return Program(self.graph).restricted(self.box, self.precision, promise)

    @property
    def drawable(self) -> bool:
        """Whether the program can be drawn: it has no variables except x, y and z."""
        return set(self.graph.variables.values()) <= set(AXES)

    def rng(self, *salt: int) -> np.random.Generator:
        """A random generator for a check, in the same state whenever the case is checked."""
        return np.random.default_rng([self.seed, *salt])

    def points(self, box: Box | None = None, count: int = POINTS) -> dict[str, NDArray[Any]]:
        """Points of the box: its ends, special values and uniform ones."""
        names = {*AXES, *self.graph.variables.values()}
        return sample_points(names, self.box if box is None else box, self.precision, count, self.seed)

    @cached_property
    def looked_at(self) -> Sample:
        """Where engines are compared: `sample`, and the view."""
        return Sample(self.box, self.sample, self.view, self.precision, self.seed)

    @cached_property
    def sample(self) -> dict[str, NDArray[Any]]:
        """Points of the box that several oracles share."""
        return self.points(count=POINTS if self.seed % 8 else MANY_POINTS)

    def with_graph(self, graph: Graph) -> Case:
        """The same case with another program."""
        return replace(self, graph=graph)
