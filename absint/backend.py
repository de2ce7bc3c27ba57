"""What every evaluator offers, and the checks that all of them share.

A backend is one file or folder in `backends/` with one class. It optimises nothing that a pass could have
done: it takes a program as it is and is generic over programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from absint.domains.lattice import Interval
from absint.errors import BackendError, DomainError, PromiseError
from absint.graph import AXES
from absint.plan import Plan
from absint.program import Box, Program, Promise
from absint.registry import find
from absint.view import View

Ranges = Mapping[str, tuple[Any, Any]]
"""For each variable, arrays of lower and upper ends: many boxes at once. Arrays broadcast."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a backend can be used here; if not, why and how to get it."""

    available: bool
    reason: str = ""


class Executable(Protocol):
    """A program, ready to run."""

    program: Program

    def values(self, x: Any, y: Any, z: Any = 0.0, **variables: Any) -> NDArray[Any]:
        """The program's value at points; arrays broadcast and are rounded to the program's precision.

        Returns an array of the broadcast shape, of that precision. Raises `PromiseError` for a program that
        only keeps the sign, `DomainError` for points outside the program's box.
        """

    def bounds(self, boxes: Ranges) -> Interval:
        """Bounds of the program on many boxes, equal to those of the interval domain; unnamed variables are
        unbounded. Raises `PromiseError` for a program that only keeps the sign, `DomainError` for boxes
        outside the program's box.
        """

    def image(self, view: View) -> NDArray[np.uint8]:
        """uint8[height, width]: 255 where the program is < 0, else 0.

        Raises `DomainError` for a view that leaves the program's box, or a program of other variables than x,
        y, z.
        """


class Backend(Protocol):
    """Makes programs executable."""

    name: ClassVar[str]
    rendering: ClassVar[str]
    """The pipeline that a program goes through before it is drawn."""
    threaded: ClassVar[bool]
    """Whether several threads may work on a picture."""

    def probe(self) -> Availability:
        """Whether it can be used here."""

    def compile(self, program: Program, threads: int | None = None) -> Executable:
        """Prepare a program. `threads`: how many may work on it, all cores if not given."""


@runtime_checkable
class DrawsPlans(Protocol):
    """A backend that draws from a plan, so that a plan that was kept needs no program."""

    def compile_plan(self, plan: Plan, box: Box, threads: int | None = None) -> Drawing:
        """Prepare a plan that holds in a box."""


class Drawing(Protocol):
    """Something that draws pictures, as `Executable.image` does."""

    def image(self, view: View) -> NDArray[np.uint8]:
        """See `Executable.image`."""


def find_backend(name: str) -> Backend:
    """The backend of that name. Raises `BackendError` if there is none, or why it cannot be used here."""
    backend: Backend = find("backends", name)()
    availability = backend.probe()
    if not availability.available:
        raise BackendError(f"backend {name!r} is not available: {availability.reason}")
    return backend


def check_gradual_underflow() -> None:
    """Raises `BackendError` when the processor flushes subnormals to zero.

    A foreign extension built with -ffast-math can switch that on for the whole process; then no result is
    exact.
    """
    smallest = np.finfo(np.float32).smallest_subnormal
    if np.float32(smallest * np.float32(4.0)) / np.float32(2.0) == 0 or np.float64(5e-324) * 1.0 == 0:
        raise BackendError(
            "this process flushes subnormal floats to zero, so results would not be exact; "
            "some extension was built with -ffast-math: import it after absint, or not at all"
        )


def check_values_promised(program: Program) -> None:
    """Raises `PromiseError` unless the program keeps its values."""
    if program.promise is not Promise.BITS:
        raise PromiseError(
            f"the program promises only its {program.promise.value}, not its values: optimise it with -O1"
        )


def check_box(program: Program, box: Box) -> None:
    """Raises `DomainError` unless the program holds on all of `box`.

    Bounds count of every variable that the program was made from: one that a pass has removed is gone because
    it was bounded.
    """
    for name in sorted(program.variables & set(program.box.bounds)):
        lower, upper = program.box.bounds[name]
        inner = box.bounds.get(name)
        if inner is None:
            raise DomainError(
                f"the program holds for {name} from {lower!r} to {upper!r}; here it may be anything"
            )
        if inner[0] < lower or inner[1] > upper:
            raise DomainError(
                f"the program holds for {name} from {lower!r} to {upper!r}; "
                f"here it is from {inner[0]!r} to {inner[1]!r}"
            )


def check_view(program: Program, view: View) -> None:
    """Raises `DomainError` unless an image of the program exists for this view."""
    free = sorted(set(program.graph.variables.values()) - set(AXES))
    if free:
        raise DomainError(f"an image has no position for the variable {free[0]!r}, only for x, y and z")
    check_box(program, view.box(program.precision))


def hull(arrays: Mapping[str, NDArray[Any]]) -> Box:
    """The smallest box that holds all points; a variable that is NaN somewhere stays unbounded."""
    bounds = {name: (float(array.min()), float(array.max())) for name, array in arrays.items() if array.size}
    return Box({name: ends for name, ends in bounds.items() if ends[0] == ends[0]})
