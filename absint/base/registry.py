"""Finds passes, analyses, domains and backends by their files.

The file, the class and the name agree: `passes/minmax.py` holds the one class whose `name` is `minmax`. A new
file is found by being there. Modules are imported when they are asked for, so that listing names is cheap.
A class without a file, such as one of a notebook, is found after `register`, in that process only.
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
}
_SINGULARS = {"passes": "pass", "analyses": "analysis", "domains": "domain", "backends": "backend"}
_PACKAGES = {"analyses": "absint.passes.analyses"}
"""Where a kind's files lie, if not in the package of its name."""

_registered: dict[str, dict[str, Any]] = {kind: {} for kind in _ERRORS}
"""Classes without a file, by kind and name."""

_forgetful: list[Callable[[], None]] = []

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)


def kept(function: F) -> F:
    """`functools.cache` for what depends on what there is: forgotten when that changes."""
    made = cache(function)
    _forgetful.append(made.cache_clear)
    return made  # type: ignore[return-value]  # it is called as the function is


def register(kind: str, made: C) -> C:
    """Add a class of passes, domains or backends that has no file, in this process only; returns the class.

    One that was registered under the same name before is replaced. Raises `UsageError` for another kind, and
    the kind's error for a class without a name, and for the name of a file.
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
    _forget()
    return made


def unregister(kind: str, name: str) -> None:
    """Take back a `register`. Raises `UsageError` for another kind, and the kind's error if there was none of
    this name.
    """
    _check_kind(kind)
    if not isinstance(name, str) or name not in _registered[kind]:
        raise _ERRORS[kind](f"{shown(name)} was not registered")
    del _registered[kind][name]
    _forget()


def _check_kind(kind: object) -> None:
    """Raises `UsageError` unless there are things of that kind."""
    if not isinstance(kind, str) or kind not in _ERRORS:
        raise UsageError(f"{shown(kind)}: expected one of {', '.join(_ERRORS)}")


def _forget() -> None:
    for clear in _forgetful:
        clear()


@kept
def names(kind: str) -> tuple[str, ...]:
    """Names of all `passes`, `analyses`, `domains` or `backends`, sorted."""
    files = {name for name in _modules(kind) if _class_in(kind, name) is not None}
    return tuple(sorted(files | set(_registered[kind])))


def find(kind: str, name: str) -> Any:
    """The class of that name. Raises the kind's error, with the nearest name, if there is none."""
    if not isinstance(name, str):
        raise _ERRORS[kind](f"{shown(name)} is no name")
    return _find(kind, name)


@kept
def _find(kind: str, name: str) -> Any:
    """See `find`."""
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
    """The class in module `name` that is called so; None when the module holds only helpers."""
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
