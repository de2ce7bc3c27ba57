"""Finds passes, domains and backends by their files.

The file, the class and the name agree: `passes/minmax.py` holds the one class whose `name` is `minmax`. A new
file is found by being there. Modules are imported when they are asked for, so that listing names is cheap.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any

from absint.errors import AbsintError, BackendError, PipelineError, UsageError

_ERRORS: dict[str, type[AbsintError]] = {
    "passes": PipelineError,
    "domains": UsageError,
    "backends": BackendError,
}


@cache
def names(kind: str) -> tuple[str, ...]:
    """Names of all `passes`, `domains` or `backends`, sorted."""
    return tuple(sorted(name for name in _modules(kind) if _class_in(kind, name) is not None))


@cache
def find(kind: str, name: str) -> Any:
    """The class of that name. Raises the kind's error, with the nearest name, if there is none."""
    found = _class_in(kind, name) if name in _modules(kind) else None
    if found is None:
        import difflib

        near = difflib.get_close_matches(name, names(kind), 1)
        hint = f" (did you mean {near[0]!r}?)" if near else f": known are {', '.join(names(kind))}"
        singular = "pass" if kind == "passes" else kind.removesuffix("s")
        raise _ERRORS[kind](f"unknown {singular} {name!r}{hint}")
    return found


@cache
def _modules(kind: str) -> frozenset[str]:
    package = importlib.import_module(f"absint.{kind}")
    return frozenset(module.name for module in pkgutil.iter_modules(package.__path__))


@cache
def _class_in(kind: str, name: str) -> Any:
    """The class in module `name` that is called so; None when the module holds only helpers."""
    module = importlib.import_module(f"absint.{kind}.{name}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and vars(value).get("name", getattr(value, "name", None)) == name
    ]
    assert len(found) <= 1, f"absint.{kind}.{name} holds two classes called {name}"
    return found[0] if found else None
