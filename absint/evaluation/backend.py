"""Backends: who prepares programs so that they can be asked.

A backend is one file or folder in `backends/` with one class. It optimises nothing that a pass could have
done: it takes a program as it is and is generic over programs.
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
    """Prepares programs. Made without arguments, or with a `method` where its profile has some."""

    name: ClassVar[str]
    profile: Profile
    """What it can do, the same for all that a method makes of it."""

    @abstractmethod
    def probe(self) -> Availability:
        """Whether it can be used here."""

    @abstractmethod
    def prepare(
        self, form: Program | Plan, threads: int | None = None, box: Box = EVERYWHERE
    ) -> BackendEngine:
        """An engine for a program, or for a plan where the profile says so.

        `threads`: how many may work on an answer, all cores if not given. `box`: where a plan holds; a
        program knows that itself. Raises `GraphError` for a program whose graph is not sound, `UsageError`
        for what is neither, and for less than one thread.
        """

    def warm(self, precision: Precision) -> None:  # noqa: B027  # most have nothing to do
        """Compile what every picture of the precision needs, as far as this machine does not have it yet."""

    def eager(self) -> Backend:
        """The same backend, taking its short cuts even where they do not pay: for those who test it."""
        return self


def find_backend(name: str) -> Backend:
    """The backend of that name, or of `name:method`.

    Raises `BackendError` if there is none, or why it cannot be used here.
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
    """The profile of a backend, by name and without a method, whether or not it can be used here. Raises
    `BackendError` if there is none of that name.
    """
    profile: Profile = find("backends", name)().profile
    return profile


def usual_backends() -> tuple[str, ...]:
    """Names of the backends that can be used here, without those that are for tests only."""
    backends: dict[str, Backend] = {name: find("backends", name)() for name in names("backends")}
    return tuple(
        name
        for name, backend in backends.items()
        if not backend.profile.test_only and backend.probe().available
    )
