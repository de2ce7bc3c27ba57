"""Backends: each prepares programs as engines, which answer questions.

A backend is one file or folder in `backends/` with one class. A backend takes a program as it is and runs any
program; what a pass could optimise, a backend leaves to the pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from absint.base.arguments import word
from absint.base.errors import BackendError, shown
from absint.base.registry import find, names
from absint.evaluation.engine import BackendEngine
from absint.evaluation.profile import Availability, Profile
from absint.ir.box import EVERYWHERE, Box
from absint.ir.program import Program
from absint.lowering.plan import Plan
from absint.ops.precision import Precision


class Backend(ABC):
    """Prepares engines for programs. The constructor takes no arguments, or a `method` if the profile has
    several.
    """

    name: ClassVar[str]
    profile: Profile
    """What the backend can do; the same for every method."""

    @abstractmethod
    def probe(self) -> Availability:
        """Whether the backend can be used on this machine."""

    @abstractmethod
    def prepare(
        self, form: Program | Plan, threads: int | None = None, box: Box = EVERYWHERE
    ) -> BackendEngine:
        """An engine for a program, or for a plan where the profile says so.

        `threads`: the most threads that work on an answer, one for each core by default. `box`: the box on
        which a plan holds; a program holds its own. Raises `GraphError` for a program whose graph is not
        sound, and `UsageError` for a form that is neither program nor plan, and for less than one thread.
        """

    def warm(self, precision: Precision) -> None:  # noqa: B027  # most backends compile nothing
        """Compile the kernels that every picture in a precision needs, unless they are in the cache."""

    def eager(self) -> Backend:
        """The same backend for tests: it takes its short cuts even where they do not pay."""
        return self


def find_backend(name: str) -> Backend:
    """The backend of that name, or of `name:method`.

    Raises `BackendError` if there is none, and if it cannot be used on this machine, with the reason.
    """
    name, colon, method = word(name, "backend", BackendError).partition(":")
    kind = find("backends", name)
    backend: Backend = kind()
    if colon:
        methods = backend.profile.methods
        if method not in methods:
            known = f"its methods: {', '.join(methods)}" if methods else "it has one way of drawing"
            raise BackendError(f"backend {shown(name)} has no method {shown(method)}; {known}")
        backend = kind(method)
    availability = backend.probe()
    if not availability.available:
        raise BackendError(f"backend {shown(name)} is not available: {availability.reason}")
    return backend


def profile_of(name: str) -> Profile:
    """The profile of a backend, by name and without a method, even if the backend cannot be used on this
    machine. Raises `BackendError` for an unknown name.
    """
    profile: Profile = find("backends", name)().profile
    return profile


def usual_backends() -> tuple[str, ...]:
    """Names of the backends that can be used on this machine, except for those that serve tests only."""
    backends: dict[str, Backend] = {name: find("backends", name)() for name in names("backends")}
    return tuple(
        name
        for name, backend in backends.items()
        if not backend.profile.test_only and backend.probe().available
    )
