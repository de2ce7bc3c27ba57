"""A case: a random program and where it is looked at. All that a check of it depends on is in here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from absint.base.memo import cached_property
from absint.evaluation.backend import Backend, Executable
from absint.evaluation.view import View
from absint.ir.box import Box
from absint.ir.graph import AXES, Graph
from absint.ir.program import Program, Promise
from absint.ops.precision import Precision
from absint.rewriting.promise import sample_points

POINTS = 300
"""Points at which values are compared."""

MANY_POINTS = 2000
"""Points at which they are compared now and then: engines take those in several parts."""


@dataclass(frozen=True, eq=False)
class Case:
    """A source program, the precision and box in which it is optimised, and the view in which it is drawn.

    `seed` decides all that a check chooses at random: points, pipelines, parts of the box.
    """

    graph: Graph
    precision: Precision
    box: Box
    view: View
    seed: int
    mode: str = ""
    compiled: dict[tuple[Backend, int], Executable] = field(default_factory=dict, init=False, repr=False)
    """What was made of the program, by backend and threads."""

    def program(self, promise: Promise = Promise.BITS) -> Program:
        """The program restricted to the box."""
        return Program(self.graph).restricted(self.box, self.precision, promise)

    @property
    def drawable(self) -> bool:
        """Whether it has pictures: no variables but x, y and z."""
        return set(self.graph.variables.values()) <= set(AXES)

    def rng(self, *salt: int) -> np.random.Generator:
        """Random numbers for a check, the same whenever the case is checked."""
        return np.random.default_rng([self.seed, *salt])

    def points(self, box: Box | None = None, count: int = POINTS) -> dict[str, NDArray[Any]]:
        """Points of the box: its ends, special values and ordinary ones."""
        names = {*AXES, *self.graph.variables.values()}
        return sample_points(names, self.box if box is None else box, self.precision, count, self.seed)

    @cached_property
    def sample(self) -> dict[str, NDArray[Any]]:
        """Points of the box for several oracles."""
        return self.points(count=POINTS if self.seed % 8 else MANY_POINTS)

    def with_graph(self, graph: Graph) -> Case:
        """The same case with another program."""
        return replace(self, graph=graph)
