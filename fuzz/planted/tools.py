"""Tools for planting bugs: a bug as data, and reversible patches of the running process."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from absint.base.registry import find

Plant = Callable[[], AbstractContextManager[None]]
"""Makes a context in which a bug is planted."""


@dataclass(frozen=True)
class Bug:
    """A bug that can be planted. `breaks`: what is wrong while the context of `plant()` is entered."""

    name: str
    breaks: str
    plant: Plant


def module_of(kind: str, name: str, part: str = "") -> Any:
    """The module of a pass or backend, or its submodule `part`. Found through the registry, since layers of
    other folders must not be imported directly.
    """
    home = find(kind, name).__module__
    return importlib.import_module(f"{home}.{part}" if part else home)


@contextmanager
def replaced(target: Any, attribute: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """Replace an attribute by `make(attribute)` within the context.

    `target`: a module, a class that defines the attribute itself, or an instance, which may be frozen.
    """
    old = vars(target)[attribute] if isinstance(target, type | ModuleType) else getattr(target, attribute)
    _put(target, attribute, make(old))
    try:
        yield
    finally:
        _put(target, attribute, old)


def _put(target: Any, attribute: str, value: Any) -> None:
    if isinstance(target, type | ModuleType):
        setattr(target, attribute, value)
    else:
        object.__setattr__(target, attribute, value)


def planted(target: Any, attribute: str, make: Callable[[Any], Any]) -> Plant:
    """A plant that replaces one attribute; see `replaced`."""
    return lambda: replaced(target, attribute, make)


def together(*plants: Plant) -> Plant:
    """A plant that combines several."""

    @contextmanager
    def plant() -> Iterator[None]:
        with ExitStack() as stack:
            for one in plants:
                stack.enter_context(one())
            yield

    return plant


def edited(target: Any, attribute: str, edit: Callable[[Any], Any]) -> Plant:
    """A plant that edits the results of a function."""

    def make(old: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **named: edit(old(*arguments, **named))

    return planted(target, attribute, make)


def always(answer: Any) -> Callable[[Any], Any]:
    """A maker, for `planted`, of a function that always returns `answer`."""
    return lambda old: lambda *arguments, **named: answer
