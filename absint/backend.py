"""What every evaluator offers, and the checks that all of them share.

A backend is one file or folder in `backends/` with one class. It optimises nothing that a pass could have
done: it takes a program as it is and is generic over programs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from absint.domains.lattice import Interval
from absint.errors import BackendError, DomainError, PromiseError, shown, shown_path
from absint.graph import AXES
from absint.plan import Plan
from absint.precision import Precision
from absint.program import Box, Program, Promise
from absint.registry import find, names
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
    threaded: ClassVar[bool]
    """Whether several threads may work on a picture."""
    stands_in: ClassVar[bool]
    """Whether it is only there to test another one where that cannot be used."""

    @property
    def rendering(self) -> str:
        """The pipeline that a program goes through before it is drawn."""

    def probe(self) -> Availability:
        """Whether it can be used here."""

    def compile(self, program: Program, threads: int | None = None) -> Executable:
        """Prepare a program. `threads`: how many may work on it, all cores if not given."""


@runtime_checkable
class DrawsPlans(Protocol):
    """A backend that draws from a plan, so that a plan that was kept needs no program."""

    def prepare(self, precision: Precision) -> None:
        """Make ready what every picture needs, such as compiled kernels."""

    def compile_plan(self, plan: Plan, box: Box, threads: int | None = None) -> Drawing:
        """Prepare a plan that holds in a box."""


@runtime_checkable
class HasMethods(Protocol):
    """A backend with several ways of drawing. `NAME:METHOD` names one of them."""

    methods: ClassVar[tuple[str, ...]]

    def with_method(self, method: str) -> Backend:
        """The same backend, drawing in one of these ways."""


@runtime_checkable
class Explains(Protocol):
    """A program that can say how it is drawn."""

    def account(self) -> str:
        """Which way was taken, and why."""


@runtime_checkable
class TakesShortCuts(Protocol):
    """A backend with ways of computing values that it takes only where they pay."""

    def eager(self) -> Backend:
        """The same backend, taking them wherever it can: for those who test it."""


class Drawing(Protocol):
    """Something that draws pictures, as `Executable.image` does."""

    def image(self, view: View) -> NDArray[np.uint8]:
        """See `Executable.image`."""


def find_backend(name: str) -> Backend:
    """The backend of that name, or of `name:method`.

    Raises `BackendError` if there is none, or why it cannot be used here.
    """
    name, colon, method = name.partition(":")
    backend: Backend = find("backends", name)()
    if colon:
        methods = backend.methods if isinstance(backend, HasMethods) else ()
        if method not in methods or not isinstance(backend, HasMethods):
            known = f"its methods: {', '.join(methods)}" if methods else "it has one way of drawing"
            raise BackendError(f"backend {shown(name)} has no method {shown(method)}; {known}")
        backend = backend.with_method(method)
    availability = backend.probe()
    if not availability.available:
        raise BackendError(f"backend {shown(name)} is not available: {availability.reason}")
    return backend


def usual_backends() -> tuple[str, ...]:
    """Names of the backends that can be used here, those left out that only stand in for others."""
    kinds = {name: find("backends", name) for name in names("backends")}
    return tuple(name for name, kind in kinds.items() if not kind.stands_in and kind().probe().available)


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
        raise DomainError(f"an image has no position for the variable {shown(free[0])}, only for x, y and z")
    if program.box.bounds:
        check_box(program, view.box(program.precision))


def points_given(
    program: Program, needed: Iterable[str], given: Mapping[str, Any], xp: Any = np
) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Points as arrays of the program's precision, and the shape that they broadcast to.

    `needed`: the variables that must be given. `xp`: NumPy, or a module like it. Raises `DomainError` for a
    variable that is missing or unknown, and for points outside the program's box.
    """
    if missing := sorted(set(needed) - set(given)):
        raise DomainError(f"no value given for the variable {shown(missing[0])}")
    points = {name: _rounded(program, value, xp) for name, value in _known(program, given).items()}
    shape = np.broadcast_shapes(*(array.shape for array in points.values()))
    if 0 not in shape:
        check_box(program, hull(points))
    return points, shape


def boxes_given(
    program: Program, boxes: Ranges, xp: Any = np
) -> tuple[dict[str, tuple[Any, Any]], tuple[int, ...]]:
    """The ends of boxes as arrays of the program's precision, and the shape that they broadcast to.

    `xp`: NumPy, or a module like it. Raises `DomainError` for an unknown variable, for boxes that are empty
    and those outside the program's box.
    """
    ends = {
        name: (_rounded(program, lower, xp), _rounded(program, upper, xp))
        for name, (lower, upper) in _known(program, boxes).items()
    }
    for name, (lower, upper) in ends.items():
        if bool((~(lower <= upper)).any()):
            raise DomainError(
                f"a box holds no {shown_path(name)}: its lower end is above its upper end, or NaN"
            )
    shape = np.broadcast_shapes(*(array.shape for pair in ends.values() for array in pair))
    if 0 not in shape:
        both = {name: xp.concatenate([end.ravel() for end in pair]) for name, pair in ends.items()}
        check_box(program, hull(both))
    return ends, shape


_Value = TypeVar("_Value")


def _known(program: Program, given: Mapping[str, _Value]) -> Mapping[str, _Value]:
    """What is given. Raises `DomainError` for a variable that the program does not have."""
    if surplus := sorted(set(given) - program.variables - set(AXES)):
        raise DomainError(f"the program has no variable {shown(surplus[0])}")
    return given


def _rounded(program: Program, value: Any, xp: Any) -> Any:
    """An array of the program's precision."""
    with np.errstate(all="ignore"):  # what is too large for the precision rounds to infinity
        return xp.asarray(value).astype(program.precision.dtype, copy=False)


def hull(arrays: Mapping[str, NDArray[Any]]) -> Box:
    """The smallest box that holds all points; a variable that is NaN somewhere stays unbounded."""
    bounds = {name: (float(array.min()), float(array.max())) for name, array in arrays.items() if array.size}
    return Box({name: ends for name, ends in bounds.items() if ends[0] == ends[0]})
