"""The registry: finds passes, analyses, domains, backends and questions by name.

The names of file and class agree: `passes/minmax.py` holds the one class whose `name` is `minmax`. Adding a
file is enough for it to be found. Modules are imported on demand, so that listing names is cheap. A class
without a file of its own, such as one defined in a notebook, is added by `register`, for the current process.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from absint.base.errors import AbsintError, BackendError, PipelineError, UsageError, did_you_mean, shown

_ERRORS: dict[str, type[AbsintError]] = {
    "passes": PipelineError,
    "analyses": PipelineError,
    "domains": UsageError,
    "backends": BackendError,
    "questions": UsageError,
}
_SINGULARS = {
    "passes": "pass",
    "analyses": "analysis",
    "domains": "domain",
    "backends": "backend",
    "questions": "question",
}
_PACKAGES = {"analyses": "absint.passes.analyses", "questions": "absint.evaluation.questions"}
"""The package of a kind's files, if it is not `absint.KIND`."""

_registered: dict[str, dict[str, Any]] = {kind: {} for kind in _ERRORS}
"""Classes without a file, by kind and name."""

_clear_caches: list[Callable[[], None]] = []
"""Functions that clear the caches of `cached` functions."""

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)


def cached(function: F) -> F:
    """`functools.cache` for results that depend on the registry: a change of the registry clears them."""
    made = cache(function)
    _clear_caches.append(made.cache_clear)
    return made  # type: ignore[return-value]  # has the function's signature


def register(kind: str, made: C) -> C:
    """Add a class that has no file of its own to the registry, in this process only. Returns the class.

    `kind`: "passes", "analyses", "domains", "backends" or "questions". A class registered before under the
    same name is replaced. Raises `UsageError` for another kind, and the kind's error for a class without a
    name or with the name of a file.
    """
    _check_kind(kind)
    if not isinstance(made, type):
        raise _ERRORS[kind](f"{shown(made)}: expected a class")
    name = getattr(made, "name", None)
    if not isinstance(name, str):
        raise _ERRORS[kind](f"{made.__name__} has no name: give it one, as `name: ClassVar[str] = ...`")
    if name in _modules(kind):
        raise _ERRORS[kind](f"{made.__name__} cannot be called {name!r}: there is a file {kind}/{name}.py")
    _registered[kind][name] = made
    _clear()
    return made


def unregister(kind: str, name: str) -> None:
    """Remove a registered class. Raises `UsageError` for an unknown kind, and the kind's error if no class of
    this name was registered.
    """
    _check_kind(kind)
    if not isinstance(name, str) or name not in _registered[kind]:
        raise _ERRORS[kind](f"{shown(name)} was not registered")
    del _registered[kind][name]
    _clear()


def _check_kind(kind: object) -> None:
    """Raises `UsageError` unless `kind` is a kind of the registry."""
    if not isinstance(kind, str) or kind not in _ERRORS:
        raise UsageError(f"{shown(kind)}: expected one of {', '.join(_ERRORS)}")


def _clear() -> None:
    """Clear the results of all `cached` functions."""
    for clear in _clear_caches:
        clear()


@cached
def state() -> object:
    """An object that every change of the registry replaces, for the keys of caches that outlive a change."""
    return object()


@cached
def names(kind: str) -> tuple[str, ...]:
    """Names of all `passes`, `analyses`, `domains`, `backends` or `questions`, sorted."""
    files = {name for name in _modules(kind) if _class_in(kind, name) is not None}
    return tuple(sorted(files | set(_registered[kind])))


def find(kind: str, name: str) -> Any:
    """The class with this name. Raises the kind's error, with the most similar name, if there is none."""
    if not isinstance(name, str):
        raise _ERRORS[kind](f"{shown(name)} is not a name")
    return _find(kind, name)


@cached
def _find(kind: str, name: str) -> Any:
    """The class with this name; see `find`."""
    found = _registered[kind].get(name)
    if found is None and name in _modules(kind):
        found = _class_in(kind, name)
    if found is None:
        hint = did_you_mean(name, names(kind)) or f": known are {', '.join(names(kind))}"
        singular = _SINGULARS[kind]
        raise _ERRORS[kind](f"unknown {singular} {shown(name)}{hint}")
    return found


@cache
def _modules(kind: str) -> frozenset[str]:
    package = importlib.import_module(_PACKAGES.get(kind, f"absint.{kind}"))
    return frozenset(module.name for module in pkgutil.iter_modules(package.__path__))


@cache
def _class_in(kind: str, name: str) -> Any:
    """The class called `name` in the module of that name; None if the module only holds helpers."""
    module = importlib.import_module(f"{_PACKAGES.get(kind, f'absint.{kind}')}.{name}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and vars(value).get("name", getattr(value, "name", None)) == name
    ]
    assert len(found) <= 1, f"absint.{kind}.{name} holds two classes called {name}"
    return found[0] if found else None
